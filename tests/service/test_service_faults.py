"""What passes by itself, what is tried again, what is given up: full disks, lost shares, memory, workers that hang."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving import FIRST, Service, rendered, wait_for

from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import Job, JobSpec, JobState, StepState


def succeeded(service: Service, job_id: str) -> Job:
    job = service.finish(job_id)
    assert job.state == JobState.JOB_STATE_SUCCEEDED, job.error
    return job


def failed(service: Service, job_id: str) -> Job:
    job = service.finish(job_id)
    assert job.state == JobState.JOB_STATE_FAILED
    return job


def attempts(job: Job, step_id: str) -> int:
    return {step.step_id: step.attempts for step in job.steps}[step_id]


def retry(service: Service, job_id: str) -> None:
    service.jobs.RetryJob(pb.RetryJobRequest(job_id=job_id), timeout=30)


def cancel(service: Service, job_id: str) -> float:
    """Cancel a job; returns the seconds until it is cancelled."""
    began = time.monotonic()
    service.jobs.CancelJob(pb.CancelJobRequest(job_id=job_id), timeout=30)
    service.wait_state(job_id, JobState.JOB_STATE_CANCELLED)
    return time.monotonic() - began


def test_a_frozen_worker_and_one_that_waits_for_ever_are_found_by_their_heartbeat(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    service = start(OVERSCAN_HEARTBEAT_SECONDS_MAX="3", OVERSCAN_STUCK_SECONDS_MAX="4")
    job = succeeded(service, service.create(make_spec(freeze_frame=1002, hang_frame=1003, gil_frame=1004)).id)
    assert [attempts(job, f"render-{number}") for number in range(4)] == [1, 2, 2, 2]
    assert sorted(rendered(ledger)) == list(range(FIRST, 1005))
    log = (service.home / "service.log").read_text()
    assert log.count("has not answered") == 4  # said by the watch and by the scheduler
    assert log.count("neither reported anything nor computed") == 2


@pytest.mark.slow
def test_a_step_that_always_freezes_fails_with_what_happened(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec]
) -> None:
    service = start(OVERSCAN_HEARTBEAT_SECONDS_MAX="1.5")
    job = failed(service, service.create(make_spec(freeze_frame=1002, ledger="")).id)
    assert job.error.code == "WORKER_STUCK"
    assert "died 3 times in step 'render-1'" in job.error.message
    assert "has not answered" in job.error.message
    assert job.error.frame == 1002


@pytest.mark.parametrize("frozen", [False, True])
def test_cancelling_takes_two_seconds_whatever_the_worker_does(
    service: Service, make_spec: Callable[..., JobSpec], ledger: Path, frozen: bool
) -> None:
    job = service.create(make_spec(last=1002, seconds=60, stubborn=True))
    service.wait_step(job.id, "render-0")
    if frozen:
        service.renderer().send_signal(signal.SIGSTOP)
    assert cancel(service, job.id) < 2.0
    succeeded(service, service.create(make_spec(name="other", ledger="")).id)


def test_kills_from_outside_are_no_poison(service: Service, make_spec: Callable[..., JobSpec], ledger: Path) -> None:
    job = service.create(make_spec(last=1002, seconds=0.8, chunk=2))
    for kill in range(4):
        wait_for(lambda kill=kill: attempts(service.get(job.id), "render-0") == kill + 1)  # type: ignore[misc]
        wait_for(lambda: any("render-0" in " ".join(worker.cmdline()) for worker in service.workers()))
        time.sleep(0.2)
        service.renderer().kill()
    assert attempts(succeeded(service, job.id), "render-0") == 5


def test_what_worker_logs_say_stays_with_the_job(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec]
) -> None:
    service = start()
    assert failed(service, service.create(make_spec(raise_frame=1001, name="secret", ledger="")).id)
    job = failed(service, service.create(make_spec(raise_frame=1002, ledger="")).id)
    assert job.error.code == "STEP_FAILED"
    assert "ValueError: a bug in the engine" in job.error.actual
    assert len(job.error.actual.encode()) < 5000
    log = Path(job.error.path)
    assert log.parent == service.home / "jobs" / job.id / "logs"
    assert "ValueError: a bug in the engine" in log.read_text()
    # One worker did both: what it said of the other job is not this one's business.
    whole = "".join(path.read_text() for path in (service.home / "logs").glob("worker-render-0-*.log"))
    assert whole.count("ValueError: a bug in the engine") >= 2
    assert log.read_text().count("ValueError: a bug in the engine") == 1
    for path in (service.home / "logs").glob("worker-*.log"):
        path.unlink()
    assert log.exists()


def test_room_that_comes_back_in_time_is_waited_for(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], small_disk: Callable[..., Path], ledger: Path
) -> None:
    disk = small_disk("size=1m")
    service = start(OVERSCAN_RETRY_SECONDS="60")
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while shutil.disk_usage(disk).free:
            file.write(bytes(min(shutil.disk_usage(disk).free, 1 << 16)))
    spec = make_spec()
    spec.output.path = f"{disk}/out.%04d.exr"
    job = service.create(spec)
    pool = ThreadPoolExecutor(1)
    watched = pool.submit(lambda: [answer.event.step_progress.message for answer in service.watch(job.id)])
    held_by: list[str] = []
    wait_for(lambda: held_by.append(service.get(job.id).held_by) or "no room left on the disk" in held_by[-1])
    assert "Free some space" in held_by[-1]
    assert str(disk) in held_by[-1]
    filler.unlink()
    assert any("no room left on the disk" in message for message in watched.result())
    done = succeeded(service, job.id)
    assert sum(step.attempts for step in done.steps) > len(done.steps)
    assert done.held_by == ""
    assert sorted(path.name for path in disk.iterdir() if path.suffix == ".exr") == [
        f"out.{frame}.exr" for frame in range(FIRST, 1005)
    ]


@pytest.mark.slow
def test_room_that_does_not_come_back_is_an_error_that_retry_mends(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], small_disk: Callable[..., Path]
) -> None:
    disk = small_disk("size=1m")
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while shutil.disk_usage(disk).free:
            file.write(bytes(min(shutil.disk_usage(disk).free, 1 << 16)))
    service = start(OVERSCAN_RETRY_SECONDS="1")
    spec = make_spec()
    spec.output.path = f"{disk}/out.%04d.exr"
    job = failed(service, service.create(spec).id)
    assert job.error.code == "DISK_FULL"
    assert "retry the job" in job.error.next_step
    assert attempts(job, "render-0") == 2
    filler.unlink()
    retry(service, job.id)
    succeeded(service, job.id)


def lose(share: Path) -> None:
    """Take a share away as a server that dies does: what is there answers, and has nothing to say."""
    subprocess.run(["umount", "--lazy", str(share)], check=True)


@pytest.mark.parametrize("what", [pytest.param("plate", marks=pytest.mark.slow), "output"])
def test_a_share_that_is_gone_for_a_moment_is_waited_for(
    start: Callable[..., Service],
    make_spec: Callable[..., JobSpec],
    small_disk: Callable[..., Path],
    plate: str,
    ledger: Path,
    tmp_path: Path,
    what: str,
) -> None:
    """The mount point stays, empty: nothing may be written into it, and its files are not taken for removed."""
    share = small_disk("size=4m")
    twin = tmp_path / "twin"
    twin.mkdir()
    subprocess.run(["mount", "--bind", str(share), str(twin)], check=True)  # holds what the share holds
    try:
        folder = share / "deep"
        folder.mkdir()
        spec = make_spec(last=1006, seconds=0.3)
        if what == "plate":
            for path in Path(plate).parent.iterdir():
                shutil.copy2(path, folder)
            spec.plate.path = str(folder / Path(plate).name)
        else:
            spec.output.path = f"{folder}/out.%04d.exr"
        service = start(OVERSCAN_RETRY_SECONDS="60")
        job = service.create(spec)
        wait_for(lambda: len(rendered(ledger)) >= 2)
        lose(share)
        held_by: list[str] = []
        wait_for(lambda: held_by.append(service.get(job.id).held_by) or "is gone" in held_by[-1])
        assert str(share) in held_by[-1]
        assert list(share.iterdir()) == []
        subprocess.run(["mount", "--bind", str(twin), str(share)], check=True)
        done = succeeded(service, job.id)
        assert [frame.frame for frame in done.frames] == list(range(FIRST, 1007))
        assert rendered(ledger) == list(range(FIRST, 1007))
    finally:
        subprocess.run(["umount", "--lazy", str(twin)], check=False)
        if not os.path.ismount(share):
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(share)], check=True)


def test_a_share_whose_server_is_dead_is_lost(
    start: Callable[..., Service],
    make_spec: Callable[..., JobSpec],
    small_disk: Callable[..., Path],
    ledger: Path,
    dead_share: Callable[[Path], None],
) -> None:
    share = small_disk("size=4m")
    spec = make_spec(last=1008, seconds=0.3)
    spec.output.path = f"{share}/out.%04d.exr"
    service = start(OVERSCAN_RETRY_SECONDS="1")
    job = service.create(spec)
    wait_for(lambda: len(rendered(ledger)) >= 2)
    dead_share(share)
    error = failed(service, job.id).error
    assert error.code == "SHARE_LOST"
    assert "not connected" in error.message
    assert "mounted" in error.next_step
    subprocess.run(["umount", str(share)], check=True)
    retry(service, job.id)
    succeeded(service, job.id)
    assert len(rendered(ledger)) == 8


def test_an_output_that_turns_read_only_says_so(
    service: Service, make_spec: Callable[..., JobSpec], small_disk: Callable[..., Path], ledger: Path
) -> None:
    disk = small_disk("size=4m")
    spec = make_spec(last=1008, seconds=0.3)
    spec.output.path = f"{disk}/out.%04d.exr"
    job = service.create(spec)
    wait_for(lambda: len(rendered(ledger)) >= 2)
    small_disk("size=4m,ro", again=disk)
    error = failed(service, job.id).error
    assert error.code == "OUTPUT_NOT_WRITABLE"
    assert "may be written" in error.next_step
    small_disk("size=4m,rw", again=disk)
    retry(service, job.id)
    succeeded(service, job.id)
    assert len(rendered(ledger)) == 8


def test_a_worker_that_the_system_kills_for_memory_is_told_from_others(
    start: Callable[..., Service],
    make_spec: Callable[..., JobSpec],
    ledger: Path,
    memory_group: Callable[[int], Callable[[int], None]],
) -> None:
    service = start("--workers", "2")
    memory_group(900 << 20)(service.process.pid)  # the workers that are started from now on are in it, too
    other = service.create(make_spec(name="other", last=1008, seconds=0.2, ledger=""))
    job = succeeded(service, service.create(make_spec(last=1002, hog=4096, hog_spares=1)).id)
    assert attempts(job, "render-0") == 2
    log = (service.home / "service.log").read_text()
    assert "after memory: the system killed the worker for want of memory" in log
    assert "sparing memory (1)" in log
    succeeded(service, other.id)
    assert service.process.poll() is None


def test_memory_that_is_never_enough_is_an_error_with_numbers(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    service = start()
    job = failed(service, service.create(make_spec(last=1002, hog=1 << 24, hog_spares=9)).id)
    assert job.error.code == "OUT_OF_MEMORY"
    assert "GiB free of" in job.error.actual
    assert "as planned" in job.error.expected
    tries = [line for line in ledger.read_text().splitlines() if line.startswith("hog")]
    assert tries == ["hog 1001 0", "hog 1001 1", "hog 1001 2"]
    assert attempts(job, "render-0") == 3
    assert succeeded(service, service.create(make_spec(name="other", ledger="")).id)


@pytest.mark.slow
def test_a_spared_step_succeeds_with_the_next_try(
    service: Service, make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    job = succeeded(service, service.create(make_spec(last=1002, hog=1 << 24, hog_spares=1)).id)
    assert attempts(job, "render-0") == 2
    assert {step.state for step in job.steps} == {StepState.STEP_STATE_DONE}


def own_plate(plate: str, spec: JobSpec, folder: Path) -> Path:
    """A copy of the plate for the job alone; returns its folder."""
    shutil.copytree(Path(plate).parent, folder)
    spec.plate.path = str(folder / Path(plate).name)
    return folder


def test_a_plate_that_is_changed_under_a_job_is_named_and_retry_begins_anew(
    service: Service, make_spec: Callable[..., JobSpec], plate: str, tmp_path: Path, ledger: Path
) -> None:
    """Whatever the engine reads it with, and though the frame had been copied already."""
    spec = make_spec(seconds=0.3)
    shot = own_plate(plate, spec, tmp_path / "shot")
    job = service.create(spec)
    wait_for(lambda: 1002 in rendered(ledger))
    shutil.copyfile(shot / "plate.1009.exr", shot / "plate.1001.exr")
    error = failed(service, job.id).error
    assert error.code == "INPUT_CHANGED"
    assert error.frame == 1001
    assert error.path == str(shot / "plate.1001.exr")
    retry(service, job.id)
    succeeded(service, job.id)
    assert (tmp_path / "out.1001.exr").read_bytes() == (shot / "plate.1009.exr").read_bytes()
    assert rendered(ledger).count(1002) == 2  # nothing made before is kept


def test_a_plate_whose_files_only_look_changed_is_none(
    service: Service, make_spec: Callable[..., JobSpec], plate: str, tmp_path: Path, ledger: Path
) -> None:
    spec = make_spec(seconds=0.3)
    shot = own_plate(plate, spec, tmp_path / "shot")
    job = service.create(spec)
    wait_for(lambda: 1001 in rendered(ledger))
    for frame in (1001, 1003):  # as a share does that is mounted anew, or a backup: another inode, the same times
        shutil.copy2(shot / f"plate.{frame}.exr", shot / "copy.exr")
        (shot / "copy.exr").replace(shot / f"plate.{frame}.exr")
    succeeded(service, job.id)


def test_frames_that_the_store_forgot_are_found_again(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], tmp_path: Path, ledger: Path
) -> None:
    """As after a loss of power: the store may lack its last transactions, the frames are on the disk."""
    service = start()
    job = service.create(make_spec(last=1008, seconds=0.25))
    wait_for(lambda: len(rendered(ledger)) >= 2)
    saved = tmp_path / "saved"
    with sqlite3.connect(service.home / "jobs.sqlite") as store, sqlite3.connect(saved) as copy:
        store.backup(copy)
    wait_for(lambda: len(rendered(ledger)) >= 5)
    service.stop(signal.SIGKILL)
    for name in ("jobs.sqlite-wal", "jobs.sqlite-shm"):
        (service.home / name).unlink(missing_ok=True)
    shutil.copyfile(saved, service.home / "jobs.sqlite")
    again = start(home=service.home)
    done = succeeded(again, job.id)
    assert done.verification.frames == 8
    assert [frame.frame for frame in done.frames] == list(range(FIRST, 1009))
