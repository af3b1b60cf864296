"""Knobs that only stock nodes have: a tracker's table, lists kept as they are, and the matrix of a camera."""

from __future__ import annotations

import math
from typing import Any

from . import _knob_expressions, _tcl
from ._curves import Component
from ._text_knobs import _Text
from ._vector_knobs import IArray_Knob


class RawList_Knob(_Text):
    """A Tcl list that is kept as it is written."""

    def value(self, *args: Any) -> str:
        return self._text

    def getValue(self, *args: Any) -> str:
        return self._text

    def setValue(self, val: str, *args: Any) -> bool:
        _tcl.words(val)
        self._set(val)
        return True

    def _written(self) -> str:
        return "{" + self._text + "}"


class Table_Knob(RawList_Knob):
    """A tracker's tracks. `getValueAt(frame, columns * track + column)` reads a cell, as scripts for Nuke do."""

    def _cells(self) -> tuple[int, list[list[_tcl.Word]]]:
        parts = _tcl.words(self._text)
        if len(parts) < 3:
            return 31, []
        columns = int(_tcl.words(parts[0].text)[1].text)
        return columns, [_tcl.words(row.text) for row in _tcl.words(parts[2].text)]

    def getValueAt(self, frame: float, index: int = 0, view: Any = None) -> Any:
        columns, rows = self._cells()
        cell = rows[index // columns][index % columns]
        try:
            return Component.from_word(cell).at(float(frame), lambda *_: math.nan)
        except ValueError:
            return cell.text

    def getValue(self, index: int = 0, *rest: Any) -> Any:
        return self.getValueAt(_knob_expressions.current_frame(), index)


def _rotation(axis: str, degrees: float) -> list[list[float]]:
    a, b = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}[axis]
    made = [[float(row == column) for column in range(4)] for row in range(4)]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    made[a][a] = made[b][b] = cosine
    made[a][b], made[b][a] = -sine, sine
    return made


def _product(left: list[list[float]], right: list[list[float]]) -> list[list[float]]:
    return [[sum(left[r][k] * right[k][c] for k in range(4)) for c in range(4)] for r in range(4)]


class WorldMatrix_Knob(IArray_Knob):
    """The matrix from an axis's or camera's own space to the world's, row by row; made from the other knobs."""

    def _at(self, index: int, frame: float) -> float:
        return [number for row in self._matrix(frame) for number in row][index]

    def _matrix(self, frame: float) -> list[list[float]]:
        knobs = self._node._knobs
        if knobs["useMatrix"]._at(0, frame):
            flat = [knobs["matrix"]._at(place, frame) for place in range(16)]
            own = [flat[row * 4 : row * 4 + 4] for row in range(4)]
        else:
            own = self._own(knobs, frame)
        above = self._node.input(0)
        return _product(above._knobs["world_matrix"]._matrix(frame), own) if above is not None else own

    @staticmethod
    def _own(knobs: Any, frame: float) -> list[list[float]]:
        if knobs["xform_order"].value() != "SRT" or any(knobs["skew"]._at(place, frame) for place in range(3)):
            raise NotImplementedError("the double makes matrices of scale, rotate, translate in this order only")
        move, grow = ([knobs[name]._at(place, frame) for place in range(3)] for name in ("translate", "scaling"))
        angles = dict(zip("XYZ", (knobs["rotate"]._at(place, frame) for place in range(3))))
        made = [[float(row == column) for column in range(4)] for row in range(4)]
        for axis in knobs["rot_order"].value():  # applied to a point from the first letter to the last
            made = _product(_rotation(axis, angles[axis]), made)
        factor = knobs["uniform_scale"]._at(0, frame)
        for row in range(3):
            for column in range(3):
                made[row][column] *= grow[column] * factor
        pivot = [knobs["pivot"]._at(place, frame) for place in range(3)]
        for row in range(3):
            made[row][3] = move[row] + pivot[row] - sum(made[row][k] * pivot[k] for k in range(3))
        return made

    def _script(self) -> str:
        return "{1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1}"


TABLE_CLASSES = {cls.__name__: cls for cls in (RawList_Knob, Table_Knob, WorldMatrix_Knob)}
