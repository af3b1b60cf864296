"""Figures in time and place on pictures whose motion is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from filming import look, scene

from overscan.core.colour import analysis_proxy, display_encode
from overscan.core.measure import misplacement, pixel_motion, warp_error

SIZE = (160, 120)


def shifted(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    """`picture`, seen from a camera further right and down, exactly: by its Fourier transform."""
    rows, columns = (
        np.fft.fftfreq(side)[:, None] if at == 0 else np.fft.rfftfreq(side) for at, side in enumerate(picture.shape)
    )
    turned = np.fft.rfft2(picture) * np.exp(2j * np.pi * (columns * x + rows * y))
    return np.fft.irfft2(turned, s=picture.shape).astype(np.float32)


@pytest.fixture
def picture() -> np.ndarray:
    """Periodic texture without anything near the Nyquist frequency."""
    noise = np.random.default_rng(2).standard_normal(SIZE[::-1])
    radius = np.hypot(np.fft.fftfreq(SIZE[1])[:, None], np.fft.rfftfreq(SIZE[0]))
    smooth = np.fft.irfft2(np.fft.rfft2(noise) * np.exp(-((radius / 0.08) ** 2)), s=noise.shape)
    return (0.5 + 0.1 * smooth / smooth.std()).astype(np.float32)


@pytest.fixture
def sides() -> np.ndarray:
    mask = np.zeros(SIZE[::-1], bool)
    mask[:, :40] = mask[:, -40:] = True
    return mask


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.03, 0.0), (-0.1, 0.08), (0.7, -0.4), (3.2, 1.5)])
def test_a_known_shift_is_found(picture: np.ndarray, sides: np.ndarray, shift: tuple[float, float]) -> None:
    found = misplacement(shifted(picture, *shift), picture, mask=sides)
    assert found == pytest.approx(math.hypot(*shift), abs=0.01 + 0.02 * math.hypot(*shift))


def test_exposure_and_grain_are_no_shift(picture: np.ndarray, sides: np.ndarray) -> None:
    noise = np.random.default_rng(3).normal(0, 0.005, picture.shape).astype(np.float32)
    assert misplacement(picture * np.float32(0.8) + np.float32(0.1) + noise, picture, mask=sides) < 0.02


def test_shifts_of_two_sides_do_not_cancel(picture: np.ndarray, sides: np.ndarray) -> None:
    left = np.arange(SIZE[0]) < SIZE[0] // 2
    apart = np.where(left, shifted(picture, 0.3, 0), shifted(picture, -0.3, 0))
    assert misplacement(apart, picture, mask=sides) == pytest.approx(0.3, abs=0.02)


def test_the_known_part_beside_the_mask_does_not_hide_a_shift(picture: np.ndarray, sides: np.ndarray) -> None:
    pasted = np.where(sides, shifted(picture, 0.2, 0), picture)
    assert misplacement(pasted, picture, mask=sides) == pytest.approx(0.2, abs=0.02)


def test_what_cannot_be_registered_has_no_shift(picture: np.ndarray, sides: np.ndarray) -> None:
    flat = np.full_like(picture, 0.5)
    assert math.isnan(misplacement(flat, flat, mask=sides))
    assert math.isnan(misplacement(picture[::-1].copy(), picture, mask=sides))
    tiny = np.zeros_like(sides)
    tiny[:10, :10] = True
    assert math.isnan(misplacement(picture, picture, mask=tiny))
    with pytest.raises(ValueError, match="one size"):
        misplacement(picture, picture[:-1], mask=sides)


def test_motion_of_a_pan_is_found_and_trusted_inside() -> None:
    whole = display_encode(scene(300, 460))
    motion = pixel_motion(look(whole, 60, 40, size=SIZE), look(whole, 63, 38, size=SIZE))
    inner = (slice(20, -20), slice(20, -20))
    assert motion.trusted[inner].mean() > 0.95
    found = np.median(motion.vectors[inner].reshape(-1, 2), axis=0)
    assert found == pytest.approx([-3.0, 2.0], abs=0.1)
    assert not motion.trusted[:, :2].any()  # what leaves the picture cannot be followed


def test_flicker_is_told_in_the_unit_of_the_picture() -> None:
    whole = display_encode(scene(300, 460))
    first, second = look(whole, 60, 40, size=SIZE), look(whole, 63, 40, size=SIZE)
    motion = pixel_motion(first, second)
    mask = np.zeros(SIZE[::-1], bool)
    mask[30:90, 30:120] = True
    steady = warp_error(first, second, motion=motion, mask=mask)
    flickering = warp_error(first, second + np.float32(0.1), motion=motion, mask=mask)
    assert steady < 0.01
    assert flickering == pytest.approx(0.1, abs=0.01)
    assert math.isnan(warp_error(first, second, motion=motion, mask=np.zeros_like(mask)))


def test_flow_wants_colour() -> None:
    grey = analysis_proxy(np.zeros((40, 40), np.float32))
    with pytest.raises(ValueError, match="height, width, 3"):
        pixel_motion(grey, grey)
