"""Knobs of numbers: every number may be plain, keyed or an expression."""

from __future__ import annotations

from typing import Any, Sequence

from . import _knob_expressions, _tcl
from ._curves import Component, number_text
from ._flags import KNOB_FLAGS
from ._knob import Knob
from ._surface import offered


@offered
class Array_Knob(Knob):
    """Numbers, `_SIZE` of them."""

    _NUMBER = 16
    _SIZE = 1
    _FIELDS: tuple[str, ...] = ("x", "y", "z", "w")

    def _set_up(self, *rest: Any) -> None:
        size = self._SIZE
        if type(self) is Array_Knob and rest:
            size, rest = int(rest[0]), rest[1:]
        self._components = [Component() for _ in range(size)]
        self._range: tuple[float, float] | None = None
        if rest:
            values = rest[0] if isinstance(rest[0], (list, tuple)) else rest[:1]
            for component, value in zip(self._components, values):
                component.value = self._cast(value)

    def _cast(self, value: Any) -> float:
        if isinstance(value, str) or not isinstance(value, (int, float)):
            raise TypeError(f"the knob {self._name!r} ({type(self).__name__}) takes a number, not {value!r}")
        return float(value)

    def _show(self, value: float) -> Any:
        return float(value)

    def _at(self, index: int, frame: float) -> float:
        component = self._components[index]
        return component.at(frame, lambda text, when, plain: _knob_expressions.evaluate(self, text, when, plain))

    def _all_at(self, frame: float) -> Any:
        values = [self._show(self._at(index, frame)) for index in range(len(self._components))]
        return values[0] if len(values) == 1 else self._list(values)

    def _list(self, values: list[Any]) -> Any:
        return values

    def _frame(self) -> float:
        return _knob_expressions.current_frame()

    # Values

    def getValue(self, index: int | None = None, *rest: Any) -> Any:
        if index is None or index < 0:
            return self._all_at(self._frame())
        self._check_index(index)
        return self._show(self._at(index, self._frame()))

    def value(self, *args: Any, **kwargs: Any) -> Any:
        return Array_Knob.getValue(self, *args, **kwargs)

    def getValueAt(self, frame: float, index: int = -1, view: Any = None) -> Any:
        if index < 0:
            return self._all_at(float(frame))
        self._check_index(index)
        return self._show(self._at(index, float(frame)))

    valueAt = getValueAt

    def _check_index(self, index: int) -> None:
        if not 0 <= index < len(self._components):
            raise IndexError(f"the knob {self._name!r} has {len(self._components)} values, and no number {index}")

    def setValue(self, val: Any, chan: int = -1, *rest: Any) -> bool:
        if isinstance(val, (list, tuple)):
            if len(val) != len(self._components):
                raise TypeError(f"the knob {self._name!r} takes {len(self._components)} values, not {val!r}")
            pairs = list(enumerate(val))
        else:
            if chan >= 0:
                self._check_index(chan)
            pairs = [(place, val) for place in (range(len(self._components)) if chan < 0 else [chan])]
        before = self._script()
        for place, number in pairs:
            component = self._components[place]
            if component.keys:  # as in Nuke, an animated knob gets a key at the current frame
                component.set_at(self._cast(number), self._frame())
            else:
                component.value, component.expression = self._cast(number), None
        if self._script() != before:
            self._changed()
        return True

    setSingleValue = setValue

    def setValueAt(self, val: Any, time: float, index: int = -1, view: Any = None) -> bool:
        self._refuse_animation()
        values = val if isinstance(val, (list, tuple)) else [val] * len(self._components)
        for place, component in enumerate(self._components):
            if index in {-1, place}:
                component.set_at(self._cast(values[place]), float(time))
        self._changed()
        return True

    def _refuse_animation(self) -> None:
        if self._flags & KNOB_FLAGS["NO_ANIMATION"]:
            raise RuntimeError(f"the knob {self._name!r} cannot be animated")

    # Animation

    def _chosen(self, index: int) -> list[Component]:
        return self._components if index is None or index < 0 else [self._components[index]]

    def setAnimated(self, channel: int = -1, *rest: Any) -> bool:
        self._refuse_animation()
        for component in self._chosen(channel):
            if not component.keys:
                component.set_at(component.value, self._frame())
        self._changed()
        return True

    def isAnimated(self, channel: int = -1, *rest: Any) -> bool:
        return any(component.keys or component.expression for component in self._chosen(channel))

    def clearAnimated(self, channel: int = -1, *rest: Any) -> bool:
        frame = self._frame()
        for place, component in enumerate(self._components):
            if channel in {-1, place} and not component.constant:
                self._components[place] = Component(self._at(place, frame))
        self._changed()
        return True

    def setExpression(self, expression: str, channel: int = -1, view: Any = None) -> bool:
        self._refuse_animation()
        _knob_expressions.parse(expression)
        for component in self._chosen(channel):
            component.expression = expression
        self._changed()
        return True

    def hasExpression(self, index: int = -1, *rest: Any) -> bool:
        return any(component.expression is not None for component in self._chosen(index))

    def getNumKeys(self, channel: int = -1, *rest: Any) -> int:
        return sum(len(component.keys) for component in self._chosen(channel))

    def getKeyTime(self, keyIndex: int, channel: int = 0, view: Any = None) -> float:
        return sorted(self._components[channel].keys)[keyIndex]

    def getKeyList(self) -> list[int]:
        return sorted({frame for component in self._components for frame in component.keys})  # type: ignore[misc]

    def isKeyAt(self, time: float, index: int = -1, view: Any = None) -> bool:
        return any(float(time) in component.keys for component in self._chosen(index))

    def isKey(self, channel: int = -1, *rest: Any) -> bool:
        return Array_Knob.isKeyAt(self, self._frame(), channel)

    def removeKeyAt(self, time: float, index: int = -1, view: Any = None) -> bool:
        found = [component.keys.pop(float(time), None) for component in self._chosen(index)]
        self._changed()
        return any(found)

    def setKeyAt(self, time: float, channel: int = -1, view: Any = None) -> bool:
        for place, component in enumerate(self._components):
            if channel in {-1, place}:
                component.set_at(self._at(place, float(time)), float(time))
        self._changed()
        return True

    # The rest

    def arraySize(self, *args: Any) -> int:
        return len(self._components)

    def array(self, *args: Any) -> list[float]:
        return [self._at(index, self._frame()) for index in range(len(self._components))]

    def setRange(self, low: float, high: float) -> None:
        self._range = (float(low), float(high))

    def min(self, *args: Any) -> float:
        return self._range[0] if self._range else 0.0

    def max(self, *args: Any) -> float:
        return self._range[1] if self._range else 1.0

    minimum, maximum = min, max

    def setDefaultValue(self, values: float | Sequence[float], *rest: Any) -> None:
        untouched = not self._not_default()
        given = list(values) if isinstance(values, (list, tuple)) else [values] * len(self._components)
        fresh = [Component(self._cast(value)) for value in given]
        kept, self._components = self._components, fresh
        self._default = self._script()
        if not untouched:
            self._components = kept

    def defaultValue(self, *args: Any) -> float:
        return float(_tcl.words(self._default.strip("{}"))[0].text)

    def notDefault(self, *args: Any) -> bool:
        return self._not_default()

    # Scripts

    def _script(self) -> str:
        parts = [component.script() for component in self._components]
        if len(parts) == 1:
            return parts[0] if self._components[0].constant else "{" + parts[0] + "}"
        if len(set(parts)) == 1 and self._components[0].constant:
            return parts[0]
        return "{" + " ".join(parts) + "}"

    def _written(self) -> str:
        return self._script()

    def _from_word(self, word: _tcl.Word) -> None:
        parts = _tcl.words(word.text) if word.style == "braces" else [word]
        read = [self._component(part) for part in parts]
        if len(read) == 1:
            read = [read[0].copy() for _ in self._components]
        if len(read) != len(self._components):
            raise ValueError(f"the knob {self._name!r} takes {len(self._components)} values, not {word.text!r}")
        self._components = read

    def _component(self, word: _tcl.Word) -> Component:
        if word.style != "braces":
            return Component(self._cast_text(word.text))
        return Component.from_word(word)

    def _cast_text(self, text: str) -> float:
        return float(text)

    def _picture_value(self, frame: float) -> Any:
        return [self._at(index, frame) for index in range(len(self._components))]

    def _user_definition(self) -> list[str]:
        return ["R", number_text(self._range[0]), number_text(self._range[1])] if self._range else []

    def _field(self, name: str, frame: float) -> float:
        """A number by the name of its field, as in `box.r`. KeyError where there is none."""
        return self._at(self._FIELDS.index(name), frame) if name in self._FIELDS[: len(self._components)] else _no(name)


def _no(name: str) -> float:
    raise KeyError(name)


@offered
class Double_Knob(Array_Knob):
    _NUMBER = 7


@offered
class Int_Knob(Array_Knob):
    _NUMBER = 3

    def _show(self, value: float) -> int:
        return round(value)


@offered
class Boolean_Knob(Array_Knob):
    _NUMBER = 6

    def _cast(self, value: Any) -> float:
        if not isinstance(value, (bool, int, float)):
            raise TypeError(f"the knob {self._name!r} takes a truth value, not {value!r}")
        return float(bool(value))

    def _cast_text(self, text: str) -> float:
        return {"true": 1.0, "false": 0.0}[text] if text in {"true", "false"} else float(bool(float(text)))

    def _show(self, value: float) -> bool:
        return bool(value)

    def _script(self) -> str:
        if self._components[0].constant:
            return "true" if self._components[0].value else "false"
        return super()._script()


@offered
class Disable_Knob(Boolean_Knob):
    _NUMBER = 6


@offered
class Unsigned_Knob(Array_Knob):
    _NUMBER = 3

    def _show(self, value: float) -> Any:
        return int(value)

    def _cast_text(self, text: str) -> float:
        return float(int(text, 0))


@offered
class ColorChip_Knob(Unsigned_Knob):
    _NUMBER = 40

    def _script(self) -> str:
        return f"0x{int(self._components[0].value):08x}" if self._components[0].value else "0"
