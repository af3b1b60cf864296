"""Clean plates: further images of the place, of any size, framing and exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from filming import Run, ellipse, inpaint, make_job, rgb, run, same_files, scene, write
from panning import camera, film, view

from overscan.core.controls import Controls
from overscan.core.jobs import OutputSpec, SequenceSource

SIZE = (192, 128)
FRAMES = range(1001, 1007)
CENTRE, RADII = (210.0, 150.0), (22.0, 18.0)
"""What is removed stands in the scene, so that no frame shows what is behind it."""


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return scene(300, 420)


def cameras(count: int = len(FRAMES)) -> list[np.ndarray]:
    return [camera(x=190 + 4 * at, y=150 - at, turn=0.004 * at, size=SIZE) for at in range(count)]


def shoot(folder: Path, picture: np.ndarray, *, grain: float = 0.0, flicker: Sequence[float] = ()) -> str:
    """A shot of a black disc before the scene, and mattes that cover it."""
    looks = cameras()
    for look, number in zip(looks, FRAMES, strict=True):
        write(folder / f"m.{number}.exr", {"A": disc(look, scale=1.25)})
    black = [disc(look, scale=1.0)[..., np.newaxis] for look in looks]

    rng = np.random.default_rng(4)

    def edit(index: int, light: np.ndarray) -> np.ndarray:
        exposed = light * np.float32(flicker[index] if flicker else 1) * (1 - black[index])
        return (exposed + grain * rng.standard_normal(light.shape)).astype(np.float32)

    return film(folder, picture, looks, size=SIZE, edit=edit)


def disc(look: np.ndarray, *, scale: float) -> np.ndarray:
    x, y, _ = np.linalg.inv(look) @ [*CENTRE, 1.0]
    return ellipse(SIZE, centre=(float(x), float(y)), radii=(RADII[0] * scale, RADII[1] * scale), soft=1e-6)


def remove(folder: Path, plate: str, clean: Sequence[Path], *, name: str = "o", **fields: object) -> Run:
    sources = tuple(SequenceSource(path=str(path)) for path in clean)
    parameters = {"grain": False, "fill": "none"} | dict(fields.pop("parameters", {}))
    job = make_job(
        inpaint(str(folder / "m.%04d.exr")),
        plate,
        str(folder / name / "o.%04d.exr"),
        controls=Controls(clean_plates=sources),
        parameters=parameters,
        **fields,
    )
    return run(job, folder / name)


def stops_off(done: Run, picture: np.ndarray, frame: int, *, exposure: float = 1.0) -> np.ndarray:
    """By how many stops each pixel that was painted is off the scene."""
    look = cameras()[frame - FRAMES[0]]
    truth = np.maximum(view(picture, look, size=SIZE) * exposure, 2**-6)
    light = np.maximum(done.light(frame), 2**-6)
    return np.abs(np.log2(light) - np.log2(truth)).max(axis=-1)[done.extras(frame)["A"] == 1]


@pytest.mark.parametrize(
    ("size", "zoom", "turn", "gain"),
    [
        ((192, 128), 1.0, 0.0, (1.0, 1.0, 1.0)),
        ((420, 300), 1.2, 0.05, (2.0, 2.2, 1.8)),
        ((150, 100), 0.75, -0.03, (0.5, 0.5, 0.5)),
    ],
    ids=["the same camera", "nearer, turned and a stop up", "wider and a stop down"],
)
def test_what_no_frame_shows_is_taken_from_it(tmp_path, picture, size, zoom, turn, gain):
    plate = shoot(tmp_path, picture)
    look = camera(x=205, y=146, turn=turn, zoom=zoom * size[0] / SIZE[0], size=size)
    seen = view(picture, look, size=size) * np.array(gain, np.float32)
    clean = write(tmp_path / "clean.exr", rgb(seen, np.float32))
    done = remove(tmp_path, plate, [clean])
    assert "CLEAN_PLATE_UNUSED" not in done.recorder.codes
    for frame in (FRAMES[0], FRAMES[3], FRAMES[-1]):
        extras = done.extras(frame)
        painted = extras["A"] == 1
        assert np.median(stops_off(done, picture, frame)) < 0.03
        assert np.quantile(stops_off(done, picture, frame), 0.9) < 0.08
        assert (extras["kind"][painted] == 1).all()
        for name in ("x", "y", "frame"):
            assert np.isnan(extras[name][painted]).all(), "no place in the plate"
        assert np.allclose(extras["confidence"][painted], 0.8)


def still(path: Path, picture: np.ndarray, *, gain: float = 1.0, **planes: np.ndarray) -> Path:
    """A clean plate from where the first frame was taken."""
    return write(path, rgb(view(picture, cameras()[0], size=SIZE) * np.float32(gain), np.float32) | planes)


def test_each_frame_keeps_its_own_exposure(tmp_path, picture):
    flicker = (1.0, 1.06, 0.94, 1.05, 0.97, 1.02)
    plate = shoot(tmp_path, picture, flicker=flicker)
    done = remove(tmp_path, plate, [still(tmp_path / "c.exr", picture, gain=3.0)])
    for frame, exposure in zip(FRAMES, flicker, strict=True):
        assert np.median(stops_off(done, picture, frame, exposure=exposure)) < 0.03


def test_one_that_shows_another_place_is_told_and_left_out(tmp_path, picture):
    plate = shoot(tmp_path, picture)
    other = write(tmp_path / "elsewhere.exr", rgb(scene(128, 192, seed=40), np.float32))
    done = remove(tmp_path, plate, [other, still(tmp_path / "c.exr", picture)])
    told = [notice for notice in done.recorder.warnings if notice.code == "CLEAN_PLATE_UNUSED"]
    assert len(told) == 1
    assert "elsewhere.exr" in told[0].message
    alone = remove(tmp_path, plate, [tmp_path / "c.exr"], name="alone")
    assert all(same_files(done.path(frame), alone.path(frame)) for frame in FRAMES)


def test_where_its_alpha_is_below_one_the_next_is_taken_or_nothing(tmp_path, picture):
    plate = shoot(tmp_path, picture)
    left = (np.arange(SIZE[0]) < 96).astype(np.float32)[np.newaxis].repeat(SIZE[1], axis=0)
    first = still(tmp_path / "left.exr", picture, A=left)
    done = remove(tmp_path, plate, [first])
    extras, painted = done.extras(FRAMES[0]), done.extras(FRAMES[0])["A"] == 1
    columns = np.nonzero(painted)[1]
    shown = extras["kind"][painted] == 1
    assert shown[columns < 88].all()
    assert not shown[columns >= 96].any()
    assert (extras["confidence"][painted][~shown] == 0).all()
    assert (done.light(FRAMES[0])[painted][~shown] == 0).all(), "left empty"
    both = remove(tmp_path, plate, [first, still(tmp_path / "c.exr", picture, gain=2.0)], name="both")
    assert (both.extras(FRAMES[0])["kind"][painted] == 1).all()
    assert np.median(stops_off(both, picture, FRAMES[0])) < 0.03


def test_a_single_frame_has_nothing_else_to_copy_from(tmp_path, picture):
    shoot(tmp_path, picture)
    plate = str(tmp_path / f"p.{FRAMES[2]}.exr")
    clean = write(
        tmp_path / "c.exr", rgb(view(picture, camera(x=200, y=150, zoom=0.9, size=SIZE), size=SIZE), np.float32)
    )
    done = remove(tmp_path, plate, [clean])
    assert np.median(stops_off(done, picture, FRAMES[2])) < 0.03


def test_frames_come_first(tmp_path, picture):
    plate = shoot(tmp_path, picture)
    # A matte that stands in the frame: neighbours show what is behind most of it.
    for number in FRAMES:
        write(tmp_path / f"m.{number}.exr", {"A": ellipse(SIZE, centre=(40, 40), radii=(5, 5), soft=1e-6)})
    done = remove(tmp_path, plate, [still(tmp_path / "c.exr", picture)], parameters={"copy": "always"})
    extras = done.extras(FRAMES[2])
    copied = np.isfinite(extras["frame"]) & (extras["A"] == 1)
    assert copied.sum() > 0.3 * (extras["A"] == 1).sum()
    assert (extras["kind"][extras["A"] == 1] == 1).all()


@pytest.mark.parametrize("own", [0.0, 0.02], ids=["a clean plate without grain", "with grain of its own"])
def test_its_light_gets_the_grain_that_it_lacks(tmp_path, picture, own):
    smooth = 0.2 + 0.5 * cv2.GaussianBlur(picture.clip(0, 1), (0, 0), 2.0)
    plate = shoot(tmp_path, smooth, grain=0.02)
    seen = view(smooth, cameras()[0], size=SIZE)
    seen = seen + np.float32(own) * np.random.default_rng(8).standard_normal(seen.shape)
    clean = write(tmp_path / "c.exr", rgb(seen, np.float32))
    done = remove(tmp_path, plate, [clean], parameters={"grain": True})
    extras = done.extras(FRAMES[0])
    painted = extras["A"] == 1
    assert (extras["kind"][painted] == 1).all()
    gap = done.light(FRAMES[0]) - view(smooth, cameras()[0], size=SIZE)
    assert 0.8 < gap[painted].std() / 0.02 < 1.2


def test_the_same_bits_whether_registered_anew_or_from_the_cache(tmp_path, picture):
    plate = shoot(tmp_path, picture)
    clean = still(tmp_path / "c.exr", picture, gain=0.7)
    whole = remove(tmp_path, plate, [clean])
    job = make_job(
        whole.job.task,
        plate,
        str(tmp_path / "again/o.%04d.exr"),
        controls=whole.job.controls,
        parameters=whole.job.parameters,
        frames=(FRAMES[3],),
    )
    again = run(job, tmp_path / "again", cache=tmp_path / "o/cache")
    assert same_files(whole.path(FRAMES[3]), again.path(FRAMES[3]))
    # A clean plate of the same name with other contents is another one.
    still(tmp_path / "c.exr", picture[::-1])
    changed = run(
        replace(job, output=OutputSpec(path=str(tmp_path / "changed/o.%04d.exr"))),
        tmp_path / "changed",
        cache=tmp_path / "o/cache",
    )
    assert not same_files(changed.path(FRAMES[3]), again.path(FRAMES[3]))


def test_only_what_it_does_not_show_is_imagined(tmp_path, picture):
    plate = shoot(tmp_path, picture)
    left = (np.arange(SIZE[0]) < 96).astype(np.float32)[np.newaxis].repeat(SIZE[1], axis=0)
    first = still(tmp_path / "left.exr", picture, A=left)
    done = remove(tmp_path, plate, [first], parameters={"fill": "synthesise"})
    extras = done.extras(FRAMES[0])
    painted = extras["A"] == 1
    columns = np.nonzero(painted)[1]
    kind, source = extras["kind"][painted], extras["frame"][painted]
    assert (kind[columns < 88] == 1).all()
    assert (kind[columns >= 96] == 2).all()
    assert np.isfinite(source[columns >= 96]).mean() > 0.9, "made of pieces of the plate"
    assert (done.light(FRAMES[0])[painted] != 0).any(axis=-1).all()
