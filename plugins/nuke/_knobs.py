"""Makes the knobs of a node, and reads and writes them."""

from __future__ import annotations

import contextlib
import html
from typing import Any, Iterator

import nuke
from overscan_nuke._kinds import KINDS, Kind, kind_named
from overscan_nuke._preferences import Preferences
from overscan_nuke._table import KnobSpec, specs_of

PREFIX = "overscan_"

_GUARDED = """try:
    import overscan_nuke
except ImportError:
    nuke.message("This node was made with Overscan, which is not installed here. Its last result works without it.")
else:
    overscan_nuke.press("{action}", nuke.thisNode())"""


def add_knobs(node: Any, kind: Kind, preferences: Preferences) -> list[str]:
    """Give `node` all knobs of its kind that it has not; returns their names."""
    added = []
    for spec in specs_of(kind.name):
        name = PREFIX + spec.name
        if name in node.knobs():
            continue
        knob = _made(spec, name, kind, preferences)
        if spec.tip:
            knob.setTooltip(spec.tip)
        if spec.hidden:
            knob.setFlag(nuke.INVISIBLE)
        if spec.same_line:
            knob.clearFlag(nuke.STARTLINE)
        elif spec.form == "button":
            knob.setFlag(nuke.STARTLINE)
        if spec.read_only:
            knob.setEnabled(False)
        node.addKnob(knob)
        if spec.form in ("channel", "layer"):
            node[name].setValue(spec.default)
        added.append(name)
    return added


def _made(spec: KnobSpec, name: str, kind: Kind, preferences: Preferences) -> Any:
    form, label = spec.form, spec.label
    if form == "tab":
        return nuke.Tab_Knob(name, label)
    if form == "group":
        return nuke.Tab_Knob(name, label, nuke.TABBEGINCLOSEDGROUP if spec.name != "what_group" else nuke.TABBEGINGROUP)
    if form == "end":
        return nuke.Tab_Knob(name, label, nuke.TABENDGROUP)
    if form == "button":
        return nuke.PyScript_Knob(name, label, _GUARDED.format(action=spec.name[: -len("_button")]))
    if form == "note":
        return nuke.Text_Knob(name, label, str(spec.default))
    if form == "choice":
        knob = nuke.Enumeration_Knob(name, label, list(spec.choices))
        chosen = spec.default or _preferred(spec, kind, preferences)
        if chosen:
            knob.setValue(chosen)
        return knob
    if form == "format":
        return nuke.Format_Knob(name, label)
    if form == "channel":
        return nuke.Channel_Knob(name, label, 1)
    if form == "layer":
        return nuke.Channel_Knob(name, label)
    made: Any = {
        "int": nuke.Int_Knob,
        "double": nuke.Double_Knob,
        "bool": nuke.Boolean_Knob,
        "text": nuke.String_Knob,
        "multiline": nuke.Multiline_Eval_String_Knob,
        "box": nuke.BBox_Knob,
        "xy": nuke.XY_Knob,
    }[form](name, label)
    default = kind.name if spec.name == "kind" else spec.default
    if form in ("box", "xy"):
        for index, value in enumerate(default):
            made.setValue(value, index)
    else:
        made.setValue(default)
    return made


def _preferred(spec: KnobSpec, kind: Kind, preferences: Preferences) -> str:
    if spec.name == "range":
        return "script" if kind.name in ("extend", "inpaint") else "input"
    chosen = {"quality": preferences.quality, "extras": preferences.extras}.get(spec.name, "")
    return chosen if chosen in spec.choices else ""


def is_overscan(node: Any) -> bool:
    """Whether a node is one of ours."""
    return node.Class() == "Group" and PREFIX + "schema" in node.knobs() and get(node, "kind") in KINDS


def kind_of(node: Any) -> Kind:
    """The kind of one of our nodes."""
    return kind_named(str(get(node, "kind")))


def has(node: Any, name: str) -> bool:
    """Whether the node has the knob, its name given without the prefix."""
    return PREFIX + name in node.knobs()


def get(node: Any, name: str) -> Any:
    """Value of a knob now."""
    return node[PREFIX + name].value()


def text(node: Any, name: str) -> str:
    """Value of a text knob without the space around it; empty where the node has no such knob."""
    return str(get(node, name) or "").strip() if has(node, name) else ""


def put(node: Any, name: str, value: Any) -> None:
    """Set a knob, without a trace in the undo history."""
    with quietly():
        node[PREFIX + name].setValue(value)


def say(node: Any, name: str, words: str) -> None:
    """Show words in a note, which would take ``<`` for the beginning of HTML."""
    put(node, name, html.escape(words, quote=False))


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """What changes in here is no step of the artist's, and undo does not see it."""
    nuke.Undo.disable()
    try:
        yield
    finally:
        nuke.Undo.enable()


def alive(node: Any) -> bool:
    """Whether the node is still in the script."""
    try:
        return bool(node.name())
    except ValueError:  # Nuke: "A PythonObject is not attached to a node"
        return False


def our_nodes() -> list[Any]:
    """All Overscan nodes of the script, those in groups included."""
    return [node for node in nuke.allNodes("Group", group=nuke.root(), recurseGroups=True) if is_overscan(node)]


def named_node(node: Any, name: str) -> Any:
    """The node that a knob of `node` names: beside it, or anywhere by its full name; None where there is none.

    `nuke.toNode` would look inside the group whose button was pressed.
    """
    parent: Any = node.parent()
    return parent.node(name) or nuke.root().node(name)
