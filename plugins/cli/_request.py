"""The job that a command line asks for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from overscan.client import JobFileError, make_problem, parse_job
from overscan.v1.job_pb2 import JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Options that every task has, as they were typed; None where they were not."""

    plate: str
    output: str
    frames: str | None
    plate_frames: str | None
    engine: str
    seed: int | None
    settings: Sequence[str]
    colour_space: str | None
    layer: str | None
    part: str | None
    view: str | None
    extras: str | None
    sample_type: str | None
    compression: str | None
    overwrite: bool
    show: str | None
    sequence: str | None
    shot: str | None
    artist: str | None
    final: bool


def extend_job(
    request: Request, *, format: str | None, place: str | None, margins: str | None, overscan: str | None
) -> JobSpec:
    """A set extension. Raises `JobFileError` where the options are no job."""
    targets = {"--format": format, "--margins": margins, "--overscan": overscan}
    given = [name for name, value in targets.items() if value is not None]
    if len(given) != 1:
        what = f"{' and '.join(given)} exclude each other" if given else "The new size is missing"
        raise _usage(f"{what}.", "Give one of --format 2880x1080, --margins L,R,T,B, --overscan L,R,T,B.")
    if place is not None and format is None:
        raise _usage("--place goes with --format only.", "With --margins the sides say where the plate lies.")
    task = _given(
        format=_given(size=format, place=place) if format is not None else None, margins=margins, overscan=overscan
    )
    return _job(request, "extend", task)


def inpaint_job(request: Request, *, matte: str, matte_channel: str | None) -> JobSpec:
    """A clean-up. Raises `JobFileError` where the options are no job."""
    return _job(request, "inpaint", {"matte": _given(sequence={"path": matte}, channel=matte_channel)})


def _job(request: Request, task: str, what: dict[str, object]) -> JobSpec:
    return parse_job(
        _given(
            plate=_given(
                path=request.plate,
                frames=request.plate_frames,
                part=request.part,
                layer=request.layer,
                view=request.view,
                color_space=request.colour_space,
            ),
            **{task: what},
            frames=request.frames,
            engine=request.engine,
            controls=_given(seed=request.seed, parameters=dict(map(_setting, request.settings)) or None) or None,
            output=_given(
                path=request.output,
                sample_type=request.sample_type,
                compression=request.compression,
                extras=request.extras,
                overwrite=request.overwrite or None,
            ),
            labels=_given(show=request.show, sequence=request.sequence, shot=request.shot, artist=request.artist)
            or None,
            use="final" if request.final else "temp",
        )
    )


def _setting(text: str) -> tuple[str, object]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise _usage(f"'{text}' is no setting.", "Write it like --set radius=3; `overscan engines` lists the names.")
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = {"True": True, "False": False}.get(value.strip(), value)
    # Only what is no plain value in JSON stays text; to force text on a number, quote it: --set name='"3"'.
    return name.strip(), parsed if isinstance(parsed, bool | int | float | str) else value


def _given(**options: object) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _usage(message: str, next_step: str) -> JobFileError:
    return JobFileError([make_problem("USAGE", message, next_step=next_step)])
