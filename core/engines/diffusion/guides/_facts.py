"""What guides need to know of a whole shot, so that no window or crop is drawn to another scale."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from overscan.core.controls import ControlPassKind
from overscan.core.engines.diffusion._family import PassKind
from overscan.core.engines.diffusion.guides._clip import Clip, clip_frames
from overscan.core.engines.diffusion.guides._images import Steering
from overscan.core.shots import Shot

_LOOKED_AT = 24
"""Frames of a pass that are looked at, evenly over the shot."""
_SAMPLES = 20_000
"""Pixels of each."""
_NEAREST, _FARTHEST = 0.5, 99.5
"""Percentiles of distance: one stray sample in front of the lens must not make all else black."""
_FASTEST = 99.5
"""Percentile of motion."""
SKY = 1e8
"""Scene units from which a distance stands for none, as renderers write it."""
_UNIT = 0.1
"""By which a normal's length may be off, from filtering at silhouettes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideFacts:
    """Measured once per shot."""

    near: float = 1.0
    """Distance that is white in a depth picture, in scene units."""
    far: float = float("inf")
    """Distance that is black."""
    motion: float = 0.0
    """Length of full colour in a picture of motion vectors, in parts of the picture's width."""
    clip_motion: float = 0.0
    """The same of a reference clip."""
    encoded_normals: bool = False
    """Whether normals are written as 0 to 1."""

    def to_dict(self) -> dict[str, float | bool]:
        """As plain data for JSON, which has no infinity."""
        return {name: value for name, value in asdict(self).items() if value != float("inf")}

    @classmethod
    def from_dict(cls, data: Mapping[str, float | bool]) -> GuideFacts:
        """What `to_dict` gave."""
        return cls(**data)  # type: ignore[arg-type]


def measure_guides(shot: Shot, *, tick: Callable[[], None]) -> GuideFacts:
    """Measure what the guides of a job need. Reads some frames of passes and clips; calls `tick` after each.

    Raises the errors of reading.
    """
    found: dict[str, float | bool] = {}
    for kind, steering in opened_passes(shot):
        looked_at = _evenly(steering.images.frames)
        if kind is PassKind.DEPTH:
            distances = np.concatenate([_sampled(steering, number, tick)[:, 0] for number in looked_at])
            found |= _depth_range(distances)
        elif kind is PassKind.MOTION:
            lengths = [
                _lengths(_sampled(steering, number, tick) / steering.display_window.width) for number in looked_at
            ]
            found["motion"] = _fastest(lengths)
        elif kind is PassKind.NORMALS:
            found["encoded_normals"] = bool(are_encoded(_sampled(steering, looked_at[0], tick)))
    transfer = shot.job.controls.motion_transfer
    if transfer is not None:
        steering = next(
            Steering.open(picture, images, kind=None)
            for picture, images in shot.pictures
            if picture.role == "motion_source"
        )
        found["clip_motion"] = _clip_motion(shot, steering, tick)
    return GuideFacts(**found)  # type: ignore[arg-type]


def opened_passes(shot: Shot) -> Iterable[tuple[PassKind, Steering]]:
    """All passes of a shot, opened."""
    for picture, images in shot.pictures:
        if picture.role.endswith("_pass"):
            kind = PassKind(ControlPassKind(picture.role.removesuffix("_pass")).value)
            yield kind, Steering.open(picture, images, kind=kind)


def are_encoded(normals: npt.NDArray[np.float32]) -> bool | None:
    """Whether normals ``(n, 3)`` are written as 0 to 1 rather than -1 to 1; None where they are unit length in neither.

    Samples of no length, where nothing is, say nothing.
    """
    drawn = normals[np.isfinite(normals).all(axis=1) & (np.abs(normals).max(axis=1, initial=0) > 1e-3)]
    if not len(drawn):
        return False
    plain, decoded = (np.abs(np.linalg.norm(vectors, axis=1) - 1) for vectors in (drawn, drawn * 2 - 1))
    if min(np.median(plain), np.median(decoded)) > _UNIT:
        return None
    return bool(np.median(decoded) < np.median(plain))


def _depth_range(distances: npt.NDArray[np.float32]) -> dict[str, float | bool]:
    known = distances[np.isfinite(distances) & (distances > 0) & (distances < SKY)]
    if not len(known):
        return {}
    near, far = (float(value) for value in np.percentile(known, (_NEAREST, _FARTHEST)))
    # A wall that fills the picture has one distance; it is drawn in grey, and what is nearer in white.
    return {"near": near, "far": far} if far > near * 1.001 else {"near": near / 2}


def _clip_motion(shot: Shot, steering: Steering, tick: Callable[[], None]) -> float:
    clip, numbers = Clip(steering=steering), list(clip_frames(shot, steering).values())
    lengths = []
    for before, after in _evenly(list(itertools.pairwise(numbers))):
        lengths.append(_lengths(clip.motion(before, after).reshape(-1, 2)))
        tick()
    return _fastest(lengths)


def _lengths(motion: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    lengths = np.hypot(motion[:, 0], motion[:, 1])
    return np.asarray(lengths[np.isfinite(lengths)])


def _fastest(lengths: list[npt.NDArray[np.floating]]) -> float:
    joined = np.concatenate(lengths) if lengths else np.zeros(0, np.float32)
    return float(np.percentile(joined, _FASTEST)) if len(joined) else 0.0


def _sampled(steering: Steering, number: int, tick: Callable[[], None]) -> npt.NDArray[np.float32]:
    values, _ = steering.read(number)
    tick()
    flat = values.reshape(-1, values.shape[-1])
    return flat[:: max(1, len(flat) // _SAMPLES)]


def _evenly(entries: Sequence[object]) -> list:  # type: ignore[type-arg]
    places = np.unique(np.linspace(0, len(entries) - 1, _LOOKED_AT).round().astype(int)) if len(entries) else ()
    return [entries[place] for place in places]
