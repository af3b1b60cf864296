"""Frames over the wire: up, through a job that reads nothing else, and down again."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from serving import FIRST, Service, wait_for

from overscan.v1 import frame_service_pb2 as pb
from overscan.v1.frame_service_pb2_grpc import FrameServiceStub
from overscan.v1.frames_pb2 import FrameRange, FrameSet
from overscan.v1.job_pb2 import JobSpec, JobState
from overscan.v1.output_pb2 import ExtrasMode

CHUNK = 1 << 20
NAME = "S:\\show\\plate.%04d.exr"


def frames_of(service: Service) -> FrameServiceStub:
    return FrameServiceStub(service.channel)


def begin(service: Service, *, last: int = FIRST, name: str = NAME) -> str:
    frames = FrameSet(ranges=[FrameRange(first=FIRST, last=last, step=1)])
    return frames_of(service).CreateUpload(pb.CreateUploadRequest(name=name, frames=frames), timeout=10).upload_id


def chunks(
    upload_id: str, frame: int, data: bytes, *, begin: int = 0, end: int | None = None, size: int = CHUNK
) -> Iterator[pb.UploadFramesRequest]:
    """The messages that bring `data[begin:end]`, the last with size and hash where the file ends."""
    end = len(data) if end is None else end
    for offset in range(begin, end, size) or (begin,):
        piece = data[offset : min(offset + size, end)]
        message = pb.UploadFramesRequest(upload_id=upload_id, frame=frame, offset=offset, data=piece)
        if offset + len(piece) == len(data):
            message.total_size, message.sha256 = len(data), hashlib.sha256(data).digest()
        yield message


def send(service: Service, messages: Iterator[pb.UploadFramesRequest]) -> int:
    return frames_of(service).UploadFrames(messages, timeout=60).frames


def arrived(service: Service, upload_id: str) -> dict[int, tuple[int, bool]]:
    found = frames_of(service).GetUpload(pb.GetUploadRequest(upload_id=upload_id), timeout=10).frames
    return {frame.frame: (frame.size, frame.complete) for frame in found}


def code_of(call: Callable[[], Any]) -> str:
    """The code of the problem that a call ends with."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    status: Any = raised.value
    for detail in rpc_status.from_call(status).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    raise AssertionError(status)


def download(service: Service, **request: Any) -> bytes:
    data, sha256 = b"", b""
    for chunk in frames_of(service).DownloadFrame(pb.DownloadFrameRequest(**request), timeout=60):
        assert chunk.offset == request.get("offset", 0) + len(data)
        assert len(chunk.data) <= CHUNK
        data, sha256 = data + chunk.data, chunk.sha256
    if not request.get("offset"):
        assert hashlib.sha256(data).digest() == sha256
    return data


def test_a_frame_arrives_in_pieces_and_is_whole_when_its_hash_is_right(shared_service: Service) -> None:
    data = os.urandom(3 * CHUNK + 17)
    upload_id = begin(shared_service, last=FIRST + 1)
    assert arrived(shared_service, upload_id) == {}

    assert send(shared_service, chunks(upload_id, FIRST, data, end=CHUNK + 5)) == 0
    assert arrived(shared_service, upload_id) == {FIRST: (CHUNK + 5, False)}
    assert send(shared_service, chunks(upload_id, FIRST, data, begin=CHUNK + 5)) == 1

    assert arrived(shared_service, upload_id) == {FIRST: (len(data), True)}
    (file,) = shared_service.home.glob(f"uploads/{upload_id}/files/*")
    assert file.name == f"plate.{FIRST}.exr"
    assert file.read_bytes() == data
    assert send(shared_service, chunks(upload_id, FIRST, data, begin=len(data))) == 0, "saying it again harms nothing"


def test_what_does_not_follow_on_is_refused_and_nothing_is_lost(shared_service: Service) -> None:
    data = os.urandom(CHUNK)
    upload_id = begin(shared_service)
    send(shared_service, chunks(upload_id, FIRST, data, end=1000))

    for wrong in (0, 999, 1001, 2**40):
        message = pb.UploadFramesRequest(upload_id=upload_id, frame=FIRST, offset=wrong, data=b"x")
        assert code_of(lambda message=message: send(shared_service, iter([message]))) == "UPLOAD_OFFSET"
    too_early = pb.UploadFramesRequest(upload_id=upload_id, frame=FIRST, offset=1000, total_size=2000, sha256=bytes(32))
    assert code_of(lambda: send(shared_service, iter([too_early]))) == "UPLOAD_OFFSET"
    foreign = pb.UploadFramesRequest(upload_id=upload_id, frame=FIRST + 1, data=b"x")
    assert code_of(lambda: send(shared_service, iter([foreign]))) == "INVALID_JOB"
    huge = pb.UploadFramesRequest(upload_id=upload_id, frame=FIRST, offset=1000, data=bytes(CHUNK + 1))
    assert code_of(lambda: send(shared_service, iter([huge]))) == "MALFORMED_REQUEST"

    assert arrived(shared_service, upload_id) == {FIRST: (1000, False)}
    assert send(shared_service, chunks(upload_id, FIRST, data, begin=1000)) == 1


def test_a_frame_that_arrives_damaged_has_to_be_sent_again(shared_service: Service) -> None:
    data = os.urandom(5000)
    upload_id = begin(shared_service)
    damaged = bytearray(data)
    damaged[2500] ^= 1
    messages = list(chunks(upload_id, FIRST, bytes(damaged), size=1000))
    messages[-1].sha256 = hashlib.sha256(data).digest()

    assert code_of(lambda: send(shared_service, iter(messages))) == "UPLOAD_DAMAGED"
    assert arrived(shared_service, upload_id) == {}
    assert send(shared_service, chunks(upload_id, FIRST, data)) == 1


def test_what_was_sent_before_need_not_be_sent_again(shared_service: Service) -> None:
    data = os.urandom(5000)
    send(shared_service, chunks(begin(shared_service), FIRST, data))
    upload_id = begin(shared_service, last=FIRST + 1)

    known = pb.UploadFramesRequest(
        upload_id=upload_id, frame=FIRST, total_size=len(data), sha256=hashlib.sha256(data).digest()
    )
    unknown = pb.UploadFramesRequest(upload_id=upload_id, frame=FIRST + 1, total_size=5000, sha256=bytes(32))
    assert send(shared_service, iter([known, unknown])) == 1
    assert arrived(shared_service, upload_id)[FIRST] == (5000, True)
    assert not arrived(shared_service, upload_id).get(FIRST + 1, (0, False))[1]


@pytest.mark.parametrize(
    "name", ["", "/shots/", "plate.exr/..", "..", ".plate.%04d.exr", "C:\\", "a\0b.exr", "x" * 300 + ".%04d.exr"]
)
def test_a_name_that_no_file_could_have_is_refused(shared_service: Service, name: str) -> None:
    assert code_of(lambda: begin(shared_service, name=name)) == "INVALID_JOB"


def test_only_what_is_an_upload_is_found(shared_service: Service) -> None:
    for wrong in ("", "0" * 32, "../../etc", "pool"):
        request = pb.GetUploadRequest(upload_id=wrong)
        assert code_of(lambda request=request: frames_of(shared_service).GetUpload(request)) == "UNKNOWN_UPLOAD"


def test_several_streams_bring_frames_at_once(shared_service: Service) -> None:
    datas = {frame: os.urandom(2 * CHUNK + frame) for frame in range(FIRST, FIRST + 6)}
    upload_id = begin(shared_service, last=FIRST + 5)
    threads = [
        threading.Thread(target=send, args=(shared_service, chunks(upload_id, frame, data, size=100_000)))
        for frame, data in datas.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert arrived(shared_service, upload_id) == {frame: (len(data), True) for frame, data in datas.items()}


def _uploaded(service: Service, plate: str, *, last: int) -> str:
    upload_id = begin(service, last=last)
    for frame in range(FIRST, last + 1):
        send(service, chunks(upload_id, frame, Path(plate % frame).read_bytes()))
    return upload_id


def test_a_job_runs_on_what_was_brought_and_its_result_can_be_fetched(
    shared_service: Service, make_spec: Callable[..., JobSpec], plate: str
) -> None:
    service = shared_service
    upload_id = _uploaded(service, plate, last=FIRST + 2)
    spec = make_spec(last=FIRST + 2)
    spec.plate.upload_id = upload_id
    spec.output.path, spec.output.name = "", "out.%04d.exr"

    job = service.finish(service.create(spec).id)

    assert job.state == JobState.JOB_STATE_SUCCEEDED
    assert [frame.path for frame in job.frames] == [f"out.{FIRST + index}.exr" for index in range(3)]
    listed = frames_of(service).ListResultFiles(pb.ListResultFilesRequest(job_id=job.id), timeout=10).files
    assert [(file.name, file.frame) for file in listed[:3]] == [
        (f"out.{FIRST + index}.exr", FIRST + index) for index in range(3)
    ]
    assert "out.receipt.json" in {file.name for file in listed if not file.HasField("frame")}
    for file in listed:
        assert len(download(service, job_id=job.id, name=file.name)) == file.size
    assert download(service, job_id=job.id, frame=FIRST) == Path(plate % FIRST).read_bytes(), "the engine copies"
    assert b"S:\\\\show\\\\plate.1001.exr" in download(service, job_id=job.id, name="out.receipt.json")
    tail = download(service, job_id=job.id, frame=FIRST, offset=100)
    assert tail == Path(plate % FIRST).read_bytes()[100:]

    frames_of(service).DeleteResult(pb.DeleteResultRequest(job_id=job.id), timeout=10)
    assert code_of(lambda: download(service, job_id=job.id, frame=FIRST)) == "UNKNOWN_FILE"
    frames_of(service).DeleteUpload(pb.DeleteUploadRequest(upload_id=upload_id), timeout=10)
    assert not (service.home / "uploads" / upload_id).exists()


def test_a_job_waits_for_nothing_that_has_not_arrived(
    shared_service: Service, make_spec: Callable[..., JobSpec], plate: str
) -> None:
    upload_id = begin(shared_service, last=FIRST + 3)
    send(shared_service, chunks(upload_id, FIRST, Path(plate % FIRST).read_bytes()))
    spec = make_spec()
    spec.plate.upload_id = upload_id
    assert code_of(lambda: shared_service.create(spec)) == "UPLOAD_INCOMPLETE"
    spec.plate.upload_id = "0" * 32
    assert code_of(lambda: shared_service.create(spec)) == "UNKNOWN_UPLOAD"


def test_finished_frames_can_be_fetched_while_the_job_runs(
    shared_service: Service, make_spec: Callable[..., JobSpec], plate: str
) -> None:
    service = shared_service
    upload_id = _uploaded(service, plate, last=FIRST + 3)
    spec = make_spec(last=FIRST + 3, seconds=1.0)
    spec.plate.upload_id, spec.output.path = upload_id, ""
    job_id = service.create(spec).id

    wait_for(lambda: any(event.event.HasField("frame_finished") for event in service.watch(job_id)))
    assert download(service, job_id=job_id, frame=FIRST) == Path(plate % FIRST).read_bytes()
    assert code_of(lambda: download(service, job_id=job_id, frame=FIRST + 3)) == "UNKNOWN_FILE"
    assert (
        code_of(lambda: frames_of(service).DeleteUpload(pb.DeleteUploadRequest(upload_id=upload_id))) == "UPLOAD_IN_USE"
    )
    assert code_of(lambda: frames_of(service).DeleteResult(pb.DeleteResultRequest(job_id=job_id))) == "RESULT_NOT_KEPT"
    assert service.finish(job_id).state == JobState.JOB_STATE_SUCCEEDED


def test_a_service_that_is_killed_goes_on_with_what_has_arrived(start: Callable[..., Service]) -> None:
    data = os.urandom(2 * CHUNK)
    service = start()
    upload_id = begin(service)
    send(service, chunks(upload_id, FIRST, data, end=CHUNK + 7))
    service.process.kill()
    service.process.wait()
    service = start()
    assert arrived(service, upload_id) == {FIRST: (CHUNK + 7, False)}
    assert send(service, chunks(upload_id, FIRST, data, begin=CHUNK + 7)) == 1


def test_a_result_where_the_job_was_told_to_write_it_can_be_fetched_but_not_dropped(
    shared_service: Service, make_spec: Callable[..., JobSpec]
) -> None:
    spec = make_spec(last=FIRST, name="shared")
    spec.output.extras = ExtrasMode.EXTRAS_MODE_NONE
    job = shared_service.finish(shared_service.create(spec).id)
    assert download(shared_service, job_id=job.id, frame=FIRST) == Path(spec.output.path % FIRST).read_bytes()
    assert (
        code_of(lambda: frames_of(shared_service).DeleteResult(pb.DeleteResultRequest(job_id=job.id)))
        == "RESULT_NOT_KEPT"
    )
