"""The job that a command line asks for."""

from __future__ import annotations

import json
import re

from overscan.cli._options import Request
from overscan.cli._steering import given, steering, usage
from overscan.client import load_camera, load_tracks, parse_job
from overscan.v1.job_pb2 import JobSpec


def extend_job(
    request: Request, *, format: str | None, place: str | None, margins: str | None, overscan: str | None
) -> JobSpec:
    """A set extension. Raises `JobFileError` where the options are no job."""
    targets = {"--format": format, "--margins": margins, "--overscan": overscan}
    named = [name for name, value in targets.items() if value is not None]
    if len(named) != 1:
        what = f"{' and '.join(named)} exclude each other" if named else "The new size is missing"
        raise usage(f"{what}.", "Give one of --format 2880x1080, --margins L,R,T,B, --overscan L,R,T,B.")
    if place is not None and format is None:
        raise usage("--place goes with --format only.", "With --margins the sides say where the plate lies.")
    task = given(
        format=given(size=format, place=place) if format is not None else None, margins=margins, overscan=overscan
    )
    return _job(request, "extend", task)


def inpaint_job(request: Request, *, matte: str, matte_channel: str | None) -> JobSpec:
    """A clean-up. Raises `JobFileError` where the options are no job."""
    return _job(request, "inpaint", {"matte": given(sequence={"path": matte}, channel=matte_channel)})


def continue_job(request: Request, *, head: int, tail: int) -> JobSpec:
    """Handles. Raises `JobFileError` where the options are no job."""
    if not head and not tail:
        raise usage("The handles are missing.", "Give --head 8, --tail 24 or both, in frames.")
    return _job(request, "continue", given(head=head or None, tail=tail or None))


def interpolate_job(request: Request, *, between: int | None, times: str | None) -> JobSpec:
    """In-betweens. Raises `JobFileError` where the options are no job."""
    if (between is None) == (times is None):
        what = "The in-betweens are missing" if between is None else "--between and --times exclude each other"
        raise usage(f"{what}.", "Give one of --between 1, --times 1001.5,1010.25.")
    return _job(request, "interpolate", given(between=between, times=times))


def _job(request: Request, task: str, what: dict[str, object]) -> JobSpec:
    spec = parse_job(
        given(
            plate=given(
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
            model=request.model,
            controls=given(
                seed=request.seed,
                source_frames=request.source_frames,
                never_copy=request.never_copy,
                movers=request.movers,
                clean_plates=request.clean_plate or None,
                parameters=_parameters(request) or None,
                **steering(request),
            )
            or None,
            output=given(
                path=request.output,
                sample_type=request.sample_type.value if request.sample_type else None,
                compression=request.compression,
                extras=request.extras.value if request.extras else None,
                overwrite=request.overwrite or None,
            ),
            labels=given(show=request.show, sequence=request.sequence, shot=request.shot, artist=request.artist)
            or None,
            use="final" if request.final else None,
            priority=request.priority,
            depends_on=request.depends_on or None,
        )
    )
    if request.camera is not None:
        spec.controls.camera.CopyFrom(load_camera(request.camera))
    if request.tracks is None and request.tracks_y is not None:
        raise usage("--tracks-y goes with --tracks only.", "Give the file of tracks as well.")
    if request.tracks is not None:
        spec.controls.trajectories.extend(load_tracks(request.tracks, upward_from=_upward_from(request)))
    return spec


def _parameters(request: Request) -> dict[str, object]:
    """The engine's parameters: those with an option of their own, and those named with --set."""
    named = given(quality=request.quality, search_range=request.search_range, fill=request.fill, grain=request.grain)
    for name, value in map(_setting, request.settings or ()):
        if name in named:
            raise usage(f"The parameter '{name}' is given twice.", "Keep one of its option and --set.")
        named[name] = value
    return named


def _upward_from(request: Request) -> int | None:
    """Rows of the format from whose lower edge a table of tracks counts; None where it counts down, as EXR does."""
    if request.tracks_y is None:
        if request.tracks is None or request.tracks.lower().endswith(".json"):
            return None
        raise usage(
            "A table of tracks does not say how its y counts.",
            "Add --tracks-y down (EXR), or --tracks-y up:1080 (Nuke and most trackers) with the format's rows.",
        )
    if request.tracks_y == "down":
        return None
    rows = re.fullmatch(r"up:(\d{1,6})", request.tracks_y)
    if rows is None or not int(rows[1]):
        raise usage(f"'{request.tracks_y}' is no way to count y.", "Write --tracks-y down, or --tracks-y up:1080.")
    return int(rows[1])


def _setting(text: str) -> tuple[str, object]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise usage(f"'{text}' is no setting.", "Write it like --set radius=3; `overscan engines` lists the names.")
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = {"True": True, "False": False}.get(value.strip(), value)
    # Only what is no plain value in JSON stays text; to force text on a number, quote it: --set name='"3"'.
    return name.strip(), parsed if isinstance(parsed, bool | int | float | str) else value
