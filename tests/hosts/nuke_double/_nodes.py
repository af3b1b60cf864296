"""Nodes: their knobs, their inputs, and what they know of the graph."""

from __future__ import annotations

import re
from typing import Any

from . import _hashes, _knob_classes, _tcl, _triggers
from ._flags import DEPENDENCIES
from ._formats import Format, FrameRange, Info
from ._knob import Knob
from ._session import current
from ._stock_nodes import STOCK, KnobLine
from ._surface import offered
from ._text_knobs import Tab_Knob


@offered
class Node:
    """A node. Made by createNode, `nuke.nodes` and scripts only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("nodes are made by nuke.createNode or nuke.nodes, not by their class")

    def _make(self, class_name: str, parent: Any) -> None:
        """Set up a node of a stock class inside a group, without a name yet."""
        self._class = class_name
        self._parent = parent
        self._inputs: list[Any] = []
        self._deleted = False
        self._panel_shown = False
        self._knobs: dict[str, Knob] = {}
        self._cosmetic: set[str] = set()
        self._own_callbacks: list[tuple[Any, ...]] = []
        self._adopt(STOCK[class_name].knobs)
        self._adopt(STOCK["COMMON"].knobs)

    def _adopt(self, lines: tuple[KnobLine, ...]) -> None:
        """Take the knobs that a class or a file format brings."""
        session = current()
        for line in lines:
            if line.name in self._knobs:
                continue
            made = _knob_classes.build(line.knob_class, line.name, list(line.choices))
            made._user = False
            made._node = self
            session.loading += 1
            try:
                given = session.knob_defaults.get(f"{self._class}.{line.name}", line.value)
                if given is not None:
                    made._from_word(_tcl.words(given)[0])
                made._default = _knob_classes.script_of(line.value, made)
            finally:
                session.loading -= 1
            self._knobs[line.name] = made
            if line.cosmetic:
                self._cosmetic.add(line.name)

    # Names

    def _name(self) -> str:
        return str(self._knobs["name"]._text)

    def _full_name(self) -> str:
        if self._parent is None:
            return "root"
        return self._name() if self._parent._parent is None else f"{self._parent._full_name()}.{self._name()}"

    def Class(self) -> str:
        return self._class

    def name(self) -> str:
        return self._name()

    def fullName(self) -> str:
        return self._full_name()

    def setName(self, name: str, uncollide: bool = True, updateExpressions: bool = False) -> None:
        if not re.match(r"[A-Za-z_][A-Za-z0-9_]*\Z", name):
            raise ValueError(f"no name for a node: {name!r}")
        before = self._name()
        taken = {child._name() for child in self._parent._children if child is not self}
        if name in taken:
            if not uncollide:
                raise ValueError(f"a node is named {name!r} already")
            stem = re.sub(r"\d+\Z", "", name)
            number = 1
            while f"{stem}{number}" in taken:
                number += 1
            name = f"{stem}{number}"
        if name == before:
            return
        self._knobs["name"]._text = name
        if updateExpressions and before:
            _triggers.rename_in_expressions(self._parent, before, name)
        self._knobs["name"]._changed()

    # Knobs

    def _knob_changed(self, knob: Knob) -> None:
        _triggers.knob_changed(self, knob)

    def knob(self, p: Any, follow_link: bool = False) -> Knob | None:
        if isinstance(p, int):
            return list(self._knobs.values())[p]
        found = self._knobs.get(p)
        return found._target() if follow_link and found is not None and hasattr(found, "_target") else found

    def knobs(self) -> dict[str, Knob]:
        return dict(self._knobs)

    def allKnobs(self) -> list[Knob]:
        return list(self._knobs.values())

    def numKnobs(self) -> int:
        return len(self._knobs)

    getNumKnobs = numKnobs

    def __getitem__(self, name: str) -> Knob:
        current().enter("Node.__getitem__")
        if self._deleted:
            raise ValueError("A PythonObject is not attached to a node")
        if name not in self._knobs:
            raise NameError(f"knob {name} does not exist")  # as Nuke says it
        return self._knobs[name]

    def __len__(self) -> int:
        return len(self._knobs)

    def _user_knobs(self) -> list[Knob]:
        return [knob for knob in self._knobs.values() if knob._user]

    def addKnob(self, knob: Knob) -> None:
        if not isinstance(knob, Knob):
            raise TypeError(f"addKnob takes a knob, not {knob!r}")
        if knob._node is not None:
            raise ValueError(f"the knob {knob._name!r} is on a node already")
        if not self._user_knobs() and not isinstance(knob, Tab_Knob):
            self.addKnob(Tab_Knob("User"))
        if not knob._name:  # dividers may go without; Nuke names them itself
            knob._name = next(f"_{n}" for n in range(10000) if f"_{n}" not in self._knobs)
            knob._nameless = True  # type: ignore[attr-defined]
        if knob._name in self._knobs:
            raise ValueError(f"{self._full_name()} has a knob {knob._name!r} already")
        knob._user, knob._node = True, self
        self._knobs[knob._name] = knob
        current().changed(f"add {self._full_name()}.{knob._name}")

    def removeKnob(self, knob: Knob) -> None:
        if self._knobs.get(knob._name) is not knob or not knob._user:
            raise ValueError(f"{self._full_name()} has no user knob {knob!r}")
        del self._knobs[knob._name]
        knob._node = None
        current().changed(f"remove {self._full_name()}.{knob._name}")

    def readKnobs(self, s: str) -> None:
        from . import _script_reading

        _script_reading.read_knobs(self, s)

    def writeKnobs(self, flags: int = 0) -> str:
        from . import _script_writing

        return _script_writing.knobs_text(self, flags)

    def resetKnobsToDefault(self) -> None:
        for knob in self._knobs.values():
            if knob._not_default() and knob._name not in {"name", "xpos", "ypos", "selected"}:
                knob.fromScript(knob._default)

    # Inputs

    def _most_inputs(self) -> int:
        return STOCK[self._class].most_inputs

    def input(self, index: int) -> Any:
        return self._inputs[index] if 0 <= index < len(self._inputs) else None

    def inputs(self) -> int:
        return len(self._inputs)

    def canSetInput(self, i: int, node: Any) -> bool:
        if not 0 <= i < self._most_inputs():
            return False
        return node is None or (node._parent is self._parent and node is not self and not node._depends_on(self))

    def _depends_on(self, other: Any) -> bool:
        return any(node is not None and (node is other or node._depends_on(other)) for node in self._inputs)

    def setInput(self, i: int, node: Any) -> bool:
        if node is not None and not isinstance(node, Node):
            raise TypeError(f"setInput takes a node or None, not {node!r}")
        if not self.canSetInput(i, node):
            return False
        while len(self._inputs) <= i:
            self._inputs.append(None)
        before = self._inputs[i]
        self._inputs[i] = node
        while self._inputs and self._inputs[-1] is None:
            self._inputs.pop()
        if before is not node:
            current().changed(f"{self._full_name()} input {i}")
            _triggers.input_changed(self)
        return True

    def connectInput(self, i: int, node: Any) -> bool:
        """Like setInput, but takes the first free input where input `i` is taken."""
        for place in range(i, self._most_inputs()):
            if self.input(place) is None:
                return bool(self.setInput(place, node))
        return bool(self.setInput(i, node))

    def maxInputs(self) -> int:
        return self._most_inputs()

    maximumInputs = maxInputs

    def minInputs(self) -> int:
        return STOCK[self._class].least_inputs

    minimumInputs = minInputs

    def optionalInput(self) -> int:
        mask = STOCK[self._class].mask
        return 0 if mask is None else mask

    def maxOutputs(self) -> int:
        return 0 if self._class in {"Viewer", "Output", "Root"} else -1

    def dependencies(self, mask: int = DEPENDENCIES["INPUTS"] | DEPENDENCIES["EXPRESSIONS"]) -> list[Any]:
        return _hashes.dependencies(self, mask)

    def dependent(
        self, mask: int = DEPENDENCIES["INPUTS"] | DEPENDENCIES["EXPRESSIONS"], forceEvaluate: bool = True
    ) -> list[Any]:
        everyone = _triggers.all_nodes(current().root)
        return [node for node in everyone if node is not self and self in _hashes.dependencies(node, mask)]

    def opHashes(self) -> list[int]:
        return [_hashes.picture_hash(self)]

    # Place and looks

    def xpos(self) -> int:
        return int(self._knobs["xpos"]._components[0].value)

    def ypos(self) -> int:
        return int(self._knobs["ypos"]._components[0].value)

    def setXpos(self, x: int) -> None:
        self._knobs["xpos"].setValue(x)

    def setYpos(self, y: int) -> None:
        self._knobs["ypos"].setValue(y)

    def setXYpos(self, x: int, y: int) -> None:
        self._knobs["xpos"].setValue(x)
        self._knobs["ypos"].setValue(y)

    def screenWidth(self) -> int:
        return 80

    def screenHeight(self) -> int:
        return 18

    def autoplace(self) -> None:
        first = self.input(0)
        if first is not None:
            self.setXYpos(first.xpos(), first.ypos() + 50)

    def setSelected(self, selected: bool) -> None:
        session = current()
        session.loading += 1  # selecting is no change of the script
        try:
            self._knobs["selected"].setValue(bool(selected))
        finally:
            session.loading -= 1

    def isSelected(self) -> bool:
        return bool(self._knobs["selected"].value())

    def selectOnly(self) -> None:
        for node in self._parent._children:
            node.setSelected(node is self)

    def showControlPanel(self, forceFloat: bool = False) -> None:
        self._panel_shown = True

    def hideControlPanel(self) -> None:
        self._panel_shown = False

    def shown(self) -> bool:
        return self._panel_shown

    def redraw(self) -> None:
        pass

    def setTab(self, tabIndex: int) -> None:
        pass

    def help(self) -> str:
        return str(self._knobs["help"].value())

    # Tree

    def _context(self) -> Any:
        """The group that callbacks of this node run in."""
        return self._parent if self._parent is not None else self

    def _find(self, name: str) -> Any:
        """The node that a name leads to from this node's knobs; None where it leads nowhere."""
        from . import _knob_expressions

        try:
            found, rest = _knob_expressions.resolve([*name.split("."), "name"], self)
        except LookupError:
            return None
        return found._node if isinstance(found, Knob) and not rest else None

    def parent(self) -> Any:
        return self._parent

    def rootNode(self) -> Any:
        return current().root

    def addCallback(self, name: str, callback: Any) -> None:
        self._own_callbacks.append((name, callback))

    # The picture

    def error(self) -> bool:
        return bool(_hashes.describe(self).get("error"))

    hasError = error

    def treeHasError(self) -> bool:
        return bool(self.error())

    def channels(self) -> list[str]:
        return list(_hashes.describe(self)["channels"])

    def format(self) -> Format:
        return Format(*_hashes.describe(self)["format"])

    def width(self) -> int:
        return int(self.format().width())

    def height(self) -> int:
        return int(self.format().height())

    def pixelAspect(self) -> float:
        return float(self.format().pixelAspect())

    def bbox(self) -> Info:
        x, y, r, t = _hashes.describe(self)["bbox"]
        return Info(x, y, r - x, t - y)

    def metadata(self, key: str | None = None, time: float | None = None, view: str | None = None) -> Any:
        found = _hashes.describe(self, frame=time, view=view)["metadata"]
        return found if key is None else found.get(key)

    def sample(self, channel: str, x: float, y: float, *rest: Any, frame: float | None = None) -> float:
        return _hashes.sample(self, channel, x, y, frame)

    def proxy(self) -> bool:
        return bool(current().root._knobs["proxy"].value())

    def frameRange(self) -> FrameRange:
        return FrameRange(*_hashes.frame_range(self))

    def firstFrame(self) -> int:
        return _hashes.frame_range(self)[0]

    def lastFrame(self) -> int:
        return _hashes.frame_range(self)[1]

    def upstreamFrameRange(self, i: int) -> FrameRange | None:
        source = self.input(i)
        return None if source is None else FrameRange(*_hashes.frame_range(source))

    def forceValidate(self) -> None:
        _hashes.describe(self)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"<{self._class} {self._full_name()}>" if not self._deleted else "<deleted node>"
