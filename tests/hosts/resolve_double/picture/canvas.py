"""Layers over each other: grade, sizing, opacity. Pictures are RGBA, 32-bit float, rows from the top."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .files import read

Picture = npt.NDArray[np.float32]


def picture(canvas: dict[str, Any], size: tuple[int, int]) -> Picture:
    """A canvas at a size; alpha is what the topmost layer's window says, and 1 where there is none."""
    width, height = canvas["size"]
    result = np.zeros((height, width, 4), np.float32)
    for layer in canvas["layers"]:
        result = _over(result, *_layer(layer, (width, height), canvas["mismatch"]), layer)
    if (width, height) != size:
        result = resized(result, size)
    return result


def _layer(layer: dict[str, Any], size: tuple[int, int], mismatch: str) -> tuple[Picture, npt.NDArray[np.float32]]:
    """The layer at the canvas's size, and where it covers it (1, 0, or between with an alpha of its own)."""
    width, height = size
    if "fill" in layer:
        cover = np.full((height, width), layer["fill"][3], np.float32)
        return np.broadcast_to(np.array(layer["fill"], np.float32), (height, width, 4)).copy(), cover
    pixels = picture(layer["canvas"], tuple(layer["canvas"]["size"])) if "canvas" in layer else read(layer["path"])
    gain = np.float32(layer["gain"])
    if gain != 1:
        pixels[..., :3] *= gain
    window = layer["window"]
    if window is not None:
        pixels[..., 3] = _window(window, (pixels.shape[1], pixels.shape[0]))
    pixels, inside = _sized(pixels, size, layer["properties"], layer.get("scaling", "project"), mismatch)
    return pixels, inside


def _window(box: list[float], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """1 inside the box (left, bottom, right, top from 0 to 1)."""
    width, height = size
    found = np.zeros((height, width), np.float32)
    left, right = round(box[0] * width), round(box[2] * width)
    top, bottom = round((1 - box[3]) * height), round((1 - box[1]) * height)
    found[top:bottom, left:right] = 1
    return found


def _sized(
    pixels: Picture, size: tuple[int, int], shown: dict[str, Any], scaling: str, mismatch: str
) -> tuple[Picture, npt.NDArray[np.float32]]:
    """Fitted to the canvas, zoomed and moved by the clip's own sizing."""
    height, width = pixels.shape[:2]
    mode = {"centerCrop": "crop", "scaleToFit": "fit", "scaleToCrop": "fill", "stretch": "stretch"}[mismatch]
    mode = mode if scaling == "project" else scaling
    across, down = size[0] / width, size[1] / height
    scale = {
        "crop": (1.0, 1.0),
        "fit": (min(across, down),) * 2,
        "fill": (max(across, down),) * 2,
        "stretch": (across, down),
    }[mode]
    zoom = scale[0] * shown["ZoomX"], scale[1] * shown["ZoomY"]
    wanted = max(1, round(width * zoom[0])), max(1, round(height * zoom[1]))
    if wanted != (width, height):
        pixels = resized(pixels, wanted)
    if shown["FlipX"]:
        pixels = pixels[:, ::-1]
    if shown["FlipY"]:
        pixels = pixels[::-1]
    left = (size[0] - wanted[0]) // 2 + round(shown["Pan"])
    top = (size[1] - wanted[1]) // 2 - round(shown["Tilt"])
    result = np.zeros((size[1], size[0], 4), np.float32)
    inside = np.zeros((size[1], size[0]), np.float32)
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + wanted[0], size[0]), min(top + wanted[1], size[1])
    if x0 < x1 and y0 < y1:
        result[y0:y1, x0:x1] = pixels[y0 - top : y1 - top, x0 - left : x1 - left]
        inside[y0:y1, x0:x1] = 1
    for side, part in (
        ("CropLeft", np.s_[:, : x0 + round(shown["CropLeft"])]),
        ("CropTop", np.s_[: y0 + round(shown["CropTop"])]),
    ):
        if shown[side]:
            inside[part] = 0
    return result, inside


def _over(below: Picture, above: Picture, inside: npt.NDArray[np.float32], layer: dict[str, Any]) -> Picture:
    """Above where it covers, by its opacity; its own alpha is a matte and not transparency where a window made it."""
    cover = inside * np.float32(layer["properties"]["Opacity"] / 100)
    own = above[..., 3]
    if layer["window"] is None and "fill" not in layer:
        cover = cover * np.clip(own, 0, 1)
    mix = cover[..., None]
    result = np.where(mix == 1, above, np.where(mix == 0, below, above * mix + below * (1 - mix))).astype(np.float32)
    result[..., 3] = np.where(inside > 0, own, below[..., 3])
    return result


def resized(pixels: Picture, size: tuple[int, int]) -> Picture:
    """Bilinear, by pixel centres."""
    width, height = size

    def places(new: int, old: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]]:
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.floor(at).astype(np.intp)
        return low, np.minimum(low + 1, old - 1), (at - low).astype(np.float32)

    low, high, part = places(height, pixels.shape[0])
    rows = pixels[low] * (1 - part)[:, None, None] + pixels[high] * part[:, None, None]
    low, high, part = places(width, pixels.shape[1])
    found: Picture = rows[:, low] * (1 - part)[None, :, None] + rows[:, high] * part[None, :, None]
    return found.astype(np.float32)
