"""What is to be painted in one frame, and where its light comes from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._address_map import Addresses
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._trace import NOWHERE, Target
from overscan.core.engines.plate.motion._proxy import Mask
from overscan.core.geometry import Window
from overscan.core.results import SourceKind
from overscan.core.shots import Shot

_RIM = 12 / 1920
"""Width of the rim of known pixels round the region that its sources are compared with the frame on, as a part of the
plate's width."""

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rim:
    """Known pixels along the region, and where the sources of the region show them too."""

    rows: Indices
    columns: Indices
    frame: npt.NDArray[np.int32]
    x: Array
    y: Array
    gain: Array
    is_copy: Mask
    """Whether the source shows the same place: what is imagined goes on differently beyond the region."""


@dataclass(slots=True, kw_only=True)
class Region:
    """The pixels of one frame that are painted."""

    index: int
    """Of the frame in the shot."""
    window: Window
    """What the frame covers, in the plate's pixel space; rows and columns count from its corner."""
    alpha: Array
    rows: Indices
    columns: Indices
    target: Target
    sources: Addresses
    trust: Array
    """How far each pixel is trusted, 0 to 1."""

    @classmethod
    def of(cls, shot: Shot, index: int, *, window: Window | None = None) -> Region:
        """The region of a frame, by index in the shot, without any source yet.

        `window` is what the frame is to cover where that is more than the result wants of it.
        """
        frame = shot.frames[index]
        have, window = shot.data_window(frame), window or shot.coverage(frame)
        alpha = np.ones(window.shape, np.float32)
        matte = shot.read_matte(frame)
        alpha[have.slices_in(window)] = 0.0 if matte is None else matte
        rows, columns = np.nonzero(alpha > 0)
        return cls._unsourced(index, window, alpha, rows, columns, len(shot.colours))

    @classmethod
    def _unsourced(
        cls, index: int, window: Window, alpha: Array, rows: Indices, columns: Indices, channels: int
    ) -> Region:
        x, y = (columns + window.x).astype(np.float32), (rows + window.y).astype(np.float32)
        count = len(rows)
        nothing = Addresses(
            frame=np.full(count, NOWHERE, np.int32),
            x=np.full(count, np.nan, np.float32),
            y=np.full(count, np.nan, np.float32),
            gain=np.zeros((count, channels), np.float32),
            kind=np.zeros(count, np.uint8),
        )
        return cls(
            index=index,
            window=window,
            alpha=alpha,
            rows=rows,
            columns=columns,
            target=Target(frame=index, x=x, y=y),
            sources=nothing,
            trust=np.zeros(count, np.float32),
        )

    @property
    def mask(self) -> Mask:
        """``(height, width)`` of the window: what is painted."""
        mask: Mask = self.alpha > 0
        return mask

    def thinned(self, pitch: int) -> Region:
        """One pixel of each block of `pitch` x `pitch` that has any: the first. Without any source yet."""
        chosen = np.flatnonzero(self._first_of_block(pitch) == np.arange(len(self.rows)))
        rows, columns = self.rows[chosen], self.columns[chosen]
        return self._unsourced(self.index, self.window, self.alpha, rows, columns, self.sources.gain.shape[-1])

    def follow(self, thinned: Region, pitch: int) -> None:
        """Take the sources of what `thinned` gave: each pixel lies from its block's first one here as it does there."""
        first, own, other = self._first_of_block(pitch), self.sources, thinned.sources
        of = (np.cumsum(first == np.arange(len(first))) - 1)[first]
        own.frame, own.gain, own.kind = other.frame[of], other.gain[of], other.kind[of]
        own.x = other.x[of] + (self.columns - self.columns[first]).astype(np.float32)
        own.y = other.y[of] + (self.rows - self.rows[first]).astype(np.float32)
        self.trust = thinned.trust[of]

    def _first_of_block(self, pitch: int) -> Indices:
        """For each pixel the first one of its block."""
        across, down = (-(-size // pitch) for size in (self.window.width, self.window.height))
        block = self.rows // pitch * across + self.columns // pitch
        first = np.empty(across * down, np.intp)
        first[block[::-1]] = np.arange(len(block))[::-1]
        chosen: Indices = first[block]
        return chosen

    def rim(self, *, plate_width: int) -> Rim:
        """The rim; each of its pixels goes on from the source of the nearest pixel of the region."""
        mask, sources = self.mask, self.sources
        away, nearest = cv2.distanceTransformWithLabels(
            (~mask).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        rows, columns = np.nonzero((away > 0) & (away <= max(3.0, _RIM * plate_width)))
        # Labels count the pixels of the region in the order of its rows and columns, but for gaps.
        number = np.zeros(int(nearest.max()) + 1, np.intp)
        number[nearest[self.rows, self.columns]] = np.arange(len(self.rows))
        of = number[nearest[rows, columns]]
        return Rim(
            rows=rows,
            columns=columns,
            frame=sources.frame[of],
            x=sources.x[of] + (columns - self.columns[of]).astype(np.float32),
            y=sources.y[of] + (rows - self.rows[of]).astype(np.float32),
            gain=sources.gain[of],
            is_copy=sources.kind[of] == SourceKind.COPIED,
        )
