"""The engine round every family, with a family that paints by a rule: whole jobs on an odd plate of high contrast."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from filming import Recorder, changed, ellipse, inpaint, make_job, pan, read, same_files, scene, write
from running import context_of, planned, run_engine
from stub import StubFamily, noisy, stub_engine

from overscan.core.colour import Curve, WideRange
from overscan.core.engines import load_engine
from overscan.core.engines.diffusion import DiffusionEngine, PaintRequest
from overscan.core.errors import CancelledError, MismatchError
from overscan.core.jobs import AnyTask, Continue, Extend, Interpolate, Job, Margins

SIZE = (617, 333)
ORIGIN = (-9, -7)
DISPLAY = (0, 0, 600, 320)
FRAMES = range(1001, 1024)
MATTE = np.pad(ellipse((160, 120), centre=(80, 60), radii=(60, 44)), ((100, 113), (200, 257)))


def _edit(index: int, light: np.ndarray) -> np.ndarray:
    light = light * np.float32(1.7)
    light[20:26, 30:50] = 900.0  # a lamp beyond the curve
    light[60, 60:70] = -0.05
    light[61, 60] = np.nan
    light[61, 61] = np.inf
    light[:, :, 1] += np.float32(0.001 * index)
    return light


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """23 frames of 617x333 in half, whose data window is larger than the display window, and a matte for them."""
    folder = tmp_path_factory.mktemp("plate")
    for frame in FRAMES:
        write(folder / f"matte.{frame}.exr", {"A": MATTE}, origin=ORIGIN, display=DISPLAY)
    return pan(
        folder,
        size=SIZE,
        step=(2.0, 0.0),
        start=(3.0, 5.0),
        frames=FRAMES,
        picture=scene(360, 700),
        edit=_edit,
        origin=ORIGIN,
        display=DISPLAY,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Motion is measured once for all jobs."""
    return tmp_path_factory.mktemp("cache")


def _task(name: str, plate: str) -> AnyTask:
    return {
        "extend": Extend(margins=Margins(left=11, right=40, bottom=5)),
        "inpaint": inpaint(plate.replace("plate.%04d", "matte.%04d")),
        "continue": Continue(head=6, tail=12),
        "interpolate": Interpolate(between=1),
    }[name]


def _frame_file(plate: str, frame: int) -> Path:
    return Path(plate % frame)


@pytest.mark.parametrize(
    "name",
    [*(pytest.param(name, marks=pytest.mark.slow) for name in ("extend", "inpaint", "interpolate")), "continue"],
)
def test_a_whole_job(tmp_path, plate, cache, name):
    engine = stub_engine(pixels=320 * 192)
    parameters = {"repaint": "all", "grain": False} if name == "inpaint" else {"grain": False}
    job = make_job(_task(name, plate), plate, str(tmp_path / "o/o.%04d.exr"), parameters=parameters)
    done = run_engine(engine, job, tmp_path, cache=cache)
    assert "LIGHT_LIMITED" in done.recorder.codes
    assert sorted(done.recorder.finished) == list(done.plan.frames)
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == [
        f"o.{frame:04d}.exr" for frame in done.plan.frames
    ]
    shown = {moment: own for moment, own in _plate_frames(name).items() if own is not None}
    for frame, own in shown.items():
        replaced = MATTE > 0 if name == "inpaint" else None
        compared, differing = changed(
            _frame_file(plate, own), done.path(frame), offset=done.plan.plate_offset, replaced=replaced
        )
        assert compared > 300_000
        assert differing == 0, frame
    new = [frame for frame in done.plan.frames if frame not in shown]
    assert len(new) == {"continue": 18, "interpolate": 22}.get(name, 0)
    for frame in (*new[:2], *new[-1:], FRAMES[0], FRAMES[11]) if new else (FRAMES[0], FRAMES[11], FRAMES[-1]):
        _check_receipt(done, frame, whole=frame in new)
    assert done.result(FRAMES[0]).display[2:] == ((600 + 51, 325) if name == "extend" else (600, 320))


def _plate_frames(name: str) -> dict[int, int | None]:
    """The plate's frame that each of the result is, by its number there."""
    if name == "continue":
        return {frame: frame if frame in FRAMES else None for frame in range(995, 1036)}
    if name == "interpolate":
        return {1001 + at: 1001 + at // 2 if at % 2 == 0 else None for at in range(45)}
    return {frame: frame for frame in FRAMES}


def _check_receipt(done, frame: int, *, whole: bool) -> None:
    extras, light = done.extras(frame), done.light(frame)
    theirs = (extras["kind"] == 3) & (extras["A"] > 0)
    assert whole == bool(theirs.all())
    if not whole and done.job.kind.value not in ("extend", "inpaint"):
        assert not extras["A"].any()
        return
    assert theirs.any()
    for name in ("x", "y", "frame"):
        assert np.isnan(extras[name][theirs]).all()
    assert np.isfinite(light[theirs]).all()
    assert (extras["confidence"][theirs] == 0.5).all()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small plate for jobs that run several times."""
    return pan(tmp_path_factory.mktemp("small"), size=(91, 67), frames=range(1, 15), step=(2, 1))


def _job(tmp_path: Path, small: str, task: AnyTask, folder: str, **fields: object) -> Job:
    return make_job(task, small, str(tmp_path / folder / "o.%d.exr"), **fields)


TASKS = [Extend(margins=Margins(right=30)), Continue(tail=9, head=5)]


@pytest.mark.parametrize("task", TASKS, ids=["extend", "continue"])
def test_the_same_bits_however_it_is_run(tmp_path, small, cache, task):
    runs = {}
    for name in ("one", "cut"):
        job = _job(tmp_path, small, task, name)
        fresh = (lambda: stub_engine()) if name == "cut" else None
        # Frames are finished last one first, each step by an engine that knows nothing of the others.
        order = (lambda plan: sorted(plan.steps, key=_backwards)) if name == "cut" else None
        runs[name] = run_engine(stub_engine(), job, tmp_path / f"w-{name}", cache=cache, order=order, fresh=fresh)
    frames = runs["one"].plan.frames
    assert frames == runs["cut"].plan.frames
    assert all(same_files(runs["one"].path(frame), runs["cut"].path(frame)) for frame in frames)
    other = run_engine(stub_engine(), _job(tmp_path, small, task, "other", seed=5), tmp_path / "w-other", cache=cache)
    assert any(not same_files(runs["one"].path(frame), other.path(frame)) for frame in frames)


def _backwards(step) -> tuple[int, int]:
    if step.kind == "finish":
        return 1, -int(step.id.rpartition("-")[2])
    return 0, 0


class Stopping(Recorder):
    """Stops a job after a number of looks whether it should."""

    def __init__(self, *, after: int) -> None:
        super().__init__()
        self.left = after

    def check_cancelled(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise CancelledError("stopped")


def test_cancelled_within_a_step_and_taken_up_again(tmp_path, small, cache):
    job = _job(tmp_path, small, Continue(tail=16), "o")
    engine = stub_engine()
    plan = planned(engine, job)
    paint = [step for step in plan.steps if step.kind == "paint"]
    assert len(paint) >= 3
    context = context_of(job, plan, tmp_path, cache=cache)
    engine.run(plan.steps[0], context)
    engine.run(paint[0], context)
    assert isinstance(engine.family, StubFamily)
    stopped = []

    def stopping(request: PaintRequest) -> np.ndarray:
        raise AssertionError("stopped before")

    engine.family.rule = stopping
    for after in range(1, 40):
        try:
            engine.run(paint[1], context_of(job, plan, tmp_path, cache=cache, reporter=Stopping(after=after)))
        except CancelledError:
            stopped.append(after)
        except AssertionError:
            break
    # While frames are gathered, and after each of the three denoising steps.
    assert len(stopped) > 9 + 3
    assert not list((tmp_path / "work").rglob("*.tmp"))
    seen = len(engine.family.requests)
    # A worker that was killed: another one goes on, and paints what is not there.
    again = stub_engine()
    for step in plan.steps:
        again.run(step, context)
    assert isinstance(again.family, StubFamily)
    assert len(again.family.requests) == len(paint) - 1
    assert seen >= 1
    straight = run_engine(stub_engine(), _job(tmp_path, small, Continue(tail=16), "s"), tmp_path / "s", cache=cache)
    name = job.output.path
    assert all(same_files(Path(name % frame), straight.path(frame)) for frame in plan.frames)


def test_light_survives_the_code(tmp_path):
    """A model that paints what it was last shown gives the plate's last frame back, below 0 and above 1 included."""
    picture = scene(100, 160) * np.float32(20)
    picture[30:34, 40:80] = -0.004
    picture[40:44, 40:80] = -0.3
    plate = pan(tmp_path / "p", size=(91, 67), frames=range(1, 4), step=(0, 0), start=(0, 0), picture=picture)
    # Windows of the plate's own size show it sample by sample.
    engine = stub_engine(lambda request: request.video, pixels=91 * 67, size=1)
    done = run_engine(engine, _job(tmp_path, plate, Continue(tail=20), "o", parameters={"grain": False}), tmp_path)
    last = np.stack([read(Path(plate % 3))[0].planes[name] for name in "RGB"], axis=-1)
    found = done.light(23).astype(np.float16)
    inside = (last > -0.0069) & (last < 222)
    assert ((last < 0) & inside).sum() > 400
    assert ((last > 10) & inside).sum() > 400
    # After three windows, of which each went on from the one before.
    assert np.abs(_order(found) - _order(last))[inside].max() <= 1
    assert np.allclose(found[last < -0.0069], -0.0069, atol=1e-4)


def _order(values: np.ndarray) -> np.ndarray:
    """Halves as whole numbers of which neighbours differ by 1."""
    bits = values.view(np.uint16).astype(np.int64)
    return np.where(bits < 1 << 15, bits, (1 << 15) - bits)


def test_the_seam_of_an_extension_is_not_seen(tmp_path, cache):
    """A model that shifts all colours by a third of a stop leaves no step where the plate ends."""
    picture = np.ascontiguousarray(scene(120, 200)[:67, :91]) * np.float32(0.2) + np.float32(0.3)
    plate = pan(tmp_path / "p", size=(91, 67), frames=range(1, 8), step=(0, 0), start=(0, 0), picture=picture)
    job = _job(tmp_path, plate, Extend(margins=Margins(right=29)), "o", parameters={"grain": False})
    done = run_engine(stub_engine(lambda request: request.video + 0.02, pixels=120 * 67), job, tmp_path, cache=cache)
    light = np.log2(done.light(4))
    across = (light[:, 93:97].mean(axis=1) - light[:, 87:91].mean(axis=1)).mean(axis=0)
    usual = (light[:, 87:91].mean(axis=1) - light[:, 81:85].mean(axis=1)).mean(axis=0)
    assert np.abs(across).max() < np.abs(usual).max() + 0.05


def test_what_the_model_paints_is_grained_like_the_plate(tmp_path, cache):
    rng = np.random.default_rng(3)

    def grain(index: int, light: np.ndarray) -> np.ndarray:
        return light + rng.normal(0, 0.02, light.shape).astype(np.float32)

    flat = np.full((120, 200, 3), 0.4, np.float32) + scene(120, 200) * np.float32(0.02)
    plate = pan(tmp_path / "p", size=(120, 90), frames=range(1, 9), step=(1, 0), start=(5, 5), picture=flat, edit=grain)
    sigma = {}
    for name, on in (("with", True), ("without", False)):
        job = _job(tmp_path, plate, Continue(tail=3), name, parameters={"grain": on})
        done = run_engine(stub_engine(lambda request: request.video * 0 + 0.45), job, tmp_path / name, cache=cache)
        light = done.light(10)
        sigma[name] = float(np.diff(light, axis=1).std() / np.sqrt(2))
    assert sigma["without"] < 0.002
    assert 0.016 < sigma["with"] < 0.024


def test_several_far_mattes_are_several_areas(tmp_path, cache):
    plate = pan(tmp_path / "p", size=(400, 120), frames=range(1, 4), step=(1, 0), picture=scene(200, 500))
    both = ellipse((400, 120), centre=(40, 60), radii=(14, 12)) + ellipse((400, 120), centre=(360, 60), radii=(14, 12))
    write(tmp_path / "m/m.exr", {"A": both})
    job = _job(tmp_path, plate, inpaint(str(tmp_path / "m/m.exr")), "o", parameters={"repaint": "all"})
    engine = stub_engine(pixels=64 * 64)
    done = run_engine(engine, job, tmp_path, cache=cache)
    assert isinstance(engine.family, StubFamily)
    assert len(engine.family.requests) == 2
    assert all(request.video.shape[1:3] != (120, 400) for request in engine.family.requests)
    assert len({request.seed for request in engine.family.requests}) == 2
    kind = done.extras(2)["kind"]
    assert (kind[:, :200] == 3).any()
    assert (kind[:, 200:] == 3).any()
    assert changed(Path(plate % 2), done.path(2), replaced=both > 0)[1] == 0


def test_nothing_to_paint_is_no_work(tmp_path, small, cache):
    write(tmp_path / "m/m.exr", {"A": np.zeros((67, 91), np.float32)})
    engine = stub_engine()
    done = run_engine(engine, _job(tmp_path, small, inpaint(str(tmp_path / "m/m.exr")), "o"), tmp_path, cache=cache)
    assert isinstance(engine.family, StubFamily)
    assert engine.family.requests == []
    assert all(changed(Path(small % frame), done.path(frame))[1] == 0 for frame in done.plan.frames)


def test_an_engine_is_read_without_torch():
    engine = DiffusionEngine(family=StubFamily(rule=noisy))
    assert engine.card.name == "stub"
    assert {"prompt", "steps", "seed", "parameters", "movers"} <= set(engine.card.controls)
    assert engine.unavailable() == ""


def test_a_model_that_changes_nothing_leaves_the_groundwork_sharp(tmp_path, cache):
    """Through a work area of half the size and back: in place, and as fine as what was copied."""
    size = (240, 160)
    plate = pan(tmp_path / "p", size=size, frames=range(1, 9), step=(5, 0), picture=scene(260, 400))
    for frame in range(1, 9):
        write(tmp_path / f"m/m.{frame}.exr", {"A": ellipse(size, centre=(40 + 22 * frame, 80), radii=(22, 30))})
    matte = inpaint(str(tmp_path / "m/m.%d.exr"))
    # The plate engine's own frames are what the model is shown.
    own = _job(tmp_path, plate, matte, "plate", engine="plate", parameters={"fill": "smooth", "grain": False})
    truth = run_engine(load_engine("plate"), own, tmp_path / "a", cache=cache)
    job = _job(
        tmp_path, plate, matte, "o", parameters={"repaint": "all", "grain": False, "confidence": 1.0, "exposure": "-1"}
    )
    done = run_engine(
        stub_engine(lambda request: request.video, pixels=5000, frames_max=5), job, tmp_path / "b", cache=cache
    )
    wide = WideRange(curve=Curve.ACESCCT)
    for frame in (2, 4, 7):
        extras = done.extras(frame)
        theirs = (extras["kind"] == 3) & (extras["A"] == 1) & (truth.extras(frame)["confidence"] > 0.8)
        assert theirs.sum() > 300
        shown, kept = (wide.encode(run.light(frame)) for run in (done, truth))
        away = np.abs(shown - kept)[theirs].mean() / wide.stop
        coarse = cv2.resize(cv2.resize(kept, (120, 80), interpolation=cv2.INTER_AREA), size)
        assert away < 0.5 * np.abs(coarse - kept)[theirs].mean() / wide.stop
        (across, down), _ = cv2.phaseCorrelate(
            *(np.where(theirs, picture[..., 1], 0.4).astype(np.float64) for picture in (kept, shown))
        )
        assert abs(across) < 0.05
        assert abs(down) < 0.05


def test_a_plate_that_changes_in_between_is_told(tmp_path):
    plate = pan(tmp_path / "p", size=(91, 67), frames=range(1, 5))
    job = _job(tmp_path, plate, Continue(tail=16), "o", parameters={"grain": False})
    plan = planned(stub_engine(), job)
    context = context_of(job, plan, tmp_path)
    for step in plan.steps[:2]:
        stub_engine().run(step, context)
    pan(tmp_path / "p", size=(91, 67), frames=range(1, 5), start=(50, 40))
    with pytest.raises(MismatchError, match="changed"):
        stub_engine().run(plan.steps[2], context)
