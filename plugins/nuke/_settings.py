"""What the knobs ask for, in the form of a job."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from overscan_host import frames_to_text
from overscan_nuke import _knobs
from overscan_nuke._animation import steady
from overscan_nuke._ranges import named_frames
from overscan_nuke._refusals import refuse

_PARAMETERS = {"quality": "final", "fill": "synthesise", "copy": "auto", "search_range": 48, "grain": True}
"""Knobs that are parameters of the engine, and the value that means "as the engine does by itself"."""


@dataclass(frozen=True)
class Shape:
    """A format, in samples."""

    width: int
    height: int
    pixel_aspect: float

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def shape_of(format_: Any) -> Shape:
    """The format of Nuke as a shape."""
    return Shape(int(format_.width()), int(format_.height()), float(format_.pixelAspect()))


def task_settings(node: Any, *, plate: Shape | None, matte: Any, frames: list[int], offset: int) -> dict[str, Any]:
    """What stands under the task's name in the job. `frames` are those over which knobs have to be steady."""
    kind = _knobs.kind_of(node).name
    if kind == "extend":
        assert plate is not None
        return _extension(node, plate, frames)
    if kind == "inpaint":
        return {"matte": matte}
    if kind == "continue":
        head, tail = (_whole(node, name, frames) for name in ("head", "tail"))
        if head < 1 and tail < 1:
            raise refuse(
                "INVALID_JOB", "No frames are asked for.", "Set how many to make before or after.", field="tail"
            )
        return {"head": head, "tail": tail}
    if kind == "interpolate":
        times = _knobs.text(node, "times")
        return {"times": _times(times, offset)} if times else {"between": _whole(node, "between", frames)}
    shape = shape_of(_knobs.get(node, "format"))
    return {
        "size": str(shape),
        "frames": frames_to_text(frames),
        "frame_rate": float(steady(node, "fps", frames=frames)),
        "pixel_aspect": shape.pixel_aspect if shape.pixel_aspect != 1 else None,
    }


def _extension(node: Any, plate: Shape, frames: list[int]) -> dict[str, Any]:
    target = _knobs.get(node, "target")
    if target in ("margins", "overscan"):
        sides = [_whole(node, name, frames) for name in ("left", "right", "top", "bottom")]
        if not any(sides):
            raise refuse("INVALID_JOB", "All four margins are 0.", "Set how many samples to add.", field="left")
        return {target: ",".join(map(str, sides))}
    if target == "box":
        x, y, r, t = _whole_numbers(node, "box", frames)
        if r <= x or t <= y:
            raise refuse("INVALID_JOB", "The box is empty.", "Draw it in the viewer, around the plate.", field="box")
        return {"margins": f"{-x},{r - plate.width},{t - plate.height},{-y}"}
    wanted = shape_of(_knobs.get(node, "format"))
    if abs(wanted.pixel_aspect - plate.pixel_aspect) > 1e-4:
        raise refuse(
            "MISMATCH",
            f"The format's pixels are {wanted.pixel_aspect:g} wide, those of the plate {plate.pixel_aspect:g}. "
            "The plate is never resampled.",
            f"Choose a format with the pixel aspect {plate.pixel_aspect:g}.",
            field="format",
        )
    if _knobs.get(node, "centred"):
        return {"format": {"size": str(wanted)}}
    x, y = _whole_numbers(node, "place", frames)
    return {"format": {"size": str(wanted), "place": f"{x},{wanted.height - plate.height - y}"}}


def controls(node: Any, *, frames: list[int], offset: int) -> dict[str, Any]:
    """The controls that are plain knobs; pictures, camera and trackers are added by `_request`."""
    found: dict[str, Any] = {}
    for name in ("prompt", "negative_prompt"):
        if _knobs.text(node, name):
            found[name] = _knobs.text(node, name)
    seed = _whole(node, "seed", frames)
    if seed < 0:
        raise refuse("INVALID_JOB", "The seed is negative.", "Set it to 0 or more.", field="seed")
    if seed:
        found["seed"] = seed
    parameters: dict[str, Any] = {}
    for name, usual in _PARAMETERS.items():
        if _knobs.has(node, name):
            value = steady(node, name, frames=frames)
            if value != usual:
                parameters[name] = value
    parameters.update(_more_parameters(node))
    if parameters:
        found["parameters"] = parameters
    if _knobs.has(node, "source_frames"):
        only = named_frames(node, "source_frames")
        if only:
            found["source_frames"] = frames_to_text(frame - offset for frame in only)
    return found


def _more_parameters(node: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in re.split(r"[,\n]", _knobs.text(node, "parameters")))):
        name, sign, value = part.partition("=")
        if not sign or not name.strip():
            raise refuse("INVALID_PARAMETER", f"'{part}' is no parameter.",
                         "Write it like name=value, name=value.", field="parameters")  # fmt: skip
        found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for form in (int, float):
        try:
            return form(text)
        except ValueError:
            continue
    return text


def _times(text: str, offset: int) -> str:
    times = []
    for part in filter(None, re.split(r"[,\s]+", text)):
        try:
            times.append(float(part) - offset)
        except ValueError:
            raise refuse("FRAME_RANGE", f"'{part}' is no time.", "Write frame numbers like 1001.5,1010.25.",
                         field="times") from None  # fmt: skip
    return ",".join(f"{time:.10g}" for time in times)


def _whole(node: Any, name: str, frames: list[int]) -> int:
    return int(steady(node, name, frames=frames))


def _whole_numbers(node: Any, name: str, frames: list[int]) -> list[int]:
    values = steady(node, name, frames=frames)
    if any(value != int(value) for value in values):
        raise refuse(
            "INVALID_JOB",
            "'{}' has parts of samples: {}.".format(
                node[_knobs.PREFIX + name].label(), ", ".join(f"{value:g}" for value in values)
            ),
            "Give whole numbers; nothing is rounded for you.",
            field=name,
        )
    return [int(value) for value in values]
