"""What the stock nodes do to pictures, as far as the double knows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from . import pixel_expressions
from .image import Box, Image, PictureError, Plane, intersection, named, union

# What a node's function is given: the node, the frame, and its inputs' pictures (None where nothing is connected).
Function = Callable[[Any, float, list["Image | None"]], Image]


def _need(node: Any, inputs: list[Image | None], place: int = 0) -> Image:
    found = inputs[place] if place < len(inputs) else None
    if found is None:
        raise PictureError(f"{node.fullName()}: no input {place}")
    return found


def at(node: Any, knob: str, frame: float, index: int = 0) -> float:
    """A number of a knob at a frame."""
    return float(node._knobs[knob]._at(index, frame))


def _four(node: Any, knob: str, frame: float) -> list[np.float32]:
    return [np.float32(at(node, knob, frame, index)) for index in range(4)]


def _boxes(node: Any, a: Image, b: Image) -> Box:
    chosen = node["bbox"].value()
    if chosen.startswith("union"):
        return union(a.box, b.box)
    if chosen == "intersection":
        return intersection(a.box, b.box)
    return a.box if chosen.startswith("A") else b.box


def _masked(node: Any, frame: float, before: Image, after: Image, mask: Image | None) -> Image:
    """Mix with what came in, by the knob mix and by the mask input."""
    amount: Any = np.float32(at(node, "mix", frame)) if "mix" in node._knobs else np.float32(1)
    if mask is not None:
        plane = mask.on(after.box).channel(named(node["maskChannelMask"].value(), list(mask.channels))[0])
        if node["invert_mask"].value():
            plane = np.float32(1) - plane
        amount = amount * plane
    elif amount == 1:
        return after
    old = before.on(after.box)
    planes = {name: old.channel(name) + (new - old.channel(name)) * amount for name, new in after.channels.items()}
    return replace(after, channels=planes)


def grade(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """Grade, forwards."""
    image = _need(node, inputs)
    if node["reverse"].value() or node["unpremult"].value() != "none":
        raise NotImplementedError("Grade with reverse or unpremult")
    knobs = {
        name: _four(node, name, frame)
        for name in ("blackpoint", "whitepoint", "black", "white", "multiply", "add", "gamma")
    }
    planes: dict[str, Plane] = {}
    with np.errstate(all="ignore"):
        for name in named(node["channels"].value(), list(image.channels)):
            if name not in image.channels:
                continue
            place = {"red": 0, "green": 1, "blue": 2}.get(name.split(".")[1], 3)
            low, high, black, white, gain, offset, gamma = (values[place] for values in knobs.values())
            slope = gain * (white - black) / (high - low)
            made = image.channels[name] * slope + (offset + black - slope * low)
            if gamma != 1:
                made = np.where(made > 0, np.power(np.maximum(made, 0), np.float32(1) / gamma), made)
            if node["black_clamp"].value():
                made = np.where(made < 0, np.float32(0), made)
            if node["white_clamp"].value():
                made = np.where(made > 1, np.float32(1), made)
            planes[name] = made.astype(np.float32)
    return _masked(node, frame, image, image.with_channels(planes), inputs[1] if len(inputs) > 1 else None)


def transform(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """Transform by whole pixels."""
    right, up = (at(node, "translate", frame, index) for index in (0, 1))
    plain = at(node, "rotate", frame) == 0 and all(at(node, "scale", frame, index) == 1 for index in (0, 1))
    if not plain or right % 1 or up % 1 or at(node, "skewX", frame) or at(node, "skewY", frame):
        raise NotImplementedError("Transform other than by whole pixels")
    sign = -1 if node["invert_matrix"].value() else 1
    return _need(node, inputs).moved(sign * int(right), sign * int(up))


def crop(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """Crop to a box; with `reformat` the box becomes the format."""
    image = _need(node, inputs)
    x, y, r, t = (round(at(node, "box", frame, index)) for index in range(4))
    wanted = (
        intersection((x, y, r, t), image.box) if node["intersect"].value() or node["crop"].value() else (x, y, r, t)
    )
    made = image.on(wanted)
    if node["reformat"].value():
        size = (r - x, t - y, 0, 0, r - x, t - y, image.format[6])
        made = replace(made.moved(-x, -y), format=size)
    return made


def _target(node: Any, frame: float, image: Image) -> tuple[Any, ...]:
    kind = node["type"].value()
    if kind == "to format":
        held = node["format"].value()
        return held._key()
    if kind == "scale":
        factor = at(node, "scale", frame)
        width, height = round(image.format[0] * factor), round(image.format[1] * factor)
        return (width, height, 0, 0, width, height, image.format[6])
    width = int(at(node, "box_width", frame))
    height = int(at(node, "box_height", frame))
    aspect = at(node, "box_pixel_aspect", frame)
    if not node["box_fixed"].value():
        height = round(image.format[1] * width / image.format[0] * aspect / image.format[6])
    return (width, height, 0, 0, width, height, aspect)


def reformat(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """Reformat; without resizing exact, else by the nearest pixel whatever the filter."""
    image = _need(node, inputs)
    size = _target(node, frame, image)
    if any(node[name].value() for name in ("flip", "flop", "turn")):
        raise NotImplementedError("Reformat with flip, flop or turn")
    resize = node["resize"].value()
    wide, high = size[0] / image.format[0], size[1] / image.format[1]
    squeeze = image.format[6] / size[6]
    across, up = {
        "none": (1.0, 1.0),
        "width": (wide, wide / squeeze),
        "height": (high * squeeze, high),
        "fit": min(((wide, wide / squeeze), (high * squeeze, high))),
        "fill": max(((wide, wide / squeeze), (high * squeeze, high))),
        "distort": (wide, high),
    }[resize]
    if abs(across - 1) > 1e-9 or abs(up - 1) > 1e-9:
        image = _scaled(image, across, up)
    if node["center"].value():
        left, low = (size[0] - image.format[0] * across) / 2, (size[1] - image.format[1] * up) / 2
        image = image.moved(int(np.floor(left)), int(np.floor(low)))
    image = replace(image, format=size)
    return image if node["pbb"].value() else image.on(intersection(image.box, (0, 0, size[0], size[1])))


def _scaled(image: Image, across: float, up: float) -> Image:
    x, y, r, t = image.box
    box = (
        round(x * across),
        round(y * up),
        max(round(r * across), round(x * across) + 1),
        max(round(t * up), round(y * up) + 1),
    )
    columns = np.clip(((np.arange(box[0], box[2]) + 0.5) / across - x).astype(int), 0, r - x - 1)
    rows = np.clip((t - (np.arange(box[3] - 1, box[1] - 1, -1) + 0.5) / up).astype(int), 0, t - y - 1)
    return replace(
        image, box=box, channels={name: plane[np.ix_(rows, columns)] for name, plane in image.channels.items()}
    )


def keymix(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """A m + B (1 - m), which where m is 0 and A infinite is no number: whether Nuke is kinder is not known."""
    b, a = _need(node, inputs, 0), _need(node, inputs, 1)
    mask = inputs[2] if len(inputs) > 2 else None
    box = _boxes(node, a, b)
    a, b = a.on(box), b.on(box)
    amount: Any = np.float32(at(node, "mix", frame))
    if mask is not None:
        plane = mask.on(box).channel(named(node["maskChannel"].value(), list(mask.channels))[0])
        amount = amount * (np.float32(1) - plane if node["invertMask"].value() else plane)
    every = list(dict.fromkeys([*b.channels, *a.channels]))
    with np.errstate(all="ignore"):
        planes = {
            name: (a.channel(name) * amount + b.channel(name) * (np.float32(1) - amount)).astype(np.float32)
            for name in named(node["channels"].value(), every)
        }
    return b.with_channels(planes)


def copy(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """Channels of A into B."""
    b, a = _need(node, inputs, 0), _need(node, inputs, 1)
    box = _boxes(node, a, b)
    a, b = a.on(box), b.on(box)
    planes = {name: a.channel(name) for name in named(node["channels"].value(), list(a.channels))}
    for place in range(4):
        source = named(node[f"from{place}"].value(), list(a.channels))
        target = named(node[f"to{place}"].value(), list(b.channels))
        if source and target:
            planes[target[0]] = a.channel(source[0])
    return _masked(node, frame, b, b.with_channels(planes), inputs[2] if len(inputs) > 2 else None)


def expression(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """Expression."""
    image = _need(node, inputs)
    made = pixel_expressions.evaluate(node, frame, {"": image}, image)
    return _masked(node, frame, image, made, inputs[1] if len(inputs) > 1 else None)


def merge_expression(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """MergeExpression: B is input 0, A is input 1."""
    b, a = _need(node, inputs, 0), _need(node, inputs, 1)
    box = _boxes(node, a, b)
    a, b = a.on(box), b.on(box)
    made = pixel_expressions.evaluate(node, frame, {"A": a, "B": b}, b)
    return _masked(node, frame, b, made, inputs[2] if len(inputs) > 2 else None)


def shuffle2(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """Shuffle2 by its mappings; a target layer replaces the one of its name in the first input."""
    image = _need(node, inputs)
    words = node["mappings"].value().split()
    planes: dict[str, Plane] = {}
    for place in range(int(words[0])):
        source, group, _, target = words[1 + 6 * place : 5 + 6 * place]
        if source in {"white", "black"}:
            planes[target] = np.full_like(image.channel("rgba.red"), 1 if source == "white" else 0)
            continue
        found = image if group == "0" or len(inputs) < 2 or inputs[1] is None else inputs[1].on(image.box)
        planes[target] = found.channel(source)
    return image.with_channels(planes)


def shuffle(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """Shuffle, the older one."""
    image = _need(node, inputs)
    known = list(image.channels)
    layers = {"": named(node["in"].value(), known), "2": named(node["in2"].value(), known)}
    order = ("red", "green", "blue", "alpha")
    planes: dict[str, Plane] = {}
    for place, target in enumerate(named(node["out"].value(), known)):
        word = node[order[place]].value()
        if word in {"black", "white"}:
            planes[target] = np.full_like(image.channel("rgba.red"), 1 if word == "white" else 0)
            continue
        source = layers["2" if word.endswith("2") else ""]
        index = order.index(word.rstrip("2"))
        planes[target] = image.channel(source[index] if index < len(source) else "none")
    return image.with_channels(planes)


def remove(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """Remove, or keep only, channels."""
    image = _need(node, inputs)
    chosen = {
        name
        for number in ("", "2", "3", "4")
        for name in named(node[f"channels{number}"].value(), list(image.channels))
    }
    keep = node["operation"].value() == "keep"
    return replace(image, channels={name: p for name, p in image.channels.items() if (name in chosen) == keep})


def add_channels(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """AddChannels: those that are missing, in a colour."""
    image = _need(node, inputs)
    if node["format_size"].value():
        image = image.on(union(image.box, (0, 0, image.format[0], image.format[1])))
    colour = _four(node, "color", frame)
    planes = {}
    for number in ("", "2", "3", "4"):
        for place, name in enumerate(named(node[f"channels{number}"].value(), list(image.channels))):
            if name not in image.channels:
                planes[name] = np.full_like(image.channel(name), colour[min(place, 3)])
    return image.with_channels(planes)


def constant(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """A colour everywhere."""
    size = node["format"].value()._key()
    colour = _four(node, "color", frame)
    box = (0, 0, size[0], size[1])
    wanted = named(node["channels"].value(), ["rgba.red", "rgba.green", "rgba.blue", "rgba.alpha"])
    planes = {}
    for place, name in enumerate(wanted):
        index = {"red": 0, "green": 1, "blue": 2, "alpha": 3}.get(name.split(".")[1], min(place, 3))
        planes[name] = np.full((size[1], size[0]), colour[index], np.float32)
    return Image(format=size, box=box, channels=planes)


def premult(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """Premult and Unpremult."""
    image = _need(node, inputs)
    alpha = image.channel(named(node["alpha"].value(), list(image.channels))[0])
    divide = node.Class() == "Unpremult"
    with np.errstate(all="ignore"):
        planes = {
            name: np.where(alpha == 0, image.channel(name), image.channel(name) / alpha)
            if divide
            else image.channel(name) * alpha
            for name in named(node["channels"].value(), list(image.channels))
        }
    return image.with_channels({name: plane.astype(np.float32) for name, plane in planes.items()})


def invert(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """Invert."""
    image = _need(node, inputs)
    wanted = named(node["channels"].value(), list(image.channels))
    made = image.with_channels({name: np.float32(1) - image.channel(name) for name in wanted if name in image.channels})
    return _masked(node, frame, image, made, None)


def modify_metadata(node: Any, frame: float, inputs: list[Image | None]) -> Image:
    """ModifyMetaData: set and remove."""
    from .. import _tcl

    image = _need(node, inputs)
    metadata = dict(image.metadata)
    for row in _tcl.words(node["metadata"].value()):
        words = [word.text for word in _tcl.words(row.text)]
        if words[0] == "set":
            metadata[words[1]] = words[2]
        elif words[0] == "remove":
            metadata.pop(words[1], None)
        else:
            raise NotImplementedError(f"ModifyMetaData with {words[0]}")
    return replace(image, metadata=metadata)


FUNCTIONS: dict[str, Function] = {
    "Grade": grade,
    "Transform": transform,
    "Crop": crop,
    "Reformat": reformat,
    "Keymix": keymix,
    "Copy": copy,
    "Expression": expression,
    "MergeExpression": merge_expression,
    "Shuffle": shuffle,
    "Shuffle2": shuffle2,
    "Remove": remove,
    "AddChannels": add_channels,
    "Constant": constant,
    "Premult": premult,
    "Unpremult": premult,
    "Invert": invert,
    "ModifyMetaData": modify_metadata,
}
