"""Expression and MergeExpression: one number for every pixel, branches selected and never mixed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _expressions
from .image import Image, PictureError, named

Values = Any  # planes or single float32 numbers


def _number(value: Any) -> Any:
    return np.asarray(value, np.float32)


def _truth(value: Any) -> Any:
    return np.asarray(value) != 0


PIXELS: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": np.fmod,
    "**": lambda a, b: np.power(a, b),
    "<": lambda a, b: _number(a < b),
    ">": lambda a, b: _number(a > b),
    "<=": lambda a, b: _number(a <= b),
    ">=": lambda a, b: _number(a >= b),
    "==": lambda a, b: _number(a == b),
    "!=": lambda a, b: _number(a != b),
    "&&": lambda a, b: _number(_truth(a) & _truth(b)),
    "||": lambda a, b: _number(_truth(a) | _truth(b)),
    "!": lambda a: _number(~_truth(a)),
    "negative": lambda a: -a,
    "?": lambda condition, yes, no: np.where(_truth(condition), yes, no),
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "rint": np.rint,
    "int": np.trunc,
    "trunc": np.trunc,
    "min": lambda *all_: np.minimum.reduce(np.broadcast_arrays(*all_)),
    "max": lambda *all_: np.maximum.reduce(np.broadcast_arrays(*all_)),
    "clamp": lambda a, low=0.0, high=1.0: np.minimum(np.maximum(a, _number(low)), _number(high)),
    "lerp": lambda a, b, x: a + (b - a) * x,
    "mix": lambda a, b, x: a + (b - a) * x,
    "step": lambda a, x: _number(x >= a),
    "pow": np.power,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "isnan": lambda a: _number(np.isnan(a)),
    "isinf": lambda a: _number(np.isinf(a)),
}
_SHORT = {"r": "rgba.red", "g": "rgba.green", "b": "rgba.blue", "a": "rgba.alpha"}
_SHORT.update({"red": "rgba.red", "green": "rgba.green", "blue": "rgba.blue", "alpha": "rgba.alpha"})
_SHORT["z"] = "depth.Z"


def evaluate(node: Any, frame: float, inputs: dict[str, Image], base: Image) -> Image:
    """`inputs` by the letter before their channels ("" for Expression); the result has the base's other channels."""
    shape = (base.box[3] - base.box[1], base.box[2] - base.box[0])
    temporary: dict[str, Any] = {}

    def name(word: str) -> Values:
        if word in temporary:
            return temporary[word]
        if word in {"x", "y"}:
            rows, columns = np.indices(shape, np.float32)
            return columns + np.float32(base.box[0]) if word == "x" else np.float32(base.box[3] - 1) - rows
        if word in {"width", "height"}:
            return np.float32(base.format[0 if word == "width" else 1])
        for letter, image in inputs.items():
            rest = word[len(letter) :]
            if not word.startswith(letter) or not rest:
                continue
            channel = _SHORT.get(rest, rest)
            if "." in channel and (channel in image.channels or channel in _SHORT.values()):
                return image.channel(channel)
        from .. import _knob_expressions

        try:
            return np.float32(_knob_expressions.number(word, node, frame))
        except _expressions.ExpressionError as problem:
            raise PictureError(f"{node.fullName()}: {problem}") from problem

    def value(text: str) -> Any:
        try:
            tree = _typed(_expressions.parse(text))
            return _expressions.evaluate(tree, name=name, functions=PIXELS)
        except _expressions.ExpressionError as problem:
            raise PictureError(f"{node.fullName()}: {problem}") from problem

    planes = {}
    with np.errstate(all="ignore"):
        for place in range(4):
            title = node[f"temp_name{place}"].value()
            if title:
                temporary[title] = value(node[f"temp_expr{place}"].value())
        for place in range(4):
            text = node[f"expr{place}"].value()
            if not text:
                continue
            made = np.ascontiguousarray(np.broadcast_to(np.asarray(value(text), np.float32), shape))
            for channel in named(node[f"channel{place}"].value(), list(base.channels)):
                planes[channel] = made
    return base.with_channels(planes)


def _typed(tree: Any) -> Any:
    """The tree with its numbers as float32, so that no array is ever widened."""
    if tree[0] == "number":
        return ("number", np.float32(tree[1]))
    return tuple(
        _typed(part) if isinstance(part, tuple) else [_typed(one) for one in part] if isinstance(part, list) else part
        for part in tree
    )
