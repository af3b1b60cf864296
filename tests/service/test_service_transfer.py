"""The client's transfers against real services: connections that are cut, services that are killed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cut_wire import CutWire
from serving import FIRST, Service, wait_for

from overscan.client import Client, ServiceError
from overscan.v1.job_pb2 import JobSpec, JobState

SIZE = 3_000_017


@pytest.fixture(scope="module")
def loopback(engine_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on loopback that may read nothing but its own home."""
    from serving import running_services

    folder = tmp_path_factory.mktemp("loopback")
    (folder / "allowed").mkdir()
    allowed = f'["{folder / "allowed"}"]'
    with running_services(engine_path, folder) as run:
        yield run("--address", "127.0.0.1:0", OVERSCAN_ROOTS_READ=allowed, OVERSCAN_ROOTS_WRITE=allowed)


@pytest.fixture
def big_plate(tmp_path: Path) -> str:
    """Files that are large enough to be cut in the middle. Nobody reads them as pictures."""
    folder = tmp_path / "big"
    folder.mkdir()
    for frame in range(4):
        (folder / f"big.{frame:04d}.exr").write_bytes(os.urandom(SIZE + frame))
    return str(folder / "big.%04d.exr")


def _wired(service: Service, monkeypatch: pytest.MonkeyPatch, **cutting: int) -> tuple[Client, CutWire]:
    wire = CutWire(port=int(service.address.rpartition(":")[2]), **cutting)
    monkeypatch.setenv("OVERSCAN_TOKEN", service.token)
    return Client(address=wire.address), wire


@pytest.mark.parametrize("seed", range(3))
def test_an_upload_survives_a_wire_that_is_cut(
    loopback: Service, big_plate: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    client, wire = _wired(loopback, monkeypatch, seed=seed, cuts=6, most_bytes=5_000_000)
    heard: list[tuple[int, int]] = []
    with client:
        upload_id = client.frames.upload(path=big_plate, progress=lambda done, total: heard.append((done, total)))
    wire.close()
    assert wire.cuts
    assert heard[-1] == (4 * SIZE + 6, 4 * SIZE + 6)
    for frame in range(4):
        arrived = loopback.home / "uploads" / upload_id / "files" / f"big.{frame:04d}.exr"
        assert arrived.read_bytes() == Path(big_plate % frame).read_bytes()
    wait_for(lambda: not list((loopback.home / "uploads" / upload_id / "parts").iterdir()))


@pytest.fixture
def kept_job(loopback: Service, make_spec: Callable[..., JobSpec], monkeypatch: pytest.MonkeyPatch) -> str:
    """A job whose result the service keeps, with a large file added to it."""
    monkeypatch.setenv("OVERSCAN_TOKEN", loopback.token)
    with Client(address=loopback.address) as client:
        job_id = client.create(spec=client.frames.bring(make_spec(last=FIRST + 2, ledger=""))).id
        *_, last = client.watch(job_id=job_id)
        assert last.state_changed.state == JobState.JOB_STATE_SUCCEEDED, last
    return job_id


@pytest.mark.parametrize("seed", range(3))
def test_a_result_survives_a_wire_that_is_cut(
    loopback: Service, kept_job: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int
) -> None:
    kept = loopback.home / "results" / kept_job
    for frame in range(3):  # as large as real frames
        with (kept / f"out.{FIRST + frame}.exr").open("ab") as file:
            file.write(os.urandom(SIZE))
    client, wire = _wired(loopback, monkeypatch, seed=seed, cuts=6, most_bytes=5_000_000)
    with client:
        paths = client.frames.fetch(job_id=kept_job, folder=tmp_path / "here")
        assert client.frames.fetch(job_id=kept_job, folder=tmp_path / "here") == paths, "what is there already stays"
        wrong = tmp_path / "here" / f"out.{FIRST}.exr"
        wrong.write_bytes(b"x" * (kept / wrong.name).stat().st_size)
        with pytest.raises(ServiceError) as refused:
            client.frames.fetch(job_id=kept_job, folder=tmp_path / "here")
        assert refused.value.code == "OUTPUT_EXISTS"
        client.frames.fetch(job_id=kept_job, folder=tmp_path / "here", overwrite=True)
        client.frames.delete_result(job_id=kept_job)
    wire.close()
    assert wire.cuts
    assert {path.name for path in (tmp_path / "here").iterdir()} == {path.name for path in paths}
    assert len(paths) >= 3 + 3 + 2, "frames, their signatures, the receipt and its own"
    assert not kept.exists()


def test_a_fetched_file_is_the_kept_one(
    loopback: Service, kept_job: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client, wire = _wired(loopback, monkeypatch, seed=9, cuts=3, most_bytes=20_000)
    with client:
        paths = client.frames.fetch(job_id=kept_job, folder=tmp_path / "here")
    wire.close()
    for path in paths:
        assert path.read_bytes() == (loopback.home / "results" / kept_job / path.name).read_bytes()


def test_transfers_go_on_with_a_service_that_was_killed(
    start: Callable[..., Service], big_plate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start()
    began = threading.Event()

    def slow(done: int, total: int) -> None:
        if 0 < done < total:
            began.set()
            time.sleep(0.05)

    def kill() -> None:
        began.wait(20)
        service.process.kill()
        service.process.wait()
        start()

    killer = threading.Thread(target=kill)
    killer.start()
    with Client(home=service.home, start_private=False) as client:
        upload_id = client.frames.upload(path=big_plate, progress=slow)
    killer.join()
    for frame in range(4):
        arrived = service.home / "uploads" / upload_id / "files" / f"big.{frame:04d}.exr"
        assert arrived.read_bytes() == Path(big_plate % frame).read_bytes()


def test_frames_that_are_not_there_are_told_before_anything_is_sent(loopback: Service, tmp_path: Path) -> None:
    with Client(address=loopback.address) as client, pytest.raises(ServiceError) as refused:
        client.frames.upload(path=str(tmp_path / "none.%04d.exr"))
    assert refused.value.code == "MISSING_FRAMES"
