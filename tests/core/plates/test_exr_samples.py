"""Samples go through EXR files bit for bit, whatever their types, windows, tiles and compression."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import OpenImageIO as oiio
import pytest

from overscan.core.errors import InvalidJobError, UnsupportedImageError
from overscan.core.geometry import Window
from overscan.core.plates import lossless_compression, read_frame, read_header, same_samples, write_frame

HALF, FLOAT, UINT = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.uint32)
LOSSLESS = {
    "none": {HALF, FLOAT, UINT},
    "rle": {HALF, FLOAT, UINT},
    "zips": {HALF, FLOAT, UINT},
    "zip": {HALF, FLOAT, UINT},
    "piz": {HALF, FLOAT, UINT},
    "htj2k256": {HALF, FLOAT, UINT},
    "htj2k32": {HALF, FLOAT, UINT},
    "zstd": {HALF, FLOAT, UINT},
    "pxr24": {HALF, UINT},
    "b44": {FLOAT, UINT},
    "b44a": {FLOAT, UINT},
    "dwaa": {UINT},
    "dwab": {UINT},
}


def _round_trip(frame, path):
    write_frame(frame, path=path, overwrite=True)
    again = read_frame(path, number=frame.number)
    assert len(again.parts) == len(frame.parts)
    for before, after in zip(frame.parts, again.parts, strict=True):
        # Files list channels by name, and OpenImageIO puts red, green, blue and alpha first.
        assert {(c.name, c.dtype) for c in before.header.channels} == {(c.name, c.dtype) for c in after.header.channels}
        for channel in before.header.channels:
            assert same_samples(before.planes[channel.name], after.planes[channel.name]), channel.name
        for field in ("name", "view", "display_window", "data_window", "pixel_aspect", "compression", "tile"):
            assert getattr(before.header, field) == getattr(after.header, field), field
    assert sorted(path.parent.iterdir()) == [path]
    return again


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint32])
@pytest.mark.parametrize("compression", sorted(LOSSLESS))
def test_random_bits_survive_every_lossless_compression(compression, dtype, make_frame, any_bits, tmp_path):
    exact = np.dtype(dtype) in LOSSLESS[compression]
    assert lossless_compression(name=compression, dtypes=[np.dtype(dtype)]) == (compression if exact else "zip")
    planes = {name: any_bits(dtype, 300, 67) for name in "RGB"}
    frame = make_frame(planes=planes, compression=compression)
    if exact:
        _round_trip(frame, tmp_path / "plate.exr")
    else:
        with pytest.raises(InvalidJobError, match="alter samples"):
            write_frame(frame, path=tmp_path / "plate.exr", overwrite=True)
        assert not list(tmp_path.iterdir())


def test_compressions_called_lossless_here_are_no_lie(make_frame, any_bits, tmp_path):
    # The other direction of the table: what is called lossy does alter samples when OpenImageIO writes it.
    for compression, exact in LOSSLESS.items():
        for dtype in {HALF, FLOAT} - exact:
            samples = np.dstack([any_bits(dtype, 64, 64)] * 3)
            spec = oiio.ImageSpec(64, 64, 3, oiio.HALF if dtype == HALF else oiio.FLOAT)
            spec.attribute("compression", compression)
            out = oiio.ImageOutput.create("x.exr")
            assert out.open(str(tmp_path / "x.exr"), spec) and out.write_image(samples) and out.close()
            again = read_frame(tmp_path / "x.exr", number=1).parts[0].planes["R"]
            assert not same_samples(again, samples[..., 0]), (compression, dtype)


def test_levels_and_mixed_types_count_in_lossless_compression():
    assert lossless_compression(name="zip:9", dtypes=[HALF]) == "zip:9"
    assert lossless_compression(name="dwaa:45", dtypes=[HALF, FLOAT]) == "zip"
    assert lossless_compression(name="pxr24", dtypes=[HALF, UINT]) == "pxr24"
    assert lossless_compression(name="pxr24", dtypes=[HALF, FLOAT]) == "zip"
    assert lossless_compression(name="", dtypes=[HALF]) == "zip"
    assert lossless_compression(name="made-up", dtypes=[HALF]) == "zip"


@pytest.mark.parametrize("tile", [None, (32, 16)])
@pytest.mark.parametrize("compression", ["none", "zip", "piz"])
def test_types_may_differ_within_a_part(compression, tile, make_frame, any_bits, tmp_path):
    planes = {
        "R": any_bits(np.float16),
        "G": any_bits(np.float16),
        "B": any_bits(np.float16),
        "A": any_bits(np.float32),
        "Z": any_bits(np.float32),
        "id": any_bits(np.uint32),
        "crypto.R": any_bits(np.float32),
        "Ärger.x": any_bits(np.float16),
    }
    frame = make_frame(planes=planes, compression=compression, tile=tile, x=-11, y=-7)
    again = _round_trip(frame, tmp_path / "plate.exr")
    write_frame(again, path=tmp_path / "plate.exr", overwrite=True)
    assert all(same_samples(again.parts[0].planes[name], plane) for name, plane in planes.items())


@pytest.mark.parametrize("order", ["increasingY", "decreasingY"])
def test_mixed_types_in_either_line_order(order, make_frame, any_bits, tmp_path):
    planes = {"Y": any_bits(np.float16), "id": any_bits(np.uint32)}
    frame = make_frame(planes=planes, attributes={"openexr:lineOrder": order}, y=-9)
    again = _round_trip(frame, tmp_path / "plate.exr")
    assert again.parts[0].header.attributes["openexr:lineOrder"] == order


def test_special_values_of_scene_linear_plates(make_frame, tmp_path):
    values = [0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, -3.5, 6.1e-5, 6e-8, 65504.0, 1e-40, 1e30]
    plane = np.resize(np.array(values, np.float32), (48, 64))
    with np.errstate(over="ignore"):
        half = plane.astype(np.float16)
    _round_trip(make_frame(planes={"R": plane, "G": plane[::-1], "B": plane.copy()}), tmp_path / "float.exr")
    (tmp_path / "float.exr").unlink()
    _round_trip(make_frame(planes={"R": half, "G": half.T.copy().T, "B": half}), tmp_path / "half.exr")


def test_three_parts_with_windows_views_and_storage_of_their_own(make_frame, make_part, any_bits, tmp_path):
    display = Window(x=-8, y=4, width=200, height=100)
    common = {"display_window": display, "pixel_aspect": 1.75}
    frame = make_frame(
        make_part(
            {n: any_bits(np.float16) for n in "RGB"}, x=3, y=5, name="rgba", view="left", tile=(16, 16), **common
        ),
        make_part({"Z": any_bits(np.float32, 20, 31)}, x=-70, y=-20, name="depth", compression="zips", **common),
        make_part({"id": any_bits(np.uint32, 110, 240)}, x=-20, y=0, name="ids", compression="piz", **common),
    )
    again = _round_trip(frame, tmp_path / "plate.exr")
    only = read_frame(tmp_path / "plate.exr", number=1, parts=[1])
    assert [part.header.name for part in only.parts] == ["depth"]
    assert same_samples(only.parts[0].planes["Z"], again.parts[1].planes["Z"])
    with pytest.raises(InvalidJobError, match="parts 0 to 2"):
        read_frame(tmp_path / "plate.exr", number=1, parts=[1, 3])


CLASSIC_READER = """
import sys
import OpenImageIO as oiio
oiio.attribute("openexr:core", 0)
file = oiio.ImageInput.open(sys.argv[1])
assert file, oiio.geterror()
part = 0
while file.seek_subimage(part, 0):
    assert file.read_image(part, 0, 0, file.spec().nchannels, "float") is not None, file.geterror()
    part += 1
print(part)
"""


def test_openexrs_other_reader_takes_our_files(make_frame, make_part, any_bits, tmp_path):
    """OpenEXR's C++ reader, which hosts use, checks the container by rules of its own."""
    half = {name: any_bits(np.float16) for name in "RGB"}
    mixed = {**half, "id": any_bits(np.uint32)}
    frames = {
        1: make_frame(planes=mixed, tile=(16, 16)),
        3: make_frame(
            make_part(half, name="rgba", tile=(32, 32)),
            make_part(mixed, name="mixed"),
            make_part(half, name="zips", compression="zips", view="left"),
        ),
    }
    for count, frame in frames.items():
        path = tmp_path / f"{count}.exr"
        write_frame(frame, path=path, overwrite=False)
        done = subprocess.run([sys.executable, "-c", CLASSIC_READER, path], capture_output=True, text=True, check=False)
        assert done.stdout.strip() == str(count), done.stderr


@pytest.mark.parametrize(
    ("x", "y", "display"),
    [
        (-40, -30, Window(x=0, y=0, width=20, height=10)),
        (100, 200, Window(x=0, y=0, width=20, height=10)),
        (-5, 7, Window(x=-100, y=-100, width=400, height=300)),
    ],
)
def test_data_window_may_lie_anywhere(x, y, display, make_frame, any_bits, tmp_path):
    planes = {name: any_bits(np.float16) for name in "RGB"}
    frame = make_frame(planes=planes, x=x, y=y, display_window=display, pixel_aspect=2.0)
    _round_trip(frame, tmp_path / "plate.exr")


@pytest.mark.parametrize("tile", [(16, 16), (64, 32), (128, 128)])
def test_tiles_are_kept(tile, make_frame, any_bits, tmp_path):
    frame = make_frame(planes={"R": any_bits(np.float16), "A": any_bits(np.float16)}, tile=tile, x=-3)
    _round_trip(frame, tmp_path / "plate.exr")


def test_one_pixel(make_frame, any_bits, tmp_path):
    _round_trip(make_frame(planes={"Y": any_bits(np.float16, 1, 1)}), tmp_path / "plate.exr")


def test_planes_read_together_are_views_of_one_array_and_written_without_a_copy(make_frame, any_bits, tmp_path):
    from overscan.core.plates._interleave import interleaved

    path = tmp_path / "plate.exr"
    write_frame(make_frame(planes={name: any_bits(np.float16) for name in "RGBA"}), path=path, overwrite=False)
    part = read_frame(path, number=1).parts[0]
    joined = interleaved(part)
    assert np.shares_memory(joined, part.planes["R"]) and np.shares_memory(joined, part.planes["A"])
    assert joined.flags.c_contiguous

    painted = dict(part.planes) | {"G": part.planes["G"].copy()}
    copied = interleaved(replace(part, planes=painted))
    assert not np.shares_memory(copied, part.planes["R"])
    assert all(same_samples(copied[..., at], painted[name]) for at, name in enumerate("RGBA"))
    # Views of one array that are not its channels in order.
    swapped = dict(part.planes) | {"R": part.planes["B"], "B": part.planes["R"]}
    copied = interleaved(replace(part, planes=swapped))
    assert all(same_samples(copied[..., at], swapped[name]) for at, name in enumerate("RGBA"))


def test_new_planes_beside_untouched_ones(make_frame, any_bits, tmp_path):
    path = tmp_path / "plate.exr"
    write_frame(make_frame(planes={name: any_bits(np.float16) for name in "RGBA"}), path=path, overwrite=False)
    frame = read_frame(path, number=1)
    part = frame.parts[0]
    planes = dict(part.planes) | {"G": any_bits(np.float16)}
    _round_trip(replace(frame, parts=(replace(part, planes=planes),)), path)


def test_planes_must_fit_their_header(make_frame, any_bits, tmp_path):
    frame = make_frame(planes={"R": any_bits(np.float16), "G": any_bits(np.float16)})
    part = frame.parts[0]
    for wrong in (any_bits(np.float32), any_bits(np.float16, 10, 10)):
        broken = replace(frame, parts=(replace(part, planes={**part.planes, "G": wrong}),))
        with pytest.raises(InvalidJobError, match="channel 'G'"):
            write_frame(broken, path=tmp_path / "plate.exr", overwrite=False)
    with pytest.raises(InvalidJobError, match="channel 'G'"):
        gone = replace(frame, parts=(replace(part, planes={"R": part.planes["R"]}),))
        write_frame(gone, path=tmp_path / "plate.exr", overwrite=False)


def test_exr_holds_no_16_bit_integers(make_frame, any_bits, tmp_path):
    with pytest.raises(UnsupportedImageError, match="uint16"):
        write_frame(make_frame(planes={"Y": any_bits(np.uint16)}), path=tmp_path / "plate.exr", overwrite=False)


def test_parts_must_share_the_format_and_have_names(make_frame, make_part, any_bits, tmp_path):
    one = make_part({"Y": any_bits(np.float16)}, name="one")
    for fields in ({"name": "one"}, {"name": ""}, {"name": "two", "pixel_aspect": 2.0}):
        frame = make_frame(one, make_part({"Y": any_bits(np.float16)}, **fields))
        with pytest.raises(InvalidJobError):
            write_frame(frame, path=tmp_path / "plate.exr", overwrite=False)
    assert not list(tmp_path.iterdir())


def test_header_alone_is_what_the_frame_has(make_frame, any_bits, tmp_path):
    path = tmp_path / "plate.exr"
    write_frame(make_frame(planes={name: any_bits(np.float16) for name in "RGB"}), path=path, overwrite=False)
    assert read_header(path) == tuple(part.header for part in read_frame(path, number=1).parts)
