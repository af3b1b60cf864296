"""Formats, boxes and frame ranges."""

from __future__ import annotations

from typing import Any, Iterator

from ._curves import number_text
from ._session import current
from ._surface import offered

# The formats that Nuke begins with, of its own init.py: as many as scripts commonly name.
STOCK_FORMATS = (
    "640 480 0 0 640 480 1 PC_Video",
    "720 486 0 0 720 486 0.91 NTSC",
    "720 576 0 0 720 576 1.09 PAL",
    "1280 720 0 0 1280 720 1 HD_720",
    "1920 1080 0 0 1920 1080 1 HD_1080",
    "3840 2160 0 0 3840 2160 1 UHD_4K",
    "1024 778 0 0 1024 778 1 1K_Super_35(full-ap)",
    "914 778 0 0 914 778 2 1K_Cinemascope",
    "2048 1556 0 0 2048 1556 1 2K_Super_35(full-ap)",
    "1828 1556 0 0 1828 1556 2 2K_Cinemascope",
    "2048 1080 0 0 2048 1080 1 2K_DCP",
    "4096 3112 0 0 4096 3112 1 4K_Super_35(full-ap)",
    "3656 3112 0 0 3656 3112 2 4K_Cinemascope",
    "4096 2160 0 0 4096 2160 1 4K_DCP",
    "256 256 0 0 256 256 1 square_256",
    "512 512 0 0 512 512 1 square_512",
    "1024 1024 0 0 1024 1024 1 square_1K",
    "2048 2048 0 0 2048 2048 1 square_2K",
)


@offered
class Format:
    """Width and height, the box in them that the picture stands in, the pixels' aspect, and a name or none."""

    def __init__(self, width: int, height: int, *rest: Any) -> None:
        numbers = [float(number) for number in rest]
        if len(numbers) not in {0, 1, 4, 5}:
            raise TypeError(f"Format takes width, height, [x, y, r, t,] pixel aspect, not {(width, height, *rest)!r}")
        box = numbers[:4] if len(numbers) >= 4 else [0, 0, width, height]
        self._size = [int(width), int(height)]
        self._box = [int(number) for number in box]
        self._aspect = numbers[-1] if len(numbers) in {1, 5} else 1.0
        self._name: str | None = None

    def _text(self) -> str:
        numbers = [*self._size, *self._box]
        return " ".join([*map(str, numbers), number_text(self._aspect), self._name or ""]).rstrip() + (
            "" if self._name else " "
        )

    def _key(self) -> tuple[Any, ...]:
        return (*self._size, *self._box, self._aspect)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def add(self, name: str) -> None:
        self._name = name
        _remember(self)

    def name(self) -> str | None:
        return self._name

    def setName(self, name: str) -> None:
        self._name = name

    def width(self) -> int:
        return self._size[0]

    def height(self) -> int:
        return self._size[1]

    def x(self) -> int:
        return self._box[0]

    def y(self) -> int:
        return self._box[1]

    def r(self) -> int:
        return self._box[2]

    def t(self) -> int:
        return self._box[3]

    def pixelAspect(self) -> float:
        return self._aspect

    def setPixelAspect(self, aspectRatio: float) -> None:
        self._aspect = float(aspectRatio)

    def setWidth(self, newWidth: int) -> None:
        self._size[0] = int(newWidth)

    def setHeight(self, newHeight: int) -> None:
        self._size[1] = int(newHeight)

    def __repr__(self) -> str:
        return f"<Format {self._text().strip()}>"


def _remember(made: Format) -> Format:
    formats = current().formats
    formats[:] = [known for known in formats if known.name() != made.name()]
    formats.append(made)
    return made


def parse_format(text: str) -> Format:
    """A format from `width height [x y r t] [aspect] [name]`. ValueError where it is none."""
    words = text.split()
    numbers: list[float] = []
    while words and len(numbers) < 7:
        try:
            numbers.append(float(words[0]))
        except ValueError:
            break
        words.pop(0)
    if len(numbers) not in {2, 3, 6, 7}:
        raise ValueError(f"no format: {text!r}")
    made = Format(int(numbers[0]), int(numbers[1]), *numbers[2:])
    made._name = " ".join(words) or None
    return made


def format_from_text(text: str) -> Format:
    """The format that a script means: a new name becomes known, an old one may stand alone."""
    try:
        made = parse_format(text)
    except ValueError:
        return known_format(text)
    return _remember(made) if made._name else made


def known_format(name: str) -> Format:
    """The format of a name. ValueError where Nuke knows none."""
    for known in current().formats:
        if known.name() == name:
            return known
    raise ValueError(f"no format is named {name!r}")


@offered
class FrameRange:
    """first, last and increment."""

    def __init__(self, *args: Any) -> None:
        if len(args) == 1 and isinstance(args[0], str):
            body, _, step = args[0].partition("x")
            first, _, last = body.lstrip("-").partition("-")
            sign = -1 if body.startswith("-") else 1
            args = (sign * int(first), int(last or sign * int(first)), int(step or 1))
        self._first, self._last, self._increment = (*map(int, args), 1)[:3] if args else (0, 0, 1)

    def first(self) -> int:
        return self._first

    def last(self) -> int:
        return self._last

    def increment(self) -> int:
        return self._increment

    def setFirst(self, n: int) -> None:
        self._first = int(n)

    def setLast(self, n: int) -> None:
        self._last = int(n)

    def setIncrement(self, n: int) -> None:
        self._increment = int(n)

    def minFrame(self) -> int:
        return min(self._first, self._last)

    def maxFrame(self) -> int:
        return max(self._first, self._last)

    def frames(self) -> int:
        return len(range(self._first, self._last + 1, self._increment))

    def getFrame(self, n: int) -> int:
        return self._first + n * self._increment

    def isInRange(self, n: int) -> int:
        return int(n in range(self._first, self._last + 1, self._increment))

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._first, self._last + 1, self._increment))

    def __str__(self) -> str:
        return f"{self._first}-{self._last}" + (f"x{self._increment}" if self._increment != 1 else "")


@offered
class FrameRanges:
    """Several ranges."""

    def __init__(self, *args: Any) -> None:
        self._ranges: list[FrameRange] = []
        for argument in args:
            if isinstance(argument, FrameRange):
                self._ranges.append(argument)
            elif isinstance(argument, str):
                self._ranges += [FrameRange(part) for part in argument.replace(",", " ").split()]
            else:
                self._ranges += [item if isinstance(item, FrameRange) else FrameRange(item, item) for item in argument]

    def add(self, r: FrameRange) -> None:
        self._ranges.append(r)

    def clear(self) -> None:
        self._ranges.clear()

    def size(self) -> int:
        return len(self._ranges)

    def minFrame(self) -> int:
        return min(one.minFrame() for one in self._ranges)

    def maxFrame(self) -> int:
        return max(one.maxFrame() for one in self._ranges)

    def toFrameList(self, *args: Any) -> list[int]:
        return sorted({frame for one in self._ranges for frame in one})

    def __iter__(self) -> Iterator[FrameRange]:
        return iter(self._ranges)

    def __str__(self) -> str:
        return " ".join(map(str, self._ranges))


@offered
class Info:
    """A bounding box: corner and size."""

    def __init__(self, x: float = 0, y: float = 0, w: float = 0, h: float = 0) -> None:
        self._numbers = (x, y, w, h)

    def x(self) -> float:
        return self._numbers[0]

    def y(self) -> float:
        return self._numbers[1]

    def w(self) -> float:
        return self._numbers[2]

    def h(self) -> float:
        return self._numbers[3]


@offered
class Box:
    """A rectangle of whole numbers."""

    def __init__(self, x: int = 0, y: int = 0, r: int = 1, t: int = 1) -> None:
        self._numbers = [int(x), int(y), int(r), int(t)]

    def x(self) -> int:
        return self._numbers[0]

    def y(self) -> int:
        return self._numbers[1]

    def r(self) -> int:
        return self._numbers[2]

    def t(self) -> int:
        return self._numbers[3]

    def w(self) -> int:
        return self._numbers[2] - self._numbers[0]

    def h(self) -> int:
        return self._numbers[3] - self._numbers[1]

    def set(self, x: int, y: int, r: int, t: int) -> None:
        self._numbers = [int(x), int(y), int(r), int(t)]
