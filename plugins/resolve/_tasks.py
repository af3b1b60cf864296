"""The job that a wish on a clip comes to."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from overscan_host import build_job, refuse
from overscan_resolve._asking import ask, text
from overscan_resolve._clip import Clip
from overscan_resolve._handover import Handover, timeline_size
from overscan_resolve._wish import Wish

_SHARPER = 0.0005
"""Values of the Inspector that differ by less are the same."""


def job_for(project: Any, timeline: Any, clip: Clip, wish: Wish, pixels: Handover, *, output: str, shot: str) -> Any:
    """As job files have it, with its output. Raises `RefusalError`."""
    return build_job(
        task=wish.job_task,
        settings=settings_of(project, timeline, clip, wish, pixels),
        output={"path": output, "extras": "sidecar"},  # hosts differ in what they make of a second part
        plate=pixels.plate(),
        controls={"prompt": wish.prompt, "parameters": dict(wish.parameters)},
        engine=wish.engine,
        model=wish.model,
        labels={"show": text(project, "GetName"), "shot": shot},
        use=wish.use,
    )


def settings_of(project: Any, timeline: Any, clip: Clip, wish: Wish, pixels: Handover | None) -> dict[str, Any]:
    """What stands under the task's name. Raises `RefusalError` for what cannot be done with this clip."""
    if wish.task == "extend":
        return {"format": {"size": wish.size or _timeline_format(project, timeline, clip, wish)}}
    if wish.task == "continue":
        return _head_and_tail(clip, wish)
    return {"matte": pixels.matte if pixels is not None else None}


def _head_and_tail(clip: Clip, wish: Wish) -> dict[str, Any]:
    """How many frames are missing of those that are wanted: what the media has, trimming brings out."""
    timing = clip.timing
    if timing.speed == 0:
        raise refuse("INVALID_JOB", f"'{clip.name}' is a still or a freeze: it has no head and no tail.",
                     "Drag its end in the timeline: it gets longer by itself.")  # fmt: skip
    per_frame = timing.advance
    spare_low = timing.source_start
    spare_high = timing.media_frames - 1 - timing.source_last
    low, high = (wish.tail, wish.head) if timing.speed < 0 else (wish.head, wish.tail)
    new_low = max(0, _up(low * per_frame) - spare_low) if low else 0
    new_high = max(0, _up(high * per_frame) - spare_high) if high else 0
    if not (new_low or new_high):
        raise refuse(
            "INVALID_JOB",
            f"The media of '{clip.name}' has these frames already: {spare_low} before and {spare_high} after it.",
            "Trim the clip out in the timeline, or ask for more frames.",
        )
    return {"head": new_low, "tail": new_high}


def _timeline_format(project: Any, timeline: Any, clip: Clip, wish: Wish) -> str:
    """The smallest format of the timeline's shape around the plate, whose own pixels stay as they are.

    Resolve scales a clip that is not of the timeline's shape until it fits; in the new format it lies where it lay.
    """
    if wish.pixels == "graded":
        raise refuse(
            "INVALID_JOB",
            "What the timeline shows has the timeline's format already, with black beside the clip.",
            "Choose source pixels.",
            field="pixels",
        )
    _check_sizing(project, timeline, clip)
    media = clip.media
    aspect = _pixel_aspect(media.properties.get("PAR", ""))
    across, down = timeline_size(timeline)
    if _crops(project, timeline, clip):
        if across < media.width or down < media.height or (across, down) == (media.width, media.height):
            raise refuse(
                "INVALID_JOB",
                f"'{clip.name}' is {media.width}x{media.height}, not scaled: it covers the timeline's {across}x{down}.",
                "Nothing has to be made; name a size to extend it beyond that.",
            )
        return f"{across}x{down}"
    shape = Fraction(across, down) / aspect
    if Fraction(media.width, media.height) == shape:
        raise refuse("INVALID_JOB", f"'{clip.name}' has the timeline's shape already: it fills the picture.",
                     "Name a size to extend it beyond that.")  # fmt: skip
    if Fraction(media.width, media.height) < shape:
        return f"{_up(media.height * shape)}x{media.height}"
    return f"{media.width}x{_up(media.width / shape)}"


def _check_sizing(project: Any, timeline: Any, clip: Clip) -> None:
    """A take has the sizing of the clip it replaces, so what moves or scales the clip would move the result."""
    found = ask(clip.item, "GetProperty")
    properties = found if isinstance(found, dict) else {}
    neutral = {"Pan": 0.0, "Tilt": 0.0, "ZoomX": 1.0, "ZoomY": 1.0, "RotationAngle": 0.0, "Pitch": 0.0, "Yaw": 0.0,
               "CropLeft": 0.0, "CropRight": 0.0, "CropTop": 0.0, "CropBottom": 0.0}  # fmt: skip
    moved = [
        f"{name} {float(properties[name]):g}"
        for name, value in neutral.items()
        if isinstance(properties.get(name), (int, float)) and abs(float(properties[name]) - value) > _SHARPER
    ]
    moved += [name for name in ("FlipX", "FlipY") if properties.get(name) is True]
    if moved:
        raise refuse(
            "UNSUPPORTED",
            "'{}' is moved or scaled in the Inspector ({}), and its extension would be, too: it would not fill the "
            "picture.".format(clip.name, ", ".join(moved)),
            "Reset the transform and the cropping of the clip, or name the size that you want.",
        )
    scaling = properties.get("Scaling")
    behaviour = text(timeline, "GetSetting", "timelineInputResMismatchBehavior") or text(
        project, "GetSetting", "timelineInputResMismatchBehavior"
    )
    fills = (
        scaling in (3, 4)
        if scaling in (1, 2, 3, 4)
        else bool(re.search("fill|stretch|scaleToCrop", behaviour, re.IGNORECASE))
    )
    if fills and not _crops(project, timeline, clip):
        raise refuse(
            "UNSUPPORTED",
            f"'{clip.name}' is scaled to fill the picture, by cropping or stretching: nothing is missing.",
            "Set its Scaling (Inspector, Retime and Scaling) to Fit or Crop.",
        )


def _crops(project: Any, timeline: Any, clip: Clip) -> bool:
    """Whether the clip is shown pixel by pixel, not scaled."""
    scaling = ask(clip.item, "GetProperty", "Scaling")
    if scaling in (1, 2, 3, 4):
        return bool(scaling == 1)
    behaviour = text(timeline, "GetSetting", "timelineInputResMismatchBehavior") or text(
        project, "GetSetting", "timelineInputResMismatchBehavior"
    )
    return "centercrop" in behaviour.lower()


def _pixel_aspect(written: str) -> Fraction:
    try:
        found = Fraction(written)
    except (ValueError, ZeroDivisionError):
        return Fraction(2) if written.lower() == "cinemascope" else Fraction(1)
    return found if found > 0 else Fraction(1)


def _up(value: Fraction) -> int:
    return -int(-value // 1)
