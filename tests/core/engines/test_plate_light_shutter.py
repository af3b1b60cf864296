"""Motion blur in a shot whose camera gets faster: what is copied into fast frames must be as blurred as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from filming import look, make_job, rgb, run, scene, write

from overscan.core.jobs import Extend

SIZE = (192, 108)
MARGIN = 24
SHUTTER = 0.5
SPEEDS = (1, 1, 1, 1, 1, 2, 4, 6, 8, 9, 9, 9, 9, 8, 6, 4, 2, 1, 1, 1, 1, 1)


def exposed(picture: np.ndarray, x: float, speed: float, *, size: tuple[int, int]) -> np.ndarray:
    """What a moving camera sees while its shutter is open."""
    looks = 17
    shifts = (np.arange(looks) + 0.5) / looks * SHUTTER * speed - SHUTTER * speed / 2
    return np.mean([look(picture, x + shift, 40, size=size) for shift in shifts], axis=0)


def test_the_shutter_is_found_and_fast_frames_are_not_too_sharp(tmp_path: Path) -> None:
    picture = scene(220, 460, seed=5)
    wide = (SIZE[0] + 2 * MARGIN, SIZE[1])
    places = 60 + np.cumsum((0, *SPEEDS))
    for number, (x, speed) in enumerate(zip(places, SPEEDS, strict=False), 1001):
        write(tmp_path / f"plate.{number}.exr", rgb(exposed(picture, float(x), speed, size=SIZE)))
    plate = str(tmp_path / "plate.%04d.exr")
    job = make_job(Extend(size=wide), plate, str(tmp_path / "out.%04d.exr"), parameters={"fill": "smooth"})
    done = run(job, tmp_path)
    with np.load(done.work / "shutter.npz") as kept:
        assert abs(float(kept["shutter"]) - SHUTTER) < 0.15
    fast = 11
    truth = exposed(picture, float(places[fast]) - MARGIN, SPEEDS[fast], size=wide)
    extras = done.extras(1001 + fast)
    copied = (extras["kind"] == 1) & (extras["confidence"] > 0.5)
    copied[:4] = copied[-4:] = False
    assert copied.sum() > 500

    def sharpness(light: np.ndarray) -> float:
        across = np.diff(np.log2(np.maximum(light, 0.05)), axis=1)[..., 1][copied[:, 1:]]
        return float((across**2).mean())

    assert 0.7 < sharpness(done.light(1001 + fast)) / sharpness(truth) < 1.4
