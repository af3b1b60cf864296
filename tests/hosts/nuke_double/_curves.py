"""One number of a knob: a constant, a curve of keys, or an expression; and its form in scripts."""

from __future__ import annotations

import bisect
import re
from typing import Callable

from . import _tcl

LINEAR, CONSTANT, SMOOTH = "L", "K", ""
# Letters before a key that change how the curve runs and that the double keeps no record of (slopes, extrapolation).
_KEY = re.compile(r"x(?P<x>[-+\d.e]+)\Z")


def number_text(value: float) -> str:
    """A number as Nuke writes it: whole ones without a point."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


class Component:
    """One number. `keys` maps frames to (value, interpolation after it)."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = float(value)
        self.keys: dict[float, tuple[float, str]] = {}
        self.expression: str | None = None

    def copy(self) -> Component:
        """An independent twin."""
        twin = Component(self.value)
        twin.keys, twin.expression = dict(self.keys), self.expression
        return twin

    @property
    def constant(self) -> bool:
        """Whether it is a plain number."""
        return not self.keys and self.expression is None

    def at(self, frame: float, evaluate: Callable[[str, float, float], float]) -> float:
        """The value at a frame; `evaluate(expression, frame, the curve's value)` is asked for expressions."""
        plain = self._curve_at(frame) if self.keys else self.value
        return plain if self.expression is None else evaluate(self.expression, frame, plain)

    def _curve_at(self, frame: float) -> float:
        frames = sorted(self.keys)
        place = bisect.bisect_right(frames, frame)
        if place == 0:
            return self.keys[frames[0]][0]
        before = frames[place - 1]
        value, interpolation = self.keys[before]
        if place == len(frames) or before == frame or interpolation == CONSTANT:
            return value
        after = frames[place]
        goal = self.keys[after][0]
        part = (frame - before) / (after - before)
        if interpolation == LINEAR:
            return value + (goal - value) * part
        a, b = (self._slope(frames, spot) * (after - before) for spot in (place - 1, place))
        cubed, squared = part**3, part**2
        return (
            (2 * cubed - 3 * squared + 1) * value
            + (cubed - 2 * squared + part) * a
            + (3 * squared - 2 * cubed) * goal
            + (cubed - squared) * b
        )

    def _slope(self, frames: list[float], place: int) -> float:
        """Of a smooth key: flat at ends and turning points, as Nuke's smooth keys are."""
        if place in {0, len(frames) - 1}:
            return 0.0
        x, y, z = frames[place - 1 : place + 2]
        before, here, after = (self.keys[spot][0] for spot in (x, y, z))
        if (here - before) * (after - here) <= 0:
            return 0.0
        return (after - before) / (z - x)

    def set_at(self, value: float, frame: float) -> None:
        """Set a key."""
        interpolation = self.keys[frame][1] if frame in self.keys else SMOOTH
        self.keys[frame] = (float(value), interpolation)

    def script(self) -> str:
        """As one word of a script: `10`, `{curve x1001 0 x1010 9}` or `{frame+1}`."""
        if self.constant:
            return number_text(self.value)
        curve = ["curve"]
        last = SMOOTH
        for frame in sorted(self.keys):
            value, interpolation = self.keys[frame]
            if interpolation != last:
                curve.append(interpolation or "S")
                last = interpolation
            curve += [f"x{number_text(frame)}", number_text(value)]
        if self.expression is None:
            return "{" + " ".join(curve) + "}"
        return "{" + " ".join([_tcl.quote(self.expression), *curve[1:]]) + "}"

    @classmethod
    def from_word(cls, word: _tcl.Word) -> Component:
        """Read back what `script` writes, and what Nuke writes. ValueError for anything else."""
        made = cls()
        if word.style != "braces":
            made.value = float(word.text)
            return made
        parts = _tcl.words(word.text)
        if parts and parts[0].text == "curve" and parts[0].style == "bare":
            made._read_curve([part.text for part in parts[1:]])
            return made
        if not parts:
            raise ValueError("an empty pair of braces is no value")
        if len(parts) == 1 and parts[0].style == "bare":
            try:
                made.value = float(parts[0].text)
            except ValueError:
                made.expression = parts[0].text
            return made
        made.expression = parts[0].text
        made._read_curve([part.text for part in parts[1:]])
        return made

    def _read_curve(self, tokens: list[str]) -> None:
        interpolation, frame, step = SMOOTH, 1.0, 1.0
        last: float | None = None
        for token in tokens:
            place = _KEY.match(token)
            if place:
                frame = float(place.group("x"))
                step = frame - last if last is not None else 1.0
                continue
            if token in {"L", "K", "S", "C", "Z"}:
                interpolation = {"L": LINEAR, "K": CONSTANT}.get(token, SMOOTH)
                continue
            if token in {"i", "l", "r"} or re.match(r"[stuv][-+\d.e]+\Z", token):
                continue  # extrapolation and hand-set slopes
            self.keys[frame] = (float(token), interpolation)
            last, frame = frame, frame + step
