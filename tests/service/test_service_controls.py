"""Controls on the wire: handed to the engine as they were given, and refused field by field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import OpenImageIO
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from serving import FIRST, Service

from overscan.core.controls import Camera, CameraSample, Controls, PointTrajectory, TrajectoryPoint
from overscan.core.jobs import MatteSource, SequenceSource
from overscan.service._spec import to_job
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
    spec.controls.camera.strength = 0.5
    spec.controls.trajectories.add(name="corner").points.append(WirePoint(frame=1003))
    fields = _refused(shared_service, spec)
    assert set(fields) == {
        "controls.movers.sequence.path",
        "controls.never_copy.sequence.path",
        "controls.clean_plates[0].path",
        "controls.clean_plates[1].upload_id",
        "controls.source_frames",
        "controls.camera.strength",
        "controls.trajectories[0]",
    }
    assert "1003" in fields["controls.trajectories[0]"]


@pytest.mark.parametrize("name", ["movers", "never_copy", "clean_plates"])
def test_the_result_never_lands_on_what_the_job_reads(shared_service: Service, spec: JobSpec, name: str) -> None:
    path = spec.output.path.replace("%04d", "####")
    if name == "clean_plates":
        spec.controls.clean_plates.add(path=path)
    else:
        getattr(spec.controls, name).sequence.path = path
    spec.output.overwrite = True
    assert set(_refused(shared_service, spec)) == {"output.path"}
