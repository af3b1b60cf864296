"""FusionComp, and the flow that it is shown in."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from . import _comp_render, _settings
from ._comp_model import Comp, Tool
from ._fusion_base import NUMBER, FusionObject, call
from ._fusion_names import COMP_FIELDS, COMP_METHODS, TOOLS
from ._handles import REGISTRY, handle
from ._model import Thing
from ._session import current
from ._tool_api import Operator


class Flow(Thing):
    """The flow view of a composition."""

    def __init__(self, comp: Comp) -> None:
        super().__init__(comp)
        self.comp = comp


class Frame(Thing):
    """The frame window of a composition."""

    def __init__(self, comp: Comp) -> None:
        super().__init__(comp)
        self.comp = comp


class FlowView(FusionObject):
    _kind, _thing = "FlowView", None
    _methods = frozenset(
        {
            "FlushSetPosQueue",
            "FrameAll",
            "GetPos",
            "GetPosTable",
            "GetScale",
            "QueueSetPos",
            "Select",
            "SetPos",
            "SetScale",
        }
    )

    @call((object, NUMBER, NUMBER))
    def SetPos(self, tool: Any, x: float, y: float) -> None:
        tool._thing.position = (float(x), float(y))

    @call((object,))
    def GetPosTable(self, tool: Any) -> dict[float, float]:
        return {1.0: tool._thing.position[0], 2.0: tool._thing.position[1]}

    @call((object,))
    def GetPos(self, tool: Any) -> tuple[float, float]:
        return tool._thing.position  # type: ignore[no-any-return]

    @call((), (object,), (object, bool))
    def Select(self, tool: Any = None, on: bool = True) -> None:
        if tool is None:
            for each in self._thing.comp.tools:
                each.selected = False
        else:
            tool._thing.selected = on


class FuFrame(FusionObject):
    _kind, _thing = "FuFrame", None
    _methods = frozenset({"SwitchMainView", "ViewOn"})
    _fields = frozenset({"FlowView", "CurrentView"})

    @property
    def FlowView(self) -> Any:
        return handle(Flow(self._thing.comp))


def _listed(tools: list[Tool]) -> dict[float, Any]:
    return {float(number): handle(tool) for number, tool in enumerate(tools, 1)}


class FusionComp(FusionObject):
    _kind, _thing = "FusionComp", None
    _methods, _fields = COMP_METHODS, COMP_FIELDS

    def __setattr__(self, name: str, value: Any) -> None:
        current().enter(f"FusionComp.{name}=", (value,))
        if name == "CurrentTime":
            self._thing.time = float(value)
        else:
            super().__setattr__(name, value)

    @property
    def CurrentTime(self) -> float:
        return float(self._thing.time)

    @property
    def ActiveTool(self) -> Any:
        return handle(self._thing.active)

    @property
    def CurrentFrame(self) -> Any:
        return handle(Frame(self._thing)) if current().gui else None

    @property
    def Name(self) -> str:
        return str(self._thing.name)

    @call((str,), (str, NUMBER, NUMBER), (str, bool), (str, bool, NUMBER, NUMBER))
    def AddTool(self, kind: str, *place: Any) -> Any:
        session, comp = current(), self._thing
        if kind not in TOOLS:
            return None  # Fusion says so in its console only
        if kind in {"Loader", "Saver"} and not comp.locks and session.gui:
            raise session.break_rule(f"AddTool({kind!r}) outside Lock() opens a file dialog and waits for the user")
        tool = comp.add(kind)
        spots = [value for value in place if not isinstance(value, bool)]
        if spots and spots[0] != -32768:
            tool.position = (float(spots[0]), float(spots[1]))
        elif spots and comp.active is not None and comp.active.source_tool().output == "Output":
            # "as if you had clicked on one of the toolbar icons": next to the active tool, and connected to it
            tool.position = (comp.active.position[0] + 1, comp.active.position[1])
            main = next((control for control in tool.inputs.values() if control.kind == "Image"), None)
            if main is not None:
                main.source = comp.active
        comp.active = tool
        return handle(tool)

    @call((str,))
    def FindTool(self, name: str) -> Any:
        return handle(self._thing.named(name))

    @call((str,), (str, object))
    def FindToolByID(self, kind: str, after: Any = None) -> Any:
        found = [tool for tool in self._thing.tools if tool.kind == kind]
        if after is not None:
            found = found[found.index(after._thing) + 1 :]
        return handle(found[0]) if found else None

    @call((), (bool,), (bool, str))
    def GetToolList(self, selected: bool = False, kind: str | None = None) -> dict[float, Any]:
        return _listed(
            [tool for tool in self._thing.tools if (tool.selected or not selected) and kind in (None, tool.kind)]
        )

    @call((object,), ())
    def SetActiveTool(self, tool: Any = None) -> None:
        self._thing.active = None if tool is None else tool._thing

    @call()
    def Lock(self) -> None:
        self._thing.locks += 1

    @call()
    def Unlock(self) -> None:
        self._thing.locks = max(0, self._thing.locks - 1)

    @call()
    def IsLocked(self) -> bool:
        return bool(self._thing.locks)

    @call((str,))
    def StartUndo(self, name: str) -> None:
        self._thing.undo_open += 1
        self._thing.undo.append(name)

    @call((), (bool,))
    def EndUndo(self, keep: bool = True) -> None:
        self._thing.undo_open = max(0, self._thing.undo_open - 1)
        if not keep and self._thing.undo:
            self._thing.undo.pop()

    @call((), (str,))
    def GetAttrs(self, name: str | None = None) -> Any:
        comp = self._thing
        found = {
            "COMPN_CurrentTime": comp.time,
            "COMPN_GlobalStart": float(comp.span[0]),
            "COMPN_GlobalEnd": float(comp.span[1]),
            "COMPN_RenderStart": float(comp.render[0]),
            "COMPN_RenderEnd": float(comp.render[1]),
            "COMPB_HiQ": True,
            "COMPB_Proxy": False,
            "COMPB_Rendering": bool(comp.rendering),
            "COMPS_FileName": comp.path,
            "COMPS_Name": comp.name,
            "COMPB_Locked": bool(comp.locks),
            "COMPB_Modified": True,
            "COMPN_LastFrameRendered": float(comp.render[1]),
        }
        return found.get(name) if name else found

    @call((dict,))
    def SetAttrs(self, wanted: dict[str, Any]) -> bool:
        comp = self._thing
        spans = {"span": list(comp.span), "render": list(comp.render)}
        places = {
            "COMPN_GlobalStart": ("span", 0),
            "COMPN_GlobalEnd": ("span", 1),
            "COMPN_RenderStart": ("render", 0),
            "COMPN_RenderEnd": ("render", 1),
        }
        for name, value in wanted.items():
            if name == "COMPN_CurrentTime":
                comp.time = float(value)
            elif name in places:
                which, place = places[name]
                spans[which][place] = int(value)
            elif name not in {"COMPB_HiQ", "COMPB_Proxy"}:
                raise current().break_rule(f"the composition's attribute {name!r} cannot be set")
        comp.span, comp.render = tuple(spans["span"]), tuple(spans["render"])
        return True

    @call((), (str,))
    def GetPrefs(self, name: str | None = None) -> Any:
        comp = self._thing
        known = {
            "Comp.FrameFormat.Width": comp.size[0],
            "Comp.FrameFormat.Height": comp.size[1],
            "Comp.FrameFormat.Rate": comp.rate,
            **comp.prefs,
        }
        if name is None:
            return {"Comp": {"FrameFormat": {"Width": comp.size[0], "Height": comp.size[1], "Rate": comp.rate}}}
        if name == "Comp.FrameFormat":
            return {key.rsplit(".", 1)[1]: value for key, value in known.items() if key.startswith(name)}
        return known.get(name)

    @call((), (str,))
    def GetData(self, name: str | None = None) -> Any:
        return self._thing.data.get(name) if name else dict(self._thing.data)

    @call((str, object))
    def SetData(self, name: str, value: Any) -> None:
        self._thing.data[name] = value

    @call((str,))
    def MapPath(self, path: str) -> str:
        return path

    @call((str,))
    def ReverseMapPath(self, path: str) -> str:
        return path

    @call((str,))
    def Print(self, text: str) -> None:
        current().messages.append(text)

    @call((str, dict))
    def AskUser(self, title: str, controls: dict[Any, Any]) -> Any:
        current().messages.append(title)
        return current().answers.popleft() if current().answers else None

    @call((dict,), ())
    def Paste(self, table: dict[str, Any] | None = None) -> bool:
        session = current()
        if table is None or _has_ordered(table) or session.faults.refused_pastes:
            # An OrderedDict does not get across from Python (api_truth.py, "Composition.Paste"): nothing is made.
            session.faults.refused_pastes = max(0, session.faults.refused_pastes - 1)
            return False
        for tool in self._thing.tools:
            tool.selected = False
        for tool in _settings.paste(self._thing, table):
            tool.selected = True
            self._thing.active = tool
        return True

    @call((), (Operator,), (dict,))
    def CopySettings(self, tools: Any = None) -> dict[str, Any]:
        comp = self._thing
        found = (
            [tools._thing] if isinstance(tools, Operator) else [tool._thing for tool in tools.values()] if tools else []
        )
        return _settings.settings_of(found or [tool for tool in comp.tools if tool.selected])

    @call((), (dict,), (bool,), (bool, NUMBER), (bool, NUMBER, NUMBER))
    def Render(self, *how: Any) -> bool:
        comp = self._thing
        wanted = how[0] if how and isinstance(how[0], dict) else {}
        known = {
            "Wait",
            "Start",
            "End",
            "Tool",
            "HiQ",
            "RenderAll",
            "MotionBlur",
            "FrameRange",
            "SizeType",
            "Step",
            "UseNetwork",
            "Flags",
        }
        if set(wanted) - known:
            raise current().break_rule(f"Render knows no {sorted(set(wanted) - known)}")
        first, last = wanted.get("Start", comp.render[0]), wanted.get("End", comp.render[1])
        if how and not isinstance(how[0], dict):
            first = how[1] if len(how) > 1 else first
            last = how[2] if len(how) > 2 else last
        tool = wanted.get("Tool")
        return _comp_render.render(
            comp, int(first), int(last), tool._thing if tool is not None else None, step=int(wanted.get("Step", 1))
        )


def _has_ordered(table: Any) -> bool:
    if isinstance(table, OrderedDict):
        return True
    return isinstance(table, dict) and any(_has_ordered(value) for value in table.values())


REGISTRY.update({Comp: FusionComp, Flow: FlowView, Frame: FuFrame})
