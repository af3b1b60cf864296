"""Controls on the wire: handed to the engine as they were given, and refused field by field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import grpc
import numpy as np
import OpenImageIO
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from serving import FIRST, Service

from overscan.core import controls as core
from overscan.core.controls import Camera, CameraSample, Controls, PointTrajectory, TrajectoryPoint
from overscan.core.jobs import MatteSource, SequenceSource
from overscan.core.media import ImageSource
from overscan.service.wire.spec import to_job
from overscan.v1 import controls_pb2 as wire
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.controls_pb2 import TrajectoryPoint as WirePoint
from overscan.v1.job_pb2 import JobSpec
from overscan.v1.plan_pb2 import Plan

LEVEL = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def _matte(path: Path, *, width: int = 16) -> str:
    spec = OpenImageIO.ImageSpec(width, 8, 1, "half")
    spec.channelnames = ("A",)
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output.open(str(path), spec)
    assert output.write_image(np.zeros((8, width, 1), np.float32))
    output.close()
    return str(path)


@pytest.fixture
def spec(make_spec: Callable[..., JobSpec]) -> JobSpec:
    """A job for the plate engine, frames 1001 to 1004, without controls."""
    made = make_spec()
    made.ClearField("controls")
    made.engine = "plate"
    return made


def _plan(service: Service, spec: JobSpec) -> Plan:
    return service.jobs.PlanJob(pb.PlanJobRequest(spec=spec), timeout=60).plan


def _refused(service: Service, spec: JobSpec) -> dict[str, str]:
    """The violated fields of a spec that is no job, and what is said of them."""
    with pytest.raises(grpc.RpcError) as caught:
        _plan(service, spec)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(caught.value)
    request = error_details_pb2.BadRequest()
    assert any(detail.Unpack(request) for detail in status.details)
    return {violation.field: violation.description for violation in request.field_violations}


def _camera(spec: JobSpec, *frames: int) -> None:
    for frame in frames:
        spec.controls.camera.samples.add(
            frame=frame, matrix=LEVEL, focal_length_mm=35, horizontal_aperture_mm=24, vertical_aperture_mm=12
        )


def test_every_control_reaches_the_job(spec: JobSpec) -> None:
    controls = spec.controls
    controls.source_frames.ranges.add(first=1001, last=1003, step=2)
    controls.movers.sequence.path = "/m/movers.%04d.exr"
    controls.movers.channel = "roto"
    controls.never_copy.sequence.path = "/m/never.%04d.exr"
    clean = controls.clean_plates.add(path="/c/wall.tif", layer="rgba", color_space="ACEScg")
    clean.frames.ranges.add(first=3, last=4)
    _camera(spec, 1004, 1001)
    track = controls.trajectories.add(name="corner")
    track.points.add(frame=1002, occluded=True).position.x = 2.5
    track.points.add(frame=1001).position.y = -1.0
    assert to_job(spec, parameters={}).controls == Controls(
        source_frames=(1001, 1003),
        movers=MatteSource(sequence=SequenceSource(path="/m/movers.%04d.exr"), channel="roto"),
        never_copy=MatteSource(sequence=SequenceSource(path="/m/never.%04d.exr")),
        clean_plates=(SequenceSource(path="/c/wall.tif", frames=(3, 4), layer="rgba", colour_space="ACEScg"),),
        camera=Camera(
            samples=tuple(
                CameraSample(
                    frame=frame,
                    matrix=LEVEL,
                    focal_length_mm=35,
                    horizontal_aperture_mm=24,
                    vertical_aperture_mm=12,
                )
                for frame in (1001, 1004)
            )
        ),
        trajectories=(
            PointTrajectory(
                name="corner",
                points=(
                    TrajectoryPoint(frame=1001, x=0, y=-1),
                    TrajectoryPoint(frame=1002, x=2.5, y=0, occluded=True),
                ),
            ),
        ),
    )


def test_no_controls_are_the_defaults(spec: JobSpec) -> None:
    assert to_job(spec, parameters={}).controls == Controls()


def test_the_plate_engine_takes_them(shared_service: Service, spec: JobSpec, tmp_path: Path, plate: str) -> None:
    spec.controls.source_frames.ranges.add(first=FIRST, last=FIRST + 1)
    spec.controls.movers.sequence.path = _matte(tmp_path / "movers.exr")
    spec.controls.never_copy.sequence.path = _matte(tmp_path / "never.exr")
    spec.controls.clean_plates.add(path=plate)
    _camera(spec, 1001, 1004)
    spec.controls.parameters["quality"].string_value = "preview"
    spec.controls.parameters["grain"].bool_value = False
    spec.controls.parameters["fill"].string_value = "none"
    found = _plan(shared_service, spec)
    assert found.feasible, found.problems


def test_all_that_is_wrong_with_controls_is_told_at_once(
    shared_service: Service, spec: JobSpec, tmp_path: Path
) -> None:
    spec.controls.source_frames.ranges.add(first=1, last=2)
    spec.controls.movers.sequence.path = _matte(tmp_path / "movers.exr", width=20)
    spec.controls.never_copy.sequence.path = str(tmp_path / "never.%04d.exr")
    spec.controls.clean_plates.add(path=str(tmp_path / "gone.exr"))
    _camera(spec, 1001, 1002)
    spec.controls.prompt = "a wall"
    spec.controls.parameters["quality"].string_value = "best"
    found = _plan(shared_service, spec)
    assert not found.feasible
    assert {(problem.code, problem.field) for problem in found.problems} == {
        ("FRAME_RANGE", "controls.source_frames"),
        ("MISMATCH", "controls.movers"),
        ("MISSING_FRAMES", "controls.never_copy"),
        ("MISSING_FRAMES", "controls.clean_plates[0]"),
        ("MISMATCH", "controls.camera.samples"),
        ("UNSUPPORTED_CONTROL", "controls.prompt"),
        ("INVALID_PARAMETER", "controls.parameters.quality"),
    }
    assert all(problem.next_step for problem in found.problems)


def test_an_engine_that_does_not_take_a_control_says_so(
    shared_service: Service, make_spec: Callable[..., JobSpec], plate: str
) -> None:
    spec = make_spec()
    spec.controls.movers.sequence.path = plate
    _camera(spec, 1001, 1004)
    spec.controls.trajectories.add(name="a").points.add(frame=1001).position.x = 1
    found = _plan(shared_service, spec)
    assert {(problem.code, problem.field) for problem in found.problems} == {
        ("UNSUPPORTED_CONTROL", f"controls.{name}") for name in ("movers", "camera", "trajectories")
    }


def test_files_of_controls_are_held_to_the_rules_of_the_plate(shared_service: Service, spec: JobSpec) -> None:
    spec.controls.movers.sequence.path = "movers.%04d.exr"
    spec.controls.never_copy.channel = "A"
    spec.controls.clean_plates.add(path="../wall.exr")
    spec.controls.clean_plates.add(upload_id="abc")
    spec.controls.source_frames.ranges.add(first=9, last=1)
    spec.controls.camera.strength = 1.5
    spec.controls.trajectories.add(name="corner").points.append(WirePoint(frame=1003))
    refused = _refused(shared_service, spec)
    assert set(refused) == {
        "controls.movers.sequence.path",
        "controls.never_copy.sequence.path",
        "controls.clean_plates[0].path",
        "controls.clean_plates[1].upload_id",
        "controls.source_frames",
        "controls.camera.strength",
        "controls.trajectories[0]",
    }
    assert "1003" in refused["controls.trajectories[0]"]


@pytest.mark.parametrize("name", ["movers", "never_copy", "clean_plates"])
def test_the_result_never_lands_on_what_the_job_reads(shared_service: Service, spec: JobSpec, name: str) -> None:
    path = spec.output.path.replace("%04d", "####")
    if name == "clean_plates":
        spec.controls.clean_plates.add(path=path)
    else:
        getattr(spec.controls, name).sequence.path = path
    spec.output.overwrite = True
    assert set(_refused(shared_service, spec)) == {"output.path"}


def test_every_control_of_a_model_reaches_the_job(spec: JobSpec) -> None:
    controls = spec.controls
    controls.prompt, controls.negative_prompt = "a wall", ""
    controls.steps, controls.guidance, controls.strength, controls.frame_rate = 20, 4.5, 0.75, 23.976
    late = controls.keyframes.add(frame=1004, strength=0.5)
    late.image.sequence.path, late.image.frame = "/k/key.%04d.exr", 7
    controls.keyframes.add(frame=1001).image.sequence.path = "/k/first.exr"
    controls.references.add(kind=wire.REFERENCE_KIND_STYLE).image.sequence.path = "/r/look.exr"
    controls.passes.add(kind=wire.CONTROL_PASS_KIND_DEPTH, strength=0).sequence.path = "/p/z.%04d.exr"
    controls.camera_moves.add(kind=wire.CAMERA_MOVE_KIND_PAN, amount=12)
    controls.camera_moves.add(kind=wire.CAMERA_MOVE_KIND_HANDHELD, amount=40, ease=wire.EASE_LINEAR)
    controls.motion_transfer.source.path = "/c/run.%04d.exr"
    controls.pose_transfer.source.path, controls.pose_transfer.strength = "/c/pose.%04d.png", 0.25
    found = to_job(spec, parameters={}).controls
    assert found == core.Controls(
        prompt="a wall",
        negative_prompt="",
        steps=20,
        guidance=4.5,
        strength=0.75,
        frame_rate=23.976,
        keyframes=(
            core.Keyframe(frame=1001, image=ImageSource(sequence=SequenceSource(path="/k/first.exr"))),
            core.Keyframe(
                frame=1004, image=ImageSource(sequence=SequenceSource(path="/k/key.%04d.exr"), frame=7), strength=0.5
            ),
        ),
        references=(
            core.Reference(
                image=ImageSource(sequence=SequenceSource(path="/r/look.exr")), kind=core.ReferenceKind.STYLE
            ),
        ),
        passes=(
            core.ControlPass(
                kind=core.ControlPassKind.DEPTH, sequence=SequenceSource(path="/p/z.%04d.exr"), strength=0.0
            ),
        ),
        camera_moves=(
            core.CameraMove(kind=core.CameraMoveKind.PAN, amount=12.0),
            core.CameraMove(kind=core.CameraMoveKind.HANDHELD, amount=40.0, ease=core.Ease.LINEAR),
        ),
        motion_transfer=core.Transfer(source=SequenceSource(path="/c/run.%04d.exr")),
        pose_transfer=core.Transfer(source=SequenceSource(path="/c/pose.%04d.png"), strength=0.25),
    )
    named = {(picture.role, picture.field, picture.source.path, picture.own) for picture in found.pictures()}
    assert named == {
        ("keyframe", "controls.keyframes[0].image", "/k/first.exr", False),
        ("keyframe", "controls.keyframes[1].image", "/k/key.%04d.exr", False),
        ("reference", "controls.references[0].image", "/r/look.exr", False),
        ("depth_pass", "controls.passes[0].sequence", "/p/z.%04d.exr", True),
        ("motion_source", "controls.motion_transfer.source", "/c/run.%04d.exr", False),
        ("pose_source", "controls.pose_transfer.source", "/c/pose.%04d.png", False),
    }
    assert {picture.source.frames for picture in found.pictures() if picture.role == "keyframe"} == {None, (7,)}


def test_no_kind_and_no_control_of_the_wire_is_left_out() -> None:
    """Whatever the contract can say has a place in core, so that nothing set is lost on the way."""
    assert {field.name for field in wire.Controls.DESCRIPTOR.fields} - {"seed", "parameters"} == {
        field.name for field in fields(core.Controls)
    }
    for kinds, name in (
        (core.ControlPassKind, "ControlPassKind"),
        (core.ReferenceKind, "ReferenceKind"),
        (core.CameraMoveKind, "CameraMoveKind"),
        (core.Ease, "Ease"),
    ):
        words = {value.name for value in wire.DESCRIPTOR.enum_types_by_name[name].values if value.number}
        ours = {word.rsplit("KIND_", 1)[-1].removeprefix("EASE_").lower().replace("_", "-") for word in words}
        assert ours == {kind.value for kind in kinds}


def test_all_that_is_wrong_with_a_model_s_controls_is_told_at_once(shared_service: Service, spec: JobSpec) -> None:
    controls = spec.controls
    controls.steps, controls.guidance, controls.strength, controls.frame_rate = 0, -1, 1.5, 0
    controls.keyframes.add(frame=1001, strength=-0.1).image.sequence.path = "key.exr"
    controls.keyframes.add(frame=1001).image.sequence.path = "/k/key.exr"
    controls.references.add().image.sequence.path = "/r/look.exr"
    controls.passes.add(kind=wire.CONTROL_PASS_KIND_DEPTH, strength=float("nan")).sequence.path = "/p/z.exr"
    controls.passes.add(kind=wire.CONTROL_PASS_KIND_DEPTH).sequence.path = "/p/z.exr"
    controls.passes.add(kind=77).sequence.path = "/p/z.exr"
    controls.camera_moves.add(kind=wire.CAMERA_MOVE_KIND_ZOOM, amount=0)
    controls.camera_moves.add(kind=wire.CAMERA_MOVE_KIND_HANDHELD, amount=101, ease=99)
    _camera(spec, 1001, 1004)
    controls.motion_transfer.strength = 2
    refused = _refused(shared_service, spec)
    assert set(refused) == {
        "controls.steps",
        "controls.guidance",
        "controls.strength",
        "controls.frame_rate",
        "controls.keyframes",
        "controls.keyframes[0].strength",
        "controls.keyframes[0].image.sequence.path",
        "controls.references[0].kind",
        "controls.passes",
        "controls.passes[0].strength",
        "controls.passes[2].kind",
        "controls.camera_moves",
        "controls.camera_moves[0].amount",
        "controls.camera_moves[1].amount",
        "controls.camera_moves[1].ease",
        "controls.motion_transfer.strength",
        "controls.motion_transfer.source.path",
    }
    assert "not said" in refused["controls.references[0].kind"]
    assert "the zoom is 0" in refused["controls.camera_moves[0].amount"]


def test_the_result_never_lands_on_a_keyframe_or_pass(shared_service: Service, spec: JobSpec) -> None:
    spec.controls.keyframes.add(frame=1001).image.sequence.path = spec.output.path
    spec.controls.passes.add(kind=wire.CONTROL_PASS_KIND_DEPTH).sequence.path = spec.output.path
    spec.output.overwrite = True
    refused = _refused(shared_service, spec)
    assert set(refused) == {"output.path"}
    assert "depth pass" in refused["output.path"]  # the last of both


def test_the_plate_engine_follows_a_camera_strictly(shared_service: Service, spec: JobSpec) -> None:
    _camera(spec, 1001, 1004)
    spec.controls.camera.strength = 0.5
    found = _plan(shared_service, spec)
    assert [(problem.code, problem.field) for problem in found.problems] == [
        ("INVALID_JOB", "controls.camera.strength")
    ]


@pytest.mark.parametrize("rate", [0.5, 1001.0, float("inf"), float("nan")])
def test_a_frame_rate_that_nothing_is_filmed_at_is_refused(shared_service: Service, spec: JobSpec, rate: float) -> None:
    spec.controls.frame_rate = rate
    assert "controls.frame_rate" in _refused(shared_service, spec)
