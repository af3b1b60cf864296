"""Shots with something that steers, written small, for the tests of guides. Nothing here draws a guide."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from filming import write

from overscan.core.controls import Controls, ReferenceKind
from overscan.core.engines.diffusion._area import Area
from overscan.core.engines.diffusion._family import Defaults, FamilyCard, Lattice, MatteUse, PassKind
from overscan.core.geometry import Window
from overscan.core.jobs import AnyTask, Extend, Job, Margins, OutputSpec, SequenceSource, Task
from overscan.core.shots import Shot, survey

FIRST = 1001
WIDTH, HEIGHT = 96, 54

CARD = FamilyCard(
    name="stub",
    title="A stub",
    version="1",
    pipelines=(),
    tasks=(Task.EXTEND, Task.CONTINUE),
    controls=(
        "seed", "keyframes", "references", "passes", "camera", "camera_moves", "trajectories", "motion_transfer",
        "pose_transfer",
    ),
    passes=frozenset(PassKind),
    references=frozenset(ReferenceKind),
    lattice=Lattice(size=8, frames=4, offset=1, frames_max=17, pixels=96 * 56),
    defaults=Defaults(steps=2, guidance=1.0),
    matte=MatteUse.NATIVE,
    rights_card="plate",
)  # fmt: skip


def only(*kinds: PassKind) -> FamilyCard:
    """The stub, which honours these guides alone."""
    return replace(CARD, passes=frozenset(kinds))


def film(
    folder: Path,
    name: str,
    frames: Iterable[int],
    picture: Callable[[int], np.ndarray],
    *,
    channels: tuple[str, ...] = ("R", "G", "B"),
    **spec: object,
) -> str:
    """Write ``(h, w[, c])`` of each frame as float EXR; the pattern."""
    for frame in frames:
        values = np.atleast_3d(np.asarray(picture(frame), np.float32))
        planes = {channel: np.ascontiguousarray(values[..., at]) for at, channel in enumerate(channels)}
        write(folder / f"{name}.{frame:04d}.exr", planes, **spec)
    return str(folder / f"{name}.%04d.exr")


def plate(folder: Path, *, frames: int = 5) -> str:
    """A plate with a picture in it: a ramp to the right, a bright square, values beyond 0 and 1."""

    def picture(frame: int) -> np.ndarray:
        ramp = np.linspace(-0.05, 2.0, WIDTH, dtype=np.float32)
        found = np.broadcast_to(ramp[None, :, None], (HEIGHT, WIDTH, 3)).copy()
        found[20:30, 40:50] = (8.0, 4.0, 1.0)
        return found

    return film(folder, "plate", range(FIRST, FIRST + frames), picture)


def job(folder: Path, pattern: str, *, task: AnyTask | None = None, **controls: object) -> Job:
    """A job on a plate with some controls."""
    return Job(
        task=task or Extend(margins=Margins(right=16)),
        plate=SequenceSource(path=pattern),
        output=OutputSpec(path=str(folder / "out" / "out.%04d.exr")),
        controls=Controls(**controls),  # type: ignore[arg-type]
    )


def opened(job: Job) -> Shot:
    """The shot of a job that surveys well."""
    found = survey(job)
    assert found.shot is not None, found.problems
    return found.shot


def whole(shot: Shot, *, scale: float = 1.0) -> Area:
    """The whole result as one area, on a lattice of 8."""
    format = shot.layout.display_window
    window = Window(x=-shot.layout.offset[0], y=-shot.layout.offset[1], width=format.width, height=format.height)
    width, height = round(window.width * scale), round(window.height * scale)
    return Area(
        window=window,
        width=width,
        height=height,
        padded_width=-(-width // 8) * 8,
        padded_height=-(-height // 8) * 8,
    )
