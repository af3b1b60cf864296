"""In-betweens: where they lie in the result, how near the truth they come, and what they say of themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numba
import numpy as np
import pytest
from filming import changed, look, make_job, pan, problems, rgb, run, same_files, scene, write

from overscan.core.engines import Context, load_engine
from overscan.core.jobs import ExtrasMode, Interpolate
from overscan.core.results import verify_job, verify_result

SIZE = (96, 64)
STEP, START = (2.6, 0.8), (40.0, 30.0)


def _smooth_scene() -> np.ndarray:
    """A picture that sub-pixel motion does not alias."""
    return cv2.GaussianBlur(scene(200, 300), (0, 0), 1.0)


def _psnr(got: np.ndarray, truth: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((got - truth) ** 2 + 1e-20) / np.percentile(truth, 99) ** 2))


def _truth(picture: np.ndarray, time: float) -> np.ndarray:
    return look(picture, START[0] + time * STEP[0], START[1] + time * STEP[1], size=SIZE)


def _plate(folder: Path, frames=(1001, 1002, 1003), **fields) -> tuple[str, np.ndarray]:
    picture = _smooth_scene()
    for number in frames:
        write(folder / f"p.{number:04d}.exr", rgb(_truth(picture, number - frames[0]), np.float32), **fields)
    return str(folder / "p.%04d.exr"), picture


def test_between_keeps_the_plate_and_numbers_on(tmp_path):
    plate, picture = _plate(tmp_path / "p")
    done = run(make_job(Interpolate(between=2), plate, str(tmp_path / "o.%04d.exr")), tmp_path)
    assert done.plan.frames == tuple(range(1001, 1008))
    assert done.plan.new_frames == (1002, 1003, 1005, 1006)
    assert done.recorder.finished == list(range(1001, 1008))
    for number in (1001, 1002, 1003):
        compared, differing = changed(Path(plate % number), done.path(1001 + 3 * (number - 1001)))
        assert (compared, differing) == (3 * 96 * 64, 0)
    for place in range(7):
        assert float(done.result(1001 + place).attributes["overscan:time"]) == pytest.approx(1001 + place / 3)
    for frame in done.plan.new_frames:
        assert _psnr(done.light(frame), _truth(picture, (frame - 1001) / 3)) > 38
        extras = done.extras(frame)
        assert extras["A"].min() == 1
        single = extras["kind"] == 1
        assert np.isfinite(extras["x"][single]).all()
        assert set(np.unique(extras["frame"][single])) <= {1001, 1002, 1003}
        assert np.isnan(extras["x"][~single]).all()
        assert extras["confidence"].min() >= 0
        assert np.median(extras["confidence"]) > 0.9
    assert done.extras(1004)["frame"].min() == done.extras(1004)["frame"].max() == 1002, "the plate's own number"


def test_an_address_names_the_light_that_is_there(tmp_path):
    plate, _ = _plate(tmp_path / "p", frames=(1, 2))
    done = run(make_job(Interpolate(times=(1.25,)), plate, str(tmp_path / "o.%04d.exr")), tmp_path)
    extras, light = done.extras(1), done.light(1)
    rows, columns = np.nonzero(extras["kind"] == 1)
    assert len(rows)
    pictures = {number: _truth(_smooth_scene(), number - 1) for number in (1, 2)}
    for row, column in list(zip(rows, columns, strict=True))[::7]:
        source = pictures[int(extras["frame"][row, column])]
        x, y = np.float32(extras["x"][row, column]), np.float32(extras["y"][row, column])
        there = cv2.remap(source, np.array([[x]]), np.array([[y]]), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        assert light[row, column] == pytest.approx(there[0, 0], rel=0.1, abs=0.02)


@pytest.mark.parametrize(
    ("times", "frames", "new"),
    [
        ((1001.0, 1003.0, 1005.0), (1001, 1003, 1005), (1003,)),
        ((1001.5, 1001.25), (1001, 1002), (1001, 1002)),
        ((1001.0, 1001.0, 1002.5), (1001, 1002, 1003), (1003,)),
        ((1005.0, 1001.0), (1001, 1002), ()),
    ],
)
def test_times_and_holes(tmp_path, times, frames, new):
    plate, picture = _plate(tmp_path / "p", frames=(1001, 1002, 1004, 1005))
    done = run(make_job(Interpolate(times=times), plate, str(tmp_path / "o.%04d.exr")), tmp_path)
    assert done.plan.frames == frames
    assert done.plan.new_frames == new
    assert ("FRAMES_OVER_HOLES" in {notice.code for notice in done.plan.warnings}) == any(
        1002 < time < 1004 for time in times
    )
    for frame, time in zip(frames, times, strict=True):
        assert _psnr(done.light(frame), _truth(picture, time - 1001)) > 38
    assert [check.differing for check in verify_job(done.job, work_folder=done.work)] == [0] * len(frames)
    assert [check.differing for check in verify_result(result=done.job.output.path)] == [0] * len(frames)


def test_verification_sees_a_changed_plate_frame_and_a_lost_new_one(tmp_path):
    plate, _ = _plate(tmp_path / "p")
    done = run(make_job(Interpolate(between=1), plate, str(tmp_path / "o.%04d.exr")), tmp_path)
    checks = {check.frame: check for check in verify_result(result=done.job.output.path)}
    assert {frame: check.samples for frame, check in checks.items()} == {
        frame: 0 if frame in (1002, 1004) else 3 * 96 * 64 for frame in range(1001, 1006)
    }
    write(Path(plate % 1002), rgb(scene(*SIZE[::-1]), np.float32))
    differing = {check.frame for check in verify_result(result=done.job.output.path) if check.differing}
    assert differing == {1003}
    done.path(1004).unlink()
    with pytest.raises(Exception, match="1004"):
        list(verify_result(result=done.job.output.path))


def test_a_subset_and_a_wide_gap(tmp_path):
    """Large steps, holes, negative numbers and a window that begins anywhere."""
    picture = _smooth_scene()
    for number in (-8, -4):
        write(
            tmp_path / f"p/p.{number:d}.exr",
            rgb(look(picture, 60 + 3 * number, 40, size=SIZE), np.float32),
            origin=(-7, 11),
            display=(0, 0, 80, 60),
        )
    job = make_job(Interpolate(between=3), str(tmp_path / "p/p.%d.exr"), str(tmp_path / "o.%d.exr"), frames=(-6, -5))
    done = run(job, tmp_path)
    assert done.plan.frames == (-6, -5)
    for frame in (-6, -5):
        assert done.result(frame).origin == (-7, 11)
        assert _psnr(done.light(frame), look(picture, 60 + 3 * frame, 40, size=SIZE)) > 34


def test_nothing_is_seen_twice_where_the_frames_disagree(tmp_path):
    """A lamp that goes on between two frames: each pixel of the in-between shows it off or on, not half."""
    picture = _smooth_scene()
    for number, gain in ((1, 1.0), (2, 64.0)):
        write(tmp_path / f"p/p.{number}.exr", rgb(look(picture, 40, 30, size=SIZE) * np.float32(gain), np.float32))
    job = make_job(Interpolate(times=(1.4,)), str(tmp_path / "p/p.%d.exr"), str(tmp_path / "o.%d.exr"))
    done = run(job, tmp_path)
    off = look(picture, 40, 30, size=SIZE)
    bright = off > 0.2
    ratio = done.light(1)[bright] / off[bright]
    assert (
        (np.abs(np.log2(np.maximum(ratio, 1e-3))) < 1.2) | (np.abs(np.log2(np.maximum(ratio, 1e-3)) - 6) < 1.2)
    ).mean() > 0.9


def test_grain_of_an_in_between_is_the_plates(tmp_path):
    """The mean of two frames has less grain than either; and neither's comes through where one alone is taken."""
    picture, rng, sigma, size = _smooth_scene(), np.random.default_rng(2), 0.02, (240, 135)
    for number in range(1, 7):
        view = look(picture, 20 + 2.5 * number, 30, size=size)
        grainy = view + sigma * rng.standard_normal(view.shape)
        write(tmp_path / f"p/p.{number}.exr", rgb(grainy.astype(np.float32), np.float32))
    rest = {}
    for grain in (True, False):
        job = make_job(
            Interpolate(times=(3.5,)),
            str(tmp_path / "p/p.%d.exr"),
            str(tmp_path / f"{grain}/o.%d.exr"),
            parameters={"grain": grain},
        )
        done = run(job, tmp_path / f"w{grain}", cache=tmp_path)
        truth = look(picture, 20 + 2.5 * 3.5, 30, size=size)
        rest[grain] = (done.light(1) - truth)[8:-8, 8:-8].std()
    assert rest[False] < 0.85 * sigma
    assert rest[True] == pytest.approx(sigma, rel=0.12)


def test_flicker_is_met_in_the_middle(tmp_path):
    """Also where only one of the frames shows a place: no patches of another exposure."""
    picture = _smooth_scene()
    for number, gain in ((1, 1.0), (2, 1.2)):
        view = look(picture, 40 + 9 * number, 30, size=SIZE) * np.float32(gain)
        write(tmp_path / f"p/p.{number}.exr", rgb(view, np.float32))
    job = make_job(Interpolate(times=(1.5,)), str(tmp_path / "p/p.%d.exr"), str(tmp_path / "o.%d.exr"))
    done = run(job, tmp_path)
    truth = look(picture, 40 + 9 * 1.5, 30, size=SIZE)
    bright = np.median(truth, axis=-1) > 0.1
    stops = np.median(np.log2(np.maximum(done.light(1), 1e-3) / np.maximum(truth, 1e-3)), axis=-1)
    for columns in (slice(0, 5), slice(5, -5), slice(-5, None)):
        assert np.median(stops[:, columns][bright[:, columns]]) == pytest.approx(np.log2(1.2) / 2, abs=0.05)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_do_not_spread(tmp_path, bad):
    plate, picture = _plate(tmp_path / "p", frames=(1, 2))
    spoiled = _truth(picture, 0)
    spoiled[20:23, 40:43] = bad
    write(Path(plate % 1), rgb(spoiled, np.float32))
    done = run(make_job(Interpolate(between=1), plate, str(tmp_path / "o.%d.exr")), tmp_path)
    assert np.isfinite(done.light(2)).all()
    assert _psnr(done.light(2), _truth(picture, 0.5)) > 38


def test_luminance_alpha_and_layers_that_cannot_be_made(tmp_path):
    picture = _smooth_scene()
    for number in (1, 2):
        view = _truth(picture, number - 1)[..., 1]
        planes = {"Y": view, "A": np.full_like(view, 0.25), "depth.Z": np.full_like(view, 7)}
        write(tmp_path / f"p/p.{number}.exr", planes, attributes={"smpte:TimeCode": ("timecode", (0x01020304, 5))})
    job = make_job(Interpolate(between=1), str(tmp_path / "p/p.%d.exr"), str(tmp_path / "o.%d.exr"))
    done = run(job, tmp_path)
    (notice,) = (notice for notice in done.plan.warnings if notice.code == "LAYERS_EMPTY")
    assert "depth.Z" in notice.message
    assert "Y" not in notice.message.split(":")[-1]
    made = done.result(2)
    assert _psnr(made.planes["Y"], _truth(picture, 0.5)[..., 1]) > 38
    assert (made.planes["A"] == 1).all()
    assert (made.planes["depth.Z"] == 0).all()
    assert made.attributes["smpte:TimeCode"] == (0x01020304, 5), "between two frames there is no timecode"


def test_cut_and_interrupted_it_is_the_same(tmp_path):
    plate, _ = _plate(tmp_path / "p", frames=range(1001, 1006))
    whole = run(make_job(Interpolate(between=3), plate, str(tmp_path / "a/o.%04d.exr")), tmp_path / "ra")
    back = run(
        make_job(Interpolate(between=3), plate, str(tmp_path / "b/o.%04d.exr"), frames=(1002, 1003, 1010, 1016)),
        tmp_path / "rb",
        order=lambda plan: [plan.steps[0], *reversed(plan.steps[1:])],
    )
    for frame in back.plan.frames:
        assert same_files(whole.path(frame), back.path(frame))
    # A worker that died: some frames are there, others not, and another worker takes up the work folder.
    kept = whole.path(1002).stat().st_mtime_ns
    whole.path(1003).unlink()
    engine = type(load_engine("plate"))()
    context = Context(
        job=whole.job,
        plan=whole.plan,
        work_folder=whole.work,
        cache_folder=tmp_path / "ra/cache",
        reporter=replace(whole.recorder),
    )
    for step in whole.plan.steps:
        engine.run(step, context)
    assert whole.path(1002).stat().st_mtime_ns == kept
    assert same_files(whole.path(1003), back.path(1003))


@pytest.mark.parametrize(
    ("task", "frames", "code", "word"),
    [
        (Interpolate(between=0), (1, 2), "INVALID_JOB", "at least 1"),
        (Interpolate(), (1, 2), "INVALID_JOB", "--between or --times"),
        (Interpolate(between=1, times=(1.5,)), (1, 2), "INVALID_JOB", "--between or --times"),
        (Interpolate(times=()), (1, 2), "INVALID_JOB", "at least one time"),
        (Interpolate(times=(0.5,)), (1, 2), "FRAME_RANGE", "`continue`"),
        (Interpolate(times=(1.5, 2.001)), (1, 2), "FRAME_RANGE", "`continue`"),
        (Interpolate(times=(float("nan"),)), (1, 2), "FRAME_RANGE", "times of the plate"),
        (Interpolate(between=1), (1,), "INVALID_JOB", "two frames"),
        (Interpolate(between=1), (1, 2, 4), "MISSING_FRAMES", "missing frames"),
        (Interpolate(between=60000), (1, 2), "INVALID_JOB", "at most"),
    ],
)
def test_refusals(tmp_path, task, frames, code, word):
    plate = pan(tmp_path / "p", size=(24, 16), frames=frames)
    found = problems(make_job(task, plate, str(tmp_path / "o.%04d.exr")))
    assert list(found) == [code]
    assert word in f"{found[code].next_step} {found[code].expected}"
    assert found[code].message.endswith(".")


@pytest.mark.parametrize("mode", list(ExtrasMode))
def test_where_the_extras_go(tmp_path, mode):
    plate, _ = _plate(tmp_path / "p", frames=(1, 2))
    job = make_job(Interpolate(between=1), plate, str(tmp_path / "o/o.%d.exr"), output={"extras": mode})
    done = run(job, tmp_path)
    for number, frame in ((1, 1), (2, 3)):
        assert changed(Path(plate % number), done.path(frame))[1] == 0
    names = {path.name for path in (tmp_path / "o").glob("*.exr")}
    assert len(names) == (6 if mode is ExtrasMode.SIDECAR else 3)


def test_the_number_of_threads_changes_no_bit(tmp_path):
    plate, _ = _plate(tmp_path / "p", frames=(1, 2))
    runs = []
    usual = numba.get_num_threads()
    try:
        for turn, threads in enumerate((1, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            runs.append(
                run(
                    make_job(Interpolate(between=1), plate, str(tmp_path / str(turn) / "o.%d.exr")),
                    tmp_path / f"w{turn}",
                )
            )
    finally:
        numba.set_num_threads(usual)
    for frame in runs[0].plan.frames:
        assert same_files(runs[0].path(frame), runs[-1].path(frame))
