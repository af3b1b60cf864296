"""Nodes that hold nodes, the root, and the few other classes that Python knows by name."""

from __future__ import annotations

import re
from typing import Any

from . import _tcl, _triggers
from ._array_knobs import Array_Knob
from ._formats import Format
from ._nodes import Node
from ._session import current
from ._stock_nodes import PARTS, STOCK
from ._surface import offered


@offered
class Group(Node):
    """A node with nodes inside; `with group:` makes it the current one."""

    def _make(self, class_name: str, parent: Any) -> None:
        super()._make(class_name, parent)
        self._children: list[Any] = []

    def _child(self, name: str) -> Any:
        return next((child for child in self._children if child._name() == name), None)

    def _context(self) -> Any:
        return self

    def _input_nodes(self) -> list[Any]:
        inside = [child for child in self._children if child._class == "Input"]
        return sorted(inside, key=lambda node: (int(node._knobs["number"].value()), inside.index(node)))

    def _most_inputs(self) -> int:
        return len(self._input_nodes())

    def _output(self) -> Any:
        return next((child for child in self._children if child._class == "Output"), None)

    def output(self, *args: Any) -> Any:
        return self._output()

    def begin(self) -> Any:
        current().context.append(self)
        return self

    def end(self) -> None:
        _leave(self)

    def __enter__(self) -> Any:
        current().enter("Group.__enter__")
        current().context.append(self)
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        _leave(self)

    def node(self, s: str) -> Any | None:
        return find(s, self)

    def nodes(self) -> list[Any]:
        return list(self._children)

    def numNodes(self) -> int:
        return len(self._children)

    def selectedNodes(self) -> list[Any]:
        return [child for child in self._children if child.isSelected()]

    def selectedNode(self) -> Any | None:
        chosen = self.selectedNodes()
        return chosen[-1] if chosen else None

    def subgraphLocked(self) -> bool:
        return False

    def run(self, callable: Any) -> Any:
        with self:
            return callable()


def _leave(group: Any) -> None:
    context = current().context
    while context and context[-1] is not group:
        context.pop()
    if context:
        context.pop()


@offered
class Root(Group):
    """The project."""

    def firstFrame(self) -> int:
        return int(self._knobs["first_frame"].value())

    def lastFrame(self) -> int:
        return int(self._knobs["last_frame"].value())

    def fps(self) -> int:
        return int(self._knobs["fps"].value())

    def realFps(self) -> float:
        return float(self._knobs["fps"].value())

    def modified(self) -> bool:
        return current().modified

    def setModified(self, modified: bool) -> None:
        current().modified = bool(modified)

    def setFrame(self, n: int) -> None:
        self._knobs["frame"].setValue(int(n))

    def proxy(self, *args: Any) -> bool:
        return bool(self._knobs["proxy"].value())

    def setProxy(self, b: bool) -> None:
        self._knobs["proxy"].setValue(bool(b))

    def setView(self, name: str) -> None:
        if name not in view_names():
            raise ValueError(f"no view is named {name!r}")
        current().view = name

    def addView(self, name: str, colour: str = "#ffffff") -> None:
        if name not in view_names():
            knob = self._knobs["views"]
            knob.setValue((knob._text + "\n" if knob._text else "") + "{" + f"{name} {colour}" + "}")

    def deleteView(self, name: str) -> None:
        knob = self._knobs["views"]
        lines = [word.text for word in _tcl.words(knob._text) if word.text.split()[0] != name]
        knob.setValue("\n".join("{" + line + "}" for line in lines))

    def format(self) -> Format:
        return self._knobs["format"]._format

    def mergeFrameRange(self, a: int, b: int) -> None:
        self._knobs["first_frame"].setValue(min(self.firstFrame(), int(a)))
        self._knobs["last_frame"].setValue(max(self.lastFrame(), int(b)))


def view_names() -> list[str]:
    """The project's views."""
    return [word.text.split()[0] for word in _tcl.words(current().root._knobs["views"]._text)]


@offered
class Viewer(Node):
    """A viewer; nothing is shown."""


@offered
class BackdropNode(Node):
    """A coloured rectangle behind nodes."""


@offered
class NodeConstructor:
    """`nuke.nodes.Read`: called, it makes a node, connects nothing, and sets knobs from its arguments."""

    def __init__(self, class_name: str) -> None:
        self._class = class_name

    def __call__(self, **knobs: Any) -> Any:
        current().enter(f"nodes.{self._class}")
        inputs = knobs.pop("inputs", [])
        node = make(self._class, current_group())
        session = current()
        session.loading += 1
        try:
            for name, value in knobs.items():
                if name not in node._knobs:
                    raise NameError(f"knob {name} does not exist")
                if name == "name":
                    node.setName(value)
                elif not isinstance(value, str):
                    node._knobs[name].setValue(value)
                elif isinstance(node._knobs[name], Array_Knob) and not hasattr(node._knobs[name], "_values"):
                    node._knobs[name].fromScript(value)  # "0.5 0.5 0.5 1", as in a script
                else:
                    node._knobs[name]._from_word(_tcl.Word(value, "quotes"))
                _triggers.file_format_knobs(node, node._knobs[name])
        finally:
            session.loading -= 1
        for place, source in enumerate(inputs):
            node.setInput(place, source)
        _triggers.fire("OnCreate", node)
        return node


@offered
class Nodes:
    """`nuke.nodes`."""

    def __getattr__(self, item: str) -> NodeConstructor:
        if item not in STOCK or item in PARTS:
            raise AttributeError(f"no class of nodes named {item!r} in the double's table")
        return NodeConstructor(item)


_CLASSES: dict[str, Any] = {"Group": Group, "Viewer": Viewer, "BackdropNode": BackdropNode}


def current_group() -> Any:
    """The group that new nodes go into."""
    session = current()
    return session.context[-1] if session.context else session.root


def make(class_name: str, parent: Any, *, name: str | None = None) -> Any:
    """A new node of a stock class in a group, named as Nuke would. RuntimeError where there is no such class."""
    if class_name not in STOCK or class_name in PARTS:
        raise RuntimeError(f"{class_name}: Unknown command")
    cls = _CLASSES.get(class_name, Node)
    node = cls.__new__(cls)
    node._make(class_name, parent)
    stem = name or re.sub(r"\d+\Z", "", class_name)
    taken = {child._name() for child in parent._children}
    number = 1
    while f"{stem}{number}" in taken:
        number += 1
    node._knobs["name"]._text = f"{stem}{number}"
    if class_name == "Input":
        node._knobs["number"]._components[0].value = float(len(parent._input_nodes()))
        node._knobs["number"]._default = "0"
    parent._children.append(node)
    current().changed(f"create {node._full_name()}")
    return node


def find(name: str, start: Any) -> Any:
    """The node of a dotted name, below a group or below the root; None where there is none."""
    if name == "root":
        return current().root
    parts = [part for part in name.split(".") if part != "root"]
    for group in (start, current().root):
        node = group
        for part in parts:
            node = node._child(part) if hasattr(node, "_children") else None
            if node is None:
                break
        if node is not None and parts:
            return node
    return None


def delete(node: Any) -> None:
    """Remove a node; what it fed is fed by its first input from then on, where that can be."""
    session = current()
    if node is session.root:
        raise ValueError("the root cannot be deleted")
    _triggers.fire("OnDestroy", node)
    for child in list(getattr(node, "_children", [])):
        delete(child)
    for other in node._parent._children:
        for place, source in enumerate(other._inputs):
            if source is node:
                other._inputs[place] = node.input(0)
        while other._inputs and other._inputs[-1] is None:
            other._inputs.pop()
    session.changed(f"delete {node._full_name()}")
    node._parent._children.remove(node)
    node._deleted = True


def new_root() -> Root:
    """An empty project."""
    root = Root.__new__(Root)
    session = current()
    session.loading += 1
    try:
        root._make("Root", None)
        root._knobs["name"]._text = ""
    finally:
        session.loading -= 1
    return root
