"""The base of all knobs, and the callbacks that a change sets off."""

from __future__ import annotations

from typing import Any

from . import _tcl
from ._flags import KNOB_FLAGS, WRITTEN_FLAGS
from ._session import current
from ._surface import NotModelled, offered


@offered
class Knob:
    """A knob: a name, a label, flags, and what its class adds."""

    _NUMBER: int | None = None  # of addUserKnob, from the NDK's list of knob types
    _FLAGS = 0  # that it begins with

    def __init__(self, name: str = "", label: str | None = None, *rest: Any) -> None:
        current().enter(type(self).__name__)
        if not isinstance(name, str) or not (label is None or isinstance(label, str)):
            raise TypeError(f"{type(self).__name__} takes a name and a label, not {name!r} and {label!r}")
        self._name = name
        self._label = label
        self._tooltip = ""
        self._flags = self._FLAGS
        self._enabled = True
        self._node: Any = None
        self._user = True  # added by addKnob; the knobs that a class brings are not
        self._set_up(*rest)
        self._default = self._script()

    def _set_up(self, *rest: Any) -> None:
        """Take the arguments after name and label."""
        if rest:
            raise TypeError(f"{type(self).__name__} takes no more than a name and a label, not {rest!r}")

    # What classes differ in

    def _script(self) -> str:
        """The value as the word (or words) of a script, without escapes that `_tcl.quote` would add."""
        return ""

    def _from_word(self, word: _tcl.Word) -> None:
        """Take a value from a script. ValueError where it is none."""
        raise ValueError(f"the knob {self._name!r} of the class {type(self).__name__} holds no value")

    def _written(self) -> str:
        """The value as it stands in a script, quoted."""
        return _tcl.quote(self._script())

    def _picture_value(self, frame: float) -> Any:
        """What of the value goes into the hash of the picture."""
        return self._script()

    def _user_definition(self) -> list[str]:
        """The words after the label in addUserKnob."""
        return []

    def _not_default(self) -> bool:
        return self._script() != self._default

    # The change

    def _changed(self) -> None:
        session = current()
        node = self._node
        if node is None:
            return
        if not session.loading and not self._flags & KNOB_FLAGS["NO_UNDO"]:
            session.changed(f"{node._full_name()}.{self._name}")
        node._knob_changed(self)

    # What scripts call

    def Class(self) -> str:
        return type(self).__name__

    def name(self) -> str:
        return self._name

    def setName(self, name: str) -> None:
        if self._node is not None and name != self._name:
            knobs = self._node._knobs
            if name in knobs:
                raise ValueError(f"the node has a knob {name!r} already")
            self._node._knobs = {(name if knob is self else key): knob for key, knob in knobs.items()}
        self._name = name

    def label(self) -> str:
        return self._name if self._label is None else self._label

    def setLabel(self, label: str) -> None:
        self._label = label

    def tooltip(self) -> str:
        return self._tooltip

    def setTooltip(self, tooltip: str) -> None:
        self._tooltip = tooltip

    def setFlag(self, flag: int) -> None:
        self._flags |= flag

    def clearFlag(self, flag: int) -> None:
        self._flags &= ~flag

    def getFlag(self, flag: int) -> bool:
        return bool(self._flags & flag)

    def enabled(self) -> bool:
        return self._enabled and not self._flags & KNOB_FLAGS["DISABLED"]

    def setEnabled(self, enabled: bool) -> None:
        self._enabled = bool(enabled)
        self._flags = self._flags & ~KNOB_FLAGS["DISABLED"] | (0 if enabled else KNOB_FLAGS["DISABLED"])

    def visible(self) -> bool:
        return not self._flags & KNOB_FLAGS["INVISIBLE"]

    def setVisible(self, visible: bool) -> None:
        self._flags = self._flags & ~KNOB_FLAGS["INVISIBLE"] | (0 if visible else KNOB_FLAGS["INVISIBLE"])

    def node(self) -> Any:
        return self._node

    def fullyQualifiedName(self, channel: int = -1) -> str:
        return f"{self._node._full_name()}.{self._name}" if self._node else self._name

    def toScript(self, quote: bool = True, context: Any = None) -> str:
        return self._written() if quote else self._script()

    def fromScript(self, script: str) -> None:
        if not isinstance(script, str):
            raise TypeError(f"fromScript takes text, not {script!r}")
        words = _tcl.words(script)
        style = words[0].style if len(words) == 1 else "braces"
        text = words[0].text if len(words) == 1 else script
        self._from_word(_tcl.Word(text, style))
        self._changed()

    def value(self, *args: Any) -> Any:
        return self.getValue(*args)

    def getValue(self, *args: Any) -> Any:
        raise NotModelled(f"{type(self).__name__}.getValue of {self._name!r}")

    def setValue(self, *args: Any) -> Any:
        raise NotModelled(f"{type(self).__name__}.setValue of {self._name!r}")

    def getValueAt(self, frame: float, *rest: Any) -> Any:
        return self.getValue()

    def hasExpression(self, index: int = -1) -> bool:
        return False

    def isAnimated(self, channel: int = -1) -> bool:
        return False

    def getNumKeys(self, channel: int = -1) -> int:
        return 0

    def getKeyList(self) -> list[int]:
        return []

    def clearAnimated(self, channel: int = -1) -> bool:
        return False

    def warning(self, *args: Any) -> None:
        current().errors.append(" ".join(map(str, args)))

    error = critical = debug = warning

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r}>"

    # addUserKnob

    def _definition(self) -> str:
        """The words inside the braces of addUserKnob."""
        if self._NUMBER is None:
            raise NotModelled(f"a user knob of the class {type(self).__name__} in a script")
        parts = [str(self._NUMBER), _tcl.quote(self._name)]
        if self._label is not None and self._label != self._name:
            parts += ["l", _tcl.quote(self._label)]
        if self._tooltip:
            parts += ["t", _tcl.quote(self._tooltip)]
        changed = self._flags ^ self._FLAGS
        for flag in WRITTEN_FLAGS:
            if changed & KNOB_FLAGS[flag]:
                parts.append(("+" if self._flags & KNOB_FLAGS[flag] else "-") + flag)
        return " ".join(parts + self._user_definition())
