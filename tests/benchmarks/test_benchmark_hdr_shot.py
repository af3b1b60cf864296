"""The generator's truth is true: geometry, light, grain and what is seen."""

from __future__ import annotations

import numpy as np
import pytest
from filming import scene
from hdr_cases import CASES, EXTEND, REMOVE, HdrCase
from hdr_shot import Camera, Layer, Move, Scene

from overscan.core.measure import log_psnr

SIZE = (96, 64)
INNER = (slice(8, -8), slice(8, -8))


@pytest.fixture(scope="module")
def still() -> np.ndarray:
    return np.maximum(scene(160, 260), 0.001).astype(np.float32)


def lanczos(row: np.ndarray, shift: float, axis: int) -> np.ndarray:
    """`row` resampled `shift` further along an axis by Lanczos-4, in double precision."""
    whole, part = int(np.floor(shift)), shift - np.floor(shift)
    taps = np.arange(-3, 5)
    weights = np.sinc(taps - part) * np.sinc((taps - part) / 4)
    weights /= weights.sum()
    return sum(weight * np.roll(row, -(whole + tap), axis) for weight, tap in zip(weights, taps, strict=True))


def test_whole_steps_move_the_same_samples(still: np.ndarray) -> None:
    shot = Scene(still, size=SIZE, frames=3, move=Move(pan=(5.0, -3.0)))
    first, second = shot.light(0)[0], shot.light(1)[0]
    np.testing.assert_allclose(second[3:, :-5], first[:-3, 5:], rtol=2e-4, atol=2e-6)


def test_a_copy_at_a_sub_pixel_shift_can_be_right_to_45_db(still: np.ndarray) -> None:
    shot = Scene(still, size=SIZE, frames=3, move=Move(pan=(4.37, 0.41)))
    first, second = shot.light(0)[0], shot.light(1)[0]
    copied = lanczos(lanczos(first, 4.37, 1), 0.41, 0).astype(np.float32)
    assert log_psnr(copied[INNER], second[INNER]) > 45.0
    wrong = lanczos(lanczos(first, 4.27, 1), 0.41, 0).astype(np.float32)
    assert log_psnr(wrong[INNER], second[INNER]) < log_psnr(copied[INNER], second[INNER]) - 6.0


def test_the_lens_neither_adds_light_nor_rings() -> None:
    point = np.full((80, 120, 3), 0.001, np.float32)
    point[40, 60] = 400.0
    light = Scene(point, size=(60, 40), frames=1, move=Move()).light(0)[0]
    assert light.min() >= 0.0009
    assert light.sum() == pytest.approx(point[20:60, 30:90].sum(), rel=1e-3)


def test_homographies_say_where_the_window_is(still: np.ndarray) -> None:
    """A picture of coordinates shows, at each pixel, the place that the homography names."""
    height, width = still.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    ramp = np.dstack([x, y, np.ones_like(x)])
    move = Move(pan=(2.3, -0.6), zoom=1.2, roll=4.0, keystone=0.05, shake=1.0)
    shot = Scene(ramp, size=SIZE, frames=9, move=move)
    for time in (0.0, 3.5, 8.0):
        seen = shot.light(time)[0]
        for column, row in ((0, 0), (95, 10), (40, 63)):
            place = shot.homography(time) @ np.array([column, row, 1.0])
            assert seen[row, column, :2] == pytest.approx(place[:2] / place[2], abs=0.02)
    scale = np.linalg.norm(shot.homography(0.0)[:2, 0])
    assert scale == pytest.approx(1.0)
    assert np.linalg.norm(shot.homography(8.0)[:2, 1]) < 1 / 1.15


def test_a_move_that_leaves_the_still_is_refused(still: np.ndarray) -> None:
    with pytest.raises(ValueError, match="frame 0 sees"):
        Scene(still, size=SIZE, frames=100, move=Move(pan=(9.0, 0.0)))


def test_grain_has_the_variance_asked_for() -> None:
    a, b = 4e-6, 2e-4
    flat = np.full((160, 260, 3), 0.5, np.float32)
    shot = Scene(flat, size=SIZE, frames=2, move=Move(), camera=Camera(grain=(a, b)))
    first, second = (shot.exposed(shot.light(time)[0], time) for time in (0, 1))
    assert first.var() == pytest.approx(a + b * 0.5, rel=0.05)
    assert abs(np.corrcoef((first - 0.5).ravel(), (second - 0.5).ravel())[0, 1]) < 0.03
    np.testing.assert_array_equal(first, shot.exposed(shot.light(0)[0], 0))


def test_flicker_and_vignetting_are_as_asked() -> None:
    flat = np.ones((160, 260, 3), np.float32)
    camera = Camera(flicker=0.05, vignetting=0.5)
    shot = Scene(flat, size=SIZE, frames=12, move=Move(), camera=camera)
    frames = [shot.exposed(shot.light(time)[0], time) for time in range(12)]
    middles = np.array([frame[31:33, 47:49].mean() for frame in frames])
    assert 0.95 <= middles.min() < 0.98
    assert 1.02 < middles.max() <= 1.05
    corner, middle = frames[0][0, 0, 0], frames[0][31:33, 47:49].mean()
    assert np.log2(corner / middle) == pytest.approx(-0.5, abs=0.01)


def test_motion_blur_is_the_mean_of_the_light_on_the_way() -> None:
    step = np.zeros((80, 160, 3), np.float32)
    step[:, 80:] = 8.0
    still, blurred = (
        Scene(step, size=(60, 40), frames=3, move=Move(pan=(12.0, 0.0)), camera=Camera(shutter=shutter)).light(1)[0]
        for shutter in (0.0, 0.5)
    )
    # An open shutter of half a frame at 12 px a frame: a ramp of 6 px in place of the edge.
    assert np.count_nonzero((still[20, :, 0] > 0.4) & (still[20, :, 0] < 7.6)) <= 2
    assert np.count_nonzero((blurred[20, :, 0] > 0.4) & (blurred[20, :, 0] < 7.6)) in (5, 6, 7)
    assert blurred.sum() == pytest.approx(still.sum(), rel=1e-3)


def test_seen_is_what_another_frame_knows(still: np.ndarray) -> None:
    """A pan of 4 px a frame to the right over 6 frames, 16 px missing on both sides."""
    shot = Scene(still, size=SIZE, frames=6, move=Move(pan=(4.0, 0.0)))
    known = np.zeros(SIZE[::-1], bool)
    known[:, 16:80] = True
    seen = shot.seen_elsewhere(range(6), [known] * 6)
    assert not (seen[0] & known).any()
    # In the first frame, all on the right comes into the plate later and nothing on the left ever was.
    assert seen[0][8:-8, 80:88].all() and not seen[0][:, :16].any()
    assert seen[5][8:-8, 8:16].all() and not seen[5][:, 80:].any()


def test_a_layer_covers_what_is_behind(still: np.ndarray) -> None:
    layer = Layer(
        light=np.full((12, 10, 3), 5.0, np.float32),
        alpha=np.ones((12, 10), np.float32),
        start=(20.0, 30.0),
        velocity=(7.0, 0.0),
    )
    shot = Scene(still, size=SIZE, frames=3, move=Move(), layer=layer)
    light, alpha = shot.light(2)
    assert light[36, 39] == pytest.approx([5.0] * 3, rel=1e-3)
    assert alpha[36, 39] == pytest.approx(1.0, abs=1e-3)
    assert alpha.sum() == pytest.approx(120, rel=1e-3)
    bare, none = shot.light(2, with_layer=False)
    assert not none.any()
    np.testing.assert_allclose(light[:20], bare[:20], rtol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_fits_its_still(case: HdrCase, shared_data) -> None:
    """Building a scene checks the move, whole and quick."""
    stills = shared_data / "hdr-stills"
    for one in (case, case.quicker()):
        scene = one.scene(stills)
        assert scene.frames == one.frames
    assert (case.margins != (0, 0)) == (case.task == EXTEND)
    assert case.task != REMOVE or case.in_front == "object"
