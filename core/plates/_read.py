"""Reading frames: native sample types, bit for bit, or a clear refusal."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

from overscan.core.access import check_read
from overscan.core.errors import (
    InvalidJobError,
    MissingFramesError,
    OverscanError,
    UnreadableImageError,
    UnsupportedImageError,
)
from overscan.core.geometry import Window
from overscan.core.plates._exr import ExrLayout, ExrPart, is_exr, read_layout
from overscan.core.plates._frame import Channel, Part, PartHeader, Plane, PlateFrame
from overscan.core.plates._jpeg import jpeg_is_complete
from overscan.core.plates._known_headers import known_headers
from overscan.core.plates._limits import DEFAULT_LIMITS, ReadLimits
from overscan.core.plates._located import at_frame
from overscan.core.plates._oiio import NATIVE, error_of, last_error
from overscan.core.plates._watch import reading
from overscan.core.storage import ask_storage, storage_error

STRUCTURAL = frozenset(
    {"channels", "chunkCount", "compression", "dataWindow", "displayWindow", "lineOrder", "name"}
    | {"pixelAspectRatio", "tiles", "type", "view"}
)
"""EXR attributes that other fields of `PartHeader` say."""

_BY_NAME: dict[str, np.dtype[Any]] = {str(oiio.TypeDesc(native)): dtype for dtype, native in NATIVE.items()}

# Readers that make images up instead of reading the file.
_NOT_FILES = frozenset({"null", "term"})

# TIFF photometric interpretations whose samples are no colours of their own: CMYK, YCbCr, Lab.
_PHOTOMETRIC = {5: "CMYK", 6: "YCbCr", 8: "CIE Lab"}


def read_header(path: Path, *, limits: ReadLimits = DEFAULT_LIMITS) -> tuple[PartHeader, ...]:
    """Headers of all parts of the file, without reading a sample.

    Raises `MissingFramesError` where there is no such file, `UnreadableImageError` where it is no image, damaged,
    incomplete or beyond `limits`, `UnsupportedImageError` where it could not be handed back unchanged.
    """
    check_read(path)
    with reading(path, pixels=False):
        return known_headers(path, limits=limits, read=lambda: _read_headers(path, limits))


def read_frame(
    path: Path, *, number: int, parts: Collection[int] | None = None, limits: ReadLimits = DEFAULT_LIMITS
) -> PlateFrame:
    """Read one file as frame `number`, every sample in the file's own type and bits.

    `parts` names the parts to read by index; None reads all. A frame read in part has only those parts, and an index
    that is not there is an `InvalidJobError`. Raises as `read_header` does, with the frame's number.
    """
    try:
        check_read(path)
        with reading(path, pixels=True), _Opened(path, limits=limits) as opened:
            chosen = [header for header in opened.headers if parts is None or header.index in parts]
            if parts is not None and len(chosen) != len(set(parts)):
                raise InvalidJobError(
                    f"there are parts 0 to {len(opened.headers) - 1}, asked were {sorted(parts)}.", path=path
                )
            opened.check_memory(chosen)
            return PlateFrame(
                path=path,
                number=number,
                format_name=opened.format_name,
                parts=tuple(Part(header=header, planes=opened.planes(header)) for header in chosen),
            )
    except OverscanError as error:
        raise at_frame(error, number=number) from error


def _read_headers(path: Path, limits: ReadLimits) -> tuple[PartHeader, ...]:
    with _Opened(path, limits=limits) as opened:
        return opened.headers


class _Opened:
    """One file, open, its claims checked."""

    def __init__(self, path: Path, *, limits: ReadLimits) -> None:
        self._path, self._limits = path, limits
        layout = self._layout()
        # Samples as the file has them: no premultiplication, no conversion to RGB.
        hints = oiio.ImageSpec()
        hints.attribute("oiio:UnassociatedAlpha", 1)
        hints.attribute("oiio:RawColor", 1)
        hints.attribute("dpx:RawColor", 1)
        file = oiio.ImageInput.open(str(path), hints)
        if file is None:
            raise self._unreadable(last_error())
        self._file = file
        try:
            self.format_name = file.format_name()
            if self.format_name in _NOT_FILES:
                raise self._damaged("it is no image")
            if (self.format_name == "openexr") != (layout is not None):
                raise self._damaged("its contents and its name disagree about the format")
            self.headers = self._headers(layout)
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _layout(self) -> ExrLayout | None:
        path = self._path
        try:
            if not path.is_file():
                if path.exists():
                    raise self._damaged("it is no regular file")
                raise MissingFramesError(
                    "there is no such file.", next_step="Check the name and that the disk is mounted.", path=path
                )
            return read_layout(path, limits=self._limits) if is_exr(path) else None
        except OSError as error:
            raise storage_error(error) or UnreadableImageError(
                f"cannot be opened: {error.strerror}.",
                next_step="Check its permissions and the disk it is on.",
                path=path,
            ) from error

    def _headers(self, layout: ExrLayout | None) -> tuple[PartHeader, ...]:
        headers: list[PartHeader] = []
        while self._file.seek_subimage(len(headers), 0):
            if len(headers) >= self._limits.parts:
                raise self._damaged(f"it claims more than {self._limits.parts} parts")
            spec = self._file.spec()
            if layout is not None and len(headers) >= len(layout.parts):
                raise self._damaged("its parts cannot be told apart")
            headers.append(self._header(len(headers), spec, layout.parts[len(headers)] if layout else None))
        # Seeking past the last part leaves an error behind that means nothing.
        error_of(self._file)
        if not headers or (layout is not None and len(headers) != len(layout.parts)):
            raise self._damaged("not all of its parts can be opened")
        return tuple(headers)

    def _header(self, index: int, spec: oiio.ImageSpec, exr: ExrPart | None) -> PartHeader:
        attributes, types = _attributes(spec)
        if exr:
            # OpenImageIO takes this from any attribute of the type, whatever its name.
            attributes["openexr:lineOrder"] = exr.line_order
        name = exr.name if exr else str(attributes.get("oiio:subimagename", ""))
        label = f"part {index} ('{name}')" if name else f"part {index}"
        if spec.deep or spec.depth > 1:
            raise self._unsupported(f"{label} holds {'deep samples' if spec.deep else 'a volume'}")
        if int(attributes.get("oiio:miplevels", 1)) > 1:
            raise self._unsupported(f"{label} holds a mip-map")
        if self.format_name == "tiff":
            photometric = _PHOTOMETRIC.get(int(attributes.get("tiff:PhotometricInterpretation", 2)))
            if photometric:
                raise self._unsupported(f"{label} holds {photometric} samples")
        if not (1 <= spec.nchannels <= self._limits.channels):
            raise self._damaged(f"{label} claims {spec.nchannels} channels; the limit is {self._limits.channels}")
        sides = (spec.width, spec.height, spec.full_width, spec.full_height)
        if not all(1 <= side <= self._limits.side for side in sides):
            raise self._damaged(f"{label} claims {sides[0]}x{sides[1]} of {sides[2]}x{sides[3]} pixels")
        if spec.width * spec.height > self._limits.pixels:
            raise self._damaged(f"{label} claims {spec.width}x{spec.height} pixels; the limit is {self._limits.pixels}")
        channels = tuple(
            Channel(name=channel, dtype=self._dtype(label, channel, str(spec.channelformat(at))))
            for at, channel in enumerate(spec.channelnames)
        )
        if len({channel.name for channel in channels}) != spec.nchannels:
            raise self._unsupported(f"{label} has two channels of one name")
        data = Window(x=spec.x, y=spec.y, width=spec.width, height=spec.height)
        display = Window(x=spec.full_x, y=spec.full_y, width=spec.full_width, height=spec.full_height)
        if exr and (data, display) != (exr.data_window, exr.display_window):
            raise self._damaged(f"the windows of {label} are contradictory")
        kept = tuple(a for a in exr.attributes if a.name not in STRUCTURAL) if exr else None
        return PartHeader(
            index=index,
            name=name,
            view=_exr_view(exr) if exr else str(attributes.get("view", "")),
            display_window=display,
            data_window=data,
            pixel_aspect=self._aspect(label, attributes),
            channels=channels,
            compression=exr.compression if exr else "",
            tile=(spec.tile_width, spec.tile_height) if spec.tile_width else None,
            bits=_bits(attributes, channels),
            attributes=attributes,
            attribute_types=types,
            exr_attributes=kept,
        )

    def _dtype(self, label: str, channel: str, type_name: str) -> np.dtype[Any]:
        if type_name not in _BY_NAME:
            raise self._unsupported(f"{label} stores channel '{channel}' as {type_name}")
        return _BY_NAME[type_name]

    def _aspect(self, label: str, attributes: dict[str, Any]) -> float:
        aspect = float(attributes.get("PixelAspectRatio", 1.0))
        if not (math.isfinite(aspect) and aspect > 0):
            raise self._damaged(f"{label} claims a pixel aspect ratio of {aspect}")
        return aspect

    def check_memory(self, headers: Collection[PartHeader]) -> None:
        """Refuse more sample bytes than the limits allow, before anything is allocated."""
        total = sum(
            header.data_window.width * header.data_window.height * sum(c.dtype.itemsize for c in header.channels)
            for header in headers
        )
        if total > self._limits.sample_bytes:
            raise self._damaged(f"it claims {total} bytes of samples; the limit is {self._limits.sample_bytes}")

    def planes(self, header: PartHeader) -> dict[str, Plane]:
        """Samples of one part; runs of channels of one type share one array."""
        if self.format_name == "jpeg" and not jpeg_is_complete(self._path):
            raise self._damaged("its image data ends early")
        planes: dict[str, Plane] = {}
        begin = 0
        for dtype, run in itertools.groupby(header.channels, key=lambda channel: channel.dtype):
            names = [channel.name for channel in run]
            samples = self._samples(header, begin, begin + len(names), dtype)
            planes.update({name: samples[..., at] for at, name in enumerate(names)})
            begin += len(names)
        return planes

    def _samples(self, header: PartHeader, begin: int, end: int, dtype: np.dtype[Any]) -> Plane:
        try:
            samples = self._file.read_image(header.index, 0, begin, end, NATIVE[dtype])
        except MemoryError as error:
            raise self._damaged(f"there is no memory for {header.data_window} pixels") from error
        message = error_of(self._file)
        if samples is None or message:
            raise self._unreadable(message or "its samples cannot be decoded")
        if samples.dtype != dtype or samples.shape != (*header.data_window.shape, end - begin):
            raise self._damaged(f"its samples came as {samples.dtype} {samples.shape}")
        if dtype.kind == "u" and header.bits < 8 * dtype.itemsize:
            # OpenImageIO stretches 10 and 12 bit codes over all 16 by repeating their top bits.
            np.right_shift(samples, 8 * dtype.itemsize - header.bits, out=samples)
        return samples

    def _unreadable(self, why: str) -> OverscanError:
        """The error for what the library could not read; where the system could not either, it says so."""
        try:
            ask_storage(self._path)
        except OSError as error:
            return storage_error(error) or self._damaged(f"{why.rstrip('.')} ({error.strerror})")
        return self._damaged(why)

    def _damaged(self, why: str) -> UnreadableImageError:
        return UnreadableImageError(
            f"cannot be read: {why.rstrip('.')}.",
            next_step="The file is damaged or not an image; render or copy it again.",
            path=self._path,
        )

    def _unsupported(self, what: str) -> UnsupportedImageError:
        return UnsupportedImageError(
            f"{what}, which Overscan cannot hand back unchanged.",
            next_step="Convert the plate to flat EXR with half, float or uint32 channels.",
            path=self._path,
        )


def _attributes(spec: oiio.ImageSpec) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    types: dict[str, str] = {}
    for attribute in spec.extra_attribs:
        name, kind = attribute.name, str(attribute.type)
        values[name] = attribute.value
        if kind not in ("int", "float", "string"):
            types[name] = kind
    return values, types


def _exr_view(part: ExrPart) -> str:
    data = next((a.data for a in part.attributes if a.name == "view" and a.type == "string"), b"")
    return data.decode("utf-8", "surrogateescape")


def _bits(attributes: dict[str, Any], channels: tuple[Channel, ...]) -> int:
    whole = 8 * max(channel.dtype.itemsize for channel in channels)
    stated = int(attributes.get("oiio:BitsPerSample", 0))
    integer = all(channel.dtype.kind == "u" for channel in channels)
    return stated if integer and 8 < stated < whole else whole
