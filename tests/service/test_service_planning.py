"""Specs in, plans and problems out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from serving import Service, wait_for

from overscan.v1 import engine_service_pb2 as engine_pb
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.engine_pb2 import ParameterType, Task
from overscan.v1.frames_pb2 import FrameRange
from overscan.v1.job_pb2 import JobSpec
from overscan.v1.plan_pb2 import Plan
from overscan.v1.rights_pb2 import TrainingDataClass


def plan(service: Service, spec: JobSpec) -> Plan:
    return service.jobs.PlanJob(pb.PlanJobRequest(spec=spec), timeout=60).plan


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, dict[str, dict[str, str]], dict[str, str]]:
    """The status, the problems by their codes, and the violated fields of a call that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    status = rpc_status.from_call(caught.value)
    assert status is not None, caught.value
    problems: dict[str, dict[str, str]] = {}
    fields: dict[str, str] = {}
    for detail in status.details:
        info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            assert info.domain == "overscan"
            problems[info.reason] = dict(info.metadata)
        elif detail.Unpack(request):
            fields |= {violation.field: violation.description for violation in request.field_violations}
    return caught.value.code(), problems, fields


def test_plans_a_job_without_running_it(service: Service, make_spec: Callable[..., JobSpec], ledger: Path) -> None:
    found = plan(service, make_spec(last=1012, chunk=5))
    assert found.feasible
    assert (found.engine, found.engine_version) == ("copycat", "1.2.3")
    assert [step.id for step in found.steps] == ["prepare", "render-0", "render-1", "render-2"]
    assert list(found.steps[3].needs) == ["prepare"]
    assert found.frames.ranges == [FrameRange(first=1001, last=1012, step=1)]
    assert sum(step.weight for step in found.steps) == pytest.approx(1.0)
    assert [notice.code for notice in found.warnings] == ["A_COPY"]
    assert not service.jobs.ListJobs(pb.ListJobsRequest(), timeout=10).jobs
    assert not ledger.exists()


def test_an_infeasible_job_is_planned_with_all_its_problems(
    service: Service, make_spec: Callable[..., JobSpec]
) -> None:
    spec = make_spec(last=1016, speed=3)
    spec.controls.prompt = "a house"
    spec.controls.guidance = 3
    found = plan(service, spec)
    assert not found.feasible
    codes = sorted(problem.code for problem in found.problems)
    assert codes == ["INVALID_PARAMETER", *["MISSING_FRAMES"] * 3, "UNSUPPORTED_CONTROL"]
    missing = [problem.frame for problem in found.problems if problem.code == "MISSING_FRAMES"]
    assert missing == [1014, 1015, 1016]
    assert {problem.field for problem in found.problems} >= {"controls.guidance", "controls.parameters.speed"}


def test_an_infeasible_job_is_not_created(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    code, problems, fields = refusal(lambda: service.create(make_spec(last=1014)))
    assert code == grpc.StatusCode.NOT_FOUND
    assert problems["MISSING_FRAMES"]["frame"] == "1014"
    assert fields["plate"] == "the frame 1014 is not there."
    assert not service.jobs.ListJobs(pb.ListJobsRequest(), timeout=10).jobs


def test_output_that_is_there_is_a_failed_precondition(
    service: Service, make_spec: Callable[..., JobSpec], tmp_path: Path
) -> None:
    (tmp_path / "out.1001.exr").touch()
    code, problems, _ = refusal(lambda: service.create(make_spec()))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "OUTPUT_EXISTS" in problems


def _relative(spec: JobSpec) -> None:
    spec.plate.path = "plate.%04d.exr"


def _no_task(spec: JobSpec) -> None:
    spec.ClearField("extend")


def _no_size(spec: JobSpec) -> None:
    spec.extend.format.size.height = 0


def _no_target(spec: JobSpec) -> None:
    spec.extend.ClearField("target")


def _no_plate(spec: JobSpec) -> None:
    spec.ClearField("plate")


def _backwards(spec: JobSpec) -> None:
    spec.frames.ranges.add(first=1010, last=1001)


def _endless(spec: JobSpec) -> None:
    spec.frames.ranges.add(first=-(2**31), last=2**31 - 1)


def _over_the_plate(spec: JobSpec) -> None:
    spec.output.path = spec.plate.path.replace("%04d", "####")
    spec.output.overwrite = True


def _zero_byte(spec: JobSpec) -> None:
    spec.output.path = "/tmp/a\0b.%04d.exr"


@pytest.mark.parametrize(
    ("spoil", "code", "field"),
    [
        (_relative, "INVALID_JOB", "plate.path"),
        (_no_task, "INVALID_JOB", "task"),
        (_no_size, "INVALID_JOB", "extend.format.size"),
        (_no_target, "INVALID_JOB", "extend"),
        (_no_plate, "INVALID_JOB", "plate"),
        (_backwards, "FRAME_RANGE", "frames"),
        (_endless, "FRAME_RANGE", "frames"),
        (_over_the_plate, "INVALID_JOB", "output.path"),
        (_zero_byte, "INVALID_JOB", "output.path"),
    ],
)
def test_a_malformed_spec_is_refused_field_by_field(
    shared_service: Service, make_spec: Callable[..., JobSpec], spoil: Callable[[JobSpec], None], code: str, field: str
) -> None:
    spec = make_spec()
    spoil(spec)
    for call in (lambda: plan(shared_service, spec), lambda: shared_service.create(spec)):
        status, problems, fields = refusal(call)
        assert status == grpc.StatusCode.INVALID_ARGUMENT
        assert problems[code]["field"] == field
        assert problems[code]["next_step"]
        assert field in fields


def test_every_fault_of_a_spec_is_named_at_once(shared_service: Service) -> None:
    _, _, fields = refusal(lambda: plan(shared_service, JobSpec()))
    assert set(fields) == {"task"}  # without an output path the service keeps the result
    spec = JobSpec()
    spec.plate.path = "a"
    spec.inpaint.matte.sequence.path = "b"
    spec.output.path = "c"
    _, _, fields = refusal(lambda: plan(shared_service, spec))
    assert set(fields) == {"plate.path", "inpaint.matte.sequence.path", "output.path"}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"speed": 3}, "no parameter 'speed'"),
        ({"seconds": "long"}, "'long'"),
        ({"seconds": 61}, "61"),
        ({"seconds": float("nan")}, "nan"),
        ({"chunk": 1.5}, "1.5"),
        ({"chunk": 0}, "0"),
        ({"chunk": True}, "True"),
        ({"stubborn": 1}, "1.0"),
        ({"mode": "other"}, "'other'"),
    ],
)
def test_a_wrong_parameter_is_refused(
    shared_service: Service, make_spec: Callable[..., JobSpec], parameters: dict[str, object], words: str
) -> None:
    status, problems, _ = refusal(lambda: shared_service.create(make_spec(**parameters)))
    assert status == grpc.StatusCode.INVALID_ARGUMENT
    assert words in problems["INVALID_PARAMETER"]["message"]
    assert problems["INVALID_PARAMETER"]["next_step"]


def test_an_unknown_engine_is_refused_with_the_known_ones(
    shared_service: Service, make_spec: Callable[..., JobSpec]
) -> None:
    spec = make_spec()
    spec.engine = "photoshop"
    status, problems, fields = refusal(lambda: shared_service.create(spec))
    assert status == grpc.StatusCode.INVALID_ARGUMENT
    assert "copycat" in problems["UNKNOWN_ENGINE"]["next_step"]
    assert set(fields) == {"engine"}
    assert not plan(shared_service, spec).feasible


def test_an_engine_that_does_not_load_says_why(shared_service: Service, make_spec: Callable[..., JobSpec]) -> None:
    spec = make_spec()
    spec.engine = "broken"
    _, problems, _ = refusal(lambda: shared_service.create(spec))
    assert "no device" in problems["UNKNOWN_ENGINE"]["message"]


def test_a_task_the_engine_does_not_do_is_refused(shared_service: Service, make_spec: Callable[..., JobSpec]) -> None:
    spec = make_spec()
    getattr(spec, "continue").head = 3
    _, problems, fields = refusal(lambda: shared_service.create(spec))
    assert "continue" in problems["INVALID_JOB"]["message"]
    assert set(fields) == {"engine"}


def test_a_file_that_crashes_the_reader_is_a_clear_error(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    status, problems, _ = refusal(lambda: plan(service, make_spec(mode="crash")))
    assert status == grpc.StatusCode.INTERNAL
    assert "SIGSEGV" in problems["WORKER_LOST"]["message"]
    log = Path(problems["WORKER_LOST"]["path"])
    assert "Segmentation fault" in log.read_text()
    assert plan(service, make_spec()).feasible, "the service did not survive"


def test_planning_has_a_time_limit(start: Callable[..., Service], make_spec: Callable[..., JobSpec]) -> None:
    service = start(OVERSCAN_PLAN_SECONDS_MAX="4")
    assert plan(service, make_spec()).feasible
    status, problems, _ = refusal(lambda: plan(service, make_spec(mode="sleep")))
    assert status == grpc.StatusCode.DEADLINE_EXCEEDED
    assert "4 seconds" in problems["PLAN_TIMEOUT"]["message"]
    assert plan(service, make_spec()).feasible


def test_planning_ends_when_the_caller_goes_away(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    assert plan(service, make_spec()).feasible
    (inspector,) = service.workers()
    future = service.jobs.PlanJob.future(pb.PlanJobRequest(spec=make_spec(mode="sleep")), timeout=60)
    wait_for(lambda: not future.done())
    future.cancel()
    assert plan(service, make_spec()).feasible
    assert not inspector.is_running() or inspector.status() == "zombie" or inspector in service.workers()


def test_a_plan_that_cannot_run_is_the_engines_fault(
    shared_service: Service, make_spec: Callable[..., JobSpec]
) -> None:
    status, problems, _ = refusal(lambda: shared_service.create(make_spec(circle=True)))
    assert status == grpc.StatusCode.INTERNAL
    assert "circle" in problems["ENGINE_FAULT"]["message"]


def test_lists_engines_with_what_they_can_do(shared_service: Service) -> None:
    engines = {
        engine.name: engine
        for engine in shared_service.engines.ListEngines(engine_pb.ListEnginesRequest(), timeout=60).engines
    }
    copycat, broken = engines["copycat"], engines["broken"]
    assert copycat.available
    assert list(copycat.tasks) == [Task.TASK_EXTEND]
    assert list(copycat.controls) == ["seed", "prompt"]
    assert copycat.rights.licence.id == "Apache-2.0"
    assert getattr(copycat.rights.training_data, "class") == TrainingDataClass.TRAINING_DATA_CLASS_NONE
    parameters = {parameter.name: parameter for parameter in copycat.parameters}
    assert parameters["chunk"].type == ParameterType.PARAMETER_TYPE_INT
    assert parameters["chunk"].minimum == 1
    assert not parameters["chunk"].HasField("maximum")
    assert parameters["mode"].type == ParameterType.PARAMETER_TYPE_CHOICE
    assert parameters["stubborn"].default_value.bool_value is False
    assert not broken.available
    assert "no device" in broken.unavailable_reason


def test_finds_engines_by_task_and_by_name(shared_service: Service) -> None:
    request = engine_pb.ListEnginesRequest(task=Task.TASK_GENERATE)
    assert "copycat" not in {engine.name for engine in shared_service.engines.ListEngines(request, timeout=60).engines}
    request = engine_pb.ListEnginesRequest(task=Task.TASK_EXTEND)
    names = {engine.name for engine in shared_service.engines.ListEngines(request, timeout=60).engines}
    assert "copycat" in names
    assert "broken" not in names
    found = shared_service.engines.GetEngine(engine_pb.GetEngineRequest(name="copycat"), timeout=60).engine
    assert found.version == "1.2.3"
    call = engine_pb.GetEngineRequest(name="none")
    status, _, _ = refusal(lambda: shared_service.engines.GetEngine(call, timeout=60))
    assert status == grpc.StatusCode.INVALID_ARGUMENT
