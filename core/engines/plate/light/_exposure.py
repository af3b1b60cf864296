"""How light differs between the frames of one shot: flicker, exposure ramps, drifting white balance, vignetting (S6).

The model: in stops, frame f shows ``scene + gain[f, channel] + V(r)``, where r is the distance from the display
window's centre, 1 at its corners, and ``V(r) = v2 r² + v4 r⁴`` is one falloff for the shot (Goldman & Chen 2005, with
exposures per channel as in Brown & Lowe 2007). Block means of registered pictures give differences of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate._npz import save_arrays
from overscan.core.engines.plate.light._exposure_fit import Equations, fit
from overscan.core.geometry import Window

Mask = npt.NDArray[np.bool_]

_BLOCK = 8
"""Size of the blocks that are compared, in samples of the pictures."""
_FILLED = 0.6
"""Least part of a block that must be known in both pictures."""
_DARK = 2.0**-7
"""Light of a block mean below which its ratio says more about black levels and noise than about exposure."""
_MISFIT = 0.02
"""How far, as a part of the light, samples of a block may differ after matching before the block counts less."""
_PLATEAU = 16
"""Samples at one and the same greatest value that betray clipping, where both pictures have that value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSamples:
    """What two frames show of the same places."""

    first: Array
    """``(count, 2)``: x and y in the first frame, in the plate's pixel space."""
    second: Array
    """The same places in the second frame."""
    stops: Array
    """``(count, channels)``: log2 of the second's light minus that of the first's."""
    weight: Array
    """``(count, channels)``, relative; 0 where a channel is too dark or clipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """The light of all frames of a shot, relative to each other."""

    gains: Array
    """``(frames, channels)`` in stops; mean 0 over the frames that are linked to each other."""
    falloff: tuple[float, float]
    """v2 and v4, in stops."""
    display: Window

    def gain(self, *, source: int, target: int, x_source: Array, y_source: Array, x: Array, y: Array) -> Array:
        """Stops to add to light fetched from `source` at `x_source`, `y_source` to be seen in `target` at `x`, `y`.

        Frames by index, positions ``(count,)`` in the plate's pixel space; returns ``(count, channels)`` float32.
        Beyond the corners of the display window the falloff stays what it is there.
        """
        change = self._fall(x, y) - self._fall(x_source, y_source)
        stops: Array = (self.gains[target] - self.gains[source])[np.newaxis] + change[:, np.newaxis]
        return stops

    def save(self, path: Path) -> None:
        """Keep it in an .npz file, atomically."""
        window = self.display
        save_arrays(
            path,
            {
                "gains": self.gains,
                "falloff": np.array(self.falloff),
                "display": np.array([window.x, window.y, window.width, window.height]),
            },
        )

    @classmethod
    def load(cls, path: Path) -> Exposure:
        """Read what `save` kept."""
        with np.load(path) as kept:
            x, y, width, height = (int(value) for value in kept["display"])
            v2, v4 = (float(value) for value in kept["falloff"])
            return cls(gains=kept["gains"], falloff=(v2, v4), display=Window(x=x, y=y, width=width, height=height))

    def _fall(self, x: Array, y: Array) -> Array:
        if self.falloff == (0.0, 0.0):
            return np.zeros(len(x), np.float32)
        falloff: Array = (_radial(x, y, self.display) * self.falloff).sum(axis=-1).astype(np.float32)
        return falloff


def sample_pair(
    *, first: Array, second: Array, known_first: Mask, known_second: Mask, addresses: Array, lattice: Lattice
) -> PairSamples:
    """Compare the light of two small pictures of a shot, block by block.

    `first` and `second` are ``(height, width, channels)`` float32, linear light; thumbnails by `acescct_to_linear` will
    do, since a gain shifts a mean of logarithms as a whole. `known_first`, `known_second` are ``(height, width)``.
    `addresses` ``(height, width, 2)`` says for every sample of the first where the second shows it, x and y in the
    plate's pixel space, NaN for nowhere. `lattice` is the one of both pictures.
    """
    height, width, channels = first.shape
    column = (addresses[..., 0].ravel() - lattice.x0) / lattice.dx
    row = (addresses[..., 1].ravel() - lattice.y0) / lattice.dy
    clip = _clip_level(first, second, known_first, known_second)
    there = np.where(known_second[..., np.newaxis], second, np.float32(np.nan))
    values, sound = fetch(there, column.astype(np.float32), row.astype(np.float32))
    other = values.reshape(first.shape)
    whole = known_first & np.isfinite(first).all(axis=-1) & sound.reshape(height, width)
    one, two = np.where(whole[..., np.newaxis], first, 0), np.where(whole[..., np.newaxis], other, 0)
    clipped = (np.maximum(one, two) >= clip).astype(np.float32)
    x, y = lattice.nodes()
    positions = np.where(whole[..., np.newaxis], np.stack([x, y], axis=-1), 0)
    moved = np.where(whole[..., np.newaxis], addresses, 0)
    count = _block_sums(whole[..., np.newaxis].astype(np.float32))
    per = np.maximum(count, 1)
    mean_one, mean_two = _block_sums(one) / per, _block_sums(two) / per
    usable = (count >= _FILLED * _BLOCK**2) & (np.minimum(mean_one, mean_two) > _DARK) & (_block_sums(clipped) == 0)
    scaled_one = one / np.maximum(_spread(mean_one, first.shape), _DARK)
    scaled_two = two / np.maximum(_spread(mean_two, first.shape), _DARK)
    misfit = (_block_sums(np.abs(scaled_one - scaled_two) * whole[..., np.newaxis]) / per).mean(axis=-1, keepdims=True)
    weight = np.where(usable, 1 / (_MISFIT**2 + misfit**2), 0).reshape(-1, channels)
    stops = np.log2(np.maximum(mean_two, _DARK)) - np.log2(np.maximum(mean_one, _DARK))
    chosen = weight.any(axis=-1)
    return PairSamples(
        first=(_block_sums(positions) / per).reshape(-1, 2)[chosen].astype(np.float32),
        second=(_block_sums(moved) / per).reshape(-1, 2)[chosen].astype(np.float32),
        stops=stops.reshape(-1, channels)[chosen].astype(np.float32),
        weight=weight[chosen].astype(np.float32),
    )


def solve_exposure(
    samples: Mapping[tuple[int, int], PairSamples], *, frames: int, channels: int, display: Window
) -> Exposure:
    """The exposure of a shot from comparisons of any pairs of its `frames` frames, by index.

    Robust least squares; movers and changes of the scene are outvoted. Gains that are within what the comparisons'
    own noise would make come out as 0, and so does a falloff that not all parts of the frame agree on, or that the
    camera moves too little to show. A frame that nothing is compared with has gain 0.
    """
    pairs = [pair for pair in sorted(samples) if len(samples[pair].stops)]
    nothing = Exposure(gains=np.zeros((frames, channels), np.float32), falloff=(0.0, 0.0), display=display)
    if not pairs:
        return nothing
    chosen = [samples[pair] for pair in pairs]
    first = np.concatenate([pair.first for pair in chosen])
    second = np.concatenate([pair.second for pair in chosen])
    middle = (first + second) / 2 - _centre(display)
    equations = Equations(
        edges=np.array(pairs, np.int64),
        pair=np.repeat(np.arange(len(pairs)), [len(pair.stops) for pair in chosen]),
        stops=np.concatenate([pair.stops for pair in chosen]).astype(np.float64),
        weight=np.concatenate([pair.weight for pair in chosen]).astype(np.float64),
        radial=_radial(second[:, 0], second[:, 1], display) - _radial(first[:, 0], first[:, 1], display),
        quarter=(middle[:, 0] > 0).astype(np.int64) + 2 * (middle[:, 1] > 0),
    )
    gains, falloff = fit(equations, frames=frames)
    return Exposure(gains=gains.astype(np.float32), falloff=falloff, display=display)


def _centre(display: Window) -> npt.NDArray[np.float64]:
    return np.array([display.x + (display.width - 1) / 2, display.y + (display.height - 1) / 2])


def _radial(x: Array, y: Array, display: Window) -> npt.NDArray[np.float64]:
    """r² and r⁴, ``(count, 2)``."""
    centre = _centre(display)
    corner = (display.width**2 + display.height**2) / 4
    square = np.minimum(((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / corner, 1)
    return np.stack([square, square**2], axis=-1).astype(np.float64)


def _clip_level(first: Array, second: Array, known_first: Mask, known_second: Mask) -> Array:
    """Per channel the light that counts as clipped; infinite where nothing is."""
    level = np.full(first.shape[-1], np.inf, np.float32)
    for channel in range(first.shape[-1]):
        tops = []
        for picture, known in ((first, known_first), (second, known_second)):
            values = picture[..., channel][known & np.isfinite(picture[..., channel])]
            top = float(values.max()) if len(values) else 0.0
            tops.append(top if np.count_nonzero(values >= 0.999 * top) >= _PLATEAU else np.nan)
        # A plateau that moves with the exposure is no clipping, or was clipped before the exposure changed.
        if abs(tops[0] - tops[1]) < 1e-3 * abs(tops[0]):
            level[channel] = 0.97 * min(tops)
    return level


def _block_sums(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Sums over blocks, the last of which may be smaller: ``(rows, columns, channels)``."""
    padded = np.pad(values, (*((0, -length % _BLOCK) for length in values.shape[:2]), (0, 0)))
    height, width, channels = padded.shape
    blocks = padded.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK, channels)
    sums: npt.NDArray[np.float64] = blocks.sum(axis=(1, 3), dtype=np.float64)
    return sums


def _spread(blocks: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Every sample's block value."""
    spread: npt.NDArray[np.float64] = blocks.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)[: shape[0], : shape[1]]
    return spread
