"""Checks of frames over the wire: offset-addressed, resumable, hashed, in both directions."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import grpc

from overscan.service.conformance._check import NotApplicableError, check, expect
from overscan.service.conformance._refusals import Refusal, expect_refusal
from overscan.service.conformance._shot import chunks_of
from overscan.service.conformance._target import CHUNK_BYTES, Target
from overscan.v1 import frame_service_pb2 as pb
from overscan.v1.frame_service_pb2 import UploadFramesRequest

_NOBODY = "ffffffffffffffffffffffffffffffff"
_PIECE = 500
"""Bytes of a chunk of the suite's small files, so that each has several."""
_WRONG = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.DATA_LOSS,
}


@contextlib.contextmanager
def _upload(target: Target) -> Iterator[str]:
    request = pb.CreateUploadRequest(name="plate.%04d.exr", frames=target.shot(3).frame_set())
    upload_id: str = target.ask(target.frames.CreateUpload, request).upload_id
    try:
        yield upload_id
    finally:
        with contextlib.suppress(grpc.RpcError):
            target.ask(target.frames.DeleteUpload, pb.DeleteUploadRequest(upload_id=upload_id))


def _send(target: Target, chunks: Iterable[UploadFramesRequest]) -> int:
    answer = target.stream(target.frames.UploadFrames, iter(list(chunks)), seconds=30.0)
    return int(answer.frames)


def _arrived(target: Target, upload_id: str) -> dict[int, pb.UploadedFrame]:
    answer = target.ask(target.frames.GetUpload, pb.GetUploadRequest(upload_id=upload_id))
    return {frame.frame: frame for frame in answer.frames}


def _frame(target: Target) -> tuple[int, bytes]:
    number = target.shot(3).numbers[0]
    return number, target.shot(3).files[number]


@check("transfers.upload")
def upload(target: Target) -> None:
    """Frames sent in chunks are there, complete, and counted; deleted, the upload is gone."""
    with _upload(target) as upload_id:
        shot = target.shot(3)
        sent = _send(target, shot.chunks(upload_id=upload_id, chunk_bytes=_PIECE))
        expect(sent == len(shot.numbers), f"{sent} frames were counted.")
        found = _arrived(target, upload_id)
        expect(sorted(found) == list(shot.numbers), f"there are {sorted(found)}.")
        for number, frame in found.items():
            expect(frame.complete and frame.size == len(shot.files[number]), f"frame {number} is not complete.")
        target.ask(target.frames.DeleteUpload, pb.DeleteUploadRequest(upload_id=upload_id))
        _refused_upload(target, lambda: _arrived(target, upload_id))


@check("transfers.resume_upload")
def resume_upload(target: Target) -> None:
    """A file that was cut off goes on where GetUpload says."""
    number, data = _frame(target)
    with _upload(target) as upload_id:
        chunks = list(chunks_of(data, upload_id=upload_id, frame=number, chunk_bytes=_PIECE))
        expect(len(chunks) > 3, "the suite's frames are too small.")
        _send(target, chunks[:2])
        found = _arrived(target, upload_id)[number]
        expect(found.size == 2 * _PIECE and not found.complete, f"{found.size} bytes have arrived of {2 * _PIECE}.")
        rest = chunks_of(data, upload_id=upload_id, frame=number, chunk_bytes=_PIECE, offset=found.size)
        expect(_send(target, rest) == 1, "the frame is not counted.")
        expect(_arrived(target, upload_id)[number].complete, "the frame is not complete.")


@check("transfers.gap")
def gap(target: Target) -> None:
    """A chunk that leaves a gap is refused, and what was there before stays."""
    number, data = _frame(target)
    with _upload(target) as upload_id:
        chunks = list(chunks_of(data, upload_id=upload_id, frame=number, chunk_bytes=_PIECE))
        _send(target, chunks[:1])
        expect_refusal(lambda: _send(target, [chunks[2]]), status=_WRONG)
        expect(_arrived(target, upload_id)[number].size == _PIECE, "what was there is lost.")


@check("transfers.wrong_hash")
def wrong_hash(target: Target) -> None:
    """A file whose hash is not what was said never becomes complete."""
    number, data = _frame(target)
    with _upload(target) as upload_id:
        chunks = list(chunks_of(data, upload_id=upload_id, frame=number, chunk_bytes=_PIECE))
        chunks[-1].sha256 = hashlib.sha256(b"something else").digest()
        expect_refusal(lambda: _send(target, chunks), status=_WRONG)
        found = _arrived(target, upload_id)
        expect(number not in found or not found[number].complete, "the frame is taken for complete.")
        again = chunks_of(data, upload_id=upload_id, frame=number, chunk_bytes=_PIECE)
        expect(_send(target, again) == 1, "it cannot be sent again.")


@check("transfers.wrong_size")
def wrong_size(target: Target) -> None:
    """A file that is not as long as was said never becomes complete."""
    number, data = _frame(target)
    with _upload(target) as upload_id:
        chunks = list(chunks_of(data, upload_id=upload_id, frame=number, chunk_bytes=_PIECE))
        chunks[-1].total_size += 1
        expect_refusal(lambda: _send(target, chunks), status=_WRONG)
        found = _arrived(target, upload_id)
        expect(number not in found or not found[number].complete, "the frame is taken for complete.")


@check("transfers.large_chunk")
def large_chunk(target: Target) -> None:
    """A chunk of more than 1 MiB is refused."""
    with _upload(target) as upload_id:
        chunk = UploadFramesRequest(upload_id=upload_id, frame=_frame(target)[0], data=bytes(CHUNK_BYTES + 1))
        expect_refusal(lambda: _send(target, [chunk]), status={*_WRONG, grpc.StatusCode.RESOURCE_EXHAUSTED})


@check("transfers.other_frame")
def other_frame(target: Target) -> None:
    """A frame that is not among those of the upload is refused."""
    _, data = _frame(target)
    with _upload(target) as upload_id:
        chunks = chunks_of(data, upload_id=upload_id, frame=77, chunk_bytes=CHUNK_BYTES)
        expect_refusal(lambda: _send(target, chunks), status={*_WRONG, grpc.StatusCode.NOT_FOUND})


@check("transfers.bad_name")
def bad_name(target: Target) -> None:
    """The name that frames had at the client reaches no other folder of the service."""
    for name in ("/etc/../etc/passwd", "..\\..\\plate.%04d.exr", "a/../../../../tmp/plate.%04d.exr"):
        request = pb.CreateUploadRequest(name=name, frames=target.shot(3).frame_set())
        try:
            upload_id = target.ask(target.frames.CreateUpload, request).upload_id
        except grpc.RpcError as error:
            call: Any = error
            expect(call.code() == grpc.StatusCode.INVALID_ARGUMENT, f"it is refused as {call.code().name}.")
            continue
        expect(upload_id and "/" not in upload_id and "\\" not in upload_id, f"the upload's id is '{upload_id}'.")
        target.ask(target.frames.DeleteUpload, pb.DeleteUploadRequest(upload_id=upload_id))


@check("transfers.unknown_upload")
def unknown_upload(target: Target) -> None:
    """An upload that is not there is NOT_FOUND for every method, and a job that names it is refused."""
    for upload_id in (_NOBODY, "", "..", "../../etc"):
        chunk = UploadFramesRequest(upload_id=upload_id, frame=1, data=b"x")
        _refused_upload(target, partial(_arrived, target, upload_id))
        _refused_upload(target, partial(_send, target, [chunk]))
        request = pb.DeleteUploadRequest(upload_id=upload_id)
        _refused_upload(target, partial(target.ask, target.frames.DeleteUpload, request))
    spec = target.spec()
    spec.plate.upload_id = _NOBODY
    found = expect_refusal(
        lambda: target.create(spec), status={grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT}
    )
    expect("plate.upload_id" in found.fields, f"the BadRequest names {found.fields or 'no fields'}.")


def _refused_upload(_target: Target, call: Any) -> Refusal:
    return expect_refusal(call, status=grpc.StatusCode.NOT_FOUND, reason="UNKNOWN_UPLOAD")


@check("transfers.run")
def run_without_storage(target: Target) -> None:
    """A job on uploaded frames whose result the service keeps gives frames to download, and forgets them when asked."""
    shot = target.shot(3)
    with _upload(target) as upload_id:
        _send(target, shot.chunks(upload_id=upload_id, chunk_bytes=_PIECE))
        spec = target.spec()
        spec.plate.upload_id = upload_id
        spec.output.path = ""
        job = target.create(spec)
        for _ in target.watch(job.id):
            pass
        found = target.get(job.id)
        expect(found.error.code == "", f"the job failed: {found.error.message}")
        files = target.ask(target.frames.ListResultFiles, pb.ListResultFilesRequest(job_id=job.id)).files
        frames = [one.frame for one in files if one.HasField("frame") and not one.sidecar]
        expect(frames == list(shot.numbers), f"the result has the frames {frames}.")
        for one in files:
            if one.HasField("frame") and not one.sidecar:
                chunks = target.download(job.id, one.frame)
                expect(sum(len(chunk.data) for chunk in chunks) == one.size, f"{one.name} has another size.")
        target.ask(target.frames.DeleteResult, pb.DeleteResultRequest(job_id=job.id))
        expect_refusal(lambda: target.download(job.id, shot.numbers[0]), status=grpc.StatusCode.NOT_FOUND)


@check("transfers.download")
def download(target: Target) -> None:
    """A frame comes in chunks of at most 1 MiB, one behind the other, with its size and hash."""
    job, _, _ = target.finished
    for number in target.shot(3).numbers:
        chunks = target.download(job.id, number)
        expect(chunks, f"frame {number} is empty.")
        data = b""
        for chunk in chunks:
            expect(chunk.offset == len(data), f"a chunk begins at {chunk.offset}, not at {len(data)}.")
            expect(len(chunk.data) <= CHUNK_BYTES, f"a chunk has {len(chunk.data)} bytes.")
            data += chunk.data
        expect(chunks[-1].total_size == len(data), f"{len(data)} bytes came of {chunks[-1].total_size}.")
        expect(chunks[-1].sha256 == hashlib.sha256(data).digest(), f"the hash of frame {number} is wrong.")
        if target.shared is not None:
            expect(data == target.result(job, number), f"frame {number} is not the file in the output folder.")


@check("transfers.resume_download")
def resume_download(target: Target) -> None:
    """A download that was cut off goes on at any byte; the hash is still the whole file's."""
    job, _, _ = target.finished
    number = target.shot(3).numbers[0]
    whole = b"".join(chunk.data for chunk in target.download(job.id, number))
    for offset in (1, len(whole) // 2, len(whole) - 1):
        chunks = target.download(job.id, number, offset=offset)
        expect(chunks[0].offset == offset, f"asked for {offset}, it begins at {chunks[0].offset}.")
        expect(b"".join(chunk.data for chunk in chunks) == whole[offset:], f"from {offset} on come other bytes.")
        expect(chunks[-1].sha256 == hashlib.sha256(whole).digest(), "the hash is not the whole file's.")


@check("transfers.no_such_file")
def no_such_file(target: Target) -> None:
    """Files that are none of the result are NOT_FOUND, with names that lead elsewhere too."""
    job, _, _ = target.finished
    requests = [pb.DownloadFrameRequest(job_id=job.id, frame=77)]
    for name in ("../../../../etc/passwd", "/etc/passwd", "no-such-file", "..", "."):
        requests.append(pb.DownloadFrameRequest(job_id=job.id, name=name))
    for request in requests:
        expect_refusal(
            partial(target.stream, target.frames.DownloadFrame, request, seconds=30.0),
            status={grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT},
        )


@check("transfers.list")
def list_files(target: Target) -> None:
    """The files of a result are listed page by page, frames first, each once, and can all be fetched by name."""
    job, _, _ = target.finished
    whole = list(target.ask(target.frames.ListResultFiles, pb.ListResultFilesRequest(job_id=job.id)).files)
    names = [one.name for one in whole]
    expect(len(names) == len(set(names)), "a file is listed twice.")
    expect(all(one.size > 0 and "/" not in one.name for one in whole), "a file has no size, or a folder in its name.")
    belonging = [one.HasField("frame") for one in whole]
    expect(belonging == sorted(belonging, reverse=True), "frames do not come first.")
    paged, token = [], ""
    for _ in whole:
        request = pb.ListResultFilesRequest(job_id=job.id, page_size=1, page_token=token)
        answer = target.ask(target.frames.ListResultFiles, request)
        paged += [one.name for one in answer.files]
        token = answer.next_page_token
    expect(paged == names and not token, f"in pages of 1 they are {paged}, in one {names}.")
    if not names:
        raise NotApplicableError("the result has no files")
    for one in whole:
        named = pb.DownloadFrameRequest(job_id=job.id, name=one.name)
        data = b"".join(c.data for c in target.stream(target.frames.DownloadFrame, named, seconds=30.0))
        expect(len(data) == one.size, f"{one.name} has {len(data)} bytes, not {one.size}.")
