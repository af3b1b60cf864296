"""Writing EXR frames: OpenImageIO encodes each part, `_assemble` puts the parts into one file."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

from overscan.core.errors import InvalidJobError, UnreadableImageError, UnsupportedImageError
from overscan.core.plates._assemble import STRUCTURE, SinglePart, assemble, text_attribute
from overscan.core.plates._atomic import AtomicFile
from overscan.core.plates._compression import lossless_compression
from overscan.core.plates._exr import read_layout
from overscan.core.plates._frame import ExrAttribute, Part, PartHeader, PlateFrame
from overscan.core.plates._interleave import interleaved
from overscan.core.plates._limits import DEFAULT_LIMITS
from overscan.core.plates._oiio import carry_attributes, error_of, last_error, oiio_type
from overscan.core.plates._output import open_output
from overscan.core.plates._verbatim import holds_encoded
from overscan.core.plates._watch import reading

# Written by OpenImageIO itself, or about the file that was read rather than the image.
_NOT_CARRIED = frozenset({*STRUCTURE, "name", "type", "chunkCount", "view"})

_SHARED = ("chromaticities", "timeCode")
"""Attributes that all parts of a file share (OpenEXR multi-part specification), besides the display window and the
pixel aspect ratio."""


def write_exr(*, frame: PlateFrame, path: Path, overwrite: bool, owner: str, encoded: Path | None) -> None:
    """Write `frame` as an EXR file; arguments and errors are `write_frame`'s."""
    _check(frame, path)
    with AtomicFile(path=path, overwrite=overwrite, owner=owner) as file:
        singles = []
        for part in frame.parts:
            if encoded is not None and part is frame.parts[0] and holds_encoded(encoded, part):
                attributes = _attributes(part.header, encoded, file)
                singles.append(SinglePart(path=encoded, name=part.header.name, attributes=attributes))
                continue
            temporary = file.temporary()
            if len({channel.dtype for channel in part.header.channels}) == 1:
                _encode_uniform(part, temporary, file)
            else:
                _encode_mixed(part, temporary, file)
            singles.append(
                SinglePart(path=temporary, name=part.header.name, attributes=_attributes(part.header, temporary, file))
            )
        final = file.temporary()
        try:
            with reading(encoded, pixels=True) if encoded is not None else nullcontext():
                assemble(parts=_sharing(singles, frame), target=final)
        except UnreadableImageError as error:
            # What was just written is not complete: the writer missed an error of the disk.
            raise file.failed(temporary=singles[-1].path, reason=error.record.message) from error
        except OSError as error:
            raise file.refused(error) from error
        file.commit(final)


def _check(frame: PlateFrame, path: Path) -> None:
    first = frame.parts[0].header
    names = [part.header.name for part in frame.parts]
    if len(frame.parts) > 1 and (not all(names) or len(set(names)) != len(names)):
        raise InvalidJobError(
            f"the parts of a multi-part EXR need names of their own, got {names}.",
            next_step="Name every part differently.",
            path=path,
        )
    for part in frame.parts:
        header = part.header
        if (header.display_window, header.pixel_aspect) != (first.display_window, first.pixel_aspect):
            raise InvalidJobError(
                f"part '{header.name}' has another display window or pixel aspect than part '{first.name}'.",
                next_step="All parts of an EXR file share one format.",
                path=path,
                expected=f"{first.display_window}, pixel aspect {first.pixel_aspect}",
                actual=f"{header.display_window}, pixel aspect {header.pixel_aspect}",
            )
        for channel in header.channels:
            if channel.dtype not in (np.float16, np.float32, np.uint32):
                raise UnsupportedImageError(
                    f"channel '{channel.name}' is {channel.dtype}, which EXR does not have.",
                    next_step="Convert it to half, float or uint32.",
                    path=path,
                )
        dtypes = [channel.dtype for channel in header.channels]
        if lossless_compression(name=header.compression or "zip", dtypes=dtypes) != (header.compression or "zip"):
            raise InvalidJobError(
                f"the compression '{header.compression}' of part {header.index} would alter samples.",
                next_step="Write it with zip, or another lossless compression.",
                path=path,
                field="output.compression",
            )


def _spec(header: PartHeader, *, compression: str, tile: tuple[int, int] | None) -> oiio.ImageSpec:
    window, display = header.data_window, header.display_window
    types = [oiio_type(channel.dtype) for channel in header.channels]
    spec = oiio.ImageSpec(window.width, window.height, len(types), types[0])
    spec.x, spec.y = window.x, window.y
    spec.full_x, spec.full_y = display.x, display.y
    spec.full_width, spec.full_height = display.width, display.height
    spec.channelnames = tuple(channel.name for channel in header.channels)
    if len(set(types)) > 1:
        spec.channelformats = tuple(types)
    if tile:
        spec.tile_width, spec.tile_height = tile
    spec.attribute("compression", compression)
    spec.attribute("PixelAspectRatio", float(header.pixel_aspect))
    order = header.attributes.get("openexr:lineOrder", "increasingY")
    if tile is not None or order != "randomY":
        spec.attribute("openexr:lineOrder", order)
    if header.exr_attributes is None:
        carry_attributes(header, spec)
    return spec


def _encode_uniform(part: Part, temporary: Path, file: AtomicFile) -> None:
    header = part.header
    spec = _spec(header, compression=header.compression or "zip", tile=header.tile)
    with open_output(spec, temporary, file) as output:
        if not output.write_image(interleaved(part)):
            raise file.failed(temporary=temporary, reason=error_of(output))


def _encode_mixed(part: Part, temporary: Path, file: AtomicFile) -> None:
    """Encode a part whose channels have several types.

    OpenImageIO's Python interface takes one type of array for all channels and would convert. So an uncompressed
    file is written first and its samples are replaced in place; a copy of it, which OpenImageIO makes type by type
    without converting, gets the compression and the tiles.
    """
    header = part.header
    height, width = header.data_window.shape
    raw = file.temporary()
    blank = np.zeros((height, width, len(header.channels)), np.float16)
    with open_output(_spec(header, compression="none", tile=None), raw, file) as output:
        if not output.write_image(blank):
            raise file.failed(temporary=raw, reason=error_of(output))
    try:
        _fill(part, raw)
    except UnreadableImageError as error:
        raise file.failed(temporary=raw, reason=error.record.message) from error
    except OSError as error:
        raise file.refused(error) from error
    source = oiio.ImageInput.open(str(raw))
    if source is None:
        raise file.failed(temporary=raw, reason=last_error())
    try:
        spec = oiio.ImageSpec(source.spec())
        spec.attribute("compression", header.compression or "zip")
        if header.tile:
            spec.tile_width, spec.tile_height, spec.tile_depth = *header.tile, 1
        with open_output(spec, temporary, file) as output:
            if not output.copy_image(source):
                raise file.failed(temporary=temporary, reason=error_of(output))
    finally:
        source.close()


def _fill(part: Part, raw: Path) -> None:
    """Put the samples of `part` into the uncompressed scan-line file `raw`."""
    header = part.header
    height, width = header.data_window.shape
    layout = read_layout(raw)
    # A chunk is one row: its number, its size, then one channel after the other in the order of their names.
    fields: list[Any] = [("row", "<i4"), ("size", "<i4")]
    ordered = sorted(header.channels, key=lambda channel: channel.name.encode("utf-8", "surrogateescape"))
    for at, channel in enumerate(ordered):
        fields.append((f"c{at}", channel.dtype.newbyteorder("<"), (width,)))
    rows = np.memmap(raw, dtype=np.dtype(fields), mode="r+", offset=layout.chunks_begin, shape=(height,))
    row_bytes = rows.dtype.itemsize - 8
    if int(rows["size"].min()) != row_bytes or int(rows["size"].max()) != row_bytes:
        raise UnreadableImageError("its rows have another size than their channels", path=raw)
    planes = [part.planes[channel.name] for channel in ordered]
    for at, plane in enumerate(planes):
        # By row number, as rows lie in the file in line order. Viewed as integers, so that no NaN is touched.
        kind = f"<u{plane.dtype.itemsize}"
        rows[f"c{at}"].view(kind)[:] = plane.view(kind)[rows["row"] - header.data_window.y]
    rows.flush()


def _attributes(header: PartHeader, temporary: Path, file: AtomicFile) -> tuple[ExrAttribute, ...]:
    view = (text_attribute(name="view", text=header.view),) if header.view else ()
    if header.exr_attributes is not None:
        return (*header.exr_attributes, *view)
    try:
        written = read_layout(temporary, limits=DEFAULT_LIMITS).parts[0].attributes
    except UnreadableImageError as error:
        raise file.failed(temporary=temporary, reason=error.record.message) from error
    # OpenImageIO adds the time of writing, by which the same frame would differ from run to run.
    dropped = _NOT_CARRIED if "DateTime" in header.attributes else _NOT_CARRIED | {"capDate"}
    return (*(a for a in written if a.name not in dropped), *view)


def _sharing(singles: list[SinglePart], frame: PlateFrame) -> list[SinglePart]:
    """Give parts that were made here the attributes that all parts of a file must share."""
    shared = [a for a in singles[0].attributes if a.name in _SHARED]
    result = []
    for single, part in zip(singles, frame.parts, strict=True):
        added: tuple[ExrAttribute, ...] = ()
        if part.header.exr_attributes is None:
            names = {a.name for a in single.attributes}
            added = tuple(a for a in shared if a.name not in names)
        result.append(SinglePart(path=single.path, name=single.name, attributes=(*single.attributes, *added)))
    return result
