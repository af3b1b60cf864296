"""Measures the grain of a plate: what differs between registered frames, or what is rough where the picture is flat.

Blocks of 16 x 16 samples from which a quadratic surface is taken hold grain and structure; the ones that hold grain
alone all have the variance ``a + b L`` (Foi 2008 for the model), up to chance, while structure is different everywhere
and always more. So the model is grown from the smoothest blocks until it explains all that chance allows, and is
believed only if the blocks then scatter as chance would have it: texture does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._fetch import TAPS, tap_weights
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate.light._grain import REACH, GrainModel

Reals = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_BLOCK = 16
_MOST_BLOCKS = 3000
_LEAST_BLOCKS = 24
_LAGS = 2 * REACH + 1
_ROUNDS = 10
_CLASSES = 12
"""Classes of light in which the smoothest blocks are looked for at first."""
_SMOOTHEST = 0.1
_CHANCE = 3.0
"""Standard deviations above the model that a block of mere grain may have."""
_LARGEST_SCATTER = 1.3
"""How much more than by chance the variances of blocks may scatter about the model; those of texture do by far."""
_LEAST_CHOSEN = 0.05
_LEAST_FLAT = 0.3
"""Part of the blocks that must hold grain alone, with and without a neighbour."""
_LARGEST_RIM = 0.15
"""Largest autocorrelation at a distance of 3 samples. What is coarser is a picture of something."""
_TIES = 0.1
"""Part of a block's samples at its greatest or smallest value that means clipping, or a drawn picture."""
_LEAST_GRAIN = 1e-3
"""Deviation as a part of the light that counts as grain; half floats round by 0.00014."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrainPicture:
    """Part of a frame at full resolution, and what another frame shows of the same places where that is known."""

    light: Array
    """``(height, width, channels)`` float32, linear."""
    known: Mask
    """``(height, width)``: plate, and no matte."""
    neighbour: Array | None = None
    """``(height, width, channels)``: light fetched from another frame, exposure matched; NaN where none."""
    x: Array | None = None
    """``(height, width)``: the addresses it was fetched from; only their fractions count."""
    y: Array | None = None


@dataclass(slots=True, kw_only=True)
class _Blocks:
    level: Reals
    """``(count, channels)``: mean light."""
    covariance: Reals
    """``(count, channels, 7, 7)``: of what is left without the quadratic surface."""
    cross: Reals
    """``(count, channels, channels)``: the same between channels, at lag 0."""
    second: Reals
    """``(count, 7, 7)``: autocorrelation of the weights of the neighbour's resampling; 0 without neighbour."""


def measure_grain(pictures: Sequence[GrainPicture]) -> GrainModel:
    """The grain that `pictures`, a few frames of one shot or parts of them, have in common.

    Give neighbours where the motion is known: textured pictures tell nothing without. The model is empty where there
    is no grain, as on clean computer graphics, or where grain cannot be told from structure.
    """
    channels = pictures[0].light.shape[-1]
    blocks = _joined([_blocks_of(picture) for picture in pictures])
    nothing = GrainModel.none(channels=channels)
    if len(blocks.level) < _LEAST_BLOCKS:
        return nothing
    shape = np.zeros((_LAGS, _LAGS))
    shape[REACH, REACH] = 1
    variance = blocks.covariance[:, :, REACH, REACH]
    share = _share(blocks, shape)
    model = _first_guess(blocks, variance / share[:, np.newaxis])
    chosen: Mask = np.zeros(len(variance), np.bool_)
    for _ in range(_ROUNDS):
        expected = np.maximum(_variance(model, blocks.level), 1e-20)
        ratio = variance / share[:, np.newaxis] / expected
        chosen = np.asarray((ratio < 1 + _CHANCE * _chance(shape)).all(axis=-1))
        if np.count_nonzero(chosen) < _LEAST_BLOCKS:
            return nothing
        model = _line(blocks.level[chosen], (variance / share[:, np.newaxis])[chosen], expected[chosen])
        # Scaled by the variances themselves, so that light and dark blocks have the same say.
        relative = (blocks.covariance[chosen] / expected[chosen][..., np.newaxis, np.newaxis]).mean(axis=(0, 1))
        shape = _undone(relative, blocks.second[chosen].mean(axis=0))
        share = _share(blocks, shape)
    expected = np.maximum(_variance(model, blocks.level), 1e-20)
    ratio = (variance / share[:, np.newaxis] / expected)[chosen]
    alone = not blocks.second.any()
    rim = np.concatenate([shape[0], shape[-1], shape[1:-1, 0], shape[1:-1, -1]])
    level = np.maximum(blocks.level[chosen], 2.0**-10)
    believed = (
        chosen.mean() > (_LEAST_FLAT if alone else _LEAST_CHOSEN)
        and _scatter(ratio, blocks.level[chosen], shape) < _LARGEST_SCATTER
        and rim.max() < _LARGEST_RIM
        and np.median(np.sqrt(expected[chosen]) / level) > _LEAST_GRAIN
    )
    if not believed:
        return nothing
    return _rounded(model, shape, blocks.cross[chosen] / expected[chosen].mean(axis=-1)[:, np.newaxis, np.newaxis])


def _scatter(ratio: Reals, level: Reals, shape: Reals) -> float:
    """Deviation of the blocks' variances among blocks of like light, 1 where chance alone makes it."""
    rest = []
    for channel in range(ratio.shape[-1]):
        order = np.argsort(level[:, channel], kind="stable")
        for part in np.array_split(order, max(1, min(_CLASSES, len(order) // _LEAST_BLOCKS))):
            # A curve that is no line says nothing against grain: film that was scanned to log has one.
            rest.append(ratio[part, channel] / max(float(ratio[part, channel].mean()), 1e-9) - 1)
    return float(np.concatenate(rest).std() / _chance(shape))


def _chance(shape: Reals) -> float:
    """Relative standard deviation of the variance of a block of grain."""
    return float(np.sqrt(2 * max(float((shape**2).sum()), 1.0))) / _BLOCK


def _rounded(model: Reals, shape: Reals, cross: Reals) -> GrainModel:
    """The model to four digits: what threads of a linear algebra library may change is below that."""
    total = cross.mean(axis=0)
    deviation = np.sqrt(np.maximum(np.diag(total), 1e-30))
    return GrainModel(
        a=np.array([float(f"{value:.4g}") for value in model[:, 0]], np.float32),
        b=np.array([float(f"{value:.4g}") for value in model[:, 1]], np.float32),
        autocorrelation=np.round(shape, 4).astype(np.float32),
        correlation=np.round(total / np.outer(deviation, deviation), 4).astype(np.float32),
    )


def _variance(model: Reals, level: Reals) -> Reals:
    """At `level` ``(count, channels)`` by `model` ``(channels, 2)``."""
    variance: Reals = model[:, 0] + model[:, 1] * np.maximum(level, 0)
    return variance


def _first_guess(blocks: _Blocks, variance: Reals) -> Reals:
    """A line through the smoothest blocks of each class of light."""
    lines = np.zeros((variance.shape[-1], 2))
    for channel in range(variance.shape[-1]):
        order = np.argsort(blocks.level[:, channel], kind="stable")
        smooth = []
        for part in np.array_split(order, max(1, min(_CLASSES, len(order) // _LEAST_BLOCKS))):
            ranked = part[np.argsort(variance[part, channel], kind="stable")]
            smooth.append(ranked[: max(1, round(_SMOOTHEST * len(part)))])
        chosen = np.concatenate(smooth)
        # The smoothest blocks of grain alone are some standard deviations below the mean.
        found = variance[chosen, channel : channel + 1] * (1 + 1.75 * np.sqrt(2) / _BLOCK)
        lines[channel] = _line(blocks.level[chosen, channel : channel + 1], found, np.maximum(found, 1e-20))
    return lines


def _line(level: Reals, variance: Reals, scale: Reals) -> Reals:
    """Least squares of ``a + b L``, neither below 0, with errors in proportion to `scale`: ``(channels, 2)``."""
    lines = np.zeros((level.shape[-1], 2))
    for channel in range(level.shape[-1]):
        weight = scale[:, channel] ** -2.0
        light, found = np.maximum(level[:, channel], 0), variance[:, channel]
        total, first, second = weight.sum(), (weight * light).sum(), (weight * light**2).sum()
        right, right_light = (weight * found).sum(), (weight * light * found).sum()
        determinant = total * second - first**2
        a = b = -1.0
        if determinant > 1e-9 * total * second:
            a, b = (
                (second * right - first * right_light) / determinant,
                (total * right_light - first * right) / determinant,
            )
        if b < 0:
            a, b = right / total, 0.0
        elif a < 0:
            a, b = 0.0, right_light / max(second, 1e-30)
        lines[channel] = a, b
    return lines


def _joined(parts: list[_Blocks]) -> _Blocks:
    count = sum(len(part.level) for part in parts)
    step = -(-count // _MOST_BLOCKS) if count else 1
    return _Blocks(
        level=np.concatenate([part.level for part in parts])[::step],
        covariance=np.concatenate([part.covariance for part in parts])[::step],
        cross=np.concatenate([part.cross for part in parts])[::step],
        second=np.concatenate([part.second for part in parts])[::step],
    )


def _blocks_of(picture: GrainPicture) -> _Blocks:
    height, width = (length // _BLOCK * _BLOCK for length in picture.known.shape)
    channels = picture.light.shape[-1]
    light = picture.light[:height, :width]
    rest = light if picture.neighbour is None else light - picture.neighbour[:height, :width]
    with np.errstate(invalid="ignore", over="ignore"):
        sound = picture.known[:height, :width] & np.isfinite(rest).all(axis=-1) & np.isfinite(light).all(axis=-1)
    whole = np.flatnonzero(_cut(sound[..., np.newaxis]).all(axis=(1, 2)))
    whole = whole[:: max(1, -(-len(whole) // _MOST_BLOCKS))]
    values = _cut(light)[whole].astype(np.float64)
    ties = [(values == values.max(axis=1, keepdims=True)), (values == values.min(axis=1, keepdims=True))]
    real = np.maximum(*(tied.mean(axis=1).max(axis=-1) for tied in ties)) <= _TIES
    values, rough = values[real], _cut(rest)[whole][real].astype(np.float64)
    surface = _surface()
    rough -= np.einsum("pk,nkc->npc", surface, np.einsum("pk,npc->nkc", surface, rough))
    second = np.zeros((len(values), _LAGS, _LAGS))
    if picture.neighbour is not None and picture.x is not None and picture.y is not None:
        positions = (_cut(axis[:height, :width, np.newaxis])[whole][real][:, ::5, 0] for axis in (picture.x, picture.y))
        across, down = (_weight_products(axis) for axis in positions)
        second = np.einsum("npi,npj->nij", down, across) / across.shape[1]
    return _Blocks(
        level=values.mean(axis=1),
        covariance=_covariance(rough.reshape(-1, _BLOCK, _BLOCK, channels)),
        cross=np.einsum("npi,npj->nij", rough, rough) / _BLOCK**2,
        second=second,
    )


def _cut(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Blocks ``(count, 256, channels)`` of a picture of whole blocks."""
    height, width, channels = values.shape
    blocks = values.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK, channels).swapaxes(1, 2)
    return blocks.reshape(-1, _BLOCK**2, channels)


def _lags() -> list[tuple[int, int]]:
    return [(y, x) for y in range(-REACH, REACH + 1) for x in range(-REACH, REACH + 1)]


def _overlap(lag: int) -> tuple[slice, slice]:
    """The samples of a line that have another `lag` further, and those others."""
    return slice(max(0, -lag), _BLOCK - max(0, lag)), slice(max(0, lag), _BLOCK - max(0, -lag))


def _covariance(rough: Reals) -> Reals:
    """Mean products of samples a lag apart, per block: ``(count, channels, 7, 7)``."""
    covariance = np.zeros((len(rough), rough.shape[-1], _LAGS, _LAGS))
    for y, x in _lags():
        if (y, x) > (0, 0):
            continue
        (rows, other_rows), (columns, other_columns) = _overlap(y), _overlap(x)
        products = rough[:, rows, columns] * rough[:, other_rows, other_columns]
        covariance[:, :, REACH + y, REACH + x] = covariance[:, :, REACH - y, REACH - x] = products.mean(axis=(1, 2))
    return covariance


def _weight_products(position: npt.NDArray[np.generic]) -> Reals:
    """Autocorrelation ``(…, 7)`` of the weights of fetching at positions."""
    position = np.asarray(position, np.float64)
    weights = tap_weights(position - np.floor(position))
    return np.stack(
        [
            (weights[..., max(0, -lag) : TAPS - max(0, lag)] * weights[..., max(0, lag) : TAPS - max(0, -lag)]).sum(
                axis=-1
            )
            for lag in range(-REACH, REACH + 1)
        ],
        axis=-1,
    )


@lru_cache(maxsize=1)
def _surface() -> Reals:
    """Orthonormal quadratic surfaces over a block, ``(256, 6)``."""
    y, x = (axis.ravel() / _BLOCK for axis in np.mgrid[:_BLOCK, :_BLOCK].astype(np.float64) - (_BLOCK - 1) / 2)
    basis, _ = np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1))
    return np.asarray(basis)


@lru_cache(maxsize=1)
def _seen() -> Reals:
    """What blocks without their surface show of an autocovariance, lag by lag: ``(49, 49)``."""
    surface = _surface()
    kept = np.eye(_BLOCK**2) - surface @ surface.T
    square = kept.reshape(-1, _BLOCK, _BLOCK)
    seen = np.zeros((_LAGS**2, _LAGS**2))
    for column, (y, x) in enumerate(_lags()):
        (rows, other_rows), (columns, other_columns) = _overlap(y), _overlap(x)
        shifted = np.zeros_like(square)
        shifted[:, other_rows, other_columns] = square[:, rows, columns]
        both = (shifted.reshape(_BLOCK**2, -1) @ kept).reshape((_BLOCK,) * 4)
        for row, (dy, dx) in enumerate(_lags()):
            (rows, other_rows), (columns, other_columns) = _overlap(dy), _overlap(dx)
            part = np.diagonal(both[rows, columns][:, :, other_rows, other_columns], axis1=0, axis2=2)
            seen[row, column] = np.diagonal(part, axis1=0, axis2=1).mean()
    return seen


def _added(second: Reals) -> Reals:
    """What the difference of two frames shows of an autocovariance: itself, and once more resampled: ``(49, 49)``."""
    both = np.eye(_LAGS**2)
    for row, (y, x) in enumerate(_lags()):
        for column, (other_y, other_x) in enumerate(_lags()):
            dy, dx = other_y - y + REACH, other_x - x + REACH
            if 0 <= dy < _LAGS and 0 <= dx < _LAGS:
                both[row, column] += second[dy, dx]
    return both


def _share(blocks: _Blocks, shape: Reals) -> Reals:
    """A block's expected variance as a part of its grain's, ``(count,)``."""
    row = _seen()[_LAGS**2 // 2].reshape(_LAGS, _LAGS)
    single = float((row * shape).sum())
    # The lag 0 of `_seen` after `_added`, for all blocks at once: the resampled shape, lag by lag.
    total = np.zeros((_LAGS, _LAGS))
    padded = np.pad(shape, _LAGS - 1)
    for y in range(_LAGS):
        for x in range(_LAGS):
            around = slice(y + REACH, y + REACH + _LAGS), slice(x + REACH, x + REACH + _LAGS)
            total += row[y, x] * padded[around]
    share: Reals = np.maximum(single + np.einsum("nij,ij->n", blocks.second, total), 0.05)
    return share


def _undone(relative: Reals, second: Reals) -> Reals:
    """The grain's own autocorrelation behind the mean covariance of the blocks, 1 in the middle."""
    covariance = np.linalg.solve(_seen() @ _added(second), relative.ravel()).reshape(_LAGS, _LAGS)
    covariance = (covariance + covariance[::-1, ::-1]) / 2
    shape: Reals = covariance / max(covariance[REACH, REACH], 1e-9)
    limited: Reals = np.clip(shape, -1, 1)
    return limited
