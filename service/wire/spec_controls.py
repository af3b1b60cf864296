"""The wire's controls to core's. Finds every problem that needs neither files nor an engine."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Protocol

from overscan.core import controls as core
from overscan.core.frames import format_frames
from overscan.service.wire.spec_media import MediaReader
from overscan.v1.controls_pb2 import (
    Camera,
    CameraMove,
    CameraMoveKind,
    ControlPass,
    ControlPassKind,
    Controls,
    Ease,
    Keyframe,
    MotionTransfer,
    PointTrajectory,
    PoseTransfer,
    Reference,
    ReferenceKind,
)

_MOST_STEPS = 1000
"""Noise levels that schedulers are trained with; more steps than these do nothing."""

_SLOWEST, _FASTEST = 1, 1000
"""Frames a second."""

_REFERENCES = {
    ReferenceKind.REFERENCE_KIND_SUBJECT: core.ReferenceKind.SUBJECT,
    ReferenceKind.REFERENCE_KIND_STYLE: core.ReferenceKind.STYLE,
    ReferenceKind.REFERENCE_KIND_ENVIRONMENT: core.ReferenceKind.ENVIRONMENT,
}
_PASSES = {
    ControlPassKind.CONTROL_PASS_KIND_DEPTH: core.ControlPassKind.DEPTH,
    ControlPassKind.CONTROL_PASS_KIND_POSE: core.ControlPassKind.POSE,
    ControlPassKind.CONTROL_PASS_KIND_EDGES: core.ControlPassKind.EDGES,
    ControlPassKind.CONTROL_PASS_KIND_MOTION: core.ControlPassKind.MOTION,
    ControlPassKind.CONTROL_PASS_KIND_NORMALS: core.ControlPassKind.NORMALS,
    ControlPassKind.CONTROL_PASS_KIND_SEGMENTATION: core.ControlPassKind.SEGMENTATION,
}
_MOVES = {
    CameraMoveKind.CAMERA_MOVE_KIND_PAN: core.CameraMoveKind.PAN,
    CameraMoveKind.CAMERA_MOVE_KIND_TILT: core.CameraMoveKind.TILT,
    CameraMoveKind.CAMERA_MOVE_KIND_ROLL: core.CameraMoveKind.ROLL,
    CameraMoveKind.CAMERA_MOVE_KIND_DOLLY: core.CameraMoveKind.DOLLY,
    CameraMoveKind.CAMERA_MOVE_KIND_TRUCK: core.CameraMoveKind.TRUCK,
    CameraMoveKind.CAMERA_MOVE_KIND_CRANE: core.CameraMoveKind.CRANE,
    CameraMoveKind.CAMERA_MOVE_KIND_ORBIT: core.CameraMoveKind.ORBIT,
    CameraMoveKind.CAMERA_MOVE_KIND_ZOOM: core.CameraMoveKind.ZOOM,
    CameraMoveKind.CAMERA_MOVE_KIND_HANDHELD: core.CameraMoveKind.HANDHELD,
}
_EASES = {
    Ease.EASE_UNSPECIFIED: core.Ease.IN_OUT,
    Ease.EASE_IN_OUT: core.Ease.IN_OUT,
    Ease.EASE_IN: core.Ease.IN,
    Ease.EASE_OUT: core.Ease.OUT,
    Ease.EASE_LINEAR: core.Ease.LINEAR,
}
_AMOUNTS: dict[core.CameraMoveKind, tuple[float, float, str]] = {
    core.CameraMoveKind.PAN: (-360, 360, "degrees from -360 to 360"),
    core.CameraMoveKind.TILT: (-180, 180, "degrees from -180 to 180"),
    core.CameraMoveKind.ROLL: (-360, 360, "degrees from -360 to 360"),
    core.CameraMoveKind.DOLLY: (-10, 0.95, "parts of the distance to the subject, from -10 to 0.95"),
    core.CameraMoveKind.TRUCK: (-10, 10, "distances to the subject, from -10 to 10"),
    core.CameraMoveKind.CRANE: (-10, 10, "distances to the subject, from -10 to 10"),
    core.CameraMoveKind.ORBIT: (-360, 360, "degrees from -360 to 360"),
    core.CameraMoveKind.ZOOM: (0.05, 20, "the focal length's factor, from 0.05 to 20"),
    core.CameraMoveKind.HANDHELD: (0, 100, "0 for steady to 100"),
}
"""Least and most of each move, and these in words."""


class _Strong(Protocol):
    """A message with an optional strength."""

    strength: float

    def HasField(self, field_name: Any) -> bool: ...  # noqa: N802 (protobuf's name)


def read_controls(given: Controls, media: MediaReader) -> core.Controls:
    """The controls that were set; what is wrong with them goes to `media`."""
    return _ControlsReader(media).controls(given)


class _ControlsReader:
    def __init__(self, media: MediaReader) -> None:
        self._media = media

    def controls(self, given: Controls) -> core.Controls:
        media = self._media
        self._words(given)
        if given.HasField("camera") and given.camera_moves:
            media.bad(
                "controls.camera_moves",
                "a camera and camera moves are given, and each says how the camera moves.",
                "Keep one of the two.",
            )
        passes = tuple(self._pass(entry, f"controls.passes[{at}]") for at, entry in enumerate(given.passes))
        moves = tuple(self._move(entry, f"controls.camera_moves[{at}]") for at, entry in enumerate(given.camera_moves))
        keyframes = [self._keyframe(entry, f"controls.keyframes[{at}]") for at, entry in enumerate(given.keyframes)]
        self._once("controls.passes", "passes", [entry.kind.value for entry in passes])
        self._once("controls.camera_moves", "moves", [entry.kind.value for entry in moves])
        self._once("controls.keyframes", "keyframes at frame", [entry.frame for entry in keyframes])
        return core.Controls(
            prompt=given.prompt,
            negative_prompt=given.negative_prompt if given.HasField("negative_prompt") else None,
            steps=given.steps if given.HasField("steps") else None,
            guidance=given.guidance if given.HasField("guidance") else None,
            strength=self._strength(given, "controls") if given.HasField("strength") else None,
            frame_rate=given.frame_rate if given.HasField("frame_rate") else None,
            keyframes=tuple(sorted(keyframes, key=lambda entry: entry.frame)),
            references=tuple(
                self._reference(entry, f"controls.references[{at}]") for at, entry in enumerate(given.references)
            ),
            passes=passes,
            source_frames=media.frames(given.source_frames, "controls.source_frames"),
            movers=media.matte(given.movers, "controls.movers") if given.HasField("movers") else None,
            never_copy=media.matte(given.never_copy, "controls.never_copy") if given.HasField("never_copy") else None,
            clean_plates=tuple(
                media.sequence(clean, f"controls.clean_plates[{at}]") for at, clean in enumerate(given.clean_plates)
            ),
            camera=self._camera(given.camera) if given.HasField("camera") else None,
            camera_moves=moves,
            trajectories=tuple(
                self._trajectory(track, f"controls.trajectories[{at}]") for at, track in enumerate(given.trajectories)
            ),
            motion_transfer=self._transfer(given.motion_transfer, "controls.motion_transfer")
            if given.HasField("motion_transfer")
            else None,
            pose_transfer=self._transfer(given.pose_transfer, "controls.pose_transfer")
            if given.HasField("pose_transfer")
            else None,
        )

    def _words(self, given: Controls) -> None:
        media = self._media
        if given.HasField("steps") and not 1 <= given.steps <= _MOST_STEPS:
            media.bad(
                "controls.steps",
                f"{given.steps} denoising steps make no picture.",
                f"Give 1 to {_MOST_STEPS}, or leave it to the engine.",
                actual=str(given.steps),
            )
        if given.HasField("guidance") and not (0 <= given.guidance < math.inf):
            media.bad(
                "controls.guidance",
                f"the guidance is {given.guidance:g}.",
                "Give a number of 0 or more, or leave it to the engine.",
                actual=f"{given.guidance:g}",
            )
        if given.HasField("frame_rate") and not _SLOWEST <= given.frame_rate <= _FASTEST:
            media.bad(
                "controls.frame_rate",
                f"the frame rate is {given.frame_rate:g}.",
                f"Give {_SLOWEST} to {_FASTEST} frames per second, e.g. 24 or 23.976.",
                actual=f"{given.frame_rate:g}",
            )

    def _strength(self, message: _Strong, field: str) -> float:
        """The strength of a message, 1 where it is not set."""
        if not message.HasField("strength"):
            return 1.0
        if not 0 <= message.strength <= 1:
            self._media.bad(
                f"{field}.strength",
                f"the strength is {message.strength:g}.",
                "Give 0 to 1 (0 to 100 on the command line).",
                actual=f"{message.strength:g}",
            )
        return message.strength

    def _kind(self, kinds: dict[Any, Any], number: int, field: str, *, what: str) -> Any:
        """A kind of core's for a number of the wire's; the first one after a complaint, for it is never used."""
        if number not in kinds:
            self._media.bad(
                f"{field}.kind",
                f"the kind of {what} is not said." if number == 0 else f"the kind {number} of {what} is unknown.",
                f"Give one of {', '.join(kind.value for kind in kinds.values())}.",
            )
        return kinds.get(number, next(iter(kinds.values())))

    def _keyframe(self, given: Keyframe, field: str) -> core.Keyframe:
        return core.Keyframe(
            frame=given.frame,
            image=self._media.image(given.image, f"{field}.image"),
            strength=self._strength(given, field),
        )

    def _reference(self, given: Reference, field: str) -> core.Reference:
        return core.Reference(
            image=self._media.image(given.image, f"{field}.image"),
            kind=self._kind(_REFERENCES, given.kind, field, what="reference"),
            strength=self._strength(given, field),
        )

    def _pass(self, given: ControlPass, field: str) -> core.ControlPass:
        return core.ControlPass(
            kind=self._kind(_PASSES, given.kind, field, what="pass"),
            sequence=self._media.sequence(given.sequence, f"{field}.sequence"),
            strength=self._strength(given, field),
        )

    def _move(self, given: CameraMove, field: str) -> core.CameraMove:
        kind: core.CameraMoveKind = self._kind(_MOVES, given.kind, field, what="camera move")
        least, most, words = _AMOUNTS[kind]
        if given.kind in _MOVES and not least <= given.amount <= most:
            self._media.bad(
                f"{field}.amount",
                f"the amount of the {kind.value} is {given.amount:g}.",
                f"Give {words}.",
                actual=f"{given.amount:g}",
            )
        if given.ease not in _EASES:
            names = ", ".join(dict.fromkeys(ease.value for ease in _EASES.values()))
            self._media.bad(f"{field}.ease", f"the ease {given.ease} is unknown.", f"Give one of {names}.")
        return core.CameraMove(kind=kind, amount=given.amount, ease=_EASES.get(given.ease, core.Ease.IN_OUT))

    def _transfer(self, given: MotionTransfer | PoseTransfer, field: str) -> core.Transfer:
        return core.Transfer(
            source=self._media.sequence(given.source, f"{field}.source"), strength=self._strength(given, field)
        )

    def _camera(self, camera: Camera) -> core.Camera:
        samples = (
            core.CameraSample(
                frame=sample.frame,
                matrix=tuple(sample.matrix),
                focal_length_mm=sample.focal_length_mm,
                horizontal_aperture_mm=sample.horizontal_aperture_mm,
                vertical_aperture_mm=sample.vertical_aperture_mm,
            )
            for sample in camera.samples
        )
        return core.Camera(
            samples=tuple(sorted(samples, key=lambda sample: sample.frame)),
            strength=self._strength(camera, "controls.camera"),
        )

    def _trajectory(self, track: PointTrajectory, field: str) -> core.PointTrajectory:
        nowhere = [point.frame for point in track.points if not point.HasField("position")]
        if nowhere:
            self._media.bad(
                field,
                f"the track '{track.name}' has no position at {format_frames(nowhere)}.",
                "Leave the frames out in which the point is lost.",
            )
        points = (
            core.TrajectoryPoint(frame=point.frame, x=point.position.x, y=point.position.y, occluded=point.occluded)
            for point in track.points
        )
        return core.PointTrajectory(name=track.name, points=tuple(sorted(points, key=lambda point: point.frame)))

    def _once(self, field: str, what: str, values: Iterable[object]) -> None:
        seen = list(values)
        again = sorted({str(value) for value in seen if seen.count(value) > 1})
        if again:
            self._media.bad(field, f"there are several {what} {', '.join(again)}.", "Keep one of each.")
