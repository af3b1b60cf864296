"""Whole jobs with Wan pipelines of tiny random weights: on an odd-sized HDR plate, cut, stopped and taken up again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra `models`")

from filming import Recorder, Run, changed, ellipse, inpaint, make_job, pan, read, same_files, write
from tiny._wan import save_wan_i2v, save_wan_vace

from overscan.core.controls import Controls
from overscan.core.engines import Context, Step
from overscan.core.engines.diffusion import DiffusionEngine, runtime
from overscan.core.engines.diffusion.families._wan_i2v import WanI2v
from overscan.core.engines.diffusion.families._wan_vace import WanVace
from overscan.core.errors import CancelledError
from overscan.core.jobs import Continue, Extend, Interpolate, Job, Margins
from overscan.core.models import library

# The same at a smaller size is in test_every_family.py.
pytestmark = pytest.mark.slow

SIZE = (87, 61)
FRAMES = range(1001, 1012)
ORIGIN, DISPLAY = (-4, -3), (0, 0, 77, 53)
PARAMETERS = {"work_pixels": 48 * 32, "window": 9}
CONTROLS = Controls(prompt="a stone wall", steps=2)


@pytest.fixture(scope="module", autouse=True)
def _library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root = tmp_path_factory.mktemp("wan-jobs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVERSCAN_HOME", str(root / "home"))
        models = library()
        models.add(save_wan_vace(root / "vace"), name="vace", card="wan-vace")
        for kind in ("2.1", "flf", "2.2"):
            models.add(save_wan_i2v(root / kind, kind=kind), name=f"i2v-{kind}", card="wan-i2v")
        yield
        runtime.forget_models()


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eleven frames from 1001, the data window larger than the display window, light from below 0 to far above 1."""
    return pan(
        tmp_path_factory.mktemp("plate"), size=SIZE, step=(2.0, 0.5), frames=FRAMES, origin=ORIGIN, display=DISPLAY
    )


@pytest.fixture(scope="module")
def mattes(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("matte")
    for index, number in enumerate(FRAMES):
        matte = ellipse(SIZE, centre=(30.0 + 2 * index, 28.0), radii=(11.0, 9.0))
        write(folder / f"matte.{number:04d}.exr", {"A": matte.astype(np.float16)}, origin=ORIGIN, display=DISPLAY)
    return str(folder / "matte.%04d.exr")


@dataclass
class Stopping(Recorder):
    """Asks the job to stop once it hears of a denoising step, as a user does who clicks."""

    stop_at: str = ""
    heard: list[str] = field(default_factory=list)
    stopped: bool = False

    def progress(self, *, fraction: float, message: str) -> None:
        super().progress(fraction=fraction, message=message)
        self.heard.append(message)
        self.stopped = self.stopped or bool(self.stop_at and self.stop_at in message)

    def check_cancelled(self) -> None:
        if self.stopped:
            raise CancelledError("stop")


def run(
    family: Any,
    job: Job,
    folder: Path,
    *,
    recorder: Recorder | None = None,
    after: Callable[[Step], None] | None = None,
) -> Run:
    engine = DiffusionEngine(family=family)
    plan = engine.plan(job)
    assert plan.feasible, [problem.message for problem in plan.problems]
    for name in ("work", "cache"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    own = recorder or Recorder()
    context = Context(job=job, plan=plan, work_folder=folder / "work", cache_folder=folder / "cache", reporter=own)
    for step in plan.steps:
        engine.run(step, context)
        if after is not None:
            after(step)
    return Run(job=job, plan=plan, recorder=own, work=folder / "work")


def job_for(task: Any, plate: str, folder: Path, **fields: Any) -> Job:
    return make_job(
        task,
        plate,
        str(folder / "out.%04d.exr"),
        **{"engine": "wan-vace", "model": "vace", "parameters": PARAMETERS, "controls": CONTROLS, "seed": 5, **fields},
    )


def kinds(done: Run, frame: int) -> set[int]:
    return {int(kind) for kind in np.unique(done.extras(frame)["kind"])}


def assert_same_results(one: Run, other: Run) -> None:
    assert one.plan.frames == other.plan.frames
    for frame in one.plan.frames:
        assert same_files(one.path(frame), other.path(frame)), frame


def test_extension_keeps_the_plate_and_runs_the_same_twice(plate: str, tmp_path: Path) -> None:
    task = Extend(margins=Margins(left=9, right=21, top=5))
    done = run(WanVace(), job_for(task, plate, tmp_path / "a"), tmp_path / "a")
    assert done.plan.frames == tuple(FRAMES)
    for frame in FRAMES:
        source = Path(plate % frame)
        compared, differing = changed(source, done.path(frame), offset=done.plan.plate_offset)
        assert (compared, differing) == (3 * SIZE[0] * SIZE[1], 0)
        result = done.result(frame)
        assert result.display[2:] == (DISPLAY[2] + 30, DISPLAY[3] + 5)
        assert np.isfinite(done.light(frame)).all()
    assert 3 in kinds(done, 1001)
    assert done.light(1006).max() > 1
    assert done.light(1006).min() < 0
    painted = done.extras(1006)["kind"] == 3
    assert np.isnan(done.extras(1006)["x"][painted]).all()
    assert_same_results(done, run(WanVace(), job_for(task, plate, tmp_path / "b"), tmp_path / "b"))


def test_clean_up_stopped_within_a_step_and_taken_up_again(plate: str, mattes: str, tmp_path: Path) -> None:
    task = inpaint(mattes)
    everything = {**PARAMETERS, "repaint": "all"}
    whole = run(WanVace(), job_for(task, plate, tmp_path / "a", parameters=everything), tmp_path / "a")
    for frame in FRAMES:
        matte = read(Path(mattes % frame))[0].planes["A"] > 0
        compared, differing = changed(Path(plate % frame), whole.path(frame), replaced=matte)
        assert compared > 0
        assert differing == 0
        assert 3 in kinds(whole, frame)

    job = job_for(task, plate, tmp_path / "b", parameters=everything)
    hears = Stopping(stop_at="denoising step 1 of 2")
    with pytest.raises(CancelledError):
        run(WanVace(), job, tmp_path / "b", recorder=hears)
    assert not any("denoising step 2" in message for message in hears.heard)
    runtime.forget_models()  # as in another process
    assert_same_results(whole, run(WanVace(), job, tmp_path / "b"))


def test_windows_that_are_there_are_not_painted_again(plate: str, mattes: str, tmp_path: Path) -> None:
    task = inpaint(mattes)
    everything = {**PARAMETERS, "repaint": "all", "window": 5, "overlap": 1}
    job = job_for(task, plate, tmp_path / "a", parameters=everything)

    class OneIsEnoughError(Exception):
        pass

    def stop(step: Step) -> None:
        if step.kind == "paint":
            raise OneIsEnoughError

    with pytest.raises(OneIsEnoughError):
        run(WanVace(), job, tmp_path / "a", after=stop)
    runtime.forget_models()
    hears = Stopping()
    taken_up = run(WanVace(), job, tmp_path / "a", recorder=hears)
    paints = [step for step in taken_up.plan.steps if step.kind == "paint"]
    assert len(paints) >= 3
    last = sum("denoising step 2 of 2" in message for message in hears.heard)
    assert last == len(paints) - 1
    fresh = job_for(task, plate, tmp_path / "b", parameters=everything)
    assert_same_results(taken_up, run(WanVace(), fresh, tmp_path / "b"))


@pytest.mark.parametrize(
    ("family", "engine", "model"),
    [(WanVace(), "wan-vace", "vace"), (WanI2v(), "wan-i2v", "i2v-2.1")],
    ids=["vace", "i2v"],
)
def test_handles_on_both_ends(family: Any, engine: str, model: str, plate: str, tmp_path: Path) -> None:
    task = Continue(head=3, tail=6)
    done = run(family, job_for(task, plate, tmp_path / "a", engine=engine, model=model), tmp_path / "a")
    assert done.plan.frames == tuple(range(998, 1018))
    assert done.plan.new_frames == (998, 999, 1000, *range(1012, 1018))
    for frame in FRAMES:
        assert changed(Path(plate % frame), done.path(frame)) == (3 * SIZE[0] * SIZE[1], 0)
    for frame in done.plan.new_frames:
        assert kinds(done, frame) == {3}
        assert np.isfinite(done.light(frame)).all()
        result = done.result(frame)
        assert (result.origin, result.display) == (ORIGIN, DISPLAY)
    assert_same_results(
        done, run(family, job_for(task, plate, tmp_path / "b", engine=engine, model=model), tmp_path / "b")
    )


@pytest.mark.parametrize(
    ("family", "engine", "model"),
    [(WanVace(), "wan-vace", "vace"), (WanI2v(), "wan-i2v", "i2v-flf"), (WanI2v(), "wan-i2v", "i2v-2.2")],
    ids=["vace", "flf", "2.2"],
)
def test_in_betweens(family: Any, engine: str, model: str, plate: str, tmp_path: Path) -> None:
    job = job_for(
        Interpolate(between=1),
        plate,
        tmp_path / "a",
        engine=engine,
        model=model,
        source={"frames": (1001, 1002, 1003)},
    )
    done = run(family, job, tmp_path / "a")
    new = set(done.plan.new_frames)
    assert len(new) == 2
    for frame in new:
        assert kinds(done, frame) == {3}
        assert np.isfinite(done.light(frame)).all()


def test_a_model_that_reaches_no_last_frame_is_refused_in_betweens(plate: str, tmp_path: Path) -> None:
    job = job_for(Interpolate(between=1), plate, tmp_path / "a", engine="wan-i2v", model="i2v-2.1")
    problems = DiffusionEngine(family=WanI2v()).plan(job).problems
    assert [problem.field for problem in problems] == ["model"]
    extend = job_for(Extend(margins=Margins(left=8)), plate, tmp_path / "a", engine="wan-i2v", model="i2v-2.1")
    assert not DiffusionEngine(family=WanI2v()).plan(extend).feasible, "whole frames only"


def test_a_model_folder_that_is_gone_is_a_problem_of_the_plan(plate: str, tmp_path: Path) -> None:
    folder = save_wan_vace(tmp_path / "gone")
    library().add(folder, name="gone", card="wan-vace")
    try:
        shutil.rmtree(folder)
        job = job_for(Continue(tail=3), plate, tmp_path / "a", model="gone")
        (problem,) = DiffusionEngine(family=WanVace()).plan(job).problems
        assert (problem.code, problem.field) == ("MODEL", "model")
        assert "gone" in problem.message
    finally:
        library().remove("gone")
