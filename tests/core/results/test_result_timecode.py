"""Timecode of new frames counts on as a clock of its rate does."""

from __future__ import annotations

from pathlib import Path

import pytest
from filming import rgb, scene, write

from overscan.core.plates import read_header
from overscan.core.results._timecode import frames_since_midnight, with_timecode


@pytest.mark.parametrize(
    ("before", "rate", "frames", "after"),
    [
        (0x01020304, (24, 1), 1, 0x01020305),
        (0x01595923, (24, 1), 1, 0x02000000),
        (0x23595923, (24, 1), 2, 0x00000001),
        (0x00000000, (25, 1), -1, 0x23595924),
        (0x00005923, (24000, 1001), 1, 0x00010000),
        (0x00005969, (30000, 1001), 1, 0x00010042),  # drop frame: 00:00:59;29 is followed by 00:01:00;02
        (0x00010042, (30000, 1001), -1, 0x00005969),
        (0x00095969, (30000, 1001), 1, 0x00100040),  # but not in the tenth minute
        (0x00000040, (30000, 1001), 17982, 0x00100040),  # ten minutes
        (0x00000029, (24, 1), 1, 0x00000100),  # counts further than its rate
    ],
)
def test_counting(tmp_path: Path, before: int, rate: tuple[int, int], frames: int, after: int) -> None:
    attributes = {"smpte:TimeCode": ("timecode", (before, 77)), "framesPerSecond": ("rational", rate)}
    (header,) = read_header(write(tmp_path / "p.exr", rgb(scene(8, 8)), attributes=attributes))
    moved = with_timecode(header, frames=frames)
    assert f"{moved.attributes['smpte:TimeCode'][0]:08x}" == f"{after:08x}"
    assert moved.attributes["smpte:TimeCode"][1] == 77, "user bits stay"
    (stored,) = (attribute for attribute in moved.exr_attributes or () if attribute.name == "timeCode")
    assert int.from_bytes(stored.data[:4], "little") == after


@pytest.mark.parametrize(
    ("time", "rate", "count"),
    [
        (0x01020304, (24, 1), ((62 * 60) + 3) * 24 + 4),
        (0x01000000, (25, 1), 90_000),
        (0x01000040, (30000, 1001), 107_892),  # drop frame: an hour by the clock
        (0x23595923, (24, 1), 24 * 3600 * 24 - 1),
    ],
)
def test_frames_since_midnight(tmp_path: Path, time: int, rate: tuple[int, int], count: int) -> None:
    attributes = {"smpte:TimeCode": ("timecode", (time, 0)), "framesPerSecond": ("rational", rate)}
    (header,) = read_header(write(tmp_path / "p.exr", rgb(scene(8, 8)), attributes=attributes))
    assert frames_since_midnight(header) == count
    (plain,) = read_header(write(tmp_path / "q.exr", rgb(scene(8, 8))))
    assert frames_since_midnight(plain) is None
