"""What fuzzing has found once: numbers, texts and folders at the ends of what can be said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from serving import Service

from overscan.core.errors import ErrorRecord, InvalidJobError, OutsideRootsError
from overscan.core.plates import Sequence
from overscan.service._errors import PlanRefusedError, to_status
from overscan.service.calls.brief import shorten
from overscan.service.security.roots import Roots
from overscan.v1 import admin_service_pb2 as admin_pb
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.admin_service_pb2_grpc import AdminServiceStub
from overscan.v1.job_pb2 import JobSpec


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """Status and reason."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    status = rpc_status.from_call(caught.value)
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    return caught.value.code(), info.reason


def test_a_refusal_fits_into_the_headers_that_any_client_takes() -> None:
    long = "x" * 3000 + "ä\udce4" * 2000
    records = [
        ErrorRecord(code="INVALID_JOB", message=long, next_step=long, path=long, field=f"f{n}", actual=long)
        for n in range(40)
    ]
    status = to_status(PlanRefusedError(problems=records))
    (details,) = [value for key, value in status.trailing_metadata if key == "grpc-status-details-bin"]
    assert len(details) + len(status.details.encode()) * 3 < 8192
    assert status.details.endswith("(and 39 more)")


def test_all_problems_of_a_usual_size_are_told() -> None:
    records = [ErrorRecord(code="INVALID_JOB", message=f"field {n} is wrong.", field=f"f{n}") for n in range(20)]
    status = to_status(PlanRefusedError(problems=records))
    (details,) = [value for key, value in status.trailing_metadata if key == "grpc-status-details-bin"]
    assert details.count(b"google.rpc.ErrorInfo") == 20


@pytest.mark.parametrize("length", [0, 5, 99, 100, 101, 5000])
def test_texts_are_shortened_in_their_middle(length: int) -> None:
    text = "".join(chr(0x61 + n % 26) for n in range(length))
    short = shorten(text, bytes_max=100)
    assert short == text if length <= 100 else short.startswith(text[:40]) and short.endswith(text[-20:])
    assert len(shorten("äöü" * length, bytes_max=100).encode()) <= 100


def test_event_numbers_beyond_the_stores_are_none(shared_service: Service, make_spec: Callable[..., JobSpec]) -> None:
    job = shared_service.create(make_spec(last=1001))
    shared_service.finish(job.id)
    assert list(shared_service.watch(job.id, after=2**64 - 1)) == []


@pytest.mark.parametrize(("seconds", "nanos"), [(2**63 - 1, 0), (-(2**63), 0), (0, 2**31 - 1), (0, -1)])
def test_times_of_no_year_are_refused(shared_service: Service, seconds: int, nanos: int) -> None:
    request = admin_pb.PurgeRequest(dry_run=True)
    request.ended_before.seconds, request.ended_before.nanos = seconds, nanos
    admin = AdminServiceStub(shared_service.channel)
    assert refusal(lambda: admin.Purge(request, timeout=30)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_JOB")


@pytest.mark.parametrize("field", ["path", "plate_path"])
def test_paths_with_a_zero_byte_are_refused(shared_service: Service, field: str) -> None:
    request = pb.VerifyOutputRequest(path="/a/b.%04d.exr")
    setattr(request, field, "/a/b\0c.%04d.exr")
    found = refusal(lambda: list(shared_service.jobs.VerifyOutput(request, timeout=30)))
    assert found == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_JOB")


def test_a_link_that_leads_to_itself_hides_no_frames(tmp_path: Path) -> None:
    (tmp_path / "a.0001.exr").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "gone.0001.exr").symlink_to(tmp_path / "nowhere")
    assert Sequence.find(pattern=str(tmp_path / "a.%04d.exr")).frames == (1,)


def test_refusals_name_only_the_folders_that_were_configured(tmp_path: Path) -> None:
    roots = Roots(read=[tmp_path / "shown", tmp_path / "hidden"], shown=[tmp_path / "shown"])
    roots.check_read(tmp_path / "hidden" / "a.exr")
    with pytest.raises(OutsideRootsError) as caught:
        roots.check_read("/etc/passwd", "plate.path")
    assert "shown" in caught.value.record.next_step
    assert "hidden" not in caught.value.record.next_step
    with pytest.raises(InvalidJobError):
        roots.check_read(f"{tmp_path}/shown/a\0b", "plate.path")
