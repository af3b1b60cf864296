"""Knobs whose value may change over the frames.

A job has one value of each setting for all its frames. An expression or a link counts with its value; a value that
differs between frames is refused, never read at some frame or other. What is honoured frame by frame are pictures
(plate, mattes, references), the camera and the trackers.
"""

from __future__ import annotations

from typing import Any

import nuke
from overscan_nuke import _knobs
from overscan_nuke._refusals import refuse


def steady(node: Any, name: str, *, frames: list[int]) -> Any:
    """The value of a knob that has to be the same at all `frames`; a list for knobs of several numbers.

    Raises `RefusalError` where it is not.
    """
    knob: Any = node[_knobs.PREFIX + name]
    value = knob.value()
    count = len(value) if isinstance(value, (list, tuple)) else 1
    moving = [index for index in range(count) if _moves(knob, index)]
    if not moving:
        return list(value) if count > 1 else value
    seen = [[knob.getValueAt(frame, index) for index in range(count)] for frame in (frames or [int(nuke.frame())])]
    for frame, numbers in zip(frames, seen):
        if numbers != seen[0]:
            raise refuse(
                "INVALID_JOB",
                f"'{knob.label() or name}' of {node.name()} is animated: {_shown(seen[0])} at frame {frames[0]}, "
                f"{_shown(numbers)} at frame {frame}. A run has one value for all frames.",
                "Remove the animation, or make a run for each stretch of frames with one value. Camera, trackers and "
                "mattes may be animated.",
                field=name,
            )
    if count > 1:
        return seen[0]
    return type(value)(seen[0][0]) if isinstance(value, (bool, int, float)) else value


def _moves(knob: Any, index: int) -> bool:
    return bool(knob.isAnimated(index) or knob.hasExpression(index))


def _shown(numbers: list[Any]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
