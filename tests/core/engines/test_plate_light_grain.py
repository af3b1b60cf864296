"""Grain is measured as it is, and what is made gets as much of it, in the same place for the same seed."""

from __future__ import annotations

import cv2
import numba
import numpy as np
import pytest
from filming import scene

from overscan.core.engines.plate._fetch import fetch
from overscan.core.engines.plate.light._grain import GrainModel, grain_field, kept_variance, regrain
from overscan.core.engines.plate.light._grain_measure import GrainPicture, measure_grain
from overscan.core.geometry import Window

A = np.array([1e-4, 2e-4, 5e-5], np.float32)
B = np.array([1e-3, 2e-3, 4e-3], np.float32)
TEXTURED = np.maximum(scene(384, 512), 0.003)
FLAT = cv2.GaussianBlur(TEXTURED, (0, 0), 24)
KNOWN = np.ones(TEXTURED.shape[:2], np.bool_)


def unit_grain(shape: tuple[int, ...], *, blur: float, seed: int) -> np.ndarray:
    grain = np.random.default_rng(seed).standard_normal(shape)
    if blur:
        taps = cv2.getGaussianKernel(9, blur)
        taps /= np.sqrt((taps**2).sum())
        grain = cv2.sepFilter2D(grain, -1, taps, taps, borderType=cv2.BORDER_REFLECT)
    return grain.reshape(shape)


def exposed(clean: np.ndarray, *, blur: float, seed: int) -> np.ndarray:
    channels = clean.shape[-1]
    deviation = np.sqrt(A[:channels] + B[:channels] * np.maximum(clean, 0))
    return (clean + deviation * unit_grain(clean.shape, blur=blur, seed=seed)).astype(np.float32)


def true_lag(blur: float) -> float:
    """Correlation of samples beside each other."""
    if not blur:
        return 0.0
    taps = cv2.getGaussianKernel(9, blur)[:, 0]
    return float((taps[1:] * taps[:-1]).sum() / (taps**2).sum())


def moved_pair(clean: np.ndarray, *, blur: float, grain: bool = True) -> GrainPicture:
    """A frame and its neighbour, whose camera has moved by a part of a sample too."""
    y, x = np.mgrid[: clean.shape[0], : clean.shape[1]].astype(np.float32)
    height, width = clean.shape[:2]
    there, _ = fetch(clean, np.clip(x + 2.3, 0, width - 1).ravel(), np.clip(y + 0.6, 0, height - 1).ravel())
    there = there.reshape(clean.shape)
    first = exposed(clean, blur=blur, seed=1) if grain else clean
    second = exposed(there, blur=blur, seed=2) if grain else there
    values, sound = fetch(second, (x - 2.3).ravel(), (y - 0.6).ravel())
    values[~sound] = np.nan
    return GrainPicture(light=first, known=KNOWN, neighbour=values.reshape(clean.shape), x=x - 2.3, y=y - 0.6)


def model_of(*, blur: float, channels: int = 3) -> GrainModel:
    taps = cv2.getGaussianKernel(9, blur)[:, 0] if blur else np.eye(1, 9, 4)[0]
    lags = np.correlate(taps, taps, "full")[8 - 3 : 8 + 4] / (taps**2).sum()
    return GrainModel(
        a=A[:channels],
        b=B[:channels],
        autocorrelation=np.outer(lags, lags).astype(np.float32),
        correlation=np.eye(channels, dtype=np.float32),
    )


@pytest.mark.parametrize("blur", [0.0, 0.6, 0.9])
def test_a_flat_frame_tells_its_grain(blur):
    found = measure_grain([GrainPicture(light=exposed(FLAT, blur=blur, seed=1), known=KNOWN)])
    for light in (0.02, 0.2, 2.0):
        level = np.full(3, light, np.float32)
        assert found.variance(level) == pytest.approx(A + B * level, rel=0.1)
    assert found.autocorrelation[3, 4] == pytest.approx(true_lag(blur), abs=0.03)
    assert found.correlation == pytest.approx(np.eye(3), abs=0.05)


@pytest.mark.parametrize("blur", [0.0, 0.6])
def test_a_textured_frame_tells_its_grain_beside_a_neighbour(blur):
    found = measure_grain([moved_pair(TEXTURED, blur=blur)])
    for light in (0.02, 0.2, 2.0):
        level = np.full(3, light, np.float32)
        assert found.variance(level) == pytest.approx(A + B * level, rel=0.1)
    assert found.autocorrelation[3, 4] == pytest.approx(true_lag(blur), abs=0.03)


def test_texture_is_no_grain():
    for light in (TEXTURED, exposed(TEXTURED, blur=0.0, seed=1)):
        assert measure_grain([GrainPicture(light=light.astype(np.float32), known=KNOWN)]).empty
    assert measure_grain([moved_pair(TEXTURED, blur=0.0, grain=False)]).empty


def test_clean_computer_graphics_have_no_grain():
    drawn = np.zeros((384, 512, 3), np.float32)
    drawn[100:200] = 0.3
    drawn[:, 300:] += np.linspace(0, 2, 212, dtype=np.float32)[:, np.newaxis]
    for light in (drawn, FLAT.astype(np.float32), FLAT.astype(np.float16).astype(np.float32)):
        found = measure_grain([GrainPicture(light=light, known=KNOWN)])
        assert found.empty
        made = np.full((4, 5, 3), 0.5, np.float32)
        field = grain_field(found, seed=1, frame=1, window=Window(x=0, y=0, width=5, height=4))
        assert np.array_equal(regrain(made, model=found, kept=0.0, field=field), made)
    small = np.full((6, 9, 3), 0.2, np.float32)
    assert measure_grain([GrainPicture(light=small, known=np.ones((6, 9), np.bool_))]).empty


def test_clipped_black_unknown_and_not_a_number():
    light = exposed(FLAT, blur=0.0, seed=1)
    light[:80, :200] = np.minimum(light[:80, :200], 0.05)
    light[80:120, :200] = 0
    light[200:210] = np.nan
    light[300, 7] = np.inf
    known = KNOWN.copy()
    known[300:, 300:] = False
    light[300:, 300:] = 7 * np.random.default_rng(1).random(light[300:, 300:].shape)
    found = measure_grain([GrainPicture(light=light, known=known)])
    assert found.b == pytest.approx(B, rel=0.1)


def test_channels_that_share_their_grain():
    grain = unit_grain(FLAT.shape, blur=0.0, seed=3)
    grain[..., 1] = 0.8 * grain[..., 0] + 0.6 * grain[..., 1]
    found = measure_grain([GrainPicture(light=(FLAT + 0.02 * grain).astype(np.float32), known=KNOWN)])
    assert found.correlation[0, 1] == pytest.approx(0.8, abs=0.04)
    assert found.correlation[0, 2] == pytest.approx(0.0, abs=0.04)
    field = grain_field(found, seed=4, frame=1, window=Window(x=0, y=0, width=300, height=300))
    assert np.corrcoef(field.reshape(-1, 3).T) == pytest.approx(found.correlation, abs=0.02)


def test_a_luminance_plate():
    light = exposed(FLAT[..., :1], blur=0.6, seed=1)
    found = measure_grain([GrainPicture(light=light, known=KNOWN)])
    assert found.a.shape == (1,)
    assert found.b == pytest.approx(B[:1], rel=0.1)
    field = grain_field(found, seed=1, frame=1001, window=Window(x=0, y=0, width=256, height=256))
    assert field.shape == (256, 256, 1)
    assert field.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("blur", [0.0, 0.6, 0.9])
def test_the_field_has_the_grain_s_shape(blur):
    field = grain_field(model_of(blur=blur), seed=5, frame=-3, window=Window(x=-200, y=40, width=512, height=400))
    for channel in range(3):
        one = field[..., channel]
        assert one.mean() == pytest.approx(0, abs=0.02)
        assert one.var() == pytest.approx(1, abs=0.03)
        assert (one[:, 1:] * one[:, :-1]).mean() == pytest.approx(true_lag(blur), abs=0.03)
        assert (one[1:] * one[:-1]).mean() == pytest.approx(true_lag(blur), abs=0.03)
    assert np.abs(np.corrcoef(field.reshape(-1, 3).T) - np.eye(3)).max() < 0.02
    # Normal tails, as grain has them.
    assert (np.abs(field) > 2).mean() == pytest.approx(0.0455, abs=0.004)


def test_the_field_depends_on_the_place_alone():
    model = model_of(blur=0.6)
    whole = grain_field(model, seed=9, frame=1001, window=Window(x=-10, y=-20, width=90, height=70))
    part = grain_field(model, seed=9, frame=1001, window=Window(x=13, y=5, width=31, height=8))
    assert np.array_equal(part, whole[25:33, 23:54])
    where = np.random.default_rng(1).random((70, 90)) < 0.3
    some = grain_field(model, seed=9, frame=1001, window=Window(x=-10, y=-20, width=90, height=70), where=where)
    assert np.array_equal(some, np.where(where[..., np.newaxis], whole, 0))
    for seed, frame in ((10, 1001), (9, 1002), (-9, 1001), (9, -1001)):
        other = grain_field(model, seed=seed, frame=frame, window=Window(x=-10, y=-20, width=90, height=70))
        assert abs(np.corrcoef(other.ravel(), whole.ravel())[0, 1]) < 0.03


def test_any_number_of_threads_gives_the_same_field():
    before = numba.get_num_threads()
    window = Window(x=3, y=4, width=101, height=67)
    fields = []
    try:
        for threads in sorted({1, min(2, before), before}):
            numba.set_num_threads(threads)
            fields.append(grain_field(model_of(blur=0.6), seed=1, frame=2, window=window))
    finally:
        numba.set_num_threads(before)
    assert all(np.array_equal(field, fields[0]) for field in fields)


@pytest.mark.parametrize("blur", [0.0, 0.6])
@pytest.mark.parametrize("place", [(0.0, 0.0), (0.5, 0.5), (0.3, 0.0), (0.25, 0.8)])
def test_fetched_light_is_brought_back_to_the_plate_s_grain(blur, place):
    model = model_of(blur=blur)
    levels = np.repeat(np.linspace(0.02, 2, 400, dtype=np.float32)[:, np.newaxis], 400, axis=1)
    clean = np.repeat(levels[..., np.newaxis], 3, axis=-1)
    plate = exposed(clean, blur=blur, seed=1)
    y, x = np.mgrid[2:397, 2:397].astype(np.float32)
    x, y = (x + place[0]).ravel(), (y + place[1]).ravel()
    values, sound = fetch(plate, x, y)
    assert sound.all()
    kept = kept_variance(x, y, model=model)
    field = grain_field(model, seed=1, frame=1, window=Window(x=0, y=0, width=395, height=395)).reshape(-1, 3)
    made = regrain(values, model=model, kept=kept, field=field).reshape(395, 395, 3)
    own = (plate - clean)[2:397, 2:397]
    rest = made - fetch(clean, x, y)[0].reshape(made.shape)
    for part in (slice(0, 80), slice(160, 240), slice(315, 395)):  # dark, middle, bright
        ratio = rest[part].std(axis=(0, 1)) / own[part].std(axis=(0, 1))
        assert ratio == pytest.approx(1, abs=0.05)


def test_smooth_fills_and_means_of_frames_get_what_they_lack():
    model = model_of(blur=0.0)
    field = grain_field(model, seed=1, frame=1, window=Window(x=0, y=0, width=256, height=256))
    smooth = np.full((256, 256, 3), 0.4, np.float32)
    wanted = np.sqrt(A + B * 0.4)
    assert regrain(smooth, model=model, kept=0.0, field=field).std(axis=(0, 1)) == pytest.approx(wanted, rel=0.03)
    mean = np.mean([exposed(smooth, blur=0, seed=seed) for seed in range(3)], axis=0)
    made = regrain(mean, model=model, kept=np.full((256, 256), 1 / 3, np.float32), field=field, level=smooth)
    assert made.std(axis=(0, 1)) == pytest.approx(wanted, rel=0.03)
    assert made.dtype == np.float32


def test_negative_and_not_a_number_in_the_fill():
    model = model_of(blur=0.0)
    light = np.array([[[-0.5, np.nan, np.inf]]], np.float32)
    made = regrain(light, model=model, kept=0.0, field=np.ones((1, 1, 3), np.float32))
    assert made[0, 0, 0] == pytest.approx(-0.5 + np.sqrt(A[0]))
    assert np.isnan(made[0, 0, 1])
    assert np.isinf(made[0, 0, 2])
    where = np.array([np.nan, 3.0], np.float32)
    assert kept_variance(where, where, model=model) == pytest.approx(1)


def test_it_is_kept_in_a_file(tmp_path):
    found = model_of(blur=0.6)
    found.save(tmp_path / "grain.npz")
    again = GrainModel.load(tmp_path / "grain.npz")
    for name in ("a", "b", "autocorrelation", "correlation"):
        assert np.array_equal(getattr(again, name), getattr(found, name))
    assert np.array_equal(again.kernel, found.kernel)
