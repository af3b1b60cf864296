"""Seam and grain figures on pictures whose seam and grain are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from overscan.core.measure import grain_ratio, seam_step

HEIGHT, WIDTH = 96, 128


@pytest.fixture
def truth() -> np.ndarray:
    """Light that slopes and waves, from 0.05 to 8."""
    x, y = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
    light = 0.05 * np.exp2(7.3 * x + 0.5 * np.sin(9 * y))
    return np.stack([light, light * 0.8, light * 1.2], axis=-1).astype(np.float32)


@pytest.fixture
def hole() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[:, :32] = mask[:, -32:] = True  # on the border of two of the squares that the seam is cut into
    return mask


def grainy(light: np.ndarray, *, strength: float, seed: int) -> np.ndarray:
    sigma = strength * np.sqrt(1e-5 + 4e-4 * light)
    return (light + sigma * np.random.default_rng(seed).standard_normal(light.shape)).astype(np.float32)


@pytest.mark.parametrize("stops", [0.0, 0.02, -0.07, 0.5])
def test_a_step_of_exposure_is_found(truth: np.ndarray, hole: np.ndarray, stops: float) -> None:
    result = np.where(hole[..., None], truth * np.float32(2.0**stops), truth)
    assert seam_step(result, truth, generated=hole) == pytest.approx(abs(stops), abs=1e-3)


def test_grain_is_no_step(truth: np.ndarray, hole: np.ndarray) -> None:
    """Another draw of grain, of 3 %, which is 0.04 stops a sample."""
    plate, other = grainy(truth, strength=1.0, seed=1), grainy(truth, strength=1.0, seed=2)
    assert seam_step(np.where(hole[..., None], other, plate), plate, generated=hole) < 0.006


def test_only_counted_seams_count(truth: np.ndarray, hole: np.ndarray) -> None:
    left = hole.copy()
    left[:, 64:] = False
    result = np.where(left[..., None], truth * np.float32(1.5), truth)
    assert seam_step(result, truth, generated=hole, counted=hole & ~left) == 0.0
    assert seam_step(result, truth, generated=hole, counted=left) == pytest.approx(math.log2(1.5), abs=1e-3)


def test_without_a_seam_there_is_no_step(truth: np.ndarray) -> None:
    assert math.isnan(seam_step(truth, truth, generated=np.zeros((HEIGHT, WIDTH), bool)))
    assert math.isnan(seam_step(truth, truth, generated=np.ones((HEIGHT, WIDTH), bool)))


@pytest.mark.parametrize("strength", [0.0, 0.7, 1.0, 1.4])
def test_the_strength_of_grain_is_found(truth: np.ndarray, strength: float) -> None:
    mask = np.ones((HEIGHT, WIDTH), bool)
    plate = grainy(truth, strength=1.0, seed=3)
    ratios = grain_ratio(grainy(truth, strength=strength, seed=4), plate, mask=mask)
    assert ratios == pytest.approx((strength,) * 3, abs=0.08)


def test_grain_is_told_by_channel(truth: np.ndarray) -> None:
    mask = np.ones((HEIGHT, WIDTH), bool)
    strong, weak = grainy(truth, strength=1.0, seed=5), grainy(truth, strength=0.5, seed=6)
    mixed = np.stack([strong[..., 0], weak[..., 1], strong[..., 2]], axis=-1)
    assert grain_ratio(mixed, strong, mask=mask) == pytest.approx((1.0, 0.5, 1.0), abs=0.06)


def test_grain_outside_the_mask_does_not_count(truth: np.ndarray, hole: np.ndarray) -> None:
    plate = grainy(truth, strength=1.0, seed=7)
    noisy_outside = np.where(hole[..., None], plate, grainy(truth, strength=9.0, seed=8))
    assert grain_ratio(noisy_outside, plate, mask=hole) == pytest.approx((1.0,) * 3, abs=1e-6)


def test_a_truth_without_grain_has_no_ratio() -> None:
    flat = np.full((HEIGHT, WIDTH, 3), 0.18, np.float32)
    assert all(math.isnan(ratio) for ratio in grain_ratio(flat, flat, mask=np.ones((HEIGHT, WIDTH), bool)))
    with pytest.raises(ValueError, match="mask"):
        grain_ratio(flat, flat, mask=np.ones((3, 3), bool))
