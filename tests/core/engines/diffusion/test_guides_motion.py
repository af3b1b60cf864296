"""Guides of motion: cameras, presets, tracks and reference clips."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from steering import CARD, FIRST, HEIGHT, WIDTH, film, job, only, opened, plate, whole

from overscan.core.controls import (
    Camera,
    CameraMove,
    CameraMoveKind,
    CameraSample,
    ControlPass,
    ControlPassKind,
    Ease,
    PointTrajectory,
    TrajectoryPoint,
    Transfer,
)
from overscan.core.engines.diffusion._family import FamilyCard, Guide, PassKind
from overscan.core.engines.diffusion.guides import GuideSet, check_guides, measure_guides
from overscan.core.engines.diffusion.guides._drawing import tracks_picture
from overscan.core.engines.diffusion.guides._parallax import addresses
from overscan.core.engines.diffusion.guides._path import GivenPath, PresetPath, homography, projected
from overscan.core.geometry import Window
from overscan.core.jobs import Continue, Interpolate, SequenceSource
from overscan.core.shots import Shot

DISPLAY = Window(x=0, y=0, width=WIDTH, height=HEIGHT)
CENTRE = np.array([[(WIDTH - 1) / 2, (HEIGHT - 1) / 2]])
TAIL = Continue(tail=8)
LAST = FIRST + 4
SCALE = 5.0
"""Tracks are drawn for pictures of some hundred samples, and no smaller ones."""


def make(shot: Shot, frames, *, card: FamilyCard = CARD, scale=1.0, encode=lambda light: light) -> tuple[Guide, ...]:
    problems, _ = check_guides(shot, card=card)
    assert not problems, problems
    facts = measure_guides(shot, tick=lambda: None)
    guides = GuideSet.open(shot, card=card, facts=facts, parameters={})
    return guides.make(frames=list(frames), area=whole(shot, scale=scale), encode=encode)


def newest(picture: np.ndarray, *, near: tuple[float, float] | None = None, reach: float = 4.0) -> tuple[float, float]:
    """Where the newest disc is, in the plate's samples from its corner: the bluest place."""
    blueness = picture[..., 2] - picture[..., 1] - picture[..., 0]
    if near is not None:
        down, across = np.mgrid[: picture.shape[0], : picture.shape[1]]
        blueness = np.where(np.hypot(across / SCALE - near[0], down / SCALE - near[1]) < reach, blueness, 0)
    y, x = np.where(blueness > 0.97)
    return (x.mean() + 0.5) / SCALE, (y.mean() + 0.5) / SCALE


def preset(*moves: tuple[CameraMoveKind, float], ease: Ease = Ease.LINEAR, seed: int = 3) -> PresetPath:
    return PresetPath(
        moves=tuple(CameraMove(kind=kind, amount=amount, ease=ease) for kind, amount in moves),
        display=DISPLAY,
        pixel_aspect=1.0,
        start=991.0,
        first=1001.0,
        last=1010.0,
        end=1020.0,
        frame_rate=24.0,
        seed=seed,
    )


@pytest.mark.parametrize(
    ("kind", "amount", "where"),
    [
        # The camera goes right, and what it saw goes left; y counts down.
        (CameraMoveKind.PAN, 10.0, (-math.tan(math.radians(10)) * WIDTH * 35 / 36, 0)),
        (CameraMoveKind.TILT, 5.0, (0, math.tan(math.radians(5)) * WIDTH * 35 / 36)),
        (CameraMoveKind.TRUCK, 0.1, (-0.1 * WIDTH * 35 / 36, 0)),
        (CameraMoveKind.CRANE, 0.1, (0, 0.1 * WIDTH * 35 / 36)),
        (CameraMoveKind.ORBIT, 25.0, (0, 0)),
        (CameraMoveKind.DOLLY, 0.3, (0, 0)),
        (CameraMoveKind.ZOOM, 1.5, (0, 0)),
        (CameraMoveKind.ROLL, 30.0, (0, 0)),
    ],
)
def test_where_a_move_takes_the_subject(kind: CameraMoveKind, amount: float, where: tuple[float, float]) -> None:
    path = preset((kind, amount))
    found = projected(CENTRE, path.view(1010.0), path.view(1020.0), distances=np.ones(1))[0]
    assert found - CENTRE[0] == pytest.approx(where, abs=1e-6)


def test_what_moves_do_round_the_subject() -> None:
    right = np.add(CENTRE, (10.0, 0.0))

    def offset(kind: CameraMoveKind, amount: float) -> np.ndarray:
        path = preset((kind, amount))
        return projected(right, path.view(1010.0), path.view(1020.0), distances=np.ones(1))[0] - CENTRE[0]

    assert offset(CameraMoveKind.DOLLY, 0.5) == pytest.approx((20, 0))
    assert offset(CameraMoveKind.ZOOM, 1.5) == pytest.approx((15, 0))
    x, y = offset(CameraMoveKind.ROLL, 90.0)  # anticlockwise: the right goes up
    assert (x, y) == (pytest.approx(0, abs=1e-9), pytest.approx(-10))
    assert offset(CameraMoveKind.ORBIT, 20.0)[0] < 10  # the wall is seen at a slant


def test_moves_lead_to_the_plate_and_on_from_it_and_ease() -> None:
    kind = CameraMoveKind.PAN

    def turned(path: PresetPath, time: float) -> float:
        turn = path.view(time).turn
        return math.degrees(math.atan2(turn[0, 2], turn[2, 2])) * -1

    linear = preset((kind, 10.0))
    assert [turned(linear, time) for time in (991, 996, 1001, 1005, 1010, 1015, 1020)] == pytest.approx(
        [-10, -5, 0, 0, 0, 5, 10]
    )
    slow = [turned(preset((kind, 10.0), ease=ease), 1011.0) for ease in (Ease.IN, Ease.IN_OUT, Ease.LINEAR, Ease.OUT)]
    assert slow == sorted(slow)
    assert slow[0] == pytest.approx(0.1)
    assert slow[-1] == pytest.approx(1.9)


def test_a_hand_is_unsteady_by_its_amount_and_seed_and_begins_at_rest() -> None:
    def sway(amount: float, seed: int = 3) -> np.ndarray:
        path = preset((CameraMoveKind.HANDHELD, amount), seed=seed)
        times = np.arange(1010.0, 1510.0)
        long = replace(path, end=1510.0)
        return np.stack([projected(CENTRE, long.view(1010.0), long.view(t), distances=np.ones(1))[0] for t in times])

    one, half, other = sway(100.0), sway(50.0), sway(100.0, seed=4)
    assert one[0] == pytest.approx(CENTRE[0])
    assert np.abs(one[1] - one[0]).max() < 0.2
    assert np.std(one[:, 0]) == pytest.approx(2 * np.std(half[:, 0]), rel=0.05)
    assert 0.5 < np.std(one[:, 0]) / (math.radians(1.2) * WIDTH) < 2
    assert np.array_equal(one, sway(100.0))
    assert not np.allclose(one, other)
    steps = np.abs(np.diff(one[:, 0]))
    assert steps.max() < 4 * np.std(one[:, 0])  # a body sways, it does not jump


def _sample(frame: int, *, pan: float = 0.0, x: float = 0.0) -> CameraSample:
    c, s = math.cos(math.radians(pan)), math.sin(math.radians(pan))
    return CameraSample(
        frame=frame,
        matrix=(c, 0, -s, x, 0, 1, 0, 0, s, 0, c, 0, 0, 0, 0, 1),
        focal_length_mm=35,
        horizontal_aperture_mm=36,
        vertical_aperture_mm=36 * HEIGHT / WIDTH,
    )


def test_an_exported_camera_and_the_same_preset_agree() -> None:
    camera = Camera(samples=(_sample(1010), _sample(1020, pan=10.0)))
    given, moves = GivenPath(camera=camera, display=DISPLAY), preset((CameraMoveKind.PAN, 10.0))
    for time in (1013.0, 1020.0):
        one, other = (homography(path.view(1010.0), path.view(time), distance=1.0) for path in (given, moves))
        assert one / one[2, 2] == pytest.approx(other / other[2, 2])


def test_new_frames_are_the_last_one_seen_from_where_the_camera_is(tmp_path: Path) -> None:
    samples = tuple(_sample(frame, pan=max(0, frame - LAST) * 2.0) for frame in range(FIRST, LAST + 9))
    shot = opened(job(tmp_path, plate(tmp_path), task=TAIL, camera=Camera(samples=samples, strength=0.6)))
    (made,) = make(shot, range(FIRST, LAST + 9), encode=lambda light: light / 20)
    assert (made.kind, made.strength) == (PassKind.CAMERA, 0.6)
    own = shot.read_light(LAST) / 20
    assert made.video[4, :HEIGHT] == pytest.approx(np.clip(own, 0, 1), abs=1e-6)
    # Eight frames on the camera has turned by 16 degrees: the bright square has left to the left by this much.
    shift = math.tan(math.radians(16)) * WIDTH * 35 / 36
    turned = made.video[12, :HEIGHT, :, 0]
    assert (turned[:, -20:] == 0.5).all()  # never seen
    bright = np.argwhere((turned > 0.3) & (turned != 0.5))
    assert bright[:, 1].mean() == pytest.approx(44.5 - shift, abs=1.5)


def test_a_camera_that_travels_needs_distances(tmp_path: Path) -> None:
    camera = Camera(samples=tuple(_sample(frame, x=max(0, frame - LAST) * 0.5) for frame in range(FIRST, LAST + 9)))
    bare = opened(job(tmp_path, plate(tmp_path), task=TAIL, camera=camera))
    _, notices = check_guides(bare, card=CARD)
    assert [notice.code for notice in notices] == ["CAMERA_TURNS_ONLY"]
    (made,) = make(bare, [LAST, LAST + 8], encode=lambda light: light / 20)
    assert not made.certain
    assert np.array_equal(made.video[0], made.video[1])
    pattern = film(tmp_path, "z", range(FIRST, LAST + 9), lambda _: np.full((HEIGHT, WIDTH), 10.0), channels=("Z",))
    depth = ControlPass(kind=ControlPassKind.DEPTH, sequence=SequenceSource(path=pattern))
    shot = opened(job(tmp_path, plate(tmp_path), task=TAIL, camera=camera, passes=(depth,)))
    assert check_guides(shot, card=CARD) == ([], [])
    # The depth pass is in the camera's picture, and no guide of its own.
    (made,) = make(shot, [LAST, LAST + 8], encode=lambda light: light / 20)
    assert made.certain
    bright = np.argwhere((made.video[1, :HEIGHT, :, 0] > 0.3) & (made.video[1, :HEIGHT, :, 0] != 0.5))
    assert bright[:, 1].mean() == pytest.approx(44.5 - 4.0 / 10 * WIDTH * 35 / 36, abs=1.5)


def test_a_wall_by_its_distances_is_a_wall_by_its_plane(tmp_path: Path) -> None:
    """Two ways to the same picture: a homography, and each sample by its own distance."""
    before = preset((CameraMoveKind.DOLLY, 0.2), (CameraMoveKind.TRUCK, 0.1), (CameraMoveKind.PAN, 4.0))
    views = before.view(1010.0), before.view(1020.0)
    of_sources = np.array([[0.5, 0, 0.25], [0, 0.5, 0.25], [0, 0, 1.0]])
    found = addresses(
        np.ones((HEIGHT * 2, WIDTH * 2)), before=views[0], after=views[1], of_sources=of_sources, of_targets=np.eye(3),
        size=(WIDTH, HEIGHT),
    )  # fmt: skip
    back = np.linalg.inv(of_sources) @ np.linalg.inv(homography(*views, distance=1.0))
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    places = np.stack([x, y, np.ones_like(x)], axis=-1) @ back.T
    places = places[..., :2] / places[..., 2:]
    inside = ((places > 1) & (places < (WIDTH * 2 - 2, HEIGHT * 2 - 2))).all(axis=-1)
    known = np.isfinite(found).all(axis=-1)
    assert known[inside].mean() > 0.999
    assert not known[((places < -0.51) | (places > (WIDTH * 2 - 0.49, HEIGHT * 2 - 0.49))).any(axis=-1)].any()
    both = known & inside
    assert np.abs(found - places)[both].max() < 0.05


def test_what_hides_and_what_was_hidden(tmp_path: Path) -> None:
    """A near post before a far wall: the post moves further, and what it hid is not known."""
    camera = Camera(samples=tuple(_sample(frame, x=max(0, frame - LAST) * 0.1) for frame in range(FIRST, LAST + 9)))
    post = (slice(None), slice(60, 70))

    def picture(_: int) -> np.ndarray:
        found = np.full((HEIGHT, WIDTH, 3), 0.2, np.float32)
        found[:, ::8] = 0.3
        found[post] = 0.9
        return found

    def distance(_: int) -> np.ndarray:
        found = np.full((HEIGHT, WIDTH), 20.0, np.float32)
        found[post] = 4.0
        return found

    pattern = film(tmp_path, "post", range(FIRST, LAST + 1), picture)
    z = film(tmp_path, "z", range(FIRST, LAST + 9), distance, channels=("Z",))
    depth = ControlPass(kind=ControlPassKind.DEPTH, sequence=SequenceSource(path=z))
    shot = opened(job(tmp_path, pattern, task=TAIL, camera=camera, passes=(depth,)))
    (made,) = make(shot, [LAST + 8])
    row = made.video[0, 27, :, 0]
    shift = [0.8 / metres * WIDTH * 35 / 36 for metres in (20.0, 4.0)]
    bright = np.where(row > 0.8)[0]
    assert bright.mean() == pytest.approx(64.5 - shift[1], abs=0.6)
    assert len(bright) == pytest.approx(10, abs=1)
    unknown = np.where(row == 0.5)[0]
    hidden = unknown[unknown < WIDTH - shift[0] - 2]
    # Where the post was, less where it is, in the wall's own motion.
    assert len(hidden) == pytest.approx(10, abs=2)
    assert hidden.mean() == pytest.approx(64.5 - shift[0], abs=1.5)


@pytest.mark.parametrize(
    ("kind", "certain"),
    [
        (CameraMoveKind.PAN, True),
        (CameraMoveKind.ZOOM, True),
        (CameraMoveKind.HANDHELD, True),
        (CameraMoveKind.ORBIT, False),
    ],
)
def test_a_family_may_take_turns_as_given_and_no_guesses(tmp_path: Path, kind: CameraMoveKind, certain: bool) -> None:
    shot = opened(job(tmp_path, plate(tmp_path), task=TAIL, camera_moves=(CameraMove(kind=kind, amount=3.0),)))
    (made,) = make(shot, [LAST, LAST + 8])
    assert made.certain is certain


def test_near_points_move_more_than_far_ones(tmp_path: Path) -> None:
    camera = Camera(samples=tuple(_sample(frame, x=max(0, frame - LAST) * 0.1) for frame in range(FIRST, LAST + 9)))

    def distance(frame: int) -> np.ndarray:
        found = np.full((HEIGHT * 2, WIDTH * 2), 4.0, np.float32)
        found[: HEIGHT // 2] = np.inf
        found[-HEIGHT // 2 :] = 2.0
        return found

    pattern = film(tmp_path, "z", range(FIRST, LAST + 9), distance, channels=("Z",))
    depth = ControlPass(kind=ControlPassKind.DEPTH, sequence=SequenceSource(path=pattern))
    shot = opened(job(tmp_path, plate(tmp_path), task=TAIL, camera=camera, passes=(depth,)))
    _, made = make(shot, range(LAST, LAST + 9), card=only(PassKind.DEPTH, PassKind.TRACKS), scale=SCALE)
    for row, metres in ((0.5, math.inf), (4.5, 4.0), (8.5, 2.0)):
        y, x = HEIGHT * row / 9, WIDTH * 8.5 / 16
        assert newest(made.video[0], near=(x, y), reach=2) == pytest.approx((x, y), abs=0.4)
        moved = x - 0.8 / metres * WIDTH * 35 / 36
        assert newest(made.video[8], near=(moved, y), reach=2) == pytest.approx((moved, y), abs=0.4)


def test_a_camera_must_reach_over_the_new_frames(tmp_path: Path) -> None:
    camera = Camera(samples=(_sample(FIRST), _sample(LAST)))
    shot = opened(job(tmp_path, plate(tmp_path), task=TAIL, camera=camera))
    problems, _ = check_guides(shot, card=CARD)
    assert [(found.code, found.field, found.frame) for found in problems] == [
        ("MISMATCH", "controls.camera.samples", LAST + 1)
    ]


def test_a_camera_path_becomes_tracks_for_a_family_that_knows_those_alone(tmp_path: Path) -> None:
    moves = (CameraMove(kind=CameraMoveKind.PAN, amount=20.0, ease=Ease.LINEAR),)
    shot = opened(job(tmp_path, plate(tmp_path), task=TAIL, camera_moves=moves))
    (made,) = make(shot, range(LAST, LAST + 9), card=only(PassKind.TRACKS), scale=SCALE)
    assert made.kind is PassKind.TRACKS
    first, last = made.video[0], made.video[8]
    # A point near the picture's middle, at first and after a pan of 20 degrees to the right.
    start = (WIDTH / 32 * 17, HEIGHT / 2)
    assert newest(first, near=start) == pytest.approx(start, abs=0.7)
    x = start[0] - WIDTH / 2
    turned = math.atan(x / (WIDTH * 35 / 36)) - math.radians(20)
    end = (WIDTH / 2 + math.tan(turned) * WIDTH * 35 / 36, HEIGHT / 2)
    assert newest(last, near=end, reach=2.5) == pytest.approx(end, abs=0.5)


def test_a_trail_is_drawn_as_the_adapter_was_trained() -> None:
    ages = np.arange(50, -1, -1.0)
    trail = np.c_[100 + (50 - ages) * 8, np.full(51, 540.0), ages]
    picture = tracks_picture([trail], width=1920, height=1080)
    assert picture[540, 100] == pytest.approx((1, 0, 0), abs=0.05)  # the oldest
    assert picture[540, 500] == pytest.approx((0, 0, 1), abs=0.05)  # where the point is
    middle = picture[540, 300]
    assert middle[1] > 0.9
    assert middle[0] < 0.1
    assert (picture[530:551, 500].any(axis=-1)).sum() == pytest.approx(17, abs=2)
    assert (picture[530:551, 100].any(axis=-1)).sum() == pytest.approx(5, abs=2)
    assert not picture[:500].any()
    small = tracks_picture([trail * (0.25, 0.25, 1)], width=480, height=270)
    assert small[135, 125, 2] > 0.7


def test_a_long_thin_area_takes_no_more_memory_than_others() -> None:
    trail = np.array([[1000.0, 8.0, 0.0]])
    tracemalloc.start()
    picture = tracks_picture([trail], width=4096, height=16)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100 << 20
    assert newest(picture) == pytest.approx((1000.5 / SCALE, 8.5 / SCALE), abs=0.2)


def test_tracks_of_different_strengths_are_refused_together(tmp_path: Path) -> None:
    samples = tuple(_sample(frame) for frame in range(FIRST, LAST + 9))
    given = {"camera": Camera(samples=samples, strength=0.5), "motion_transfer": Transfer(source=_clip(tmp_path))}
    tracks_only = replace(CARD, passes=frozenset({PassKind.TRACKS}))
    shot = opened(job(tmp_path, plate(tmp_path), task=TAIL, **given))
    problems, _ = check_guides(shot, card=tracks_only)
    assert [problem.field for problem in problems] == ["controls.camera.strength"]


def test_tracks_follow_time_and_vanish_where_they_are_hidden(tmp_path: Path) -> None:
    points = tuple(
        TrajectoryPoint(frame=frame, x=10.0 + 5 * (frame - FIRST), y=25.0, occluded=frame == LAST + 3)
        for frame in range(FIRST, LAST + 6)
    )
    shot = opened(
        job(tmp_path, plate(tmp_path), task=TAIL, trajectories=(PointTrajectory(name="ball", points=points),))
    )
    (made,) = make(shot, range(LAST, LAST + 9), scale=SCALE)
    assert made.kind is PassKind.TRACKS
    for at in (0, 1, 2, 4, 5):
        assert newest(made.video[at]) == pytest.approx((30.5 + 5 * at, 25.5), abs=0.4)
    row = made.video[:, int(25.5 * SCALE)]
    assert row[0, int(10.5 * SCALE)].any()  # the trail begins before the window
    hidden = int(45.5 * SCALE)
    assert not row[3, hidden].any()
    assert not row[8, hidden].any()  # and leaves no trail there
    assert row[8, int(55.5 * SCALE)].any()  # lost since, and its trail goes on ageing
    assert row[8, int(55.5 * SCALE), 1] > row[5, int(55.5 * SCALE), 1]


def test_tracks_between_frames_of_the_plate(tmp_path: Path) -> None:
    points = tuple(
        TrajectoryPoint(frame=frame, x=10.0 * (frame - FIRST) + 20, y=25.0) for frame in range(FIRST, LAST + 1)
    )
    task = Interpolate(between=1)
    track = PointTrajectory(name="ball", points=points)
    shot = opened(job(tmp_path, plate(tmp_path), task=task, trajectories=(track,)))
    (made,) = make(shot, range(FIRST, FIRST + 9), scale=SCALE)
    for at in range(9):
        assert newest(made.video[at])[0] == pytest.approx(20.5 + 5 * at, abs=0.4)


def _clip(folder: Path, *, frames: int = 12, step: int = 3) -> SequenceSource:
    """A textured picture that pans: all moves to the right by `step` samples a frame."""
    texture = np.random.default_rng(1).random((60, 400, 1)).astype(np.float32)
    texture = np.repeat(np.repeat(texture, 2, axis=0), 2, axis=1)

    def picture(frame: int) -> np.ndarray:
        left = 200 - step * frame
        return np.repeat(texture[:, left : left + 160], 3, axis=-1)

    return SequenceSource(path=film(folder, "clip", range(1, frames + 1), picture))


def test_motion_of_a_clip_is_a_flow_picture_by_strength(tmp_path: Path) -> None:
    source = _clip(tmp_path)
    found = {}
    for strength in (1.0, 0.5, 0.0):
        shot = opened(
            job(tmp_path, plate(tmp_path), task=TAIL, motion_transfer=Transfer(source=source, strength=strength))
        )
        (made,) = make(shot, range(LAST, LAST + 9))
        assert made.kind is PassKind.MOTION
        found[strength] = made.video[5, 10:40, 20:80].mean(axis=(0, 1))
    assert found[1.0][0] > 0.95  # to the right: red
    assert found[1.0][1] < 0.3
    assert found[0.5][1] == pytest.approx((1 + found[1.0][1]) / 2, abs=0.05)
    assert found[0.0] == pytest.approx(1.0)


def test_motion_of_a_clip_is_tracks_for_a_family_that_knows_those_alone(tmp_path: Path) -> None:
    transfer = Transfer(source=_clip(tmp_path), strength=1.0)
    shot = opened(job(tmp_path, plate(tmp_path), task=TAIL, motion_transfer=transfer))
    (made,) = make(shot, range(LAST + 1, LAST + 9), card=only(PassKind.TRACKS), scale=SCALE)
    assert made.kind is PassKind.TRACKS
    # A clip of 160 x 120 covers the plate of 96 x 54 at 0.6; the grid's 5th point of 12 across, 4th of 7 down.
    start = (WIDTH * 4.5 / 12, HEIGHT / 2)
    assert newest(made.video[0], near=start, reach=3) == pytest.approx(start, abs=0.5)
    end = (start[0] + 7 * 3 * 0.6, start[1])
    assert newest(made.video[7], near=end, reach=3) == pytest.approx(end, abs=1.0)


def test_a_clip_that_is_too_short_and_footage_for_a_pose(tmp_path: Path) -> None:
    source = _clip(tmp_path, frames=5)
    shot = opened(
        job(
            tmp_path, plate(tmp_path), task=TAIL,
            motion_transfer=Transfer(source=source), pose_transfer=Transfer(source=source),
        )
    )  # fmt: skip
    problems, _ = check_guides(shot, card=CARD)
    assert [found.field for found in problems] == [
        "controls.motion_transfer", "controls.pose_transfer", "controls.pose_transfer",
    ]  # fmt: skip
    assert "5 frames, and 8 are made" in problems[0].message
    assert "no drawn skeleton" in problems[2].message


def test_a_drawn_skeleton_goes_through(tmp_path: Path) -> None:
    def skeleton(frame: int) -> np.ndarray:
        found = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        found[10:40, 30:33], found[10:13, 30:60] = (1, 0, 0.2), (0.1, 1, 0)
        return found

    source = SequenceSource(path=film(tmp_path, "pose", range(1, 9), skeleton))
    shot = opened(job(tmp_path, plate(tmp_path), task=TAIL, pose_transfer=Transfer(source=source, strength=0.4)))
    (made,) = make(shot, range(LAST, LAST + 9))
    assert (made.kind, made.strength) == (PassKind.POSE, 0.4)
    assert not made.video[0].any()  # nobody is seen before the clip begins
    assert made.video[1, :HEIGHT] == pytest.approx(skeleton(1), abs=1e-5)


def test_what_a_family_cannot_follow_is_refused_and_what_contradicts_itself(tmp_path: Path) -> None:
    source = _clip(tmp_path)
    mv = ControlPass(kind=ControlPassKind.MOTION, sequence=source)
    shot = opened(
        job(
            tmp_path, plate(tmp_path), task=TAIL, passes=(mv,), motion_transfer=Transfer(source=source),
            trajectories=(PointTrajectory(name="a", points=(TrajectoryPoint(frame=FIRST, x=1, y=1),)),),
        )
    )  # fmt: skip
    problems, _ = check_guides(shot, card=only(PassKind.MOTION))
    by_field = {found.field: found.message for found in problems}
    assert "no guide" in by_field["controls.trajectories"]
    assert "both say the same" in by_field["controls.motion_transfer"]
    moved = opened(job(tmp_path, plate(tmp_path), camera_moves=(CameraMove(kind=CameraMoveKind.PAN, amount=5.0),)))
    problems, _ = check_guides(moved, card=CARD)
    assert [found.field for found in problems] == ["controls.camera_moves"]


def test_under_a_plate_camera_and_tracks_steer_the_groundwork_alone(tmp_path: Path) -> None:
    camera = Camera(samples=(_sample(FIRST), _sample(LAST)))
    shot = opened(job(tmp_path, plate(tmp_path), camera=camera))
    assert make(shot, range(FIRST, LAST + 1)) == ()
    assert make(shot, range(FIRST, LAST + 1), card=only()) == ()
