"""The rim of one black pixel that a Read puts round a plate whose data window is not its display window.

It is in Nuke's graph, not in the plate: handed over, it would be a black line between plate and extension. (Foundry's
exrReader.cpp, NDK examples of Nuke 13: a Read grows its box unless `edge_pixels` is ``repeat``.)
"""

from __future__ import annotations

from typing import Any

import nuke
from overscan_nuke._knobs import quietly

_INSETS = ("input.bbox.x + 1", "input.bbox.y + 1", "input.bbox.r - 1", "input.bbox.t - 1")


def has_rim(top: Any) -> bool:
    """Whether the outermost pixels of `top`, in the frame that Nuke is at, are such a rim.

    They are where a Read above that grows its box has the very box of `top`. What moves or scales the picture on its
    way makes the rim a part of it.
    """
    box = _box(top)
    waiting, seen = [top], set()
    while waiting:
        node = waiting.pop()
        if node.fullName() in seen:
            continue
        seen.add(node.fullName())
        if node.Class() == "Read" and _grows(node) and _box(node) == box:
            return True
        inner = list(node.nodes()) if isinstance(node, nuke.Group) else []
        above = [node.input(index) for index in range(node.inputs())]
        waiting.extend(one for one in (*above, *inner) if one is not None)
    return False


def without_rim(source: Any, *, name: str) -> Any:
    """A new Crop below `source` that takes one pixel off every side of whatever box a frame has."""
    with quietly():
        crop = nuke.nodes.Crop(name=name)
        crop.setInput(0, source)
        crop["reformat"].setValue(False)
        crop["crop"].setValue(False)
        box: Any = crop["box"]
        for index, inset in enumerate(_INSETS):
            box.setExpression(inset, index)
    return crop


def _grows(read: Any) -> bool:
    knobs = read.knobs()
    if "edge_pixels" not in knobs or knobs["edge_pixels"].value() == "repeat":
        return False
    frame = read.format()
    return _box(read) != (0, 0, frame.width(), frame.height())


def _box(node: Any) -> tuple[int, int, int, int]:
    found = node.bbox()
    return (found.x(), found.y(), found.w(), found.h())
