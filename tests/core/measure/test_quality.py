"""Figures agree with their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from overscan.core.measure import high_frequency_ratio, log_psnr, psnr, ssim


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(3).random((40, 50, 3), dtype=np.float32)


def test_psnr_of_a_known_error(image: np.ndarray) -> None:
    assert psnr(image + np.float32(0.1), image) == pytest.approx(20.0, abs=1e-3)
    assert psnr(image * 255 + 25.5, image * 255, peak=255.0) == pytest.approx(20.0, abs=1e-3)
    assert psnr(image, image) == math.inf


def test_psnr_counts_the_mask_alone(image: np.ndarray) -> None:
    mask = np.zeros(image.shape[:2], dtype=bool)
    mask[5:15, 5:15] = True
    wrong = image.copy()
    wrong[~mask] += 0.5
    wrong[mask] += 0.01
    assert psnr(wrong, image, mask=mask) == pytest.approx(40.0, abs=1e-2)


def test_log_psnr_sees_stops_not_light() -> None:
    dark, bright = np.full((8, 8), 0.05, np.float32), np.full((8, 8), 40.0, np.float32)
    one_stop = 20.0 * math.log10(17.52)
    assert log_psnr(dark * 2, dark) == pytest.approx(one_stop, abs=1e-3)
    assert log_psnr(bright * 2, bright) == pytest.approx(one_stop, abs=1e-3)
    assert math.isfinite(log_psnr(np.full((8, 8), np.nan, np.float32), dark))


def test_ssim_is_the_formula_of_the_paper(image: np.ndarray) -> None:
    other = np.clip(image + np.random.default_rng(4).normal(0, 0.2, image.shape), 0, 1).astype(np.float32)
    axis = np.arange(-5, 6)
    window = np.exp(-(axis**2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2
    values = []
    for channel in range(3):
        for y in range(5, 35):
            for x in range(5, 45):
                a = image[y - 5 : y + 6, x - 5 : x + 6, channel].astype(np.float64)
                b = other[y - 5 : y + 6, x - 5 : x + 6, channel].astype(np.float64)
                mean_a, mean_b = (window * a).sum(), (window * b).sum()
                var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
                cov = (window * (a - mean_a) * (b - mean_b)).sum()
                values.append(
                    (2 * mean_a * mean_b + 1e-4)
                    * (2 * cov + 9e-4)
                    / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4))
                )
    assert ssim(other, image) == pytest.approx(np.mean(values), abs=1e-4)
    assert ssim(image, image) == pytest.approx(1.0, abs=1e-6)


def test_ssim_in_a_mask_does_not_depend_on_what_is_far_away(image: np.ndarray) -> None:
    mask = np.zeros(image.shape[:2], dtype=bool)
    mask[:8, :8] = True
    other = image + np.float32(0.1)
    far = other.copy()
    far[25:, 30:] = 0.0
    assert ssim(other, image, mask=mask) == ssim(far, image, mask=mask) < 1.0


def test_high_frequency_ratio_tells_blur_from_noise(image: np.ndarray) -> None:
    blurred = (image + np.roll(image, 1, axis=0) + np.roll(image, 1, axis=1)) / 3
    noisy = image + np.random.default_rng(5).normal(0, 0.3, image.shape).astype(np.float32)
    assert high_frequency_ratio(blurred, image) < 0.6
    assert high_frequency_ratio(image, image) == 1.0
    assert high_frequency_ratio(noisy, image) > 1.4


@pytest.mark.parametrize("measure", [psnr, ssim, high_frequency_ratio])
def test_nonsense_is_refused(measure: object, image: np.ndarray) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="shape"):
        measure(image, image[1:])
    with pytest.raises(ValueError, match="no pixel"):
        measure(image, image, mask=np.zeros(image.shape[:2], dtype=bool))
    with pytest.raises(ValueError, match="NaN"):
        measure(np.full_like(image, np.nan), image)
