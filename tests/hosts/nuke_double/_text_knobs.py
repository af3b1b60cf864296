"""Knobs of text: strings, file names, scripts on buttons, dividers and tabs."""

from __future__ import annotations

import sys
from typing import Any

from . import _file_names, _tcl
from ._flags import KNOB_FLAGS, OTHERS
from ._knob import Knob
from ._session import current
from ._surface import offered


class _Text(Knob):
    """What all knobs that hold one text have in common."""

    def _set_up(self, *rest: Any) -> None:
        self._text = ""
        if len(rest) > 1 or (rest and not isinstance(rest[0], str)):
            raise TypeError(f"{type(self).__name__} takes a name, a label and a text, not also {rest!r}")
        if rest:
            self._text = rest[0]

    def _get(self) -> str:
        return self._text

    def _set(self, text: Any) -> None:
        if not isinstance(text, str):
            raise TypeError(f"the knob {self._name!r} ({type(self).__name__}) takes text, not {text!r}")
        if text != self._text:
            self._text = text
            self._changed()

    def _script(self) -> str:
        return self._text

    def _from_word(self, word: _tcl.Word) -> None:
        self._text = word.text


@offered
class String_Knob(_Text):
    _NUMBER = 1

    def getValue(self, *args: Any, **kwargs: Any) -> str:
        return self._get()

    def getText(self, oc: Any = None) -> str:
        return self._get()

    def value(self, *args: Any, **kwargs: Any) -> str:
        return self._get()

    def setValue(self, val: str, view: Any = None) -> None:
        self._set(val)

    def setText(self, val: str, view: Any = None) -> None:
        self._set(val)


@offered
class EvalString_Knob(String_Knob):
    _NUMBER = 1

    def evaluate(self, frame: float | None = None, *rest: Any) -> str:
        return _file_names.evaluated(self._text, self._node, frame=frame)

    def value(self, *args: Any, **kwargs: Any) -> str:
        return self._get()

    def _picture_value(self, frame: float) -> Any:
        return _file_names.evaluated(self._text, self._node, frame=frame)


@offered
class Multiline_Eval_String_Knob(EvalString_Knob):
    _NUMBER = 43


@offered
class File_Knob(EvalString_Knob):
    _NUMBER = 2

    def getEvaluatedValue(self, *args: Any, **kwargs: Any) -> str:
        return _file_names.without_tcl(self._text, self._node)

    def getValue(self, *args: Any, **kwargs: Any) -> str:
        return self._get()

    def setValue(self, val: str, *args: Any, **kwargs: Any) -> bool:
        self._set(val)
        return True

    def fromUserText(self, text: str) -> None:
        """As dropped on the node: a range after the name goes into the knobs first and last."""
        name, first, last = _file_names.name_and_range(text)
        self._set(name)
        if first is not None and self._node is not None and "first" in self._node._knobs:
            for knob, value in (("first", first), ("last", last), ("origfirst", first), ("origlast", last)):
                self._node._knobs[knob].setValue(value)
            self._node._knobs["origset"].setValue(True)

    def fromScript(self, script: str) -> None:
        super().fromScript(script)


@offered
class Script_Knob(String_Knob):
    """A button; `execute` presses it. Tcl buttons can be held, not pressed."""

    _NUMBER = 32
    _FLAGS = KNOB_FLAGS["STARTLINE"]

    def command(self) -> str:
        return self._text

    def setCommand(self, cmd: str) -> None:
        self._set(cmd)

    def setValue(self, cmd: str, *rest: Any) -> None:
        self._set(cmd)

    def execute(self) -> None:
        raise NotImplementedError("the double runs Python buttons only")

    def _user_definition(self) -> list[str]:
        return ["T", _tcl.quote(self._text)] if self._text else []

    def _not_default(self) -> bool:
        return not self._user and super()._not_default()


@offered
class PyScript_Knob(Script_Knob):
    """A Python button, pressed as in Nuke: `thisNode` and `thisKnob` are set, and inside a Group's button the group is
    the current one. What it raises goes to the test's session, and to the caller, as Nuke's error dialog would."""

    _NUMBER = 22

    def execute(self) -> None:
        session = current()
        scope: dict[str, Any] = {"__name__": "__main__", "nuke": sys.modules.get("nuke")}
        node = self._node
        group = node._context() if node else session.root
        with session.as_this(node, self, group), session.measured(f"button {self._name}"):
            exec(compile(self._text, f"<button {self._name}>", "exec"), scope)


@offered
class PyCustom_Knob(Script_Knob):
    """A widget made by Python: its command is evaluated when the panel opens, which the double never does by itself."""

    _NUMBER = 52

    def getObject(self, *args: Any) -> Any:
        scope: dict[str, Any] = {"nuke": sys.modules.get("nuke"), "__import__": __import__}
        with current().as_this(self._node, self, self._node._context() if self._node else current().root):
            return eval(self._text, scope)


@offered
class Text_Knob(_Text):
    """A line of text; without any, a divider. Its text cannot be saved but in its own definition."""

    _NUMBER = 26

    def getValue(self, *args: Any) -> str:
        return self._get()

    def value(self, *args: Any, **kwargs: Any) -> str:
        return self._get()

    def setValue(self, val: str, *args: Any, **kwargs: Any) -> bool:
        self._set(val)
        return True

    def _user_definition(self) -> list[str]:
        return ["T", _tcl.quote(self._text)] if self._text else []

    def _not_default(self) -> bool:
        return False


@offered
class Password_Knob(_Text):
    _NUMBER = 1

    def getText(self) -> str:
        return self._get()

    def value(self, *args: Any) -> str:
        return self._get()

    def getValue(self, *args: Any) -> str:
        return self._get()

    def setValue(self, val: str, view: Any = None) -> None:
        self._set(val)

    def _not_default(self) -> bool:
        return False


@offered
class Help_Knob(_Text):
    def _not_default(self) -> bool:
        return False


@offered
class Tab_Knob(Knob):
    """A tab, or with the third argument the beginning (1, 2) or the end (-1) of a group of knobs."""

    _NUMBER = 20

    def _set_up(self, *rest: Any) -> None:
        self._mode = int(rest[0]) if rest else OTHERS["TABKNOB"]
        self._open = self._mode != OTHERS["TABBEGINCLOSEDGROUP"]

    def getValue(self, *args: Any) -> Any:
        return self._open

    def value(self, *args: Any, **kwargs: Any) -> Any:
        return self._open

    def setValue(self, val: Any, *args: Any, **kwargs: Any) -> bool:
        self._open = bool(val)
        return True

    def _script(self) -> str:
        return "1" if self._open else "0"

    def _not_default(self) -> bool:
        return self._mode == OTHERS["TABBEGINGROUP"] and not self._open

    def _from_word(self, word: _tcl.Word) -> None:
        self._open = word.text not in {"0", "false"}

    def _user_definition(self) -> list[str]:
        return ["n", str(self._mode)] if self._mode else []


@offered
class BeginTabGroup_Knob(Knob):
    _NUMBER = 20

    def _not_default(self) -> bool:
        return False

    def _user_definition(self) -> list[str]:
        return ["n", "-2"]


@offered
class EndTabGroup_Knob(Knob):
    _NUMBER = 20

    def _not_default(self) -> bool:
        return False

    def _user_definition(self) -> list[str]:
        return ["n", "-3"]


@offered
class Obsolete_Knob(_Text):
    """Read from old scripts, never written."""

    _NUMBER = 0

    def _not_default(self) -> bool:
        return False
