"""How much of a picture is grain."""

from __future__ import annotations

import cv2
import numpy as np

from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate.motion._proxy import Mask

_BLOCK = 8
_FLAT = 0.2
"""Part of the blocks that are taken to hold grain and no structure."""
_LARGEST = 0.02**2
"""In log light: a third of a stop from pixel to pixel. What is rougher is no grain but a picture of something."""
_RESPONSE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
"""Blind to planes and edges; white noise comes out with its own deviation (Immerkær 1996)."""


def noise_variance(pixels: Array, known: Mask) -> float:
    """Variance of the grain in a picture ``(height, width, channels)``, in the picture's units squared.

    For log light: the mean over channels, from the flattest fifth of the blocks that are wholly `known`, at most that
    of heavy grain; 0 where there are none.
    """
    height, width = known.shape[0] // _BLOCK * _BLOCK, known.shape[1] // _BLOCK * _BLOCK
    inside = cv2.erode(known.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)[:height, :width]
    response = np.abs(cv2.filter2D(pixels, -1, _RESPONSE)).reshape(*pixels.shape)[:height, :width]
    blocks = (height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    whole = inside.reshape(blocks).min(axis=(1, 3)) > 0
    if not whole.any():
        return 0.0
    deviation = np.sqrt(np.pi / 2) * response.reshape(*blocks, -1).mean(axis=(1, 3))[whole]
    return min(float(np.quantile((deviation.astype(np.float64) ** 2).mean(axis=-1), _FLAT)), _LARGEST)
