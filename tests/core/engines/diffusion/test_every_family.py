"""The contract, for every installed engine that runs a model and every task that its card claims, as whole jobs.

A new engine is tried as soon as it has an entry point and a tiny model (`every_family.add_models`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomlkit

pytest.importorskip("diffusers", reason="needs the extra `models`")

from every_family import (
    MARGINS,
    Footage,
    Listener,
    add_models,
    card_of,
    engine_of,
    last_first,
    model_engines,
    work,
)
from filming import Run, changed, read, same_files
from running import planned

from overscan.core.engines.diffusion import runtime
from overscan.core.errors import CancelledError
from overscan.core.jobs import Job, Task
from overscan.core.results import verify_result

ROOT = Path(__file__).resolve().parents[4]
QUICK, FULL = ((77, 51), range(1001, 1012)), ((617, 333), range(1001, 1024))
GROUND = (Task.EXTEND, Task.INPAINT)
"""Tasks that paint a part of plate frames; the others make whole ones."""


def _cases() -> Iterator[Any]:
    for (size, frames), marks in ((QUICK, ()), (FULL, (pytest.mark.slow,))):
        for name in model_engines():
            for task in card_of(name).tasks:
                case = (name, task, size, frames)
                yield pytest.param(case, id=f"{name}-{task.value}-{size[0]}x{size[1]}", marks=marks)


@dataclass(frozen=True, kw_only=True)
class Done:
    """A job that was run, straight on."""

    engine: str
    task: Task
    shot: Footage
    job: Job
    run: Run
    heard: Listener
    folder: Path

    def plate_frames(self) -> Iterator[tuple[int, int]]:
        """Numbers of frames in the plate, and in the result."""
        new = set(self.run.plan.new_frames)
        kept = [frame for frame in self.run.plan.frames if frame not in new]
        return zip(self.job.plate.frames or self.shot.frames, kept, strict=True)

    def again(self, name: str, **fields: Any) -> Job:
        """The same job to another folder."""
        fields.setdefault("controls", self.job.controls)
        return self.shot.job(self.engine, self.task, self.folder / name, **fields)


@pytest.fixture(scope="module", autouse=True)
def _models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root = tmp_path_factory.mktemp("every-family")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVERSCAN_HOME", str(root / "home"))
        add_models(root)
        yield
        runtime.forget_models()


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], Footage]:
    return {}


@pytest.fixture(scope="module", params=_cases())
def done(request: Any, shots: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    engine, task, size, frames = request.param
    if size not in shots:
        shots[size] = Footage(size=size, frames=frames, folder=tmp_path_factory.mktemp("plate")).film()
    folder, heard = tmp_path_factory.mktemp(f"{engine}-{task.value}"), Listener()
    job = shots[size].job(engine, task, folder / "first")
    run = work(job, folder / "first", heard)
    yield Done(engine=engine, task=task, shot=shots[size], job=job, run=run, heard=heard, folder=folder)
    shutil.rmtree(folder)


def test_every_engine_of_the_package_is_tried() -> None:
    entries = tomlkit.parse((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["overscan.engines"]
    assert set(entries) - {"plate"} == set(model_engines()), "the package must be installed anew"


def test_not_a_sample_of_the_plate_changes(done: Done) -> None:
    checks = list(verify_result(result=done.job.output.path))
    assert [check.frame for check in checks] == list(done.run.plan.frames)
    assert sum(check.differing for check in checks) == 0
    matte = done.shot.matte_at() > 0 if done.task is Task.INPAINT else None
    width, height = done.shot.size
    all_samples = width * height * 6 - (0 if matte is None else 3 * int(matte.sum()))
    for own, frame in done.plate_frames():
        # Counted by OpenImageIO alone, the layers that nobody paints among them.
        found = changed(
            Path(done.shot.plate % own), done.run.path(frame), offset=done.run.plan.plate_offset, replaced=matte
        )
        assert found == (all_samples, 0), frame
        check = checks[done.run.plan.frames.index(frame)]
        assert check.samples == all_samples


def test_size_numbering_windows_and_layers_are_as_they_should_be(done: Done) -> None:
    shot, plan = done.shot, done.run.plan
    first, last = shot.frames[0], shot.frames[-1]
    count = len(done.job.plate.frames or shot.frames)
    numbers = {
        Task.CONTINUE: range(first - done.job.task.head, last + done.job.task.tail + 1)
        if done.task is Task.CONTINUE
        else (),
        Task.INTERPOLATE: range(first, first + 2 * count - 1),
    }.get(done.task, shot.frames)
    assert plan.frames == tuple(numbers)
    files = sorted(Path(done.job.output.path).parent.glob("*.exr"))
    assert files == [done.run.path(frame) for frame in numbers]
    assert sorted(done.heard.finished) == list(numbers)
    x, y, width, height = shot.display
    (left, top), (wide, high) = shot.origin, shot.size
    if done.task is Task.EXTEND:
        width, height = width + MARGINS.left + MARGINS.right, height + MARGINS.top
        assert plan.plate_offset == (MARGINS.left, MARGINS.top)
        # The margins lie round the display window; what the plate has beyond that stays.
        right, below = left + MARGINS.left + wide, top + MARGINS.top + high
        left, top = min(left + MARGINS.left, 0), min(top + MARGINS.top, 0)
        wide, high = max(right, width) - left, max(below, height) - top
    else:
        assert plan.plate_offset == (0, 0)
    layers = set(read(Path(shot.plate % first))[0].planes)
    for frame in plan.frames:
        result = done.run.result(frame)
        assert result.display == (x, y, width, height)
        assert (result.origin, result.shape) == ((left, top), (high, wide))
        assert set(result.planes) == layers
        for name, plane in result.planes.items():
            assert plane.dtype == {"depth.Z": np.float32, "id.X": np.uint32}.get(name, np.float16)


def test_what_the_model_painted_says_so_and_nothing_else_does(done: Done) -> None:
    new = set(done.run.plan.new_frames)
    painted = 0
    for frame in done.run.plan.frames:
        extras = done.run.extras(frame)
        kind, share = extras["kind"], extras["A"]
        assert set(np.unique(kind)) <= {0, 1, 2, 3}
        assert ((kind == 0) == (share == 0)).all()
        sources = np.stack([extras[name] for name in ("x", "y", "frame")])
        assert np.isnan(sources[:, kind == 3]).all()
        assert np.isfinite(sources[:, kind == 1]).all()
        assert np.isfinite(extras["confidence"]).all()
        assert np.isfinite(share).all()
        assert np.isfinite(done.run.light(frame)).all()
        painted += int((kind == 3).sum())
        if done.task in GROUND:
            assert ((kind == 3) <= _generated(done)).all()
            assert (share[~_generated(done)] == 0).all()
        else:
            assert (kind == (3 if frame in new else 0)).all(), "whole frames are the plate's or the model's"
    assert painted > 100


def test_what_hangs_on_the_seed_is_what_the_model_painted(done: Done) -> None:
    if done.task not in GROUND:
        pytest.skip("whole frames are the model's, as is tested above")
    if done.task is Task.EXTEND and not done.shot.is_long:
        pytest.skip("the small one is tried with a matte alone, to save time")
    # What the plate engine found out of the plate is the same for both.
    cache = done.folder / "first" / "cache"
    other = work(done.again("seed", seed=6), done.folder / "seed", Listener(), cache=cache)
    differing, painted = 0, 0
    for frame in done.run.plan.frames:
        differs = (done.run.light(frame) != other.light(frame)).any(axis=-1)
        kind = done.run.extras(frame)["kind"]
        assert (kind == other.extras(frame)["kind"]).all()
        assert (differs <= (kind == 3)).all(), f"{(differs & (kind != 3)).sum()} at {frame}"
        differing, painted = differing + int(differs.sum()), painted + int((kind == 3).sum())
    assert differing > painted / 2


def test_light_below_0_and_above_1_stays_and_is_made(done: Done) -> None:
    made = []
    for frame in done.run.plan.frames:
        light, kind = done.run.light(frame), done.run.extras(frame)["kind"]
        made.append(light[kind == 3])
        if frame not in done.run.plan.new_frames:
            kept = light[kind == 0]
            assert kept.max() == 60
            assert kept.min() == -0.25
    every = np.concatenate(made)
    assert every.min() < 0
    assert every.max() > 1
    codes = np.concatenate(done.heard.painted)
    assert codes.max() > 1, "the tiny model's autoencoder goes there"
    at_bounds = ((codes == 0) | (codes == 1)).mean()
    assert at_bounds < 0.01, f"{at_bounds:.0%} of the codes are 0 or 1: something limits them"


def test_stopped_and_taken_up_again_in_other_pieces_it_has_the_same_bits(done: Done) -> None:
    tasks = card_of(done.engine).tasks
    if not done.shot.is_long and (tasks.index(done.task) + model_engines().index(done.engine)) % 2:
        pytest.skip("of the small ones every other is tried, to save time")
    paints = [step.id for step in last_first(done.run.plan) if done.heard.denoised[step.id]]
    job, folder = done.again("cut"), done.folder / "cut"
    plan = planned(engine_of(job.engine), job)
    assert plan.steps == done.run.plan.steps
    heard = Listener(stop_in=paints[-1])
    with pytest.raises(CancelledError):
        work(job, folder, heard, plan=plan, order=last_first)
    before = {step: done.heard.denoised[step] for step in paints[:-1]}
    assert dict(heard.denoised) == {**before, paints[-1]: 1}, "it stopped within a denoising step"
    assert heard.finished_steps

    # With an engine of its own for each step, as if each were another process's; who schedules knows what is done.
    if done.shot.is_long:
        runtime.forget_models()
    rest, left = Listener(), lambda plan: (step for step in plan.steps if step.id not in heard.finished_steps)
    cut = work(job, folder, rest, plan=plan, order=left, each_alone=True)
    assert dict(rest.denoised) == {paints[-1]: done.heard.denoised[paints[-1]]}, "finished windows stay"
    for frame in plan.frames:
        assert same_files(done.run.path(frame), cut.path(frame)), frame


@pytest.mark.slow
def test_steps_that_are_run_again_leave_the_same_bits(done: Done) -> None:
    job, folder = done.again("twice"), done.folder / "twice"
    plan = planned(engine_of(job.engine), job)
    twice = work(job, folder, Listener(), plan=plan, order=lambda plan: (step for step in plan.steps for _ in range(2)))
    work(job, folder, Listener(), plan=plan, each_alone=True)
    for frame in plan.frames:
        assert same_files(done.run.path(frame), twice.path(frame)), frame


def _generated(done: Done) -> np.ndarray:
    """Where anything may be generated, over the data window of the result."""
    result = done.run.result(done.run.plan.frames[0])
    if done.task is Task.INPAINT:
        return done.shot.matte_at() > 0
    found = np.ones(result.shape, bool)
    x, y = (done.shot.origin[at] + done.run.plan.plate_offset[at] - result.origin[at] for at in range(2))
    found[y : y + done.shot.size[1], x : x + done.shot.size[0]] = False
    return found
