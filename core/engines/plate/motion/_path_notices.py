"""What was found out about the camera, in a compositor's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from overscan.core.engines._protocol import Notice
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._motion import MotionStore
from overscan.core.frames import format_frames

_GIVEN = {
    "camera": "The background follows the camera that was given, by its turns and its lens. How far away things are it "
    "does not say, so its travel through space moves nothing.",
    "tracks": "The background follows the tracked points that were given.",
}

_NOTABLE = 0.1
"""Part of the pairs from which on further planes are worth a word: what leaves the frame looks like one for a while."""


def path_notices(path: CameraPath, store: MotionStore, frames: Sequence[int]) -> list[Notice]:
    """What an artist should know of a `path` through a shot of these `frames`, by number."""
    facts = [store.facts(pair) for pair in range(len(frames) - 1)]
    notices = [*_about_path(path, frames)]
    dense = [frames[pair] for pair, fact in enumerate(facts) if not fact.planes]
    if dense:
        notices.append(
            Notice(
                code="NO_PLANE_FITS",
                message=f"No single plane explains the motion at frames {format_frames(dense)}; the motion field "
                "itself was used.",
                frame=dense[0],
            )
        )
    several = [frames[pair] for pair, fact in enumerate(facts) if fact.planes > 1]
    if len(several) >= max(1, _NOTABLE * len(facts)):
        most = max(fact.planes for fact in facts)
        notices.append(
            Notice(
                code="SEVERAL_PLANES",
                message=f"At frames {format_frames(several)} the background lies in up to {most} planes; beyond the "
                "edge each is continued by its own motion. Look at where they meet.",
                frame=several[0],
            )
        )
    return notices


def _about_path(path: CameraPath, frames: Sequence[int]) -> Iterator[Notice]:
    if path.given:
        yield Notice(code="CAMERA_GIVEN", message=_GIVEN[path.given])
    sizes = np.bincount(path.segments)
    still = [frame for frame, segment in zip(frames, path.segments, strict=True) if path.kinds[segment] == "still"]
    if len(sizes) == 1 and len(still) > 1 and not path.given:
        yield Notice(
            code="CAMERA_LOCKED_OFF", message="The camera is locked off: pixels are copied from the very same place."
        )
    if len(sizes) > 1:
        main = int(np.argmax(sizes))
        apart = [frame for frame, segment in zip(frames, path.segments, strict=True) if segment != main]
        yield Notice(
            code="FRAMES_NOT_JOINED",
            message=f"{_frames(apart)} could not be joined to the rest: a cut, a flash, blur, or nothing "
            "to hold on to. What is copied across may drift there; tracked points would join them.",
            frame=apart[0],
        )


def _frames(numbers: Sequence[int]) -> str:
    return f"Frame{'s' if len(numbers) > 1 else ''} {format_frames(numbers)}"
