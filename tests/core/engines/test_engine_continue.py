"""Handles: where they lie in the result, how near the truth they come, and what they say of themselves."""

from __future__ import annotations

from pathlib import Path

import cv2
import numba
import numpy as np
import pytest
from filming import changed, look, make_job, pan, problems, rgb, run, same_files, scene, write

from overscan.core.jobs import Continue, Job
from overscan.core.results import verify_job, verify_result

SIZE = (120, 72)
HALF_LIFE = 18
"""Frames after which the camera has half its speed: part of what is promised."""


def _smooth(tail: int = 0, head: int = 0, *, plate: str, out: str, **fields: object) -> Job:
    """A job whose unseen parts are filled the quick way."""
    return make_job(Continue(head=head, tail=tail), plate, out, parameters={"fill": "smooth"}, **fields)


def _picture() -> np.ndarray:
    return cv2.GaussianBlur(scene(260, 420), (0, 0), 1.0)


def _psnr(got: np.ndarray, truth: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((got - truth) ** 2) / np.percentile(truth, 99) ** 2))


def _way(frames: int) -> float:
    return sum(0.5 ** (frame / HALF_LIFE) for frame in range(frames))


def test_a_pan_goes_on_at_both_ends_and_the_plate_stays(tmp_path):
    picture, step, start = _picture(), (3.0, -1.0), (100.0, 90.0)
    plate = pan(tmp_path / "p", size=SIZE, step=step, start=start, picture=picture, dtype=np.float32)
    done = run(_smooth(head=3, tail=5, plate=plate, out=str(tmp_path / "o.%04d.exr")), tmp_path)
    assert done.plan.frames == tuple(range(998, 1014))
    assert done.plan.new_frames == (998, 999, 1000, 1009, 1010, 1011, 1012, 1013)
    assert done.recorder.finished == list(range(998, 1014))
    for number in range(1001, 1009):
        assert changed(Path(plate % number), done.path(number)) == (3 * SIZE[0] * SIZE[1], 0)
    for frame in done.plan.new_frames:
        way = 7 + _way(frame - 1008) if frame > 1008 else -_way(1001 - frame)
        truth = look(picture, start[0] + way * step[0], start[1] + way * step[1], size=SIZE)
        extras, got = done.extras(frame), done.light(frame)
        copied = extras["kind"] == 1
        far = abs(way - (7 if way > 0 else 0)) * 4  # about what came into view, in samples of the longer side
        assert copied.mean() > 1 - far * 0.012 - 0.02
        assert _psnr(got[copied], truth[copied]) > 35
        assert extras["A"].min() == 1
        assert np.isfinite(got).all()
        assert (extras["confidence"][~copied] == 0).all()
        assert set(np.unique(extras["frame"][copied])) <= set(range(1001, 1009))
        assert done.result(frame).attributes["overscan:time"] == str(frame)
    assert np.median(done.extras(1009)["confidence"]) > np.median(done.extras(1013)["confidence"])


def test_what_an_earlier_frame_has_seen_comes_back(tmp_path):
    """A pan that has turned round: the tail looks where the head did."""
    picture = _picture()
    path = [100, 106, 112, 118, 121, 122, 120, 116, 111, 105]
    for index, x in enumerate(path):
        write(tmp_path / f"p/p.{index}.exr", rgb(look(picture, x, 80, size=SIZE), np.float32))
    done = run(_smooth(tail=2, plate=str(tmp_path / "p/p.%d.exr"), out=str(tmp_path / "o.%d.exr")), tmp_path)
    extras = done.extras(10)
    copied = extras["kind"] == 1
    assert copied.mean() > 0.93
    assert len(np.unique(extras["frame"][copied])) > 1, "more than the last frame was used"


def test_the_background_comes_out_from_behind_a_mover_that_goes_on(tmp_path):
    picture, size = _picture(), (160, 96)
    block = np.clip(scene(60, 60, seed=3)[:36, :30], 0.05, 3) + np.float32(0.5)
    steps = 6

    def filmed(index: int) -> np.ndarray:
        view = look(picture, 100, 80, size=size)
        x = 20 + index * steps
        view[30:66, x : x + 30] = block
        return view

    for index in range(8):
        write(tmp_path / f"p/p.{index}.exr", rgb(filmed(index), np.float32))
    done = run(_smooth(tail=2, plate=str(tmp_path / "p/p.%d.exr"), out=str(tmp_path / "o.%d.exr")), tmp_path)
    truth, held = filmed(8), filmed(7)
    area = (slice(30, 66), slice(20 + 6 * steps, 60 + 8 * steps))
    error = np.abs(done.light(8)[area] - truth[area]).mean()
    assert error < 0.5 * np.abs(held[area] - truth[area]).mean(), "nearer to the truth than standing still"
    # What it uncovered is the background that earlier frames show.
    uncovered = (slice(36, 60), slice(20 + 7 * steps, 20 + 8 * steps - 2))
    assert (
        np.abs(done.light(8)[uncovered] - truth[uncovered]).mean()
        < 0.5 * np.abs(held[uncovered] - truth[uncovered]).mean()
    )


@pytest.mark.slow
def test_what_nothing_has_shown_is_painted_with_the_plate(tmp_path):
    """It has the plate's detail, names where that is from, is the same in all frames, and is trusted by nobody."""
    picture = scene(260, 420)
    for index in range(6):
        write(tmp_path / f"p/p.{index}.exr", rgb(look(picture, 60 + 8 * index, 90, size=SIZE), np.float32))
    plate, made = str(tmp_path / "p/p.%d.exr"), {}
    for fill in ("synthesise", "smooth", "none"):
        job = make_job(Continue(tail=4), plate, str(tmp_path / fill / "o.%d.exr"), parameters={"fill": fill})
        made[fill] = run(job, tmp_path / fill)
    extras, light = made["synthesise"].extras(9), made["synthesise"].light(9)
    new = made["none"].extras(9)["kind"] == 2
    assert 0.1 < new.mean() < 0.3
    assert (made["none"].light(9)[new] == 0).all()
    assert (extras["confidence"][new] == 0).all()
    assert np.isfinite(extras["x"][new]).mean() > 0.95
    wholly = np.flatnonzero(new[8:-8].all(axis=0))
    strip = (slice(8, -8), slice(wholly[1], wholly[-1] + 1))

    def roughness(picture: np.ndarray) -> float:
        return float(np.std(np.diff(np.log2(np.maximum(picture, 0.01)), axis=1)))

    detail = {fill: roughness(done.light(9)[strip]) for fill, done in made.items()}
    seen = roughness(light[:, :60])
    assert detail["smooth"] < 0.4 * seen
    assert 0.6 * seen < detail["synthesise"] < 1.5 * seen
    # One step of the dying camera later it has moved as the rest has.
    before = made["synthesise"].light(8)
    moved = round(8 * (_way(4) - _way(3)))
    one, other = before[4:-4, -24 + moved - 4 : -4 - 4], light[4:-4, -24 - 4 : -4 - moved - 4]
    still = np.abs(before[4:-4, -28:-8] - light[4:-4, -28:-8]).mean()
    assert np.abs(one - other).mean() < 0.7 * still


def test_a_zoom_does_not_run_away(tmp_path):
    picture = _picture()
    centre = (200.0, 130.0)

    def zoomed(index: float) -> np.ndarray:
        scale = 1.02**-index
        x = centre[0] + (np.arange(SIZE[0], dtype=np.float32) - (SIZE[0] - 1) / 2) * np.float32(scale)
        y = centre[1] + (np.arange(SIZE[1], dtype=np.float32) - (SIZE[1] - 1) / 2) * np.float32(scale)
        columns, rows = np.meshgrid(x, y)
        return np.asarray(cv2.remap(picture, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_CUBIC))

    for index in range(6):
        write(tmp_path / f"p/p.{index}.exr", rgb(zoomed(index), np.float32))
    done = run(_smooth(tail=60, plate=str(tmp_path / "p/p.%d.exr"), out=str(tmp_path / "o.%d.exr")), tmp_path)
    assert done.extras(6)["kind"].max() == 1, "a zoom in needs nothing new"
    assert _psnr(done.light(6), zoomed(5 + _way(1))) > 35
    last = done.extras(65)
    # 60 frames at a dying speed are less than 26 at the first.
    assert np.ptp(last["x"]) == pytest.approx((SIZE[0] - 1) * 1.02 ** -_way(60), rel=0.05)


@pytest.mark.parametrize("count", [1, 2])
def test_the_shortest_plates(tmp_path, count):
    plate = pan(tmp_path / "p", size=(48, 32), step=(0.0, 0.0), frames=range(5, 5 + count))
    done = run(_smooth(head=1, tail=2, plate=plate, out=str(tmp_path / "o.%d.exr")), tmp_path)
    assert done.plan.frames == tuple(range(4, 5 + count + 2))
    for frame in done.plan.new_frames:
        assert np.allclose(done.light(frame), done.light(5), atol=2e-3), "nothing moves, so nothing changes"
        assert (done.extras(frame)["kind"] == 1).all()


def test_numbers_steps_timecode_and_negative_frames(tmp_path):
    picture = _picture()
    for place, number in enumerate((-6, -4, -2)):
        code = ("timecode", (0x00595900 + (0x18, 0x20, 0x22)[place], 0))
        write(
            tmp_path / f"p/p.{number}.exr",
            rgb(look(picture, 100 + place, 80, size=(48, 32))),
            attributes={"smpte:TimeCode": code, "framesPerSecond": ("rational", (24, 1))},
        )
    job = _smooth(head=1, tail=2, plate=str(tmp_path / "p/p.%d.exr"), out=str(tmp_path / "o.%d.exr"))
    done = run(job, tmp_path)
    assert done.plan.frames == (-8, -6, -4, -2, 0, 2)
    codes = {frame: done.result(frame).attributes["smpte:TimeCode"][0] for frame in done.plan.frames}
    assert {frame: f"{code:08x}" for frame, code in codes.items()} == {
        -8: "00595916",
        -6: "00595918",
        -4: "00595920",
        -2: "00595922",
        0: "01000000",
        2: "01000002",
    }


def test_head_is_the_tail_of_the_reversed_clip(tmp_path):
    picture = _picture()
    views = [look(picture, 100 + 2.5 * at, 80 + at, size=(80, 48)) for at in range(5)]
    for at, view in enumerate(views):
        write(tmp_path / f"p/p.{at}.exr", rgb(view, np.float32))
        write(tmp_path / f"q/q.{4 - at}.exr", rgb(view, np.float32))
    head = run(_smooth(head=2, plate=str(tmp_path / "p/p.%d.exr"), out=str(tmp_path / "a.%d.exr")), tmp_path / "a")
    tail = run(_smooth(tail=2, plate=str(tmp_path / "q/q.%d.exr"), out=str(tmp_path / "b.%d.exr")), tmp_path / "b")
    for away in (1, 2):
        assert _psnr(head.light(-away), tail.light(4 + away)) > 50


def test_a_subset_of_frames_any_order_and_verification(tmp_path):
    plate = pan(tmp_path / "p", size=(80, 48), frames=range(1, 6), step=(2.0, 0.0))
    whole = run(_smooth(head=2, tail=3, plate=plate, out=str(tmp_path / "a/o.%d.exr")), tmp_path / "ra")
    some = run(
        _smooth(head=2, tail=3, plate=plate, out=str(tmp_path / "b/o.%d.exr"), frames=(-1, 2, 8)),
        tmp_path / "rb",
        order=lambda plan: sorted(plan.steps, key=lambda step: step.kind == "render" and 99 - min(step.frames)),
    )
    assert some.plan.frames == (-1, 2, 8)
    for frame in some.plan.frames:
        assert same_files(whole.path(frame), some.path(frame))
    assert [check.differing for check in verify_job(whole.job, work_folder=whole.work)] == [0] * 10
    checks = list(verify_result(result=whole.job.output.path))
    assert [check.samples > 0 for check in checks] == [1 <= check.frame <= 5 for check in checks]


@pytest.mark.parametrize(
    ("task", "fields", "code", "word"),
    [
        (Continue(), {}, "INVALID_JOB", "--head or --tail"),
        (Continue(head=-1, tail=3), {}, "INVALID_JOB", "--head or --tail"),
        (Continue(tail=10**9), {}, "INVALID_JOB", "at most"),
        (Continue(tail=2), {"frames": (1, 9)}, "FRAME_RANGE", "frames of the result"),
    ],
)
def test_refusals(tmp_path, task, fields, code, word):
    plate = pan(tmp_path / "p", size=(24, 16), frames=(1, 2))
    found = problems(make_job(task, plate, str(tmp_path / "o.%04d.exr"), **fields))
    assert list(found) == [code]
    assert word in f"{found[code].next_step} {found[code].expected}"


def test_the_number_of_threads_changes_no_bit(tmp_path):
    plate = pan(tmp_path / "p", size=(80, 48), frames=(1, 2, 3), step=(5.0, 0.0))
    runs = []
    usual = numba.get_num_threads()
    try:
        for turn, threads in enumerate((1, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            runs.append(
                run(
                    make_job(Continue(head=1, tail=2), plate, str(tmp_path / str(turn) / "o.%d.exr")),
                    tmp_path / f"w{turn}",
                )
            )
    finally:
        numba.set_num_threads(usual)
    for frame in runs[0].plan.frames:
        assert same_files(runs[0].path(frame), runs[-1].path(frame))
