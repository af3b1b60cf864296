"""Gives the service the pictures of a node's inputs: by path where they are on disk as they are, else rendered."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nuke
from overscan_host import frames_to_text
from overscan_nuke import _knobs, _rendering
from overscan_nuke._colour import working_space
from overscan_nuke._proxy import full_size
from overscan_nuke._ranges import shot_frames
from overscan_nuke._reads import FileSource
from overscan_nuke._refusals import refuse
from overscan_nuke._settings import Shape, shape_of
from overscan_nuke._steps import Steps, Work
from overscan_nuke._upstream import Rendered, source_of

BARE = {"rgba.red": "R", "rgba.green": "G", "rgba.blue": "B", "rgba.alpha": "A"}
"""Channels whose name in a file is certain; that of others depends on who wrote it."""


@dataclass(frozen=True)
class Plate:
    """The plate, as it will be handed over."""

    source: FileSource | Rendered
    shape: Shape
    shot: list[int]
    """Frames that the engine may learn from, by their numbers in the script."""
    offset: int
    """Number in the script less number in the file."""
    colour: dict[str, Any]
    """Knobs for a Read that shows the result as the plate is shown."""
    views: tuple[str, ...]
    """Views that need a job of their own; one empty name where one job does for all."""
    frames: str = ""
    """For the job; empty for all that is on disk."""
    color_space: str = ""
    layer: str = ""
    files: dict[str, str] = field(default_factory=dict)
    """Pattern by view, once rendered or known."""

    @property
    def reason(self) -> str:
        """Why it must be rendered, in plain words; empty where it is handed over by path."""
        return self.source.reason if isinstance(self.source, Rendered) else ""

    def reference(self, view: str, *, named: bool) -> dict[str, Any]:
        """The job's `plate`. With `named`, the view is one of several in the same files."""
        source = self.source
        return {
            "path": self.files[view],
            "frames": self.frames,
            "layer": self.layer,
            "view": view if named else "",
            "color_space": self.color_space,
            "pixel_aspect": (source.pixel_aspect if isinstance(source, FileSource) else 0) or None,
        }


def look_at_plate(node: Any, index: int) -> Steps:
    """Decide how the plate goes over, without rendering anything; returns a `Plate`."""
    if node.input(index) is None:
        raise refuse("INVALID_JOB", "Nothing is connected to the plate.", "Connect the plate to the first input.")
    samples = list(range(int(nuke.root()["first_frame"].value()), int(nuke.root()["last_frame"].value()) + 1))
    source = source_of(node, index, frames=samples)
    if source is None:
        raise refuse("INVALID_JOB", "Nothing is connected to the plate.", "Connect the plate to the first input.")
    if isinstance(source, FileSource) and _knobs.get(node, "hand_over") == "render":
        source = Rendered("'hand over' is set to render")
    views = _views(node, source)
    on_disk: list[int] = []
    if isinstance(source, FileSource):
        pattern = source.of_view(views[0] or nuke.views()[0])
        on_disk = yield Work(lambda: frames_on_disk(pattern))
    shot = shot_frames(node, index, source, on_disk)
    if not shot:
        raise refuse("MISSING_FRAMES", "The plate has no frames.", "Look at its Read and the frame range.")
    layer = _layer(node, source)
    named = bool(_knobs.text(node, "plate_frames"))
    own_space = _knobs.text(node, "colorspace")
    with full_size():
        shape = shape_of(node.input(index).format())
    if isinstance(source, FileSource):
        if named:
            frames = frames_to_text(frame - source.offset for frame in shot)
        else:
            frames = "" if source.is_whole or source.is_still else f"{source.first}-{source.last}"
        files = {view: source.of_view(view or nuke.views()[0]) for view in views}
        return Plate(source, shape, shot, source.offset, source.colour, views, frames, own_space or source.color_space,
                     layer, files)  # fmt: skip
    raw = {"raw": True, "premultiplied": False, "auto_alpha": False}
    space = own_space or working_space(nuke.root())
    return Plate(source, shape, shot, 0, raw, views, frames_to_text(shot), space, layer)


def render_plate(node: Any, index: int, plate: Plate, *, cache: Path) -> Steps:
    """Bring the plate into the cache where it is not on disk as it is; returns the `Plate` with its files."""
    if isinstance(plate.source, FileSource):
        return plate
    files = {}
    half = _knobs.get(node, "render_type") == "16 bit half"
    for view in plate.views:
        entry = yield from _rendering.render_input(
            node, index, frames=plate.shot, view=view, channel="", half=half, cache=cache, what="the plate"
        )
        files[view] = entry.pattern
    return replace(plate, files=files)


def missing_of_plate(node: Any, index: int, plate: Plate, *, cache: Path) -> Steps:
    """How many frames of the plate are still to be rendered, and the plate with the files it will have."""
    if isinstance(plate.source, FileSource):
        return 0, plate
    half = _knobs.get(node, "render_type") == "16 bit half"
    count, files = 0, {}
    for view in plate.views:
        missing, entry = yield from _rendering.count_missing(
            node, index, frames=plate.shot, view=view, channel="", half=half, cache=cache
        )
        count += missing
        files[view] = entry.pattern
    return count, replace(plate, files=files)


def matte(
    node: Any, index: int, plate: Plate, view: str, *, channel: str, what: str, cache: Path, render: bool
) -> Steps:
    """The job's reference to a matte; None (with `render` off) where it would have to be rendered first."""
    source = source_of(node, index, frames=plate.shot)
    if source is None:
        return None
    if isinstance(source, FileSource) and channel in BARE and (source.is_still or source.offset == plate.offset):
        whole = source.is_whole or source.is_still
        frames = "" if whole else f"{source.first}-{source.last}"
        path = source.of_view(view or nuke.views()[0])
        return {"sequence": {"path": path, "frames": frames}, "channel": BARE[channel]}
    known = node.input(index).channels()
    if channel not in known:
        raise refuse(
            "MISMATCH", f"{what.capitalize()} has no channel {channel}.",
            "Choose another one. There are: {}.".format(", ".join(known[:12]) or "none"), field="matte_channel",
        )  # fmt: skip
    arguments: dict[str, Any] = {
        "frames": plate.shot, "view": view, "channel": channel, "half": False, "cache": cache, "offset": plate.offset,
    }  # fmt: skip
    if not render:
        missing, entry = yield from _rendering.count_missing(node, index, **arguments)
        return {"sequence": {"path": entry.pattern}, "channel": "A"} if not missing else None
    entry = yield from _rendering.render_input(node, index, what=what, **arguments)
    return {"sequence": {"path": entry.pattern}, "channel": "A"}


def frames_on_disk(pattern: str) -> list[int]:
    """Numbers of the files of a pattern, ascending. No host calls in here."""
    folder, name = os.path.split(pattern)
    match = re.search(r"%0?(\d*)d|#+", name)
    if match is None:
        return []
    expression = re.compile(re.escape(name[: match.start()]) + r"(-?\d+)" + re.escape(name[match.end() :]))
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return []
    return sorted(int(found[1]) for found in map(expression.fullmatch, names) if found)


def _views(node: Any, source: Any) -> tuple[str, ...]:
    known = list(nuke.views())
    named = re.split(r"[,\s]+", _knobs.text(node, "views")) if _knobs.text(node, "views") else []
    strange = [view for view in named if view not in known]
    if strange:
        raise refuse("INVALID_JOB", f"The script has no view {strange[0]}.",
                     "There are: {}.".format(", ".join(known)), field="views")  # fmt: skip
    if named:
        return tuple(named)
    differs = len(known) > 1 and (isinstance(source, Rendered) or source.has_views)
    return tuple(known) if differs else ("",)


def _layer(node: Any, source: Any) -> str:
    layer = str(_knobs.get(node, "layer") or "rgb").split(".")[0]
    if layer in ("rgb", "rgba", "none"):
        return ""
    if isinstance(source, Rendered):
        raise refuse(
            "UNSUPPORTED",
            f"The layer {layer} can be worked on where the plate goes over by path; here {source.reason}.",
            f"Put a Shuffle before the node that brings {layer} to rgb, and set layer to rgb.",
            field="layer",
        )
    return layer
