"""Copied light is drawn out as far as its new frame moves, and no further."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from filming import scene

from overscan.core.engines.plate.light._motion_blur import SpeedPair, blurred_along, estimate_shutter, missing_blur

HEIGHT, WIDTH = 160, 200
# As sharp as a lens draws it: nothing rests on how samples are interpolated.
BIG = cv2.GaussianBlur(scene(400, 600, seed=3), (0, 0), 1.2) + np.float32(0.05)


def shot(x: float, y: float, *, line: tuple[float, float], grain: int | None = None) -> np.ndarray:
    """A frame whose shutter was open while the camera moved along `line`: a mean over many moments."""
    columns, rows = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    moments = max(1, int(4 * np.hypot(*line)))
    total = np.zeros((HEIGHT, WIDTH, 3))
    for moment in range(moments):
        part = (moment + 0.5) / moments - 0.5
        across, down = columns + np.float32(x + part * line[0]), rows + np.float32(y + part * line[1])
        total += cv2.remap(BIG, across, down, cv2.INTER_LANCZOS4)
    light = total / moments
    if grain is not None:
        light += 0.03 * np.sqrt(np.abs(light)) * np.random.default_rng(grain).standard_normal(light.shape)
    return light.astype(np.float32)


def everywhere(line: tuple[float, float]) -> dict[str, np.ndarray]:
    rows, columns = np.nonzero(np.ones((HEIGHT, WIDTH), np.bool_))
    return {"rows": rows, "columns": columns, "lines": np.repeat(np.array([line], np.float32), len(rows), axis=0)}


def error(one: np.ndarray, other: np.ndarray) -> float:
    inner = (slice(20, -20), slice(20, -20))
    return float(np.sqrt(((one[inner] - other[inner]) ** 2).mean()))


def test_lines_are_what_the_source_lacks():
    target = np.array([[10, 0], [10, 0], [10, 0], [0, -6], [3, 4], [0.8, 0], [np.nan, 0]], np.float32)
    source = np.array([[0, 0], [6, 0], [12, 0], [5, 0], [-3, -4], [0, 0], [0, 0]], np.float32)
    lines = missing_blur(target=target, source=source, shutter=0.5)
    assert lines == pytest.approx(np.array([[5, 0], [4, 0], [0, 0], [0, -3], [0, 0], [0, 0], [0, 0]]), abs=1e-5)
    assert not missing_blur(target=target, source=source, shutter=0.0).any()


@pytest.mark.parametrize("line", [(8.0, 0.0), (-3.0, 5.0), (0.0, 1.5)])
def test_a_still_frame_becomes_what_a_moving_camera_shows(line):
    truth = shot(100, 80, line=line)
    sharp = shot(100, 80, line=(0, 0))
    made = blurred_along(sharp, **everywhere(line)).reshape(sharp.shape)
    assert error(made, truth) < 0.2 * error(sharp, truth)
    assert made[20:-20, 20:-20].mean() == pytest.approx(sharp[20:-20, 20:-20].mean(), rel=0.01)


def test_what_is_drawn_out_already_gets_the_rest():
    half, truth = shot(100, 80, line=(6, 0)), shot(100, 80, line=(10, 0))
    lines = missing_blur(target=np.array([[20, 0]], np.float32), source=np.array([[12, 0]], np.float32), shutter=0.5)
    assert lines[0] == pytest.approx([8, 0])
    made = blurred_along(half, **everywhere((8.0, 0.0))).reshape(truth.shape)
    assert error(made, truth) < 0.25 * error(half, truth)


def test_only_the_fill_is_touched_and_the_plate_shines_into_it():
    light = np.full((20, 40, 1), 2.0, np.float32)
    light[:, 20:] = 4.0
    rows, columns = np.nonzero(np.arange(40)[np.newaxis].repeat(20, axis=0) >= 20)
    lines = np.repeat(np.array([[8, 0]], np.float32), len(rows), axis=0)
    made = blurred_along(light, rows=rows, columns=columns, lines=lines).reshape(20, 20)
    assert np.all(np.diff(made, axis=1) >= -1e-5)
    assert made[:, 0] == pytest.approx(3.1, abs=0.2)
    assert made[:, 6:] == pytest.approx(4.0, abs=1e-5)  # no dark edge at the picture's end either
    none = blurred_along(light, rows=rows, columns=columns, lines=np.zeros_like(lines))
    assert np.array_equal(none, light[rows, columns])


def test_odd_light_does_not_spread():
    light = np.full((9, 30, 3), -0.5, np.float32)
    light[4, 12] = np.nan
    light[4, 20] = np.inf
    rows, columns = np.nonzero(np.ones((9, 30), np.bool_))
    lines = np.repeat(np.array([[5, 0]], np.float32), len(rows), axis=0)
    made = blurred_along(light, rows=rows, columns=columns, lines=lines).reshape(light.shape)
    assert np.isfinite(made[4, 9:12]).all()
    assert made[np.isfinite(made)] == pytest.approx(-0.5, abs=1e-5)


def speeds(shutter: float, *, grain: bool, angle: float = 0.0) -> list[SpeedPair]:
    way = np.array([np.cos(angle), np.sin(angle)])
    pairs = []
    for at, (slow, fast) in enumerate(((1.0, 10.0), (2.0, 14.0), (0.0, 8.0), (3.0, 12.0))):
        x, y = 60 + 50 * at, 40 + 30 * at
        pairs.append(
            SpeedPair(
                slow=shot(x, y, line=tuple(way * slow * shutter), grain=2 * at if grain else None),
                fast=shot(x, y, line=tuple(way * fast * shutter), grain=2 * at + 1 if grain else None),
                slow_motion=tuple(way * slow),
                fast_motion=tuple(way * fast),
            )
        )
    return pairs


@pytest.mark.parametrize(("shutter", "grain", "angle"), [(0.5, False, 0.0), (0.5, True, 0.0), (0.9, True, 0.8)])
def test_the_shutter_is_found(shutter, grain, angle):
    assert estimate_shutter(speeds(shutter, grain=grain, angle=angle)) == pytest.approx(shutter, abs=0.1)


def test_weak_evidence_is_none():
    assert estimate_shutter([]) == 0
    assert estimate_shutter(speeds(0.0, grain=True)) == 0  # a game engine's frames have no blur
    sharp = speeds(0.5, grain=False)
    assert estimate_shutter(sharp[:1]) == 0
    same = [
        SpeedPair(slow=pair.fast, fast=pair.fast, slow_motion=pair.fast_motion, fast_motion=pair.fast_motion)
        for pair in sharp
    ]
    assert estimate_shutter(same) == 0
    unknown = [
        SpeedPair(
            slow=np.full_like(pair.slow, np.nan),
            fast=pair.fast,
            slow_motion=pair.slow_motion,
            fast_motion=pair.fast_motion,
        )
        for pair in sharp
    ]
    assert estimate_shutter(unknown) == 0
