"""Windows in EXR pixel space: x to the right, y down, integer positions are sample centres."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A rectangle of samples. `x`, `y` is the upper left sample; `width`, `height` are at least 1."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a window needs at least 1x1 samples, got {self.width}x{self.height}")

    @property
    def right(self) -> int:
        """One past the last column."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """One past the last row."""
        return self.y + self.height

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``, as numpy wants it."""
        return (self.height, self.width)

    def moved(self, dx: int, dy: int) -> Window:
        """The same window, `dx` to the right and `dy` down."""
        return Window(x=self.x + dx, y=self.y + dy, width=self.width, height=self.height)

    def grown(self, *, left: int = 0, right: int = 0, top: int = 0, bottom: int = 0) -> Window:
        """The window with each side moved outwards (negative: inwards) by that many samples."""
        return Window(
            x=self.x - left, y=self.y - top, width=self.width + left + right, height=self.height + top + bottom
        )

    def union(self, other: Window) -> Window:
        """The smallest window that holds both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Window(x=x, y=y, width=max(self.right, other.right) - x, height=max(self.bottom, other.bottom) - y)

    def intersection(self, other: Window) -> Window | None:
        """The common part, or None where the windows do not meet."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        width, height = min(self.right, other.right) - x, min(self.bottom, other.bottom) - y
        return Window(x=x, y=y, width=width, height=height) if width > 0 and height > 0 else None

    def contains(self, other: Window) -> bool:
        """Whether every sample of `other` is in this window."""
        return self.union(other) == self

    def slices_in(self, outer: Window) -> tuple[slice, slice]:
        """Row and column slices of this window in an array that covers `outer`, which must contain it."""
        if not outer.contains(self):
            raise ValueError(f"{self} is not inside {outer}")
        return (
            slice(self.y - outer.y, self.bottom - outer.y),
            slice(self.x - outer.x, self.right - outer.x),
        )

    def __str__(self) -> str:
        return f"{self.width}x{self.height}{self.x:+d}{self.y:+d}"
