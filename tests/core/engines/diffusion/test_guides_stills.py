"""Keyframes and references: colour, size, and where they lie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filming import write
from steering import CARD, FIRST, HEIGHT, WIDTH, film, job, opened, plate, whole

from overscan.core.controls import ControlPass, ControlPassKind, Keyframe, Reference, ReferenceKind
from overscan.core.engines.diffusion.guides import (
    GuideFacts,
    GuideSet,
    check_guides,
    read_keyframes,
    read_references,
)
from overscan.core.jobs import SequenceSource
from overscan.core.media import ImageSource

FRAMES = list(range(FIRST, FIRST + 5))
WIDE = WIDTH + 16


def image(path: Path | str, **source: object) -> ImageSource:
    return ImageSource(sequence=SequenceSource(path=str(path), **source))  # type: ignore[arg-type]


def png(path: Path, colour: tuple[int, int, int], *, width: int = WIDE, height: int = HEIGHT) -> Path:
    planes = {name: np.full((height, width), value, np.uint8) for name, value in zip("RGB", colour, strict=True)}
    return write(path, planes)


def test_a_keyframe_is_light_in_the_plate_s_space_at_its_frame(tmp_path: Path) -> None:
    key = Keyframe(frame=FIRST + 2, image=image(png(tmp_path / "key.png", (188, 0, 255))), strength=0.5)
    other = Keyframe(
        frame=FIRST + 4, image=image(png(tmp_path / "k.png", (0, 0, 0), width=WIDE * 2, height=HEIGHT * 2))
    )
    shot = opened(job(tmp_path, plate(tmp_path), keyframes=(key, other)))
    assert check_guides(shot, card=CARD) == ([], [])
    seen: list[np.ndarray] = []

    def encode(light: np.ndarray) -> np.ndarray:
        seen.append(light)
        return light

    area = whole(shot)
    still, late = read_keyframes(shot, frames=FRAMES, area=area, encode=encode)
    assert (still.index, still.strength, late.index) == (2, 0.5, 4)
    assert still.image.shape == late.image.shape == (area.padded_height, area.padded_width, 3)
    # sRGB's 188 is half of white's light; the plate's primaries are unknown, so they are taken as they are.
    assert still.image[0, 0] == pytest.approx((0.5029, 0, 1), abs=2e-3)
    assert seen[0].dtype == np.float32
    assert [one.index for one in read_keyframes(shot, frames=FRAMES[2:4], area=area, encode=encode)] == [0]
    repeated = [*FRAMES[2:4], FRAMES[2]]
    assert [one.index for one in read_keyframes(shot, frames=repeated, area=area, encode=encode)] == [0]


def test_a_keyframe_beside_the_rendered_frames_is_told(tmp_path: Path) -> None:
    key = Keyframe(frame=FIRST + 4, image=image(png(tmp_path / "key.png", (188, 0, 255))))
    some = replace(job(tmp_path, plate(tmp_path), keyframes=(key,)), frames=(FIRST, FIRST + 1))
    problems, (notice,) = check_guides(opened(some), card=CARD)
    assert not problems
    assert (notice.code, notice.frame) == ("KEYFRAME_NOT_RENDERED", FIRST + 4)


def test_values_beyond_white_and_holes_survive_as_light(tmp_path: Path) -> None:
    picture = np.full((HEIGHT, WIDE, 3), 12.0, np.float32)
    picture[:10], picture[20, 20] = -0.25, np.nan
    film(tmp_path, "key", [FIRST], lambda _: picture)
    key = Keyframe(frame=FIRST, image=image(tmp_path / f"key.{FIRST}.exr"))
    shot = opened(job(tmp_path, plate(tmp_path), keyframes=(key,)))
    (still,) = read_keyframes(shot, frames=FRAMES, area=whole(shot), encode=lambda light: light)
    assert still.image[40, 40] == pytest.approx((12, 12, 12))
    assert still.image[2, 2] == pytest.approx((-0.25, -0.25, -0.25))
    assert np.isfinite(still.image).all()


def test_references_of_any_shape(tmp_path: Path) -> None:
    tall = Reference(
        image=image(png(tmp_path / "t.png", (255, 255, 255), width=40, height=3000)), kind=ReferenceKind.STYLE
    )
    small = Reference(
        image=image(png(tmp_path / "s.png", (0, 0, 0), width=20, height=10)), kind=ReferenceKind.SUBJECT, strength=0.2
    )
    shot = opened(job(tmp_path, plate(tmp_path), references=(tall, small)))
    assert check_guides(shot, card=CARD) == ([], [])
    one, other = read_references(shot, encode=lambda light: light * 2)
    assert (one.image.shape, one.kind, one.image[5, 5, 0]) == ((1024, 14, 3), ReferenceKind.STYLE, 2.0)
    assert (other.image.shape, other.kind, other.strength) == ((10, 20, 3), ReferenceKind.SUBJECT, 0.2)


def test_a_luminance_plate_sees_luminance_keyframes(tmp_path: Path) -> None:
    grey = film(tmp_path, "grey", FRAMES, lambda _: np.full((HEIGHT, WIDTH), 0.3), channels=("Y",))
    film(tmp_path, "key", [1], lambda _: np.full((HEIGHT, WIDE), 0.7), channels=("Y",))
    key = Keyframe(frame=FIRST, image=image(tmp_path / "key.0001.exr"))
    shot = opened(job(tmp_path, grey, keyframes=(key,)))
    (still,) = read_keyframes(shot, frames=FRAMES, area=whole(shot), encode=lambda light: light)
    assert still.image == pytest.approx(0.7)


def test_stills_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "broken.exr").write_bytes(b"\x76\x2f\x31\x01 no more")
    several = film(tmp_path, "many", [1, 2], lambda _: np.zeros((HEIGHT, WIDE, 3)))
    shot = opened(
        job(
            tmp_path,
            plate(tmp_path),
            keyframes=(
                Keyframe(frame=FIRST, image=image(png(tmp_path / "square.png", (0, 0, 0), width=54))),
                Keyframe(frame=FIRST + 1, image=image(several)),
            ),
            references=(
                Reference(image=image(tmp_path / "broken.exr"), kind=ReferenceKind.STYLE),
                Reference(
                    image=image(png(tmp_path / "r.png", (0, 0, 0)), colour_space="nowhere"), kind=ReferenceKind.STYLE
                ),
            ),
        )
    )
    problems, _ = check_guides(shot, card=CARD)
    assert {(found.field, found.code) for found in problems} == {
        ("controls.keyframes[0].image", "MISMATCH"),
        ("controls.keyframes[1].image.frame", "INVALID_JOB"),
        ("controls.references[0].image", "UNREADABLE_IMAGE"),
        ("controls.references[1].image", "COLOUR_SPACE"),
    }
    assert all(found.next_step for found in problems)


def test_codes_of_integer_files_are_what_they_say(tmp_path: Path) -> None:
    """A drawn skeleton is codes, not light: no curve is laid over it."""
    path = png(tmp_path / "pose.png", (255, 128, 0))
    given = ControlPass(kind=ControlPassKind.POSE, sequence=SequenceSource(path=str(path)))
    shot = opened(job(tmp_path, plate(tmp_path), passes=(given,)))
    guides = GuideSet.open(shot, card=CARD, facts=GuideFacts(), parameters={})
    (made,) = guides.make(frames=FRAMES[:1], area=whole(shot), encode=lambda light: light)
    assert made.video[0, 0, 0] == pytest.approx((1, 128 / 255, 0))
