"""The camera path of a whole shot: exact, without drift, and cut where frames do not hang together."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from filming import ellipse, make_job, pan, scene, write
from panning import camera, film, mapped, motion_of, nodes

from overscan.core.controls import Camera, CameraSample, Controls, PointTrajectory, TrajectoryPoint
from overscan.core.engines.plate._trace import NOWHERE, Found, Target
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._field import FieldMaker
from overscan.core.engines.plate.motion._join import join
from overscan.core.engines.plate.motion._path_notices import path_notices
from overscan.core.engines.plate.motion._settle import settle
from overscan.core.jobs import Extend, Margins, MatteSource, SequenceSource
from overscan.core.shots import survey

SIZE = (160, 96)
WHOLE = scene(420, 700)


@pytest.fixture(autouse=True)
def _one_thread():
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # as the engine does
    yield
    cv2.setNumThreads(before)


def _path(shot, store, **fields) -> CameraPath:
    return join(shot, store, threads=fields.pop("threads", 2), tick=lambda: None, **fields)


def _codes(path, store, shot) -> set[str]:
    return {notice.code for notice in path_notices(path, store, shot.frames)}


def _error(
    path: CameraPath, cameras: list[np.ndarray], first: int, second: int, *, size: tuple[int, int] = SIZE
) -> float:
    """Largest error of the path between two frames, in samples of the plate, over what both see."""
    points = nodes(size, step=12).reshape(-1, 2)
    there = mapped(np.linalg.inv(cameras[second]) @ cameras[first], points)
    seen = ((there >= 0) & (there <= np.array(size) - 1)).all(axis=-1)
    found = path.in_plate(first=first, second=second)
    return float(np.abs(mapped(found, points) - there)[seen].max()) if seen.any() else 0.0


@pytest.mark.slow
def test_a_long_move_does_not_drift(tmp_path):
    """Pan, shake, roll and zoom over 101 frames with grain, something that moves, and flicker."""
    size = (208, 120)
    cameras = [
        camera(
            x=130 + 4 * n + 3 * np.sin(n / 2),
            y=200 + 15 * np.sin(n / 17),
            turn=0.08 * np.sin(n / 11),
            zoom=1 + 0.1 * np.sin(n / 23),
            size=size,
        )
        for n in range(101)
    ]
    thing = scene(40, 30, seed=4) * 3

    def with_thing(index: int, view: np.ndarray) -> np.ndarray:
        view[40:80, 5 * index % 130 :][:, :30] = thing
        return view * np.float32(1 + 0.05 * np.sin(index))

    plate = film(tmp_path, WHOLE, cameras, size=size, grain=0.03, edit=with_thing)
    shot, store = motion_of(plate, tmp_path)
    path = _path(shot, store)
    assert set(path.segments) == {0}
    assert path.kinds == ("similarity",)
    for distance in (1, 12, 30):
        assert max(_error(path, cameras, n, n + distance, size=size) for n in range(0, 101 - distance, 5)) < 0.06
    # End to end the frames have nothing in common, so that every error along the way counts.
    middle = np.array([size]) / 2
    whole = mapped(np.linalg.inv(cameras[0]) @ cameras[100], middle)
    assert np.abs(mapped(path.in_plate(first=100, second=0), middle) - whole).max() < 0.1


def test_the_path_is_exact_where_the_camera_comes_back(tmp_path):
    """Turning about its place, as a tripod head does: homographies, and links over the whole shot."""
    cameras = []
    for n in range(40):
        angle = 0.35 * np.sin(n / 39 * 2 * np.pi)
        lens = np.array([[200.0, 0, 0], [0, 200.0, 0], [0, 0, 1]])
        turn = cv2.Rodrigues(np.array([0.0, angle, 0.02]))[0]
        centre = np.array([[1, 0, -79.5], [0, 1, -47.5], [0, 0, 1.0]])
        cameras.append(np.array([[1, 0, 350], [0, 1, 210], [0, 0, 1.0]]) @ lens @ turn @ np.linalg.inv(lens) @ centre)
    shot, store = motion_of(film(tmp_path, WHOLE, cameras, size=SIZE, grain=0.02), tmp_path)
    path = _path(shot, store)
    assert path.kinds == ("homography",)
    assert max(_error(path, cameras, 0, n) for n in range(40)) < 0.2
    assert _error(path, cameras, 0, 39) < 0.05


def test_a_locked_off_camera_does_not_move_at_all(tmp_path):
    thing = scene(40, 30, seed=4) * 3

    def with_thing(index: int, view: np.ndarray) -> np.ndarray:
        view[30:70, 4 * index : 4 * index + 30] = thing
        return view

    cameras = [camera(x=300, y=200, size=SIZE)] * 26
    shot, store = motion_of(film(tmp_path, WHOLE, cameras, size=SIZE, grain=0.08, edit=with_thing), tmp_path)
    path = _path(shot, store)
    assert path.kinds == ("still",)
    assert all(np.array_equal(matrix, np.eye(3)) for matrix in path.matrices)
    assert np.array_equal(path.between(first=3, second=21), np.eye(3))
    assert "CAMERA_LOCKED_OFF" in _codes(path, store, shot)
    # What moves by itself is found, and little else.
    for frame in (8, 15):
        x, y = store.coarse.nodes()
        within = (x >= 4 * frame) & (x < 4 * frame + 30) & (y >= 30) & (y < 70)
        movers = store.movers(frame)
        assert movers[within].mean() > 0.8
        assert (movers & ~within).sum() < 0.7 * within.sum()


def test_a_cut_makes_two_segments_and_a_flash_none(tmp_path):
    cameras = [camera(x=120 + 3 * n, y=150, size=SIZE) for n in range(14)]
    cameras += [camera(x=500 + 2 * n, y=300, size=SIZE) for n in range(14)]
    shot, store = motion_of(film(tmp_path / "cut", WHOLE, cameras, size=SIZE), tmp_path)
    path = _path(shot, store)
    assert list(path.segments) == [0] * 14 + [1] * 14
    assert path.between(first=13, second=14) is None
    assert _error(path, cameras, 14, 27) < 0.05
    (notice,) = [one for one in path_notices(path, store, shot.frames) if one.code == "FRAMES_NOT_JOINED"]
    assert "1015-1028" in notice.message and notice.frame == 1015

    cameras = [camera(x=120 + 3 * n, y=150, size=SIZE) for n in range(28)]
    flash = film(tmp_path / "flash", WHOLE, cameras, size=SIZE, edit=lambda n, view: view * 0 + 50 if n == 17 else view)
    shot, store = motion_of(flash, tmp_path)
    path = _path(shot, store)
    assert [n for n in range(28) if path.segments[n] != path.segments[0]] == [17]
    assert _error(path, cameras, 3, 26) < 0.05


def test_the_same_bits_from_the_cache_and_with_any_number_of_threads(tmp_path):
    cameras = [camera(x=120 + 2.3 * n, y=150 + 0.4 * n, size=SIZE) for n in range(27)]
    plate = film(tmp_path, WHOLE, cameras, size=SIZE, grain=0.03)
    shot, store = motion_of(plate, tmp_path)
    first = _path(shot, store, threads=3)
    again = _path(shot, store)
    (tmp_path / "other").mkdir()
    shot, store = motion_of(plate, tmp_path / "other")
    anew = _path(shot, store, threads=1)
    for path in (again, anew):
        assert path.kinds == first.kinds and path.lattice == first.lattice
        assert np.array_equal(path.matrices, first.matrices)
        assert np.array_equal(path.segments, first.segments)


def test_frames_that_have_nothing_in_common_are_not_joined(tmp_path):
    rng = np.random.default_rng(1)
    cameras = [camera(x=150, y=150, size=SIZE)] * 14
    noise = film(tmp_path, WHOLE, cameras, size=SIZE, edit=lambda _, light: rng.gamma(1.0, 0.3, light.shape))
    shot, store = motion_of(noise, tmp_path)
    path = _path(shot, store)
    assert len(set(path.segments)) >= 12  # chance joins a few vectors of noise
    assert _codes(path, store, shot) == {"FRAMES_NOT_JOINED", "NO_PLANE_FITS"}


@pytest.mark.parametrize("count", [1, 2])
def test_the_shortest_shots(tmp_path, count):
    cameras = [camera(x=120 + 2 * n, y=150, size=SIZE) for n in range(count)]
    shot, store = motion_of(film(tmp_path, WHOLE, cameras, size=SIZE), tmp_path)
    path = _path(shot, store)
    assert path.matrices.shape == (count, 3, 3)
    assert _error(path, cameras, 0, count - 1) < 0.05
    path_notices(path, store, shot.frames)


def _settled(path: CameraPath, *, away: float) -> Found:
    x, y = np.full(3, 50, np.float32), np.full(3, 40, np.float32)
    frames = np.array([12, 20, NOWHERE], np.int32)
    found = Found(frame=frames, x=np.full(3, 50 - 24 + away, np.float32), y=np.full(3, 40, np.float32))
    return settle(path, target=Target(frame=0, x=x, y=y), found=found)


def test_addresses_settle_on_the_path_and_no_further(tmp_path):
    matrices = np.repeat(np.eye(3)[np.newaxis], 21, axis=0)
    matrices[:, 0, 2] = 2.0 * np.arange(21)
    _, store = motion_of(pan(tmp_path, frames=(1, 2), size=SIZE), tmp_path)
    segments = np.array([0] * 15 + [1] * 6, np.int32)
    path = CameraPath(lattice=store.fine, matrices=matrices, segments=segments, kinds=("translation",) * 2)
    assert _settled(path, away=0.5).x[0] == 26  # drift, taken out
    assert _settled(path, away=1.6).x[0] == np.float32(27.6)  # moves by itself
    assert 26 < _settled(path, away=1.1).x[0] < 27.1
    for away in (0.5, 1.6):
        assert (_settled(path, away=away).x[1:] == np.float32(26 + away)).all()  # not joined; not found


def test_fields_follow_the_path_beyond_what_was_seen(tmp_path):
    cameras = [camera(x=120 + 2.5 * n, y=150, size=SIZE) for n in range(13)]
    shot, store = motion_of(film(tmp_path, WHOLE, cameras, size=SIZE), tmp_path)
    path = _path(shot, store)
    wrong = np.array([[1, 0, 7.0], [0, 1, 0], [0, 0, 1]])
    off = CameraPath(
        lattice=path.lattice,
        matrices=np.stack([np.linalg.matrix_power(wrong, n) for n in range(13)]),
        segments=path.segments,
        kinds=path.kinds,
    )
    canvas = shot.coverage(1001).grown(left=200, right=200)
    for used, beyond in ((path, -2.5), (off, 7.0 * -1)):
        field = FieldMaker(store=store, canvas=canvas, path=used).complete(store.pair(4).forward)
        x, _ = field.lattice.nodes()
        far, seen = x < -190, (x > 20) & (x < 140)
        assert np.abs(field.vectors[far] - (beyond, 0)).max() < 0.3
        assert np.abs(field.vectors[seen] - (-2.5, 0)).max() < 0.3  # flow stays flow where it was seen


def test_a_given_camera_turns_the_picture(tmp_path):
    samples = []
    for n in (0, 10):
        angle = np.radians(-0.5 * n)  # to the right, about an axis that points up
        matrix = np.eye(4)
        matrix[:3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
        matrix[:3, 3] = (n, 3, -n)
        samples.append(
            CameraSample(
                frame=1001 + n,
                matrix=tuple(matrix.ravel()),
                focal_length_mm=36,
                horizontal_aperture_mm=36,
                vertical_aperture_mm=36 * 96 / 160,
            )
        )
    plate = pan(tmp_path / "p", size=SIZE, frames=range(1001, 1012))
    shot, store = motion_of(plate, tmp_path, controls=Controls(camera=Camera(samples=tuple(samples))))
    path = _path(shot, store)
    for n in (3, 10):
        # What was in the middle lies to the left when the camera has turned right: f tan(angle), f the plate's width.
        place = mapped(path.in_plate(first=0, second=n), np.array([[79.5, 47.5]]))
        assert np.allclose(place, [[79.5 - 160 * np.tan(np.radians(0.5 * n)), 47.5]], atol=1e-6)
    assert "CAMERA_GIVEN" in _codes(path, store, shot)


@pytest.mark.parametrize(
    ("points", "kind"), [(1, "translation"), (2, "similarity"), (3, "affine"), (4, "homography"), (8, "homography")]
)
def test_given_tracks_tell_the_motion(tmp_path, points, kind):
    truth = {
        "translation": np.array([[1, 0, -3.0], [0, 1, 1.5], [0, 0, 1]]),
        "similarity": np.array([[1.01, -0.02, -3.0], [0.02, 1.01, 1.5], [0, 0, 1]]),
        "affine": np.array([[1.01, -0.02, -3.0], [0.01, 0.98, 1.5], [0, 0, 1]]),
        "homography": np.array([[1.01, -0.02, -3.0], [0.01, 0.98, 1.5], [1e-4, -2e-4, 1]]),
    }[kind]
    start = np.array([[30, 20], [130, 80], [120, 15], [25, 75], [70, 40], [90, 60], [60, 70], [100, 30]], float)
    places = [start]
    for _ in range(9):
        places.append(mapped(truth, places[-1]))
    tracks = []
    for number in range(points):
        seen = [
            TrajectoryPoint(frame=1001 + n, x=place[number, 0], y=place[number, 1]) for n, place in enumerate(places)
        ]
        if number == 7:  # something walks through, and the tracker sticks to it
            seen[4] = TrajectoryPoint(frame=1005, x=5, y=5, occluded=True)
            seen[5] = TrajectoryPoint(frame=1006, x=9, y=9)
        tracks.append(PointTrajectory(name=f"t{number}", points=tuple(seen)))
    plate = pan(tmp_path / "p", size=SIZE, frames=range(1001, 1012))
    shot, store = motion_of(plate, tmp_path, controls=Controls(trajectories=tuple(tracks)))
    path = _path(shot, store)
    assert kind in path.kinds
    for n in range(10):
        found = mapped(path.in_plate(first=0, second=n), start[:points])
        assert np.allclose(found, places[n][:points], atol=1e-3 if points < 8 else 0.05)
    assert path.between(first=9, second=10) is None  # no point goes on to the last frame
    assert _codes(path, store, shot) >= {"CAMERA_GIVEN", "FRAMES_NOT_JOINED"}


def test_what_the_artist_calls_a_mover_does_not_steer(tmp_path):
    """A crowd that fills most of the frame and moves as one would be taken for the background."""
    cameras = [camera(x=150 + 2 * n, y=150, size=SIZE) for n in range(8)]
    crowd = scene(96, 260, seed=9)

    def with_crowd(index: int, view: np.ndarray) -> np.ndarray:
        view[28:] = crowd[28:, 100 - 5 * index : 260 - 5 * index]
        return view

    plate = film(tmp_path / "p", WHOLE, cameras, size=SIZE, edit=with_crowd)
    matte = np.zeros((96, 160), np.float32)
    matte[26:] = 1
    write(tmp_path / "m.exr", {"A": matte})
    told = Controls(movers=MatteSource(sequence=SequenceSource(path=str(tmp_path / "m.exr"))))
    moves = {}
    for name, controls in (("alone", Controls()), ("told", told)):
        shot, store = motion_of(plate, tmp_path, controls=controls)
        moves[name] = _path(shot, store).in_plate(first=0, second=1)[0, 2]
        assert name == "alone" or store.movers(3)[30:].all()
    assert abs(moves["alone"] - 5) < 0.1
    assert abs(moves["told"] + 2) < 0.1


def test_a_matte_is_no_part_of_the_motion(tmp_path):
    cameras = [camera(x=150 + 2 * n, y=150, size=SIZE) for n in range(5)]
    hole = ellipse(SIZE, centre=(80, 48), radii=(40, 30), soft=1)

    def with_glass(index: int, view: np.ndarray) -> np.ndarray:
        return np.where(hole[..., np.newaxis] > 0, np.float32(np.nan), view)

    film(tmp_path / "p", WHOLE, cameras, size=SIZE, edit=with_glass)
    write(tmp_path / "m.exr", {"A": hole})
    job = make_job(Extend(margins=Margins(left=8)), str(tmp_path / "p/p.%04d.exr"), str(tmp_path / "o.%04d.exr"))
    assert survey(job).shot is not None
    shot, store = motion_of(str(tmp_path / "p/p.%04d.exr"), tmp_path)
    path = _path(shot, store)
    assert np.isfinite(path.matrices).all()
    assert _error(path, cameras, 0, 4) < 0.1
