"""File names as knobs hold them: placeholders of frame and view, ranges behind them, and the Tcl common in them."""

from __future__ import annotations

import os
import re
from typing import Any

from . import _knob_expressions, _tcl
from ._session import current

_RANGE = re.compile(r"(?P<name>.*\S)\s+(?P<first>-?\d+)(?:-(?P<last>-?\d+))?\Z")


def name_and_range(text: str) -> tuple[str, int | None, int | None]:
    """`/a/b.%04d.exr 1001-1010` taken apart."""
    match = _RANGE.match(text)
    if not match:
        return text, None, None
    first = int(match.group("first"))
    return match.group("name"), first, int(match.group("last") or first)


def evaluated(text: str, node: Any, *, frame: float | None = None, view: str | None = None) -> str:
    """The name of one file: Tcl, frame and view put in."""
    when = _knob_expressions.current_frame() if frame is None else frame
    return with_frame(with_view(without_tcl(text, node), view or current().view), round(when))


def with_view(text: str, view: str) -> str:
    """Put a view's name in place of %V, and its first letter in place of %v."""
    return text.replace("%V", view).replace("%v", view[:1])


def with_frame(text: str, frame: int) -> str:
    """Put a frame number in place of %04d or ####."""

    def printf(match: re.Match[str]) -> str:
        return match.group() % frame

    def hashes(match: re.Match[str]) -> str:
        return f"{frame:0{len(match.group())}d}"

    return re.sub(r"#+", hashes, re.sub(r"%0?\d*d", printf, text))


def without_tcl(text: str, node: Any) -> str:
    """Evaluate what stands in brackets. Only a handful of commands are known; others are an error."""
    parts = []
    at = 0
    while at < len(text):
        if text[at] != "[":
            parts.append(text[at])
            at += 1
            continue
        inside, at = _tcl._bracketed(text, at)
        parts.append(command(inside, node))
    return "".join(parts)


def command(text: str, node: Any) -> str:
    """The value of one Tcl command."""
    words = next(iter(_tcl.commands(text)), [])
    plain = [without_tcl(f"[{word.text}]", node) if word.style == "brackets" else word.text for word in words]
    if plain[:1] == ["value"] and len(plain) in {2, 3}:
        try:
            return _knob_expressions.text_of(plain[1], node)
        except LookupError:
            if len(plain) == 3:
                return plain[2]
            raise
    if plain[:1] == ["exists"] and len(plain) == 2:
        try:
            _knob_expressions.resolve(plain[1].split("."), node)
        except LookupError:
            return "0"
        return "1"
    if plain[:1] == ["getenv"] and len(plain) == 2:
        return os.environ.get(plain[1], "")
    if plain[:1] == ["file"] and len(plain) == 3 and plain[1] in {"dirname", "tail", "rootname", "extension"}:
        base = os.path.splitext(plain[2])
        forms = {"dirname": os.path.dirname(plain[2]) or ".", "tail": os.path.basename(plain[2])}
        forms.update({"rootname": base[0], "extension": base[1]})
        return forms[plain[1]]
    if plain == ["frame"]:
        return str(int(_knob_expressions.current_frame()))
    raise NotImplementedError(f"the double does not know the Tcl command [{text}]")
