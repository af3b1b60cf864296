"""Trials of copying: which frames they are made in, how they are kept, and what they say about any frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._lattice import Array, Lattice, sample_points
from overscan.core.engines.plate._npz import save_arrays
from overscan.core.engines.plate._pyramid import membrane

MEMORY = 24
"""Distance in frames at which a trial counts no more."""
_EVERY = 8
"""Frames between two trials."""
_PRIOR = 64.0
"""Samples by which the whole picture's error weighs into each cell."""
_SMOOTHING_CELLS = 1.5

Errors = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one trial found, by cell: sums of squared error in log light, and how many samples they are of,
    which are those that a source was found for."""

    frame: int
    tried: int
    """Samples that were hidden."""
    copied: Errors
    """Beyond what grain alone makes two frames differ by."""
    smooth: Errors
    count: Errors


def trial_frames(count: int) -> list[int]:
    """The frames, by index, that trials are made in, in a shot of `count`; none where there is one to learn from."""
    return list(range(0, count, max(1, min(_EVERY, count // 4)))) if count > 1 else []


def save_trials(trials: list[Trial], path: Path) -> None:
    """Keep trials in a file, atomically."""
    save_arrays(
        path,
        {
            "frames": np.array([trial.frame for trial in trials], np.int64),
            "tried": np.array([trial.tried for trial in trials], np.int64),
            "copied": np.array([trial.copied for trial in trials]),
            "smooth": np.array([trial.smooth for trial in trials]),
            "count": np.array([trial.count for trial in trials]),
        },
    )


def load_trials(path: Path) -> list[Trial]:
    """Trials that `save_trials` kept."""
    with np.load(path) as kept:
        return [
            Trial(frame=int(frame), tried=int(tried), copied=copied, smooth=smooth, count=count)
            for frame, tried, copied, smooth, count in zip(
                kept["frames"], kept["tried"], kept["copied"], kept["smooth"], kept["count"], strict=True
            )
        ]


class Reliability:
    """How well copying went, as a map for any frame."""

    def __init__(self, *, trials: Iterable[Trial], cells: Lattice) -> None:
        self._trials = sorted(trials, key=lambda trial: trial.frame)
        self._cells = cells

    def at(self, frame: int) -> Array:
        """Odds of copying against a smooth fill, on the lattice of cells: ``e_smooth / (e_smooth + e_copied)``.

        0 to 1; more than 0.5 where copying is expected to be nearer the truth; 1 where nothing could be tried.
        """
        copied, smooth, count = (np.zeros(self._cells.shape) for _ in range(3))
        for trial in self._trials:
            weight = 1 - abs(trial.frame - frame) / MEMORY
            if weight > 0:
                copied += weight * trial.copied
                smooth += weight * trial.smooth
                count += weight * trial.count
        total = count.sum()
        if total <= 0:
            return np.ones(self._cells.shape, np.float32)
        spread = [np.asarray(cv2.GaussianBlur(values, (0, 0), _SMOOTHING_CELLS)) for values in (copied, smooth)]
        expected = [
            values + _PRIOR * whole.sum() / total for values, whole in zip(spread, (copied, smooth), strict=True)
        ]
        odds = expected[1] / np.maximum(expected[0] + expected[1], 1e-12)
        tried = np.asarray(cv2.GaussianBlur(count, (0, 0), _SMOOTHING_CELLS)) > 1.0
        # Beyond the rim that was tried, what the nearest rim says holds.
        field: Array = membrane(odds.astype(np.float32)[..., np.newaxis], tried)[..., 0]
        return field

    def sample(self, frame: int, x: Array, y: Array) -> Array:
        """`at` for single positions of the plate's pixel space, bilinear."""
        odds = self.at(frame)
        column = ((x - self._cells.x0) / self._cells.dx).astype(np.float32)
        row = ((y - self._cells.y0) / self._cells.dy).astype(np.float32)
        return sample_points(odds, column, row)
