"""Scripts as text, the way Nuke saves them."""

from __future__ import annotations

import re
import zlib
from typing import Any

from . import _tcl
from ._flags import KNOB_FLAGS, WRITING
from ._session import current
from ._stock_nodes import STOCK

# Written last, in this order, as Nuke does.
_LAST = ("name", "label", "selected", "xpos", "ypos")


def _knob_line(knob: Any) -> str:
    return f"{_tcl.quote(knob._name)} {knob._written()}"


def _wanted(knob: Any) -> bool:
    if knob._flags & KNOB_FLAGS["DO_NOT_WRITE"]:
        return False
    return bool(knob._not_default() or knob._flags & KNOB_FLAGS["ALWAYS_SAVE"])


def knob_lines(node: Any, *, skip: frozenset = frozenset()) -> list[str]:  # type: ignore[type-arg]
    """The lines of a node's braces, without its inputs."""
    own = [knob for knob in node._knobs.values() if not knob._user and knob._name not in skip]
    lines = [_knob_line(knob) for knob in own if knob._name not in _LAST and _wanted(knob)]
    for name in _LAST:
        if (
            name in node._knobs
            and name not in skip
            and (name in {"name", "xpos", "ypos"} or _wanted(node._knobs[name]))
        ):
            lines.append(_knob_line(node._knobs[name]))
    lines += getattr(node, "_unknown_lines", [])
    for knob in node._user_knobs():
        definition = knob._definition()
        if getattr(knob, "_nameless", False):
            definition = re.sub(r"^26 \S+", '26 ""', definition)
        lines.append(f"addUserKnob {{{definition}}}")
        if _wanted(knob):
            lines.append(_knob_line(knob))
    return lines


def knobs_text(node: Any, flags: int) -> str:
    """What writeKnobs returns: with TO_SCRIPT as in a script, else values."""
    chosen = []
    for knob in node._knobs.values():
        if not flags & WRITING["WRITE_ALL"] and not _wanted(knob) and knob._name != "name":
            continue
        if knob._user and flags & WRITING["WRITE_USER_KNOB_DEFS"]:
            chosen.append(f"addUserKnob {{{knob._definition()}}}")
        try:
            chosen.append(_knob_line(knob))
        except NotImplementedError:
            continue
    return "\n".join(chosen)


def _ordered(nodes: list[Any]) -> list[Any]:
    """Sources before what they feed; else in the order they were made."""
    done: list[Any] = []

    def visit(node: Any) -> None:
        if node in done:
            return
        for source in node._inputs:
            if source is not None and source in nodes:
                visit(source)
        done.append(node)

    for node in nodes:
        visit(node)
    return done


def _inputs_word(node: Any) -> str:
    count = len(node._inputs)
    mask = STOCK[node._class].mask if node._class in STOCK else None
    if mask is not None and count == mask + 1 and node._inputs[mask] is not None and mask > 0:
        return f"{mask}+1"
    return str(count)


def nodes_lines(nodes: list[Any], indent: str = "") -> list[str]:
    """The lines that make these nodes again, with the connections among them."""
    lines: list[str] = []
    names: dict[int, str] = {}
    ordered = _ordered(nodes)
    for node in ordered:
        for source in reversed(node._inputs):
            lines.append(indent + (f"push ${names[id(source)]}" if source in ordered else "push 0"))
        lines.append(f"{indent}{node._class} {{")
        if _inputs_word(node) != "1":
            lines.append(f"{indent} inputs {_inputs_word(node)}")
        lines += [f"{indent} {line}" for line in knob_lines(node)]
        lines.append(f"{indent}}}")
        if hasattr(node, "_children"):
            lines += nodes_lines(node._children, indent + " ")
            lines.append(f"{indent}end_group")
        names[id(node)] = f"N{zlib.crc32(node._full_name().encode()):08x}"
        if any(node in other._inputs for other in ordered):
            lines.append(f"{indent}set {names[id(node)]} [stack 0]")
    return lines


def nodes_text(nodes: list[Any]) -> str:
    """What nodeCopy writes."""
    version = current().version.replace("v", " v")
    head = ["set cut_paste_input [stack 0]", f"version {version}"]
    return "\n".join([*head, *nodes_lines(nodes)]) + "\n"


def script_text() -> str:
    """The whole script."""
    session = current()
    root = session.root
    lines = [f"#! /usr/local/Nuke{session.version}/Nuke -nx", f"version {session.version.replace('v', ' v')}", "Root {"]
    lines.append(" inputs 0")
    if root._knobs["name"]._text:
        lines.append(f" name {_tcl.quote(root._knobs['name']._text)}")
    lines += [f" {line}" for line in knob_lines(root, skip=frozenset({*_LAST}))]
    lines.append("}")
    lines += [f"add_layer {{{' '.join([name, *members])}}}" for name, members in session.layers.items()]
    return "\n".join([*lines, *nodes_lines(root._children)]) + "\n"
