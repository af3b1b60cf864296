"""What a service that runs for months must not pile up."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from serving import Service, rendered, wait_for

from overscan.service._retention import cache_days_max, is_overdue, trim_cache
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import JobSpec, JobState

DAY = 24 * 3600


def fill(cache: Path, ages: dict[str, float]) -> None:
    """Files of 1000 bytes, last used so many days ago."""
    for name, days in ages.items():
        path = cache / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1000))
        used = time.time() - days * DAY
        os.utime(path, (used, used))


def names(cache: Path) -> set[str]:
    return {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()}


def test_the_cache_loses_what_was_not_used_for_longest(tmp_path: Path) -> None:
    fill(tmp_path, {"hashes": 90, "a/oldest": 40, "a/b/older": 30, "a/old": 20, "b/today": 0.5, "b/now": 0})
    trim_cache(cache=tmp_path, bytes_max=5000)
    assert len(names(tmp_path)) == 6
    trim_cache(cache=tmp_path, bytes_max=4500)
    assert names(tmp_path) == {"hashes", "a/old", "b/today", "b/now"}


def test_the_cache_keeps_what_was_used_today_whatever_its_size(tmp_path: Path) -> None:
    fill(tmp_path, {"a/old": 2, "a/today": 0.5, "a/now": 0})
    trim_cache(cache=tmp_path, bytes_max=0)
    assert names(tmp_path) == {"a/today", "a/now"}
    trim_cache(cache=tmp_path / "none", bytes_max=0)


def test_the_cache_loses_what_a_policy_lets_nobody_keep(tmp_path: Path) -> None:
    fill(tmp_path, {"hashes": 90, "a/oldest": 40, "a/older": 30, "a/old": 20, "b/today": 0.5})
    trim_cache(cache=tmp_path, bytes_max=10_000, days_max=25)
    assert names(tmp_path) == {"hashes", "a/old", "b/today"}
    trim_cache(cache=tmp_path, bytes_max=10_000, days_max=0)
    assert names(tmp_path) == {"hashes", "b/today"}, "what was used today may be in use"


def test_policies_say_how_long_things_are_kept(tmp_path: Path) -> None:
    assert cache_days_max(policies=tmp_path) is None
    show = tmp_path / "shows" / "s" / "show.toml"
    show.parent.mkdir(parents=True)
    show.write_text("retention_days = 10\n")
    assert cache_days_max(policies=tmp_path) == 10, "the strictest: the cache does not know whose plate it was"
    ended = int((time.time() - 20 * DAY) * 1e6)
    assert is_overdue(policies=tmp_path, show="s", shot="", ended_us=ended)
    assert not is_overdue(policies=tmp_path, show="other", shot="", ended_us=ended)
    assert not is_overdue(policies=tmp_path, show="s", shot="", ended_us=int(time.time() * 1e6))
    show.write_text("retention_days = many\n")
    assert not is_overdue(policies=tmp_path, show="s", shot="", ended_us=ended), "a broken policy removes nothing"
    assert cache_days_max(policies=tmp_path) is None


def test_the_work_folder_of_a_failed_job_goes_when_its_policy_says(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec]
) -> None:
    service = start()
    kept, gone = (make_spec(name=name, raise_frame=1002, chunk=4) for name in ("kept", "gone"))
    gone.labels.show = "s"
    jobs = [service.finish(service.create(spec).id) for spec in (kept, gone)]
    assert [job.state for job in jobs] == [JobState.JOB_STATE_FAILED] * 2
    service.stop()
    show = service.home / "policies" / "shows" / "s" / "show.toml"
    show.parent.mkdir(parents=True)
    show.write_text("retention_days = 0\n")
    start(home=service.home)
    wait_for(lambda: not (service.home / "jobs" / jobs[1].id).exists())
    assert (service.home / "jobs" / jobs[0].id).exists()


def test_a_service_tidies_its_home(start: Callable[..., Service], make_spec: Callable[..., JobSpec]) -> None:
    service = start()
    failed = service.finish(service.create(make_spec(last=1002, raise_frame=1002, name="failed")).id)
    done = service.finish(service.create(make_spec(last=1001, name="done")).id)
    assert (failed.state, done.state) == (JobState.JOB_STATE_FAILED, JobState.JOB_STATE_SUCCEEDED)
    service.stop(signal.SIGKILL)
    jobs = service.home / "jobs"
    for name in (done.id, "nobody"):
        (jobs / name / "left").mkdir(parents=True)
    fill(service.home / "cache", {"a/old": 30, "a/now": 0})
    start(home=service.home, OVERSCAN_CACHE_BYTES_MAX="1500")
    wait_for(lambda: names(service.home / "cache") - {"sha256.sqlite"} == {"a/now"})
    assert [path.name for path in jobs.iterdir()] == [failed.id]


def test_a_job_whose_work_folder_is_gone_begins_anew(
    service: Service, make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    job = service.create(make_spec(last=1004, seconds=0.4))
    wait_for(lambda: len(rendered(ledger)) >= 1)
    shutil.rmtree(service.home / "jobs" / job.id)
    failed = service.finish(job.id)
    assert failed.state == JobState.JOB_STATE_FAILED
    assert failed.error.code == "STEP_FAILED"
    assert failed.error.path == str(service.home / "jobs" / job.id)
    assert "etry" in failed.error.next_step
    service.jobs.RetryJob(pb.RetryJobRequest(job_id=job.id), timeout=30)
    done = service.finish(job.id)
    assert done.state == JobState.JOB_STATE_SUCCEEDED
    assert {step.step_id: step.attempts for step in done.steps}["prepare"] == 2
