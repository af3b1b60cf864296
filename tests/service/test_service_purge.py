"""What a purge removes, what it must not touch, and that nothing of a purged plate is left in the home."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from command_line import share_kernels
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from guarded import reason
from serving import Service, wait_for

from overscan.service._errors import JobNotFoundError
from overscan.service.conformance._shot import Shot
from overscan.service.store.sqlite import SqliteDatabase
from overscan.service.store.store import Store
from overscan.service.store.writer import NewJob
from overscan.v1 import admin_service_pb2 as admin
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.admin_service_pb2_grpc import AdminServiceStub
from overscan.v1.job_pb2 import JobSpec, JobState

MARKER = "secret-of-marigold"
SLOW_TO_REMOVE = """
import sys, time

def wait(event, arguments):
    if event == "shutil.rmtree" and "/cache/" in str(arguments[0]):
        time.sleep(0.2)

sys.addaudithook(wait)
"""
"""Lets a job begin while the cache is being emptied, as it may where there are very many files."""


def purge(service: Service, **fields: object) -> admin.PurgeResponse:
    return AdminServiceStub(service.channel).Purge(admin.PurgeRequest(**fields), timeout=60)  # type: ignore[arg-type]


def refusal(service: Service, **fields: object) -> tuple[str, str]:
    """Code and message of what a purge is refused with."""
    with pytest.raises(grpc.RpcError) as refused:
        purge(service, **fields)
    status = rpc_status.from_call(refused.value)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason, status.message


def marked(home: Path) -> list[str]:
    """Files of a home that have the marker in their names or bytes."""
    return [
        str(path.relative_to(home))
        for path in sorted(home.rglob("*"))
        if MARKER in str(path.relative_to(home)) or (path.is_file() and MARKER.encode() in path.read_bytes())
    ]


@pytest.fixture
def secret(plate: str, tmp_path: Path) -> str:
    """A plate whose path and pixels (in an EXR's bytes behind the last one) have the marker."""
    folder = tmp_path / MARKER
    folder.mkdir()
    for path in Path(plate).parent.glob("plate.*.exr"):
        (folder / path.name).write_bytes(path.read_bytes() + MARKER.encode())
    return str(folder / "plate.%04d.exr")


def test_nothing_of_a_purged_show_is_left(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], secret: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    service = start(home=home)
    jobs = []
    for name, trouble in (("good", {}), ("bad", {"raise_frame": 1002})):
        spec = make_spec(last=1002, name=f"{MARKER}-{name}", **trouble)
        spec.plate.path = secret
        spec.labels.show = "marigold"
        jobs.append(service.finish(service.create(spec).id))
    assert [job.state for job in jobs] == [JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED]
    other = service.finish(service.create(make_spec(last=1001, name="other")).id)
    log = next(iter((home / "logs").glob("worker-render*.log")))
    with log.open("a") as lines:  # which the worker goes on to write
        lines.write(f"a library warns of {secret}\n")
    for folder in ("jobs", "results"):  # what engines, previews and clients without shared storage leave there
        (home / folder / jobs[0].id / "painted").mkdir(parents=True)
        (home / folder / jobs[0].id / "painted" / "1001.exr").write_text(MARKER)
    (home / "cache" / "plate-motion").mkdir()
    (home / "cache" / "plate-motion" / "0123").write_text(MARKER)
    (home / "jobs.schema-1.sqlite").write_text(f"a store before it was migrated: {MARKER}")
    before = sorted(path.name for path in tmp_path.glob(f"{MARKER}-*"))
    assert marked(home)

    would = purge(service, show="marigold", receipts=True, cache=True, dry_run=True)
    assert (would.jobs, len(service.jobs.ListJobs(pb.ListJobsRequest(), timeout=30).jobs)) == (2, 3)
    gone = purge(service, show="marigold", receipts=True, cache=True)
    assert gone.jobs == 2
    assert abs(gone.files - would.files) <= 3, "the service's log may have grown"
    assert gone.bytes > 0
    for job in jobs:
        with pytest.raises(grpc.RpcError) as refused:
            service.get(job.id)
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    # The service's own log goes to stderr here, and the audit log says who asked for what.
    assert [name for name in marked(home) if name not in ("service.log", "audit.log")] == []
    assert sorted(path.name for path in tmp_path.glob(f"{MARKER}-*")) == before, "what artists have is theirs"
    assert service.get(other.id).state == JobState.JOB_STATE_SUCCEEDED
    assert (home / "receipts" / f"{other.id}.json").exists()
    assert "Purge" in (home / "audit.log").read_text()
    assert service.finish(service.create(make_spec(last=1001, name="next")).id).state == JobState.JOB_STATE_SUCCEEDED


def test_receipts_stay_unless_they_are_asked_for(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    job = service.finish(service.create(make_spec(last=1001)).id)
    receipt = service.home / "receipts" / f"{job.id}.json"
    assert receipt.exists()
    purge(service, job_ids=[job.id[:8]])
    assert receipt.exists()
    assert refusal(service, job_ids=[job.id])[0] == "UNKNOWN_JOB"


def test_a_job_that_has_not_ended_is_not_purged(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    done = service.finish(service.create(make_spec(last=1001, name="done")).id)
    job = service.create(make_spec(last=1002, seconds=1.0))
    service.wait_state(job.id, JobState.JOB_STATE_RUNNING)
    waiting = service.create(JobSpec.FromString(_dependent(make_spec(last=1001, name="waiting"), [job.id, done.id])))
    code, message = refusal(service, job_ids=[done.id, job.id])
    assert code == "JOB_NOT_ENDED"
    assert job.id in message or waiting.id in message
    code, message = refusal(service, job_ids=[done.id])
    assert code == "JOB_NOT_ENDED"
    assert waiting.id in message
    assert refusal(service, cache=True)[0] == "JOB_NOT_ENDED"
    later = admin.PurgeRequest()
    later.ended_before.GetCurrentTime()
    later.ended_before.seconds += 60
    assert purge(service, ended_before=later.ended_before).jobs == 0, "needed by one that waits, or not ended"
    assert service.finish(waiting.id).state == JobState.JOB_STATE_SUCCEEDED
    assert purge(service, ended_before=later.ended_before).jobs == 3


def _dependent(spec: JobSpec, ids: list[str]) -> bytes:
    spec.depends_on.extend(ids)
    return spec.SerializeToString()


def test_a_purge_must_say_what(shared_service: Service) -> None:
    assert refusal(shared_service)[0] == "INVALID_JOB"
    assert refusal(shared_service, job_ids=["abc"], show="marigold")[0] == "INVALID_JOB"
    assert refusal(shared_service, job_ids=["../../etc"])[0] == "UNKNOWN_JOB"
    assert purge(shared_service, show="no such show").jobs == 0


def test_a_purge_follows_no_link_out_of_the_home(
    service: Service, make_spec: Callable[..., JobSpec], tmp_path: Path
) -> None:
    job = service.finish(service.create(make_spec(last=1002, raise_frame=1002)).id)
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "gold").write_text("gold")
    work = service.home / "jobs" / job.id
    (work / "a-link").symlink_to(treasure)
    (work / "a-file").symlink_to(treasure / "gold")
    (service.home / "results").mkdir(exist_ok=True)
    (service.home / "results" / job.id).symlink_to(treasure)
    (service.home / "logs" / "worker-link.log").symlink_to(treasure / "gold")
    purge(service, job_ids=[job.id])
    assert not work.exists()
    assert not (service.home / "results" / job.id).is_symlink()
    assert (treasure / "gold").read_text() == "gold"


def test_a_purge_that_a_kill_interrupts_is_finished(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec]
) -> None:
    service = start()
    job, other = (service.create(make_spec(last=1001, raise_frame=frame, name=str(frame))) for frame in (1001, 0))
    assert service.finish(job.id).state == JobState.JOB_STATE_FAILED
    assert service.finish(other.id).state == JobState.JOB_STATE_SUCCEEDED
    service.stop(signal.SIGKILL)
    with sqlite3.connect(service.home / "jobs.sqlite") as store:  # as the first half of a purge leaves it
        store.execute("UPDATE jobs SET purging = 1 WHERE id = ?", (job.id,))
    store.close()
    assert (service.home / "jobs" / job.id).exists()
    again = start(home=service.home)
    with pytest.raises(grpc.RpcError):
        again.get(job.id)
    wait_for(lambda: not (service.home / "jobs" / job.id).exists())
    wait_for(lambda: _count(service.home) == 1)
    assert again.get(other.id).state == JobState.JOB_STATE_SUCCEEDED


def test_a_job_is_purged_or_retried_and_never_both(tmp_path: Path) -> None:
    store = Store(database=SqliteDatabase(path=tmp_path / "jobs.sqlite"))
    new = NewJob(
        id="a" * 32,
        request_id="request",
        spec=b"",
        plan=b"",
        whole_plan=b"",
        parameters="{}",
        priority=0,
        output_key="",
        labels={"show": "", "sequence": "", "shot": "", "artist": ""},
        steps=["step"],
        frames=[1],
    )
    with store.write() as writer:
        writer.add_job(new)
        writer.set_job(new.id, state=JobState.JOB_STATE_FAILED, ended_us=1)
        writer.reset_unfinished(new.id, anew=False)
        writer.set_job(new.id, state=JobState.JOB_STATE_QUEUED)
        writer.mark_purging([new.id], receipts=False)
    assert store.job(job_id=new.id).purging == 0, "it was retried first"
    with store.write() as writer:
        writer.set_job(new.id, state=JobState.JOB_STATE_FAILED)
        writer.mark_purging([new.id], receipts=True)
    with pytest.raises(JobNotFoundError), store.write() as writer:
        writer.reset_unfinished(new.id, anew=False)
    with pytest.raises(JobNotFoundError):
        store.find(prefix="aa")
    store.close()


def test_a_cache_that_is_emptied_again_and_again_costs_no_job_anything(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], engine_path: str, tmp_path: Path
) -> None:
    share_kernels(tmp_path / "home")
    (tmp_path / "sitecustomize.py").write_text(SLOW_TO_REMOVE)
    service = start(PYTHONPATH=os.pathsep.join([str(tmp_path), engine_path]))
    cache, ended, outcomes = service.home / "cache", threading.Event(), []
    plate = Shot(frames=4).write_to(tmp_path / "plate")

    def extended(name: str) -> list[bytes]:
        (tmp_path / name).mkdir()
        spec = JobSpec(engine="plate")
        spec.plate.path = str(plate)
        spec.extend.margins.right = 8
        spec.output.path = str(tmp_path / name / "out.%04d.exr")
        job = service.finish(service.create(spec).id)
        assert job.state == JobState.JOB_STATE_SUCCEEDED, job.error
        return [path.read_bytes() for path in sorted((tmp_path / name).glob("*.exr"))]

    def empty_on_and_on() -> None:
        while not ended.is_set():
            for folder in ("another", "copycat"):
                (cache / folder).mkdir(exist_ok=True)
            try:
                purge(service, cache=True)
                outcomes.append("OK")
            except grpc.RpcError as error:
                outcomes.append(reason(error))

    wanted = extended("alone")
    emptying = threading.Thread(target=empty_on_and_on)
    emptying.start()
    try:
        assert extended("meanwhile") == wanted
        for number in range(4):
            spec = make_spec(last=1001, name=f"copy{number}", seconds=0.5, caches=True)
            job = service.finish(service.create(spec).id)
            assert job.state == JobState.JOB_STATE_SUCCEEDED, job.error
    finally:
        ended.set()
        emptying.join()
    assert set(outcomes) == {"OK", "JOB_NOT_ENDED"}
    purge(service, cache=True)
    assert [path.name for path in cache.iterdir()] == ["numba"], "nobody compiles everything anew"


def test_the_command_asks_before_it_removes(
    service: Service, make_spec: Callable[..., JobSpec], engine_path: str
) -> None:
    job = service.finish(service.create(make_spec(last=1001)).id)

    def overscan(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "overscan.cli", "purge", *arguments],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
            env={**os.environ, "PYTHONPATH": engine_path, "OVERSCAN_HOME": str(service.home)},
        )

    looked = overscan(job.id[:10], "--dry-run")
    assert looked.returncode == 0, looked.stderr
    assert looked.stdout.startswith("This would remove 1 job and ")
    unasked = overscan(job.id[:10])
    assert unasked.returncode == 2
    assert "--yes" in unasked.stderr
    assert service.get(job.id).id == job.id
    summary = json.loads(overscan(job.id[:10], "--yes", "--json").stdout.splitlines()[-1])
    assert (summary["type"], summary["jobs"], summary["dry_run"]) == ("summary", 1, False)
    assert overscan(job.id[:10], "--yes").returncode == 2, "there is no such job any more"
    assert "nothing to remove" in overscan("--older-than", "30").stdout


def _count(home: Path) -> int:
    store = sqlite3.connect(home / "jobs.sqlite")
    try:
        return int(store.execute("SELECT count(*) FROM jobs").fetchone()[0])
    finally:
        store.close()
