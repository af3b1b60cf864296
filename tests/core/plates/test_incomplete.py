"""A file that is not whole is an error, and a file's claims are checked before memory is taken for them."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc

import numpy as np
import OpenImageIO as oiio
import pytest

from overscan.core.errors import MissingFramesError, UnreadableImageError, UnsupportedImageError
from overscan.core.plates import ReadLimits, read_frame, read_header, write_frame


@pytest.fixture
def plates(make_frame, make_part, any_bits, tmp_path):
    """One sound file of each format and layout."""
    half = {name: any_bits(np.float16, 100, 90) for name in "RGB"}
    byte = {name: any_bits(np.uint8, 100, 90) for name in "RGB"}
    paths = {}
    for name, fields in {"lines": {}, "zips": {"compression": "zips"}, "tiles": {"tile": (32, 32)}}.items():
        paths[name] = tmp_path / f"{name}.exr"
        write_frame(make_frame(planes=half, **fields), path=paths[name], overwrite=False)
    parts = [make_part(half, name="a"), make_part({"Z": half["R"]}, name="b", tile=(16, 16))]
    paths["parts"] = tmp_path / "parts.exr"
    write_frame(make_frame(*parts), path=paths["parts"], overwrite=False)
    for ending in ("png", "tif", "dpx"):
        paths[ending] = tmp_path / f"plate.{ending}"
        write_frame(make_frame(planes=byte), path=paths[ending], overwrite=False)
    paths["jpg"] = tmp_path / "plate.jpg"
    out = oiio.ImageOutput.create("x.jpg")
    assert out.open(str(paths["jpg"]), oiio.ImageSpec(90, 100, 3, oiio.UINT8))
    assert out.write_image(np.dstack([byte[name] for name in "RGB"])) and out.close()
    return paths


@pytest.mark.parametrize("kept", [0.0, 0.05, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["lines", "zips", "tiles", "parts", "png", "tif", "dpx", "jpg"])
def test_a_truncated_file_is_an_error(kind, kept, plates):
    _check_truncated(plates[kind], kept=int(plates[kind].stat().st_size * kept))


@pytest.mark.parametrize("kind", ["lines", "zips", "tiles", "parts", "dpx", "jpg"])
def test_one_byte_less_is_an_error(kind, plates):
    # Not in PNG and TIFF, whose last bytes are no samples.
    _check_truncated(plates[kind], kept=plates[kind].stat().st_size - 1)


def _check_truncated(path, *, kept):
    read_frame(path, number=1)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnreadableImageError) as error:
        read_frame(path, number=1003)
    assert error.value.record.path == str(path)
    assert error.value.record.frame == 1003


@pytest.mark.parametrize(("kind", "what"), [("lines", "scan lines"), ("tiles", "tiles"), ("parts", "scan lines")])
def test_a_missing_chunk_is_named(kind, what, plates, table_position):
    path = plates[kind]
    data = bytearray(path.read_bytes())
    at = table_position(path) + 8
    data[at : at + 8] = bytes(8)
    path.write_bytes(data)
    with pytest.raises(UnreadableImageError, match=f"part 0 lacks 1 of its .* {what}"):
        read_header(path)


def test_two_chunks_in_one_place_are_damage(plates, table_position):
    path = plates["zips"]
    data = bytearray(path.read_bytes())
    at = table_position(path)
    data[at : at + 8] = data[at + 8 : at + 16]
    path.write_bytes(data)
    with pytest.raises(UnreadableImageError, match="share one place"):
        read_header(path)


def test_random_damage_is_never_a_crash_nor_another_error(plates, rng):
    for kind in ("lines", "tiles", "parts"):
        sound = plates[kind].read_bytes()
        for _ in range(60):
            data = bytearray(sound)
            for at in rng.integers(0, min(len(data), 1500), 3):
                data[at] = rng.integers(0, 256)
            plates[kind].write_bytes(data)
            with contextlib.suppress(UnreadableImageError, UnsupportedImageError):
                read_frame(plates[kind], number=1, limits=ReadLimits(pixels=2**22))


@pytest.mark.parametrize(
    ("window", "complaint"),
    [
        ((0, 0, 2**30, 2**30), "claims"),
        ((-(2**31), -(2**31), 2**31 - 1, 2**31 - 1), "claims"),
        ((0, 0, 30000, 30000), "claims"),
        ((10, 10, 5, 5), "claims"),
        ((2**31 - 100, 0, 2**31 - 1, 99), "lies at"),
    ],
)
def test_absurd_windows_take_no_memory(window, complaint, plates):
    path = plates["lines"]
    data = path.read_bytes()
    old = b"dataWindow\0box2i\0" + struct.pack("<5i", 16, 0, 0, 89, 99)
    assert old in data
    path.write_bytes(data.replace(old, old[:-16] + struct.pack("<4i", *window)))
    tracemalloc.start()
    with pytest.raises(UnreadableImageError, match=complaint):
        read_frame(path, number=1)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "compression", ["rle", "zips", "zip", "piz", "pxr24", "b44a", "dwaa", "dwab", "htj2k256", "zstd"]
)
def test_a_black_plate_is_not_taken_for_a_bomb(compression, tmp_path):
    width, height = 4096, 1024
    spec = oiio.ImageSpec(width, height, 1, oiio.HALF)
    spec.attribute("compression", compression)
    out = oiio.ImageOutput.create("x.exr")
    assert out.open(str(tmp_path / "black.exr"), spec)
    assert out.write_image(np.zeros((height, width, 1), np.float16)) and out.close()
    assert not read_frame(tmp_path / "black.exr", number=1).parts[0].planes["Y"].any()


def test_limits_are_enforced(plates):
    for limits in (
        ReadLimits(pixels=8999),
        ReadLimits(channels=2),
        ReadLimits(sample_bytes=8999 * 6),
        ReadLimits(header_bytes=100),
        ReadLimits(side=99),
    ):
        with pytest.raises(UnreadableImageError, match=r"claims|larger"):
            read_frame(plates["lines"], number=1, limits=limits)
    with pytest.raises(UnreadableImageError, match="parts"):
        read_frame(plates["parts"], number=1, limits=ReadLimits(parts=1))
    for limits in (ReadLimits(pixels=8999), ReadLimits(channels=2), ReadLimits(sample_bytes=8999 * 3)):
        with pytest.raises(UnreadableImageError, match="claims"):
            read_frame(plates["png"], number=1, limits=limits)


def test_what_is_no_file(tmp_path):
    with pytest.raises(MissingFramesError) as missing:
        read_frame(tmp_path / "none.exr", number=5)
    assert missing.value.record.frame == 5
    with pytest.raises(UnreadableImageError, match="regular file"):
        read_header(tmp_path)
    (tmp_path / "text.exr").write_text("not an image")
    with pytest.raises(UnreadableImageError):
        read_header(tmp_path / "text.exr")
    (tmp_path / "made-up.null").write_text("")
    with pytest.raises(UnreadableImageError):
        read_header(tmp_path / "made-up.null")


def test_deep_parts_are_refused(tmp_path):
    spec = oiio.ImageSpec(4, 4, 2, oiio.FLOAT)
    spec.channelnames = ("A", "Z")
    spec.deep = True
    deep = oiio.DeepData()
    deep.init(16, 2, (oiio.TypeDesc("float"), oiio.TypeDesc("float")), ("A", "Z"))
    out = oiio.ImageOutput.create("x.exr")
    assert out.open(str(tmp_path / "deep.exr"), spec) and out.write_deep_image(deep) and out.close()
    with pytest.raises(UnsupportedImageError, match=r"part 0.*deep"):
        read_frame(tmp_path / "deep.exr", number=1)
