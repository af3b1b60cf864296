"""Light from clean plates, for what no frame of the shot shows.

A clean plate counts as a further source frame: its index goes on from those of the shot's frames. As it has no pixel
space in common with the plate, an address in it is the target's own position; it is mapped when light is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from overscan.core.engines._protocol import Notice
from overscan.core.engines.plate._clean_registration import Laid, Registrar, View, reduced
from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate._keys import key_frames
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._trace import NOWHERE, Numbers, Target
from overscan.core.engines.plate.light._exposure import Exposure
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._models import Matrix, project
from overscan.core.engines.plate.motion._motion import UNREADABLE, MotionStore
from overscan.core.engines.plate.motion._proxy import Mask
from overscan.core.plates import HashMemo
from overscan.core.shots import CleanPlate, Light, Shot

CLEAN_TRUST = 0.8
"""How far a pixel is trusted that a clean plate shows: nobody can check that nothing has changed there."""
_LEAST_DEPTH = 0.05
"""Of the frame's middle: what is nearer to the horizon, or behind it, is not mapped."""


def register_clean_plates(
    *,
    shot: Shot,
    store: MotionStore,
    path: CameraPath | None,
    cache_folder: Path,
    work_folder: Path,
    tick: Callable[[], None],
) -> list[Notice]:
    """Lay all clean plates of a shot over its key frames, and keep that in `work_folder`; what the artist should know.

    Registrations are cached by content. `tick` is called once a key frame and clean plate.
    """
    frames = _anchors(len(shot.frames), path)
    registrar = Registrar(shot=shot, store=store, frames=frames)
    hashes = HashMemo(database=cache_folder / "hashes.sqlite")
    # What moves by itself in a frame is told by its neighbours.
    near = sorted({other for frame in frames for other in (frame - 1, frame, frame + 1)} & set(range(len(shot.frames))))
    notices = []
    for number, clean in enumerate(shot.clean_plates):
        tick()
        kept = store.entry("clean", hashes.hash(clean.path), _looked_at(clean), frames=near)
        try:
            laid = Laid.load(kept)
        except UNREADABLE:
            laid = registrar.lay(clean, tick=tick)
            laid.save(kept)
        laid.save(_kept(work_folder, number))
        if not laid.views:
            notices.append(
                Notice(
                    code="CLEAN_PLATE_UNUSED",
                    message=f"The clean plate {clean.name} could not be laid over any frame of the shot, and is left "
                    "out: it shows another place, too little of this one, or nothing to hold on to. Give one taken "
                    "from about where the camera stood.",
                )
            )
    return notices


class CleanPlates:
    """The clean plates of one shot as sources."""

    def __init__(self, *, shot: Shot, path: CameraPath | None, exposure: Exposure | None, work_folder: Path) -> None:
        """`work_folder` is where `register_clean_plates` kept what it found; without a `path` nothing moves."""
        self._shot = shot
        self._path = path
        self._exposure = exposure
        self._laid = [Laid.load(_kept(work_folder, number)) for number in range(len(shot.clean_plates))]
        self._light: tuple[int, int, Light] | None = None

    def is_one(self, source: int) -> bool:
        """Whether the source frame `source` is a clean plate."""
        return 0 <= source - len(self._shot.frames) < len(self._laid)

    def find(self, target: Target) -> Numbers:
        """For each pixel of a target the clean plate that shows it, the first of several; `NOWHERE` for none."""
        found = np.full(len(target.x), NOWHERE, np.int32)
        for number, laid in enumerate(self._laid):
            seen = self._view(laid, target.frame)
            missing = np.flatnonzero(found == NOWHERE)
            if seen is None or not missing.size:
                continue
            x, y, before = _mapped(seen[1], target.x[missing], target.y[missing])
            lattice = laid.lattice
            column = np.rint((x - lattice.x0) / lattice.dx).astype(np.intp)
            row = np.rint((y - lattice.y0) / lattice.dy).astype(np.intp)
            inside = before & (column >= 0) & (row >= 0) & (column < lattice.width) & (row < lattice.height)
            inside[inside] = laid.usable[row[inside], column[inside]]
            found[missing[inside]] = len(self._shot.frames) + number
        return found

    def fetch(self, source: int, *, target: int, x: Array, y: Array) -> tuple[Array, Mask]:
        """Light of a clean plate as it would be seen at positions of frame `target`, and which of it is sound."""
        number = source - len(self._shot.frames)
        seen = self._view(self._laid[number], target)
        if seen is None:
            return np.zeros((len(x), len(self._shot.colours)), np.float32), np.zeros(len(x), np.bool_)
        view, model = seen
        there_x, there_y, before = self._places(number, view, model, x, y)
        values, sound = fetch(self._read(number, view.reduction), there_x, there_y)
        gain = np.broadcast_to(view.gain, values.shape)
        if self._exposure is not None:
            anchor_x, anchor_y, _ = _mapped(self._motion(target, view.frame), x, y)
            gain = gain + self._exposure.gain(
                source=view.frame, target=target, x_source=anchor_x, y_source=anchor_y, x=x, y=y
            )
        return values * np.exp2(gain), sound & before

    def grain(self, source: int, *, target: int) -> float:
        """Part of the variance of the plate's grain that the clean plate's light has before it is fetched, 0 to 1."""
        seen = self._view(self._laid[source - len(self._shot.frames)], target)
        return seen[0].grain if seen is not None else 0.0

    def places(self, source: int, *, target: int, x: Array, y: Array) -> tuple[Array, Array]:
        """Where light is fetched for positions of frame `target`, in samples of the clean plate as it is fetched."""
        number = source - len(self._shot.frames)
        seen = self._view(self._laid[number], target)
        if seen is None:
            return x, y
        there_x, there_y, _ = self._places(number, *seen, x, y)
        return there_x, there_y

    def _places(self, number: int, view: View, model: Matrix, x: Array, y: Array) -> tuple[Array, Array, Mask]:
        there_x, there_y, before = _mapped(model, x, y)
        window = self._shot.clean_plates[number].data_window
        # Sample 0 of the reduced light lies in the middle of the samples that it is the mean of.
        shift = (view.reduction - 1) / 2
        return (
            ((there_x - window.x - shift) / view.reduction).astype(np.float32),
            ((there_y - window.y - shift) / view.reduction).astype(np.float32),
            before,
        )

    def _view(self, laid: Laid, frame: int) -> tuple[View, Matrix] | None:
        """The view from the frame nearest in time that is joined to `frame`, and the map from `frame` by way of it."""
        joined = [
            view
            for view in laid.views
            if view.frame == frame
            or (self._path is not None and self._path.segments[view.frame] == self._path.segments[frame])
        ]
        if not joined:
            return None
        view = min(joined, key=lambda view: abs(view.frame - frame))
        return view, view.model @ self._motion(frame, view.frame)

    def _motion(self, first: int, second: int) -> Matrix:
        model = None if self._path is None else self._path.in_plate(first=first, second=second)
        return np.eye(3) if model is None else model

    def _read(self, number: int, reduction: int) -> Light:
        if self._light is None or self._light[:2] != (number, reduction):
            self._light = None  # two of them may be too much
            self._light = (number, reduction, reduced(self._shot.clean_plates[number].read_light(), reduction))
        return self._light[2]


def _anchors(count: int, path: CameraPath | None) -> Sequence[int]:
    """The frames, by index, that clean plates are registered to: key frames, and one of each segment that has none."""
    frames = set(key_frames(count))
    if path is not None:
        for segment in np.unique(path.segments):
            own = np.flatnonzero(path.segments == segment)
            if frames.isdisjoint(own.tolist()):
                frames.add(int(own[len(own) // 2]))
    return sorted(frames)


def _looked_at(clean: CleanPlate) -> str:
    return f"{clean.header.index} {clean.colours} {clean.alpha} {clean.space.name} {clean.transform.linear_name}"


def _kept(work_folder: Path, number: int) -> Path:
    return work_folder / "clean" / f"{number}.npz"


def _mapped(model: Matrix, x: Array, y: Array) -> tuple[Array, Array, Mask]:
    """Positions under a map whose depth is about 1 in the middle of the frame, and which lie before the camera."""
    points = np.stack([x, y], axis=-1).astype(np.float64)
    depth = model[2, 0] * points[:, 0] + model[2, 1] * points[:, 1] + model[2, 2]
    there = project(model, points).astype(np.float32)
    before: Mask = depth > _LEAST_DEPTH
    return np.ascontiguousarray(there[:, 0]), np.ascontiguousarray(there[:, 1]), before
