"""What a service that runs for months must not pile up."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from serving import Service, rendered, wait_for

from overscan.service.retention.ages import (
    kept_days,
    remove_unfinished_files,
    remove_work_folders,
    strictest_days,
    trim_cache,
)
from overscan.service.workers.logs import prune_logs, said_since
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


def test_policies_and_settings_say_how_long_things_are_kept(tmp_path: Path) -> None:
    assert strictest_days(policies=tmp_path, days_max=None) is None
    show = tmp_path / "shows" / "s" / "show.toml"
    show.parent.mkdir(parents=True)
    show.write_text("retention_days = 10\n")
    assert strictest_days(policies=tmp_path, days_max=None) == 10, "the cache does not know whose plate it was"
    assert strictest_days(policies=tmp_path, days_max=3) == 3

    def days(show: str, limit: float | None) -> float | None:
        return kept_days(policies=tmp_path, show=show, shot="", days_max=limit)

    assert (days("s", None), days("s", 30), days("s", 2.5)) == (10, 10, 2.5), "the less of both"
    assert (days("other", None), days("other", 30)) == (None, 30)
    show.write_text("retention_days = many\n")
    assert (days("s", None), days("s", 30)) == (None, 30), "a broken policy removes nothing"
    assert strictest_days(policies=tmp_path, days_max=None) is None


def test_work_folders_go_at_once_or_not_at_all_and_halves_of_them_next_time(tmp_path: Path) -> None:
    for name in ("kept", "old", "old.gone"):
        (tmp_path / name / "checks").mkdir(parents=True)
    remove_work_folders(jobs=tmp_path, unneeded=lambda name: name != "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_worker_s_own_old_logs_go_and_no_other_s(tmp_path: Path) -> None:
    for name, count in (("render-1", 5), ("render-10", 3), ("verify-1", 4)):
        for number in range(count):
            path = tmp_path / f"worker-{name}-77-{number}.log"
            path.write_text("said")
            os.utime(path, (number, number))
    prune_logs(folder=tmp_path, name="render-1", keep=2)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left[:2] == ["worker-render-1-77-3.log", "worker-render-1-77-4.log"]
    assert len(left) == 2 + 3 + 4
    log = tmp_path / left[0]
    assert said_since(log, begin=2) == "id"
    assert said_since(log, begin=900) == "said"  # a purge has emptied it meanwhile


def test_unfinished_files_of_killed_workers_go(tmp_path: Path) -> None:
    fill(tmp_path, {"a/.flow.0123.tmp": 2, "b/c/.overscan-job-1": 0, "a/flow": 2, "hashes.tmp": 2})
    remove_unfinished_files(tmp_path, older_than_seconds=DAY)
    assert names(tmp_path) == {"b/c/.overscan-job-1", "a/flow", "hashes.tmp"}
    remove_unfinished_files(tmp_path, older_than_seconds=0)
    assert names(tmp_path) == {"a/flow", "hashes.tmp"}


def test_what_is_left_of_jobs_goes_when_the_settings_say(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec]
) -> None:
    service = start()
    failed = service.finish(service.create(make_spec(last=1002, raise_frame=1002, name="failed")).id)
    done = service.finish(service.create(make_spec(last=1001, name="done")).id)
    service.stop()
    home = service.home
    result = home / "results" / done.id / "out.1001.exr"
    result.parent.mkdir(parents=True)
    result.touch()
    fill(home / "logs", {"worker-old.log": 3, "worker-today.log": 0})
    fill(home / "cache", {"a/.flow.0123.tmp": 0})
    again = start("--set", "retention_days=0", home=home)
    wait_for(lambda: not (home / "jobs" / failed.id).exists() and not result.exists())
    wait_for(lambda: not (home / "logs" / "worker-old.log").exists())
    assert (home / "logs" / "worker-today.log").exists()
    assert not (home / "cache" / "a" / ".flow.0123.tmp").exists()
    assert {answer.event.WhichOneof("event") for answer in again.watch(failed.id)} == {"state_changed"}
    assert again.get(failed.id).error.code == "STEP_FAILED"
    again.stop()
    last = start("--set", "history_days=0.000001", home=home)
    wait_for(lambda: not last.jobs.ListJobs(pb.ListJobsRequest(), timeout=30).jobs)
    assert (home / "receipts" / f"{done.id}.json").exists(), "receipts stay"


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
    wait_for(lambda: [path.name for path in jobs.iterdir()] == [failed.id])


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
