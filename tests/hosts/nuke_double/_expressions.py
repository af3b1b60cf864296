"""Nuke's expression language: C-like arithmetic over names, for knobs (numbers) and for pixels (arrays).

The parser is one; what names and functions mean is up to the caller. Everything not in the grammar is an error.
"""

from __future__ import annotations

import functools
import math
import re
from typing import Any, Callable, Mapping, Tuple

Tree = Tuple[Any, ...]
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)"
    r"|(?P<tcl>\[[^\[\]]*\])"
    r"|(?P<sign>\*\*|<=|>=|==|!=|&&|\|\||[-+*/%^<>!?:(),]))"
)
# Levels of binary operators, loosest first.
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))


class ExpressionError(ValueError):
    """An expression that Nuke would refuse, or that has no value."""


@functools.lru_cache(maxsize=None)
def parse(text: str) -> Tree:
    """The tree of an expression: ("number", 1.0), ("name", "parent.x"), ("call", name, [trees]), ("?", a, b, c) …"""
    tokens: list[tuple[str, str]] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if not match:
            raise ExpressionError(f"cannot read {text[at:]!r} in the expression {text!r}")
        tokens.append((str(match.lastgroup), str(match.group(match.lastgroup or 0))))
        at = match.end()
    parser = _Parser(text, tokens)
    tree = parser.ternary()
    if parser.tokens:
        raise ExpressionError(f"{parser.tokens[0][1]!r} comes unexpectedly in the expression {text!r}")
    return tree


class _Parser:
    def __init__(self, text: str, tokens: list[tuple[str, str]]) -> None:
        self.text, self.tokens = text, tokens

    def take(self, *signs: str) -> str | None:
        if self.tokens and self.tokens[0][0] == "sign" and self.tokens[0][1] in signs:
            return self.tokens.pop(0)[1]
        return None

    def need(self, sign: str) -> None:
        if not self.take(sign):
            raise ExpressionError(f"a {sign!r} is missing in the expression {self.text!r}")

    def ternary(self) -> Tree:
        condition = self.binary(0)
        if not self.take("?"):
            return condition
        yes = self.ternary()
        self.need(":")
        return ("?", condition, yes, self.ternary())

    def binary(self, level: int) -> Tree:
        if level == len(_LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while True:
            sign = self.take(*_LEVELS[level])
            if sign is None:
                return left
            left = ("binary", sign, left, self.binary(level + 1))

    def unary(self) -> Tree:
        sign = self.take("-", "+", "!")
        if sign:
            return ("unary", sign, self.unary())
        base = self.atom()
        return ("binary", "**", base, self.unary()) if self.take("^", "**") else base

    def atom(self) -> Tree:
        if self.take("("):
            tree = self.ternary()
            self.need(")")
            return tree
        if not self.tokens or self.tokens[0][0] == "sign":
            raise ExpressionError(f"the expression {self.text!r} is not complete")
        kind, word = self.tokens.pop(0)
        if kind == "number":
            return ("number", float(word))
        if kind == "tcl":
            return ("tcl", word[1:-1])
        if not self.take("("):
            return ("name", word)
        arguments: list[Tree] = []
        if not self.take(")"):
            arguments.append(self.ternary())
            while self.take(","):
                arguments.append(self.ternary())
            self.need(")")
        return ("call", word, arguments)


def names_in(tree: Tree) -> list[str]:
    """Every name and every called name, in order: what an expression depends on."""
    found: list[str] = []
    if tree[0] in {"name", "call"}:
        found.append(tree[1])
    if tree[0] == "tcl":
        found += re.findall(r"value\s+([\w.]+)", tree[1])
    for part in tree[1:]:
        if isinstance(part, tuple):
            found += names_in(part)
        elif isinstance(part, list):
            for argument in part:
                found += names_in(argument)
    return found


def _divide(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a)
    return a / b


NUMBERS: dict[str, Callable[..., float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "%": lambda a, b: math.fmod(a, b),
    "**": lambda a, b: a**b,
    "<": lambda a, b: float(a < b),
    ">": lambda a, b: float(a > b),
    "<=": lambda a, b: float(a <= b),
    ">=": lambda a, b: float(a >= b),
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "&&": lambda a, b: float(bool(a) and bool(b)),
    "||": lambda a, b: float(bool(a) or bool(b)),
    "!": lambda a: float(not a),
    "negative": lambda a: -a,
    "?": lambda condition, yes, no: yes if condition else no,
    "abs": abs,
    "ceil": lambda a: float(math.ceil(a)),
    "floor": lambda a: float(math.floor(a)),
    "rint": lambda a: float(math.floor(a + 0.5)),
    "int": lambda a: float(int(a)),
    "trunc": lambda a: float(math.trunc(a)),
    "min": min,
    "max": max,
    "clamp": lambda a, low=0.0, high=1.0: min(max(a, low), high),
    "lerp": lambda a, b, x: a + (b - a) * x,
    "mix": lambda a, b, x: a + (b - a) * x,
    "step": lambda a, x: float(x >= a),
    "pow": lambda a, b: a**b,
    "pow2": lambda a: a * a,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "atan2": math.atan2,
    "hypot": math.hypot,
    "radians": math.radians,
    "degrees": math.degrees,
    "isnan": lambda a: float(math.isnan(a)),
    "isinf": lambda a: float(math.isinf(a)),
}


def evaluate(
    tree: Tree,
    *,
    name: Callable[[str], Any],
    at_frame: Callable[[str, float], Any] | None = None,
    tcl: Callable[[str], Any] | None = None,
    functions: Mapping[str, Callable[..., Any]] = NUMBERS,
) -> Any:
    """The value of a tree. `name` gives a name's value; `at_frame` that of `some.knob(frame)`; `tcl` that of `[…]`."""

    def value(part: Tree) -> Any:
        kind = part[0]
        if kind == "number":
            return part[1]
        if kind == "name":
            return {"pi": math.pi, "e": math.e}[part[1]] if part[1] == "pi" else name(part[1])
        if kind == "tcl":
            if tcl is None:
                raise ExpressionError(f"[{part[1]}] has no meaning here")
            return tcl(part[1])
        if kind == "?":
            if functions is NUMBERS:  # numbers take one branch only, as the other may not even have a value
                return value(part[2]) if value(part[1]) else value(part[3])
            return functions["?"](value(part[1]), value(part[2]), value(part[3]))
        if kind == "binary":
            return functions[part[1]](value(part[2]), value(part[3]))
        if kind == "unary":
            operand = value(part[2])
            return operand if part[1] == "+" else functions["negative" if part[1] == "-" else "!"](operand)
        if part[1] in functions and re.match(r"[a-z]", part[1]):
            return functions[part[1]](*[value(argument) for argument in part[2]])
        if at_frame is not None and len(part[2]) == 1:
            return at_frame(part[1], value(part[2][0]))
        raise ExpressionError(f"no function {part[1]!r} in expressions")

    return value(tree)
