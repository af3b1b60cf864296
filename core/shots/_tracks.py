"""Tracked points of a shot, as a host hands them over."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from overscan.core.controls import PointTrajectory
from overscan.core.errors import InvalidJobError, MismatchError, OverscanError
from overscan.core.frames import format_frames


def check_tracks(tracks: tuple[PointTrajectory, ...], *, frames: tuple[int, ...]) -> Iterator[OverscanError]:
    """What keeps `tracks` from being points of a shot with these `frames`."""
    for index, track in enumerate(tracks):
        field = f"controls.trajectories[{index}]"
        name = f"the track '{track.name}'" if track.name else f"track number {index + 1}"
        numbers = [point.frame for point in track.points]
        wild = [point.frame for point in track.points if not (math.isfinite(point.x) and math.isfinite(point.y))]
        again = sorted({one for one, other in itertools.pairwise(sorted(numbers)) if one == other})
        if wild:
            yield InvalidJobError(
                f"{name} is at no position at {format_frames(wild)}.",
                next_step="Leave the frames out in which the point is lost.",
                frame=wild[0],
                field=field,
            )
        if again:
            yield InvalidJobError(
                f"{name} has more than one position at {format_frames(again)}.",
                next_step="Give every track a name of its own, and one position a frame.",
                frame=again[0],
                field=field,
            )
        if not any(number in frames for number in numbers):
            there = format_frames(numbers) or "no frame"
            yield MismatchError(
                f"{name} has no position in the shot: it has {there}, and the shot {format_frames(frames)}.",
                next_step="Export the track in the plate's frame numbers, or leave it out.",
                field=field,
                expected=format_frames(frames),
                actual=there,
            )


def untracked(tracks: tuple[PointTrajectory, ...], *, frames: tuple[int, ...]) -> tuple[int, ...]:
    """The frames from which no visible point leads on to the next frame of the shot."""
    seen = [{point.frame for point in track.points if not point.occluded} for track in tracks]
    return tuple(
        one for one, other in itertools.pairwise(frames) if not any(one in where and other in where for where in seen)
    )
