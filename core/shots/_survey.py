"""Looks at everything a job names before anything runs, and says all that stands in the way."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from overscan.core.colour import ColourSpace, LinearTransform, load_config, resolve_space
from overscan.core.engines import Notice
from overscan.core.errors import (
    ErrorRecord,
    FrameRangeError,
    InvalidJobError,
    MissingFramesError,
    OverscanError,
    UnsupportedImageError,
)
from overscan.core.frames import format_frames
from overscan.core.jobs import Inpaint, Job, SequenceSource
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
from overscan.core.shots._layout import Layout, lay_out
from overscan.core.shots._matte import Matte
from overscan.core.shots._shot import Shot, Stamp, stamp

_READERS = 8
"""Headers read at once: opening files on a network share is waiting, not work."""

_MOST_PROBLEMS = 20
"""Problems listed; a sequence that is wrong throughout would drown what matters."""

_FORMAT_NAMES = {".exr": "openexr", ".jpg": "jpeg", ".tif": "tiff"}
"""OpenImageIO's names where they are not the file extension."""

_Result = TypeVar("_Result")


@dataclass(slots=True, kw_only=True)
class Survey:
    """What was found."""

    shot: Shot | None = None
    """The opened shot; None where there are problems."""
    problems: list[ErrorRecord] = field(default_factory=list)
    warnings: list[Notice] = field(default_factory=list)

    def _attempt(self, call: Callable[[], _Result]) -> _Result | None:
        try:
            return call()
        except OverscanError as error:
            if len(self.problems) < _MOST_PROBLEMS:
                self.problems.append(error.record)
            return None


def survey(job: Job) -> Survey:
    """Open the plate and the matte of an extend or inpaint job and check them against each other.

    Reads the header of every frame of the shot, and no pixels. Never raises for what a user can put right: that is
    in `Survey.problems`.
    """
    found = Survey()
    source = job.plate
    if source is None:
        found.problems.append(InvalidJobError("the job names no plate.", field="plate").record)
        return found
    plate = found._attempt(lambda: _find_plate(source))
    if plate is None:
        return found
    headers = _read_headers(found, plate, frames=plate.frames)
    render = found._attempt(lambda: _render_frames(job, plate))
    if plate.frames[0] not in headers:
        return found
    first = headers[plate.frames[0]]
    part = found._attempt(lambda: find_part(first, part=source.part, view=source.view, layer=source.layer))
    if part is None:
        return found
    colours = found._attempt(lambda: _colours(source, part))
    layout = found._attempt(lambda: lay_out(task=job.task, header=part))
    colour = found._attempt(lambda: _colour(source, part, plate))
    matte = _open_matte(found, job, headers, part)
    stamps = _stamps(found, plate, matte)
    if found.problems or colours is None or layout is None or colour is None or render is None:
        return found
    space, transform = colour
    found.shot = Shot(
        job=job,
        plate=plate,
        render=render,
        headers=headers,
        part=part.index,
        colours=colours,
        alpha=alpha_plane(part, layer=source.layer, view=source.view),
        space=space,
        transform=transform,
        layout=layout,
        matte=matte,
        stamps=stamps,
    )
    found.warnings += _notices(source, first, part, space, layout)
    return found


def _find_plate(source: SequenceSource) -> Sequence:
    plate = Sequence.find(pattern=source.path, frames=source.frames)
    if source.frames is not None or len(plate.frames) < 3:
        return plate
    numbers = plate.frames
    step = min(after - before for before, after in itertools.pairwise(numbers))
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
    with ThreadPoolExecutor(_READERS) as pool:
        pending = {frame: pool.submit(read_header, plate.path(frame)) for frame in frames}
        headers = {}
        for frame, future in pending.items():
            if (header := found._attempt(future.result)) is not None:
                headers[frame] = header
    if headers:
        reference = headers[min(headers)]
        for frame, header in headers.items():
            path = plate.path(frame)
            found._attempt(lambda h=header, p=path, f=frame: check_consistent(reference, h, path=p, frame=f))  # type: ignore[misc]
    return headers


def _stamps(found: Survey, plate: Sequence, matte: Matte | None) -> dict[int, Stamp]:
    with ThreadPoolExecutor(_READERS) as pool:
        try:
            stamps = pool.map(lambda frame: stamp(plate=plate, matte=matte, frame=frame), plate.frames)
            return dict(zip(plate.frames, stamps, strict=True))
        except OSError as error:
            gone = MissingFramesError(
                f"a file has gone while the plate was looked at: {error.strerror}.",
                next_step="Wait until nobody writes the plate or the matte, then try again.",
                path=error.filename or plate.pattern,
                field="plate",
            )
            found.problems.append(gone.record)
            return {}


def _render_frames(job: Job, plate: Sequence) -> tuple[int, ...]:
    if job.frames is None:
        return plate.frames
    if not job.frames:
        raise FrameRangeError("the job renders no frame.", next_step="Give at least one frame.", field="frames")
    outside = sorted(set(job.frames) - set(plate.frames))
    if outside:
        raise FrameRangeError(
            f"frames {format_frames(outside)} are not in the plate, which has {format_frames(plate.frames)}.",
            next_step="Ask for frames of the plate. New frames before or after it are the task `continue`.",
            path=plate.pattern,
            frame=outside[0],
            field="frames",
            expected=format_frames(plate.frames),
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


def _colour(source: SequenceSource, part: PartHeader, plate: Sequence) -> tuple[ColourSpace, LinearTransform]:
    config = load_config()
    suffix = plate.path(plate.frames[0]).suffix.lower()
    space = resolve_space(
        config,
        name=source.colour_space,
        attributes=part.attributes,
        path=str(plate.path(plate.frames[0])),
        format_name=_FORMAT_NAMES.get(suffix, suffix.lstrip(".")),
    )
    return space, LinearTransform(config=config, space=space)


def _open_matte(found: Survey, job: Job, headers: dict[int, tuple[PartHeader, ...]], part: PartHeader) -> Matte | None:
    if not isinstance(job.task, Inpaint):
        return None
    source = job.task.matte
    matte = found._attempt(lambda: Matte.open(source, plate=part, frames=tuple(headers)))
    if matte is None or matte.sequence.is_still:
        return matte
    with ThreadPoolExecutor(_READERS) as pool:
        for future in [pool.submit(matte.check, frame, plate=part) for frame in headers]:
            found._attempt(future.result)
    return matte


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
