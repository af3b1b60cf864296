"""What is copied into a hole meets the frame without a step, and only light is corrected, not things."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from filming import scene

from overscan.core.engines.plate.light._seam import seam_correction

HEIGHT, WIDTH = 270, 480
WHOLE = scene(HEIGHT, WIDTH) + np.float32(0.05)


def ring(hole: np.ndarray, depth: int = 4) -> np.ndarray:
    grown = cv2.dilate(hole.astype(np.uint8), np.ones((2 * depth + 1, 2 * depth + 1), np.uint8)) > 0
    return grown & ~hole


def grainy(light: np.ndarray, seed: int, size: float = 0.03) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (light + size * np.sqrt(np.abs(light)) * rng.standard_normal(light.shape)).astype(np.float32)


def ellipse_hole(shape: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return ((x - 0.5 * shape[1]) / (0.2 * shape[1])) ** 2 + ((y - 0.5 * shape[0]) / (0.25 * shape[0])) ** 2 < 1


def wrong(shape: tuple[int, int] = (HEIGHT, WIDTH), channels: int = 3) -> np.ndarray:
    """Smooth stops between the frame and its sources, another for each channel."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    x, y = x / shape[1], y / shape[0]
    fields = [0.1 + 0.15 * x - 0.1 * y, -0.05 + 0.1 * np.sin(3 * x + 2 * y), 0.2 * (x - 0.5) * (y - 0.3) - 0.1]
    return np.stack(fields[:channels], axis=-1)


def sources(truth: np.ndarray, field: np.ndarray, hole: np.ndarray, depth: int = 4) -> np.ndarray:
    return np.where(ring(hole, depth)[..., np.newaxis], truth * 2.0**-field, np.nan).astype(np.float32)


def at_edge(correction: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The correction where the hole begins."""
    return correction[hole & ~cv2.erode(hole.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1).astype(bool)]


@pytest.mark.parametrize("channels", [3, 1])
def test_a_smooth_mismatch_is_taken_away(channels):
    truth, hole, field = WHOLE[..., :channels], ellipse_hole(), wrong(channels=channels)
    shown = sources(grainy(truth, 2), field, hole)
    light = np.where(hole[..., np.newaxis], np.float32(np.nan), grainy(truth, 1))
    found = seam_correction(light=light, shown=shown, hole=hole, width=WIDTH, screened=False)
    assert found.shape == truth.shape
    assert found.dtype == np.float32
    assert not found[~hole].any()
    step = at_edge(found, hole) - at_edge(field, hole)
    assert np.sqrt((step**2).mean()) < 0.02
    assert np.abs(step.mean(axis=0)).max() < 0.01
    # A membrane through a smooth field is near it in the middle too.
    assert np.abs(found - field)[hole].max() < 0.06


def test_a_large_picture_is_corrected_as_well_as_a_small_one():
    size = (1080, 1920)
    truth = np.maximum(cv2.resize(WHOLE, size[::-1], interpolation=cv2.INTER_CUBIC), 0.01)
    hole, field = ellipse_hole(size), wrong(size)
    shown = sources(grainy(truth, 2, 0.015), field, hole, depth=12)
    found = seam_correction(light=grainy(truth, 1, 0.015), shown=shown, hole=hole, width=1920, screened=False)
    step = at_edge(found, hole) - at_edge(field, hole)
    assert np.sqrt((step**2).mean()) < 0.005
    assert np.quantile(np.abs(step), 0.99) < 0.02


def test_an_extension_s_correction_fades():
    hole = np.zeros((HEIGHT, WIDTH), np.bool_)
    hole[:, 300:] = True
    field = np.full((HEIGHT, WIDTH, 3), 0.2)
    found = seam_correction(
        light=grainy(WHOLE, 1), shown=sources(grainy(WHOLE, 2), field, hole), hole=hole, width=WIDTH, screened=True
    )
    columns = found[20:-20, 300:].mean(axis=(0, 2))
    assert columns[0] == pytest.approx(0.2, abs=0.02)
    assert columns[50] == pytest.approx(0.2 / np.e, abs=0.02)  # 200 of 1920
    assert columns[150] < 0.02
    assert (np.diff(columns) <= 1e-6).all()


def test_a_mover_at_the_edge_does_not_bleed():
    hole, field = ellipse_hole(), np.full((HEIGHT, WIDTH, 3), 0.05)
    light = grainy(WHOLE, 1)
    # It covers the known side of a fifth of the edge in the frame, and is elsewhere in the sources.
    light[40:120, 120:230] = 4 * light[60:140, 230:340]
    found = seam_correction(
        light=light, shown=sources(grainy(WHOLE, 2), field, hole), hole=hole, width=WIDTH, screened=False
    )
    assert np.abs(found - 0.05)[hole].max() < 0.06
    assert np.abs(found - 0.05)[hole].mean() < 0.01


def test_wrong_registration_on_one_side_does_not_bleed():
    hole, field = ellipse_hole(), np.full((HEIGHT, WIDTH, 3), 0.05)
    shown = sources(grainy(WHOLE, 2), field, hole)
    elsewhere = sources(np.roll(WHOLE, 37, axis=1), field, hole)
    shown[:, :160] = elsewhere[:, :160]
    found = seam_correction(light=grainy(WHOLE, 1), shown=shown, hole=hole, width=WIDTH, screened=False)
    assert np.abs(found - 0.05)[hole].mean() < 0.03


def test_grain_makes_it_flicker_no_more_than_is_seen():
    hole, field = ellipse_hole(), wrong()
    results = [
        seam_correction(
            light=grainy(WHOLE, 10 + seed),
            shown=sources(grainy(WHOLE, 20 + seed), field, hole),
            hole=hole,
            width=WIDTH,
            screened=False,
        )
        for seed in range(4)
    ]
    changes = np.std(results, axis=0)[hole]
    assert changes.mean() < 0.008
    assert changes.max() < 0.05


def test_odd_light_and_missing_rims():
    hole, field = ellipse_hole(), np.full((HEIGHT, WIDTH, 3), 0.3)
    light, shown = grainy(WHOLE, 1), sources(grainy(WHOLE, 2), field, hole)
    light[100:104] = np.nan
    light[60, 200:260] = np.inf
    shown[150:154] = -np.inf
    shown[:, 280:] = np.nan  # no source saw what is at the right
    light[180:190, 180:280] = -0.2
    found = seam_correction(light=light, shown=shown, hole=hole, width=WIDTH, screened=False)
    assert np.isfinite(found).all()
    assert np.abs(found - 0.3)[hole].mean() < 0.02
    none = seam_correction(light=light, shown=np.full_like(light, np.nan), hole=hole, width=WIDTH, screened=False)
    assert not none.any()
    everything = np.ones_like(hole)
    assert not seam_correction(light=light, shown=shown, hole=everything, width=WIDTH, screened=False).any()


def test_it_never_exceeds_half_a_stop():
    hole = ellipse_hole()
    for stops in (-3.0, 3.0):
        shown = sources(WHOLE, np.full((HEIGHT, WIDTH, 3), stops), hole)
        found = seam_correction(light=WHOLE, shown=shown, hole=hole, width=WIDTH, screened=False)
        assert np.abs(found).max() == 0.5
