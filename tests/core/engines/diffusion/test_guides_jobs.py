"""Guides through whole jobs: what a family is handed in each window, crop and direction of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from running import planned, run_engine
from steering import CARD, FIRST, HEIGHT, WIDTH, film, job, plate
from stub import stub_engine

from overscan.core.controls import (
    CameraMove,
    CameraMoveKind,
    ControlPass,
    ControlPassKind,
    Keyframe,
    Reference,
    ReferenceKind,
)
from overscan.core.engines.diffusion._family import PaintRequest, PassKind
from overscan.core.jobs import Continue, Inpaint, Job, MatteSource, SequenceSource
from overscan.core.media import ImageSource

FRAMES = range(FIRST, FIRST + 5)


def engine():
    return stub_engine(
        controls=CARD.controls,
        passes=CARD.passes,
        references=CARD.references,
        size=16,
        frames=4,
        offset=1,
        frames_max=9,
        pixels=96 * 48,
    )


def ran(made: Job, folder: Path) -> list[PaintRequest]:
    chosen = engine()
    run_engine(chosen, made, folder)
    return chosen.family.requests


def _numbered(folder: Path, frames: range) -> ControlPass:
    """A pass whose value tells the frame and the column."""

    def picture(frame: int) -> np.ndarray:
        return np.broadcast_to((frame - FIRST + 10) / 64 + np.linspace(0, 0.25, WIDTH), (HEIGHT, WIDTH))

    pattern = film(folder, "pose", frames, picture, channels=("Y",))
    return ControlPass(kind=ControlPassKind.POSE, sequence=SequenceSource(path=pattern), strength=0.7)


def test_new_frames_get_the_guide_of_their_own_frame(tmp_path: Path) -> None:
    steered = _numbered(tmp_path, range(FIRST - 6, FIRST + 20))
    made = job(tmp_path, plate(tmp_path), task=Continue(head=6, tail=15), passes=(steered,))
    requests = ran(made, tmp_path / "run")
    assert len(requests) >= 3
    seen: set[int] = set()
    for request in requests:
        (guide,) = request.guides
        assert (guide.kind, guide.strength) == (PassKind.POSE, 0.7)
        assert guide.video.shape == request.video.shape
        frames = [round((value - guide.video[0, 0, 0, 0] * 0) * 64) - 10 for value in guide.video[:, 0, 0, 0]]
        assert set(np.abs(np.diff(frames))) <= {0, 1}, frames  # in the order of time, or filled up with the last
        seen |= {frame for frame, given in zip(frames, request.given, strict=True) if not given}
    assert seen == {*range(-6, 0), *range(5, 20)}


def test_a_guide_is_cropped_with_the_work_area(tmp_path: Path) -> None:
    def matte(frame: int) -> np.ndarray:
        found = np.zeros((HEIGHT * 4, WIDTH * 4), np.float32)
        found[120:140, 300:330] = 1
        return found

    def ramp(frame: int) -> np.ndarray:
        return np.broadcast_to(
            np.linspace(0, 1, WIDTH * 4, dtype=np.float32)[None, :, None], (HEIGHT * 4, WIDTH * 4, 3)
        )

    source = film(tmp_path, "big", FRAMES, ramp)
    matte_source = MatteSource(sequence=SequenceSource(path=film(tmp_path, "m", FRAMES, matte, channels=("A",))))
    steered = ControlPass(kind=ControlPassKind.POSE, sequence=SequenceSource(path=source))
    made = job(tmp_path, source, task=Inpaint(matte=matte_source), passes=(steered,))
    made = replace(made, parameters={"repaint": "all", "curve": "logc3"})
    requests = ran(made, tmp_path / "run")
    for request in requests:
        (guide,) = request.guides
        row = guide.video[0, 8, :, 0]
        painted = np.where(request.matte[0].any(axis=0))[0]
        # The ramp says which column of the plate a sample is of.
        assert row[painted].min() * WIDTH * 4 == pytest.approx(300, abs=8)
        assert row[painted].max() * WIDTH * 4 == pytest.approx(330, abs=8)


def test_keyframes_references_and_camera_come_to_the_window(tmp_path: Path) -> None:
    film(tmp_path, "key", [1], lambda _: np.full((HEIGHT, WIDTH, 3), 1.7))
    film(tmp_path, "look", [1], lambda _: np.full((700, 2100, 3), 0.4))
    key = ImageSource(sequence=SequenceSource(path=str(tmp_path / "key.0001.exr")))
    look = ImageSource(sequence=SequenceSource(path=str(tmp_path / "look.0001.exr")))
    made = job(
        tmp_path,
        plate(tmp_path),
        task=Continue(tail=10),
        keyframes=(Keyframe(frame=FIRST + 9, image=key, strength=0.9),),
        references=(Reference(image=look, kind=ReferenceKind.STYLE, strength=0.3),),
        camera_moves=(CameraMove(kind=CameraMoveKind.PAN, amount=8.0),),
    )
    requests = ran(made, tmp_path / "run")
    stills = [(at, still) for at, request in enumerate(requests) for still in request.keyframes]
    assert stills
    for at, still in stills:
        request = requests[at]
        assert not request.given[still.index]
        assert still.strength == pytest.approx(0.9)
        assert still.image.shape == request.video.shape[1:]
        assert np.ptp(still.image) < 1e-3
    for request in requests:
        (reference,) = request.references
        assert reference.image.shape == (341, 1024, 3)
        assert reference.strength == pytest.approx(0.3)
        (guide,) = request.guides
        assert guide.kind is PassKind.CAMERA
        given = [at for at, flag in enumerate(request.given) if flag]
        for at in given[:1]:  # what is given is where the camera stands still, or was brought by the window before
            assert np.isfinite(guide.video[at]).all()


def _wrong(tmp_path: Path) -> Iterator[tuple[dict[str, object], set[str]]]:
    wide = film(tmp_path, "wide", FRAMES, lambda _: np.zeros((HEIGHT, WIDTH * 2)), channels=("Y",))
    gone = SequenceSource(path=str(tmp_path / "gone.%04d.exr"))
    yield (
        {
            "passes": (ControlPass(kind=ControlPassKind.POSE, sequence=SequenceSource(path=wide)),),
            "keyframes": (
                Keyframe(frame=FIRST + 1, image=ImageSource(sequence=SequenceSource(path=wide), frame=FIRST)),
                Keyframe(frame=FIRST + 900, image=ImageSource(sequence=SequenceSource(path=wide))),
            ),
        },
        {
            "controls.passes[0].sequence",
            "controls.keyframes[0].frame",
            "controls.keyframes[0].image",
            "controls.keyframes[1].frame",
            "controls.keyframes[1].image.frame",
        },
    )
    yield (
        {
            "references": (Reference(image=ImageSource(sequence=gone), kind=ReferenceKind.STYLE),),
            "passes": (ControlPass(kind=ControlPassKind.DEPTH, sequence=gone),),
        },
        {"controls.references[0].image", "controls.passes[0].sequence"},
    )


@pytest.mark.parametrize("case", [0, 1])
def test_all_that_is_wrong_is_in_the_plan(tmp_path: Path, case: int) -> None:
    controls, fields = list(_wrong(tmp_path))[case]
    plan = engine().plan(job(tmp_path, plate(tmp_path), task=Continue(tail=4), **controls))
    assert {problem.field for problem in plan.problems} == fields
    assert all(problem.next_step for problem in plan.problems)


def test_a_plan_of_what_steers_is_feasible(tmp_path: Path) -> None:
    steered = _numbered(tmp_path, range(FIRST, FIRST + 9))
    planned(engine(), job(tmp_path, plate(tmp_path), task=Continue(tail=4), passes=(steered,)))
