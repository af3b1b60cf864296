"""Options that steer a model, as fields of a job's controls."""

from __future__ import annotations

import re
from collections.abc import Callable

from overscan.cli._options import Request
from overscan.client import JobFileError, make_problem

_STRENGTH = re.compile(r"(.+):(\d+(?:\.\d+)?)")
"""What ends with a colon and a number has a strength; ``C:/x.exr`` has none."""


def steering(request: Request) -> dict[str, object]:
    """The controls for a model that were given. Raises `JobFileError` where an option says nothing."""
    return given(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        steps=request.steps,
        guidance=request.guidance,
        strength=None if request.strength is None else _part(request.strength, "--strength"),
        frame_rate=request.frame_rate,
        keyframes=_each(request.keyframes, _keyframe),
        references=_each(request.references, _reference),
        passes=_each(request.passes, _pass),
        camera_moves=request.camera_moves or None,
        motion_transfer=_transfer(request.motion_from, "--motion-from"),
        pose_transfer=_transfer(request.pose_from, "--pose-from"),
    )


def given(**options: object) -> dict[str, object]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def usage(message: str, next_step: str) -> JobFileError:
    """That the options are no job."""
    return JobFileError([make_problem("USAGE", message, next_step=next_step)])


def _each(texts: list[str] | None, read: Callable[[str], dict[str, object]]) -> list[dict[str, object]] | None:
    return [read(text) for text in texts] if texts else None


def _keyframe(text: str) -> dict[str, object]:
    frame, path, strength = _named(text, "--keyframe", "1050=key.exr or 1050=key.exr:80")
    return given(frame=frame, image=path, strength=strength)


def _reference(text: str) -> dict[str, object]:
    kind, path, strength = _named(text, "--reference", "style=look.exr or subject=face.png:60")
    return given(kind=kind, image=path, strength=strength)


def _pass(text: str) -> dict[str, object]:
    kind, path, strength = _named(text, "--pass", "depth=z.%04d.exr or edges=lines.%04d.exr:50")
    return given(kind=kind, sequence=path, strength=strength)


def _transfer(text: str | None, option: str) -> dict[str, object] | None:
    if text is None:
        return None
    path, strength = _strength(text, option)
    return given(source=path, strength=strength)


def _named(text: str, option: str, example: str) -> tuple[str, str, float | None]:
    """Name, path and strength of ``NAME=PATH[:0-100]``."""
    name, sign, rest = text.partition("=")
    if not sign or not name.strip() or not rest:
        raise usage(f"'{text}' does not say what {option} is.", f"Write it like {option} {example}.")
    return (name.strip(), *_strength(rest, option))


def _strength(text: str, option: str) -> tuple[str, float | None]:
    match = _STRENGTH.fullmatch(text)
    return (text, None) if match is None else (match[1], _part(float(match[2]), option))


def _part(percent: float, option: str) -> float:
    if not 0 <= percent <= 100:
        raise usage(f"the strength of {option} is {percent:g}.".capitalize(), "Give 0 to 100.")
    return percent / 100
