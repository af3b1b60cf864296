"""How far light that was painted with pieces of the plate is brightened or darkened to fit in."""

from __future__ import annotations

import cv2
import numpy as np

from overscan.core.colour import acescct_to_linear, gain_log2
from overscan.core.engines.plate._fill import as_seen, from_seen
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._pyramid import membrane
from overscan.core.engines.plate.motion._proxy import Mask

_SIGMA = 5.0
"""Nodes over which the gain is smoothed."""
_CAUTION = 0.7
"""How far what is painted is drawn to the smooth surface through what is known. A guess at what nobody has seen is
nearer the truth, by the mean, the less it insists."""
_SWEEPS = 64
_MOST = 6.0
"""Stops that light is brightened or darkened by at most."""


def painted_gain(*, blended: Array, fetched: Array, picture: Array, known: Mask, hole: Mask, painted: Mask) -> Array:
    """Stops ``(count, channels)`` to add to what is fetched for each node of the hole, in the order of its nodes.

    `blended` ``(height, width, channels)`` is what it should look like, log-shaped, and `picture` likewise what is
    `known` round it; `fetched` ``(count, channels)`` what it looks like, where `painted` ``(count,)``. Only the broad
    light is changed: the detail is the plate's. Means are taken as the eye sees: those of logarithms would come out
    too dark.
    """
    rows, columns = np.nonzero(hole)
    channels = fetched.shape[-1]
    smooth = membrane(_seen(picture), known, sweeps=_SWEEPS)
    goal = _seen(blended) + np.float32(_CAUTION) * (smooth - _seen(blended))
    both = np.zeros((*hole.shape, 2 * channels + 1), np.float32)
    both[rows[painted], columns[painted], :channels] = goal[rows, columns][painted]
    both[rows[painted], columns[painted], channels:-1] = _seen(fetched)[painted]
    both[rows[painted], columns[painted], -1] = 1
    spread = cv2.GaussianBlur(both, (0, 0), _SIGMA, borderType=cv2.BORDER_CONSTANT)[rows, columns]
    means = np.asarray(spread[:, :-1] / np.maximum(spread[:, -1:], np.float32(1e-3)), np.float32)
    stops = gain_log2(from_seen(means[:, :channels])) - gain_log2(from_seen(means[:, channels:]))
    limited: Array = np.clip(stops, -_MOST, _MOST)
    return limited


def _seen(pixels: Array) -> Array:
    """Log-shaped light as the eye sees it."""
    return as_seen(acescct_to_linear(pixels))
