"""Where the camera looks in every frame: one plane motion a frame, free of the drift that chains of pairs gather."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._lattice import Lattice
from overscan.core.engines.plate._npz import save_arrays
from overscan.core.engines.plate.motion._models import Matrix

Numbers = npt.NDArray[np.int32]

_AROUND = 4
"""Pairs of neighbours before and after a frame by which it is judged whether the camera can be followed there."""
_LEAST = 6
"""Frames that must be joined to count, where they border on frames in which the camera cannot be followed: what so few
have in common is as likely something large that moves by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraPath:
    """The motion of the background through a whole shot."""

    lattice: Lattice
    """Whose samples the matrices speak of: the proxy's."""
    matrices: Matrix
    """``(frames, 3, 3)``: position in a frame to position in its segment's reference."""
    segments: Numbers
    """``(frames,)``: frames of one number are joined to each other, others are not."""
    kinds: tuple[str, ...]
    """By segment, what the camera does: one of `KINDS`."""
    given: str = ""
    """``camera`` or ``tracks`` where the artist gave those, empty where the path was measured."""

    def between(self, *, first: int, second: int) -> Matrix | None:
        """Motion from frame `first` to frame `second`, by index, in proxy samples; None where they are not joined.

        Its scale is such that the third coordinate is 1 in the middle of the frame, or negative where the middle of
        `first` lies behind the camera of `second`.
        """
        if self.segments[first] != self.segments[second]:
            return None
        if np.array_equal(self.matrices[first], self.matrices[second]):
            return np.eye(3)
        model: Matrix = np.linalg.inv(self.matrices[second]) @ self.matrices[first]
        middle = model[2] @ np.array([(self.lattice.width - 1) / 2, (self.lattice.height - 1) / 2, 1.0])
        return model / max(abs(float(middle)), 1e-9)

    def in_plate(self, *, first: int, second: int) -> Matrix | None:
        """`between` in samples of the plate's pixel space."""
        model = self.between(first=first, second=second)
        if model is None:
            return None
        to_plate, to_proxy = plate_maps(self.lattice)
        return np.asarray(to_plate @ model @ to_proxy)

    def stretches(self) -> Numbers:
        """``(frames,)``: the number of the stretch of the shot that a frame is in, -1 for none.

        Through a stretch the camera can be followed, over a single frame that is not joined to its neighbours too. A
        frame is in none where most pairs of frames round it are not joined, nor where it is one of a few beside such.
        """
        cuts = self.segments[1:] != self.segments[:-1]
        count = len(self.segments)
        around = [cuts[max(0, frame - _AROUND) : frame + _AROUND] for frame in range(count)]
        adrift = np.array([2 * np.count_nonzero(near) > max(1, len(near)) for near in around])
        begins = np.append(0, np.flatnonzero(cuts) + 1)
        short = [
            slice(first, after)
            for first, after in zip(begins, np.append(begins[1:], count), strict=True)
            if after - first < _LEAST
        ]
        for few in (*short, *reversed(short)):
            adrift[few] |= adrift[max(0, few.start - 1) : few.stop + 1].any()
        begins = ~adrift & np.append(True, adrift[:-1])
        return np.where(adrift, -1, np.cumsum(begins) - 1).astype(np.int32)

    def save(self, path: Path) -> None:
        """Keep it in an .npz file, atomically."""
        lattice = self.lattice
        save_arrays(
            path,
            {
                "lattice": np.array([lattice.x0, lattice.y0, lattice.dx, lattice.dy, lattice.width, lattice.height]),
                "matrices": self.matrices,
                "segments": self.segments,
                "kinds": np.array(self.kinds),
                "given": np.array(self.given),
            },
        )

    @classmethod
    def load(cls, path: Path) -> CameraPath:
        """A path that `save` kept; raises what reading a broken file raises."""
        with np.load(path) as kept:
            x0, y0, dx, dy, width, height = (float(value) for value in kept["lattice"])
            return cls(
                lattice=Lattice(x0=x0, y0=y0, dx=dx, dy=dy, width=round(width), height=round(height)),
                matrices=kept["matrices"],
                segments=kept["segments"],
                kinds=tuple(str(kind) for kind in kept["kinds"]),
                given=str(kept["given"]),
            )


def plate_maps(lattice: Lattice) -> tuple[Matrix, Matrix]:
    """3x3 maps from samples of `lattice` to the plate's pixel space, and back."""
    to_plate = np.array([[lattice.dx, 0, lattice.x0], [0, lattice.dy, lattice.y0], [0, 0, 1.0]])
    return to_plate, np.linalg.inv(to_plate)
