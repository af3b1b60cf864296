"""The simple fills fill, and leave alone what is known."""

from __future__ import annotations

import numpy as np
import pytest

from overscan.core.measure import pull_push, telea_per_frame


def holed(height: int = 61, width: int = 83) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    light = np.stack([0.1 + columns / width, 0.1 + rows / height, np.full_like(rows, 0.5)], axis=-1)
    hole = np.zeros((height, width), dtype=bool)
    hole[20:35, 30:50] = True
    return light, hole


def test_telea_fills_8_bit_and_linear_frames() -> None:
    light, hole = holed()
    broken = light.copy()
    broken[hole] = 0.0
    filled = telea_per_frame(broken, hole)
    assert filled.dtype == np.float32
    assert np.array_equal(filled[~hole], broken[~hole])
    assert np.abs(filled[hole] - light[hole]).mean() < 0.05
    codes = (light * 200).astype(np.uint8)
    codes[hole] = 0
    filled_codes = telea_per_frame(codes, hole)
    assert filled_codes.dtype == np.uint8
    assert np.array_equal(filled_codes[~hole], codes[~hole])
    assert filled_codes[hole].min() > 0


def test_telea_keeps_known_light_that_8_bits_cannot_hold() -> None:
    light, hole = holed()
    light[0, 0] = (95.0, -0.01, np.nan)
    assert np.array_equal(telea_per_frame(light, hole)[0, 0], light[0, 0], equal_nan=True)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_pull_push_is_smooth_and_exact_outside(channels: int) -> None:
    light, hole = holed()
    light = np.repeat(light[..., :1], channels, axis=2)
    broken = light.copy()
    broken[hole] = np.nan
    filled = pull_push(broken, ~hole)
    assert np.array_equal(filled[~hole], light[~hole])
    assert np.abs(filled[hole] - light[hole]).max() < 0.15


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_pull_push_treats_all_sides_alike(side: str) -> None:
    rows = np.linspace(0.0, 1.0, 90, dtype=np.float32)
    light = np.repeat(np.repeat(rows[:, None], 130, axis=1)[..., None], 3, axis=2)
    known = np.ones(light.shape[:2], dtype=bool)
    strip = {
        "left": (slice(None), slice(0, 16)),
        "right": (slice(None), slice(-16, None)),
        "top": (slice(0, 8), slice(None)),
        "bottom": (slice(-8, None), slice(None)),
    }[side]
    known[strip] = False
    assert np.abs(pull_push(light, known) - light)[strip].max() < 0.25


def test_pull_push_keeps_known_nan_and_does_not_spread_it() -> None:
    light, hole = holed()
    light[5, 5, 1] = np.nan
    filled = pull_push(light, ~hole)
    assert np.isnan(filled[5, 5, 1])
    assert np.isnan(filled).sum() == 1


def test_nothing_known_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing is known"):
        pull_push(np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), dtype=bool))
