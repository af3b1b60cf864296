"""A result in a composition: a macro of Loaders, which needs no plugin, and the same as a .setting file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from overscan_host import frames_from_text
from overscan_resolve._asking import ask
from overscan_resolve._fusion_flow import kept_comp


@dataclass(frozen=True)
class Shown:
    """What is to be shown, and when."""

    path: str
    """Pattern of the result's files."""
    frames: str
    """Their numbers."""
    number_at_zero: int
    """Number of the file for time 0."""

    @property
    def numbers(self) -> list[int]:
        """Of the files, ascending."""
        return frames_from_text(self.frames)

    @property
    def begins(self) -> int:
        """Time of the first frame."""
        return self.numbers[0] - self.number_at_zero

    @property
    def ends(self) -> int:
        """Time of the last frame."""
        return self.numbers[-1] - self.number_at_zero


def macro(
    name: str, shown: Shown, *, version: str, extras: bool, place: tuple[float, float] = (0.0, 0.0)
) -> dict[str, Any]:
    """The table of a macro: its output is the result, and `Generated`, where there are extras, what was generated."""
    tools = {f"{name}_Result": _loader(shown.path, shown, {})}
    outputs = {"MainOutput1": _output(f"{name}_Result")}
    if extras:
        channels = {
            f"Clip1.OpenEXRFormat.{colour}Name": {"__ctor": "Input", "Value": {"__ctor": "FuID", 1.0: "generated.A"}}
            for colour in ("Red", "Green", "Blue", "Alpha")
        }
        tools[f"{name}_Generated"] = _loader(extras_path(shown.path), shown, channels)
        outputs["Generated"] = _output(f"{name}_Generated")
    return {
        "Tools": {
            name: {
                "__ctor": "MacroOperator",
                "CustomData": {"OverscanVersion": version, "OverscanPath": shown.path},
                "Outputs": outputs,
                "ViewInfo": {"__ctor": "GroupInfo", "Pos": {1.0: place[0], 2.0: place[1]}},
                "Tools": tools,
            }
        }
    }


def _loader(path: str, shown: Shown, inputs: dict[str, Any]) -> dict[str, Any]:
    numbers = shown.numbers
    clip = {
        "__ctor": "Clip",
        "ID": "Clip1",
        "Filename": path % numbers[0],
        "FormatID": "OpenEXRFormat",
        "StartFrame": numbers[0],
        "Length": len(numbers),
        "TrimIn": 0,
        "TrimOut": len(numbers) - 1,
        "ExtendFirst": 0,
        "ExtendLast": 0,
        "Loop": 0,
        "AspectMode": 0,
        "Depth": 0,
        "TimeCode": 0,
        "GlobalStart": shown.begins,
        "GlobalEnd": shown.ends,
    }
    return {"__ctor": "Loader", "Clips": {1.0: clip}, "Inputs": inputs}


def _output(tool: str) -> dict[str, Any]:
    return {"__ctor": "InstanceOutput", "SourceOp": tool, "Source": "Output"}


def extras_path(path: str) -> str:
    """Pattern of the extra layers beside a result."""
    folder, slash, name = path.rpartition("/")
    stem, _, rest = name.partition(".%")
    return f"{folder}{slash}{stem}.extras.%{rest}"


def show(comp: Any, name: str, shown: Shown, *, version: str, beside: Any) -> list[str]:
    """Add the macro to a composition, beside a tool, and look whether it is right; returns what is not, in words.

    Nothing that is there is changed: it is a new tool, connected to nothing. Its .setting file lies with the frames.
    """
    extras = Path(extras_path(shown.path) % shown.numbers[0]).is_file()
    table = macro(name, shown, version=version, extras=extras, place=_beside(comp, beside))
    setting = Path(shown.path).parent / f"{name}.setting"
    setting.write_text(lua(table) + "\n", encoding="utf-8")
    before = _names(comp)
    with kept_comp(comp, keep=True):
        return _pasted(comp, table, shown, before, setting)


def _pasted(comp: Any, table: dict[str, Any], shown: Shown, before: set[str], setting: Path) -> list[str]:
    notes: list[str] = []
    comp.Lock()
    try:
        pasted = comp.Paste(table)
    finally:
        comp.Unlock()
    new = [tool for tool in _tools(comp) if str(tool.Name) not in before]
    loaders = [tool for tool in new if str(tool.ID) == "Loader"]
    if not pasted or not loaders:
        return [f"Fusion did not take the result in. Drag {setting} into the composition."]
    for tool in loaders:
        if not _is_right(tool, shown):
            _correct(tool, shown)
            if not _is_right(tool, shown):
                notes.append(f"{tool.Name} does not show the frames at the times {shown.begins} to {shown.ends}: "
                             "set its GlobalIn by hand.")  # fmt: skip
    return notes


def _beside(comp: Any, tool: Any) -> tuple[float, float]:
    frame = comp.CurrentFrame
    if frame is None or tool is None:
        return (0.0, 0.0)
    table = frame.FlowView.GetPosTable(tool)
    if not isinstance(table, dict) or len(table) < 2:
        return (0.0, 0.0)
    values = [float(table[key]) for key in sorted(table)]
    return (values[0] + 1.0, values[1] + 1.0)


def _tools(comp: Any) -> list[Any]:
    found = ask(comp, "GetToolList", False)
    return list(found.values()) if isinstance(found, dict) else []


def _names(comp: Any) -> set[str]:
    return {str(tool.Name) for tool in _tools(comp)}


def _wanted(shown: Shown) -> dict[str, int]:
    count = len(shown.numbers)
    return {"GlobalIn": shown.begins, "GlobalOut": shown.ends, "ClipTimeStart": 0, "ClipTimeEnd": count - 1,
            "HoldFirstFrame": 0, "HoldLastFrame": 0}  # fmt: skip


def _is_right(tool: Any, shown: Shown) -> bool:
    return all(ask(tool, "GetInput", name) == value for name, value in _wanted(shown).items())


def _correct(tool: Any, shown: Shown) -> None:
    """Moving one end of a Loader trims it, so the further end is moved first, and trims are set last."""
    wanted = _wanted(shown)
    order = (
        ["GlobalOut", "GlobalIn"]
        if shown.ends >= (ask(tool, "GetInput", "GlobalOut") or 0)
        else ["GlobalIn", "GlobalOut"]
    )
    for name in [*order, "ClipTimeStart", "ClipTimeEnd", "HoldFirstFrame", "HoldLastFrame"]:
        tool.SetInput(name, wanted[name])


def lua(value: Any, indent: int = 0) -> str:
    """A table as .setting files have it."""
    if isinstance(value, Mapping):
        inner = "\t" * (indent + 1)
        lines = [f"{inner}{_key(key)}{lua(held, indent + 1)}," for key, held in value.items() if key != "__ctor"]
        name = str(value.get("__ctor", ""))
        if not lines:
            return f"{name} {{}}".strip()
        end = "\t" * indent + "}"
        return "\n".join([f"{name} {{".strip(), *lines, end])
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
    return repr(value)


def _key(key: Any) -> str:
    if isinstance(key, float):
        return ""
    return f"{key} = " if re.fullmatch(r"[A-Za-z_]\w*", str(key)) else f'["{key}"] = '
