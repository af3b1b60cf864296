"""Every sound file of the Academy's test images is given back bit for bit, or refused with the reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from overscan.core.errors import UnsupportedImageError
from overscan.core.plates import (
    Part,
    PlateFrame,
    check_consistent,
    colour_planes,
    find_part,
    lossless_compression,
    read_frame,
    read_header,
    write_frame,
)

REFUSED = {
    "Chromaticities/Rec709_YC.exr": "subsampled",
    "Chromaticities/XYZ_YC.exr": "subsampled",
    "LuminanceChroma/Flowers.exr": "subsampled",
    "MultiResolution/ColorCodedLevels.exr": "mip",
    "MultiResolution/PeriodicPattern.exr": "mip",
}
RECOMPRESSED = {"TestImages/WideFloatRange.exr": ("pxr24", "zip")}


def _losslessly(frame: PlateFrame) -> PlateFrame:
    parts = []
    for part in frame.parts:
        dtypes = [channel.dtype for channel in part.header.channels]
        name = lossless_compression(name=part.header.compression, dtypes=dtypes)
        parts.append(Part(header=replace(part.header, compression=name), planes=part.planes))
    return replace(frame, parts=tuple(parts))


def _sound_files(shared_data: Path) -> list[Path]:
    folder = shared_data / "openexr-images"
    return [path for path in sorted(folder.glob("*/*.exr")) if path.parent.name != "Damaged"]


def test_every_sound_file_round_trips_or_is_refused(shared_data, tmp_path, raw_headers, bare_samples):
    files = _sound_files(shared_data)
    assert len(files) >= 46
    refused, recompressed = {}, {}
    for path in files:
        name = str(path.relative_to(shared_data / "openexr-images"))
        try:
            frame = read_frame(path, number=1)
        except UnsupportedImageError as error:
            assert error.record.path == str(path)
            assert "part 0" in error.record.message
            assert error.record.frame == 1
            refused[name] = error.record.message
            continue
        lossless = _losslessly(frame)
        out = tmp_path / "out.exr"
        write_frame(lossless, path=out, overwrite=True)

        before, after = bare_samples(path), bare_samples(out)
        assert [list(part) for part in before] == [list(part) for part in after], name
        for old, new, part in zip(before, after, frame.parts, strict=True):
            for channel, samples in old.items():
                bits = f"u{samples.dtype.itemsize}"
                assert samples.dtype == new[channel].dtype == part.planes[channel].dtype, (name, channel)
                assert np.array_equal(samples.view(bits), new[channel].view(bits)), (name, channel)
                assert np.array_equal(samples.view(bits), part.planes[channel].view(bits)), (name, channel)

        for at, (old, new) in enumerate(zip(raw_headers(path), raw_headers(out), strict=True)):
            pair = (frame.parts[at].header.compression, lossless.parts[at].header.compression)
            if pair[0] != pair[1]:
                recompressed[name] = pair
                del old["compression"], new["compression"]
            # The flag that a channel is perceptually linear guides lossy compression only; OpenImageIO sets its own.
            assert _channels(old.pop("channels")[1]) == _channels(new.pop("channels")[1]), name
            # A single part needs no type, and old files have none.
            for header in (old, new):
                if len(frame.parts) == 1:
                    header.pop("type", None)
                    header.pop("chunkCount", None)
            assert old == new, name
    assert {name: word for name, word in REFUSED.items() if word in refused.get(name, "")} == REFUSED
    assert refused.keys() == REFUSED.keys()
    assert recompressed == RECOMPRESSED


def _channels(data: bytes) -> list[tuple[bytes, bytes]]:
    """Name and sample type of each channel."""
    result, at = [], 0
    while data[at]:
        end = data.index(0, at)
        result.append((data[at:end], data[end + 1 : end + 5]))
        at = end + 17
    return result


def test_half_bit_patterns_all_survive(shared_data, tmp_path):
    path = shared_data / "openexr-images/TestImages/AllHalfValues.exr"
    frame = read_frame(path, number=1)
    plane = frame.parts[0].planes["R"]
    assert len(np.unique(plane.view(np.uint16))) == 65536
    write_frame(frame, path=tmp_path / "half.exr", overwrite=False)
    again = read_frame(tmp_path / "half.exr", number=1).parts[0].planes["R"]
    assert np.array_equal(plane.view(np.uint16), again.view(np.uint16))


def test_windows_and_pixel_aspect_are_the_files_own(shared_data):
    header = read_header(shared_data / "openexr-images/DisplayWindow/t08.exr")[0]
    assert (str(header.data_window), str(header.display_window)) == ("400x300+30+40", "501x401+0+0")
    header = read_header(shared_data / "openexr-images/DisplayWindow/t16.exr")[0]
    assert str(header.display_window) == "481x371-40-40"
    assert header.pixel_aspect == np.float32(2 / 3)


def test_beachball_parts_by_view(shared_data):
    headers = read_header(shared_data / "openexr-images/Beachball/multipart.0001.exr")
    assert len(headers) == 10
    assert find_part(headers).name == "rgba_right"
    assert find_part(headers, view="left").name == "rgba_left"
    assert find_part(headers, part="depth_left").name == "depth_left"
    assert colour_planes(find_part(headers, view="left")) == ("R", "G", "B")


def test_beachball_views_in_one_part(shared_data):
    headers = read_header(shared_data / "openexr-images/Beachball/singlepart.0001.exr")
    part = find_part(headers, view="left")
    assert colour_planes(part) == ("R", "G", "B")
    assert colour_planes(part, view="right") == ("R", "G", "B")
    assert colour_planes(part, view="left") == ("left.R", "left.G", "left.B")
    assert colour_planes(part, layer="whitebarmask", view="left") == ("whitebarmask.left.mask",)


def test_fog_views(shared_data):
    headers = read_header(shared_data / "openexr-images/MultiView/Fog.exr")
    assert colour_planes(find_part(headers)) == ("Y",)
    assert colour_planes(find_part(headers, view="right"), view="right") == ("right.Y",)


def test_a_moving_data_window_is_one_sequence(shared_data):
    folder = shared_data / "openexr-images/Beachball"
    for kind, count in (("singlepart", 8), ("multipart", 2)):
        first = read_header(folder / f"{kind}.0001.exr")
        for number in range(2, count + 1):
            path = folder / f"{kind}.{number:04d}.exr"
            check_consistent(first, read_header(path), path=path, frame=number)
