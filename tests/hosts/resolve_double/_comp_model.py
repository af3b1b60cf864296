"""Compositions and tools: what they hold."""

from __future__ import annotations

import os
from typing import Any

from . import _files
from ._fusion_names import TOOLS
from ._model import Item, Thing
from ._session import current


class Control(Thing):
    """An input of a tool: a value, or values by time, or a connection."""

    def __init__(self, tool: Tool, name: str, kind: str, default: Any) -> None:
        super().__init__(tool)
        self.tool, self.name, self.kind = tool, name, kind
        self.value = default
        self.keys: dict[float, Any] = {}
        self.rendered: Any = default  # what a render uses: not what was written under Lock
        self.source: Tool | None = None
        self.expression = ""
        self.alias: Control | None = None  # of a macro: the input inside

    def real(self) -> Control:
        """The input itself, or the one inside the macro."""
        return self.alias.real() if self.alias is not None else self


class Tool(Thing):
    """A tool in a flow."""

    def __init__(self, comp: Comp, kind: str, name: str, group: Tool | None = None) -> None:
        super().__init__(comp)
        self.comp, self.kind, self.name, self.group = comp, kind, name, group
        entry = TOOLS[kind]
        self.inputs = {key: Control(self, key, *given) for key, given in entry.inputs.items()}
        self.output = entry.output
        self.children: list[Tool] = []
        self.result: Tool | None = None  # of a macro: the tool whose output it gives
        self.outputs: dict[str, Tool] = {}  # of a macro: its further outputs
        self.passed = False
        self.selected = False
        self.locked = False
        self.position = (0.0, 0.0)
        self.data: dict[str, Any] = {}
        self.controls: dict[str, Any] = {}  # UserControls
        self.version = 0

    def source_tool(self) -> Tool:
        """The tool that makes its picture: itself, or one inside."""
        return self.result.source_tool() if self.result is not None else self

    def clip_length(self) -> int:
        """Frames of the clip that a Loader has."""
        return len(clip_numbers(str(self.inputs["Clip"].value))[1]) or 1


def clip_numbers(path: str) -> tuple[str, list[int]]:
    """Pattern and numbers of the sequence that a Loader finds from one of its files."""
    found = _files.pattern_of(path)
    if found is None:
        return path.replace("%", "%%"), []
    numbers = _files.numbers_of(found[0])
    run = next((span for span in _files.runs(numbers) if span[0] <= found[1] <= span[1]), None)
    return found[0], list(range(run[0], run[1] + 1)) if run else []


class Comp(Thing):
    """A composition: of a clip, or on its own in Fusion Studio."""

    def __init__(
        self,
        name: str,
        *,
        item: Item | None = None,
        span: tuple[int, int] = (0, 99),
        render: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(item)
        self.name = name
        self.item = item
        self.tools: list[Tool] = []
        self.span = span
        self.render = render or span
        self.time = float(self.render[0])
        self.locks = 0
        self.undo: list[str] = []
        self.undo_open = 0
        self.waiting: list[Control] = []  # written under Lock, and not yet rendered
        self.active: Tool | None = None
        self.data: dict[str, Any] = {}
        self.prefs: dict[str, Any] = {}
        self.path = ""
        self.rendering = 0
        self.size = (1920, 1080)
        self.rate = 24.0

    def named(self, name: str) -> Tool | None:
        """A tool by its name."""
        return next((tool for tool in self.tools if tool.name == name), None)

    def free_name(self, wanted: str) -> str:
        """The name, with a number behind it where it is taken or has none."""
        base = wanted.rstrip("0123456789") or wanted
        if wanted != base and self.named(wanted) is None:
            return wanted
        if wanted == base and wanted not in TOOLS and self.named(wanted) is None:
            return wanted
        number = 1
        while self.named(f"{base}{number}") is not None:
            number += 1
        return f"{base}{number}"

    def add(self, kind: str, name: str | None = None, group: Tool | None = None) -> Tool:
        """A new tool."""
        tool = Tool(self, kind, self.free_name(name or kind), group)
        self.tools.append(tool)
        if group is not None:
            group.children.append(tool)
        if kind == "Background":
            tool.inputs["Width"].value = tool.inputs["Width"].rendered = float(self.size[0])
            tool.inputs["Height"].value = tool.inputs["Height"].rendered = float(self.size[1])
        return tool

    def remove(self, tool: Tool) -> None:
        """Delete a tool and what is in it; inputs that it fed are free."""
        for child in list(tool.children):
            self.remove(child)
        self.tools.remove(tool)
        if tool.group is not None:
            tool.group.children.remove(tool)
        for other in self.tools:
            for control in other.inputs.values():
                if control.source is tool:
                    control.source = None
        tool.gone = True

    def write(self, control: Control, value: Any, time: float | None = None) -> None:
        """Give an input a value. A number written under Lock is kept and shown, and not rendered until any value is
        written without (api_truth.py, "Composition.Lock"); an undo block around it makes it count.
        """
        control = control.real()
        control.source = None
        if time is not None and control.keys:
            control.keys[time] = value
        else:
            control.value = value
        if self.locks and not self.undo_open and control.kind in {"Number", "Point"}:
            self.waiting.append(control)
        else:
            control.rendered = value
            if not self.locks:
                for held in self.waiting:
                    held.rendered = held.value
                self.waiting.clear()
        if control.tool.kind == "Loader":
            loader_follows(control, value)


def loader_follows(control: Control, value: Any) -> None:
    """What a Loader does by itself: a new clip sets its span; moving GlobalIn or GlobalOut trims or holds."""
    tool = control.tool
    inputs = tool.inputs

    def put(name: str, number: float) -> None:
        inputs[name].value = inputs[name].rendered = float(number)

    if control.name == "Clip":
        length = tool.clip_length()
        start = float(
            current().options.loader_starts if current().options.loader_starts is not None else tool.comp.span[0]
        )
        for name, number in (
            ("GlobalIn", start),
            ("GlobalOut", start + length - 1),
            ("ClipTimeStart", 0),
            ("ClipTimeEnd", length - 1),
        ):
            put(name, number)
        put("HoldFirstFrame", 0)
        put("HoldLastFrame", 0)
        tool.data["__in"], tool.data["__out"] = start, start + length - 1
    elif control.name == "GlobalIn":
        moved = float(value) - tool.data.get("__in", 0.0)
        trimmed = inputs["ClipTimeStart"].value + moved
        put("HoldFirstFrame", max(0.0, inputs["HoldFirstFrame"].value - trimmed) if trimmed < 0 else 0.0)
        put("ClipTimeStart", min(max(trimmed, 0.0), float(tool.clip_length() - 1)))
        tool.data["__in"] = float(value)
    elif control.name == "GlobalOut":
        moved = float(value) - tool.data.get("__out", 0.0)
        last = float(tool.clip_length() - 1)
        trimmed = inputs["ClipTimeEnd"].value + moved
        put("HoldLastFrame", max(0.0, trimmed - last))
        put("ClipTimeEnd", min(max(trimmed, inputs["ClipTimeStart"].value), last))
        tool.data["__out"] = float(value)


def loader_file(tool: Tool, time: int) -> str | None:
    """The file that a Loader shows at a time; None outside its span."""
    held = {name: control.rendered for name, control in tool.inputs.items()}
    if not held["Clip"] or not held["GlobalIn"] <= time <= held["GlobalOut"]:
        return None
    pattern, numbers = clip_numbers(str(held["Clip"]))
    if not numbers:
        return str(held["Clip"])
    frame = held["ClipTimeStart"] + max(0, time - held["GlobalIn"] - held["HoldFirstFrame"])
    frame = min(frame, held["ClipTimeEnd"])
    if held["Reverse"]:
        frame = held["ClipTimeEnd"] - (frame - held["ClipTimeStart"])
    path = pattern % numbers[int(min(max(frame, 0), len(numbers) - 1))]
    return path if os.path.isfile(path) else None
