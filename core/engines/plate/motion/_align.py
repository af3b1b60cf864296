"""Direct registration of two pictures: the last hundredth of a sample, which flow vectors do not give.

Gauss-Newton on the samples themselves (Lucas & Kanade 1981), inverse compositional (Baker & Matthews 2004), with the
second picture's gain and bias as unknowns (Evangelidis & Psarakis 2008) and Tukey's weights, so that neither flicker
nor what moves by itself pulls.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from overscan.core.engines.plate.motion._models import PARAMETERS, Frame, Matrix, distances, grid, project

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_BLUR = 1.0
"""Standard deviation of the smoothing, in samples: what lies finer is grain and aliasing."""
_MOST_SAMPLES = 40000
"""Of each small block of samples the one with the steepest slope is used; blocks are so large that no more remain."""
_LEAST_SLOPE = 1.0
"""Of 255, per sample."""
_LEAST_SAMPLES = 100
_ITERATIONS = 20
_DONE = 0.001
"""Steps shorter than this, in samples, end the search."""
_FARTHEST = 1.5
"""An answer farther from the first guess than this, in samples, is not an improvement of it."""
_MARGIN = 3


def align(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], *, model: Matrix, kind: str, use: Mask, there: Mask
) -> Matrix:
    """A better motion of `kind` near `model`, from the first to the second picture; `model` where there is none.

    Pictures ``(height, width)`` uint8; `use` are the samples of the first picture that belong to the plane, `there`
    those of the second that are known.
    """
    parameters = PARAMETERS[kind]
    if not parameters or min(first.shape) <= 4 * _MARGIN:
        return model
    one, other = _smooth(first), _smooth(second)
    frame = Frame.of(first.shape)
    columns, rows, across, down = _steepest(one, use)
    if len(columns) < _LEAST_SAMPLES:
        return model
    points = np.stack([columns, rows], axis=-1).astype(np.float64)
    moves = frame.derivatives(points, parameters)
    slopes = across[:, np.newaxis] * moves[:, 0] + down[:, np.newaxis] * moves[:, 1]
    values = one[rows, columns].astype(np.float64)
    reliable = cv2.erode(there.astype(np.uint8), np.ones((2 * _MARGIN + 1,) * 2, np.uint8))
    current = model
    for _ in range(_ITERATIONS):
        where = project(current, points)
        seen, sound = _sampled(other, reliable, where)
        if np.count_nonzero(sound) < _LEAST_SAMPLES:
            return model
        amounts = _solve(values[sound], seen[sound], slopes[sound])
        if amounts is None:
            return model
        change = frame.element(amounts)
        current = current @ np.linalg.inv(change)
        if distances(change, grid(first.shape), grid(first.shape)).max() < _DONE:
            break
    else:
        return model
    corners = grid(first.shape)
    moved = distances(current, corners, project(model, corners)).max()
    return current / current[2, 2] if np.isfinite(current).all() and moved < _FARTHEST else model


def _smooth(picture: npt.NDArray[np.uint8]) -> Array:
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), _BLUR), np.float32)


def _steepest(
    picture: Array, use: Mask
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Columns, rows and slopes (across, down) of the samples to look at, spread over the picture."""
    block = 2
    while picture.size > block * block * _MOST_SAMPLES:
        block += 1
    height, width = (length // block for length in picture.shape)
    across = cv2.filter2D(picture, cv2.CV_32F, np.array([[-0.5, 0, 0.5]], np.float32))
    down = cv2.filter2D(picture, cv2.CV_32F, np.array([[-0.5], [0], [0.5]], np.float32))
    size = np.where(use, across**2 + down**2, 0)
    size[:_MARGIN], size[-_MARGIN:], size[:, :_MARGIN], size[:, -_MARGIN:] = 0, 0, 0, 0
    blocks = size[: height * block, : width * block].reshape(height, block, width, block).swapaxes(1, 2)
    flat = blocks.reshape(height, width, block * block)
    which = flat.argmax(axis=-1)
    steep = flat.max(axis=-1) > _LEAST_SLOPE**2
    block_rows, block_columns = np.nonzero(steep)
    rows = block_rows * block + which[steep] // block
    columns = block_columns * block + which[steep] % block
    return columns, rows, across[rows, columns].astype(np.float64), down[rows, columns].astype(np.float64)


@njit(cache=True, nogil=True)
def _sampled(picture: Any, reliable: Any, where: Any) -> Any:
    """Values at positions ``(n, 2)``, bicubic (Keys 1981), and which of them are known."""
    height, width = picture.shape
    values, sound = np.zeros(where.shape[0]), np.zeros(where.shape[0], np.bool_)
    for index in range(where.shape[0]):
        x, y = where[index, 0], where[index, 1]
        if not (1 <= x < width - 2 and 1 <= y < height - 2) or reliable[int(y + 0.5), int(x + 0.5)] == 0:
            continue
        left, top = int(x), int(y)
        u, v = x - left, y - top
        across = (
            ((-0.5 * u + 1.0) * u - 0.5) * u,
            (1.5 * u - 2.5) * u * u + 1.0,
            ((-1.5 * u + 2.0) * u + 0.5) * u,
            (0.5 * u - 0.5) * u * u,
        )
        down = (
            ((-0.5 * v + 1.0) * v - 0.5) * v,
            (1.5 * v - 2.5) * v * v + 1.0,
            ((-1.5 * v + 2.0) * v + 0.5) * v,
            (0.5 * v - 0.5) * v * v,
        )
        total = 0.0
        for i in range(4):
            for j in range(4):
                total += down[i] * across[j] * picture[top + i - 1, left + j - 1]
        values[index], sound[index] = total, True
    return values, sound


def _solve(values: Matrix, seen: Matrix, slopes: Matrix) -> Matrix | None:
    """Amounts of motion by which the first picture's values become the second's, whatever its gain and bias."""
    rows = np.concatenate([seen[:, np.newaxis], np.ones((len(seen), 1)), -slopes], axis=1)
    answer = np.zeros(rows.shape[1])
    answer[0] = 1.0
    answer[1] = float(np.median(values - seen))
    # Weights follow from what is left over, so the first round must not weigh by a gain that is not known yet.
    for _ in range(2):
        left = values - _times(rows, answer)
        spread = 1.4826 * float(np.median(np.abs(left))) + 0.1
        weight = np.maximum(1 - (left / (4.685 * spread)) ** 2, 0) ** 2
        normal, right = _normal_equations(rows, values, weight)
        try:
            answer = np.linalg.solve(normal, right)
        except np.linalg.LinAlgError:
            return None
    if not np.isfinite(answer).all() or not 0.25 < answer[0] < 4:
        return None
    return np.asarray(answer[2:], np.float64)


@njit(cache=True, nogil=True)
def _times(rows: Any, answer: Any) -> Any:
    """A matrix product in one order of summation, whatever the number of threads."""
    result = np.zeros(rows.shape[0])
    for index in range(rows.shape[0]):
        total = 0.0
        for at in range(rows.shape[1]):
            total += rows[index, at] * answer[at]
        result[index] = total
    return result


@njit(cache=True, nogil=True)
def _normal_equations(rows: Any, values: Any, weight: Any) -> Any:
    count, unknowns = rows.shape
    normal, right = np.zeros((unknowns, unknowns)), np.zeros(unknowns)
    for index in range(count):
        if weight[index] > 0:
            for i in range(unknowns):
                scaled = weight[index] * rows[index, i]
                right[i] += scaled * values[index]
                for j in range(i + 1):
                    normal[i, j] += scaled * rows[index, j]
    for i in range(unknowns):
        for j in range(i):
            normal[j, i] = normal[i, j]
    return normal, right
