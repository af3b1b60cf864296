"""What the self-check works with: frames that can be told apart, a bin and a timeline of its own, and their removal."""

from __future__ import annotations

import struct
import uuid
from pathlib import Path
from typing import Any

from overscan_host import exr
from overscan_host.selfcheck import Bench, SkippedError
from overscan_resolve._asking import ask, listed, number, text, unique_id
from overscan_resolve._restore import Kept, kept
from overscan_resolve._return import BIN
from overscan_resolve._timecode import rate_from

FIRST, LAST = 1001, 1010
WIDTH, HEIGHT = 192, 108
WIDE, TALL = 208, 120
"""The plate's format, and the one it is extended to, the plate in its middle."""
SHOT = "overscan_selfcheck"
RATE = "24"

_BLOCK, _TOP = 16, 48
_BITS = 8
_AWKWARD = (-1.5, 65504.0, 6e-8, -0.0, 1.0, 12.25)
"""Samples that clamping, a transfer curve or rounding would change."""


def plate_samples(frame: int) -> dict[str, list[float]]:
    """The plate's samples, by channel, row by row: a pattern that pans, awkward values, and the frame's code."""
    shift = 4 * (frame - FIRST)
    channels: dict[str, list[float]] = {}
    for place, name in enumerate("RGB"):
        samples = [
            0.2 + ((((x + shift) // 3) * 73856093) ^ ((y // 3) * 19349663) ^ (place * 83492791)) % 61 / 100
            for y in range(HEIGHT)
            for x in range(WIDTH)
        ]
        for index, value in enumerate(_AWKWARD):
            samples[(10 + index) * WIDTH + 20 + index] = value
        for block, white in enumerate(_code(frame)):
            for y in range(_TOP, _TOP + _BLOCK):
                begin = y * WIDTH + block * _BLOCK
                samples[begin : begin + _BLOCK] = [1.0 if white else 0.0] * _BLOCK
        channels[name] = samples
    return channels


def _code(frame: int) -> list[bool]:
    """Black, white, and the frame's index in binary: in ten blocks, so that any colour management leaves it legible."""
    index = frame - FIRST
    return [False, True, *(bool(index >> bit & 1) for bit in range(_BITS))]


def frame_shown(picture: exr.Picture) -> int | None:
    """Which frame of the plate a picture of its size shows; None where its code cannot be read."""
    values = []
    for block in range(_BITS + 2):
        x, y = block * _BLOCK + _BLOCK // 2, _TOP + _BLOCK // 2
        bits = picture.float_bits("G", x, y)
        values.append(struct.unpack("<f", struct.pack("<I", bits))[0])
    black, white, *code = values
    if not white - black > 1e-3:
        return None
    middle = (black + white) / 2
    return FIRST + sum(1 << bit for bit, value in enumerate(code) if value > middle)


def write_plate(folder: Path) -> str:
    """Write the plate's frames; returns their pattern."""
    for frame in range(FIRST, LAST + 1):
        path = folder / f"{SHOT}.{frame:04d}.exr"
        exr.write(path, width=WIDTH, height=HEIGHT, channels=plate_samples(frame))
    return (folder / f"{SHOT}.%04d.exr").as_posix()


def compare_with_plate(picture: exr.Picture, *, frame: int, at: tuple[int, int]) -> int:
    """How many samples were compared; raises AssertionError at the first that differs from the plate in any bit.

    `at` is where the plate's upper left sample lies in the picture.
    """
    truth = plate_samples(frame)
    compared = 0
    for name, samples in truth.items():
        for index, value in enumerate(samples):
            (half,) = struct.unpack("<e", struct.pack("<e", value))
            (wanted,) = struct.unpack("<I", struct.pack("<f", half))
            x, y = at[0] + index % WIDTH, at[1] + index // WIDTH
            found = picture.float_bits(name, x, y)
            if found != wanted:
                raise AssertionError(f"frame {frame}, {name} at {x},{y}: bits {found:08x}, the plate has {wanted:08x}")
            compared += 1
    return compared


class Scene:
    """The self-check's own bin and timeline in the open project."""

    def __init__(self, held: Kept, bin_: Any, timeline: Any) -> None:
        self.held = held
        self.bin = bin_
        self.timeline = timeline
        self.pool = ask(held.project, "GetMediaPool")
        self.start = number(timeline, "GetStartFrame") or 0

    def items(self, track: int = 1) -> list[Any]:
        """Of a video track."""
        return listed(self.timeline, "GetItemListInTrack", "video", track)

    def clear(self) -> None:
        """Take everything out of the timeline."""
        for track in range(1, (number(self.timeline, "GetTrackCount", "video") or 0) + 1):
            items = self.items(track)
            if items and not ask(self.timeline, "DeleteClips", items, False):
                ask(self.timeline, "DeleteClips", items, False)  # the first try is known to fail without a reason

    def append(self, clip: Any, first: int, end: int, at: int, track: int = 1) -> Any:
        """What Resolve answers to one clip, `at` frames from the start."""
        return ask(self.pool, "AppendToTimeline", [{
            "mediaPoolItem": clip, "startFrame": first, "endFrame": end, "mediaType": 1, "trackIndex": track,
            "recordFrame": self.start + at,
        }])  # fmt: skip

    def import_plate(self, pattern: str, *, rate: str) -> tuple[Any, bool]:
        """The plate in the bin, and whether it could be given the rate."""
        if not ask(self.pool, "SetCurrentFolder", self.bin):
            raise AssertionError("Resolve does not open the bin that it made")
        before = {unique_id(clip) for clip in listed(self.bin, "GetClipList")}
        ask(self.pool, "ImportMedia", [{"FilePath": pattern, "StartIndex": FIRST, "EndIndex": LAST}])
        new = [clip for clip in listed(self.bin, "GetClipList") if unique_id(clip) not in before]
        if len(new) != 1:
            raise AssertionError(f"Resolve made {len(new)} clips of one sequence")
        ask(new[0], "SetClipProperty", "FPS", rate)
        return new[0], rate_from(text(new[0], "GetClipProperty", "FPS")) == rate_from(rate)


def open_scene(bench: Bench) -> Scene:
    """Make the bin and the timeline; all is undone when the bench's stack is closed."""
    resolve = bench.need("resolve")
    held = bench.kept["undo"].enter_context(kept(resolve))
    bench.kept["held"] = held
    pool = ask(held.project, "GetMediaPool")
    root = ask(pool, "GetRootFolder")
    name = f"Overscan self-check {uuid.uuid4().hex[:8]}"
    ours = _folder_named(root, BIN)
    had_results = _folder_named(ours, SHOT) is not None
    bin_ = ask(pool, "AddSubFolder", root, name)
    if not bin_:
        raise AssertionError("Resolve makes no bin; is the project locked by somebody else?")
    held.afterwards(f"the media pool: the bin '{name}' is left in it", lambda: _gone(pool, root, name))

    def remove_results() -> bool:
        whole = ours is None
        target = (root, BIN) if whole else (_folder_named(root, BIN), SHOT)
        return had_results or _gone(pool, *target)

    held.afterwards(f"the media pool: the bin {BIN}/{SHOT} is left in it", remove_results)
    ask(pool, "SetCurrentFolder", bin_)
    timeline = ask(pool, "CreateEmptyTimeline", name)
    if not timeline:
        raise AssertionError("Resolve makes no timeline")

    def remove_timeline() -> bool:
        if held.timeline is not None:
            ask(held.project, "SetCurrentTimeline", held.timeline)
        return bool(ask(pool, "DeleteTimelines", [timeline]))

    held.afterwards(f"the media pool: the timeline '{name}' is left in it", remove_timeline)
    ask(held.project, "SetCurrentTimeline", timeline)
    for setting, value in (
        ("useCustomSettings", "1"), ("timelineResolutionWidth", str(WIDTH)), ("timelineResolutionHeight", str(HEIGHT)),
        ("timelineOutputResMatchTimelineRes", "1"), ("timelineFrameRate", RATE),
    ):  # fmt: skip
        took = ask(timeline, "SetSetting", setting, value)
        bench.trace("behaviour", f"SetSetting of a new timeline: {setting}",
                    gives=[bool(took), text(timeline, "GetSetting", setting)])  # fmt: skip
    return Scene(held, bin_, timeline)


def state_of(resolve: Any) -> dict[str, Any]:
    """What must be afterwards as it was before."""
    project = ask(ask(resolve, "GetProjectManager"), "GetCurrentProject")
    pool, timeline = ask(project, "GetMediaPool"), ask(project, "GetCurrentTimeline")
    bins, clips = _counts(ask(pool, "GetRootFolder"))
    presets = [
        one.get("PresetName") if isinstance(one, dict) else one for one in listed(project, "GetRenderPresetList")
    ]
    return {
        "the project": unique_id(project),
        "the page": text(resolve, "GetCurrentPage"),
        "the bin": unique_id(ask(pool, "GetCurrentFolder")),
        "the timeline": unique_id(timeline),
        "the playhead": text(timeline, "GetCurrentTimecode"),
        "the marks": ask(timeline, "GetMarkInOut"),
        "the format and codec": ask(project, "GetCurrentRenderFormatAndCodec"),
        "the render presets": sorted(str(name) for name in presets),
        "the number of render jobs": len(listed(project, "GetRenderJobList")),
        "the number of timelines": number(project, "GetTimelineCount"),
        "the number of bins": bins,
        "the number of clips": clips,
    }


def own_item(bench: Bench) -> Any:
    """The clip in the timeline that an earlier check placed."""
    item = bench.need("item")
    if number(item, "GetStart") is None:
        raise SkippedError("the clip in the timeline is gone")
    return item


def _counts(folder: Any) -> tuple[int, int]:
    bins, clips = 1, len(listed(folder, "GetClipList"))
    for below in listed(folder, "GetSubFolderList"):
        more_bins, more_clips = _counts(below)
        bins, clips = bins + more_bins, clips + more_clips
    return bins, clips


def _folder_named(parent: Any, name: str) -> Any:
    return next((one for one in listed(parent, "GetSubFolderList") if text(one, "GetName") == name), None)


def _gone(pool: Any, parent: Any, name: str) -> bool:
    folder = _folder_named(parent, name)
    if folder is None:
        return True
    clips = listed(folder, "GetClipList")
    for below in listed(folder, "GetSubFolderList"):
        clips += listed(below, "GetClipList")
    if clips:
        ask(pool, "DeleteClips", clips)
    ask(pool, "DeleteFolders", [folder])
    return _folder_named(parent, name) is None
