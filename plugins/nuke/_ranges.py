"""Which frames: of the shot, and of the result. All numbers here are those of the script."""

from __future__ import annotations

from typing import Any

import nuke
from overscan_host import frames_from_text, frames_to_text
from overscan_nuke import _animation, _knobs
from overscan_nuke._reads import FileSource
from overscan_nuke._refusals import refuse


def named_frames(node: Any, name: str) -> list[int]:
    """The frames in a text knob; raises `RefusalError` where it holds something else."""
    try:
        return frames_from_text(_knobs.text(node, name))
    except ValueError as error:
        raise refuse("FRAME_RANGE", f"{node[_knobs.PREFIX + name].label() or name}: {error}.",
                     "Write it like 1001-1100, 1001-1100x2,1200 or -5--1.", field=name) from error  # fmt: skip


def shot_frames(node: Any, index: int, source: Any, on_disk: list[int]) -> list[int]:
    """The frames that the engine may learn from: as the knob says, else all that the plate has."""
    named = named_frames(node, "plate_frames")
    if named:
        return named
    if isinstance(source, FileSource):
        files = [frame + source.offset for frame in on_disk if source.first <= frame <= source.last]
        return files or list(range(source.first + source.offset, source.last + source.offset + 1))
    limits = node.input(index).frameRange()
    return list(range(int(limits.first()), int(limits.last()) + 1))


def wanted_frames(node: Any, shot: list[int]) -> list[int]:
    """The frames of the result that are wanted; empty for all. Raises `RefusalError` where the plate has them not."""
    choice = _knobs.get(node, "range")
    if choice == "input":
        return []
    if choice == "custom":
        wanted = named_frames(node, "frames")
        if not wanted:
            raise refuse("FRAME_RANGE", "The frames are 'custom', and none are written beside.",
                         "Write them like 1001-1100, or choose 'input'.", field="frames")  # fmt: skip
        source = "The frames"
    else:
        root = nuke.root()
        handles = int(_animation.steady(node, "handles", frames=[])) if _knobs.has(node, "handles") else 0
        first, last = int(root["first_frame"].value()) - handles, int(root["last_frame"].value()) + handles
        wanted = list(range(first, last + 1))
        source = f"The project's range with {handles} handles" if handles else "The project's range"
    if (
        shot
        and _knobs.kind_of(node).name in ("extend", "inpaint")
        and not shot[0] <= wanted[0] <= wanted[-1] <= shot[-1]
    ):
        raise refuse(
            "FRAME_RANGE",
            f"{source}, {frames_to_text(wanted)}, reaches beyond the plate, which has {frames_to_text(shot)}. "
            "No frame is repeated to fill that up.",
            "Set frames to 'input' or 'custom', or make the missing frames with an Overscan Continue.", field="frames",
        )  # fmt: skip
    return wanted
