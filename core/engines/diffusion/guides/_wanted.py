"""Which guides a job asks for, and whether a family honours them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from overscan.core.controls import Controls
from overscan.core.engines.diffusion._family import FamilyCard, PassKind
from overscan.core.errors import InvalidJobError, OverscanError
from overscan.core.jobs import Job, Task


class Origin(str, Enum):
    """What a guide is made of."""

    PASS = "pass"
    MOTION = "motion_transfer"
    POSE = "pose_transfer"
    CAMERA = "camera"
    MOVES = "camera_moves"
    TRACKS = "trajectories"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One guide that is to be made."""

    origin: Origin
    kind: PassKind
    strength: float
    index: int = 0
    """Which of the passes."""


_CHOICES: dict[Origin, tuple[PassKind, ...]] = {
    Origin.MOTION: (PassKind.MOTION, PassKind.TRACKS),
    Origin.POSE: (PassKind.POSE,),
    Origin.CAMERA: (PassKind.CAMERA, PassKind.TRACKS),
    Origin.MOVES: (PassKind.CAMERA, PassKind.TRACKS),
    Origin.TRACKS: (PassKind.TRACKS,),
}
"""What may be made of a control, the best first."""

_NEW_FRAMES = (Task.CONTINUE, Task.INTERPOLATE, Task.GENERATE)


def wanted_guides(job: Job, *, card: FamilyCard) -> tuple[Wanted, ...]:
    """The guides to make for a job that `guide_problems` has nothing against."""
    found = [
        Wanted(origin=Origin.PASS, kind=PassKind(entry.kind.value), strength=entry.strength, index=index)
        for index, entry in enumerate(job.controls.passes)
    ]
    for origin, strength in _origins(job):
        kind = _best(origin, card)
        if kind is not None:
            found.append(Wanted(origin=origin, kind=kind, strength=strength))
    if any(wanted.origin is Origin.CAMERA and wanted.kind is PassKind.CAMERA for wanted in found):
        # It says how far away things are in the picture that the camera sees, and is in that.
        found = [wanted for wanted in found if wanted.kind is not PassKind.DEPTH]
    return tuple(found)


def guide_problems(job: Job, *, card: FamilyCard) -> Iterator[OverscanError]:
    """Every control that names a guide which the family does not honour, or that contradicts another."""
    controls = job.controls
    for index, entry in enumerate(controls.passes):
        if "passes" in card.controls and PassKind(entry.kind.value) not in card.passes:
            taken = sorted(kind.value for kind in card.passes - {PassKind.CAMERA, PassKind.TRACKS})
            yield _refused(
                f"'{card.name}' cannot be steered by {entry.kind.value} passes.",
                f"It takes: {', '.join(taken) or 'none'}. Leave the pass out, or choose another engine.",
                f"controls.passes[{index}]",
            )
    for index, reference in enumerate(controls.references):
        if "references" in card.controls and reference.kind not in card.references:
            taken = sorted(kind.value for kind in card.references)
            yield _refused(
                f"'{card.name}' cannot use a {reference.kind.value} reference.",
                f"It takes: {', '.join(taken) or 'none'}. Leave the reference out, or choose another engine.",
                f"controls.references[{index}]",
            )
    for origin, _ in _origins(job):
        if origin.value in card.controls and _best(origin, card) is None and origin is not Origin.MOVES:
            yield _refused(
                f"'{card.name}' has no guide that '{origin.value}' could become.",
                "Leave it out, or choose another engine.",
                f"controls.{origin.value}",
            )
    if controls.camera_moves and job.kind is not Task.CONTINUE and job.kind is not Task.GENERATE:
        yield _refused(
            f"camera moves are for frames that the plate has not, and '{job.kind.value}' makes none freely.",
            "Leave them out: the camera of a plate is as it was filmed.",
            "controls.camera_moves",
        )
    yield from _contradictions(controls, card)
    yield from _one_picture(job, card)


def _contradictions(controls: Controls, card: FamilyCard) -> Iterator[OverscanError]:
    kinds = {entry.kind.value for entry in controls.passes}
    for transfer, origin in ((controls.motion_transfer, Origin.MOTION), (controls.pose_transfer, Origin.POSE)):
        kind = _best(origin, card)
        if transfer is not None and kind is not None and kind.value in kinds:
            yield _refused(
                f"a {kind.value} pass and '{origin.value}' are given, and both say the same thing.",
                "Keep one of the two.",
                f"controls.{origin.value}",
            )


def _one_picture(job: Job, card: FamilyCard) -> Iterator[OverscanError]:
    """Tracks of all origins are drawn into one picture, which has one strength."""
    drawn = {origin: strength for origin, strength in _origins(job) if _best(origin, card) is PassKind.TRACKS}
    if len(set(drawn.values())) > 1:
        names = " and ".join(f"'{origin.value}'" for origin in drawn)
        yield _refused(
            f"{names} are shown to the model in one picture, and have different strengths.",
            "Set the camera's strength to 1, or keep one of them.",
            "controls.camera.strength",
        )


def _origins(job: Job) -> Iterator[tuple[Origin, float]]:
    """What guides are made of beside passes, and how strong these are."""
    controls = job.controls
    if controls.motion_transfer is not None:
        yield Origin.MOTION, 1.0  # its strength is in the motion itself
    if controls.pose_transfer is not None:
        yield Origin.POSE, controls.pose_transfer.strength
    # Where the plate goes on under what is painted, the plate engine's groundwork follows the camera.
    if controls.camera is not None and job.kind in _NEW_FRAMES:
        yield Origin.CAMERA, controls.camera.strength
    if controls.camera_moves:
        yield Origin.MOVES, 1.0
    if controls.trajectories and job.kind in _NEW_FRAMES:
        yield Origin.TRACKS, 1.0


def _best(origin: Origin, card: FamilyCard) -> PassKind | None:
    return next((kind for kind in _CHOICES[origin] if kind in card.passes), None)


def _refused(message: str, next_step: str, field: str) -> InvalidJobError:
    return InvalidJobError(message, next_step=next_step, field=field)
