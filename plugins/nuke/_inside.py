"""The stock nodes inside one of our groups, and which version they show.

    plate ──┬────────────────────────────────┐
            └─ Place ─ Frame ──┬───────────┐ │
    Result (Read) ── Shown ────┼─ Difference │      Shown: 0 the plate as it is, 1 the result
                       └───────┴─── Show ──── Output     Show: 0 Shown, 1 the placed plate, 2 the difference

Nothing here needs Overscan: a script that holds such a group renders its last result anywhere.
"""

from __future__ import annotations

from typing import Any

import nuke
from overscan_host import frames_from_text
from overscan_nuke import _knobs
from overscan_nuke._kinds import Kind
from overscan_nuke._reads import COLOUR_KNOBS
from overscan_nuke._state import Version, list_versions, shown_version

_STEP = 110


def build(group: Any, kind: Kind) -> None:
    """Fill an empty group."""
    with group:
        inputs = {}
        for number, name in enumerate(kind.inputs):
            inputs[name] = nuke.nodes.Input(name=name, xpos=-_STEP * number, ypos=0)
            inputs[name]["number"].setValue(number)
        result = nuke.nodes.Read(name="Result", xpos=_STEP, ypos=120)
        result["before"].setValue("black")
        result["after"].setValue("black")
        shown = nuke.nodes.Switch(name="Shown", xpos=_STEP, ypos=240)
        show = nuke.nodes.Switch(name="Show", xpos=0, ypos=420)
        output = nuke.nodes.Output(name="Output1", xpos=0, ypos=480)
        output.setInput(0, show)
        shown.setInput(0, inputs.get("plate"))
        shown.setInput(1, result)
        show.setInput(0, shown)
        if "plate" in inputs:
            place = nuke.nodes.Transform(name="Place", xpos=-_STEP, ypos=180)
            place.setInput(0, inputs["plate"])
            place["filter"].setValue("Impulse")
            frame = nuke.nodes.Reformat(name="Frame", xpos=-_STEP, ypos=240)
            frame.setInput(0, place)
            frame["disable"].setValue(True)
            frame["type"].setValue("to box")
            frame["box_fixed"].setValue(True)
            frame["resize"].setValue("none")
            frame["center"].setValue(False)
            frame["pbb"].setValue(True)
            frame["filter"].setValue("Impulse")
            difference = nuke.nodes.Merge2(name="Difference", xpos=-_STEP // 2, ypos=330)
            difference["operation"].setValue("difference")
            difference.setInput(0, frame)
            difference.setInput(1, shown)
            show.setInput(1, frame)
            show.setInput(2, difference)
            show["which"].setExpression(f"parent.{_knobs.PREFIX}show")


def choose(node: Any, name: str) -> None:
    """Show a version, by its name."""
    list_versions(node, name)
    refresh(node)


def refresh(node: Any) -> None:
    """Bring the nodes inside to the version that the menu says."""
    version = shown_version(node)
    with _knobs.quietly():
        has = version is not None and version.has_frames
        if version is not None and has:
            _show(node, version)
        _set(node.node("Shown")["which"], 1 if has else 0)
        _set(node["overscan_result"], version.path if version is not None else "")


def reload(node: Any) -> None:
    """Have Nuke look again for frames that were not there before."""
    read = node.node("Result")
    if read is not None:
        read["reload"].execute()


def set_missing(node: Any) -> None:
    """Bring what the node gives for missing frames to what its knob says."""
    with _knobs.quietly():
        _set(node.node("Result")["on_error"], _knobs.get(node, "missing"))


def extra_layers(node: Any) -> dict[str, str]:
    """Names that the extra layers have in the graph, by their own: ``{"generated": "generated", …}``.

    Nuke puts the name of an EXR part in front of a layer's, so they are found by how they end.
    """
    layers = sorted({channel.split(".")[0] for channel in node.node("Result").channels()})
    found = {}
    for own in ("generated", "confidence", "source"):
        match = [layer for layer in layers if layer == own or layer.endswith("_" + own)]
        if match:
            found[own] = match[0]
    return found


def _show(node: Any, version: Version) -> None:
    read = node.node("Result")
    frames = frames_from_text(version.frames)
    if str(read["file"].value()) != version.path:
        read["file"].setValue(version.path)
    for knob, value in (
        ("first", frames[0]),
        ("last", frames[-1]),
        ("origfirst", frames[0]),
        ("origlast", frames[-1]),
        ("origset", True),
        ("frame_mode", "expression"),
        ("frame", f"frame{-version.offset:+d}" if version.offset else ""),
        ("on_error", _knobs.get(node, "missing")),
    ):
        _set(read[knob], value)
    for knob in COLOUR_KNOBS:
        if knob in version.colour and knob in read.knobs():
            _set_colour(read[knob], version.colour[knob])
    width, height = version.size
    if width and height:
        text = f"{width} {height} 0 0 {width} {height} {version.pixel_aspect:g} "
        read["format"].fromScript(text)
    frame = node.node("Frame")
    if frame is not None and width and height:
        same = version.shift == (0, 0) and version.size == version.plate_size
        place = node.node("Place")
        for index, value in enumerate(version.shift):
            place["translate"].setValue(value, index)
        _set(frame["box_width"], width)
        _set(frame["box_height"], height)
        _set(frame["box_pixel_aspect"], version.pixel_aspect)
        _set(frame["disable"], same)


def _set(knob: Any, value: Any) -> None:
    """Set a knob only where it is another, so that the script does not count as changed."""
    if knob.value() != value:
        knob.setValue(value)


def _set_colour(knob: Any, value: Any) -> None:
    if knob.value() == value:
        return
    words = getattr(knob, "values", None)
    if words is None or isinstance(value, bool):
        knob.setValue(value)
        return
    # "default (ACES - ACEScg)" is how the knob shows it; what it takes is the first word or the name.
    knob.setValue(value if value in words() else str(value).split(" (")[0])
