"""Knobs that choose: among words, channels, formats, or the knobs of other nodes."""

from __future__ import annotations

from typing import Any

from . import _tcl
from ._array_knobs import Unsigned_Knob
from ._formats import Format, format_from_text, known_format
from ._knob import Knob
from ._session import current
from ._surface import offered
from ._text_knobs import _Text


@offered
class Enumeration_Knob(Unsigned_Knob):
    """One of some words. A value may be written as `word` or as `key<tab>word shown`."""

    _NUMBER = 4
    _OPEN = False  # whether words may be set that are not in the list

    def _set_up(self, *rest: Any) -> None:
        super()._set_up()
        values = rest[0] if rest else []
        if len(rest) > 1 or isinstance(values, str) or any(not isinstance(value, str) for value in values):
            raise TypeError(f"the knob {self._name!r} takes a list of words, not {rest!r}")
        values = list(values)
        self._values = values
        self._other: str | None = None

    def _place(self, word: str) -> int:
        for place, value in enumerate(self._values):
            if word in {value, value.split("\t")[0], value.split("\t")[-1].strip()}:
                return place
        raise ValueError(f"the knob {self._name!r} has no choice {word!r}; it has {', '.join(self._values)}")

    def _chosen_word(self) -> str:
        if self._other is not None:
            return self._other
        place = int(self._at(0, self._frame()))
        return self._values[place].split("\t")[0] if 0 <= place < len(self._values) else ""

    def value(self, *args: Any) -> str:
        return self._chosen_word()

    def getValue(self, *args: Any) -> float:
        return float(self._at(0, self._frame()))

    def setValue(self, val: Any, *args: Any, **kwargs: Any) -> bool:
        before = self._script()
        self._other = None
        if isinstance(val, str):
            try:
                val = self._place(val)
            except ValueError:
                if not self._OPEN:
                    raise
                self._other, val = val, 0
        elif not 0 <= int(val) < max(len(self._values), 1):
            raise ValueError(f"the knob {self._name!r} has {len(self._values)} choices, and no number {val!r}")
        component = self._components[0]
        if component.keys:
            component.set_at(int(val), self._frame())
        else:
            component.value, component.expression = float(int(val)), None
        if self._script() != before:
            self._changed()
        return True

    def values(self) -> list[str]:
        return list(self._values)

    def setValues(self, values: list[str]) -> None:
        """Other words: the one that was chosen stays chosen where it is still there, else the first is."""
        chosen = self._chosen_word()
        self._values = list(values)
        keys = [value.split("\t")[0] for value in self._values]
        self._other = None
        self._components[0].value = float(keys.index(chosen)) if chosen in keys else 0.0
        if self._user:
            self._default = self._values[0].split("\t")[0] if self._values else ""

    def numValues(self) -> int:
        return len(self._values)

    def enumName(self, n: int) -> str:
        return self._values[n]

    def _script(self) -> str:
        if self._components[0].constant or self._other is not None:
            return self._chosen_word()
        return super()._script()

    def _written(self) -> str:
        return _tcl.quote(self._script()) if self._components[0].constant else super()._script()

    def _from_word(self, word: _tcl.Word) -> None:
        self._other = None
        if word.style == "braces" and word.text.strip().startswith("{"):
            super()._from_word(word)
            return
        try:
            self._components[0].value = float(self._place(word.text))
        except ValueError:
            if word.text.lstrip("-").isdigit() and 0 <= int(word.text) < len(self._values):
                self._components[0].value = float(word.text)
            elif self._OPEN:
                self._other = word.text
            else:
                raise

    def _picture_value(self, frame: float) -> Any:
        return self._other or self._at(0, frame)

    def _user_definition(self) -> list[str]:
        return ["M", "{" + " ".join(_tcl.quote(value) for value in self._values) + "}"]


@offered
class Pulldown_Knob(Enumeration_Knob):
    _NUMBER = 35


@offered
class Radio_Knob(Enumeration_Knob):
    pass


@offered
class EditableEnumeration_Knob(Enumeration_Knob):
    _OPEN = True


@offered
class CascadingEnumeration_Knob(Enumeration_Knob):
    _NUMBER = 68


@offered
class Bitmask_Knob(Enumeration_Knob):
    _NUMBER = 5


@offered
class OneView_Knob(Enumeration_Knob):
    _OPEN = True


class _Names(_Text):
    """A text that Nuke writes as it stands: names, or a list of names in braces."""

    def value(self, *args: Any) -> str:
        return self._get()

    def getValue(self, *args: Any) -> Any:
        return self._get()

    def setValue(self, name: str, *args: Any) -> bool:
        self._set(name)
        return True


@offered
class Channel_Knob(_Names):
    """One channel or one layer, by name; the third argument is how many channels it takes, 0 for Nuke's choice."""

    _NUMBER = 11

    def _set_up(self, *rest: Any) -> None:
        super()._set_up()
        self._depth = int(rest[0]) if rest else 0

    def depth(self) -> int:
        return self._depth

    def _written(self) -> str:
        return "{" + self._text + "}" if " " in self._text else _tcl.quote(self._text)


@offered
class ChannelMask_Knob(Channel_Knob):
    """Layers or channels: `rgba`, `all`, or a list such as `rgba.red rgba.green -rgba.alpha`."""

    _NUMBER = 10


@offered
class MultiView_Knob(_Names):
    pass


@offered
class Font_Knob(_Names):
    pass


@offered
class FreeType_Knob(_Names):
    def _written(self) -> str:
        return "{" + self._text + "}"


@offered
class Format_Knob(Knob):
    """A format, by its name among `nuke.formats()`, or as an object."""

    _NUMBER = 17

    def _set_up(self, *rest: Any) -> None:
        self._format: Format | None = None

    def _held(self) -> Format:
        return self._format if self._format is not None else current().root_format()

    def value(self, *args: Any) -> Format:
        return self._held()

    def getValue(self, *args: Any) -> Any:
        return self._held()

    def actualValue(self, *args: Any) -> Format:
        return self._held()

    def name(self, *args: Any) -> str:
        return self._name

    def setValue(self, val: Any, *args: Any, **kwargs: Any) -> bool:
        if isinstance(val, str):
            val = known_format(val)
        if not isinstance(val, Format):
            raise TypeError(f"the knob {self._name!r} takes a format or the name of one, not {val!r}")
        self._format = val
        self._changed()
        return True

    def notDefault(self, *args: Any) -> bool:
        return self._not_default()

    def _script(self) -> str:
        return self._format._text() if self._format is not None else ""

    def _from_word(self, word: _tcl.Word) -> None:
        self._format = format_from_text(word.text)

    def _field(self, name: str, frame: float) -> float:
        held = self._held()
        fields = {"w": held.width, "h": held.height, "width": held.width, "height": held.height, "x": held.x}
        fields.update({"y": held.y, "r": held.r, "t": held.t, "pixel_aspect": held.pixelAspect})
        return float(fields[name]())


@offered
class Link_Knob(_Text):
    """Another knob, shown here. Values come from and go to that knob."""

    _NUMBER = 41

    def _target(self) -> Any:
        if not self._text:
            return None
        node_name, _, knob_name = self._text.rpartition(".")
        node = self._node._find(node_name) if node_name and self._node is not None else self._node
        return node._knobs.get(knob_name) if node is not None else None

    def setLink(self, s: str) -> None:
        self._text = s

    def makeLink(self, s: str, t: str) -> None:
        """The node `s`, the knob `t`."""
        self._text = f"{s}.{t}"

    def getLink(self) -> str:
        return self._text

    def getLinkedKnob(self) -> Any:
        return self._target()

    def _linked(self) -> Any:
        target = self._target()
        if target is None:
            raise ValueError(f"the link {self._name!r} leads nowhere: {self._text!r}")
        return target

    def value(self, *args: Any) -> Any:
        return self._linked().value(*args)

    def getValue(self, *args: Any) -> Any:
        return self._linked().getValue(*args)

    def setValue(self, *args: Any) -> Any:
        return self._linked().setValue(*args)

    def _not_default(self) -> bool:
        return False

    def _user_definition(self) -> list[str]:
        return ["T", _tcl.quote(self._text)] if self._text else []
