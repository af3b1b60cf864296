"""Makes nodes, and opens results in the graph."""

from __future__ import annotations

from typing import Any

import nuke
from overscan_host import frames_from_text
from overscan_nuke import _buttons, _inside, _knobs
from overscan_nuke._kinds import kind_named
from overscan_nuke._preferences import load_preferences
from overscan_nuke._state import versions_of


def create(kind: str) -> Any:
    """Make a node of a kind (one of `KINDS`), connected to the selected node as Nuke does it; returns it."""
    found = kind_named(kind)
    selected: list[Any] = nuke.selectedNodes()
    group: Any = nuke.createNode("Group", inpanel=False) if nuke.GUI else nuke.nodes.Group()
    with _knobs.quietly():
        _inside.build(group, found)
        _knobs.add_knobs(group, found, load_preferences())
        group.setName(found.class_name + "1", uncollide=True)
        group["label"].setValue("[value overscan_version]")
        if selected and "plate" in found.inputs:
            group.setInput(0, selected[0])
    if nuke.GUI:
        group.showControlPanel()
    return group


def open_result(job: dict[str, Any]) -> str:
    """Show a job's result: the node of this script that made it, at that version; else a Read of it that is made.

    `job` is as the bridge gives it. Returns the full name of the node, which is selected.
    """
    for node in _knobs.our_nodes():
        for version in versions_of(node):
            if version.job(str(job["id"])) is not None:
                _buttons.show_version(node, version.name)
                node.selectOnly()
                return str(node.fullName())
    path = str(job["spec"]["output"]["path"])
    read: Any = nuke.nodes.Read()
    read["file"].setValue(path)
    frames = frames_from_text(str(job.get("plan", {}).get("frames", "")))
    if frames:
        for name, value in (
            ("first", frames[0]),
            ("last", frames[-1]),
            ("origfirst", frames[0]),
            ("origlast", frames[-1]),
        ):
            read[name].setValue(value)
        read["origset"].setValue(True)
    read.selectOnly()
    return str(read.fullName())
