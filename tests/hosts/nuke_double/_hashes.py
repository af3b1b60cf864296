"""What a node depends on, its hash, its frame range, and questions to the process that makes pictures."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from . import _expressions, _knob_expressions
from ._flags import DEPENDENCIES
from ._session import current
from ._triggers import is_cosmetic


def dependencies(node: Any, mask: int) -> list[Any]:
    """The nodes that feed a node: by its inputs, and by expressions and links on its knobs."""
    found: list[Any] = []
    if mask & DEPENDENCIES["INPUTS"]:
        found += [source for source in node._inputs if source is not None]
    if mask & DEPENDENCIES["EXPRESSIONS"]:
        for other in _by_expression(node):
            if other is not node and other not in found:
                found.append(other)
    return found


def _by_expression(node: Any) -> list[Any]:
    found: list[Any] = []
    for knob in node._knobs.values():
        names: list[str] = []
        for component in getattr(knob, "_components", []):
            if component.expression is not None:
                names += _expressions.names_in(_knob_expressions.parse(component.expression))
        text = getattr(knob, "_text", "")
        if hasattr(knob, "_target"):
            names.append(text)
        elif "[value" in text:
            names += re.findall(r"\[value\s+([\w.]+)", text)
        for name in names:
            try:
                target, _ = _knob_expressions.resolve(name.split("."), node)
            except LookupError:
                continue
            owner = target if hasattr(target, "_knobs") else target._node
            if owner is not None and owner._parent is not None:
                found.append(owner)
    return found


def picture_hash(node: Any, *, frame: float | None = None, _seen: dict[int, int] | None = None) -> int:
    """A number that is another one exactly when the node's picture at the current frame may be another one.

    Names, places and colours of nodes do not count, nor do nodes that pass pictures on (Dot, NoOp, disabled ones).
    """
    when = _knob_expressions.current_frame() if frame is None else frame
    seen = {} if _seen is None else _seen
    if id(node) not in seen:
        seen[id(node)] = _hash(node, when, seen)
    return seen[id(node)]


def _hash(node: Any, frame: float, seen: dict[int, int]) -> int:
    session = current()

    def of(source: Any, when: float = frame) -> int:
        if source is None:
            return 0
        return picture_hash(source, frame=when, _seen=seen if when == frame else None)

    kind = node._class
    passes = kind in {"Dot", "NoOp", "Output"} or bool(node._knobs["disable"]._at(0, frame))
    if passes and kind not in {"Read", "Constant", "Input"}:
        return of(node.input(0))
    if kind == "Group":
        output = node._output()
        return of(output) if output is not None else 0
    if kind == "Input":
        outside = node._parent.input(node._parent._input_nodes().index(node))
        return of(outside) if outside is not None else of(node.input(0))
    if kind == "Switch":
        return of(node.input(int(node._knobs["which"]._at(0, frame))))
    if kind == "TimeOffset":
        return of(node.input(0), frame - node._knobs["time_offset"]._at(0, frame))
    if kind == "FrameHold":
        return of(node.input(0), node._knobs["firstFrame"]._at(0, frame))
    parts: list[Any] = [kind, session.view, bool(session.root._knobs["proxy"].value())]
    for name, knob in node._knobs.items():
        if not is_cosmetic(node, knob) and name not in {"disable"}:
            parts.append((name, knob._picture_value(frame)))
    parts += [of(source) for source in node._inputs]
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


def frame_range(node: Any) -> tuple[int, int]:
    """First and last frame, as the node's own knobs or its inputs have them; else the project's."""
    root = current().root

    def of(name: str) -> int:
        return int(node._knobs[name].value())

    if node is root or node._class in {"Root"}:
        return int(root._knobs["first_frame"].value()), int(root._knobs["last_frame"].value())
    if node._class == "Read":
        return of("first"), of("last")
    if node._class == "FrameRange":
        return of("first_frame"), of("last_frame")
    if node._class == "Group":
        output = node._output()
        return frame_range(output) if output is not None else frame_range(root)
    if node._class == "Input":
        outside = node._parent.input(node._parent._input_nodes().index(node))
        return frame_range(outside) if outside is not None else frame_range(root)
    ranges = [frame_range(source) for source in node._inputs if source is not None]
    if not ranges:
        return frame_range(root)
    first, last = min(low for low, _ in ranges), max(high for _, high in ranges)
    if node._class == "TimeOffset":
        shift = int(node._knobs["time_offset"].value())
        return first + shift, last + shift
    return first, last


def describe(node: Any, *, frame: float | None = None, view: str | None = None) -> dict[str, Any]:
    """Format, box, channels, metadata and error of a node's picture, from the process that makes pictures."""
    from . import _picture_client

    return _picture_client.ask(node, "describe", frame=frame, view=view)


def sample(node: Any, channel: str, x: float, y: float, frame: float | None) -> float:
    """One channel's value at one pixel."""
    from . import _picture_client

    return float(_picture_client.ask(node, "sample", frame=frame, channel=channel, x=int(x), y=int(y))["value"])
