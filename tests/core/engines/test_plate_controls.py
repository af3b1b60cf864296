"""What docs/controls.md promises of the plate engine's controls and parameters, each on a shot where it matters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filming import Run, ellipse, inpaint, look, make_job, pan, problems, rgb, run, scene, write

from overscan.core.controls import Camera, CameraSample, Controls, PointTrajectory, TrajectoryPoint
from overscan.core.jobs import Continue, Extend, Interpolate, Margins, MatteSource, SequenceSource

SIZE = (128, 80)
FRAMES = range(1001, 1009)
START, STEP = (40.0, 60.0), (4.0, 0.0)
RIGHT = Extend(margins=Margins(right=24))
PLAIN = {"grain": False, "copy": "always"}
"""Parameters under which a copied pixel is its source's light, and nothing is doubted."""


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return scene(220, 300)


def shoot(folder: Path, picture: np.ndarray, **fields: object) -> str:
    return pan(folder, size=SIZE, start=START, step=STEP, frames=FRAMES, picture=picture, **fields)


def go(folder: Path, task: object, plate: str, controls: Controls | None = None, **parameters: object) -> Run:
    job = make_job(
        task,
        plate,
        str(folder / "o/o.%04d.exr"),
        controls=controls or Controls(),
        parameters=PLAIN | parameters,
    )
    return run(job, folder, cache=folder / "cache")


def mattes(folder: Path, pictures: dict[int, np.ndarray]) -> MatteSource:
    for frame, matte in pictures.items():
        write(folder / f"n.{frame}.exr", {"A": matte.astype(np.float32)})
    return MatteSource(sequence=SequenceSource(path=str(folder / "n.%04d.exr")))


def addresses(done: Run) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """Result frame, source frame, x and y of all pixels that were taken from somewhere."""
    found = []
    for frame in FRAMES:
        extras = done.extras(frame)
        taken = (extras["A"] > 0) & np.isfinite(extras["frame"])
        for source in np.unique(extras["frame"][taken]):
            here = taken & (extras["frame"] == source)
            found.append((frame, int(source), extras["x"][here], extras["y"][here]))
    return found


def off(done: Run, picture: np.ndarray, frame: int) -> np.ndarray:
    """Stops by which the extension on the right is off the scene, one a pixel."""
    at = START[0] + (frame - FRAMES[0]) * STEP[0]
    truth = np.maximum(look(picture, at + SIZE[0], START[1], size=(24, SIZE[1])), 2**-6)
    light = np.maximum(done.light(frame)[:, -24:], 2**-6)
    return np.abs(np.log2(light) - np.log2(truth)).mean(axis=-1)


@pytest.mark.parametrize(("fill", "grain"), [("smooth", False), ("synthesise", True)])
def test_what_must_never_be_copied_never_is(tmp_path, picture, fill, grain):
    # A stripe that stands in the scene, where the extension of earlier frames would take it from later ones.
    def stripe(index: int) -> np.ndarray:
        columns = np.arange(SIZE[0]) + START[0] + index * STEP[0]
        return ((columns >= 172) & (columns < 180))[np.newaxis].repeat(SIZE[1], axis=0)

    rng = np.random.default_rng(6)

    def edit(index: int, light: np.ndarray) -> np.ndarray:
        light = light + 0.01 * rng.standard_normal(light.shape)
        light[stripe(index)] = 50.0
        return light.astype(np.float32)

    plate = shoot(tmp_path / "p", picture, edit=edit)
    matte = mattes(tmp_path, {frame: stripe(at) for at, frame in enumerate(FRAMES)})
    free = go(tmp_path / "a", RIGHT, plate, fill=fill, grain=grain)
    assert max(free.light(frame)[:, SIZE[0] :].max() for frame in FRAMES) > 40, "it would be copied"
    done = go(tmp_path / "b", RIGHT, plate, Controls(never_copy=matte), fill=fill, grain=grain)
    assert max(done.light(frame)[:, SIZE[0] :].max() for frame in FRAMES) < 40
    count = 0
    for _, source, x, y in addresses(done):
        painted = stripe(source - FRAMES[0])
        assert not painted[np.rint(y).astype(int), np.rint(x).astype(int)].any()
        count += len(x)
    assert count > 1000


@pytest.mark.parametrize("allowed", [(1003, 1006), (1002,)])
def test_only_the_frames_that_may_be_copied_from_are(tmp_path, picture, allowed):
    plate = shoot(tmp_path / "p", picture)
    done = go(tmp_path, RIGHT, plate, Controls(source_frames=allowed))
    sources = {source for _, source, _, _ in addresses(done)}
    assert sources
    assert sources <= set(allowed)


@pytest.mark.parametrize("reach", [1, 3])
def test_pixels_are_copied_from_no_further_than_the_search_range(tmp_path, picture, reach):
    done = go(tmp_path, RIGHT, shoot(tmp_path / "p", picture), search_range=reach, fill="none")
    distances = {abs(source - frame) for frame, source, _, _ in addresses(done)}
    assert max(distances) == reach


def test_what_moves_by_itself_steers_nothing_once_it_is_said(tmp_path, picture):
    # Most of the picture is a thing that stands in the frame while the background goes by.
    thing = np.zeros((SIZE[1], SIZE[0]), np.bool_)
    thing[40:, :112] = True
    inside = scene(SIZE[1], SIZE[0], seed=21)
    plate = shoot(
        tmp_path / "p",
        picture,
        edit=lambda _, light: np.where(thing[..., np.newaxis], inside, light).astype(np.float32),
    )
    matte = mattes(tmp_path, dict.fromkeys(FRAMES, thing))
    misled = go(tmp_path / "a", RIGHT, plate, search_range=8)
    told = go(tmp_path / "b", RIGHT, plate, Controls(movers=matte), search_range=8)
    error = []
    for done in (misled, told):
        copied = done.extras(FRAMES[1])["kind"][:, -24:] == 1
        error.append(float(np.median(off(done, picture, FRAMES[1])[copied])))
    assert error[1] < 0.03
    assert error[0] > 0.1
    assert not told.recorder.codes & {"FRAMES_NOT_JOINED", "NO_PLANE_FITS", "CAMERA_LOCKED_OFF"}
    for _, source, x, y in addresses(told):
        assert source in FRAMES
        assert not thing[np.rint(y).astype(int), np.rint(x).astype(int)].any(), "nor is it copied"


def restless(folder: Path) -> str:
    """A shot that shows nothing to hold on to: no frame is like the next."""
    for frame in FRAMES:
        write(folder / f"p.{frame}.exr", rgb(scene(SIZE[1], SIZE[0], seed=frame), np.float32))
    return str(folder / "p.%04d.exr")


def moved(done: Run) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """For all copied pixels: frames to the source, the pixel's own x and y, and the source's."""
    found = []
    for frame in FRAMES:
        extras = done.extras(frame)
        copied = (extras["kind"] == 1) & (extras["A"] > 0)
        rows, columns = np.nonzero(copied)
        distance = extras["frame"][copied].astype(int) - frame
        for far in np.unique(distance):
            own = distance == far
            found.append((int(far), columns[own], rows[own], extras["x"][copied][own], extras["y"][copied][own]))
    return found


def follows(gaps: np.ndarray) -> None:
    """Most pixels, as here and there even chaos looks like motion."""
    assert len(gaps) > 5000
    assert np.mean(gaps < 0.01) > 0.7


def test_a_tracked_point_leads_where_the_plate_shows_nothing(tmp_path):
    plate = restless(tmp_path / "p")
    points = tuple(TrajectoryPoint(frame=frame, x=90 - 5.5 * at, y=40.0 + at) for at, frame in enumerate(FRAMES))
    done = go(tmp_path, RIGHT, plate, Controls(trajectories=(PointTrajectory(name="corner", points=points),)))
    assert "CAMERA_GIVEN" in done.recorder.codes
    gaps = [np.hypot(to_x - (x - 5.5 * far), to_y - (y + far)) for far, x, y, to_x, to_y in moved(done)]
    follows(np.concatenate(gaps))


def test_a_camera_leads_where_the_plate_shows_nothing(tmp_path):
    plate = restless(tmp_path / "p")
    focal, width, height = 30.0, 32.0, 20.0
    turn = np.radians(1.5)
    samples = []
    for at, frame in enumerate(FRAMES):
        # To the right about the axis that points up.
        cos, sin = np.cos(at * turn), np.sin(at * turn)
        matrix = (cos, 0.0, -sin, 3.0, 0.0, 1.0, 0.0, 1.7, sin, 0.0, cos, 9.0, 0.0, 0.0, 0.0, 1.0)
        samples.append(
            CameraSample(
                frame=frame,
                matrix=tuple(float(value) for value in matrix),
                focal_length_mm=focal,
                horizontal_aperture_mm=width,
                vertical_aperture_mm=height,
            )
        )
    done = go(tmp_path, RIGHT, plate, Controls(camera=Camera(samples=tuple(samples))))
    assert "CAMERA_GIVEN" in done.recorder.codes
    scale = focal / width * SIZE[0]
    centre = ((SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2)
    gaps = []
    for far, x, y, to_x, to_y in moved(done):
        # A ray of the frame, turned to the left by as much as the camera turns right.
        across, down = (x - centre[0]) / scale, (y - centre[1]) / scale
        cos, sin = np.cos(far * turn), np.sin(far * turn)
        depth = cos + sin * across
        expected = (centre[0] + scale * (cos * across - sin) / depth, centre[1] + scale * down / depth)
        gaps.append(np.hypot(to_x - expected[0], to_y - expected[1]))
    follows(np.concatenate(gaps))


@pytest.mark.parametrize("grain", [False, True])
def test_what_no_frame_shows_may_be_left_empty(tmp_path, picture, grain):
    rng = np.random.default_rng(1)
    plate = shoot(
        tmp_path / "p",
        np.maximum(picture, 0.05),
        edit=lambda _, light: (light + 0.01 * rng.standard_normal(light.shape)).astype(np.float32),
    )
    write(tmp_path / "m.exr", {"A": ellipse(SIZE, centre=(64, 40), radii=(22, 18), soft=1e-6)})
    done = go(tmp_path, inpaint(str(tmp_path / "m.exr")), plate, fill="none", grain=grain, search_range=3)
    empty = 0
    for frame in FRAMES:
        extras, light = done.extras(frame), done.light(frame)
        painted = extras["A"] == 1
        unseen = painted & np.isnan(extras["frame"])
        empty += int(unseen.sum())
        assert (light[unseen] == 0).all()
        assert (extras["confidence"][unseen] == 0).all()
        assert (extras["confidence"][painted & ~unseen] > 0).all()
        assert (light[painted & ~unseen] != 0).any(axis=-1).all()
    assert empty > 1000


def test_without_copying_no_other_frame_shows_through(tmp_path, picture):
    plate = shoot(tmp_path / "p", picture)
    never = go(tmp_path / "n", RIGHT, plate, copy="never", fill="smooth")
    assert not addresses(never)
    pieces = go(tmp_path / "s", RIGHT, plate, copy="never", fill="synthesise")
    for frame in FRAMES:
        extras = pieces.extras(frame)
        assert (extras["kind"][extras["A"] > 0] == 2).all()
    assert addresses(pieces), "pieces of the plate have a place in it"
    always = go(tmp_path / "a", RIGHT, plate, copy="always", fill="smooth")
    assert np.median(off(always, picture, FRAMES[1])) < 0.05 < np.median(off(never, picture, FRAMES[1]))


def test_a_preview_shows_what_the_final_will_be(tmp_path, picture):
    plate = shoot(tmp_path / "p", picture)
    for quality in ("preview", "final"):
        done = go(tmp_path / quality, RIGHT, plate, quality=quality)
        for frame in (FRAMES[0], FRAMES[3]):
            copied = done.extras(frame)["kind"][:, -24:] == 1
            assert copied.mean() > 0.5
            assert np.median(off(done, picture, frame)[copied]) < 0.1


def test_grain_is_added_when_asked_for(tmp_path, picture):
    rng, sigma = np.random.default_rng(1), 0.03
    smooth = np.clip(picture, 0, 1) * 0.3 + 0.2
    plate = shoot(
        tmp_path / "p",
        smooth,
        edit=lambda _, light: (light + sigma * rng.standard_normal(light.shape)).astype(np.float32),
    )
    amount = {}
    for grain in (True, False):
        done = go(tmp_path / str(grain), RIGHT, plate, grain=grain, fill="smooth")
        at = START[0] + STEP[0]
        truth = look(smooth, at + SIZE[0], START[1], size=(24, SIZE[1]))
        copied = done.extras(FRAMES[1])["kind"][:, -24:] == 1
        amount[grain] = float((done.light(FRAMES[1])[:, -24:] - truth)[copied].std()) / sigma
    assert 0.85 < amount[True] < 1.15


@pytest.mark.parametrize(
    ("task", "controls", "field"),
    [
        (Continue(tail=2), {"clean_plates": True}, "controls.clean_plates"),
        (Interpolate(between=1), {"source_frames": (1001,)}, "controls.source_frames"),
    ],
)
def test_what_a_task_cannot_follow_is_said(tmp_path, picture, task, controls, field):
    plate = shoot(tmp_path / "p", picture)
    if "clean_plates" in controls:
        controls = {"clean_plates": (SequenceSource(path=str(tmp_path / "p/plate.1001.exr")),)}
    found = problems(make_job(task, plate, str(tmp_path / "o.%d.exr"), controls=Controls(**controls)))
    assert found["INVALID_JOB"].field == field
