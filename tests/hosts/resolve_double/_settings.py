"""Tools as tables: what a .setting file holds, into a flow and out of it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ._comp_model import Comp, Control, Tool
from ._fusion_names import TOOLS
from ._session import current

_GROUPS = {"MacroOperator", "GroupOperator"}
# A Loader's clip as .comp and .setting files in public repositories have it.
_CLIP = {
    "ID", "Filename", "FormatID", "StartFrame", "Length", "LengthSetManually", "TrimIn", "TrimOut", "ExtendFirst",
    "ExtendLast", "Loop", "AspectMode", "Depth", "TimeCode", "GlobalStart", "GlobalEnd", "Multiframe", "ImportMode",
    "PullOffset", "SaveFrameSize",
}  # fmt: skip
_CLIP_INPUTS = {
    "GlobalIn": "GlobalStart", "GlobalOut": "GlobalEnd", "ClipTimeStart": "TrimIn", "ClipTimeEnd": "TrimOut",
    "HoldFirstFrame": "ExtendFirst", "HoldLastFrame": "ExtendLast",
}  # fmt: skip


def settings_of(tools: list[Tool]) -> dict[str, Any]:
    """The table of some tools; groups with what is in them."""
    return {"Tools": OrderedDict((tool.name, _tool(tool)) for tool in tools)}


def _tool(tool: Tool) -> dict[str, Any]:
    inputs: dict[str, Any] = OrderedDict()
    for name, control in tool.inputs.items():
        if control.alias is not None:
            instance = {"__ctor": "InstanceInput", "SourceOp": control.alias.tool.name, "Source": control.alias.name}
            inputs[name] = instance
        elif control.source is not None:
            inputs[name] = {
                "__ctor": "Input",
                "SourceOp": control.source.name,
                "Source": control.source.source_tool().output,
            }
        elif name in TOOLS[tool.kind].inputs and control.value != TOOLS[tool.kind].inputs[name][1]:
            value = {"__ctor": "FuID", 1.0: control.value} if control.kind == "FuID" else control.value
            inputs[name] = {"__ctor": "Input", "Value": value}
    found: dict[str, Any] = {"__ctor": tool.kind, "Inputs": inputs}
    if tool.kind == "Loader" and tool.inputs["Clip"].value:
        held = {key: int(tool.inputs[name].value) for name, key in _CLIP_INPUTS.items()}
        found["Clips"] = {1.0: {"__ctor": "Clip", "ID": "Clip1", "Filename": tool.inputs["Clip"].value, **held}}
        for name in ("Clip", *_CLIP_INPUTS):
            inputs.pop(name, None)
    if tool.kind in _GROUPS:
        if tool.result is not None:
            outputs = {"MainOutput1": tool.result, **tool.outputs}
            found["Outputs"] = {
                name: {"__ctor": "InstanceOutput", "SourceOp": inner.name, "Source": inner.source_tool().output}
                for name, inner in outputs.items()
            }
        found["Tools"] = OrderedDict((child.name, _tool(child)) for child in tool.children)
    shown = {key: value for key, value in tool.data.items() if not key.startswith("__")}
    if shown:
        found["CustomData"] = shown
    if tool.controls:
        found["UserControls"] = tool.controls
    found["ViewInfo"] = {"__ctor": "OperatorInfo", "Pos": {1.0: tool.position[0], 2.0: tool.position[1]}}
    return found


def paste(comp: Comp, table: dict[str, Any]) -> list[Tool]:
    """Add the tools of a table, under free names; what they say of each other follows the new names."""
    names: dict[str, Tool] = {}
    made = [_made(comp, name, held, None, names) for name, held in table.get("Tools", {}).items()]
    for name, held in table.get("Tools", {}).items():
        _fill(names[name], held, names)
    return made


def _made(comp: Comp, name: str, held: dict[str, Any], group: Tool | None, names: dict[str, Tool]) -> Tool:
    kind = held.get("__ctor", "")
    if kind not in TOOLS:
        raise current().break_rule(f"{name}: the double knows no tool {kind!r} (a Fusion without it would lose it)")
    tool = comp.add(kind, name, group)
    names[name] = tool
    for inner, inside in held.get("Tools", {}).items():
        _made(comp, inner, inside, tool, names)
    return tool


def _fill(tool: Tool, held: dict[str, Any], names: dict[str, Tool]) -> None:
    for inner, inside in held.get("Tools", {}).items():
        _fill(names[inner], inside, names)
    tool.data.update(held.get("CustomData", {}))
    tool.controls = dict(held.get("UserControls", {}))
    for name, (kind, default) in _own_controls(tool.controls).items():
        tool.inputs.setdefault(name, Control(tool, name, kind, default))
    place = held.get("ViewInfo", {}).get("Pos")
    if place:
        tool.position = (float(place[1.0]), float(place[2.0]))
    for name, given in held.get("Inputs", {}).items():
        if given.get("__ctor") == "InstanceInput":
            alias = Control(tool, name, "Number", None)
            alias.alias = names[given["SourceOp"]].inputs[given["Source"]]
            tool.inputs[name] = alias
            continue
        if name not in tool.inputs:
            raise current().break_rule(f"{tool.kind} has no input {name!r}, which the table of {tool.name} gives")
        control = tool.inputs[name]
        if "SourceOp" in given:
            control.source = names.get(given["SourceOp"]) or tool.comp.named(given["SourceOp"])
        elif "Value" in given:
            value = given["Value"]
            value = value[1.0] if isinstance(value, dict) and value.get("__ctor") == "FuID" else value
            value = float(value) if control.kind == "Number" else value
            tool.comp.write(control, value)
            control.rendered = value
    for name, given in held.get("Outputs", {}).items():
        if tool.result is None:
            tool.result = names[given["SourceOp"]]
        else:
            tool.outputs[name] = names[given["SourceOp"]]
    _fill_clips(tool, held.get("Clips", {}))


def _fill_clips(tool: Tool, clips: dict[Any, Any]) -> None:
    """A Loader's clip list, of which the double knows the first."""
    for clip in clips.values():
        unknown = set(clip) - _CLIP - {"__ctor"}
        if tool.kind != "Loader" or unknown:
            raise current().break_rule(f"{tool.kind} has no clip with {sorted(unknown)}")
        tool.comp.write(tool.inputs["Clip"], clip["Filename"])
        for name, key in _CLIP_INPUTS.items():
            if key in clip:
                tool.inputs[name].value = tool.inputs[name].rendered = float(clip[key])
        tool.data["__in"], tool.data["__out"] = tool.inputs["GlobalIn"].value, tool.inputs["GlobalOut"].value


def _own_controls(controls: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    kinds = {
        "Number": ("Number", 0.0),
        "Text": ("Text", ""),
        "FuID": ("FuID", ""),
        "Point": ("Point", {1.0: 0.5, 2.0: 0.5}),
    }
    found = {}
    for name, entry in controls.items():
        kind, default = kinds.get(entry.get("LINKID_DataType", "Number"), ("Number", 0.0))
        found[name] = (
            kind,
            entry.get("INP_Default", default) if kind == "Number" else entry.get("INPS_DefaultText", default),
        )
    return found


def load_into(tool: Tool, table: dict[str, Any]) -> None:
    """LoadSettings: the values of the table's first tool."""
    for held in table.get("Tools", {}).values():
        _fill(tool, held, {})
        return
