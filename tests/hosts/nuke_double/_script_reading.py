"""Scripts read back: the commands that Nuke writes, and nothing else of Tcl."""

from __future__ import annotations

from typing import Any

from . import _groups, _knob_classes, _tcl, _triggers
from ._nodes import Node
from ._session import current
from ._stock_nodes import PARTS, STOCK
from ._text_knobs import Obsolete_Knob

_IGNORED = frozenset({"version", "define_window_layout_xml", "define_window_layout", "fixed"})


class MissingNode(Node):
    """A node of a class that nobody knows: it keeps what the script says of it, and makes no picture."""

    def _make(self, class_name: str, parent: Any) -> None:
        super()._make("NoOp", parent)
        self._class = class_name
        self._unknown_lines: list[str] = []

    def _most_inputs(self) -> int:
        return 1000

    def minInputs(self) -> int:
        return 0

    def error(self) -> bool:
        return True

    hasError = error


def read_knobs(node: Any, text: str) -> None:
    """Set knobs from pairs of name and value; `addUserKnob {…}` adds one."""
    session = current()
    words = _tcl.words(text)
    if len(words) % 2:
        raise RuntimeError(f"a knob without a value: {words[-1].text!r}")
    missing = isinstance(node, MissingNode)
    session.loading += 1
    try:
        for name, value in zip(words[::2], words[1::2]):
            if name.text == "addUserKnob":
                knob = _knob_classes.from_definition(value.text)
                if knob._name in node._knobs and knob._name:
                    continue
                node.addKnob(knob)
            elif name.text == "inputs":
                continue
            elif name.text not in node._knobs:
                line = f"{name.text} {'{' + value.text + '}' if value.style == 'braces' else _tcl.quote(value.text)}"
                if missing:
                    node._unknown_lines.append(line)
                else:
                    raise RuntimeError(f"{node._full_name()}: no such knob {name.text!r}")
            else:
                _set(node, node._knobs[name.text], value)
    finally:
        session.loading -= 1


def _set(node: Any, knob: Any, value: _tcl.Word) -> None:
    if knob._name == "name":
        if node._parent is None:
            knob._text = value.text
        else:
            node.setName(value.text)
        return
    if isinstance(knob, Obsolete_Knob):
        return
    if hasattr(knob, "fromUserText") and value.style == "braces":
        knob.fromUserText(value.text)
    else:
        try:
            knob._from_word(value)
        except ValueError as problem:
            raise RuntimeError(f"{knob.fullyQualifiedName()}: {problem}") from problem
    _triggers.file_format_knobs(node, knob)


class _Level:
    """One group being filled: its stack of nodes, and the names given to places in it."""

    def __init__(self, group: Any) -> None:
        self.group = group
        self.stack: list[Any] = []
        self.named: dict[str, Any] = {}


def read(text: str, group: Any, *, paste: bool) -> list[Any]:
    """Make the nodes of a script in a group, and run their onCreate. RuntimeError where a line makes no sense.

    What cannot be understood of one node is said in the session's `errors`, as in Nuke's error console, where the
    script can go on; an unknown class becomes a node that errors.
    """
    session = current()
    levels = [_Level(group)]
    made: list[Any] = []
    chosen = group.selectedNodes()
    if paste and chosen:
        levels[0].stack.append(chosen[-1])
    every: list[Any] = []
    for words in _tcl.commands(text):
        head = words[0].text
        level = levels[-1]
        if head in _IGNORED:
            continue
        if head == "set" and len(words) == 3 and words[2].style == "brackets":
            place = int(words[2].text.split()[1])
            level.named[words[1].text] = level.stack[-1 - place] if place < len(level.stack) else None
        elif head == "push" and len(words) == 2:
            name = words[1].text
            if name != "0" and name[1:] not in level.named:
                raise RuntimeError(f"can't read {name[1:]!r}: no such variable")
            level.stack.append(None if name == "0" else level.named[name[1:]])
        elif head == "pop":
            del level.stack[-int(words[1].text if len(words) > 1 else 1) :]
        elif head == "add_layer":
            layer = words[1].text.split()
            session.layers[layer[0]] = layer[1:]
        elif head == "end_group":
            levels.pop()
        elif head == "Root" and len(words) == 2:
            read_knobs(session.root, words[1].text)
        elif len(words) == 2 and words[1].style == "braces":
            node = _node(head, words[1].text, level)
            every.append(node)
            if level is levels[0]:
                made.append(node)
            if hasattr(node, "_children"):
                levels.append(_Level(node))
        else:
            raise RuntimeError(f"{head}: Unknown command")
    if len(levels) != 1:
        raise RuntimeError("a group has no end_group")
    for node in every:
        _triggers.fire("OnCreate", node)
    return made


def _node(class_name: str, body: str, level: _Level) -> Any:
    session = current()
    session.loading += 1
    try:
        if class_name in STOCK and class_name not in PARTS:
            node = _groups.make(class_name, level.group)
        else:
            session.errors.append(f"{class_name}: Unknown command")
            node = MissingNode.__new__(MissingNode)
            node._make(class_name, level.group)
            level.group._children.append(node)
            node.setName(f"{class_name}1")
        try:
            read_knobs(node, body)
        except (RuntimeError, NotImplementedError) as problem:
            session.errors.append(str(problem))
        _connect(node, body, level)
    finally:
        session.loading -= 1
    level.stack.append(node)
    return node


def _connect(node: Any, body: str, level: _Level) -> None:
    words = [word.text for word in _tcl.words(body)]
    pairs = dict(zip(words[::2], words[1::2]))
    default = "1" if isinstance(node, MissingNode) or hasattr(node, "_children") or node._most_inputs() else "0"
    plain, _, extra = pairs.get("inputs", default).partition("+")
    places = list(range(int(plain)))
    if extra:
        mask = STOCK[node._class].mask if node._class in STOCK else None
        places += [mask if mask is not None else int(plain)]
    taken = [level.stack.pop() if level.stack else None for _ in places]
    for place, source in zip(places, taken):
        while len(node._inputs) <= place:
            node._inputs.append(None)
        node._inputs[place] = source
    while node._inputs and node._inputs[-1] is None:
        node._inputs.pop()
