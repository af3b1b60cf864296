"""Tools, their inputs and outputs, as scripts hold them."""

from __future__ import annotations

import os
from typing import Any

from . import _lua_tables, _settings
from ._comp_model import Control, Tool, clip_numbers
from ._fusion_base import NUMBER, FusionObject, call
from ._fusion_names import TOOL_FIELDS, TOOL_HIDDEN, TOOL_METHODS
from ._handles import REGISTRY, handle
from ._model import Thing
from ._session import current


class Plug(Thing):
    """The output of a tool."""

    def __init__(self, tool: Tool, inner: Tool | None = None) -> None:
        super().__init__(tool)
        self.tool = tool
        self.feeds = inner or tool


def fitting(control: Control, value: Any) -> Any:
    """The value as the input keeps it; a broken rule where it cannot be one."""
    kind = control.real().kind
    if kind == "Number" and isinstance(value, NUMBER):
        return float(value)
    if kind in {"Text", "FuID"} and isinstance(value, str):
        return value
    if kind == "Point":
        if isinstance(value, dict) and {float(key) for key in value} in ({1.0, 2.0}, {1.0, 2.0, 3.0}):
            return {float(key): float(held) for key, held in value.items()}
        if isinstance(value, (list, tuple)) and len(value) == 2:
            return {1.0: float(value[0]), 2.0: float(value[1])}
    if kind == "Polyline" and isinstance(value, dict):
        return value
    raise current().break_rule(f"{control.tool.name}.{control.name} takes a {kind}, not {value!r}")


def connect(control: Control, to: Any) -> bool:
    """Connect an input to a tool or an output; None takes the connection away."""
    real = control.real()
    if to is None:
        real.source = None
        return True
    source = to._thing.feeds if isinstance(to, Output) else to._thing
    if source.source_tool().output is None or real.kind not in {"Image", "Mask"}:
        return False
    if (real.kind == "Mask") != (source.source_tool().output == "Mask"):
        return False
    held: Any = source
    while held is not None:  # no circles
        if held is real.tool:
            return False
        held = next((other.source for other in held.inputs.values() if other.source is not None), None)
    real.source = source
    return True


class Output(FusionObject):
    _kind, _thing = "Output", None
    _methods = frozenset(
        {"GetAttrs", "GetConnectedInputs", "GetTool", "GetValue", "ClearDiskCache", "ShowDiskCacheDlg", "GetDoD"}
    )
    _fields = frozenset({"Name", "ID"})

    @property
    def Name(self) -> str:
        return str(self._thing.tool.source_tool().output)

    ID = Name

    @call()
    def GetTool(self) -> Any:
        return handle(self._thing.tool)

    @call()
    def GetConnectedInputs(self) -> dict[float, Any]:
        tool = self._thing.tool
        found = [control for other in tool.comp.tools for control in other.inputs.values() if control.source is tool]
        return {float(number): handle(control) for number, control in enumerate(found, 1)}

    @call((), (str,))
    def GetAttrs(self, name: str | None = None) -> Any:
        found = {
            "OUTS_Name": self.Name,
            "OUTS_ID": self.Name,
            "OUTS_DataType": "Mask" if self.Name == "Mask" else "Image",
        }
        return found.get(name) if name else found


class Input(FusionObject):
    _kind, _thing = "Input", None
    _methods = frozenset(
        {
            "ConnectTo",
            "GetAttrs",
            "GetConnectedOutput",
            "GetExpression",
            "GetKeyFrames",
            "GetTool",
            "HideViewControls",
            "HideWindowControls",
            "SetAttrs",
            "SetExpression",
            "ViewControlsVisible",
            "WindowControlsVisible",
        }
    )
    _fields = frozenset({"Name", "ID"})

    @property
    def Name(self) -> str:
        return str(self._thing.name)

    ID = Name

    def __getitem__(self, time: float) -> Any:
        current().enter("Input[]", (time,))
        real = self._thing.real()
        return real.keys.get(float(time), real.value)

    def __setitem__(self, time: float, value: Any) -> None:
        current().enter("Input[]=", (time, value))
        real = self._thing.real()
        real.tool.comp.write(real, fitting(real, value), float(time))

    @call((object,))
    def ConnectTo(self, output: Any) -> bool:
        return connect(self._thing, output)

    @call()
    def GetConnectedOutput(self) -> Any:
        source = self._thing.real().source
        return handle(Plug(source)) if source is not None else None

    @call()
    def GetTool(self) -> Any:
        return handle(self._thing.tool)

    @call()
    def GetExpression(self) -> Any:
        return self._thing.real().expression or None

    @call((str,))
    def SetExpression(self, text: str) -> None:
        self._thing.real().expression = text

    @call()
    def GetKeyFrames(self) -> dict[float, float]:
        return {float(number): time for number, time in enumerate(sorted(self._thing.real().keys), 1)}

    @call((), (str,))
    def GetAttrs(self, name: str | None = None) -> Any:
        real = self._thing.real()
        types = {
            "Image": "Image",
            "Mask": "Mask",
            "Number": "Number",
            "Text": "Text",
            "FuID": "FuID",
            "Point": "Point",
            "Polyline": "Polyline",
        }
        found = {
            "INPS_Name": real.name,
            "INPS_ID": self._thing.name,
            "INPS_DataType": types[real.kind],
            "INPB_Connected": real.source is not None,
            "INPB_Main": real.name in {"Input", "Background"},
        }
        return found.get(name) if name else found


class Operator(FusionObject):
    """A tool: `tool.Clip` is an input, `tool.Clip = "…"` gives it a value, `tool.Output` is its output."""

    _kind, _thing = "Tool", None
    _methods, _fields, _hidden = TOOL_METHODS, TOOL_FIELDS, TOOL_HIDDEN

    def __getattr__(self, name: str) -> Any:
        thing = object.__getattribute__(self, "_thing")
        if name.startswith("__") or name in TOOL_METHODS:
            return super().__getattr__(name)
        current().enter(f"Tool.{name}")
        if not thing.is_there():
            current().stale.append(f"Tool.{name}")
            return None
        if name in thing.inputs:
            return handle(thing.inputs[name])
        if name == thing.source_tool().output:
            return handle(Plug(thing))
        if name in thing.outputs:
            return handle(Plug(thing, thing.outputs[name]))
        if name in {"TileColor", "TextColor"}:
            return thing.data.get("__" + name)
        raise current().break_rule(f"{thing.kind} has no input or output {name!r} here (Fusion would answer None)")

    def __setattr__(self, name: str, value: Any) -> None:
        thing = self._thing
        current().enter(f"Tool.{name}=", (value,))
        if name in {"TileColor", "TextColor"}:
            thing.data["__" + name] = value
            return
        self._put(name, value, None)

    def _put(self, name: str, value: Any, time: float | None) -> None:
        control = self._thing.inputs.get(name)
        if control is None:
            raise current().break_rule(
                f"{self._thing.kind} has no input {name!r} (Fusion would do nothing, without a word)"
            )
        if value is None or isinstance(value, (Output, Operator)):
            connect(control, value)
        else:
            self._thing.comp.write(control, fitting(control, value), time)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    @property
    def Name(self) -> str:
        return str(self._thing.name)

    @property
    def ID(self) -> str:
        return str(self._thing.kind)

    @property
    def Composition(self) -> Any:
        return handle(self._thing.comp)

    @property
    def ParentTool(self) -> Any:
        return handle(self._thing.group)

    @call((str, object), (str, object, NUMBER))
    def SetInput(self, name: str, value: Any, time: float | None = None) -> None:
        self._put(name, value, time)

    @call((str,), (str, NUMBER))
    def GetInput(self, name: str, time: float | None = None) -> Any:
        control = self._thing.inputs.get(name)
        if control is None:
            raise current().break_rule(f"{self._thing.kind} has no input {name!r}")
        real = control.real()
        return real.keys.get(time, real.value) if time is not None else real.value

    @call((str, object))
    def ConnectInput(self, name: str, to: Any) -> bool:
        control = self._thing.inputs.get(name)
        if control is None:
            raise current().break_rule(f"{self._thing.kind} has no input {name!r}")
        return connect(control, to)

    @call((int,))
    def FindMainInput(self, number: int) -> Any:
        found = [control for control in self._thing.inputs.values() if control.real().kind == "Image"]
        return handle(found[number - 1]) if 1 <= number <= len(found) else None

    @call((int,))
    def FindMainOutput(self, number: int) -> Any:
        return handle(Plug(self._thing)) if number == 1 and self._thing.source_tool().output else None

    @call()
    def GetInputList(self) -> dict[float, Any]:
        return {float(number): handle(control) for number, control in enumerate(self._thing.inputs.values(), 1)}

    @call()
    def GetOutputList(self) -> dict[float, Any]:
        tool = self._thing
        main = [Plug(tool)] if tool.source_tool().output else []
        plugs = main + [Plug(tool, inner) for inner in tool.outputs.values()]
        return {float(number): handle(plug) for number, plug in enumerate(plugs, 1)}

    @call()
    def GetChildrenList(self) -> dict[float, Any]:
        return {float(number): handle(tool) for number, tool in enumerate(self._thing.children, 1)}

    @call()
    def Delete(self) -> None:
        self._thing.comp.remove(self._thing)

    @call((), (str,))
    def GetAttrs(self, name: str | None = None) -> Any:
        found = attributes(self._thing)
        return found.get(name) if name else found

    @call((dict,))
    def SetAttrs(self, wanted: dict[str, Any]) -> None:
        tool = self._thing
        for name, value in wanted.items():
            if name == "TOOLS_Name":
                tool.name = tool.comp.free_name(value) if tool.comp.named(value) not in (None, tool) else value
            elif name in {"TOOLB_PassThrough", "TOOLB_Locked", "TOOLB_Selected"}:
                setattr(
                    tool, {"TOOLB_PassThrough": "passed", "TOOLB_Locked": "locked"}.get(name, "selected"), bool(value)
                )
            elif name not in {"TOOLB_NameSet", "TOOLB_ShowPic"}:
                raise current().break_rule(f"the tool attribute {name!r} cannot be set")

    @call((), (str,))
    def GetData(self, name: str | None = None) -> Any:
        shown = {key: value for key, value in self._thing.data.items() if not key.startswith("__")}
        return shown.get(name) if name else shown

    @call((str, object))
    def SetData(self, name: str, value: Any) -> None:
        self._thing.data[name] = value

    @call((str,))
    def SaveSettings(self, path: str) -> bool:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(_lua_tables.write(_settings.settings_of([self._thing])))
        return True

    @call((str,))
    def LoadSettings(self, path: str) -> bool:
        if not os.path.isfile(path):
            return False
        with open(path, encoding="utf-8") as stream:
            _settings.load_into(self._thing, _lua_tables.parse(stream.read()))
        return True


def attributes(tool: Tool) -> dict[str, Any]:
    """The attributes of a tool; those of a clip list are dictionaries from 1.0."""
    found: dict[str, Any] = {
        "TOOLS_Name": tool.name,
        "TOOLS_RegID": tool.kind,
        "TOOLB_PassThrough": tool.passed,
        "TOOLB_Locked": tool.locked,
        "TOOLB_Selected": tool.selected,
        "TOOLB_Visible": True,
        "TOOLB_NameSet": True,
        "TOOLNT_EnabledRegion_Start": {1.0: -1e9},
        "TOOLNT_EnabledRegion_End": {1.0: 1e9},
    }
    if tool.kind in {"Loader", "Saver"}:
        path = str(tool.inputs["Clip"].value)
        if path:
            found["TOOLST_Clip_Name"] = {1.0: path}
    if tool.kind == "Loader" and tool.inputs["Clip"].value:
        held = {name: control.value for name, control in tool.inputs.items()}
        numbers = clip_numbers(str(held["Clip"]))[1] or [0]
        found.update(
            {
                "TOOLNT_Clip_Start": {1.0: held["GlobalIn"]},
                "TOOLNT_Clip_End": {1.0: held["GlobalOut"]},
                "TOOLIT_Clip_Length": {1.0: len(numbers)},
                "TOOLIT_Clip_StartFrame": {1.0: numbers[0]},
                "TOOLIT_Clip_InitialFrame": {1.0: 0},
                "TOOLBT_Clip_IsMultiFrame": {1.0: False},
                "TOOLIT_Clip_TrimIn": {1.0: int(held["ClipTimeStart"])},
                "TOOLIT_Clip_TrimOut": {1.0: int(held["ClipTimeEnd"])},
                "TOOLIT_Clip_ExtendFirst": {1.0: int(held["HoldFirstFrame"])},
                "TOOLIT_Clip_ExtendLast": {1.0: int(held["HoldLastFrame"])},
                "TOOLBT_Clip_Reverse": {1.0: bool(held["Reverse"])},
                "TOOLBT_Clip_Loop": {1.0: bool(held["Loop"])},
            }
        )
    return found


REGISTRY.update({Tool: Operator, Control: Input, Plug: Output})
