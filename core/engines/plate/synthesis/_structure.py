"""What a picture repeats and where its lines run: hints for the search (He & Sun 2012; Huang 2014)."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate.synthesis._patchmatch import key_for, measure, scatter, search

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int32]

_NEAREST = 1 / 15
"""Offsets shorter than this part of the picture's longer side say only that pictures are smooth (He & Sun 2012)."""
_ITERATIONS = 6
_BINS = 90
"""Line directions told apart over half a turn."""
_LEAST_LINES = 0.04
"""Least part of all line energy that makes a direction a dominant one."""


def dominant_offsets(
    picture: Array, *, usable: Mask, centres: Numbers, patch: int, colours: int, limit: float, seed: int, most: int
) -> Numbers:
    """Up to `most` offsets (rows, columns) ``(n, 2)`` at which `picture` repeats itself, the commonest first.

    `picture` is ``(height, width, channels)`` float32, of which the first `colours` are colours; `centres` ``(n, 2)``
    are the pixels whose patch of `patch` x `patch` is all `usable`. Statistics of patch offsets of He & Sun 2012.
    """
    height, width = usable.shape
    valid = np.zeros((height, width), np.uint8)
    valid[centres[:, 0], centres[:, 1]] = 1
    weight = usable.astype(np.float32)
    at_row = np.full((height, width), -1, np.int32)
    at_column = np.full((height, width), -1, np.int32)
    cost = np.zeros((height, width), np.float32)
    bias = np.zeros((height, width, colours), np.float32)
    rows, columns = np.ascontiguousarray(centres[:, 0]), np.ascontiguousarray(centres[:, 1])
    scatter(rows, columns, key_for(seed), centres, at_row, at_column)
    radius, apart = patch // 2, max(height, width) * _NEAREST
    nothing = np.zeros((0, 2), np.int32)
    tops = np.zeros(height, np.int32)
    free = (np.float32(0), np.float32(0), tops, nothing.astype(np.float32))
    judged = (picture, weight, picture, radius, colours, np.float32(limit), *free)
    measure(rows, columns, *judged, at_row, at_column, cost, bias)
    # A pixel that chance gave an address too near to itself has to find another.
    near = np.hypot(at_row[rows, columns] - rows, at_column[rows, columns] - columns) < apart
    cost[rows[near], columns[near]] = np.inf
    odd = (rows + columns) % 2 == 1
    for iteration in range(_ITERATIONS):
        for colour in (odd, ~odd):
            key = key_for(seed, iteration)
            search(
                rows[colour],
                columns[colour],
                key,
                picture,
                weight,
                picture,
                valid,
                centres,
                nothing,
                radius,
                colours,
                np.float32(limit),
                5,
                6,
                apart,
                *free,
                at_row,
                at_column,
                cost,
            )
    found = np.isfinite(cost[rows, columns])
    down = (at_row[rows, columns] - rows)[found]
    right = (at_column[rows, columns] - columns)[found]
    votes = np.zeros((2 * height - 1, 2 * width - 1), np.float32)
    np.add.at(votes, (down + height - 1, right + width - 1), np.float32(1))
    votes += votes[::-1, ::-1]
    smooth = cv2.GaussianBlur(votes, (0, 0), 1.0)
    peak = (smooth >= cv2.dilate(smooth, np.ones((5, 5), np.uint8))) & (smooth > 0)
    places = np.flatnonzero(peak)
    order = places[np.argsort(-smooth.ravel()[places], kind="stable")][:most]
    offsets = np.stack(np.unravel_index(order, smooth.shape), axis=-1) - (height - 1, width - 1)
    return np.ascontiguousarray(offsets.astype(np.int32))


def line_directions(picture: Array, *, known: Mask, most: int) -> Array:
    """Up to `most` unit vectors (rows, columns) ``(n, 2)`` float32 along which the lines of `picture` run.

    From the structure tensor of its channels' mean, where `known`; a direction counts by the strength and the
    straightness of the edges that have it.
    """
    grey = picture.mean(axis=-1)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    right = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    inside = cv2.erode(known.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=0) > 0
    down, right = np.where(inside, down, 0), np.where(inside, right, 0)
    downs, rights, both = (cv2.GaussianBlur(part, (0, 0), 2.0) for part in (down * down, right * right, down * right))
    strength = downs + rights
    straight = np.hypot(downs - rights, 2 * both) / np.maximum(strength, 1e-12)
    energy = np.where(straight > 0.8, strength * straight, 0)
    # The gradient's angle is half of the tensor's; the line runs square to it.
    angle = 0.5 * np.arctan2(2 * both, rights - downs) + np.pi / 2
    place = angle / np.pi * _BINS
    votes = np.bincount(
        np.floor(place).astype(np.int64).ravel() % _BINS, weights=energy.ravel().astype(np.float64), minlength=_BINS
    )
    ring = (np.roll(votes, 1) + 2 * votes + np.roll(votes, -1)) / 4
    peaks = np.flatnonzero((ring >= np.roll(ring, 1)) & (ring > np.roll(ring, -1)) & (ring > _LEAST_LINES * ring.sum()))
    peaks = peaks[np.argsort(-ring[peaks], kind="stable")][:most]
    directions = np.zeros((len(peaks), 2), np.float32)
    for index, peak_bin in enumerate(peaks):
        near = np.abs((place - peak_bin - 0.5 + _BINS / 2) % _BINS - _BINS / 2) < 1.5
        weights = energy[near].astype(np.float64)
        mean = 0.5 * np.arctan2((weights * np.sin(2 * angle[near])).sum(), (weights * np.cos(2 * angle[near])).sum())
        directions[index] = (np.sin(mean), np.cos(mean))
    return directions
