"""What keeps the pictures, cameras and tracks of a job from steering a family. For plans: reads few pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from overscan.core.controls import ControlPass, Picture
from overscan.core.engines._protocol import Notice
from overscan.core.engines.diffusion._family import FamilyCard, Floats, PassKind
from overscan.core.engines.diffusion.guides._camera import needs_distance
from overscan.core.engines.diffusion.guides._clip import clip_frames, needed_frames
from overscan.core.engines.diffusion.guides._facts import are_encoded
from overscan.core.engines.diffusion.guides._images import Steering, same_shape
from overscan.core.engines.diffusion.guides._stills import check_still
from overscan.core.engines.diffusion.guides._wanted import Origin, guide_problems, wanted_guides
from overscan.core.errors import ErrorRecord, FrameRangeError, InvalidJobError, MismatchError, OverscanError
from overscan.core.frames import format_frames
from overscan.core.geometry import Window
from overscan.core.plates import Sequence as Images
from overscan.core.plates import read_header
from overscan.core.shots import Shot, time_text

_READERS = 8
_MOST_PROBLEMS = 20
_DARK, _BLACK_SHARE = 0.1, 0.5
"""A drawn skeleton is coloured lines on black: at least this share of it is darker than this."""
_SATURATED = 0.35
"""Median saturation of what is not black: limbs are drawn in full colours, people are not."""


def check_guides(shot: Shot, *, card: FamilyCard) -> tuple[list[ErrorRecord], list[Notice]]:
    """Everything that is wrong with what steers the model of a shot's job, and what an artist should know.

    Reads the header of each image that steers, and pixels of the first of some. Missing files are not told again.
    """
    problems: list[ErrorRecord] = []
    for found in (guide_problems(shot.job, card=card), _keyframes(shot), _references(shot), _passes(shot)):
        problems += [error.record for error in found]
    if not problems:  # of what the family honours
        for found in (_transfers(shot), _camera(shot, card)):
            problems += [error.record for error in found]
    return problems[:_MOST_PROBLEMS], _notices(shot, card)


def _keyframes(shot: Shot) -> Iterator[OverscanError]:
    keyframes = shot.job.controls.keyframes
    frames = sorted(shot.moments)
    for index, keyframe in enumerate(keyframes):
        if keyframe.frame not in shot.moments:
            yield FrameRangeError(
                f"the keyframe at {keyframe.frame} is not in the result, which has {format_frames(frames)}.",
                next_step="Put it at a frame of the result.",
                frame=keyframe.frame,
                field=f"controls.keyframes[{index}].frame",
                expected=format_frames(frames),
                actual=str(keyframe.frame),
            )
    for picture, images in _of_role(shot, "keyframe"):
        yield from _still(shot, picture, images, shaped=True)


def _references(shot: Shot) -> Iterator[OverscanError]:
    for picture, images in _of_role(shot, "reference"):
        yield from _still(shot, picture, images, shaped=False)


def _still(shot: Shot, picture: Picture, images: Images, *, shaped: bool) -> Iterator[OverscanError]:
    if len(images.frames) > 1:
        yield InvalidJobError(
            f"'{images.pattern}' has {len(images.frames)} images, and one is meant.",
            next_step="Say which frame, or name one file.",
            path=images.pattern,
            field=f"{picture.field}.frame",
        )
        return
    try:
        header = check_still(shot, picture, images).header
    except OverscanError as error:
        yield _at(error, picture)
        return
    if shaped and not same_shape(header.display_window, shot.layout.display_window):
        yield _misshapen(shot, picture, header.display_window, images.frames[0])


def _passes(shot: Shot) -> Iterator[OverscanError]:
    given = iter(shot.job.controls.passes)
    for picture, images in shot.pictures:
        if picture.role.endswith("_pass"):
            yield from _pass(shot, next(given), picture, images)


def _pass(shot: Shot, given: ControlPass, picture: Picture, images: Images) -> Iterator[OverscanError]:
    kind = PassKind(given.kind.value)
    missing = () if images.is_still else tuple(frame for frame in shot.render if frame not in set(images.frames))
    if missing:
        yield MismatchError(
            f"the {kind.value} pass lacks {len(missing)} of the {len(shot.render)} frames: {format_frames(missing)}.",
            next_step="Render the missing frames, in the numbers of the result.",
            path=images.pattern,
            frame=missing[0],
            field=picture.field,
            expected=format_frames(shot.render),
            actual=format_frames(images.frames),
        )
    try:
        steering = Steering.open(picture, images, kind=kind)
        first, _ = steering.read(images.frames[0])
    except OverscanError as error:
        yield _at(error, picture)
        return
    numbers = images.frames if images.is_still else tuple(frame for frame in shot.render if frame in images.frames)
    for number, display in _formats(steering, numbers):
        if not same_shape(display, shot.layout.display_window):
            yield _misshapen(shot, picture, display, number)
            return
        if display != steering.display_window:
            yield MismatchError(
                f"frame {number} of the {kind.value} pass has the format {display}, and the first "
                f"{steering.display_window}.",
                next_step="Render the pass in one format.",
                path=images.path(number),
                frame=number,
                field=picture.field,
            )
            return
    yield from _content(kind, first.reshape(-1, first.shape[-1]), picture, images)


def _content(kind: PassKind, samples: Floats, picture: Picture, images: Images) -> Iterator[OverscanError]:
    """What pixels tell of a pass that is not what it is called."""
    path = images.path(images.frames[0])
    if kind is PassKind.NORMALS and are_encoded(samples) is None:
        yield MismatchError(
            "the vectors of the normals pass have not the length 1, neither as -1 to 1 nor as 0 to 1.",
            next_step="Render normals in the camera's space, x right, y up, without a colour transform.",
            path=path,
            field=picture.field,
        )
    if kind is PassKind.DEPTH and not (np.isfinite(samples) & (samples > 0)).any():
        yield MismatchError(
            "the depth pass has no distance above 0.",
            next_step="Render the distance from the camera in scene units, larger where it is farther.",
            path=path,
            field=picture.field,
        )


def _formats(steering: Steering, numbers: tuple[int, ...]) -> Iterator[tuple[int, Window]]:
    def display(number: int) -> Window:
        headers = read_header(steering.images.path(number))
        return headers[min(steering.part, len(headers) - 1)].display_window

    with ThreadPoolExecutor(_READERS) as pool:
        yield from zip(numbers, pool.map(display, numbers), strict=True)


def _transfers(shot: Shot) -> Iterator[OverscanError]:
    for picture, images in shot.pictures:
        if picture.role not in ("motion_source", "pose_source"):
            continue
        field = picture.field.removesuffix(".source")
        try:
            steering = Steering.open(picture, images, kind=None)
            needed, have = needed_frames(shot), clip_frames(shot, steering)
            lacking = [frame for frame in needed if frame not in have]
            if lacking:
                yield MismatchError(
                    f"the clip has {len(images.frames)} frames, and {len(needed)} are made, from {needed[0]} to "
                    f"{needed[-1]}.",
                    next_step="Give a clip of at least that length; its first frame goes with the first that is made.",
                    path=images.pattern,
                    field=field,
                    expected=f"at least {len(needed)} frames",
                    actual=str(len(images.frames)),
                )
            if picture.role == "pose_source" and not _is_drawn(steering):
                yield MismatchError(
                    "the pose source is no drawn skeleton: Overscan ships no weights that find poses in footage.",
                    next_step="Draw the skeleton with a tool that finds poses (coloured limbs on black), or animate a "
                    "rig and render it so, and give those images.",
                    path=images.path(images.frames[0]),
                    field=field,
                )
        except OverscanError as error:
            yield _at(error, picture)


def _is_drawn(steering: Steering) -> bool:
    """Whether an image is coloured lines on black, in the middle of the clip, where somebody is most likely seen."""
    values, _ = steering.read(steering.images.frames[len(steering.images.frames) // 2])
    colours = np.nan_to_num(values.reshape(-1, values.shape[-1]), nan=0.0, posinf=0.0, neginf=0.0)
    most = colours.max(axis=1)
    dark = most < _DARK
    if dark.mean() < _BLACK_SHARE or dark.all():
        return bool(dark.all())  # nobody in the picture is a skeleton, too
    drawn = colours[~dark]
    return bool(np.median(1 - drawn.min(axis=1) / most[~dark]) >= _SATURATED)


def _camera(shot: Shot, card: FamilyCard) -> Iterator[OverscanError]:
    camera = shot.job.controls.camera
    if camera is None or not any(wanted.origin is Origin.CAMERA for wanted in wanted_guides(shot.job, card=card)):
        return
    first, last = camera.samples[0].frame, camera.samples[-1].frame
    outside = [moment.time for moment in shot.moments.values() if not first <= moment.time <= last]
    if outside:
        yield MismatchError(
            f"the camera goes from {first} to {last}, and the result from "
            f"{time_text(min(moment.time for moment in shot.moments.values()))} to "
            f"{time_text(max(moment.time for moment in shot.moments.values()))}.",
            next_step="Export the camera over all frames of the result: it is what new frames follow.",
            frame=math.floor(outside[0]),
            field="controls.camera.samples",
            actual=f"{first}-{last}",
        )


def _notices(shot: Shot, card: FamilyCard) -> list[Notice]:
    found = []
    aside = [entry.frame for entry in shot.job.controls.keyframes if entry.frame not in shot.render]
    if aside:
        found.append(
            Notice(
                code="KEYFRAME_NOT_RENDERED",
                message=f"There are keyframes at {format_frames(aside)}, and these frames are not rendered: they steer "
                "nothing but what is painted on the way to the others.",
                frame=aside[0],
            )
        )
    origins = {wanted.origin for wanted in wanted_guides(shot.job, card=card)}
    if Origin.CAMERA in origins and needs_distance(shot):
        found.append(
            Notice(
                code="CAMERA_TURNS_ONLY",
                message="The camera travels, and no depth pass says how far away anything is: only its turns and its "
                "lens steer the new frames. Add a depth pass in the camera's units.",
            )
        )
    return found


def _of_role(shot: Shot, role: str) -> Iterator[tuple[Picture, Images]]:
    return (entry for entry in shot.pictures if entry[0].role == role)


def _misshapen(shot: Shot, picture: Picture, display: Window, number: int) -> MismatchError:
    want = shot.layout.display_window
    return MismatchError(
        f"the {picture.role.replace('_', ' ')}'s format is {display.width}x{display.height}, and the result's is "
        f"{want.width}x{want.height}.",
        next_step="Render it in the result's format, or that format scaled.",
        path=picture.source.path,
        frame=number,
        field=picture.field,
        expected=f"{want.width}x{want.height}",
        actual=f"{display.width}x{display.height}",
    )


def _at(error: OverscanError, picture: Picture) -> OverscanError:
    """An error of reading, as one of what the job names."""
    record = error.record
    again: Callable[..., OverscanError] = type(error)
    return again(
        record.message,
        next_step=record.next_step,
        path=record.path,
        frame=record.frame,
        field=picture.field,
        expected=record.expected,
        actual=record.actual,
    )
