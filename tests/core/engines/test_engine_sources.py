"""The receipt of every pixel: where it came from is where its value is."""

from __future__ import annotations

import numpy as np
import pytest
from filming import Image, Run, ellipse, inpaint, make_job, pan, read, run, scene, write

from overscan.core.engines.plate._fetch import fetch
from overscan.core.jobs import Extend, ExtrasMode


def _cubic(t: np.ndarray) -> np.ndarray:
    """Catmull-Rom weights of the four samples round a position, by Keys (1981) with a = -1/2: ``(count, 4)``."""
    away = np.abs(t[:, None] - np.array([-1.0, 0.0, 1.0, 2.0]))
    near = 1.5 * away**3 - 2.5 * away**2 + 1
    far = -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    return np.where(away <= 1, near, np.where(away < 2, far, 0.0))


def _refetch(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bicubic values at positions, and the smallest and largest of the samples that have a say."""
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    height, width = picture.shape[:2]
    columns = np.clip(left[:, None] + np.arange(-1, 3), 0, width - 1)
    rows = np.clip(top[:, None] + np.arange(-1, 3), 0, height - 1)
    samples = picture[rows[:, :, None], columns[:, None, :]].astype(np.float64)
    weights = _cubic(y - top)[:, :, None] * _cubic(x - left)[:, None, :]
    used = np.where(weights[..., None] != 0, samples, np.nan)
    smallest, largest = np.nanmin(used, axis=(1, 2)), np.nanmax(used, axis=(1, 2))
    return (samples * weights[..., None]).sum(axis=(1, 2)), smallest, largest


def _check(done: Run, frames: range, *, offset: tuple[int, int] = (0, 0)) -> int:
    """Check all layers of all frames against the plate; how many pixels were copied."""
    plates: dict[int, list[Image]] = {}
    copied_in_all = 0
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

        made = kind == 2
        for name in ("x", "y", "frame"):
            assert np.isnan(extras[name][made]).all()
            assert np.isfinite(extras[name][~made]).all()
        assert (extras["confidence"][made] == 0).all()

        copied = (kind == 1) & (alpha == 1)
        copied_in_all += int(copied.sum())
        assert (extras["frame"][kind == 1] != frame).all()
        for source in np.unique(extras["frame"][copied]):
            if int(source) not in plates:
                plates[int(source)] = read(done.job.plate.path.replace("%04d", f"{int(source):04d}"))
            part = plates[int(source)][0]
            picture = np.stack([part.planes[name].astype(np.float32) for name in "RGB"], axis=-1)
            here = copied & (extras["frame"] == source)
            x, y = extras["x"][here] - part.origin[0], extras["y"][here] - part.origin[1]
            value, smallest, largest = _refetch(picture, x.astype(np.float64), y.astype(np.float64))
            expected = np.clip(value, smallest, largest)
            # Half has 11 bits.
            assert np.allclose(result[here], expected, rtol=6e-4, atol=1e-5)
            whole = (x == np.rint(x)) & (y == np.rint(y))
            exact = picture[y[whole].astype(int), x[whole].astype(int)]
            assert np.array_equal(result[here][whole], exact)
    return copied_in_all


@pytest.mark.parametrize("step", [(3.0, 0.0), (2.37, -0.81)], ids=["whole", "sub-pixel"])
def test_extension(tmp_path, step):
    plate = pan(tmp_path / "p", step=step, start=(30, 60), origin=(-7, 11))
    done = run(make_job(Extend(size=(220, 100), place=(30, 2)), plate, str(tmp_path / "o/o.%d.exr")), tmp_path)
    assert _check(done, range(1001, 1009), offset=(37, -9)) > 4000


def test_removal_and_its_soft_edge(tmp_path):
    plate = pan(tmp_path / "p", step=(4, 1))
    write(tmp_path / "m.exr", {"A": ellipse((160, 96), centre=(80, 50), radii=(20, 16), soft=6)})
    done = run(make_job(inpaint(str(tmp_path / "m.exr")), plate, str(tmp_path / "o/o.%d.exr")), tmp_path)
    assert _check(done, range(1001, 1009)) > 2000


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


def test_fetching_at_integers_gives_the_very_sample_and_never_rings():
    picture = scene(40, 50)
    picture[10, 10] = 900.0
    rows, columns = np.mgrid[0:40, 0:50]
    values, sound = fetch(picture, columns.ravel().astype(np.float32), rows.ravel().astype(np.float32))
    assert sound.all()
    assert np.array_equal(values.reshape(picture.shape), picture)
    rng = np.random.default_rng(5)
    x, y = (rng.uniform(0, top, 500).astype(np.float32) for top in (49, 39))
    values, sound = fetch(picture, x, y)
    expected, smallest, largest = _refetch(picture, x.astype(np.float64), y.astype(np.float64))
    assert sound.all()
    assert np.allclose(values, np.clip(expected, smallest, largest), rtol=1e-4, atol=1e-5)
    picture[20, 20, 1] = np.nan
    outside = np.array([19.5, -0.1, 49.1, 20.0, 21.0], np.float32)
    values, sound = fetch(picture, outside, np.array([20.5, 3, 3, 20, 20], np.float32))
    assert sound.tolist() == [False, False, False, False, True]
    assert not values[:4].any()
