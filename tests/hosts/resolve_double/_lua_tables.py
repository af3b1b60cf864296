"""Lua tables as .setting and .comp files have them, to and from dictionaries.

`bmd.readfile` gives a dictionary; what a constructor made carries its name as `__ctor`, an array part counts from 1.0.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

_TOKEN = re.compile(
    r"""\s+ | --[^\n]* | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    | (?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    | (?P<name>[A-Za-z_][A-Za-z_0-9]*) | (?P<mark>[{}\[\]=,;()])""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def parse(text: str) -> Any:
    """The value of a file's one expression. ValueError where it is none."""
    tokens: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"not Lua at {text[place : place + 30]!r}")
        place = match.end()
        if match.lastgroup:
            tokens.append((match.lastgroup, match.group(match.lastgroup)))
    reader = _Reader(tokens)
    value = reader.value()
    if reader.place != len(tokens):
        raise ValueError(f"more than one value: {tokens[reader.place][1]!r}")
    return value


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.place = 0

    def peek(self) -> tuple[str, str]:
        if self.place >= len(self.tokens):
            raise ValueError("the text ends too early")
        return self.tokens[self.place]

    def take(self, wanted: str | None = None) -> tuple[str, str]:
        found = self.peek()
        if wanted is not None and found[1] != wanted:
            raise ValueError(f"{wanted!r} is missing before {found[1]!r}")
        self.place += 1
        return found

    def value(self) -> Any:
        kind, text = self.take()
        if kind == "string":
            return re.sub(
                r"\\(.)", lambda found: _ESCAPES.get(found.group(1), found.group(1)), text[1:-1], flags=re.DOTALL
            )
        if kind == "number":
            number = float(text)
            return int(number) if number.is_integer() and "." not in text else number
        if text in {"true", "false", "nil"}:
            return {"true": True, "false": False, "nil": None}[text]
        if text == "{":
            return self.table({})
        if kind == "name":
            ordered = text == "ordered"
            if self.peek()[1] == "(":
                self.take("(")
                self.take(")")
            self.take("{")
            made = self.table(OrderedDict() if ordered else {})
            if not ordered:
                made["__ctor"] = text
            return made
        raise ValueError(f"{text!r} is no value")

    def table(self, made: Any) -> Any:
        number = 1.0
        while self.peek()[1] != "}":
            kind, text = self.peek()
            after = self.tokens[self.place + 1][1] if self.place + 1 < len(self.tokens) else ""
            if text == "[":
                self.take()
                key = self.value()
                self.take("]")
                self.take("=")
                made[key] = self.value()
            elif kind == "name" and after == "=":
                self.take()
                self.take("=")
                made[text] = self.value()
            else:
                made[number] = self.value()
                number += 1
            if self.peek()[1] in {",", ";"}:
                self.take()
        self.take("}")
        return made


def write(value: Any, indent: int = 0) -> str:
    """A value as Lua."""
    if isinstance(value, dict):
        inner = "\t" * (indent + 1)
        lines = []
        for key, held in value.items():
            if key == "__ctor":
                continue
            plain = isinstance(key, str) and re.fullmatch(r"[A-Za-z_]\w*", key)
            start = "" if isinstance(key, float) else f"{key} = " if plain else f'["{key}"] = '
            lines.append(f"{inner}{start}{write(held, indent + 1)},")
        name = value.get("__ctor") or ("ordered()" if isinstance(value, OrderedDict) else "")
        return f"{name} {{\n".lstrip() + "\n".join(lines) + "\n" + "\t" * indent + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{text}"'
    return "nil" if value is None else repr(value)
