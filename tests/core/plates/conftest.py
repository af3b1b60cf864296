"""EXR files taken apart and put together without the code under test."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from overscan.core.geometry import Window
from overscan.core.plates import Channel, Part, PartHeader, PlateFrame

RawHeader = dict[str, tuple[str, bytes]]
ROWS = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}


def _headers(path: Path) -> tuple[list[RawHeader], int]:
    data = path.read_bytes()
    multi = struct.unpack("<I", data[4:8])[0] & 0x1000
    at, parts = 8, []
    while True:
        header: RawHeader = {}
        while data[at]:
            name_end = data.index(0, at)
            type_end = data.index(0, name_end + 1)
            size = struct.unpack("<i", data[type_end + 1 : type_end + 5])[0]
            begin = type_end + 5
            header[data[at:name_end].decode("latin1")] = (
                data[name_end + 1 : type_end].decode("latin1"),
                data[begin : begin + size],
            )
            at = begin + size
        at += 1
        parts.append(header)
        if not multi:
            return parts, at
        if not data[at]:
            return parts, at + 1


@pytest.fixture
def raw_headers() -> Callable[[Path], list[RawHeader]]:
    """Type and bytes of every attribute of every part."""
    return lambda path: _headers(path)[0]


@pytest.fixture
def table_position() -> Callable[[Path], int]:
    """File position of the first chunk table."""
    return lambda path: _headers(path)[1]


@pytest.fixture
def inject() -> Callable[[Path, Sequence[tuple[str, str, bytes]]], None]:
    """Add attributes to a single-part scan-line file, in place."""

    def add(path: Path, attributes: Sequence[tuple[str, str, bytes]]) -> None:
        (header,), at = _headers(path)
        data = path.read_bytes()
        extra = b"".join(
            name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
            for name, kind, value in attributes
        )
        _, top, _, bottom = struct.unpack("<4i", header["dataWindow"][1])
        count = -(-(bottom - top + 1) // ROWS[header["compression"][1][0]])
        offsets = struct.unpack(f"<{count}Q", data[at : at + 8 * count])
        moved = struct.pack(f"<{count}Q", *(offset + len(extra) for offset in offsets))
        version = struct.unpack("<I", data[4:8])[0]
        if any(len(name) > 31 for name, _, _ in attributes):
            version |= 0x400
        path.write_bytes(
            data[:4] + struct.pack("<I", version) + data[8 : at - 1] + extra + b"\0" + moved + data[at + 8 * count :]
        )

    return add


@pytest.fixture
def bare_samples() -> Callable[[Path], list[dict[str, np.ndarray]]]:
    """Samples of every part as OpenImageIO alone reads them, in their own types."""

    def read(path: Path) -> list[dict[str, np.ndarray]]:
        file = oiio.ImageInput.open(str(path))
        assert file, oiio.geterror()
        parts = []
        while file.seek_subimage(len(parts), 0):
            spec = file.spec()
            if len({str(kind) for kind in spec.channelformats}) > 1:
                at_once = [(at, at + 1) for at in range(spec.nchannels)]
            else:
                at_once = [(0, spec.nchannels)]
            part = {}
            for begin, end in at_once:
                samples = file.read_image(len(parts), 0, begin, end, spec.channelformat(begin))
                assert samples is not None, file.geterror()
                part.update({spec.channelnames[at]: samples[..., at - begin] for at in range(begin, end)})
            parts.append(part)
        return parts

    return read


@pytest.fixture
def make_part() -> Callable[..., Part]:
    """A part from planes: names, sample types and size follow from them."""

    def make(planes: dict[str, np.ndarray], *, x: int = 0, y: int = 0, **fields: object) -> Part:
        height, width = next(iter(planes.values())).shape
        window = Window(x=x, y=y, width=width, height=height)
        whole = 8 * max(plane.dtype.itemsize for plane in planes.values())
        header = PartHeader(
            index=0,
            name="",
            view="",
            display_window=window,
            data_window=window,
            pixel_aspect=1.0,
            channels=tuple(Channel(name=name, dtype=plane.dtype) for name, plane in planes.items()),
            compression="zip",
            tile=None,
            bits=whole,
            attributes={},
        )
        return Part(header=replace(header, **fields), planes=planes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_frame(make_part: Callable[..., Part]) -> Callable[..., PlateFrame]:
    """A frame of parts, or of one part made from planes."""

    def make(*parts: Part, number: int = 1, **planes_and_fields: object) -> PlateFrame:
        given = parts or (make_part(**planes_and_fields),)
        numbered = tuple(
            Part(header=replace(part.header, index=index), planes=part.planes) for index, part in enumerate(given)
        )
        return PlateFrame(path=Path("made.exr"), number=number, format_name="openexr", parts=numbered)

    return make


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240611)


@pytest.fixture
def any_bits(rng: np.random.Generator) -> Callable[..., np.ndarray]:
    """Planes of random bit patterns: NaNs of every payload, Inf, denormals and negatives among them."""

    def make(dtype: type, height: int = 37, width: int = 53) -> np.ndarray:
        size = np.dtype(dtype).itemsize
        return rng.integers(0, 256, (height, width * size), dtype=np.uint8).view(dtype)

    return make
