"""What no frame shows: textured like the plate, as still or as lively as what it was taken from, its source exact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from filming import Run, ellipse, inpaint, make_job, pan, read, run, same_files, write

from overscan.core.engines.plate._fetch import fetch
from overscan.core.jobs import Extend, Margins

SIZE, FRAMES, STEP = (160, 96), tuple(range(1001, 1031)), 1
LEFT, RIGHT = 24, 40
WALL, WATER = slice(0, 44), slice(52, 96)
BRICK, SEA = np.array([1.0, 0.6, 0.4], np.float32), np.array([0.1, 0.3, 0.6], np.float32)


def noise(rng: np.random.Generator, sigma: float, shape: tuple[int, int] = (200, 320)) -> np.ndarray:
    """Smooth noise of deviation 1."""
    rough = cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), sigma)
    return rough / rough.std()


def shore(folder: Path, frames: Iterable[int] = FRAMES) -> str:
    """A slow pan: above, a plastered wall; below, water that a third of is new in every frame. Both with some grain."""
    rng = np.random.default_rng(5)
    wall = np.exp2(0.4 * noise(rng, 1.3) - 1)
    waves = noise(rng, 2.0)

    def edit(index: int, view: np.ndarray) -> np.ndarray:
        nonlocal waves
        if index:
            waves = (0.7 * waves + np.sqrt(1 - 0.7**2) * noise(rng, 2.0)).astype(np.float32)
        x = 60 + index * STEP
        light = wall[20 : 20 + SIZE[1], x : x + SIZE[0], np.newaxis] * BRICK
        light[48:] = np.exp2(0.5 * waves[68 : 20 + SIZE[1], x : x + SIZE[0], np.newaxis] - 1) * SEA
        return light * (1 + 0.015 * rng.standard_normal(light.shape)).astype(np.float32)

    return pan(folder, size=SIZE, step=(STEP, 0), start=(60, 20), frames=frames, edit=edit, dtype=np.float32)


@pytest.fixture(scope="module")
def beach(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The pan with what lies beside it."""
    folder = tmp_path_factory.mktemp("beach")
    task = Extend(margins=Margins(left=LEFT, right=RIGHT))
    job = make_job(task, shore(folder / "p"), str(folder / "o/o.%d.exr"), parameters={"grain": False})
    return run(job, folder)


def stops(light: np.ndarray) -> np.ndarray:
    return np.log2(np.maximum(light, 2**-10))


def imagined(done: Run, frame: int) -> np.ndarray:
    extras = done.extras(frame)
    mask: np.ndarray = (extras["kind"] == 2) & np.isfinite(extras["frame"])
    return mask


def changes(done: Run, rows: slice) -> list[tuple[float, float]]:
    """For each pair of frames, the mean squared change of what is imagined and of the plate's own, registered."""
    found = []
    for frame in FRAMES[:-1]:
        change = (stops(done.light(frame))[rows, STEP:] - stops(done.light(frame + 1))[rows, :-STEP]) ** 2
        made = imagined(done, frame)[rows, STEP:] & imagined(done, frame + 1)[rows, :-STEP]
        plate = np.zeros_like(made)
        plate[:, LEFT : LEFT + SIZE[0] - STEP] = True
        assert made.mean() > 0.1
        found.append((float(change[made].mean()), float(change[plate].mean())))
    return found


def detail(light: np.ndarray, where: np.ndarray) -> float:
    """Energy of differences between neighbours that are both meant."""
    both = where[:, 1:] & where[:, :-1]
    return float(np.mean(np.diff(stops(light), axis=1)[both] ** 2))


def test_what_is_imagined_has_the_detail_of_the_plate(beach: Run) -> None:
    for frame in FRAMES[::5]:
        light, made = beach.light(frame)[WALL], imagined(beach, frame)[WALL]
        plate = np.zeros_like(made)
        plate[:, LEFT : LEFT + SIZE[0]] = True
        assert 0.8 < detail(light, made) / detail(light, plate) < 1.2


def test_a_wall_stands_still(beach: Run) -> None:
    made, plate = np.mean(changes(beach, WALL), axis=0)
    assert made < 1.2**2 * plate


def test_water_moves_on_as_lively_as_the_plates(beach: Run) -> None:
    both = np.array(changes(beach, WATER))
    made, plate = both.mean(axis=0)
    assert 0.7 < made / plate < 1.3
    # In every frame, and without a jump at a key frame.
    assert (both[:, 0] > 0.5 * plate).all() and (both[:, 0] < 1.6 * plate).all()


def test_the_source_of_every_imagined_pixel_is_exact(beach: Run) -> None:
    """Light is what lies at the source, but for a gain that is smooth."""
    for frame in FRAMES[::7]:
        extras, made = beach.extras(frame), imagined(beach, frame)
        light = beach.light(frame)
        x, y, source = (extras[name] for name in ("x", "y", "frame"))
        ratio = np.full(light.shape, np.nan, np.float32)
        for number in np.unique(source[made]):
            here = made & (source == number)
            picture = np.stack([_plate(beach, int(number))[name] for name in "RGB"], axis=-1)
            values, sound = fetch(picture, x[here], y[here])
            assert sound.all()
            ratio[here] = stops(light[here]) - stops(values)
        beside = made[:, 1:] & made[:, :-1] & (source[:, 1:] == source[:, :-1])
        beside &= (np.abs(x[:, 1:] - x[:, :-1] - 1) < 0.01) & (np.abs(y[:, 1:] - y[:, :-1]) < 0.01)
        assert beside.sum() > 2000
        step = np.abs(np.diff(ratio, axis=1))[beside]
        assert np.percentile(step, 99) < 0.1 and np.median(step) < 0.02


def test_water_is_taken_from_many_frames_and_the_wall_is_not(beach: Run) -> None:
    first, later = beach.extras(FRAMES[2]), beach.extras(FRAMES[3])
    for rows, runs in ((WATER, True), (WALL, False)):
        made = (imagined(beach, FRAMES[2])[rows, STEP:]) & imagined(beach, FRAMES[3])[rows, :-STEP]
        moved = later["frame"][rows, :-STEP][made] - first["frame"][rows, STEP:][made]
        assert np.mean(np.abs(moved) == 1) > 0.6 if runs else np.mean(moved == 0) > 0.98


def test_moving_water_is_the_same_however_the_job_is_cut(tmp_path: Path, beach: Run) -> None:
    output = replace(beach.job.output, path=str(tmp_path / "o.%d.exr"))
    job = replace(beach.job, output=output, frames=(FRAMES[0], FRAMES[13], FRAMES[-1]))
    done = run(job, tmp_path, cache=beach.work.parent / "cache")
    for frame in done.plan.frames:
        assert same_files(beach.path(frame), done.path(frame)), frame


def test_a_matte_between_two_key_frames_is_imagined_too(tmp_path: Path) -> None:
    """And what is imagined for it is not taken from under it."""
    frames = tuple(range(1001, 1013))
    plate = pan(tmp_path / "p", size=(96, 64), step=(1, 0), frames=frames)
    covers = {
        frame: ellipse((96, 64), centre=(50 - index, 30), radii=(12, 12)) * np.float32(3 <= index <= 8)
        for index, frame in enumerate(frames)
    }
    for frame, cover in covers.items():
        write(tmp_path / f"m/m.{frame}.exr", {"A": cover})
    job = make_job(
        inpaint(str(tmp_path / "m/m.%d.exr")),
        plate,
        str(tmp_path / "o/o.%d.exr"),
        parameters={"copy": "never", "quality": "preview"},
    )
    done = run(job, tmp_path)
    for frame, cover in covers.items():
        extras = done.extras(frame)
        hole = extras["kind"] > 0
        assert np.array_equal(hole, cover > 0)
        sourced = hole & np.isfinite(extras["frame"])
        assert sourced.sum() >= 0.95 * hole.sum()
        for source in np.unique(extras["frame"][sourced]):
            here = sourced & (extras["frame"] == source)
            x, y = (np.rint(extras[name][here]).astype(int) for name in "xy")
            assert not (covers[int(source)][y, x] > 0).any()


def test_a_single_frame_of_one_channel(tmp_path: Path) -> None:
    picture = np.exp2(0.4 * noise(np.random.default_rng(1), 1.3) - 1)[:64, :96]
    picture[10, 10] = np.nan
    write(tmp_path / "p/p.1.exr", {"Y": picture.astype(np.float32)})
    task = Extend(margins=Margins(left=16, right=16))
    done = run(make_job(task, str(tmp_path / "p/p.%d.exr"), str(tmp_path / "o/o.%d.exr")), tmp_path)
    light, made = done.result(1).planes["Y"], imagined(done, 1)
    assert made.sum() == 2 * 16 * 64
    assert np.isfinite(light[made]).all() and (done.extras(1)["frame"][made] == 1).all()
    plate = light[20:, 16:112, np.newaxis]
    assert detail(light[..., np.newaxis], made) > 0.5 * detail(plate, np.ones((44, 96), bool))


def _plate(done: Run, frame: int) -> dict[str, np.ndarray]:
    return read(Path(done.job.plate.path % frame))[0].planes
