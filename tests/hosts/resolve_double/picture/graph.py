"""Pictures of a flow in Fusion: RGBA, premultiplied, rows from the top; masks are one plane."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .canvas import picture
from .files import read

Picture = npt.NDArray[np.float32]


def flow(node: dict[str, Any]) -> Picture:
    """The picture of a tool."""
    made = _made(node)
    mask = node["inputs"].get("EffectMask")
    blend = node["values"].get("Blend", 1.0)
    main = node["inputs"].get("Input") or node["inputs"].get("Background")
    if node["kind"] in {"Loader", "MediaIn", "Background"} and mask is not None:
        return made * plane(mask, made.shape[:2])[..., None]
    if main is not None and (mask is not None or blend != 1):
        before = flow(main)
        mix = (
            np.full(made.shape[:2], blend, np.float32)
            if mask is None
            else plane(mask, made.shape[:2]) * np.float32(blend)
        )
        return _mixed(before, made, mix)
    return made


def _mixed(one: Picture, other: Picture, mix: npt.NDArray[np.float32]) -> Picture:
    part = mix[..., None]
    found: Picture = np.where(part == 0, one, np.where(part == 1, other, one * (1 - part) + other * part)).astype(
        np.float32
    )
    return found


def _premultiplied(pixels: Picture) -> Picture:
    return pixels  # EXR holds them so


def _made(node: dict[str, Any]) -> Picture:
    kind, values, inputs = node["kind"], node["values"], node["inputs"]
    if kind in {"Loader", "MediaIn"}:
        if "canvas" in node:
            return picture(node["canvas"], tuple(node["canvas"]["size"]))
        return _premultiplied(read(node["file"]))
    if kind == "Background":
        width, height = (
            node["size"] if values["UseFrameFormatSettings"] else (int(values["Width"]), int(values["Height"]))
        )
        colour = [values[f"TopLeft{name}"] for name in ("Red", "Green", "Blue", "Alpha")]
        return np.broadcast_to(np.array(colour, np.float32), (height, width, 4)).copy()
    if kind == "Merge":
        below = flow(inputs["Background"])
        if "Foreground" not in inputs:
            return below
        above = flow(inputs["Foreground"])
        if above.shape != below.shape:
            above = _placed(above, below.shape[:2])
        found: Picture = (above + below * (1 - above[..., 3:])).astype(np.float32)
        return np.where(above[..., 3:] == 1, above, np.where(above[..., 3:] == 0, below + above, found))
    if kind == "Dissolve":
        below, above = flow(inputs["Background"]), flow(inputs["Foreground"])
        return _mixed(below, above, np.full(below.shape[:2], values["Mix"], np.float32))
    if kind == "BrightnessContrast":
        found = flow(inputs["Input"]).copy()
        found[..., :3] = found[..., :3] * np.float32(values["Gain"]) + np.float32(values["Brightness"])
        return found
    if kind == "Blur":
        return _blurred(
            flow(inputs["Input"]), values["XBlurSize"], values["XBlurSize"] if values["LockXY"] else values["YBlurSize"]
        )
    if kind == "ChannelBoolean":
        return _channels(
            flow(inputs["Background"]), flow(inputs["Foreground"]) if "Foreground" in inputs else None, values
        )
    if kind in {"Transform", "Saver", "MediaOut", "Crop", "MatteControl"}:
        if kind != "Saver" and any(
            values.get(name) != plain for name, plain in (("Size", 1.0), ("Angle", 0.0)) if name in values
        ):
            raise ValueError(f"the double does not render {node['name']} ({kind}) with these values")
        return flow(inputs.get("Input") or inputs["Background"])
    raise ValueError(f"the double does not render {node['name']} ({kind})")


def _placed(pixels: Picture, size: tuple[int, ...]) -> Picture:
    """In the middle of another size."""
    result = np.zeros((*size, 4), np.float32)
    top, left = (size[0] - pixels.shape[0]) // 2, (size[1] - pixels.shape[1]) // 2
    rows = slice(max(top, 0), min(top + pixels.shape[0], size[0]))
    columns = slice(max(left, 0), min(left + pixels.shape[1], size[1]))
    result[rows, columns] = pixels[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return result


def _blurred(pixels: Picture, across: float, down: float) -> Picture:
    for axis, radius in ((1, round(across)), (0, round(down))):
        if radius > 0:
            shifted = [np.roll(pixels, step, axis) for step in range(-radius, radius + 1)]
            pixels = (sum(shifted[1:], shifted[0]) / np.float32(len(shifted))).astype(np.float32)
    return pixels


# The choices of ToRed … ToAlpha: 0..3 the foreground's red, green, blue, alpha; 4 do not change; 5..8 the background's;
# 15 black, 16 white.
def _channels(below: Picture, above: Picture | None, values: dict[str, Any]) -> Picture:
    result = below.copy()
    source = below if above is None else above
    for place, name in enumerate(("ToRed", "ToGreen", "ToBlue", "ToAlpha")):
        choice = int(values[name])
        if choice in range(4):
            result[..., place] = source[..., choice]
        elif choice in range(5, 9):
            result[..., place] = below[..., choice - 5]
        elif choice in {15, 16}:
            result[..., place] = choice - 15
    return result


def plane(node: dict[str, Any], size: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """A mask, 0 to 1, at a size."""
    values = node["values"]
    height, width = size
    found = np.zeros((height, width), np.float32)
    rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    rows = 1 - rows  # y goes up
    if node["kind"] in {"RectangleMask", "EllipseMask"}:
        x = (columns - values["Center"]["1.0"]) / (values["Width"] / 2)
        y = (rows - values["Center"]["2.0"]) * height / width / (values["Height"] * height / width / 2)
        inside = (np.abs(x)[None] <= 1) & (np.abs(y)[:, None] <= 1)
        if node["kind"] == "EllipseMask":
            inside = x[None] ** 2 + y[:, None] ** 2 <= 1
        found[inside] = 1
    elif node["kind"] in {"PolygonMask", "BSplineMask"}:
        found[_inside(values.get("Polyline"), columns, rows, values["Center"])] = 1
    elif node["kind"] == "BitmapMask":
        pixels = flow(node["inputs"]["Image"])
        channel = {"Red": 0, "Green": 1, "Blue": 2, "Alpha": 3}.get(values["Channel"])
        held = pixels[..., :3].mean(axis=2) if channel is None else pixels[..., channel]
        low, high = values["Low"], values["High"]
        found = np.clip((held - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
        if found.shape != (height, width):
            raise ValueError(f"{node['name']} has another size")
    else:
        raise ValueError(f"the double does not render the mask {node['kind']}")
    if values.get("SoftEdge"):
        found = _blurred(found[..., None], values["SoftEdge"] * width, values["SoftEdge"] * width)[..., 0]
    if values.get("Invert"):
        found = 1 - found
    inner = node["inputs"].get("EffectMask")
    if inner is not None:  # masks add up
        found = np.maximum(found, plane(inner, size))
    return (found * np.float32(values.get("Level", 1.0))).astype(np.float32)


def _inside(line: Any, columns: Any, rows: Any, middle: Any) -> npt.NDArray[np.bool_]:
    """Even-odd inside of a polygon whose points count from the mask's middle."""
    found = np.zeros((len(rows), len(columns)), bool)
    points = [(point["X"] + middle["1.0"], point["Y"] + middle["2.0"]) for point in _points(line)]
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        crosses = (y0 > rows) != (y1 > rows)
        if y0 == y1:
            continue
        at = x0 + (rows - y0) / (y1 - y0) * (x1 - x0)
        found ^= crosses[:, None] & (columns[None] < at[:, None])
    return found


def _points(line: Any) -> list[dict[str, float]]:
    if not line:
        return []
    held = line.get("Points", line)
    return [
        held[key]
        for key in sorted(held, key=lambda name: float(name) if name[0].isdigit() else 1e9)
        if key[0].isdigit()
    ]
