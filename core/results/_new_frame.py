"""Frames that the plate has not, as empty frames of its kind: what the composer paints on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from overscan.core.engines import Notice
from overscan.core.frames import format_frames
from overscan.core.plates import Part, PartHeader, PlateFrame
from overscan.core.results._extras import EXTRA_CHANNELS, has_extras, is_extras
from overscan.core.results._timecode import with_timecode
from overscan.core.shots import Shot, spacing


def empty_frame(shot: Shot, *, frame: int) -> PlateFrame:
    """The frame of `shot`'s result numbered `frame`, all samples 0, its header that of the plate frame nearest in time.

    Timecode counts on from there.
    """
    moment = shot.moments[frame]
    parts = []
    for header in shot.headers[moment.like]:
        planes = {channel.name: np.zeros(header.data_window.shape, channel.dtype) for channel in header.channels}
        # Between two frames there is no timecode: the nearest frame's holds on.
        parts.append(Part(header=with_timecode(header, frames=int(moment.time - moment.like)), planes=planes))
    suffix = shot.path(moment.like).suffix.lower()
    return PlateFrame(
        path=shot.path(moment.like),
        number=frame,
        format_name="openexr" if suffix == ".exr" else suffix.lstrip("."),
        parts=tuple(parts),
    )


def new_frame_notices(shot: Shot) -> Iterator[Notice]:
    """What an artist should know about the new frames of a result before it is made."""
    new = shot.new_frames
    if not new:
        return
    first = shot.frames[0]
    empty = [name for header in shot.headers[first] for name in _not_made(header, shot)]
    if empty:
        yield Notice(
            code="LAYERS_EMPTY",
            message=f"The new frames ({format_frames(new)}) hold 0 in layers that cannot be made: {', '.join(empty)}.",
            frame=new[0],
        )
    wide = spacing(shot.plate)
    over_holes = [frame for frame in new if np.ptp(shot.around(frame)) > wide]
    if over_holes:
        yield Notice(
            code="FRAMES_OVER_HOLES",
            message=f"The plate has holes where frames {format_frames(over_holes)} are made: motion is measured over "
            "more than one frame there, and less sure.",
            frame=over_holes[0],
        )


def _not_made(header: PartHeader, shot: Shot) -> list[str]:
    """Channels of a part that nobody paints, nor replaces."""
    if is_extras(header):
        return []
    is_painted = header.index == shot.part
    made = {*shot.colours, shot.alpha} if is_painted else set()
    if has_extras(header):
        made |= set(EXTRA_CHANNELS)
    prefix = f"{header.name}." if header.name and not is_painted else ""
    return [f"{prefix}{channel.name}" for channel in header.channels if channel.name not in made]
