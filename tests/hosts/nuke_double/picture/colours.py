"""Colour spaces of Read and Write, in and out of linear light."""

from __future__ import annotations

import numpy as np

from .image import Image, PictureError, Plane

_LINEAR = {"linear", "scene_linear", "ACES - ACEScg", "ACEScg", "compositing_linear"}


def _srgb_to_linear(v: Plane) -> Plane:
    return np.where(v <= 0.04045, v / 12.92, ((np.maximum(v, 0.04045) + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _linear_to_srgb(v: Plane) -> Plane:
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * np.maximum(v, 0.0031308) ** (1 / 2.4) - 0.055).astype(np.float32)


def _rec709_to_linear(v: Plane) -> Plane:
    return np.where(v < 0.081, v / 4.5, ((np.maximum(v, 0.081) + 0.099) / 1.099) ** (1 / 0.45)).astype(np.float32)


def _linear_to_rec709(v: Plane) -> Plane:
    return np.where(v < 0.018, v * 4.5, 1.099 * np.maximum(v, 0.018) ** 0.45 - 0.099).astype(np.float32)


def _power(v: Plane, exponent: float) -> Plane:
    return (np.sign(v) * np.abs(v) ** exponent).astype(np.float32)


def converted(image: Image, space: str, *, to_linear: bool, default: str, node: str) -> Image:
    """The picture with its colours (every layer's red, green and blue) taken from a space, or into it."""
    chosen = default if space == "default" else space
    if chosen in _LINEAR:
        return image
    if chosen == "sRGB":
        curve = _srgb_to_linear if to_linear else _linear_to_srgb
    elif chosen == "rec709":
        curve = _rec709_to_linear if to_linear else _linear_to_rec709
    elif chosen.startswith("Gamma"):
        gamma = float(chosen[5:])

        def curve(v: Plane) -> Plane:
            return _power(v, gamma if to_linear else 1 / gamma)
    else:
        raise PictureError(f"{node}: the double does not know the colour space {chosen!r}")
    colours = {
        name: curve(plane) for name, plane in image.channels.items() if name.split(".")[-1] in {"red", "green", "blue"}
    }
    return image.with_channels(colours)
