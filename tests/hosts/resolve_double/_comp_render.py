"""Rendering the Savers of a composition, by the picture process."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from . import _files, _render_jobs, _retime
from ._comp_model import Comp, Tool, loader_file
from ._fusion_names import TOOLS
from ._session import current

_SUFFIXES = {"OpenEXRFormat": ".exr", "TIFFFormat": ".tif", "PNGFormat": ".png"}


def saver_file(saver: Tool, time: int) -> str:
    """The file that a Saver writes at a time: its name's number, or four digits, before the suffix."""
    path = str(saver.inputs["Clip"].rendered)
    number = time
    if saver.inputs["SetSequenceStart"].rendered:
        number = int(saver.inputs["SequenceStartFrame"].rendered) + time - saver.comp.span[0]
    found = _files.pattern_of(path)
    if found is not None:
        return found[0] % number
    stem, suffix = os.path.splitext(path)
    return f"{stem}{number:04d}{suffix}"


def node(tool: Tool, time: int) -> dict[str, Any]:
    """A tool at a time as the picture process reads it, with what feeds it. ValueError where something is missing."""
    if tool.result is not None:
        return node(tool.result, time)
    main = [control for control in tool.inputs.values() if control.kind == "Image"]
    if tool.passed and main:
        if main[0].source is None:
            raise ValueError(f"{tool.name} has no input at {time}")
        return node(main[0].source, time)
    found: dict[str, Any] = {"kind": tool.kind, "name": tool.name, "size": list(tool.comp.size)}
    found["values"] = {
        name: control.rendered
        for name, control in tool.inputs.items()
        if control.kind in {"Number", "FuID", "Point", "Polyline"}
    }
    if tool.kind == "Loader":
        found["file"] = loader_file(tool, time)
        if found["file"] is None:
            raise ValueError(f"{tool.name} cannot get the frame at {time}")
    elif tool.kind == "MediaIn":
        item = tool.comp.item
        if item is None or item.media is None:
            raise ValueError(f"{tool.name} has no media")
        frame = time - tool.comp.render[0]
        source = _retime.source_frame(item, frame)
        if item.media.timeline is not None:
            found["canvas"] = _render_jobs.canvas(item.media.timeline, item.media.timeline.start + source)
        else:
            found["file"] = item.media.file_of(source)
    found["inputs"] = {
        name: node(control.source, time) for name, control in tool.inputs.items() if control.source is not None
    }
    needed = {"Merge": ["Background"], "Dissolve": ["Background", "Foreground"]}.get(tool.kind, [])
    needed = needed or [
        name
        for name, (kind, _) in TOOLS[tool.kind].inputs.items()
        if kind == "Image" and name in {"Input", "Background", "Image"}
    ]
    for name in needed:
        if name not in found["inputs"]:
            raise ValueError(f"{tool.name} has no {name} at {time}")
    return found


def render(comp: Comp, first: int, last: int, saver: Tool | None, *, step: int = 1) -> bool:
    """Write what the Savers write; False, with the reason in the console, where a frame cannot be made."""
    session = current()
    fault, session.faults.comp_render = session.faults.comp_render, ""
    savers = [saver] if saver is not None else [tool for tool in comp.tools if tool.kind == "Saver" and not tool.passed]
    if fault == "fail" or not savers:
        session.messages.append("Render failed" if savers else "There are no Savers to render")
        return False
    frames = []
    try:
        for each in savers:
            source = each.inputs["Input"].source
            if source is None or not each.inputs["Clip"].rendered:
                raise ValueError(f"{each.name} has no input or no file name")
            for time in range(first, last + 1, step):
                if not comp.span[0] <= time <= comp.span[1]:
                    raise ValueError(f"{time} is outside the global range {comp.span}")
                held = {name: control.rendered for name, control in each.inputs.items()}
                depth = "Float" if held["OpenEXRFormat.Depth"] >= 2 else "Half"
                frames.append(
                    {
                        "file": saver_file(each, time),
                        "node": node(source, time),
                        "codec": f"RGB{depth}ZIP",
                        "alpha": bool(held["ProcessAlpha"] and held["OpenEXRFormat.ProcessAlpha"]),
                        "make": bool(held["CreateDir"]),
                    }
                )
    except ValueError as problem:
        session.messages.append(f"Render failed: {problem}")
        return False
    if fault == "short":
        frames = frames[:-1]
    order = {"frames": frames, "size": list(comp.size), "codec": "RGBHalfZIP", "premultiplied": True}
    done = subprocess.run(
        [_render_jobs._python(), "-m", "tests.hosts.resolve_double.picture"],
        cwd=str(_render_jobs.ROOT),
        input=json.dumps(order),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}},
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    comp.time = float(last)
    if not said or said[-1].get("status") != "Complete":
        session.messages.append(f"Render failed: {said[-1].get('error') if said else 'no word'}")
        return False
    return True
