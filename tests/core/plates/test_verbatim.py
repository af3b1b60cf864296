"""Encoded samples that are handed on as they are: the same chunks under a new header."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
import pytest

from overscan.core.geometry import Window
from overscan.core.plates import PlateFrame, read_frame, same_chunks, write_frame
from overscan.core.plates._assemble import text_attribute
from overscan.core.plates._exr import MAGIC, MULTI_PART, read_layout
from overscan.core.plates._frame import ExrAttribute, with_text


def _plate(path: Path, *, kind: str = "half", tile: int = 0, **attributes: Any) -> PlateFrame:
    """A frame with negatives, NaN and Inf and a data window of its own."""
    spec = OpenImageIO.ImageSpec(70, 41, 4, kind)
    spec.x, spec.y, spec.full_width, spec.full_height = -5, 7, 64, 48
    spec.channelnames = ("R", "G", "B", "A")
    spec.tile_width = spec.tile_height = tile
    for name, value in attributes.items():
        spec.attribute(name.replace("__", ":"), value)
    pixels = np.random.default_rng(3).normal(0.2, 1.0, (41, 70, 4)).astype(np.float32)
    pixels[3, 4], pixels[5, 6, 1], pixels[7, 8, 2] = np.nan, np.inf, -np.inf
    writer = OpenImageIO.ImageOutput.create(str(path))
    assert writer.open(str(path), spec), OpenImageIO.geterror()
    assert writer.write_image(pixels)
    writer.close()
    return read_frame(path, number=1)


def _labelled(frame: PlateFrame) -> PlateFrame:
    part = frame.parts[0]
    header = with_text(part.header, name="overscan:frame", text="1")
    return replace(frame, parts=(replace(part, header=header),))


def _bits(frame: PlateFrame) -> dict[str, bytes]:
    return {name: np.ascontiguousarray(plane).tobytes() for name, plane in frame.parts[0].planes.items()}


@pytest.mark.parametrize(
    ("kind", "tile", "attributes"),
    [
        *(("half", 0, {"compression": name}) for name in ("none", "rle", "zips", "zip", "piz", "pxr24")),
        ("float", 0, {"compression": "zip"}),
        ("half", 16, {"compression": "zip"}),
        ("half", 0, {"compression": "zip", "openexr__lineOrder": "decreasingY"}),
    ],
)
def test_chunks_are_copied_as_they_are(tmp_path: Path, kind: str, tile: int, attributes: dict[str, Any]) -> None:
    plate = _plate(tmp_path / "plate.exr", kind=kind, tile=tile, **attributes)
    result = tmp_path / "out.exr"
    # Other samples than the file's: what is written shows where they came from.
    planes = {name: np.zeros_like(plane) for name, plane in plate.parts[0].planes.items()}
    part = replace(_labelled(plate).parts[0], planes=planes)
    write_frame(replace(plate, parts=(part,)), path=result, overwrite=False, encoded=plate.path)

    back = read_frame(result, number=1)
    assert _bits(back) == _bits(plate)
    assert back.parts[0].header.attributes["overscan:frame"] == "1"
    assert back.parts[0].header.data_window == plate.parts[0].header.data_window
    assert same_chunks(result, plate.path)


@pytest.mark.parametrize("change", ["compression", "window", "type", "tile", "channel", "aspect"])
def test_samples_that_are_stored_otherwise_are_encoded(tmp_path: Path, change: str) -> None:
    plate = _plate(tmp_path / "plate.exr", compression="zip")
    part = plate.parts[0]
    header, planes = part.header, dict(part.planes)
    if change == "compression":
        header = replace(header, compression="piz")
    elif change == "window":
        header = replace(header, display_window=Window(x=0, y=0, width=80, height=60))
    elif change == "aspect":
        header = replace(header, pixel_aspect=2.0)
    elif change == "tile":
        header = replace(header, tile=(16, 16))
    elif change == "type":
        planes = {name: plane.astype(np.float32) for name, plane in planes.items()}
    else:
        planes.pop("A")
    channels = tuple(
        replace(channel, dtype=planes[channel.name].dtype) for channel in header.channels if channel.name in planes
    )
    changed = replace(plate, parts=(replace(part, header=replace(header, channels=channels), planes=planes),))
    result = tmp_path / "out.exr"
    write_frame(changed, path=result, overwrite=False, encoded=plate.path)
    back = read_frame(result, number=1)
    assert back.parts[0].header.channels == channels
    assert (back.parts[0].header.compression, back.parts[0].header.tile) == (header.compression, header.tile)
    assert _bits(back) == _bits(changed)
    assert not same_chunks(result, plate.path)


def _as_multi_part(plain: Path, multi: Path) -> None:
    """Write the one part of a plain file as a multi-part file of one part, as some writers do."""
    part = read_layout(plain).parts[0]
    own = {
        "name": text_attribute(name="name", text="rgba"),
        "type": text_attribute(name="type", text="scanlineimage"),
        "chunkCount": ExrAttribute(name="chunkCount", type="int", data=struct.pack("<i", len(part.offsets))),
    }
    attributes = [entry for entry in part.attributes if entry.name not in own] + list(own.values())
    front = MAGIC + struct.pack("<I", 2 | MULTI_PART)
    for entry in attributes:
        front += f"{entry.name}\0{entry.type}\0".encode() + struct.pack("<I", len(entry.data)) + entry.data
    front += b"\0\0"
    whole, begins = plain.read_bytes(), sorted(part.offsets.tolist())
    offsets, chunks = [], b""
    for begin, end in zip(begins, [*begins[1:], len(whole)], strict=True):
        offsets.append(len(front) + 8 * len(begins) + len(chunks))
        chunks += struct.pack("<i", 0) + whole[begin:end]
    multi.write_bytes(front + struct.pack(f"<{len(offsets)}Q", *offsets) + chunks)


@pytest.mark.parametrize("beside", [False, True])
def test_the_one_part_of_a_multi_part_file_is_encoded(tmp_path: Path, beside: bool) -> None:
    """Its chunks have numbers in front of them that those of a plain file have not."""
    plain = _plate(tmp_path / "plain.exr", compression="zip")
    _as_multi_part(plain.path, tmp_path / "plate.exr")
    plate = read_frame(tmp_path / "plate.exr", number=1)
    assert _bits(plate) == _bits(plain)
    result = tmp_path / "out.exr"
    parts = plate.parts
    if beside:
        more = plain.parts[0]
        parts = (*parts, replace(more, header=replace(more.header, index=1, name="more")))
    write_frame(replace(plate, parts=parts), path=result, overwrite=False, encoded=plate.path)
    assert _bits(read_frame(result, number=1)) == _bits(plain)
    assert not same_chunks(result, plate.path)
    assert not same_chunks(plain.path, plate.path)


def test_a_single_bit_is_seen(tmp_path: Path) -> None:
    plate = _plate(tmp_path / "plate.exr", compression="zip")
    result = tmp_path / "out.exr"
    write_frame(_labelled(plate), path=result, overwrite=False, encoded=plate.path)
    whole = bytearray(result.read_bytes())
    for at in (len(whole) - 1, len(whole) - 2000):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        result.write_bytes(damaged)
        assert not same_chunks(result, plate.path)
    result.write_bytes(whole[:-1])
    assert not same_chunks(result, plate.path)
    result.write_bytes(whole)
    assert same_chunks(result, plate.path)


def test_what_is_no_exr_file_is_never_the_same(tmp_path: Path) -> None:
    plate = _plate(tmp_path / "plate.exr", compression="zip")
    (tmp_path / "empty.exr").write_bytes(b"")
    assert not same_chunks(tmp_path / "empty.exr", plate.path)
    assert not same_chunks(plate.path, tmp_path / "none.exr")
