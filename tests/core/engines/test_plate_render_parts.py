"""What rendering is made of: frames read once, sources for blocks of pixels, small gaps filled, log by a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filming import ellipse, inpaint, make_job, pan, scene, write

from overscan.core.colour import analysis_proxy
from overscan.core.engines.plate._fill import smooth_fill
from overscan.core.engines.plate._lights import Lights
from overscan.core.engines.plate._region import Region
from overscan.core.engines.plate._render import _fill_smoothly
from overscan.core.engines.plate._trace import NOWHERE
from overscan.core.engines.plate.motion._log import read_log
from overscan.core.jobs import Extend
from overscan.core.shots import Shot, survey

FRAMES = tuple(range(1001, 1006))
SIZE = (64, 48)


def _shot(folder: Path, *, hole: bool = False) -> Shot:
    plate = pan(folder / "p", step=(2.3, 0.6), start=(20.5, 30.25), frames=FRAMES, size=SIZE)
    task = Extend(size=(81, 48))
    if hole:
        for frame in FRAMES:
            write(folder / f"m/m.{frame}.exr", {"A": ellipse(SIZE, centre=(30, 20), radii=(9, 7))})
        task = inpaint(str(folder / "m/m.%d.exr"))
    shot = survey(make_job(task, plate, str(folder / "o.%04d.exr"))).shot
    assert shot is not None
    return shot


def test_frames_are_read_once_while_there_is_room(tmp_path):
    shot = _shot(tmp_path)
    lights = Lights(shot, at_once=2)
    for frame in (0, 1, 2):
        assert np.array_equal(lights[frame], shot.read_light(shot.frames[frame]))
    assert lights.kept_first([4, 3, 2, 1]) == [1, 2, 3, 4]
    lights.let_go()
    for path in map(shot.path, shot.frames[:3]):
        path.unlink()
    assert np.isfinite(lights[1]).all()
    assert lights.plate(2).number == shot.frames[2]
    assert lights.plate(4).number == shot.frames[4]  # not kept yet: read now
    lights = Lights(shot, at_once=2, kept_bytes=1)
    for frame in (3, 4):
        assert np.array_equal(lights[frame], shot.read_light(shot.frames[frame]))
    assert lights.kept_first([3, 4]) == [4, 3]


@pytest.mark.parametrize("hole", [False, True])
def test_every_pixel_follows_the_first_of_its_block(tmp_path, hole):
    shot = _shot(tmp_path, hole=hole)
    region = Region.of(shot, 2)
    some = region.thinned(2)
    blocks = set(zip(region.rows // 2, region.columns // 2, strict=True))
    assert len(some.rows) == len(blocks) < 0.4 * len(region.rows)
    some.sources.frame[:] = np.arange(len(some.rows)) % 4
    some.sources.frame[5] = NOWHERE
    some.sources.x, some.sources.y = some.target.x + np.float32(7.25), some.target.y - np.float32(3.5)
    region.follow(some, 2)
    numbers = dict(zip(zip(some.rows // 2, some.columns // 2, strict=True), some.sources.frame, strict=True))
    for row, column, frame in zip(region.rows, region.columns, region.sources.frame, strict=True):
        assert frame == numbers[row // 2, column // 2]
    # An address moves on with its pixel.
    assert np.array_equal(region.sources.x, region.target.x + np.float32(7.25))
    assert np.array_equal(region.sources.y, region.target.y - np.float32(3.5))


def test_patches_are_filled_from_what_lies_round_them(tmp_path):
    region = Region.of(_shot(tmp_path), 2)
    light = scene(48, 81) + np.float32(0.1)
    truth = light.copy()
    missing = (region.columns < 2) & (region.rows < 2) | (region.columns == 80) & (region.rows > 45)
    holes = (region.rows[missing], region.columns[missing])
    light[holes] = np.nan
    _fill_smoothly(light, region, missing=missing)
    untouched = np.ones(light.shape[:2], bool)
    untouched[holes] = False
    assert np.array_equal(light[untouched], truth[untouched])
    known = np.where(untouched[..., np.newaxis], truth, np.float32(np.nan))
    assert np.allclose(light[holes], smooth_fill(known, untouched)[holes], rtol=0.02)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_log_light_is_the_curve_whatever_the_samples(tmp_path, dtype):
    light = np.random.default_rng(1).normal(0.2, 1.0, (48, 64, 3)).astype(np.float16)
    light[0, :8, 0] = [np.nan, np.inf, -np.inf, 65504, -65504, -0.0, 6e-8, 0.0078125]
    for frame in FRAMES:
        planes = {name: light[..., index].astype(dtype) for index, name in enumerate("RGB")}
        write(tmp_path / f"p.{frame}.exr", planes)
    shot = survey(make_job(Extend(size=(81, 48)), str(tmp_path / "p.%04d.exr"), str(tmp_path / "o.%04d.exr"))).shot
    assert shot is not None
    assert np.array_equal(read_log(shot, FRAMES[0]), analysis_proxy(light.astype(np.float32)))
