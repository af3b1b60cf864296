"""What a result says of itself in its header, so that it can be checked against its plate years later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from overscan.core.controls import Controls
from overscan.core.engines import load_engine
from overscan.core.errors import InvalidJobError, UnknownEngineError
from overscan.core.frames import format_frames, parse_frames
from overscan.core.jobs import Job, Task
from overscan.core.plates import read_header
from overscan.core.results._digests import PREFIX
from overscan.core.rights import card_digest
from overscan.core.shots import Shot, time_text

_STEERING = ("keyframe", "reference", "motion_source", "pose_source")
"""Roles of pictures that steer a model, beside passes."""
_NEEDED = ("plate", "frame", "frames", "offset", "part", "channels", "task")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How one result frame relates to its plate."""

    plate: str
    """Path pattern."""
    frame: int
    """Its number in the job, whatever the file is called now."""
    plate_frame: int | None
    """The plate frame that it is; None where the plate has none."""
    frames: tuple[int, ...]
    """All frames that the job rendered."""
    offset: tuple[int, int]
    part: int
    """Index of the painted part in the plate."""
    painted: tuple[str, ...]
    """Channels that were painted."""
    fills: bool
    """Whether it fills a matte; all other tasks leave all of the plate as it is."""
    matte: str
    """Path pattern, empty where there is none."""
    matte_part: int
    matte_channel: str


def receipt_of(shot: Shot, *, frame: int) -> dict[str, str]:
    """The receipt of a result frame of `shot`, by its number in the result, as header attributes."""
    job, matte, moment = shot.job, shot.matte, shot.moments[frame]
    words = {
        "plate": job.named(shot.plate.pattern),
        "frame": str(frame),
        "frames": format_frames(shot.render),
        "time": time_text(moment.time),
        "new": "yes" if moment.plate is None else "",
        "offset": f"{shot.layout.offset[0]} {shot.layout.offset[1]}",
        "part": str(shot.part),
        # Blender puts spaces into layer names, so names need quotes.
        "channels": json.dumps(shot.colours),
        "colour_space": shot.space.name,
        "task": job.kind.value,
        "extras": job.output.extras.value,
        "model": job.model,
        "use": job.use.value,
    }
    words |= _rights(job.engine)
    if matte is not None:
        words |= {
            "matte": job.named(matte.sequence.pattern),
            "matte_part": str(matte.part),
            "matte_channel": matte.channel,
        }
    words |= {name: json.dumps(value) for name, value in _steering(job).items() if value}
    return {f"{PREFIX}{name}": text for name, text in words.items() if text}


def _rights(engine: str) -> dict[str, str]:
    """What the engine's rights card says, in short, and the digest of all of it, by which a receipt is found again."""
    try:
        card = load_engine(engine).card.rights
    except UnknownEngineError:  # run by hand
        return {}
    return {"training_data": card.training_data.value, "licence": card.licence, "card": card_digest(card)}


def _steering(job: Job) -> dict[str, Mapping[str, object]]:
    """What steered the engine besides its task, in short: controls and parameters that were set."""
    controls, camera = job.controls, job.controls.camera
    named = {
        "source_frames": format_frames(controls.source_frames or ()),
        "movers": controls.movers.sequence.named if controls.movers else "",
        "never_copy": controls.never_copy.sequence.named if controls.never_copy else "",
        "clean_plates": [source.named for source in controls.clean_plates],
        "camera": format_frames(sample.frame for sample in camera.samples) if camera else "",
        "trajectories": len(controls.trajectories),
    }
    return {
        "controls": {name: value for name, value in named.items() if value} | _model_steering(controls),
        "parameters": dict(sorted(job.parameters.items())),
    }


def _model_steering(controls: Controls) -> dict[str, object]:
    """What steers a model, in short; the words are in full, for they cannot be found elsewhere."""
    plain = ("negative_prompt", "steps", "guidance", "strength", "frame_rate")  # 0 and no words are values of theirs
    said = {name: getattr(controls, name) for name in plain if getattr(controls, name) is not None}
    said |= {"prompt": controls.prompt} if controls.prompt else {}
    paths: dict[str, list[str]] = {}
    for picture in controls.pictures():
        if picture.role in _STEERING or picture.role.endswith("_pass"):
            paths.setdefault(picture.role, []).append(picture.source.named)
    moves = [f"{move.kind.value} {move.amount:g} {move.ease.value}" for move in controls.camera_moves]
    return said | paths | ({"camera_moves": moves} if moves else {})


def read_receipt(path: Path) -> Receipt:
    """The receipt in the header of `path`; raises `InvalidJobError` where there is none, and the errors of reading."""
    for header in read_header(path):
        words = {
            name.removeprefix(PREFIX): str(value)
            for name, value in header.attributes.items()
            if name.startswith(PREFIX)
        }
        if all(name in words for name in _NEEDED):
            try:
                return _parsed(words)
            except ValueError as error:
                raise _none(path) from error
    raise _none(path)


def _parsed(words: Mapping[str, str]) -> Receipt:
    x, y = words["offset"].split()
    is_new = words.get("new") == "yes"
    return Receipt(
        plate=words["plate"],
        frame=int(words["frame"]),
        plate_frame=None if is_new else int(words.get("time", words["frame"])),
        frames=parse_frames(words["frames"]),
        offset=(int(x), int(y)),
        part=int(words["part"]),
        painted=tuple(json.loads(words["channels"])),
        fills=words["task"] == Task.INPAINT.value,
        matte=words.get("matte", ""),
        matte_part=int(words.get("matte_part", "0")),
        matte_channel=words.get("matte_channel", ""),
    )


def _none(path: Path) -> InvalidJobError:
    return InvalidJobError(
        "the file does not say that Overscan made it.",
        next_step="Verify frames that Overscan wrote as EXR; a job's own check covers other formats.",
        path=path,
    )
