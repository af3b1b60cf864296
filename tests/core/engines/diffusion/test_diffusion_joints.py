"""What a model changes of light that it was given is taken away: colour shifts, drift from window to window, steps."""

from __future__ import annotations

import numpy as np
import pytest
from filming import Run, make_job, pan, scene
from running import run_engine
from stub import stub_engine

from overscan.core.colour import Curve, WideRange
from overscan.core.engines.diffusion import PaintRequest
from overscan.core.engines.diffusion._joints import matched
from overscan.core.jobs import Continue, Extend, Margins

STOP = WideRange(curve=Curve.ACESCCT).stop
HUNDREDTH = 0.01
SHIFTS = ((0.02, -0.015, 0.01), (-0.02, 0.02, 0.005), (0.015, 0.0, -0.025), (-0.01, -0.02, 0.02), (0.025, 0.01, 0.0))
"""Of codes, by window: up to half a stop."""


def _nothing() -> None:
    """Never cancelled."""


def _codes(frames: int, height: int, width: int) -> np.ndarray:
    """A smooth picture that drifts a little, as codes."""
    rows, columns, times = np.meshgrid(np.arange(height), np.arange(width), np.arange(frames), indexing="ij")
    waves = 0.4 + 0.1 * np.sin(columns / 17 + times * 0.02) + 0.08 * np.cos(rows / 13)
    return np.ascontiguousarray(np.stack([waves, waves * 0.9, waves * 1.1], -1).transpose(2, 0, 1, 3), np.float32)


def _matte(frames: int, height: int, width: int) -> np.ndarray:
    matte = np.zeros((frames, height, width), np.float32)
    matte[:, 16:48, 24:72] = 1
    return matte


@pytest.mark.parametrize("everywhere", [True, False])
def test_a_shift_is_taken_away(everywhere):
    truth, matte = _codes(9, 64, 96), _matte(9, 64, 96)
    shift = np.array(SHIFTS[0], np.float32)
    painted = truth + shift * (1 if everywhere else matte[..., np.newaxis])
    found = matched(painted.copy(), shown=truth, matte=matte, given=0, tick=_nothing)
    # Where the known pixels say nothing, the border is all there is to go by.
    allowed = HUNDREDTH if everywhere else 3 * HUNDREDTH
    assert np.abs((found - truth)[matte == 1]).max() / STOP < allowed
    assert np.abs((painted - truth)[matte == 1]).max() / STOP > 0.2


def test_a_shift_that_changes_across_the_picture_is_taken_away():
    truth, matte = _codes(9, 64, 96), _matte(9, 64, 96)
    slope = np.linspace(-0.02, 0.02, 96, dtype=np.float32)[:, np.newaxis]
    found = matched(truth + slope, shown=truth, matte=matte, given=0, tick=_nothing)
    assert np.abs((found - truth)[matte == 1]).max() / STOP < 0.1


def test_whole_frames_that_follow_given_ones():
    truth = _codes(13, 48, 64)
    matte = np.ones(truth.shape[:3], np.float32)
    matte[:4] = 0
    shift = np.array(SHIFTS[1], np.float32)
    found = matched(truth + shift, shown=truth, matte=matte, given=4, tick=_nothing)
    assert np.abs(found - truth).max() / STOP < HUNDREDTH
    # The same where the given frames come out as they went in: the step at the joint stands out.
    only_new = truth + shift * matte[..., np.newaxis]
    found = matched(only_new, shown=truth, matte=matte, given=4, tick=_nothing)
    assert np.abs(np.median(found - truth, axis=(0, 1, 2))).max() / STOP < 3 * HUNDREDTH


def test_a_shift_between_two_given_frames_follows_both():
    truth = _codes(9, 48, 64)
    matte = np.ones(truth.shape[:3], np.float32)
    matte[0] = matte[-1] = 0
    shift = np.linspace(-0.02, 0.02, 9, dtype=np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
    found = matched(truth + shift, shown=truth, matte=matte, given=1, tick=_nothing)
    away = np.abs(found - truth).mean(axis=(1, 2, 3)) / STOP
    assert away[[0, -1]].max() < 0.05
    assert away.max() < 0.15


def test_light_that_changes_is_left_alone():
    truth, matte = _codes(9, 64, 96), _matte(9, 64, 96)
    truth *= np.linspace(1, 1.3, 9, dtype=np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
    found = matched(truth.copy(), shown=truth, matte=matte, given=0, tick=_nothing)
    assert np.abs(found - truth).max() / STOP < 3 * HUNDREDTH


def test_nothing_known_is_nothing_to_match():
    truth = _codes(5, 32, 32)
    matte = np.ones(truth.shape[:3], np.float32)
    assert matched(truth, shown=np.zeros_like(truth), matte=matte, given=0, tick=_nothing) is truth


class Shifting:
    """Keeps what it is shown, but for another shift in each window."""

    def __init__(self, *, everywhere: bool) -> None:
        self._everywhere = everywhere
        self.windows = 0

    def __call__(self, request: PaintRequest) -> np.ndarray:
        shift = np.array(SHIFTS[self.windows % len(SHIFTS)], np.float32)
        self.windows += 1
        return request.video + shift * (1 if self._everywhere else request.matte[..., np.newaxis])


def _still(folder) -> tuple[str, np.ndarray]:
    picture = np.ascontiguousarray(scene(140, 200)[:80, :112]) * np.float32(0.5) + np.float32(0.1)
    return pan(folder, size=(112, 80), step=(0, 0), start=(0, 0), frames=range(1, 25), picture=picture), picture


@pytest.mark.parametrize("everywhere", [True, False])
def test_no_drift_over_windows_of_a_continuation(tmp_path, everywhere):
    plate, picture = _still(tmp_path / "p")
    rule = Shifting(everywhere=everywhere)
    engine = stub_engine(rule, pixels=112 * 80, overlap=3)
    job = make_job(Continue(tail=30), plate, str(tmp_path / "o/o.%d.exr"), parameters={"grain": False})
    done = run_engine(engine, job, tmp_path)
    assert rule.windows >= 5
    assert _drift(done, range(25, 55), picture) < HUNDREDTH


@pytest.mark.parametrize("everywhere", [True, False])
def test_no_drift_over_windows_of_an_extension(tmp_path, everywhere):
    plate, _ = _still(tmp_path / "p")
    done = {}
    for name, rule in (("still", lambda request: request.video), ("shifting", Shifting(everywhere=everywhere))):
        engine = stub_engine(rule, pixels=144 * 80, overlap=2)
        job = make_job(
            Extend(margins=Margins(right=32)), plate, str(tmp_path / name / "o.%d.exr"), parameters={"grain": False}
        )
        done[name] = run_engine(engine, job, tmp_path / name, cache=tmp_path / "cache")
    assert rule.windows >= 4
    drifts = [
        _level(done["shifting"].light(frame)[:, 120:]) - _level(done["still"].light(frame)[:, 120:])
        for frame in range(1, 25)
    ]
    assert np.abs(np.array(drifts) - drifts[0]).max() < HUNDREDTH
    # Where the known pixels say nothing, the border is all there is to go by.
    assert np.abs(drifts).max() < (HUNDREDTH if everywhere else 3 * HUNDREDTH)


def _level(light: np.ndarray) -> np.ndarray:
    """Stops of the mean light of each channel."""
    return np.log2(np.maximum(light, 2.0**-10)).mean(axis=(0, 1))


def _drift(done: Run, frames: range, picture: np.ndarray) -> float:
    """Stops that frames differ from a picture by at most, by the mean."""
    own = _level(picture.astype(np.float16).astype(np.float32))
    return float(max(np.abs(_level(done.light(frame)) - own).max() for frame in frames))
