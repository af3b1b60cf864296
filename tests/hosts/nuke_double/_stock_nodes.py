"""The table of stock nodes, read from data/stock_nodes.txt."""

from __future__ import annotations

from typing import Iterator, NamedTuple

from . import _tcl
from ._surface import DATA


class KnobLine(NamedTuple):
    """One knob of a class: what it is, what it begins with, what it may be; and whether pictures depend on it."""

    knob_class: str
    name: str
    value: str | None  # as it stands in a script
    choices: tuple[str, ...]
    cosmetic: bool


class StockNode(NamedTuple):
    """A class of nodes."""

    name: str
    least_inputs: int
    most_inputs: int
    mask: int | None  # the input that is the mask
    source: str
    knobs: tuple[KnobLine, ...]


def _knob_line(line: str) -> KnobLine:
    cosmetic = line.startswith("~")
    words = _tcl.words(line.lstrip("~ "))
    plain = [word.text if word.style == "bare" else None for word in words]
    value = None
    choices: tuple[str, ...] = ()
    if "=" in plain:
        word = words[plain.index("=") + 1]
        value = "{" + word.text + "}" if word.style == "braces" else _tcl.quote(word.text)
    if "|" in plain:
        choices = tuple(word.text for word in _tcl.words(words[plain.index("|") + 1].text))
    return KnobLine(words[0].text, words[1].text, value, choices, cosmetic)


def _entries(text: str) -> Iterator[list[str]]:
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith("node ") and lines:
            yield lines
            lines = []
        lines.append(line.strip())
    yield lines


def _read(text: str) -> dict[str, StockNode]:
    table: dict[str, StockNode] = {}
    for head, source, *knobs in _entries(text):
        words = head.split()
        mask = int(words[words.index("mask") + 1]) if "mask" in words else None
        like = table[words[words.index("like") + 1]].knobs if "like" in words else ()
        if not source.startswith("source "):
            raise ValueError(f"{words[1]} names no source")
        table[words[1]] = StockNode(
            words[1], int(words[3]), int(words[4]), mask, source[7:], (*like, *map(_knob_line, knobs))
        )
    return table


STOCK: dict[str, StockNode] = _read((DATA / "stock_nodes.txt").read_text())
COSMETIC = frozenset(line.name for line in STOCK["COMMON"].knobs if line.cosmetic)
# Entries that are no nodes of their own: what all nodes share, and what a file format adds.
PARTS = frozenset({"COMMON", "Root", "Read.exr", "Write.exr"})
