"""Knobs of several numbers with names: colours, points, sizes, boxes, matrices."""

from __future__ import annotations

from typing import Any

from ._array_knobs import Array_Knob
from ._surface import offered


@offered
class Color_Knob(Array_Knob):
    _NUMBER = 18
    _SIZE = 3
    _FIELDS = ("r", "g", "b", "a")


@offered
class AColor_Knob(Color_Knob):
    _NUMBER = 19
    _SIZE = 4


@offered
class XY_Knob(Array_Knob):
    _NUMBER = 12
    _SIZE = 2

    def _list(self, values: list[Any]) -> Any:
        return values

    def x(self, *args: Any) -> float:
        return self._at(0, self._frame())

    def y(self, *args: Any) -> float:
        return self._at(1, self._frame())


@offered
class XYZ_Knob(Array_Knob):
    _NUMBER = 13
    _SIZE = 3

    def x(self, *args: Any) -> float:
        return self._at(0, self._frame())

    def y(self, *args: Any) -> float:
        return self._at(1, self._frame())

    def z(self, *args: Any) -> float:
        return self._at(2, self._frame())


@offered
class WH_Knob(Array_Knob):
    _NUMBER = 14
    _SIZE = 2
    _FIELDS = ("w", "h")

    def x(self, *args: Any) -> float:
        return self._at(0, self._frame())

    def y(self, *args: Any) -> float:
        return self._at(1, self._frame())


@offered
class Scale_Knob(Array_Knob):
    _NUMBER = 13
    _SIZE = 3


@offered
class UV_Knob(Array_Knob):
    _NUMBER = 30
    _SIZE = 2
    _FIELDS = ("u", "v")


@offered
class IArray_Knob(Array_Knob):
    """A table of numbers, such as a camera's matrix."""

    _SIZE = 16


@offered
class BBox_Knob(Array_Knob):
    _NUMBER = 15
    _SIZE = 4
    _FIELDS = ("x", "y", "r", "t")

    def x(self, *args: Any) -> float:
        return self._at(0, self._frame())

    def y(self, *args: Any) -> float:
        return self._at(1, self._frame())

    def r(self, *args: Any) -> float:
        return self._at(2, self._frame())

    def t(self, *args: Any) -> float:
        return self._at(3, self._frame())

    def setX(self, value: float, *rest: Any) -> None:
        Array_Knob.setValue(self, value, 0)

    def setY(self, value: float, *rest: Any) -> None:
        Array_Knob.setValue(self, value, 1)

    def setR(self, value: float, *rest: Any) -> None:
        Array_Knob.setValue(self, value, 2)

    def setT(self, value: float, *rest: Any) -> None:
        Array_Knob.setValue(self, value, 3)

    def toDict(self) -> dict[str, float]:
        return {name: self._at(place, self._frame()) for place, name in enumerate(self._FIELDS)}

    def fromDict(self, box: dict[str, float]) -> None:
        Array_Knob.setValue(self, [box[name] for name in self._FIELDS])
