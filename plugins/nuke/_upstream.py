"""What an input of a node shows: files as they are, or a picture that has to be rendered, and its identity."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Generator

import nuke
from overscan_nuke import _knobs
from overscan_nuke._proxy import full_size
from overscan_nuke._reads import FileSource, file_source

_PASSES = frozenset({"Dot", "NoOp", "PostageStamp", "Output"})
_LONGEST_WAY = 10000

_COSMETIC = frozenset(
    {
        "name", "xpos", "ypos", "selected", "hide_input", "tile_color", "gl_color", "label", "icon", "indicators",
        "note_font", "note_font_size", "note_font_color", "dope_sheet", "bookmark", "postage_stamp", "cached", "help",
        "postage_stamp_frame", "onCreate", "onDestroy", "knobChanged", "updateUI", "autolabel", "panel",
        "localizationPolicy", "reload", "bdwidth", "bdheight", "z_order", "lock_connections", "mapsize", "window",
    }
)  # fmt: skip
"""Knobs that say nothing about pixels."""

_OF_ROOT = (
    "format", "colorManagement", "OCIO_config", "customOCIOConfigPath", "workingSpaceLUT", "defaultViewerLUT", "fps",
    "views", "project_directory", "gsv",
)  # fmt: skip
"""Knobs of the project that nodes look at without saying so."""


@dataclass(frozen=True)
class Rendered:
    """A picture that is not on disk as it is."""

    reason: str
    """Why, in plain words for the artist."""


def source_of(node: Any, index: int, *, frames: list[int]) -> FileSource | Rendered | None:
    """What the input shows; None where nothing is connected. `frames` are numbers in the script."""
    current: Any = node.input(index)
    shift = 0
    for _ in range(_LONGEST_WAY):
        if current is None:
            return None
        step = _step(current, frames)
        if isinstance(step, str):
            return Rendered(step)
        if step is None:
            with full_size():
                found = file_source(current, shift=shift)
            return Rendered(found) if isinstance(found, str) else found
        current, moved = step
        shift += moved
    return Rendered("the way up to its Read is too long to follow")


def _step(node: Any, frames: list[int]) -> tuple[Any, int] | str | None:
    """The node above that shows the same picture, and the shift in time; None for a Read, words for a change."""
    kind, knobs = node.Class(), node.knobs()
    if "disable" in knobs and (node["disable"].isAnimated() or node["disable"].hasExpression()):
        return f"{node.name()} is switched on and off by an expression"
    if kind == "Read":
        return f"{node.name()} is disabled" if node["disable"].value() else None
    if kind in _PASSES or ("disable" in knobs and node["disable"].value()):
        return node.input(0), 0
    if kind == "Input":
        group = node.parent()
        return group.input(int(node["number"].value())), 0
    if kind == "Switch":
        which = {int(node["which"].getValueAt(frame)) for frame in _samples(node["which"], frames)}
        if len(which) == 1:
            return node.input(which.pop()), 0
        return f"{node.name()} switches between inputs"
    if kind == "TimeOffset":
        moved: Any = node["time_offset"]
        if not moved.isAnimated() and not moved.hasExpression() and not node["reverse_input"].value():
            return (node.input(0), int(moved.value())) if float(moved.value()).is_integer() else _changes(node)
    if kind == "Group":
        outputs = [inner for inner in node.nodes() if inner.Class() == "Output"]
        if len(outputs) == 1:
            return outputs[0].input(0), 0
    return _changes(node)


def _samples(knob: Any, frames: list[int]) -> list[int]:
    varies = knob.isAnimated() or knob.hasExpression()
    return frames if varies and frames else [int(nuke.frame())]


def _changes(node: Any) -> str:
    return f"{node.name()} changes the picture"


@dataclass(frozen=True)
class Tree:
    """Everything that decides about the pixels of a node, as text."""

    text: tuple[str, ...]
    files: tuple[str, ...]
    """Patterns of the files that are read."""


def describe_tree(top: Any) -> Generator[None, None, Tree]:
    """Describe the graph above `top` and including it, as a saved script would: what a farm would render from.

    Yields after each node, so that a large script can be described in slices.
    """
    root = nuke.root()
    lines = [f"{name}={root[name].toScript()}" for name in _OF_ROOT if name in root.knobs()]
    files: list[str] = []
    numbers: dict[str, int] = {}
    waiting: list[Any] = [top]
    while waiting:
        node = waiting.pop()
        name = node.fullName()
        if name in numbers:
            continue
        numbers[name] = len(numbers)
        above = [node.input(index) for index in range(node.inputs())]
        linked = list(node.dependencies(nuke.EXPRESSIONS | nuke.HIDDEN_INPUTS))
        inner = list(node.nodes()) if isinstance(node, nuke.Group) else []  # gizmos too, whatever their class
        lines.append(f"node {name} {node.Class()}")
        lines.append("above {}".format(",".join(one.fullName() if one is not None else "-" for one in above)))
        for knob in _deciding(node):
            lines.append(f"{knob.name()}={knob.toScript()}")
            if isinstance(knob, nuke.File_Knob) and node.Class() != "Write":
                files.extend(_patterns(node, knob))
        waiting.extend(
            one for one in (*above, *linked, *inner) if one is not None and one.Class() not in ("Root", "Viewer")
        )
        yield
    return Tree(tuple(lines), tuple(files))


def _deciding(node: Any) -> list[Any]:
    """The knobs that may change pixels, in an order of their own names."""
    ours = _knobs.PREFIX if _knobs.is_overscan(node) else None
    found = []
    for name in sorted(node.knobs()):
        if name in _COSMETIC or not name or (ours and name.startswith(ours)):
            continue
        knob = node.knobs()[name]
        if not isinstance(knob, (nuke.Script_Knob, nuke.Tab_Knob, nuke.Text_Knob)):
            found.append(knob)
    return found


def _patterns(node: Any, knob: Any) -> list[str]:
    with full_size():
        pattern = nuke.filename(node) if knob.name() == "file" else knob.value()
    text = re.sub(r"\s+-?\d+--?\d+$", "", str(pattern or ""))
    return [text] if text else []
