"""The hybrid contract: another engine starts from the plate engine's work and repaints only what nobody has seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from filming import Run, changed, ellipse, inpaint, make_job, pan, run, write

from overscan.core.engines import (
    Context,
    EngineCard,
    Plan,
    RightsCard,
    Step,
    TrainingData,
    _registry,
    installed_engines,
)
from overscan.core.engines.plate import GroundLayer, PlateEngine
from overscan.core.jobs import Continue, Extend, Job, Margins, Task
from overscan.core.results import Composer
from overscan.core.shots import survey

FLAT = (0.9, 4.0, -0.25)
SIZE = (160, 96)


class Flat:
    """An engine that makes everything one colour, of which only what nobody has seen may come out."""

    def __init__(self) -> None:
        self._ground = GroundLayer(parameters={"search_range": 2})

    @property
    def card(self) -> EngineCard:
        rights = RightsCard(
            maker="test", licence="MIT", training_data=TrainingData.NONE, statement="None.", commercial_use=True
        )
        return EngineCard(
            name="flat", version="1", title="One colour", tasks=(Task.EXTEND, Task.INPAINT), controls=(), rights=rights
        )

    def plan(self, job: Job) -> Plan:
        ground = self._ground.plan(job, share=0.25)
        if not ground.feasible:
            return ground
        needs = tuple(step.id for step in ground.steps)
        own = Step(id="paint", kind="paint", title="Painting", frames=ground.frames, needs=needs, weight=0.75)
        return replace(ground, steps=(*ground.steps, own))

    def run(self, step: Step, context: Context) -> None:
        if self._ground.owns(step):
            self._ground.run(step, context)
            return
        shot = survey(context.job).shot
        assert shot is not None
        composer = Composer(shot=shot, work_folder=context.work_folder, attributes={})
        for frame in step.frames:
            ground = self._ground.read(frame, context)
            assert ground.frame == frame
            light = np.broadcast_to(
                np.array(FLAT, np.float32)[: ground.generated.light.shape[-1]], ground.generated.light.shape
            )
            plate, made = shot.read(frame), ground.repainted(light, confidence=0.5)
            composer.write(plate, made)
            check = composer.check(plate, made)
            context.reporter.frame_finished(frame=frame, path=check.path, seconds=0.0)


@pytest.fixture
def engines(monkeypatch):
    class Entry:
        def __init__(self, name, load):
            self.name, self.load = name, load

    entries = [Entry("plate", lambda: PlateEngine), Entry("flat", lambda: Flat)]
    monkeypatch.setattr(_registry, "entry_points", lambda **_: entries)
    installed_engines.cache_clear()
    yield
    monkeypatch.undo()
    installed_engines.cache_clear()


def _both(tmp_path, task, plate) -> tuple[Run, Run]:
    own = make_job(task, plate, str(tmp_path / "plate/o.%d.exr"), parameters={"search_range": 2})
    theirs = make_job(task, plate, str(tmp_path / "flat/o.%d.exr"), engine="flat", parameters={"sampler_steps": 30})
    cache = tmp_path / "cache"
    return run(own, tmp_path / "a", cache=cache), run(theirs, tmp_path / "b", cache=cache)


def _check(own: Run, theirs: Run, frames: range) -> tuple[int, int]:
    """Compare every frame of the two engines; how many pixels were repainted and how many copied ones were kept."""
    repainted = kept = 0
    for frame in frames:
        mine, other = own.extras(frame), theirs.extras(frame)
        unseen = (mine["kind"] == 2) & (mine["A"] > 0)
        assert np.array_equal(other["kind"] == 3, unseen)
        assert np.array_equal(mine["A"], other["A"])
        for name, plane in other.items():
            assert np.array_equal(plane[~unseen], mine[name][~unseen], equal_nan=True), name
        for name, plane in own.result(frame).planes.items():
            assert np.array_equal(plane[~unseen], theirs.result(frame).planes[name][~unseen]), name
        for name in ("x", "y", "frame"):
            assert np.isnan(other[name][unseen]).all()
        assert (other["confidence"][unseen] == 0.5).all()
        deep = unseen & (mine["A"] == 1) & ~_near(~unseen)
        assert np.allclose(theirs.light(frame)[deep], FLAT, rtol=1e-3)
        repainted, kept = repainted + int(deep.sum()), kept + int((mine["kind"] == 1).sum())
    return repainted, kept


def _near(mask: np.ndarray) -> np.ndarray:
    """What lies within 3 samples of a mask."""
    padded = np.pad(mask, 3)
    height, width = mask.shape
    return np.any([padded[i : i + height, j : j + width] for i in range(7) for j in range(7)], axis=0)


def test_an_extension(tmp_path, engines):
    plate = pan(tmp_path / "p", frames=range(1, 7), size=SIZE, origin=(-7, 11))
    own, theirs = _both(tmp_path, Extend(margins=Margins(left=12, right=24, top=6)), plate)
    repainted, kept = _check(own, theirs, range(1, 7))
    assert repainted > 2000
    assert kept > 1000
    for frame in range(1, 7):
        compared, differing = changed(
            tmp_path / f"p/plate.{frame:04d}.exr", theirs.path(frame), offset=theirs.plan.plate_offset
        )
        assert compared == SIZE[0] * SIZE[1] * 3
        assert differing == 0


def test_a_removal_with_a_soft_edge(tmp_path, engines):
    plate = pan(tmp_path / "p", frames=range(1, 7), size=SIZE, step=(6, 0))
    write(tmp_path / "m.exr", {"A": ellipse(SIZE, centre=(80, 50), radii=(28, 24), soft=6)})
    own, theirs = _both(tmp_path, inpaint(str(tmp_path / "m.exr")), plate)
    repainted, kept = _check(own, theirs, range(1, 7))
    assert repainted > 500
    assert kept > 500


def test_its_steps_are_part_of_a_sound_plan_and_only_the_last_finishes_frames(tmp_path, engines):
    plate = pan(tmp_path / "p", frames=range(1, 5), size=(64, 48))
    task = Extend(margins=Margins(left=8))
    done = run(make_job(task, plate, str(tmp_path / "o/o.%d.exr"), engine="flat"), tmp_path)
    assert sum(step.weight for step in done.plan.steps) == pytest.approx(1)
    known: set[str] = set()
    for step in done.plan.steps:
        assert set(step.needs) <= known
        known.add(step.id)
    assert done.recorder.finished == [1, 2, 3, 4]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == [f"o.{frame}.exr" for frame in range(1, 5)]


def test_work_that_was_interrupted_is_not_done_again_and_what_changed_is(tmp_path, engines):
    plate = pan(tmp_path / "p", frames=range(1, 5), size=(64, 48))
    job = make_job(
        Extend(margins=Margins(left=8)), plate, str(tmp_path / "o/o.%d.exr"), engine="flat", output={"overwrite": True}
    )
    run(job, tmp_path)
    laid = sorted((tmp_path / "work/ground/groundwork").glob("*.exr"))
    assert len(laid) == 4
    before = [path.stat().st_mtime_ns for path in laid]
    run(job, tmp_path)
    assert [path.stat().st_mtime_ns for path in laid] == before
    pan(tmp_path / "p", frames=range(1, 5), size=(64, 48), start=(90, 60))
    run(job, tmp_path)
    assert all(path.stat().st_mtime_ns > time for path, time in zip(laid, before, strict=True))


def test_frames_that_nothing_is_missing_in_come_as_the_plate_has_them(tmp_path, engines):
    plate = pan(tmp_path / "p", frames=range(1, 4), size=(64, 48))
    for frame in range(1, 4):
        write(tmp_path / f"m.{frame}.exr", {"A": np.full((48, 64), 0, np.float32)})
    done = run(
        make_job(inpaint(str(tmp_path / "m.%d.exr")), plate, str(tmp_path / "o/o.%d.exr"), engine="flat"), tmp_path
    )
    for frame in range(1, 4):
        assert changed(tmp_path / f"p/plate.{frame:04d}.exr", done.path(frame))[1] == 0


def test_a_task_it_does_not_do_is_a_problem(tmp_path):
    plate = pan(tmp_path / "p", frames=range(1, 4), size=(64, 48))
    plan = GroundLayer().plan(make_job(Continue(tail=2), plate, str(tmp_path / "o.%d.exr")), share=0.5)
    assert [problem.code for problem in plan.problems] == ["INVALID_JOB"]
    assert "extend, inpaint" in plan.problems[0].next_step
