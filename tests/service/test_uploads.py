"""Uploads as folders: whose they are, how much they may take, how long they stay."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from overscan.chunks import DownloadBuffer, read_upload_chunk
from overscan.core.errors import DiskFullError
from overscan.service._errors import (
    QuotaError,
    ServiceClosingError,
    UnknownUploadError,
    UploadDamagedError,
    UploadIncompleteError,
)
from overscan.service.transfers import arrivals, keeper
from overscan.service.transfers.incoming import Incoming
from overscan.service.transfers.lanes import Lane
from overscan.service.transfers.uploads import Upload, Uploads
from overscan.v1 import frame_service_pb2 as pb

DATA = b"frame" * 1000
HASH = hashlib.sha256(DATA).digest()


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(folder=tmp_path, bytes_max=16_000)


def send(uploads: Uploads, upload: Upload, frame: int = 1, data: bytes = DATA) -> None:
    uploads.charge(upload, len(data))
    with uploads.arrival(upload, frame) as arrival:
        arrival.add(memoryview(data), offset=0)
        assert arrival.finish(size=len(data), sha256=hashlib.sha256(data).digest())


def whole(uploads: Uploads, upload: Upload, frames: tuple[int, ...] | None = None) -> Upload:
    return uploads.whole(upload_id=upload.id, frames=frames, user=None, field="plate.upload_id")


def put(uploads: Uploads, upload: Upload, frame: int = 1, data: bytes = DATA) -> None:
    send(uploads, upload, frame, data)
    whole(uploads, upload, (frame,))


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_user_sees_their_own_only(uploads: Uploads) -> None:
    own = uploads.create(user="ann", name="a.%04d.exr", frames=(1, 2))
    assert uploads.find(upload_id=own.id, user="ann") == own
    assert uploads.find(upload_id=own.id, user=None) == own, "whoever runs the service sees all"
    for stranger in ("ben", ""):
        with pytest.raises(UnknownUploadError):
            uploads.find(upload_id=own.id, user=stranger)
        with pytest.raises(UnknownUploadError):
            uploads.whole(upload_id=own.id, frames=None, user=stranger, field="plate.upload_id")


def test_knowing_a_hash_is_not_having_a_file(uploads: Uploads) -> None:
    put(uploads, uploads.create(user="ann", name="a.%04d.exr", frames=(1,)))
    for user, known in (("ben", False), ("ann", True)):
        other = uploads.create(user=user, name="b.%04d.exr", frames=(7,))
        with uploads.arrival(other, 7) as arrival:
            assert arrival.finish(size=len(DATA), sha256=HASH) is known
        assert other.file(7).exists() is known


def test_a_quota_is_each_users_own(uploads: Uploads) -> None:
    own = uploads.create(user="ann", name="a.%04d.exr", frames=(1, 2, 3))
    put(uploads, own, 1)
    put(uploads, own, 2)
    with pytest.raises(QuotaError):
        put(uploads, own, 3)
    put(uploads, uploads.create(user="ben", name="a.%04d.exr", frames=(3,)), 3)
    uploads.remove(upload_id=own.id)
    put(uploads, uploads.create(user="ann", name="a.%04d.exr", frames=(3,)), 3)


def test_what_nobody_used_for_long_goes_but_what_a_job_needs_stays(uploads: Uploads, tmp_path: Path) -> None:
    old, needed, new = (uploads.create(user="", name=f"{name}.exr", frames=(1,)) for name in "abc")
    for upload in (old, needed, new):
        put(uploads, upload, 1, upload.id.encode())
    for upload in (old, needed):
        long_ago = time.time() - 20 * 24 * 3600
        os.utime(upload.folder / "upload.json", (long_ago, long_ago))
    uploads.tidy(days_max=14, needed=frozenset({needed.id}))
    assert [upload.folder.exists() for upload in (old, needed, new)] == [False, True, True]
    assert len(list(tmp_path.glob("pool/*/*"))) == 2, "what no upload has any more goes from the pool"


def test_what_is_deleted_is_gone_at_once_but_for_what_another_upload_has(uploads: Uploads, tmp_path: Path) -> None:
    first, second = (uploads.create(user="ann", name=f"{name}.%04d.exr", frames=(1, 2)) for name in "ab")
    put(uploads, first, 1)
    put(uploads, first, 2, b"only here")
    with uploads.arrival(second, 1) as arrival:
        assert arrival.finish(size=len(DATA), sha256=HASH)
    bens = uploads.create(user="ben", name="c.exr", frames=(1,))
    put(uploads, bens, 1, b"ben's")
    uploads.remove(upload_id=first.id)
    left = {path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "upload.json"}
    assert left == {DATA, b"ben's"}
    uploads.remove(upload_id=second.id)
    assert len(list(tmp_path.glob("pool/*/*"))) == 1


def test_empty_uploads_count_too(uploads: Uploads) -> None:
    with pytest.raises(QuotaError):
        for _ in range(5):
            uploads.create(user="ann", name="a.exr", frames=(1,))
    assert uploads.create(user="ben", name="a.exr", frames=(1,))


def test_an_upload_that_is_deleted_while_it_arrives_is_unknown_from_then_on(uploads: Uploads) -> None:
    upload = uploads.create(user="ann", name="a.%04d.exr", frames=(1, 2))
    put(uploads, upload, 1)
    uploads.remove(upload_id=upload.id)
    with pytest.raises(UnknownUploadError), uploads.arrival(upload, 2) as arrival:
        arrival.add(memoryview(DATA), offset=0)


@pytest.mark.skipif(sys.platform != "linux", reason="counts what is open by /proc")
def test_frames_that_are_left_unfinished_do_not_stay_open(uploads: Uploads) -> None:
    upload = uploads.create(user="", name="a.%04d.exr", frames=tuple(range(200)))
    with ThreadPoolExecutor(1) as finishers:
        incoming = Incoming(uploads=uploads, find=lambda _: upload, finishers=finishers)
        with incoming:
            before = open_files()
            for frame in range(200):
                chunk = pb.UploadFramesRequest(upload_id=upload.id, frame=frame, data=b"x")
                incoming.take(read_upload_chunk(chunk.SerializeToString()))
                assert open_files() <= before + 2
            for frame in range(200):
                sha256 = hashlib.sha256(b"x").digest()
                end = pb.UploadFramesRequest(upload_id=upload.id, frame=frame, offset=1, total_size=1, sha256=sha256)
                incoming.take(read_upload_chunk(end.SerializeToString()))
            assert incoming.end() == 200
            assert open_files() <= before + 2


def test_a_full_disk_loses_nothing_of_what_was_there(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = uploads.create(user="", name="a.exr", frames=(1,))
    with uploads.arrival(upload, 1) as arrival:
        arrival.add(memoryview(DATA[:1000]), offset=0)
        while upload.part(1).stat().st_size < 1000:
            time.sleep(0.001)
        real, calls = os.write, []

        def full(descriptor: int, data: memoryview) -> int:
            calls.append(len(data))
            if len(calls) > 1:
                raise OSError(28, "No space left on device")
            return real(descriptor, data[:500])

        monkeypatch.setattr(arrivals.os, "write", full)
        arrival.add(memoryview(DATA[1000:]), offset=1000)
        with pytest.raises(DiskFullError):
            arrival.finish(size=len(DATA), sha256=HASH)
        monkeypatch.undo()
    assert list(uploads.arrived(upload)) == [(1, 1000, False)]
    with uploads.arrival(upload, 1) as arrival:
        arrival.add(memoryview(DATA[1000:]), offset=1000)
        assert arrival.finish(size=len(DATA), sha256=HASH), "bytes from before are hashed from the disk"
    assert upload.file(1).read_bytes() == DATA


@pytest.mark.parametrize("lost", [False, True])
def test_a_file_that_was_not_on_the_disk_when_the_machine_failed_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    may_flush = threading.Event()
    monkeypatch.setattr(keeper, "flush", lambda _: may_flush.wait())
    uploads = Uploads(folder=tmp_path / "home", bytes_max=0)
    other, sent = (uploads.create(user="ann", name="a.exr", frames=(1,)) for _ in range(2))
    send(uploads, sent)
    assert list(uploads.arrived(sent)) == [(1, len(DATA), True)]
    shutil.copytree(tmp_path / "home", tmp_path / "after")
    may_flush.set()
    monkeypatch.undo()

    uploads = Uploads(folder=tmp_path / "after", bytes_max=0)
    upload = replace(sent, folder=tmp_path / "after" / sent.id)
    if lost:
        with upload.file(1).open("r+b") as file:
            file.write(bytes(512))
    if lost:
        with pytest.raises(UploadIncompleteError):
            whole(uploads, upload)
        put(uploads, upload)
    assert whole(uploads, upload) == upload
    assert upload.file(1).read_bytes() == DATA
    assert not list((upload.folder / "parts").iterdir()), "nothing is looked at twice"
    with uploads.arrival(replace(other, folder=tmp_path / "after" / other.id), 1) as arrival:
        assert arrival.finish(size=len(DATA), sha256=HASH), "it is in the pool"


def test_a_job_waits_until_what_it_reads_is_on_the_disk(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = uploads.create(user="ann", name="a.exr", frames=(1,))
    may_flush, asked = threading.Event(), threading.Event()
    monkeypatch.setattr(keeper, "flush", lambda _: asked.set() or may_flush.wait())
    send(uploads, upload)
    with ThreadPoolExecutor(1) as jobs:
        job = jobs.submit(whole, uploads, upload)
        asked.wait()
        with pytest.raises(TimeoutError):
            job.result(timeout=0.1)
        may_flush.set()
        assert job.result() == upload


def test_a_job_is_refused_whose_files_a_service_that_ends_cannot_keep(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = uploads.create(user="ann", name="a.%04d.exr", frames=(1, 2, 3))
    may_flush = threading.Event()
    monkeypatch.setattr(keeper, "flush", lambda _: may_flush.wait())
    for frame in upload.frames:  # the keeper does two at once
        send(uploads, upload, frame, b"%d" % frame)
    with ThreadPoolExecutor(2) as both:
        before, end = both.submit(whole, uploads, upload, (3,)), both.submit(uploads.close)
        try:
            for job in (before, both.submit(whole, uploads, upload, (3,))):
                with pytest.raises(ServiceClosingError):
                    job.result(timeout=10)
        finally:
            may_flush.set()
        end.result()


def test_one_file_keeps_no_other_from_the_few_threads_there_are() -> None:
    done: list[bytes] = []
    with ThreadPoolExecutor(1) as helpers:
        begun, go_on = threading.Event(), threading.Event()
        endless = Lane(do=lambda data: (done.append(bytes(data)), begun.set(), go_on.wait()), helpers=helpers)
        other = Lane(do=lambda data: done.append(bytes(data)), helpers=helpers)
        endless.put(memoryview(b"a"))
        begun.wait()
        feed = threading.Thread(target=lambda: [endless.put(memoryview(b"a")) for _ in range(50)])
        feed.start()
        other.put(memoryview(b"b"))
        go_on.set()
        other.wait()
        feed.join()
        endless.wait()
    assert done.index(b"b") <= 8, "however much of the one waits"
    assert len(done) == 52


def test_what_the_disk_does_not_take_has_to_come_again(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = uploads.create(user="ann", name="a.exr", frames=(1,))

    def fail(_: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(keeper, "flush", fail)
    send(uploads, upload)
    with pytest.raises(UploadIncompleteError):
        whole(uploads, upload)
    monkeypatch.undo()
    put(uploads, upload)
    assert upload.file(1).read_bytes() == DATA


def test_a_damaged_file_has_to_come_again(uploads: Uploads) -> None:
    upload = uploads.create(user="", name="a.exr", frames=(1,))
    with uploads.arrival(upload, 1) as arrival:
        arrival.add(memoryview(DATA[:-1] + b"x"), offset=0)
        with pytest.raises(UploadDamagedError):
            arrival.finish(size=len(DATA), sha256=HASH)
    assert not list(uploads.arrived(upload))
    put(uploads, upload)


def test_our_own_codecs_say_what_protobuf_says() -> None:
    for data in (b"", b"x", bytes(range(256)) * 4096):
        message = pb.UploadFramesRequest(
            upload_id="ü" * 20, frame=-7, offset=2**40, data=data, total_size=2**41, sha256=HASH
        )
        chunk = read_upload_chunk(message.SerializeToString())
        read = (chunk.upload_id, chunk.frame, chunk.offset, bytes(chunk.data), chunk.total_size, chunk.sha256)
        assert read == ("ü" * 20, -7, 2**40, data, 2**41, HASH)
        buffer = DownloadBuffer(size=1 << 20)

        def give(view: memoryview, data: bytes = data) -> int:
            view[: len(data)] = data
            return len(data)

        buffer.fill(give, most=1 << 20)
        made = pb.DownloadFrameResponse.FromString(
            buffer.message(pb.DownloadFrameResponse(offset=5, total_size=9, sha256=HASH))
        )
        assert made == pb.DownloadFrameResponse(offset=5, data=data, total_size=9, sha256=HASH)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"\x22\x05abc", b"\x22", b"\xff" * 12, b"\x0b", b"\x09abc", b"\x0a\x01\xff"),
        pytest.param(b"\x22\x00" * 50_000, id="many-chunks"),
        pytest.param(b"\x22\x80\x80\x08" + bytes(1 << 17) + b"\x22\x01a", id="one-chunk-hidden-by-another"),
        pytest.param(b"\xf2\x7f\x80\x80\x08" + bytes(1 << 17), id="something-unknown"),
    ],
)
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    from google.protobuf.message import DecodeError

    with pytest.raises(DecodeError):
        read_upload_chunk(raw)
