"""Motion between two frames: the kind of model, exactness, further planes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from filming import scene
from panning import camera, film, mapped, motion_of, nodes, view

from overscan.core.engines.plate.motion._align import align
from overscan.core.engines.plate.motion._models import best_fit, fit_models, within_kind

SIZE = (160, 96)
WHOLE = scene(420, 700)
MOTIONS = {
    "still": np.eye(3),
    "translation": np.array([[1, 0, 2.3], [0, 1, -1.1], [0, 0, 1.0]]),
    "similarity": np.array([[1.02, -0.03, 2.3], [0.03, 1.02, -1.1], [0, 0, 1.0]]),
    "affine": np.array([[1.03, -0.05, 2.3], [0.01, 0.96, -1.1], [0, 0, 1.0]]),
    "homography": np.array([[1.03, -0.05, 2.3], [0.01, 0.96, -1.1], [4e-4, -3e-4, 1.0]]),
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


@pytest.mark.parametrize("kind", MOTIONS)
def test_the_poorest_kind_that_explains_the_vectors(kind):
    rng = np.random.default_rng(2)
    start = nodes(SIZE, step=4).reshape(-1, 2).astype(np.float32)
    end = (mapped(MOTIONS[kind], start) + 0.1 * rng.standard_normal(start.shape)).astype(np.float32)
    end[::5] += rng.uniform(-20, 20, end[::5].shape).astype(np.float32)
    best = best_fit(fit_models(start, end, shape=SIZE[::-1]))
    assert best.kind == kind
    assert np.abs(mapped(best.model, start) - mapped(MOTIONS[kind], start)).max() < 0.1


def test_perspective_that_would_tear_an_extension_is_not_believed():
    start = nodes(SIZE, step=4).reshape(-1, 2).astype(np.float32)
    steep = np.array([[1, 0, 0], [0, 1, 0], [4e-3, 0, 1.0]])
    for fit in fit_models(start, mapped(steep, start).astype(np.float32), shape=SIZE[::-1]):
        assert abs(fit.model[2, 0]) < 4e-3


@pytest.mark.parametrize("kind", [kind for kind in MOTIONS if kind != "still"])
@pytest.mark.parametrize("flicker", [1.0, 1.2])
def test_alignment_finds_hundredths_of_a_sample(kind, flicker):
    look = camera(x=300, y=200, size=SIZE)
    pictures = []
    for index, (model, gain) in enumerate(((look, 1.0), (look @ np.linalg.inv(MOTIONS[kind]), flicker))):
        light = view(WHOLE, model, size=SIZE).mean(axis=-1) * gain
        light *= 1 + 0.03 * np.random.default_rng(index).standard_normal(light.shape)
        pictures.append(np.clip(40 * np.log2(np.maximum(light, 0.01)) + 190, 0, 255).astype(np.uint8))
    guess = np.array([[1, 0, 0.5], [0, 1, -0.4], [0, 0, 1.0]]) @ MOTIONS[kind]
    everywhere = np.ones(SIZE[::-1], np.bool_)
    found = align(*pictures, model=guess, kind=kind, use=everywhere, there=everywhere)
    points = nodes(SIZE, step=8).reshape(-1, 2)
    off = np.linalg.norm(mapped(found, points) - mapped(MOTIONS[kind], points), axis=-1)
    assert off.mean() < 0.03


def test_alignment_that_finds_nothing_keeps_what_there_was():
    rng = np.random.default_rng(0)
    guess = MOTIONS["affine"]
    everywhere = np.ones((96, 160), np.bool_)
    noise = rng.integers(0, 255, (2, 96, 160)).astype(np.uint8)
    flat = np.full((2, 96, 160), 90, np.uint8)
    for pictures in (noise, flat):
        found = align(*pictures, model=guess, kind="affine", use=everywhere, there=everywhere)
        points = nodes((160, 96), step=8)
        assert np.abs(mapped(found, points) - mapped(guess, points)).max() < 1.5 + 1e-6


def test_a_motion_within_a_poorer_kind():
    shift = within_kind(MOTIONS["affine"], kind="translation", shape=SIZE[::-1])
    assert np.allclose(shift[:2, :2], np.eye(2))
    centre = np.array([[79.5, 47.5]])
    assert np.allclose(mapped(shift, centre), mapped(MOTIONS["affine"], centre), atol=1e-6)
    assert np.allclose(within_kind(MOTIONS["similarity"], kind="affine", shape=SIZE[::-1]), MOTIONS["similarity"])


def test_ground_and_wall_are_two_planes(tmp_path):
    size = (192, 108)
    ground = scene(420, 700, seed=11)
    cameras = [camera(x=150 + 2 * n, y=150, size=size) for n in range(4)]

    def with_ground(index: int, light: np.ndarray) -> np.ndarray:
        light[64:] = view(ground, camera(x=150 + 8 * index, y=250, size=size), size=size)[64:]
        return light

    _, store = motion_of(film(tmp_path, WHOLE, cameras, size=size, edit=with_ground), tmp_path)
    motion = store.pair(1).forward
    assert len(motion.planes.models) == 1
    low, high = np.array([[96.0, 90.0]]), np.array([[96.0, 20.0]])
    assert np.abs(mapped(motion.model, high) - high - (-2, 0)).max() < 0.1
    assert np.abs(mapped(motion.planes.models[0], low) - low - (-8, 0)).max() < 0.4
    _, y = store.coarse.nodes()
    assert (motion.planes.labels[(y < 52) & motion.trusted] == 0).mean() > 0.95
    assert (motion.planes.labels[(y > 76) & motion.trusted] == 1).mean() > 0.95


def test_a_subject_at_the_edge_is_no_plane(tmp_path):
    """What it does must not be continued beyond the picture."""
    size = (192, 108)
    cameras = [camera(x=150 + 2 * n, y=150, size=size) for n in range(3)]
    subject = scene(90, 60, seed=4) * 2

    def with_subject(index: int, light: np.ndarray) -> np.ndarray:
        light[30:80, 125 + 6 * index : 185 + 6 * index] = subject[:50, : 67 - 6 * index]
        return light

    _, store = motion_of(film(tmp_path, WHOLE, cameras, size=size, edit=with_subject), tmp_path)
    motion = store.pair(1).forward
    assert not len(motion.planes.models)
    assert np.abs(mapped(motion.model, np.array([[50.0, 50.0]])) - (48, 50)).max() < 0.1
    x, y = store.coarse.nodes()
    assert store.movers(1)[(x > 140) & (x < 175) & (y > 38) & (y < 72)].mean() > 0.9


def test_noise_has_no_planes(tmp_path):
    rng = np.random.default_rng(1)
    cameras = [camera(x=150, y=150, size=SIZE)] * 3
    plate = film(
        tmp_path, WHOLE, cameras, size=SIZE, edit=lambda _, light: rng.gamma(1.0, 0.3, light.shape).astype(np.float32)
    )
    _, store = motion_of(plate, tmp_path)
    assert store.facts(0).planes == 0
    assert store.pair(0).forward.kind == "dense"
