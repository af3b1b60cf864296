"""Opens what a job's controls name: mattes, clean plates, frames to copy from, and how the picture moves."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from overscan.core.colour import ColourConfig
from overscan.core.controls import Controls, Picture
from overscan.core.engines import Notice
from overscan.core.errors import FrameRangeError, InvalidJobError
from overscan.core.frames import format_frames
from overscan.core.jobs import MatteSource
from overscan.core.plates import PartHeader, Sequence
from overscan.core.shots._camera import check_camera, misshapen_frame
from overscan.core.shots._clean_plate import CleanPlate
from overscan.core.shots._findings import READERS, Survey
from overscan.core.shots._matte import Matte, MatteRole
from overscan.core.shots._tracks import check_tracks, untracked

_OPENED_ELSEWHERE = ("movers", "never_copy", "clean_plate")
"""Roles of pictures that the plate itself is worked on with."""


def open_matte(
    found: Survey,
    source: MatteSource | None,
    role: MatteRole,
    headers: dict[int, tuple[PartHeader, ...]],
    part: PartHeader,
) -> Matte | None:
    """The matte that `source` names, every frame of it checked against the plate's part; None without a source."""
    if source is None:
        return None
    matte = found.attempt(lambda: Matte.open(source, plate=part, frames=tuple(headers), role=role), field=role.field)
    if matte is None or matte.sequence.is_still:
        return matte
    with ThreadPoolExecutor(READERS) as pool:
        for future in [pool.submit(matte.check, frame, plate=part) for frame in headers]:
            found.attempt(future.result, field=role.field)
    return matte


def source_frames(controls: Controls, plate: Sequence) -> frozenset[int]:
    """The frames of the plate that may be copied from; raises `FrameRangeError` where the controls name others."""
    if controls.source_frames is None:
        return frozenset(plate.frames)
    outside = sorted(set(controls.source_frames) - set(plate.frames))
    if outside or not controls.source_frames:
        what = f"frames {format_frames(outside)} are not in the plate" if outside else "no frame may be copied from"
        raise FrameRangeError(
            f"{what}, which has {format_frames(plate.frames)}.",
            next_step="Name frames of the plate with --source-frames; other images of the place go with --clean-plate.",
            path=plate.pattern,
            frame=outside[0] if outside else None,
            field="controls.source_frames",
            expected=format_frames(plate.frames),
            actual=format_frames(controls.source_frames),
        )
    return frozenset(controls.source_frames)


def open_clean_plates(
    found: Survey, controls: Controls, config: ColourConfig, *, linear: str, colours: int
) -> tuple[CleanPlate, ...]:
    """Every frame of every clean plate, for a plate painted in the space `linear` (empty: unknown primaries)."""
    opened: list[CleanPlate] = []
    for index, source in enumerate(controls.clean_plates):
        field = f"controls.clean_plates[{index}]"
        pattern, frames = source.path, source.frames
        images = found.attempt(partial(Sequence.find, pattern=pattern, frames=frames), field=field)
        if images is None:
            continue
        opening = partial(CleanPlate.open, source, sequence=images, config=config, linear=linear, colours=colours)
        with ThreadPoolExecutor(READERS) as pool:
            pending = [pool.submit(opening, frame=frame) for frame in images.frames]
        attempted = [found.attempt(future.result, field=field) for future in pending]
        several = [clean for clean in attempted if clean is not None]
        opened += several
        if several:
            found.warnings += _colour_notices(several[0], linear)
    return tuple(opened)


def _colour_notices(clean: CleanPlate, linear: str) -> Iterator[Notice]:
    if bool(clean.space.name) != bool(linear):
        yield Notice(
            code="COLOUR_SPACE_ASSUMED",
            message=f"The primaries of {'the plate' if clean.space.name else clean.name} are unknown: {clean.name} is "
            "copied from as if it had the plate's. Name the colour spaces of both to be sure.",
        )
    elif clean.space.note and clean.space.name:
        yield Notice(code="COLOUR_SPACE_ASSUMED", message=clean.space.note)


def open_pictures(found: Survey, controls: Controls) -> tuple[tuple[Picture, Sequence], ...]:
    """The files of all pictures that steer a model; what they hold is looked at by those who use them."""
    opened = []
    for picture in controls.pictures():
        if picture.role in _OPENED_ELSEWHERE:
            continue
        pattern, frames = picture.source.path, picture.source.frames
        images = found.attempt(partial(Sequence.find, pattern=pattern, frames=frames), field=picture.field)
        if images is not None:
            opened.append((picture, images))
    return tuple(opened)


def check_motion(found: Survey, controls: Controls, plate: Sequence, part: PartHeader) -> None:
    """Look at the camera and the tracks that stand in for measured motion."""
    if controls.camera is not None and controls.trajectories:
        both = InvalidJobError(
            "a camera and tracked points are given, and each says how the picture moves.",
            next_step="Keep the one you trust more.",
            field="controls.camera",
        )
        found.note(both.record)
    if controls.camera is not None:
        problems = [error.record for error in check_camera(controls.camera, frames=plate.frames)]
        found.note(*problems)
        misshapen = None if problems else misshapen_frame(controls.camera, part)
        if misshapen is not None:
            found.warnings.append(
                Notice(
                    code="CAMERA_FILM_BACK",
                    message=f"The camera's film back is {misshapen.horizontal_aperture_mm:g} x "
                    f"{misshapen.vertical_aperture_mm:g} mm, which is not the shape of the plate's format "
                    f"{part.display_window.width}x{part.display_window.height}: the picture is taken to be squeezed. "
                    "Export the film back that the plate's format shows.",
                    frame=misshapen.frame,
                )
            )
    found.note(*(error.record for error in check_tracks(controls.trajectories, frames=plate.frames)))
    alone = untracked(controls.trajectories, frames=plate.frames) if controls.trajectories else ()
    if alone:
        found.warnings.append(
            Notice(
                code="TRACKS_INCOMPLETE",
                message=f"No visible track leads on from frames {format_frames(alone)}: there the motion is measured "
                "in the plate.",
                frame=alone[0],
            )
        )
