"""What a composition in Fusion has: the tool that is meant, masks, ranges, and the files behind a Loader."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Iterator

from overscan_host import refuse
from overscan_resolve._asking import ask

_UNDEFINED = -100000000
"""A time below this is none: ranges that were never set are -1000000000."""
_READABLE = (".exr", ".dpx", ".tif", ".tiff")
# Inputs of a Loader that change what its files show, with the value at which they do not.
_PLAIN_LOADER = {
    "Reverse": 0,
    "ImportMode": 0,
    "PostMultiplyByAlpha": 0,
    "InvertAlpha": 0,
    "RemoveCurve": 0,
    "Depth": 0,
}


@dataclass(frozen=True)
class Files:
    """Files that a Loader shows as they are."""

    pattern: str
    """With ``%04d``."""
    number_at_zero: int
    """Number of the file that is shown at time 0: that at any time t is this and t."""


def tools_of(comp: Any) -> list[Any]:
    """All tools, in the order of the composition."""
    found = ask(comp, "GetToolList", False)
    return [found[key] for key in sorted(found)] if isinstance(found, dict) else []


def is_mask(tool: Any) -> bool:
    """Whether a tool makes a mask and no picture."""
    output = ask(tool, "FindMainOutput", 1)
    return output is not None and str(output.ID) == "Mask"


def pictures_of(comp: Any) -> list[str]:
    """Names of the tools that make a picture."""
    return [
        str(tool.Name) for tool in tools_of(comp) if ask(tool, "FindMainOutput", 1) is not None and not is_mask(tool)
    ]


def masks_of(comp: Any) -> list[str]:
    """Names of the tools that make a mask."""
    return [str(tool.Name) for tool in tools_of(comp) if is_mask(tool)]


def tool_named(comp: Any, name: str) -> Any:
    """Raises `RefusalError` where there is none."""
    tool = ask(comp, "FindTool", name) if name else None
    if tool is None:
        raise refuse("INVALID_JOB", f"The composition has no tool '{name}'." if name else "No tool is selected.",
                     "Select the tool whose picture is meant, and open the window again.")  # fmt: skip
    return tool


def meant(comp: Any) -> str:
    """Name of the tool that is meant: the active one where it makes a picture, else what the output shows, else the
    first; empty where there is none.
    """
    names = pictures_of(comp)
    active = comp.ActiveTool
    if active is not None and str(active.Name) in names:
        return str(active.Name)
    for tool in tools_of(comp):
        if str(tool.ID) == "MediaOut":
            output = ask(tool.Input, "GetConnectedOutput")
            if output is not None:
                return str(output.GetTool().Name)
    return names[0] if names else ""


def range_of(comp: Any, *, whole: bool) -> tuple[int, int]:
    """First and last time that are rendered; with `whole` all times of the composition. Raises `RefusalError`."""
    attributes = ask(comp, "GetAttrs")
    if not isinstance(attributes, dict):
        raise refuse("INVALID_JOB", "The composition is not there any more.", "Open it, and try again.")
    first, last = attributes.get("COMPN_GlobalStart"), attributes.get("COMPN_GlobalEnd")
    if not whole:
        start, end = attributes.get("COMPN_RenderStart"), attributes.get("COMPN_RenderEnd")
        first = start if start is not None and start > _UNDEFINED else first
        last = end if end is not None and end > _UNDEFINED else last
    if first is None or last is None or last < first:
        raise refuse("FRAME_RANGE", "The composition does not say its range.", "Set its global and its render range.")
    return int(first), int(last)


def files_behind(tool: Any, first: int, last: int) -> tuple[Files | None, str]:
    """The files of a Loader that shows them as they are between two times; else None, and why not."""
    from overscan_resolve._clip import sequence_path

    attributes = ask(tool, "GetAttrs")
    attributes = attributes if isinstance(attributes, dict) else {}
    if str(tool.ID) != "Loader":
        return None, f"{tool.Name} is computed by Fusion"
    path = str(_first(attributes.get("TOOLST_Clip_Name")) or "")
    if not path.lower().endswith(_READABLE):
        return None, f"{tool.Name} reads a format that Overscan does not read"
    changed = [
        name for name, plain in _PLAIN_LOADER.items() if ask(tool, "GetInput", name) not in (plain, float(plain), None)
    ]
    mask = ask(tool.EffectMask, "GetConnectedOutput")
    if changed or mask is not None or attributes.get("TOOLB_PassThrough"):
        return None, "{} changes its files ({})".format(tool.Name, ", ".join(changed) or "a mask, or passed through")
    pattern, number, _ = sequence_path(path)
    begins = _first(attributes.get("TOOLIT_Clip_StartFrame"))
    start, end = ask(tool, "GetInput", "GlobalIn"), ask(tool, "GetInput", "GlobalOut")
    trimmed, held = ask(tool, "GetInput", "ClipTimeStart"), ask(tool, "GetInput", "HoldFirstFrame")
    trimmed_end = ask(tool, "GetInput", "ClipTimeEnd")
    values = (begins, start, end, trimmed, trimmed_end)
    if "%" not in pattern or any(not isinstance(value, (int, float)) for value in values):
        return None, f"{tool.Name} shows one file"
    real_start = int(start) + int(held or 0)
    real_end = real_start + int(trimmed_end) - int(trimmed)
    if first < real_start or last > min(real_end, int(end)):
        return None, f"{tool.Name} has files for the times {real_start} to {min(real_end, int(end))} only"
    del number
    return Files(pattern, int(begins) + int(trimmed) - real_start), ""


def _first(value: Any) -> Any:
    """The first entry of what is a table from 1 in Fusion."""
    return value[min(value)] if isinstance(value, dict) and value else value


@contextlib.contextmanager
def kept_comp(comp: Any, *, keep: bool = False) -> Iterator[list[str]]:
    """Whatever happens inside: current time, active and selected tools are afterwards as before, the composition is not
    locked, and tools whose names were put into the list are gone. With `keep` what else was made is one step of undo.
    """
    time = comp.CurrentTime
    active = comp.ActiveTool
    active_name = str(active.Name) if active is not None else ""
    selected = [str(tool.Name) for tool in tools_of(comp) if ask(tool, "GetAttrs", "TOOLB_Selected")]
    temporary: list[str] = []
    comp.StartUndo("Overscan")
    try:
        yield temporary
    finally:
        for name in temporary:
            tool = comp.FindTool(name)
            if tool is not None:
                tool.Delete()
        comp.CurrentTime = time
        _select(comp, selected)
        previous = comp.FindTool(active_name) if active_name else None
        comp.SetActiveTool(previous)
        comp.EndUndo(keep)


def _select(comp: Any, names: list[str]) -> None:
    frame = comp.CurrentFrame
    if frame is None:  # without a window nothing is selected
        return
    flow = frame.FlowView
    flow.Select()
    for name in names:
        tool = comp.FindTool(name)
        if tool is not None:
            flow.Select(tool, True)
