"""Looks at everything a job names before anything runs, and says all that stands in the way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from overscan.core.colour import ColourConfig, ColourSpace, LinearTransform, load_config
from overscan.core.engines import Notice
from overscan.core.errors import (
    FrameRangeError,
    InvalidJobError,
    MissingFramesError,
    UnsupportedImageError,
)
from overscan.core.frames import format_frames
from overscan.core.jobs import Inpaint, Interpolate, Job, SequenceSource
from overscan.core.plates import (
    PartHeader,
    Sequence,
    alpha_plane,
    check_consistent,
    colour_planes,
    find_part,
    read_header,
    views,
)
from overscan.core.shots._clean_plate import CleanPlate
from overscan.core.shots._findings import READERS, Survey
from overscan.core.shots._layout import Layout, lay_out
from overscan.core.shots._matte import MOVERS, NEVER_COPY, REPLACED, Matte
from overscan.core.shots._shot import Shot, Stamp, stamp
from overscan.core.shots._sources import check_motion, open_clean_plates, open_matte, open_pictures, source_frames
from overscan.core.shots._space import space_of
from overscan.core.shots._timeline import adds_frames, moments, spacing


def survey(job: Job) -> Survey:
    """Open the plate, the mattes and the controls of a job and check them against each other.

    Reads the header of every frame of the shot and of all further images, and no pixels. Never raises for what a user
    can put right: that is in `Survey.problems`.
    """
    found = Survey()
    source = job.plate
    if source is None:
        found.note(InvalidJobError("the job names no plate.", field="plate").record)
        return found
    plate = found.attempt(lambda: _find_plate(source, fills_holes=_fills_holes(job)))
    if plate is None:
        return found
    headers = _read_headers(found, plate, frames=plate.frames)
    timeline = found.attempt(lambda: {moment.frame: moment for moment in moments(job, plate)})
    render = None if timeline is None else found.attempt(lambda: _render_frames(job, plate, tuple(timeline)))
    if plate.frames[0] not in headers:
        return found
    first = headers[plate.frames[0]]
    part = found.attempt(lambda: find_part(first, part=source.part, view=source.view, layer=source.layer))
    if part is None:
        return found
    colours = found.attempt(lambda: _colours(source, part))
    layout = found.attempt(lambda: lay_out(task=job.task, header=part))
    config = found.attempt(load_config)
    colour = None if config is None else found.attempt(partial(_colour, config, source, part, plate))
    matte = None
    if isinstance(job.task, Inpaint):
        matte = open_matte(found, job.task.matte, REPLACED, headers, part)
    controls = job.controls
    movers = open_matte(found, controls.movers, MOVERS, headers, part)
    never_copy = open_matte(found, controls.never_copy, NEVER_COPY, headers, part)
    sources = found.attempt(lambda: source_frames(controls, plate))
    clean_plates: tuple[CleanPlate, ...] = ()
    if config is not None and colours is not None and colour is not None:
        clean_plates = open_clean_plates(found, controls, config, linear=colour[1].linear_name, colours=len(colours))
    pictures = open_pictures(found, controls)
    check_motion(found, controls, plate, part)
    mattes = tuple(matte for matte in (matte, movers, never_copy) if matte is not None)
    stamps = _stamps(found, plate, mattes, clean_plates, tuple(images for _, images in pictures))
    if found.problems or colours is None or layout is None or colour is None or timeline is None or render is None:
        return found
    assert sources is not None
    space, transform = colour
    found.shot = Shot(
        job=job,
        plate=plate,
        render=render,
        moments=timeline,
        headers=headers,
        part=part.index,
        colours=colours,
        alpha=alpha_plane(part, layer=source.layer, view=source.view),
        space=space,
        transform=transform,
        layout=layout,
        matte=matte,
        movers=movers,
        never_copy=never_copy,
        sources=sources,
        clean_plates=clean_plates,
        pictures=pictures,
        stamps=stamps,
    )
    found.warnings += _notices(source, first, part, space, layout)
    return found


def _fills_holes(job: Job) -> bool:
    """Whether frames that the plate lacks may be just what is asked for."""
    return isinstance(job.task, Interpolate) and job.task.times is not None


def _find_plate(source: SequenceSource, *, fills_holes: bool) -> Sequence:
    plate = Sequence.find(pattern=source.path, frames=source.frames)
    if source.frames is not None or len(plate.frames) < 3 or fills_holes:
        return plate
    numbers, step = plate.frames, spacing(plate)
    gaps = sorted(set(range(numbers[0], numbers[-1] + 1, step)) - set(numbers))
    if gaps:
        # Rendering round a hole in silence would hand the artist a shot of the wrong length.
        raise MissingFramesError(
            f"the plate has holes: {format_frames(gaps)} are not on disk.",
            next_step="Supply the missing frames, or say with --plate-frames which frames belong to the shot.",
            path=source.path,
            frame=gaps[0],
            field="plate",
            expected=format_frames(range(numbers[0], numbers[-1] + 1, step)),
            actual=format_frames(numbers),
        )
    return plate


def _read_headers(found: Survey, plate: Sequence, *, frames: tuple[int, ...]) -> dict[int, tuple[PartHeader, ...]]:
    with ThreadPoolExecutor(READERS) as pool:
        pending = {frame: pool.submit(read_header, plate.path(frame)) for frame in frames}
        headers = {}
        for frame, future in pending.items():
            if (header := found.attempt(future.result)) is not None:
                headers[frame] = header
    if headers:
        reference = headers[min(headers)]
        for frame, header in headers.items():
            path = plate.path(frame)
            found.attempt(lambda h=header, p=path, f=frame: check_consistent(reference, h, path=p, frame=f))  # type: ignore[misc]
    return headers


def _stamps(
    found: Survey,
    plate: Sequence,
    mattes: tuple[Matte, ...],
    clean_plates: tuple[CleanPlate, ...],
    pictures: tuple[Sequence, ...],
) -> dict[int, Stamp]:
    stills = [images.path(images.frames[0]) for images in pictures if len(images.frames) == 1]
    passes = [(images, frozenset(images.frames)) for images in pictures if len(images.frames) > 1]

    def files(frame: int) -> list[Path]:
        own = [images.path(frame) for images, numbers in passes if frame in numbers]
        return [plate.path(frame), *(matte.sequence.path(matte.number(frame)) for matte in mattes), *own]

    with ThreadPoolExecutor(READERS) as pool:
        try:
            shared = stamp([*(clean.path for clean in clean_plates), *stills])
            stamps = pool.map(lambda frame: stamp(files(frame)), plate.frames)
            return {frame: own + shared for frame, own in zip(plate.frames, stamps, strict=True)}
        except OSError as error:
            gone = MissingFramesError(
                f"a file has gone while the plate was looked at: {error.strerror}.",
                next_step="Wait until nobody writes the plate, its mattes or clean plates, then try again.",
                path=error.filename or plate.pattern,
                field="plate",
            )
            found.note(gone.record)
            return {}


def _render_frames(job: Job, plate: Sequence, timeline: tuple[int, ...]) -> tuple[int, ...]:
    if job.frames is None:
        return timeline
    if not job.frames:
        raise FrameRangeError("the job renders no frame.", next_step="Give at least one frame.", field="frames")
    outside = sorted(set(job.frames) - set(timeline))
    if outside:
        raise FrameRangeError(
            f"frames {format_frames(outside)} are not in the result, which has {format_frames(timeline)}."
            if adds_frames(job.task)
            else f"frames {format_frames(outside)} are not in the plate, which has {format_frames(timeline)}.",
            next_step="Ask for frames of the result."
            if adds_frames(job.task)
            else "Ask for frames of the plate. New frames before or after it are the task `continue`.",
            path=plate.pattern,
            frame=outside[0],
            field="frames",
            expected=format_frames(timeline),
            actual=format_frames(job.frames),
        )
    return tuple(sorted(set(job.frames)))


def _colours(source: SequenceSource, part: PartHeader) -> tuple[str, ...]:
    colours = colour_planes(part, layer=source.layer, view=source.view)
    numbers = [channel.name for channel in part.channels if channel.name in colours and channel.dtype == np.uint32]
    if numbers:
        raise UnsupportedImageError(
            f"channels {', '.join(numbers)} hold 32-bit whole numbers, such as object ids, and no light to paint.",
            next_step="Choose a layer of half or float samples with --layer.",
            field="plate.layer",
            actual=", ".join(numbers),
        )
    return colours


def _colour(
    config: ColourConfig, source: SequenceSource, part: PartHeader, plate: Sequence
) -> tuple[ColourSpace, LinearTransform]:
    space = space_of(config, source=source, part=part, path=plate.path(plate.frames[0]))
    return space, LinearTransform(config=config, space=space)


def _notices(
    source: SequenceSource,
    parts: tuple[PartHeader, ...],
    part: PartHeader,
    space: ColourSpace,
    layout: Layout,
) -> list[Notice]:
    notices = []
    if space.note:
        notices.append(Notice(code="COLOUR_SPACE_ASSUMED", message=space.note))
    known = {view for header in parts for view in views(header)}
    if len(known) > 1 and not source.view and not source.part:
        notices.append(
            Notice(
                code="VIEW_CHOSEN",
                message=f"The plate has the views {', '.join(sorted(known))}; only the default view is painted. "
                "Choose another with --view.",
            )
        )
    if layout.region is not None and not part.data_window.contains(part.display_window):
        notices.append(
            Notice(
                code="DATA_WINDOW_SMALLER",
                message=f"The plate's data window {part.data_window} does not fill its format "
                f"{part.display_window}: what lies between is generated too.",
            )
        )
    return notices
