"""What happens by itself: callbacks on knobs, nodes and scripts, and the knobs that file formats bring."""

from __future__ import annotations

import functools
import os
import re
import sys
from typing import Any, Iterator

from ._flags import KNOB_FLAGS
from ._session import current
from ._stock_nodes import COSMETIC, STOCK

# The lists of nuke.callbacks, by the word in their functions' names.
EVENTS = (
    "OnUserCreate",
    "OnCreate",
    "OnScriptLoad",
    "OnScriptSave",
    "OnScriptClose",
    "OnDestroy",
    "KnobChanged",
    "UpdateUI",
    "Autolabel",
    "BeforeRender",
    "BeforeFrameRender",
    "AfterFrameRender",
    "AfterRender",
    "RenderProgress",
    "FilenameFilter",
    "ValidateFilename",
)


def all_nodes(group: Any) -> Iterator[Any]:
    """Every node below a group, at any depth."""
    for node in group._children:
        yield node
        if hasattr(node, "_children"):
            yield from all_nodes(node)


def registered(event: str, node: Any) -> list[tuple[Any, Any, Any]]:
    """The callbacks of an event that apply to a node."""
    found = []
    for call, args, kwargs, node_class, only in current().callbacks.get(event, []):
        if node_class in {"*", getattr(node, "_class", "Root")} and (only is None or only is node):
            found.append((call, args, kwargs))
    return found


def fire(event: str, node: Any, *, knob: Any = None) -> None:
    """Run the callbacks of an event, then the Python in the node's own knob for it."""
    session = current()
    if session.quiet:
        return
    with session.as_this(node, knob, node._context()):
        for call, args, kwargs in registered(event, node):
            session.run_callback(f"{event} of {node._full_name()}", functools.partial(call, *args, **kwargs))
        own = node._knobs.get(event[:1].lower() + event[1:])
        if own is not None and getattr(own, "_text", ""):
            scope: dict[str, Any] = {"__name__": "__main__", "nuke": sys.modules.get("nuke")}
            code = own._text
            what = f"the knob {event} of {node._full_name()}"
            session.run_callback(what, lambda: exec(compile(code, f"<{what}>", "exec"), scope))


def knob_changed(node: Any, knob: Any) -> None:
    """Follow a change of a knob. Changes made meanwhile call nothing, as in Nuke, unless the knob asks for it."""
    session = current()
    file_format_knobs(node, knob)
    if knob._name == "selected" or session.loading:
        return
    if node in session.in_knob_changed and not knob._flags & KNOB_FLAGS["KNOB_CHANGED_RECURSIVE"]:
        return
    session.in_knob_changed.append(node)
    try:
        fire("KnobChanged", node, knob=knob)
    finally:
        session.in_knob_changed.pop()


class _Named:
    """Stands for a knob where there is none, as `thisKnob` does when inputs change."""

    def __init__(self, name: str) -> None:
        self._word = name

    def name(self) -> str:
        return self._word


def input_changed(node: Any) -> None:
    """knobChanged runs with a knob named inputChange."""
    session = current()
    if session.loading or node in session.in_knob_changed:
        return
    session.in_knob_changed.append(node)
    try:
        fire("KnobChanged", node, knob=_Named("inputChange"))
    finally:
        session.in_knob_changed.pop()


def file_type_of(node: Any) -> str | None:
    """What kind of file a Read or Write has: the knob file_type where it is set, else the file's extension."""
    chosen = str(node._knobs["file_type"].value())
    return chosen or os.path.splitext(node._knobs["file"]._text)[1][1:].lower() or None


def file_format_knobs(node: Any, knob: Any) -> None:
    """Give a Read or Write the knobs of its file's format, once that is known."""
    if getattr(node, "_class", "") not in {"Read", "Write"} or knob._name not in {"file", "file_type"}:
        return
    extra = STOCK.get(f"{node._class}.{file_type_of(node)}")
    if extra is not None:
        node._adopt(extra.knobs)


def rename_in_expressions(group: Any, before: str, after: str) -> None:
    """Let expressions and links follow a node's new name."""
    word = re.compile(rf"\b{re.escape(before)}\b")
    for node in [group, *all_nodes(group)]:
        for knob in node._knobs.values():
            for component in getattr(knob, "_components", []):
                if component.expression is not None:
                    component.expression = word.sub(after, component.expression)
            if hasattr(knob, "_target") or "[value" in getattr(knob, "_text", ""):
                knob._text = word.sub(after, knob._text)


def is_cosmetic(node: Any, knob: Any) -> bool:
    """Whether pictures do not depend on a knob. The knobs users add change pictures through expressions only."""
    return knob._user or knob._name in COSMETIC or knob._name in node._cosmetic
