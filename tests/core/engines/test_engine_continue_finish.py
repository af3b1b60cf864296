"""New frames beyond the plate: their light and grain, a camera that is given there, and things that come back."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from filming import Run, look, make_job, rgb, run, scene, write

from overscan.core.controls import Camera, CameraSample, Controls, PointTrajectory, TrajectoryPoint
from overscan.core.jobs import Continue, Job

SIZE = (128, 72)


def _picture() -> np.ndarray:
    return np.clip(cv2.GaussianBlur(scene(200, 360), (0, 0), 1.0), 0.02, None)


def _write(folder: Path, views: list[np.ndarray]) -> str:
    for index, view in enumerate(views):
        write(folder / f"p.{index}.exr", rgb(view, np.float32))
    return str(folder / "p.%d.exr")


def _job(plate: str, folder: Path, tail: int, **fields: object) -> Job:
    parameters = {"fill": "smooth", **fields.pop("parameters", {})}
    return make_job(Continue(tail=tail), plate, str(folder / "o.%d.exr"), parameters=parameters, **fields)


def _psnr(got: np.ndarray, truth: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((got - truth) ** 2 + 1e-20) / np.percentile(truth, 99) ** 2))


@pytest.fixture
def grainy(tmp_path) -> tuple[str, np.ndarray, float]:
    """A locked-off plate, what it shows, and the deviation of its grain."""
    clean, rng, sigma = look(_picture(), 60, 40, size=(240, 135)), np.random.default_rng(5), 0.01
    views = [(clean + sigma * rng.standard_normal(clean.shape)).astype(np.float32) for _ in range(9)]
    return _write(tmp_path / "p", views), clean, sigma


def test_grain_goes_on_and_does_not_freeze(tmp_path, grainy):
    plate, clean, sigma = grainy
    done = run(_job(plate, tmp_path / "o", 3), tmp_path)
    inner = (slice(6, -6), slice(6, -6))
    frames = [done.light(frame)[inner] for frame in (9, 10, 11)]
    for light in frames:
        assert (light - clean[inner]).std() == pytest.approx(sigma, rel=0.1)
    for one, other in itertools.pairwise(frames):
        # Independent grain differs by the root of two; the plate's own, standing still, not at all.
        assert (one - other).std() > 1.25 * sigma
    assert (done.extras(9)["kind"] == 1).all()


def test_without_grain_light_is_the_plates_own(tmp_path, grainy):
    plate, _, _ = grainy
    done = run(_job(plate, tmp_path / "o", 1, parameters={"grain": False}), tmp_path)
    last = run(_job(plate, tmp_path / "o2", 1, parameters={"grain": False}, frames=(8,)), tmp_path / "w")
    assert (done.light(9) == last.light(8)).mean() > 0.9


def test_light_of_other_frames_is_matched_to_the_last(tmp_path):
    """A flickering pan that turns round: what comes back into view was seen in other light."""
    picture = _picture()
    path = [100, 107, 114, 121, 128, 131, 130, 124, 116, 107]
    gains = [1.0, 1.1, 0.93, 1.08, 0.95, 1.05, 0.9, 1.0, 1.06, 0.92]
    views = [look(picture, x, 60, size=SIZE) * np.float32(gain) for x, gain in zip(path, gains, strict=True)]
    done = run(_job(_write(tmp_path / "p", views), tmp_path / "o", 1), tmp_path)
    extras = done.extras(10)
    other = (extras["kind"] == 1) & (extras["frame"] != 9)
    assert other.sum() > 200
    (shift,) = _shift(done, picture, other)
    truth = look(picture, shift, 60, size=SIZE) * np.float32(gains[-1])
    stops = np.log2(done.light(10)[other] / truth[other])
    assert abs(np.median(stops)) < 0.02
    assert np.percentile(np.abs(stops), 80) < 0.15


def _shift(done: Run, picture: np.ndarray, other: np.ndarray) -> tuple[float]:
    """Where the new frame looks, by what it copied from the last: the camera beyond is not the test's matter."""
    extras = done.extras(10)
    own = (extras["kind"] == 1) & ~other
    columns = np.broadcast_to(np.arange(SIZE[0]), own.shape)
    return (107 + float(np.median(extras["x"][own] - columns[own])),)


def _turned_back(index: int) -> float:
    """A pan to the right in the plate's 8 frames, and back in the tail."""
    return 100 + 4.0 * (index if index < 8 else 14 - index)


def _tracks() -> Controls:
    points = [(-60.0, 10.0), (90.0, 20.0), (30.0, 60.0), (110.0, 65.0)]
    return Controls(
        trajectories=tuple(
            PointTrajectory(
                name=str(number),
                points=tuple(
                    TrajectoryPoint(frame=index, x=x - (_turned_back(index) - 100), y=y) for index in range(11)
                ),
            )
            for number, (x, y) in enumerate(points)
        )
    )


def _camera() -> Controls:
    focal = 5000.0  # so long that a turn is as good as a shift
    samples = []
    for index in range(11):
        angle = -np.arctan((_turned_back(index) - 100) / focal)
        cos, sin = np.cos(angle), np.sin(angle)
        matrix = (cos, 0, sin, 0, 0, 1, 0, 0, -sin, 0, cos, 0, 0, 0, 0, 1)
        samples.append(
            CameraSample(
                frame=index,
                matrix=tuple(float(value) for value in matrix),
                focal_length_mm=focal / 10,
                horizontal_aperture_mm=SIZE[0] / 10,
                vertical_aperture_mm=SIZE[1] / 10,
            )
        )
    return Controls(camera=Camera(samples=tuple(samples)))


@pytest.mark.parametrize("controls", [_tracks(), _camera()], ids=["tracks", "camera"])
def test_what_is_given_beyond_the_plate_steers_the_camera_there(tmp_path, controls):
    picture = _picture()
    plate = _write(tmp_path / "p", [look(picture, _turned_back(index), 60, size=SIZE) for index in range(8)])
    done = run(_job(plate, tmp_path / "o", 5, controls=controls), tmp_path)
    for frame in (8, 9, 10):
        copied = done.extras(frame)["kind"] == 1
        assert copied.mean() > 0.95
        truth = look(picture, _turned_back(frame), 60, size=SIZE)
        assert _psnr(done.light(frame)[copied], truth[copied]) > 35
    # Beyond its end the camera goes on as it was given last.
    truth = look(picture, _turned_back(11), 60, size=SIZE)
    assert _psnr(done.light(11), truth) > 22


def _swinging(index: float, *, period: float) -> np.ndarray:
    view = look(_picture(), 100, 60, size=SIZE).copy()
    x = 64 + 14 * np.sin(2 * np.pi * index / period)
    mask = np.zeros((SIZE[1], SIZE[0]), np.float32)
    cv2.circle(mask, (round(x * 16), 36 * 16), 12 * 16, 1.0, -1, cv2.LINE_AA, 4)
    ball = np.float32(0.8) + np.float32(0.5) * np.roll(scene(SIZE[1], SIZE[0], seed=9), round(x), axis=1)
    return np.asarray(view * (1 - mask[..., None]) + np.clip(ball, 0.3, 2) * mask[..., None], np.float32)


def test_what_swings_goes_on_swinging(tmp_path):
    views = [_swinging(index, period=12) for index in range(22)]
    done = run(_job(_write(tmp_path / "p", views), tmp_path / "o", 14), tmp_path)
    (notice,) = (notice for notice in done.recorder.warnings if notice.code == "MOVERS_LOOPED")
    assert notice.frame == 21
    held = views[-1]
    for frame in (25, 29, 35):
        truth = _swinging(frame, period=12)
        assert _psnr(done.light(frame), truth) > 30
        assert _psnr(done.light(frame), truth) > _psnr(held, truth) + 4 or (frame - 21) % 12 == 0
    extras = done.extras(29)
    moving = extras["frame"] != 21
    assert 0.02 < moving.mean() < 0.4, "only what moves is looped"
    assert extras["confidence"][moving].max() < extras["confidence"][~moving].max()


def test_what_never_comes_back_is_held_and_that_is_said(tmp_path):
    def walking(index: int) -> np.ndarray:
        view = look(_picture(), 100, 60, size=SIZE).copy()
        view[20:56, 10 + 4 * index : 30 + 4 * index] = np.clip(scene(36, 20, seed=3), 0.05, 3) + np.float32(0.6)
        return view

    done = run(_job(_write(tmp_path / "p", [walking(index) for index in range(12)]), tmp_path / "o", 10), tmp_path)
    assert "MOVERS_HELD" in done.recorder.codes
    assert "MOVERS_LOOPED" not in done.recorder.codes
    assert np.abs(done.light(20) - done.light(21)).mean() < 1e-3
