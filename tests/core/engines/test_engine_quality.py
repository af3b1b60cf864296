"""What must be recovered where the plate shows it, and what must be said where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from filming import Run, ellipse, inpaint, look, make_job, pan, rgb, run, scene, write

from overscan.core.jobs import Extend, Margins

WHOLE = scene(300, 460)


def _log_psnr(one: np.ndarray, other: np.ndarray) -> float:
    """PSNR of ACEScct-shaped light (Academy S-2016-001), whose peak is 1.468."""

    def shaped(light: np.ndarray) -> np.ndarray:
        log = (np.log2(np.maximum(light, 0.0078125)) + 9.72) / 17.52
        return np.where(light <= 0.0078125, 10.5402377416545 * light + 0.0729055341958355, log)

    return float(10 * np.log10(1.468**2 / np.mean((shaped(one) - shaped(other)) ** 2)))


def _copied(done: Run, frame: int) -> np.ndarray:
    return done.extras(frame)["kind"] == 1


@pytest.mark.parametrize(
    "step",
    [(3.0, 0.0), (2.4, -0.7), pytest.param((0.0, 2.5), marks=pytest.mark.slow)],
    ids=["right", "sub-pixel", "down"],
)
def test_a_pan_is_extended_with_what_other_frames_saw(tmp_path, step):
    plate = pan(tmp_path / "p", step=step, start=(60, 60), picture=WHOLE, dtype=np.float32)
    done = run(make_job(Extend(size=(200, 120)), plate, str(tmp_path / "o/o.%d.exr")), tmp_path)
    assert "MOTION_UNRELIABLE" not in done.recorder.codes
    ours, truths = [], []
    for index in range(8):
        truth = look(WHOLE, 60 + index * step[0] - 20, 60 + index * step[1] - 12, size=(200, 120))
        copied = _copied(done, 1001 + index)
        ours.append(done.light(1001 + index)[copied])
        truths.append(truth[copied])
    light, truth = np.concatenate(ours), np.concatenate(truths)
    assert len(light) > 4000
    assert _log_psnr(light, truth) >= 40
    # Neither black nor white is a wall.
    assert light.max() > 2 and light.min() < -0.005
    bright = truth > 1
    off = np.abs(light[bright] / truth[bright] - 1)
    assert np.quantile(off, 0.9) < 0.02
    assert off.mean() < 0.03  # speculars of a single sample do not survive being resampled twice


def test_an_object_that_moves_over_a_moving_background_goes_away(tmp_path):
    rng = np.random.default_rng(1)
    thing = 3 + 0.3 * rng.standard_normal((30, 24, 3)).astype(np.float32)

    def with_thing(index: int, view: np.ndarray) -> np.ndarray:
        view[30:60, 20 + 10 * index : 44 + 10 * index] = thing
        matte = np.zeros((96, 160), np.float32)
        matte[28:62, 18 + 10 * index : 46 + 10 * index] = 1
        write(tmp_path / f"m/m.{1001 + index}.exr", {"A": matte})
        return view

    plate = pan(tmp_path / "p", frames=range(1001, 1011), edit=with_thing, picture=WHOLE)
    done = run(make_job(inpaint(str(tmp_path / "m/m.%d.exr")), plate, str(tmp_path / "o/o.%d.exr")), tmp_path)
    for index in range(10):
        truth = look(WHOLE, 40 + 3 * index, 30, size=(160, 96))
        copied = _copied(done, 1001 + index)
        made = done.extras(1001 + index)["A"] > 0
        assert copied.sum() >= 0.95 * made.sum()
        light = done.light(1001 + index)
        assert _log_psnr(light[copied], truth[copied]) >= 40
        assert light[made].max() < 0.75 * thing.max() or truth[made].max() > 0.7 * thing.max()


def test_a_locked_off_camera(tmp_path):
    still = scene(96, 160)
    for index in range(8):
        view = still.copy()
        view[30:60, 10 + 12 * index : 40 + 12 * index] = 2.5
        matte = np.zeros((96, 160), np.float32)
        matte[28:62, 8 + 12 * index : 42 + 12 * index] = 1
        write(tmp_path / f"p/p.{index}.exr", rgb(view, np.float32))
        write(tmp_path / f"m/m.{index}.exr", {"A": matte})
    job = make_job(inpaint(str(tmp_path / "m/m.%d.exr")), str(tmp_path / "p/p.%d.exr"), str(tmp_path / "o/o.%d.exr"))
    done = run(job, tmp_path)
    for index in range(8):
        copied, extras = _copied(done, index), done.extras(index)
        assert copied.sum() >= 0.95 * (extras["A"] > 0).sum()
        assert _log_psnr(done.light(index)[copied], still[copied]) >= 50
        rows, columns = np.nonzero(copied)
        assert np.abs(extras["x"][copied] - columns).max() < 0.1
        assert np.abs(extras["y"][copied] - rows).max() < 0.1


def test_noise_is_filled_smoothly_and_said_so(tmp_path):
    rng = np.random.default_rng(1)
    for number in range(8):
        write(tmp_path / f"p/p.{number}.exr", rgb(rng.gamma(1.0, 0.3, (96, 160, 3)).astype(np.float32)))
    plate, smooth = str(tmp_path / "p/p.%d.exr"), {"fill": "smooth", "grain": False}
    done = run(make_job(Extend(size=(200, 96)), plate, str(tmp_path / "o/o.%d.exr"), parameters=smooth), tmp_path)
    assert "MOTION_UNRELIABLE" in done.recorder.codes
    for number in range(8):
        extras = done.extras(number)
        made = extras["A"] > 0
        assert (extras["kind"][made] == 2).mean() > 0.97
        assert extras["confidence"][made].mean() < 0.02
        # Smooth: neighbours agree, which those of the plate do not.
        light = done.light(number)
        assert np.abs(np.diff(light[:, :15], axis=0)).mean() < 0.25 * np.abs(np.diff(light[:, 40:], axis=0)).mean()
        assert 0.1 < light[made].mean() < 0.6


@pytest.mark.slow
def test_copying_can_be_forbidden_and_forced(tmp_path):
    plate = pan(tmp_path / "p")
    runs = {
        how: run(
            make_job(Extend(size=(200, 96)), plate, str(tmp_path / f"{how}.%d.exr"), parameters={"copy": how}),
            tmp_path / how,
        )
        for how in ("never", "auto", "always")
    }
    copied = {how: sum(int(_copied(done, frame).sum()) for frame in range(1001, 1009)) for how, done in runs.items()}
    assert copied["never"] == 0
    assert 0 < copied["auto"] <= copied["always"]


def test_a_source_beyond_the_search_range_is_not_used(tmp_path):
    plate = pan(tmp_path / "p", step=(8, 0))
    done = run(
        make_job(Extend(size=(180, 96)), plate, str(tmp_path / "o.%d.exr"), parameters={"search_range": 2}), tmp_path
    )
    away = np.concatenate(
        [np.abs(done.extras(frame)["frame"][_copied(done, frame)] - frame) for frame in range(1001, 1009)]
    )
    assert set(away) == {1.0, 2.0}


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (16, 16), (17, 40), (300, 9)])
def test_tiny_plates(tmp_path, size):
    plate = pan(tmp_path / "p", size=size, step=(1, 0), frames=range(1, 5))
    task = Extend(margins=Margins(left=3, right=2, top=1))
    done = run(make_job(task, plate, str(tmp_path / "o.%d.exr")), tmp_path)
    for frame in range(1, 5):
        assert done.light(frame).shape == (size[1] + 1, size[0] + 5, 3)
        assert np.isfinite(done.light(frame)).all()


@pytest.mark.parametrize("frames", [(5,), (5, 6), (-2, -1, 0, 1, 2), (1001, 1003, 1005, 1007)])
def test_short_stepped_and_negative_ranges(tmp_path, frames):
    plate = pan(tmp_path / "p", step=(8, 0), frames=frames)
    done = run(make_job(Extend(size=(180, 96)), plate, str(tmp_path / "o/o.%04d.exr")), tmp_path)
    assert done.plan.frames == frames
    assert sorted(done.recorder.finished) == list(frames)
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == sorted(f"o.{n:04d}.exr" for n in frames)
    for frame in frames:
        extras = done.extras(frame)
        assert set(np.unique(extras["frame"][extras["kind"] < 2])) <= set(frames)
        assert (extras["kind"] == 1).any() == (len(frames) > 1)


def test_a_luminance_plate(tmp_path):
    for index in range(6):
        view = look(WHOLE, 40 + 3 * index, 30, size=(128, 96))[..., 0]
        write(tmp_path / f"p/p.{index}.exr", {"Y": view.astype(np.float16)})
    done = run(make_job(Extend(size=(160, 96)), str(tmp_path / "p/p.%d.exr"), str(tmp_path / "o/o.%d.exr")), tmp_path)
    for index in range(6):
        copied = _copied(done, index)
        assert copied.sum() > 400
        truth = look(WHOLE, 40 + 3 * index - 16, 30, size=(160, 96))[..., 0]
        assert _log_psnr(done.result(index).planes["Y"].astype(np.float32)[copied], truth[copied]) >= 40


def test_a_matte_with_light_in_it_steers_nothing(tmp_path):
    """What the matte hides must not be copied from, nor glow through the fill."""

    def with_sun(index: int, view: np.ndarray) -> np.ndarray:
        view[40:56, 70:90] = 60000.0
        return view

    plate = pan(tmp_path / "p", edit=with_sun, picture=WHOLE)
    write(tmp_path / "m.exr", {"A": ellipse((160, 96), centre=(80, 48), radii=(24, 20), soft=1)})
    done = run(make_job(inpaint(str(tmp_path / "m.exr")), plate, str(tmp_path / "o.%d.exr")), tmp_path)
    for frame in range(1001, 1009):
        assert done.light(frame)[done.extras(frame)["A"] == 1].max() < 30
