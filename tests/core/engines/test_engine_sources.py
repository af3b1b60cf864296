"""The receipt of every pixel: where it came from is where its value is."""

from __future__ import annotations

import numpy as np
import pytest
from filming import Image, Run, ellipse, inpaint, make_job, pan, read, run, scene, write

from overscan.core.engines.plate._fetch import fetch
from overscan.core.jobs import Extend, ExtrasMode

PURE = {"grain": False}
"""Copies as they are: neither averaged over several frames nor given grain."""


def _lanczos(t: np.ndarray) -> np.ndarray:
    """Weights of the six samples round a position, of three lobes (Duchon 1979) with sum 1: ``(count, 6)``."""
    away = t[:, None] - np.arange(-2.0, 4.0)
    weights = np.where(np.abs(away) < 3, np.sinc(away) * np.sinc(away / 3), 0.0)
    weights[t == 0] = np.arange(6) == 2  # exactly, not but for rounding
    return weights / weights.sum(axis=1, keepdims=True)


def _refetch(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values at positions, at most a quarter beyond the smallest and largest of the samples that have a say."""
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    height, width = picture.shape[:2]
    columns = np.clip(left[:, None] + np.arange(-2, 4), 0, width - 1)
    rows = np.clip(top[:, None] + np.arange(-2, 4), 0, height - 1)
    samples = picture[rows[:, :, None], columns[:, None, :]].astype(np.float64)
    weights = _lanczos(y - top)[:, :, None] * _lanczos(x - left)[:, None, :]
    used = np.where(weights[..., None] != 0, samples, np.nan)
    smallest, largest = np.nanmin(used, axis=(1, 2)), np.nanmax(used, axis=(1, 2))
    value = (samples * weights[..., None]).sum(axis=(1, 2))
    return np.clip(value, smallest - 0.25 * np.abs(smallest), largest + 0.25 * np.abs(largest))


class _Plates:
    """The plate's frames, read once."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._kept: dict[int, Image] = {}

    def frame(self, number: int) -> Image:
        if number not in self._kept:
            self._kept[number] = read(self._pattern.replace("%04d", f"{number:04d}"))[0]
        return self._kept[number]

    def refetched(self, extras: dict[str, np.ndarray], chosen: np.ndarray) -> np.ndarray:
        """What the plate shows at the addresses of the chosen pixels, ``(height, width, 3)``; NaN elsewhere."""
        result = np.full((*chosen.shape, 3), np.nan)
        for number in np.unique(extras["frame"][chosen]):
            image = self.frame(int(number))
            picture = np.stack([image.planes[name].astype(np.float32) for name in "RGB"], axis=-1)
            here = chosen & (extras["frame"] == number)
            x, y = (
                extras[name][here].astype(np.float64) - start for name, start in zip("xy", image.origin, strict=True)
            )
            assert x.min() >= 0 and x.max() <= picture.shape[1] - 1
            assert y.min() >= 0 and y.max() <= picture.shape[0] - 1
            result[here] = _refetch(picture, x, y)
        return result


def _check(done: Run, frames: range, *, offset: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Check all layers of all frames against the plate; stops between the addresses' light and all copied.

    Such stops match exposure and seams; they are 0 where there is nothing to match.
    """
    plates = _Plates(done.job.plate.path)
    off, contrasts, synthesised, without = [], [], 0, 0
    for frame in frames:
        extras, result = done.extras(frame), done.light(frame)
        kind, alpha = extras["kind"], extras["A"]
        assert set(np.unique(kind)) <= {0.0, 1.0, 2.0}
        assert alpha.min() >= 0 and alpha.max() <= 1
        assert extras["confidence"].min() >= 0 and extras["confidence"].max() <= 1
        assert np.array_equal(kind == 0, alpha == 0)

        kept = kind == 0
        rows, columns = np.nonzero(kept)
        image = done.result(frame)
        assert np.array_equal(extras["x"][kept], columns + image.origin[0] - offset[0])
        assert np.array_equal(extras["y"][kept], rows + image.origin[1] - offset[1])
        assert (extras["frame"][kept] == frame).all()
        assert (extras["confidence"][kept] == 1).all()

        has_source = np.isfinite(extras["frame"])
        for name in ("x", "y"):
            assert np.array_equal(np.isfinite(extras[name]), has_source)
        # Without a source it was filled smoothly, and nobody should rely on it.
        assert (kind[~has_source] == 2).all()
        assert (extras["confidence"][~has_source] == 0).all()
        assert (extras["confidence"][has_source] > 0).all()
        without += int((~has_source).sum())

        copied = (kind == 1) & (alpha == 1)
        assert (extras["frame"][kind == 1] != frame).all()
        expected = plates.refetched(extras, copied)
        assert (result[copied] * expected[copied] >= -1e-4).all()
        off.append(np.abs(_log2(result[copied]) - _log2(expected[copied])).max(axis=-1))

        made = (kind == 2) & (alpha == 1) & has_source
        synthesised += int(made.sum())
        assert (extras["confidence"][made] <= 0.1 + 1e-6).all()
        expected = plates.refetched(extras, made)
        together = made[:, 1:] & made[:, :-1] & (np.abs(np.diff(extras["x"], axis=1) - 1) < 0.01)
        together &= (np.diff(extras["frame"], axis=1) == 0) & (np.abs(np.diff(extras["y"], axis=1)) < 0.01)
        contrasts.append([np.diff(_log2(light), axis=1)[together].ravel() for light in (result, expected)])
    assert without < 0.05 * synthesised
    # Pieces of the plate keep their detail: they are made lighter or darker on the whole only.
    assert np.corrcoef(np.concatenate(contrasts, axis=1))[0, 1] > 0.7
    return np.concatenate(off)


def _log2(light: np.ndarray) -> np.ndarray:
    """Stops; what is darker than 0.02 counts as 0.02."""
    return np.log2(np.maximum(light, 0.02))


@pytest.mark.parametrize("step", [(3.0, 0.0), (2.37, -0.81)], ids=["whole", "sub-pixel"])
def test_extension(tmp_path, step):
    plate = pan(tmp_path / "p", step=step, start=(30, 60), origin=(-7, 11))
    job = make_job(Extend(size=(220, 100), place=(30, 2)), plate, str(tmp_path / "o/o.%d.exr"), parameters=PURE)
    off = _check(run(job, tmp_path), range(1001, 1009), offset=(37, -9))
    assert len(off) > 4000
    # Matched to the frame's edge, which imagined light lies at as well.
    assert np.quantile(off, 0.5) < 0.01
    assert np.quantile(off, 0.9) < 0.06


def test_removal_and_its_soft_edge(tmp_path):
    plate = pan(tmp_path / "p", step=(4, 1))
    write(tmp_path / "m.exr", {"A": ellipse((160, 96), centre=(80, 50), radii=(20, 16), soft=6)})
    job = make_job(inpaint(str(tmp_path / "m.exr")), plate, str(tmp_path / "o/o.%d.exr"), parameters=PURE)
    off = _check(run(job, tmp_path), range(1001, 1009))
    assert len(off) > 2000
    # Half has 11 bits.
    assert off.max() < 0.003


def test_in_layers_and_in_a_sidecar_they_are_the_same(tmp_path):
    plate = pan(tmp_path / "p", frames=range(1, 5))
    part, layers, sidecar = (
        run(
            make_job(Extend(size=(180, 96)), plate, str(tmp_path / f"{mode.value}/o.%d.exr"), output={"extras": mode}),
            tmp_path / mode.value,
        )
        for mode in (ExtrasMode.PART, ExtrasMode.LAYERS, ExtrasMode.SIDECAR)
    )
    for frame in range(1, 5):
        expected = read(part.path(frame))[1].planes
        assert len(read(layers.path(frame))) == 1
        assert len(read(sidecar.path(frame))) == 1
        beside = read(tmp_path / f"sidecar/o.extras.{frame}.exr")[0].planes
        within = layers.result(frame).planes
        assert not set(sidecar.result(frame).planes) & set(expected)
        for name, plane in expected.items():
            assert plane.dtype == np.float32
            assert np.array_equal(plane, beside[name], equal_nan=True)
            assert np.array_equal(plane, within[name], equal_nan=True)


def test_fetching_at_integers_gives_the_very_sample_and_hardly_rings():
    picture = scene(40, 50)
    picture[10, 10] = 900.0
    rows, columns = np.mgrid[0:40, 0:50]
    values, sound = fetch(picture, columns.ravel().astype(np.float32), rows.ravel().astype(np.float32))
    assert sound.all()
    assert np.array_equal(values.reshape(picture.shape), picture)
    rng = np.random.default_rng(5)
    x, y = (rng.uniform(0, top, 500).astype(np.float32) for top in (49, 39))
    values, sound = fetch(picture, x, y)
    assert sound.all()
    assert np.allclose(values, _refetch(picture, x.astype(np.float64), y.astype(np.float64)), rtol=1e-4, atol=1e-5)
    assert values.min() >= picture.min() - 0.25 * abs(picture.min())
    picture[20, 20, 1] = np.nan
    outside = np.array([19.5, -0.1, 49.1, 20.0, 21.0], np.float32)
    values, sound = fetch(picture, outside, np.array([20.5, 3, 3, 20, 20], np.float32))
    assert sound.tolist() == [False, False, False, False, True]
    assert not values[:4].any()
