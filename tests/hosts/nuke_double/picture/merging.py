"""Merge2, by the formulas of the reference guide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .image import Image, PictureError, Plane, named
from .operations import FUNCTIONS, _boxes, _masked, _need

# Of A, B, and their alphas a and b.
OPERATIONS: dict[str, Callable[[Plane, Plane, Plane, Plane], Plane]] = {
    "atop": lambda A, B, a, b: A * b + B * (1 - a),
    "average": lambda A, B, a, b: (A + B) / 2,
    "copy": lambda A, B, a, b: A,
    "difference": lambda A, B, a, b: np.abs(A - B),
    "divide": lambda A, B, a, b: A / B,
    "from": lambda A, B, a, b: B - A,
    "in": lambda A, B, a, b: A * b,
    "mask": lambda A, B, a, b: B * a,
    "matte": lambda A, B, a, b: A * a + B * (1 - a),
    "max": lambda A, B, a, b: np.maximum(A, B),
    "min": lambda A, B, a, b: np.minimum(A, B),
    "minus": lambda A, B, a, b: A - B,
    "multiply": lambda A, B, a, b: A * B,
    "out": lambda A, B, a, b: A * (1 - b),
    "over": lambda A, B, a, b: A + B * (1 - a),
    "plus": lambda A, B, a, b: A + B,
    "screen": lambda A, B, a, b: np.where((A >= 0) & (B >= 0) & (A <= 1) & (B <= 1), A + B - A * B, np.maximum(A, B)),
    "stencil": lambda A, B, a, b: B * (1 - a),
    "under": lambda A, B, a, b: A * (1 - b) + B,
    "xor": lambda A, B, a, b: A * (1 - b) + B * (1 - a),
}


def merge(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """Merge2: B is input 0, A is input 1, the mask input 2, and more As come after."""
    operation = node["operation"].value()
    if operation not in OPERATIONS:
        raise NotImplementedError(f"Merge2 with the operation {operation}")
    chosen = [node[knob].value() for knob in ("Achannels", "Bchannels", "output")]
    if len(set(chosen)) != 1:
        raise NotImplementedError("Merge2 from or into different channels")
    tops = [image for image in [*inputs[1:2], *inputs[3:]] if image is not None]
    below = inputs[0] if inputs else None
    if below is None and not tops:
        raise PictureError(f"{node.fullName()}: no input")
    made = below if below is not None else tops.pop(0)
    for top in tops:
        made = _one(node, operation, top, made, chosen[0])
    before = _need(node, inputs) if below is not None else made
    return _masked(node, frame, before, made, inputs[2] if len(inputs) > 2 else None)


def _one(node: Any, operation: str, top: Image, below: Image, layer: str) -> Image:
    box = _boxes(node, top, below)
    top, below = top.on(box), below.on(box)
    every = list(dict.fromkeys([*below.channels, *top.channels]))
    wanted = dict.fromkeys([*named(layer, every), *named(node["also_merge"].value(), every)])
    a, b = top.channel("rgba.alpha"), below.channel("rgba.alpha")
    with np.errstate(all="ignore"):
        planes = {
            name: OPERATIONS[operation](top.channel(name), below.channel(name), a, b).astype(np.float32)
            for name in wanted
            if name in every
        }
    return below.with_channels(planes)


FUNCTIONS["Merge2"] = merge
