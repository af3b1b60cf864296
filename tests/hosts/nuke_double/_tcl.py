"""Tcl as .nk files use it: quoting words, and taking lists and scripts apart. Nothing is ever evaluated."""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple

_BARE = re.compile(r"[A-Za-z0-9_./%:+\-*,=@<>()'&^!~|?#][A-Za-z0-9_./%:+\-*,=@<>()'&^!~|?#]*\Z")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_QUOTED = {
    "\\": "\\\\",
    '"': '\\"',
    "[": "\\[",
    "$": "\\$",
    "{": "\\{",
    "}": "\\}",
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
}


class TclError(ValueError):
    """Text that Tcl would not take."""


class Word(NamedTuple):
    """A word, and whether it stood bare, in "quotes", in {braces} or in [brackets]."""

    text: str
    style: str


def quote(text: str) -> str:
    """Write one word the way Nuke does: bare where that is safe, else in quotes with escapes."""
    if _BARE.match(text) and not text.startswith("#"):
        return text
    return '"' + "".join(_QUOTED.get(letter, letter) for letter in text) + '"'


def _unescape(text: str, at: int) -> tuple[str, int]:
    """The character that the escape at `at` (just after its backslash) stands for, and where it ends."""
    if at >= len(text):
        return "\\", at
    letter = text[at]
    if letter == "\n":
        while at + 1 < len(text) and text[at + 1] in " \t":
            at += 1
        return " ", at + 1
    if letter == "u":
        digits = re.compile(r"[0-9A-Fa-f]{1,4}").match(text, at + 1)
        if digits:
            return chr(int(digits.group(), 16)), digits.end()
    return _ESCAPES.get(letter, letter), at + 1


def _braced(text: str, at: int) -> tuple[str, int]:
    """What stands between the brace at `at` and its partner, and where it ends."""
    depth, start = 0, at + 1
    while at < len(text):
        letter = text[at]
        if letter == "\\":
            at += 2
            continue
        if letter == "{":
            depth += 1
        elif letter == "}":
            depth -= 1
            if depth == 0:
                return text[start:at], at + 1
        at += 1
    raise TclError(f"a brace is never closed: {text[start - 1 : start + 60]!r}")


def _bracketed(text: str, at: int) -> tuple[str, int]:
    depth, start = 0, at + 1
    while at < len(text):
        if text[at] == "[":
            depth += 1
        elif text[at] == "]":
            depth -= 1
            if depth == 0:
                return text[start:at], at + 1
        at += 1
    raise TclError(f"a bracket is never closed: {text[start - 1 : start + 60]!r}")


def _word(text: str, at: int, *, script: bool) -> tuple[Word, int]:
    if text[at] == "{":
        inside, end = _braced(text, at)
        return Word(inside, "braces"), end
    if text[at] == '"':
        letters: list[str] = []
        at += 1
        while at < len(text):
            if text[at] == '"':
                return Word("".join(letters), "quotes"), at + 1
            if text[at] == "\\":
                letter, at = _unescape(text, at + 1)
                letters.append(letter)
            else:
                letters.append(text[at])
                at += 1
        raise TclError("a quote is never closed")
    if script and text[at] == "[":
        inside, end = _bracketed(text, at)
        return Word(inside, "brackets"), end
    letters = []
    ends = " \t\n;" if script else " \t\n\r"
    while at < len(text) and text[at] not in ends:
        if text[at] == "\\":
            letter, at = _unescape(text, at + 1)
            letters.append(letter)
        else:
            letters.append(text[at])
            at += 1
    return Word("".join(letters), "bare"), at


def words(text: str) -> list[Word]:
    """Take a Tcl list apart."""
    found: list[Word] = []
    at = 0
    while True:
        while at < len(text) and text[at] in " \t\n\r":
            at += 1
        if at >= len(text):
            return found
        word, at = _word(text, at, script=False)
        found.append(word)


def commands(text: str) -> Iterator[list[Word]]:
    """Take a script apart into commands of words; comments are left out."""
    at = 0
    line: list[Word] = []
    while at < len(text):
        letter = text[at]
        if letter in " \t\r":
            at += 1
        elif letter in "\n;":
            if line:
                yield line
            line = []
            at += 1
        elif letter == "\\" and text[at + 1 : at + 2] == "\n":
            at += 2
        elif letter == "#" and not line:
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        else:
            word, at = _word(text, at, script=True)
            line.append(word)
    if line:
        yield line
