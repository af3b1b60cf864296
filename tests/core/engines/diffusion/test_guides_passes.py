"""Guides made of rendered passes: what each holds, its units, its holes, and where it lies."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from steering import CARD, FIRST, HEIGHT, WIDTH, film, job, only, opened, plate, whole

from overscan.core.controls import ControlPass, ControlPassKind
from overscan.core.engines.diffusion._area import Area
from overscan.core.engines.diffusion._family import FamilyCard, Guide, PassKind
from overscan.core.engines.diffusion.guides import GuideFacts, GuideSet, check_guides, measure_guides
from overscan.core.engines.diffusion.guides._drawing import flow_picture
from overscan.core.geometry import Window
from overscan.core.jobs import Continue, SequenceSource
from overscan.core.shots import Shot

FRAMES = range(FIRST, FIRST + 5)
WIDE = WIDTH + 16


def _never() -> None:
    return None


def shot_with(folder: Path, kind: ControlPassKind, pattern: str, **source: object) -> Shot:
    given = ControlPass(kind=kind, sequence=SequenceSource(path=pattern, **source), strength=0.5)  # type: ignore[arg-type]
    return opened(job(folder, plate(folder), passes=(given,)))


def guide(shot: Shot, *, area: Area | None = None, card: FamilyCard = CARD, frames=FRAMES, **parameters) -> Guide:
    problems, _ = check_guides(shot, card=card)
    assert not problems, problems
    facts = GuideFacts.from_dict(measure_guides(shot, tick=_never).to_dict())
    guides = GuideSet.open(shot, card=card, facts=facts, parameters=parameters)
    (made,) = guides.make(frames=list(frames), area=area or whole(shot), encode=lambda light: light)
    assert made.video.dtype == np.float32
    assert made.video.flags.c_contiguous
    assert 0 <= made.video.min() <= made.video.max() <= 1
    return made


def test_depth_is_inverse_white_near_and_black_in_the_sky(tmp_path: Path) -> None:
    def picture(frame: int) -> np.ndarray:
        distance = np.broadcast_to(np.geomspace(2.0, 200.0, WIDE), (HEIGHT, WIDE)).astype(np.float32).copy()
        distance[:4], distance[4:6], distance[6:8], distance[8:10] = np.inf, np.nan, 0.0, 1e20
        return distance

    shot = shot_with(tmp_path, ControlPassKind.DEPTH, film(tmp_path, "z", FRAMES, picture, channels=("Z",)))
    made = guide(shot)
    assert (made.kind, made.strength, made.video.shape) == (PassKind.DEPTH, 0.5, (5, 56, 112, 3))
    assert (made.video[:, :10] == 0).all()
    row = made.video[0, 30, :, 0]
    assert (np.diff(row) <= 0).all()
    assert row[0] == 1
    assert row[-1] == pytest.approx(0, abs=1e-3)
    distance = np.geomspace(2.0, 200.0, WIDE)
    middle = WIDE // 4
    near, far = np.percentile(np.tile(distance, 2), (0.5, 99.5))
    assert row[middle] == pytest.approx((1 / distance[middle] - 1 / far) / (1 / near - 1 / far), abs=2e-3)
    assert (made.video[:, -2:] == made.video[:, 52:54][:, ::-1]).all()  # filled up as the plate is


def test_depth_has_one_scale_for_the_whole_shot(tmp_path: Path) -> None:
    pattern = film(
        tmp_path, "z", FRAMES, lambda frame: np.full((HEIGHT, WIDE), 2.0 + (frame - FIRST)), channels=("depth.Z",)
    )
    shot = shot_with(tmp_path, ControlPassKind.DEPTH, pattern)
    shades = guide(shot).video[:, 0, 0, 0]
    assert (np.diff(shades) < 0).all()
    alone = [guide(shot, frames=[frame]).video[0, 0, 0, 0] for frame in FRAMES]
    assert np.array_equal(shades, alone)


def test_a_wall_of_one_distance_is_grey_and_no_error(tmp_path: Path) -> None:
    pattern = film(tmp_path, "z", FRAMES, lambda _: np.full((HEIGHT, WIDE), 7.0), channels=("Z",))
    assert guide(shot_with(tmp_path, ControlPassKind.DEPTH, pattern)).video == pytest.approx(0.5)


@pytest.mark.parametrize("encoded", [False, True])
def test_normals_are_told_apart_by_their_length(tmp_path: Path, encoded: bool) -> None:
    normal = np.array([0.6, 0.0, 0.8])

    def picture(frame: int) -> np.ndarray:
        found = np.broadcast_to(normal * 0.5 + 0.5 if encoded else normal, (HEIGHT, WIDE, 3)).astype(np.float32).copy()
        found[:8] = np.nan if not encoded else 0.5
        return found

    made = guide(shot_with(tmp_path, ControlPassKind.NORMALS, film(tmp_path, "n", FRAMES, picture)))
    assert made.video[:, 20] == pytest.approx(np.broadcast_to((0.8, 0.5, 0.9), (5, 112, 3)), abs=1e-4)
    assert made.video[:, 2] == pytest.approx(0.5)


def test_normals_of_no_unit_length_are_refused(tmp_path: Path) -> None:
    pattern = film(tmp_path, "n", FRAMES, lambda _: np.full((HEIGHT, WIDE, 3), 3.0))
    problems, _ = check_guides(shot_with(tmp_path, ControlPassKind.NORMALS, pattern), card=CARD)
    assert [(found.code, found.field) for found in problems] == [("MISMATCH", "controls.passes[0].sequence")]
    assert "length 1" in problems[0].message


def test_motion_vectors_become_the_colour_wheel_of_the_motion_that_leads_here(tmp_path: Path) -> None:
    def vectors(frame: int) -> np.ndarray:  # first to the right, then up, then nothing
        motion = {FIRST: (4.0, 0.0), FIRST + 1: (0.0, 4.0)}.get(frame, (0.0, 0.0))
        return np.broadcast_to(motion, (HEIGHT, WIDE, 2))

    made = guide(
        shot_with(tmp_path, ControlPassKind.MOTION, film(tmp_path, "mv", FRAMES, vectors, channels=("R", "G")))
    ).video[:, 0, 0]
    right, upwards = (
        flow_picture(np.full((1, 1, 2), motion, np.float32), most=1.0)[0, 0] for motion in ((1, 0), (0, -1))
    )
    assert made[0] == pytest.approx(right, abs=1e-3)  # nothing leads here: its own
    assert made[1] == pytest.approx(right, abs=1e-3)
    assert made[2] == pytest.approx(upwards, abs=1e-3)
    assert made[3:] == pytest.approx(1.0)  # white: nothing moves


def test_the_wheel_is_middlebury_s() -> None:
    def colour(x: float, y: float) -> np.ndarray:
        return flow_picture(np.full((1, 1, 2), (x, y), np.float32), most=1.0)[0, 0]

    # The well-known picture: right is red, down is yellow to green, left is cyan, up is violet.
    assert colour(1, 0) == pytest.approx((1, 0, 0), abs=0.07)
    down, left, upwards = colour(0, 1), colour(-1, 0), colour(0, -1)
    assert down[1] > 0.85 > 0.3 > down[2]
    assert left[0] == pytest.approx(0, abs=0.02)
    assert min(left[1:]) > 0.6
    assert upwards[2] > 0.9
    assert upwards[0] > upwards[1]
    assert colour(0.5, 0) == pytest.approx((1, 0.5, 0.5), abs=0.04)
    assert colour(np.nan, 0.0) == pytest.approx((1, 1, 1))
    assert colour(9.0, 0.0) == pytest.approx(colour(1.0, 0.0))


def test_time_turned_round_turns_motion_round(tmp_path: Path) -> None:
    pattern = film(
        tmp_path, "mv", FRAMES, lambda _: np.broadcast_to((4.0, 0.0), (HEIGHT, WIDE, 2)), channels=("u", "v")
    )
    shot = shot_with(tmp_path, ControlPassKind.MOTION, pattern)
    there, back = guide(shot).video, guide(shot, frames=FRAMES[::-1]).video
    assert there[2, 0, 0] == pytest.approx((1, 0, 0), abs=0.07)
    assert back[2, 0, 0] == pytest.approx((0, 0.75, 1), abs=0.3)
    stands = guide(shot, frames=[*FRAMES, FRAMES[-1], FRAMES[-1]]).video
    assert stands[-2:] == pytest.approx(1.0)


def test_edges_are_passed_through_or_found(tmp_path: Path) -> None:
    drawn = np.zeros((HEIGHT, WIDE), np.float32)
    drawn[20] = 1.0
    shot = shot_with(tmp_path, ControlPassKind.EDGES, film(tmp_path, "e", FRAMES, lambda _: drawn, channels=("Y",)))
    assert np.array_equal(guide(shot).video[0, :HEIGHT, :, 0], drawn)
    beauty = np.full((HEIGHT, WIDE, 3), 0.02, np.float32)
    beauty[10:40, 30:70] = 12.0
    beauty[5, 5] = np.nan
    pattern = film(tmp_path, "b", FRAMES, lambda _: beauty)
    found = guide(shot_with(tmp_path, ControlPassKind.EDGES, pattern), edges_from="picture").video[0, :HEIGHT, :, 0]
    assert set(np.unique(found)) == {0.0, 1.0}
    assert found[25, 28:32].max() == 1  # the square's left side
    assert found[25, 40:60].max() == 0


def test_segmentation_keeps_its_flat_colours_at_any_scale(tmp_path: Path) -> None:
    flat = np.zeros((HEIGHT, WIDE, 3), np.float32)
    flat[:, : WIDE // 2], flat[:, WIDE // 2 :] = (1, 0, 0), (0, 0, 1)
    shot = shot_with(tmp_path, ControlPassKind.SEGMENTATION, film(tmp_path, "s", FRAMES, lambda _: flat))
    for scale in (0.37, 1.0, 1.9):
        video = guide(shot, area=whole(shot, scale=scale)).video
        assert {tuple(colour) for colour in video.reshape(-1, 3)} == {(1, 0, 0), (0, 0, 1)}


def _blobs(height: int, width: int, *, x: float, y: float) -> np.ndarray:
    """A soft dot at a position in parts of the picture, and a soft ground."""
    down, across = np.mgrid[:height, :width]
    dot = np.exp(-(((across + 0.5) / width - x) ** 2 + ((down + 0.5) / height - y) ** 2) * 400)
    return np.repeat(dot[..., None], 3, axis=-1).astype(np.float32)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_a_pass_lies_where_the_result_s_format_says_at_any_scale(tmp_path: Path, factor: float, scale: float) -> None:
    height, width = round(HEIGHT * factor), round(WIDE * factor)
    pattern = film(tmp_path, "p", FRAMES, lambda _: _blobs(height, width, x=0.7, y=0.4))
    shot = shot_with(tmp_path, ControlPassKind.POSE, pattern)
    window = Window(x=40, y=10, width=64, height=32)
    area = Area(window=window, width=round(64 * scale), height=round(32 * scale), padded_width=64, padded_height=32)
    video = guide(shot, area=area).video[0, : area.height, : area.width, 0]
    down, across = np.mgrid[: area.height, : area.width]
    x = (video * (across + 0.5)).sum() / video.sum() / scale + window.x
    y = (video * (down + 0.5)).sum() / video.sum() / scale + window.y
    assert (x, y) == (pytest.approx(0.7 * WIDE, abs=0.4), pytest.approx(0.4 * HEIGHT, abs=0.4))


def test_a_data_window_smaller_than_the_format_is_edged_out_and_a_larger_one_is_used(tmp_path: Path) -> None:
    small = film(
        tmp_path, "p", FRAMES, lambda _: np.tile(np.linspace(0.2, 0.8, 40, dtype=np.float32), (30, 1)),
        channels=("Y",), origin=(20, 10), display=(0, 0, WIDE, HEIGHT),
    )  # fmt: skip
    video = guide(shot_with(tmp_path, ControlPassKind.POSE, small)).video[0, ..., 0]
    assert video[30, :20] == pytest.approx(0.2)
    assert video[30, 60:] == pytest.approx(0.8)
    assert video[0, 40] == pytest.approx(video[30, 40])
    large = film(
        tmp_path / "l", "p", FRAMES, lambda _: np.tile(np.linspace(0, 1, WIDE + 40, dtype=np.float32), (HEIGHT, 1)),
        channels=("Y",), origin=(-20, 0), display=(0, 0, WIDE, HEIGHT),
    )  # fmt: skip
    shot = shot_with(tmp_path, ControlPassKind.POSE, large)
    outside = Area(
        window=Window(x=-16, y=0, width=16, height=16), width=16, height=16, padded_width=16, padded_height=16
    )
    assert guide(shot, area=outside).video[0, 0, 0, 0] == pytest.approx(4 / (WIDE + 39), abs=1e-4)


@pytest.mark.parametrize(
    ("shape", "channels", "words"),
    [((HEIGHT, WIDTH), ("Y",), "112x54"), ((HEIGHT, WIDE), ("A", "B"), "channels")],
)
def test_passes_that_do_not_fit_are_refused(tmp_path: Path, shape, channels, words) -> None:
    pattern = film(tmp_path, "p", FRAMES, lambda _: np.zeros((*shape, len(channels))), channels=channels)
    problems, _ = check_guides(shot_with(tmp_path, ControlPassKind.POSE, pattern), card=CARD)
    assert [(found.code, found.field) for found in problems] == [("MISMATCH", "controls.passes[0].sequence")]
    assert words in problems[0].message
    assert problems[0].next_step


def test_missing_frames_and_kinds_that_a_family_does_not_know(tmp_path: Path) -> None:
    pattern = film(tmp_path, "p", FRAMES[1:3], lambda _: np.zeros((HEIGHT, WIDE)), channels=("Y",))
    shot = shot_with(tmp_path, ControlPassKind.POSE, pattern)
    problems, _ = check_guides(shot, card=only(PassKind.DEPTH, PassKind.TRACKS))
    assert [found.code for found in problems] == ["INVALID_JOB", "MISMATCH"]
    assert "It takes: depth." in problems[0].next_step
    assert "1001,1004-1005" in problems[1].message


def test_a_still_pass_holds_for_all_frames_and_new_frames_take_the_nearest(tmp_path: Path) -> None:
    film(tmp_path, "p", [7], lambda _: np.full((HEIGHT, WIDTH), 0.25), channels=("Y",))
    given = ControlPass(kind=ControlPassKind.POSE, sequence=SequenceSource(path=str(tmp_path / "p.0007.exr")))
    shot = opened(job(tmp_path, plate(tmp_path), task=Continue(tail=3), passes=(given,)))
    assert guide(shot, frames=range(FIRST, FIRST + 8)).video == pytest.approx(0.25)


def test_a_long_shot_is_streamed(tmp_path: Path) -> None:
    """Memory for a window does not grow with the shot."""

    def picture(frame: int) -> np.ndarray:
        return np.full((216, 448), frame, np.float32)

    film(tmp_path, "z", range(FIRST, FIRST + 60), picture, channels=("Z",))
    given = ControlPass(kind=ControlPassKind.DEPTH, sequence=SequenceSource(path=str(tmp_path / "z.%04d.exr")))
    shot = opened(job(tmp_path, plate(tmp_path, frames=60), passes=(given,)))
    guides = GuideSet.open(shot, card=CARD, facts=measure_guides(shot, tick=_never), parameters={})
    area = replace(whole(shot), width=56, height=24, padded_width=56, padded_height=24)
    tracemalloc.start()
    guides.make(frames=range(FIRST, FIRST + 17), area=area, encode=lambda light: light)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * 216 * 448 * 4


def test_the_published_thresholds_find_edges(tmp_path: Path) -> None:
    # What Canny is made of is OpenCV's own; this holds the thresholds to those of the adapters.
    step = np.zeros((32, 32, 3), np.float32)
    step[:, 16:] = 0.5
    from overscan.core.engines.diffusion.guides._drawing import edges_picture

    assert np.array_equal(
        edges_picture(step)[..., 0], cv2.Canny((step[..., 0] * 255).astype(np.uint8), 100, 200).astype(np.float32) / 255
    )
