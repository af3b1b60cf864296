"""Writing frames so that reading them gives the same bits, or refusing to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenImageIO as oiio

from overscan.core.errors import InvalidJobError, OverscanError, UnsupportedImageError
from overscan.core.plates._atomic import AtomicFile
from overscan.core.plates._frame import Part, PartHeader, Plane, PlateFrame
from overscan.core.plates._interleave import interleaved, same_samples
from overscan.core.plates._located import at_frame
from overscan.core.plates._oiio import carry_attributes, error_of, oiio_type
from overscan.core.plates._output import open_output
from overscan.core.plates._read import read_frame
from overscan.core.plates._write_exr import write_exr

_FORMATS = {".exr": "exr", ".png": "png", ".tif": "tiff", ".tiff": "tiff", ".dpx": "dpx"}

# Sample types and significant bits that each format gives back bit for bit.
_EXACT = {
    "png": {(np.dtype(np.uint8), 8), (np.dtype(np.uint16), 16)},
    "tiff": {
        (np.dtype(np.uint8), 8),
        (np.dtype(np.uint16), 10),
        (np.dtype(np.uint16), 12),
        (np.dtype(np.uint16), 16),
        (np.dtype(np.uint32), 32),
        (np.dtype(np.float32), 32),
    },
    "dpx": {
        (np.dtype(np.uint8), 8),
        (np.dtype(np.uint16), 10),
        (np.dtype(np.uint16), 12),
        (np.dtype(np.uint16), 16),
    },
}
_MOST_CHANNELS = {"png": 4, "dpx": 4, "tiff": 1024}
# The chunk that ends a PNG file; its reader does not miss it.
_PNG_END = bytes.fromhex("00000000 49454e44 ae426082")
_TIFF_COMPRESSIONS = frozenset({"none", "lzw", "zip", "packbits"})


def write_frame(
    frame: PlateFrame, *, path: Path, overwrite: bool, owner: str = "", encoded: Path | None = None
) -> None:
    """Write `frame` to `path`; the extension names the format (.exr, .png, .tif, .tiff, .dpx).

    The file appears whole or not at all. Reading it back gives every sample bit for bit, whatever the format; what
    a format cannot hold so is refused with `UnsupportedImageError`, as is JPEG, which is lossy. A compression that
    would alter samples is an `InvalidJobError` (see `lossless_compression`). Other errors: `OutputExistsError`,
    `OutputNotWritableError`, `DiskFullError`.

    `owner` names whoever writes this file, and writes it only once at a time: what a killed process has left
    unfinished is found again by that name (see `overscan.core.temporaries`).

    `encoded` is an EXR file whose one part holds just the samples of the frame's first part: where it stores them as
    the frame is to be stored, they are copied as they are, which spares encoding them.

    EXR metadata is written byte for byte where the frame came from an EXR file. OpenImageIO adds to other formats:
    DPX gets a `Software` field and header defaults, TIFF a `DateTime` where there is none.
    """
    try:
        kind = _format(path)
        if not frame.parts:
            raise InvalidJobError("the frame has no parts to write.", path=path)
        for part in frame.parts:
            _check_planes(part, path=path)
        if kind == "exr":
            write_exr(frame=frame, path=path, overwrite=overwrite, owner=owner, encoded=encoded)
        else:
            _write_flat(frame, path=path, kind=kind, overwrite=overwrite, owner=owner)
    except OverscanError as error:
        raise at_frame(error, number=frame.number) from error


def _format(path: Path) -> str:
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        lossy = path.suffix.lower() in (".jpg", ".jpeg", ".jpe", ".jfif")
        raise UnsupportedImageError(
            "JPEG is lossy, so it cannot hold a plate unchanged."
            if lossy
            else f"'{path.suffix or path.name}' is no output format.",
            next_step="Write .exr, .tif, .png or .dpx.",
            path=path,
        )
    return kind


def _check_planes(part: Part, *, path: Path) -> None:
    header = part.header
    if not header.channels:
        raise InvalidJobError(f"part {header.index} has no channels.", path=path)
    for channel in header.channels:
        plane = part.planes.get(channel.name)
        found = "nothing" if plane is None else f"{plane.dtype} {plane.shape}"
        expected = f"{channel.dtype} {header.data_window.shape}"
        if found != expected:
            raise InvalidJobError(
                f"channel '{channel.name}' of part {header.index} does not fit its header.",
                path=path,
                expected=expected,
                actual=found,
            )


def _write_flat(frame: PlateFrame, *, path: Path, kind: str, overwrite: bool, owner: str) -> None:
    if len(frame.parts) > 1:
        raise _cannot(path, f"{kind.upper()} holds one part, the frame has {len(frame.parts)}")
    part = frame.parts[0]
    header = part.header
    _check_flat(header, path=path, kind=kind)
    spec = _flat_spec(header, kind=kind)
    with AtomicFile(path=path, overwrite=overwrite, owner=owner) as file:
        temporary = file.temporary()
        with open_output(spec, temporary, file) as output:
            if not output.write_image(_stretched(interleaved(part), header.bits)):
                raise file.failed(temporary=temporary, reason=error_of(output))
        # These writers lose errors of the disk, and OpenImageIO renames channels: read back what is there.
        if kind == "png" and not temporary.read_bytes().endswith(_PNG_END):
            raise file.failed(temporary=temporary, reason="its end is missing")
        try:
            back = read_frame(temporary, number=frame.number).parts[0]
        except OverscanError as error:
            raise file.failed(temporary=temporary, reason=error.record.message) from error
        _compare(part, back, path=path, kind=kind)
        file.commit(temporary)


def _check_flat(header: PartHeader, *, path: Path, kind: str) -> None:
    dtypes = {channel.dtype for channel in header.channels}
    if len(dtypes) > 1 or (next(iter(dtypes)), header.bits) not in _EXACT[kind]:
        names = ", ".join(sorted(str(dtype) for dtype in dtypes))
        raise _cannot(path, f"{kind.upper()} does not hold {header.bits} bit {names} samples unchanged")
    if len(header.channels) > _MOST_CHANNELS[kind]:
        raise _cannot(path, f"{kind.upper()} does not hold {len(header.channels)} channels")
    if kind != "tiff" and header.data_window != header.display_window:
        raise _cannot(path, f"{kind.upper()} has no data window, the frame has one of {header.data_window}")


def _flat_spec(header: PartHeader, *, kind: str) -> oiio.ImageSpec:
    window, display = header.data_window, header.display_window
    spec = oiio.ImageSpec(window.width, window.height, len(header.channels), oiio_type(header.channels[0].dtype))
    spec.channelnames = tuple(channel.name for channel in header.channels)
    if kind == "tiff":
        spec.x, spec.y = window.x, window.y
        spec.full_x, spec.full_y = display.x, display.y
        spec.full_width, spec.full_height = display.width, display.height
        if header.tile:
            spec.tile_width, spec.tile_height = header.tile
        given = str(header.attributes.get("compression", "zip")).lower()
        spec.attribute("compression", given if given in _TIFF_COMPRESSIONS else "zip")
    carry_attributes(header, spec)
    # Samples are stored as they are: alpha neither multiplied in nor divided out.
    spec.attribute("oiio:UnassociatedAlpha", 1)
    spec.attribute("PixelAspectRatio", float(header.pixel_aspect))
    spec.attribute("oiio:BitsPerSample", header.bits)
    return spec


def _stretched(samples: Plane, bits: int) -> Plane:
    """Codes of 10 and 12 bits spread over all 16, as OpenImageIO takes them: the top bits repeated below."""
    whole = 8 * samples.dtype.itemsize
    if samples.dtype.kind != "u" or bits == whole:
        return samples
    return (samples << (whole - bits)) | (samples >> (2 * bits - whole))


def _compare(part: Part, back: Part, *, path: Path, kind: str) -> None:
    """Refuse what this format did not keep; nothing has been put at `path` yet."""
    for channel in part.header.channels:
        plane, again = part.planes[channel.name], back.planes.get(channel.name)
        if again is None:
            raise _cannot(path, f"{kind.upper()} does not keep a channel named '{channel.name}'")
        if again.dtype != plane.dtype or not same_samples(again, plane):
            raise _cannot(path, f"{kind.upper()} does not keep channel '{channel.name}' unchanged")
    for what, before, after in (
        ("data window", part.header.data_window, back.header.data_window),
        ("display window", part.header.display_window, back.header.display_window),
    ):
        if before != after:
            raise _cannot(path, f"{kind.upper()} does not keep the {what} {before}")


def _cannot(path: Path, why: str) -> UnsupportedImageError:
    return UnsupportedImageError(f"{why}.", next_step="Write .exr, which holds every frame.", path=path)
