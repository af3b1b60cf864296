"""The same job gives the same pixels however it is cut, ordered, cached or threaded."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filming import Run, ellipse, inpaint, make_job, pan, run, same_files, write

from overscan.core.engines import Plan, Step
from overscan.core.jobs import Extend, Job

FRAMES = tuple(range(1001, 1028, 2))


def _job(folder: Path, kind: str) -> Job:
    # Sub-pixel steps, so that any rounding would show; more frames than one step renders or analyses at once.
    plate = pan(folder / "p", step=(2.3, 0.6), start=(20.5, 30.25), frames=FRAMES, size=(96, 64))
    if kind == "extend":
        task = Extend(size=(128, 76))
    else:
        for index, frame in enumerate(FRAMES):
            matte = ellipse((96, 64), centre=(16 + 4.5 * index, 32), radii=(9, 14))
            write(folder / f"m/m.{frame}.exr", {"A": matte})
        task = inpaint(str(folder / "m/m.%d.exr"))
    return make_job(task, plate, str(folder / "whole/o.%04d.exr"))


def _copied(done: Run) -> int:
    return sum(int((done.extras(frame)["kind"] == 1).sum()) for frame in done.plan.frames)


def _to(job: Job, folder: Path, **fields: object) -> Job:
    return replace(job, output=replace(job.output, path=str(folder / "o.%04d.exr")), **fields)


def _backwards(plan: Plan) -> Iterable[Step]:
    """Last steps first, as far as `needs` allow."""
    waiting, done = list(reversed(plan.steps)), set()
    while waiting:
        step = next(step for step in waiting if set(step.needs) <= done)
        waiting.remove(step)
        done.add(step.id)
        yield step


@pytest.fixture(scope="module")
def wholes(tmp_path_factory) -> dict[str, Run]:
    """Both jobs, each run in one go; folder ``1`` beside the plate has the work and the cache."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in ("extend", "inpaint")}
    return {kind: run(_job(folder, kind), folder / "1") for kind, folder in folders.items()}


@pytest.mark.parametrize("kind", ["extend", "inpaint"])
def test_whole_in_pieces_that_spare_memory_backwards_and_over_a_warm_cache(tmp_path, wholes, kind):
    whole = wholes[kind]
    job = whole.job
    assert _copied(whole) > 1000  # or there would be little to get wrong
    assert sorted(whole.recorder.finished) == list(FRAMES)

    for at, piece in enumerate((FRAMES[:1], FRAMES[1:9], FRAMES[9:])):
        run(_to(job, tmp_path / "pieces", frames=piece), tmp_path / f"piece{at}", frugal=at)
    backwards = run(_to(job, tmp_path / "backwards"), tmp_path / "2", order=_backwards)
    warm = run(_to(job, tmp_path / "warm"), tmp_path / "3", cache=whole.work.parent / "cache")
    assert len(backwards.plan.steps) > 3
    for frame in FRAMES:
        expected = whole.path(frame)
        assert same_files(expected, tmp_path / f"pieces/o.{frame}.exr"), frame
        assert same_files(expected, backwards.path(frame)), frame
        assert same_files(expected, warm.path(frame)), frame


def test_one_thread_and_two(tmp_path, wholes):
    job = wholes["extend"].job
    program = (
        "import pickle, sys; from pathlib import Path\n"
        "from filming import run; import numba\n"
        "job, folder, threads = pickle.load(sys.stdin.buffer)\n"
        "assert numba.config.NUMBA_NUM_THREADS == threads\n"
        "run(job, Path(folder))\n"
    )
    for threads in (1, 2):
        folder = tmp_path / f"threads{threads}"
        paths = [str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"NUMBA_NUM_THREADS": str(threads), "PYTHONPATH": os.pathsep.join(paths)}
        given = pickle.dumps((_to(job, folder, frames=FRAMES[:6]), str(folder), threads))
        subprocess.run([sys.executable, "-c", program], input=given, env=environment, check=True, timeout=120)
    for frame in FRAMES[:6]:
        assert same_files(tmp_path / f"threads1/o.{frame}.exr", tmp_path / f"threads2/o.{frame}.exr"), frame


def test_steps_may_be_run_again(tmp_path, wholes):
    once = wholes["inpaint"]
    job = once.job
    before = {frame: once.path(frame).read_bytes() for frame in FRAMES}

    def twice(plan: Plan) -> Iterable[Step]:
        for step in plan.steps:
            yield from (step, step)

    again = run(_to(job, tmp_path / "again"), tmp_path / "2", order=twice)
    for frame in FRAMES:
        assert same_files(once.path(frame), again.path(frame))
    # A worker that starts anew on the same work folder changes nothing either.
    run(replace(job, output=replace(job.output, overwrite=True)), once.work.parent)
    assert {frame: once.path(frame).read_bytes() for frame in FRAMES} == before


def test_the_cache_forgets_frames_that_changed(tmp_path):
    frames = range(1, 7)
    first = run(
        make_job(
            Extend(size=(150, 80)), pan(tmp_path / "p", frames=frames, size=(128, 80)), str(tmp_path / "a.%d.exr")
        ),
        tmp_path / "1",
    )
    # The same files, another pan in them.
    pan(tmp_path / "p", frames=frames, size=(128, 80), step=(-3, 0), start=(120, 60))
    job = make_job(Extend(size=(150, 80)), str(tmp_path / "p/plate.%04d.exr"), str(tmp_path / "b.%d.exr"))
    warm = run(job, tmp_path / "2", cache=tmp_path / "1" / "cache")
    cold = run(_to(job, tmp_path / "cold"), tmp_path / "3")
    for frame in frames:
        assert same_files(warm.path(frame), cold.path(frame))
        assert not same_files(warm.path(frame), first.path(frame))
    assert _copied(cold) > 500
    assert np.isfinite(cold.light(3)).all()


def test_a_piece_far_from_the_rest_of_a_long_shot(tmp_path):
    """A frame hears the trials near it in time, and those alone, whatever else is rendered."""
    frames = tuple(range(1, 49))
    plate = pan(tmp_path / "p", step=(3.3, 0), start=(2, 20), frames=frames, size=(64, 40))
    job = make_job(Extend(size=(80, 40)), plate, str(tmp_path / "whole/o.%04d.exr"), parameters={"search_range": 6})
    whole = run(job, tmp_path / "1")
    for at, piece in enumerate((frames[:2], frames[23:25], frames[-1:])):
        done = run(_to(job, tmp_path / "pieces", frames=piece), tmp_path / f"piece{at}")
        assert len(done.plan.steps) < len(whole.plan.steps)
        for frame in piece:
            assert same_files(whole.path(frame), done.path(frame)), frame
    assert _copied(whole) > 5000


def test_the_cache_tells_mattes_apart(tmp_path):
    plate = pan(tmp_path / "p", frames=range(1, 7), size=(128, 80))
    runs = []
    for at, centre in enumerate(((40, 30), (80, 50))):
        write(tmp_path / "m.exr", {"A": ellipse((128, 80), centre=centre, radii=(16, 12))})
        job = make_job(inpaint(str(tmp_path / "m.exr")), plate, str(tmp_path / f"{at}.%d.exr"))
        runs.append(run(job, tmp_path / str(at), cache=tmp_path / "cache"))
    cold = run(_to(runs[1].job, tmp_path / "cold"), tmp_path / "2")
    assert _copied(cold) > 500
    for frame in range(1, 7):
        assert same_files(runs[1].path(frame), cold.path(frame))
