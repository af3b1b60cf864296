"""Grain for what was made: unit noise that depends on its place alone, shaped like the plate's, as much as is missing.

The model (S9): in linear light grain has the variance ``a + b L`` per channel, at light L, and an autocorrelation that
is the same for all channels. `_grain_measure` takes it from a plate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from overscan.core.engines.plate._fetch import TAPS, tap_weights
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._npz import save_arrays
from overscan.core.geometry import Window

REACH = 3
"""Grain that is further apart is independent."""
_SPECTRUM = 32
"""Size of the periodic picture that the autocorrelation is turned into a filter on."""
_FRACTIONS = 32
"""Steps of a sample in the table of what fetching keeps."""
_LEAST_TAP = 0.01
"""Filter taps that are smaller are what measuring errors make of none."""


def _gaussian_table(size: int) -> Array:
    """Normal deviates of equal odds, of variance 1: a table gives the same bits on any machine, a logarithm may not."""
    quantiles = np.array([NormalDist().inv_cdf((at + 0.5) / size) for at in range(size)])
    table: Array = (quantiles / np.sqrt((quantiles**2).mean())).astype(np.float32)
    return table


_TABLE_BITS = 12
_DEVIATES = _gaussian_table(1 << _TABLE_BITS)


@dataclass(frozen=True, kw_only=True)
class GrainModel:
    """The grain of a plate."""

    a: Array
    """``(channels,)``: variance at light 0, in linear light squared."""
    b: Array
    """``(channels,)``: variance per light."""
    autocorrelation: Array
    """``(7, 7)``, 1 in the middle, symmetric about it."""
    correlation: Array
    """``(channels, channels)``: between channels at one place, 1 on the diagonal."""

    @property
    def empty(self) -> bool:
        """Whether the plate has no grain (or none that could be told from its picture)."""
        return not (self.a.any() or self.b.any())

    def variance(self, light: Array) -> Array:
        """Variance of the grain at `light` ``(…, channels)``, which may be negative or NaN (counts as 0)."""
        level = np.maximum(np.nan_to_num(light, nan=0.0, posinf=0.0, neginf=0.0), np.float32(0))
        variance: Array = self.a + self.b * level
        return variance

    @cached_property
    def kernel(self) -> Array:
        """``(7, 7)``: the filter that gives white noise this autocorrelation, symmetric; its squares sum up to 1."""
        picture = np.zeros((_SPECTRUM, _SPECTRUM))
        at = np.arange(-REACH, REACH + 1)
        picture[np.ix_(at, at)] = self.autocorrelation
        # A measured autocorrelation need not be one: what its spectrum has below 0 is error.
        spectrum = np.sqrt(np.maximum(np.fft.fft2(picture).real, 0))
        kernel = np.fft.ifft2(spectrum).real[np.ix_(at, at)]
        kernel[np.abs(kernel) < _LEAST_TAP * np.abs(kernel).max()] = 0
        shaped: Array = (kernel / np.sqrt((kernel**2).sum())).astype(np.float32)
        return shaped

    @cached_property
    def mixing(self) -> Array:
        """``(channels, channels)``, lower triangular: turns independent channels into ones of this correlation."""
        channels = len(self.a)
        # Measured correlations may be just outside of what can be.
        sound = 0.999 * self.correlation.astype(np.float64) + 0.001 * np.eye(channels)
        values, vectors = np.linalg.eigh(sound)
        sound = (vectors * np.maximum(values, 1e-4)) @ vectors.T
        sound /= np.sqrt(np.outer(np.diag(sound), np.diag(sound)))
        mixing: Array = np.linalg.cholesky(sound).astype(np.float32)
        return mixing

    @cached_property
    def kept(self) -> Array:
        """``(33, 33)``: part of the variance that is left after fetching at fractions y, x of a sample, 0 to 1."""
        taps = tap_weights(np.linspace(0, 1, _FRACTIONS + 1))
        products = np.stack([_lagged(taps, lag) for lag in range(-REACH, REACH + 1)], axis=-1)
        kept = np.einsum("yi,xj,ij->yx", products, products, self.autocorrelation.astype(np.float64))
        table: Array = np.clip(kept, 0, 1).astype(np.float32)
        return table

    def save(self, path: Path) -> None:
        """Keep it in an .npz file, atomically."""
        save_arrays(
            path,
            {"a": self.a, "b": self.b, "autocorrelation": self.autocorrelation, "correlation": self.correlation},
        )

    @classmethod
    def load(cls, path: Path) -> GrainModel:
        """Read what `save` kept."""
        with np.load(path) as kept:
            return cls(**{name: kept[name] for name in ("a", "b", "autocorrelation", "correlation")})

    @classmethod
    def none(cls, *, channels: int) -> GrainModel:
        """The model of a plate without grain."""
        white = np.zeros((2 * REACH + 1, 2 * REACH + 1), np.float32)
        white[REACH, REACH] = 1
        nothing = np.zeros(channels, np.float32)
        return cls(a=nothing, b=nothing, autocorrelation=white, correlation=np.eye(channels, dtype=np.float32))


def _lagged(taps: npt.NDArray[np.float64], lag: int) -> npt.NDArray[np.float64]:
    """Sums of products of taps that lie `lag` apart."""
    sums: npt.NDArray[np.float64] = (
        taps[:, max(0, -lag) : TAPS - max(0, lag)] * taps[:, max(0, lag) : TAPS - max(0, -lag)]
    ).sum(axis=-1)
    return sums


def grain_field(
    model: GrainModel, *, seed: int, frame: int, window: Window, where: npt.NDArray[np.bool_] | None = None
) -> Array:
    """Noise of mean 0 and variance 1 with the model's correlations: ``(height, width, channels)`` float32.

    A value depends on `seed`, the `frame` number and the position in the plate's pixel space, not on which `window` is
    asked for. Where `where` ``(height, width)`` is false it is left 0.
    """
    channels = len(model.a)
    white = np.empty((window.height + 2 * REACH, window.width + 2 * REACH, channels), np.float32)
    _white(white, _key(seed, frame), window.x - REACH, window.y - REACH, _DEVIATES)
    field = np.zeros((*window.shape, channels), np.float32)
    rows, columns = (np.ascontiguousarray(index) for index in np.nonzero(model.kernel))
    wanted = np.ones(window.shape, np.bool_) if where is None else where
    _shape(white, rows, columns, model.kernel[rows, columns], model.mixing, wanted, field)
    return field


def kept_variance(x: Array, y: Array, *, model: GrainModel) -> Array:
    """Part of the grain's variance that is left after `fetch` at addresses `x`, `y` ``(count,)``, at most 1.

    1 where the address is a sample's own place; for white grain the sum of the squares of the weights. Read off a
    table of 33 x 33 fractions of a sample.
    """
    kept = np.ones(len(x), np.float32)
    _read_off(x, y, model.kept, kept)
    return kept


def regrain(light: Array, *, model: GrainModel, kept: Array | float, field: Array, level: Array | None = None) -> Array:
    """Add the grain that `light` ``(…, channels)`` lacks: ``sqrt((1 - kept) variance) field``.

    `kept` says how much of the plate's grain variance is in it already (``(…)`` or one number): 0 for what was made
    smooth, `kept_variance` for what was fetched, that divided by n after a mean of n frames. `field` is `grain_field`
    there; `level` the local mean light that sets the amount, `light` itself where None. Light that is NaN stays so.
    """
    if model.empty:
        return light
    missing = np.clip(1 - np.asarray(kept, np.float32), 0, 1)
    if missing.ndim:
        missing = missing[..., np.newaxis]
    grainy: Array = light + np.sqrt(missing * model.variance(light if level is None else level)) * field
    return grainy.astype(np.float32, copy=False)


def _key(seed: int, frame: int) -> np.uint64:
    """One number for a seed and a frame, any integers."""
    mask = (1 << 64) - 1
    mixed = 0
    for part in (seed, frame):
        mixed = (mixed ^ (part & mask)) * 0x9E3779B97F4A7C15 & mask
        mixed = (mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93 & mask
        mixed ^= mixed >> 29
    return np.uint64(mixed)


@njit(cache=True, nogil=True, inline="always")
def _hashed(value: Any) -> Any:
    """Mix 64 bits well (the finaliser of SplitMix64; Steele 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True, parallel=True)
def _white(white: Any, key: Any, left: Any, top: Any, deviates: Any) -> None:
    """Independent deviates: four channels' worth of bits come from each place's hash, more from hashing it again."""
    height, width, channels = white.shape
    for row in prange(height):
        line = _hashed(key + np.uint64(np.int64(top + row)) * np.uint64(0x9E3779B97F4A7C15))
        for column in range(width):
            bits = _hashed(line + np.uint64(np.int64(left + column)) * np.uint64(0xD1342543DE82EF95))
            for channel in range(channels):
                if channel % 4 == 0 and channel > 0:
                    bits = _hashed(bits + np.uint64(0x9E3779B97F4A7C15))
                part = (bits >> np.uint64(16 * (channel % 4))) & np.uint64((1 << _TABLE_BITS) - 1)
                white[row, column, channel] = deviates[np.int64(part)]


@njit(cache=True, nogil=True, parallel=True)
def _shape(white: Any, rows: Any, columns: Any, taps: Any, mixing: Any, wanted: Any, field: Any) -> None:
    """Filter and mix the channels, each value on its own."""
    height, width, channels = field.shape
    for y in prange(height):
        own = np.zeros(channels, np.float32)
        for x in range(width):
            if not wanted[y, x]:
                continue
            own[:] = 0
            for tap in range(len(taps)):
                for channel in range(channels):
                    own[channel] += taps[tap] * white[y + rows[tap], x + columns[tap], channel]
            for channel in range(channels):
                total = np.float32(0)
                for other in range(channel + 1):
                    total += mixing[channel, other] * own[other]
                field[y, x, channel] = total


@njit(cache=True, nogil=True, parallel=True)
def _read_off(x: Any, y: Any, table: Any, kept: Any) -> None:
    for index in prange(len(x)):
        if not (np.isfinite(x[index]) and np.isfinite(y[index])):
            continue
        across = (x[index] - np.floor(x[index])) * _FRACTIONS
        down = (y[index] - np.floor(y[index])) * _FRACTIONS
        left, top = min(int(across), _FRACTIONS - 1), min(int(down), _FRACTIONS - 1)
        u, v = across - left, down - top
        kept[index] = (table[top, left] * (1 - u) + table[top, left + 1] * u) * (1 - v) + (
            table[top + 1, left] * (1 - u) + table[top + 1, left + 1] * u
        ) * v
