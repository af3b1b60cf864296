"""Names in expressions on knobs, looked up as the reference of `nuke.knob` says: from the knob outwards to the root."""

from __future__ import annotations

from typing import Any

from . import _expressions
from ._session import current

_depth: list[int] = [0]
parse = _expressions.parse


def current_frame() -> float:
    """The frame that knobs are evaluated at: the one being rendered, else the project's."""
    session = current()
    if session.executing_frame is not None:
        return session.executing_frame
    return float(session.root._knobs["frame"]._components[0].value) if session.root is not None else 1.0


def evaluate(knob: Any, text: str, frame: float, plain: float) -> float:
    """The value of the expression `text` on a knob; `plain` is what the knob would be without."""
    if _depth[0] > 50:
        raise _expressions.ExpressionError(f"the expression {text!r} on {knob.fullyQualifiedName()} goes in circles")
    _depth[0] += 1
    try:

        def name(word: str) -> float:
            return plain if word == "curve" else number(word, knob._node, frame, knob=knob)

        def at_frame(word: str, when: float) -> float:
            return plain if word == "curve" else number(word, knob._node, when, knob=knob)

        def tcl(inside: str) -> float:
            from . import _file_names

            return float(_file_names.command(inside, knob._node))

        return float(_expressions.evaluate(parse(text), name=name, at_frame=at_frame, tcl=tcl))
    finally:
        _depth[0] -= 1


def number(word: str, node: Any, frame: float, *, knob: Any = None) -> float:
    """The number that a dotted name stands for. ExpressionError where there is none."""
    if word in {"frame", "t"}:
        return frame
    parts = word.split(".")
    if knob is not None and len(parts) == 1 and hasattr(knob, "_field"):
        try:
            return float(knob._field(parts[0], frame))
        except KeyError:
            pass
    try:
        found, rest = resolve(parts, node)
    except LookupError as problem:
        raise _expressions.ExpressionError(f"nothing is named {word!r} here") from problem
    value = _value(found, rest, frame)
    if value is None:
        raise _expressions.ExpressionError(f"nothing is named {word!r} here")
    return value


def _value(found: Any, rest: list[str], frame: float) -> float | None:
    if not hasattr(found, "_knobs"):
        if hasattr(found, "_target"):
            found = found._linked()
        if rest:
            if not hasattr(found, "_field"):
                return None
            try:
                return float(found._field(rest[-1], frame))
            except KeyError:
                return None
        if not hasattr(found, "_components"):
            return None
        return float(found._at(0, frame))
    ask = {
        "width": lambda: found.format().width(),
        "height": lambda: found.format().height(),
        "first_frame": lambda: found.firstFrame(),
        "last_frame": lambda: found.lastFrame(),
        "pixel_aspect": lambda: found.format().pixelAspect(),
        "format.w": lambda: found.format().width(),
        "format.h": lambda: found.format().height(),
        "format.width": lambda: found.format().width(),
        "format.height": lambda: found.format().height(),
        "bbox.x": lambda: found.bbox().x(),
        "bbox.y": lambda: found.bbox().y(),
        "bbox.r": lambda: found.bbox().x() + found.bbox().w(),
        "bbox.t": lambda: found.bbox().y() + found.bbox().h(),
    }.get(".".join(rest))
    return float(ask()) if ask else None


def resolve(parts: list[str], node: Any) -> tuple[Any, list[str]]:
    """The knob or node that a dotted name leads to, and the parts that are left. LookupError where it leads nowhere."""
    here = current().root if node is None else node
    first = parts[0]
    if first in {"root", "this", "parent"} or first.startswith("input"):
        return _walk(here, parts)
    if first in here._knobs:
        return here._knobs[first], parts[1:]
    if first in {"width", "height", "first_frame", "last_frame", "format", "bbox", "pixel_aspect"}:
        return here, parts
    group = here
    while group is not None:
        child = group._child(first) if hasattr(group, "_children") else None
        if child is not None:
            return _walk(child, parts[1:])
        group = group._parent
    root = current().root
    if first in root._knobs:
        return root._knobs[first], parts[1:]
    raise LookupError(first)


def _walk(node: Any, parts: list[str]) -> tuple[Any, list[str]]:
    while parts:
        word = parts[0]
        if word == "root":
            node = current().root
        elif word == "this":
            pass
        elif word == "parent":
            node = node._parent
        elif word.startswith("input") and (word[5:].isdigit() or word == "input"):
            place = int(word[5:] or 0)
            node = node._inputs[place] if place < len(node._inputs) else None
        elif word in node._knobs:
            return node._knobs[word], parts[1:]
        elif hasattr(node, "_children") and node._child(word) is not None:
            node = node._child(word)
        else:
            return node, parts
        if node is None:
            raise LookupError(word)
        parts = parts[1:]
    return node, []


def text_of(word: str, node: Any) -> str:
    """What [value word] gives. LookupError where nothing is named so."""
    found, rest = resolve(word.split("."), node)
    if hasattr(found, "_knobs") or rest:
        value = _value(found, rest, current_frame())
        if value is None:
            raise LookupError(f"nothing is named {word!r}")
        return f"{value:g}"
    if hasattr(found, "evaluate"):
        return str(found.evaluate())
    value = found.value()
    return f"{value:g}" if isinstance(value, float) else str(value)
