"""What the synthesis of never-seen pixels promises: structure goes on, texture keeps its energy, sources are sound."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from overscan.core.engines.plate.synthesis._synthesis import NO_PICTURE, Picture, Synthesis, synthesise

SHAPE = (96, 128)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)


def coloured(grey: np.ndarray) -> np.ndarray:
    return np.stack([grey, 0.8 * grey + 0.1, 0.6 * grey + 0.05], axis=-1).astype(np.float32)


def grain(seed: int, sigma: float, shape: tuple[int, ...] = (*SHAPE, 3)) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sigma, shape).astype(np.float32)


def sides(left: int, right: int) -> np.ndarray:
    """What an extension to both sides has to fill."""
    column = np.broadcast_to(np.arange(SHAPE[1]), SHAPE)
    return (column < left) | (column >= SHAPE[1] - right)


def ellipse(row: float, column: float, down: float, right: float) -> np.ndarray:
    inside: np.ndarray = ((ROWS - row) / down) ** 2 + ((COLUMNS - column) / right) ** 2 < 1
    return inside


def completed(pixels: np.ndarray, hole: np.ndarray, **more: object) -> Synthesis:
    """The picture with its hole filled; what was in the hole is not shown to the synthesis."""
    shown = np.where(hole[..., np.newaxis], np.float32(9), pixels)
    usable = more.pop("usable", ~hole)
    return synthesise(pictures=[Picture(pixels=shown, usable=usable)], hole=hole, seed=5, **more)


def crossings(grey: np.ndarray, level: float) -> np.ndarray:
    """Row, to a part of a pixel, at which each column falls below `level`, the first time from above."""
    below = grey < level
    row = np.argmax(below, axis=0)
    assert (row > 0).all(), "a column has no edge"
    at = np.arange(grey.shape[1])
    above = grey[row - 1, at]
    return row - 1 + (above - level) / (above - grey[row, at])


def fetched(pixels: np.ndarray, result: Synthesis, hole: np.ndarray) -> np.ndarray:
    copied = pixels.copy()
    copied[hole] = pixels[result.y, result.x]
    return copied


@pytest.mark.parametrize("hole", [sides(30, 20), ellipse(48, 64, 30, 25)], ids=["extension", "removal"])
def test_a_horizon_goes_on_straight(hole: np.ndarray) -> None:
    pixels = coloured(0.7 - 0.2 * (1 + np.tanh((ROWS - 43.3) / 2))) + grain(1, 0.004)
    result = completed(pixels, hole)
    horizon = crossings(result.blended[..., 0], 0.5)
    assert np.abs(horizon - 43.3).max() < 1.0


@pytest.mark.parametrize("slope", [0.5, -0.3, -1.0])
def test_a_diagonal_edge_goes_on(slope: float) -> None:
    where = 48 + slope * (COLUMNS - 64)
    pixels = coloured(0.7 - 0.2 * (1 + np.tanh((ROWS - where) / 2))) + grain(2, 0.004)
    hole = ellipse(48, 64, 26, 22)
    result = completed(pixels, hole)
    middle = slice(46, 83)
    edge = crossings(result.blended[:, middle, 0], 0.5)
    assert np.abs(edge - where[0, middle]).max() < 1.0


@pytest.mark.parametrize("hole", [sides(28, 28), ellipse(48, 64, 24, 30)], ids=["extension", "removal"])
def test_bricks_and_stripes_stay_in_phase(hole: np.ndarray) -> None:
    course = (ROWS // 8).astype(int)
    mortar = (ROWS % 8 < 2) | ((COLUMNS + 8 * (course % 2)) % 16 < 2)
    pixels = coloured(np.where(mortar, 0.6, 0.35)) + grain(3, 0.004)
    result = completed(pixels, hole)
    error = (result.blended - pixels)[hole]
    # Half of a brick out of phase anywhere, or a brick of another length, would be an error of 0.25 over its mortar.
    assert np.mean(np.abs(error).max(axis=-1) > 0.1) < 0.02


def test_texture_keeps_its_energy_and_its_mean() -> None:
    noise = cv2.GaussianBlur(grain(4, 1.0), (0, 0), 0.8)
    pixels = (0.5 + 0.1 * noise / noise.std()).astype(np.float32)
    hole = ellipse(48, 64, 30, 36)
    result = completed(pixels, hole)

    def energy(of: np.ndarray, where: np.ndarray) -> float:
        return float(np.mean(np.diff(of, axis=1)[where[:, 1:] & where[:, :-1]] ** 2))

    assert 0.8 < energy(result.blended, hole) / energy(pixels, ~hole) < 1.2
    assert abs(result.blended[hole].mean() - 0.5) < 0.02


def test_no_seam_to_the_known_part_under_uneven_light() -> None:
    light = 0.3 * (COLUMNS / SHAPE[1]) + 0.1 * np.sin(ROWS / 40)
    pixels = coloured(0.3 + light) + grain(5, 0.003)
    for hole in (sides(25, 25), ellipse(48, 64, 25, 30)):
        result = completed(pixels, hole, adapt=0.02)
        across = hole[:, 1:] != hole[:, :-1]
        step = np.diff(result.blended, axis=1)[across]
        usual = np.diff(pixels, axis=1)[~hole[:, 1:] & ~hole[:, :-1]]
        assert np.abs(step.mean()) < 0.006
        assert step.std() < 2 * usual.std()


def test_sources_are_sound_and_say_where_the_light_is_from() -> None:
    pixels = coloured(0.5 + 0.2 * np.sin(COLUMNS / 3) * np.cos(ROWS / 5)) + grain(6, 0.01)
    hole = sides(20, 20)
    mover = ellipse(40, 60, 15, 15)
    result = completed(pixels, hole, usable=~hole & ~mover)
    assert len(result.picture) == hole.sum() and (result.picture == 0).all()
    assert not (hole | mover)[result.y, result.x].any()
    same = result.blended[~hole] == pixels[~hole]
    assert same.all()
    # What is added to the copied light is smooth: it changes the light by far less than the picture itself does.
    added = result.blended[hole] - pixels[result.y, result.x]
    assert np.abs(added).max() < 0.1 and added.std() < 0.02


def test_pieces_are_few_and_large() -> None:
    rough = cv2.GaussianBlur(grain(7, 1.0), (0, 0), 1.2)
    pixels = (0.5 + 0.08 * rough / rough.std()).astype(np.float32)
    hole = sides(24, 24)
    result = completed(pixels, hole)
    rows, columns = np.nonzero(hole)
    labels = np.zeros((*SHAPE, 2), np.int64)
    labels[rows, columns] = np.stack([result.y - rows, result.x - columns], axis=-1)
    both = hole[:, 1:] & hole[:, :-1]
    seams = (labels[:, 1:] != labels[:, :-1]).any(axis=-1)[both]
    assert seams.mean() < 0.02


def test_a_mover_at_the_edge_is_not_continued() -> None:
    pixels = coloured(np.full(SHAPE, 0.3)) + grain(8, 0.005)
    hole = sides(0, 30)
    mover = (np.abs(ROWS - 48) < 15) & (COLUMNS > 80) & ~hole
    pixels[mover] += 0.5
    result = completed(pixels, hole, usable=~hole & ~mover)
    assert result.blended[hole].max() < 0.4


def test_another_picture_serves_what_the_first_does_not_have() -> None:
    pattern = coloured(0.5 + 0.3 * np.sign(np.sin(COLUMNS / 4) * np.sin(ROWS / 4))) + grain(9, 0.004)
    hole = ellipse(48, 64, 20, 20)
    elsewhere = Picture(pixels=pattern[:70, 20:118].copy(), usable=np.ones((70, 98), bool))
    usable = ellipse(48, 64, 25, 25) & ~hole
    shown = Picture(pixels=np.where(usable[..., np.newaxis], pattern, np.float32(0.1)), usable=usable)
    result = synthesise(pictures=[shown, elsewhere], hole=hole, seed=2)
    assert (result.picture == 1).mean() > 0.9
    from_second = result.picture == 1
    assert result.y[from_second].max() < 70 and result.x[from_second].max() < 98
    assert np.mean(np.abs(result.blended - pattern)[hole].max(axis=-1) > 0.2) < 0.05


@pytest.mark.parametrize("channels", [1, 3, 9])
def test_any_number_of_channels(channels: int) -> None:
    stripes = 0.5 + 0.2 * np.sign(np.sin(2 * np.pi * (COLUMNS[..., np.newaxis] + np.arange(channels)) / 8 + 0.1))
    pixels = stripes.astype(np.float32) + grain(10, 0.004, (*SHAPE, channels))
    hole = ellipse(48, 64, 20, 24)
    result = completed(pixels, hole)
    assert result.blended.shape == pixels.shape and result.blended.dtype == np.float32
    assert np.mean(np.abs(result.blended - pixels)[hole].max(axis=-1) > 0.1) < 0.02


def test_values_far_outside_of_0_to_1_survive() -> None:
    bright = coloured(3.0 + 1.5 * np.sign(np.sin(COLUMNS / 3))) + grain(11, 0.01)
    dark = -bright
    hole = ellipse(48, 64, 20, 20)
    for pixels in (bright, dark):
        result = completed(pixels, hole)
        assert np.isfinite(result.blended).all()
        assert abs(np.abs(result.blended[hole]).max() - np.abs(pixels[hole]).max()) < 0.2


HARD_HOLES = {
    "half of the picture": sides(32, 32),
    "all four sides": sides(20, 20) | (ROWS < 14) | (ROWS >= 82),
    "a wire": np.abs(ROWS - 20 - COLUMNS / 3) < 1,
    "one pixel": ellipse(48, 64, 1, 1),
    "one whole row": ROWS == 0,
    "most of it": ~ellipse(48, 64, 12, 12),
}


@pytest.mark.parametrize("name", HARD_HOLES)
def test_holes_of_every_shape(name: str) -> None:
    hole = HARD_HOLES[name]
    pixels = coloured(0.4 + 0.1 * np.sin(COLUMNS / 6) + 0.002 * ROWS) + grain(12, 0.01)
    result = completed(pixels, hole)
    assert (result.picture == 0).all()
    assert not hole[result.y, result.x].any()
    assert np.abs(result.blended[hole]).max() < 1


def test_too_little_to_copy_falls_back_to_smooth() -> None:
    pixels = coloured(0.4 + 0.001 * COLUMNS)
    hole = ~((COLUMNS > 60) & (COLUMNS < 63))
    result = completed(pixels, hole)
    assert (result.picture == NO_PICTURE).all() and (result.x == -1).all() and (result.y == -1).all()
    assert np.abs(result.blended[..., 0] - 0.461).max() < 0.01
    nothing = completed(pixels, np.ones(SHAPE, bool))
    assert np.isfinite(nothing.blended).all() and (nothing.picture == NO_PICTURE).all()


def test_a_strip_narrower_than_a_patch_is_still_copied_from() -> None:
    pixels = coloured(0.4 + 0.1 * np.sign(np.sin(ROWS / 3))) + grain(13, 0.004)
    hole = ~((COLUMNS >= 60) & (COLUMNS < 65))
    result = completed(pixels, hole)
    assert (result.picture == 0).all() and not hole[result.y, result.x].any()
    near = hole & (np.abs(COLUMNS - 62) < 12)
    assert np.mean(np.abs(result.blended - pixels)[near].max(axis=-1) > 0.1) < 0.1


def test_a_picture_of_which_nothing_is_known_is_made_from_the_others() -> None:
    pixels = coloured(0.4 + 0.1 * np.sign(np.sin(ROWS / 3))) + grain(14, 0.004)
    everything = np.ones(SHAPE, bool)
    unknown = Picture(pixels=np.full((*SHAPE, 3), np.nan, np.float32), usable=~everything)
    result = synthesise(pictures=[unknown, Picture(pixels=pixels, usable=everything)], hole=everything, seed=3)
    assert (result.picture == 1).all()
    assert pixels.min() - 0.1 < result.blended.min() and result.blended.max() < pixels.max() + 0.1


def test_no_hole_gives_the_picture_back() -> None:
    pixels = coloured(0.4 + 0.001 * COLUMNS)
    result = completed(pixels, np.zeros(SHAPE, bool))
    assert len(result.picture) == 0 and (result.blended == pixels).all()
