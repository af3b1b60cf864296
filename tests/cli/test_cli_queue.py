"""The queue from the command line: paused, resumed, moved, waiting for others."""

from __future__ import annotations

from pathlib import Path

GREY = ("--margins", "4,4,0,0", "--engine", "grey")


def detached(cli, plate: str, out: str, *options: str) -> str:
    """The id of a job that goes on by itself."""
    result = cli("extend", plate, "-o", out, *GREY, *options, "--detach")
    assert result.code == 0, result.err
    return result.out.strip()


def test_jobs_are_paused_listed_moved_and_resumed(own_cli, plate: str, tmp_path: Path) -> None:
    cli = own_cli
    job = detached(cli, plate, "a/o.%04d.exr", "--set", "pause=0.5", "--priority", "-1")
    paused = cli("jobs", "pause", job[:12])
    assert paused.code == 0, paused.err
    assert "paused" in paused.out
    assert f"overscan jobs resume {job}" in paused.err
    follower = detached(cli, "a/o.%04d.exr", "b/o.%04d.exr", "--depends-on", job[:12], "--priority", "2")
    listed = cli("jobs", "list")
    assert "WHY IT WAITS" in listed.out
    assert f"It waits for the job {job} (paused)." in listed.out
    assert [line.split()[1] for line in listed.out.splitlines()[1:3]] == ["waiting", "paused"]
    shown = cli("jobs", "show", follower)
    assert "made when the jobs it depends on are done" in shown.out
    assert f"'{job}'" in shown.out or job in shown.out
    planned = cli("extend", "a/o.%04d.exr", "-o", "c/o.%04d.exr", *GREY, "--depends-on", job, "--dry-run")
    assert planned.code == 0, planned.err
    assert "shows only then" in planned.out
    moved = cli("jobs", "move", follower, "--priority", "7", "--first", "--json")
    assert moved.code == 0, moved.out
    assert moved.summary["priority"] == 7
    assert cli("jobs", "move", follower).code == 2
    assert cli("jobs", "move", follower, "--first", "--last").code == 2
    assert cli("jobs", "move", follower, "--before", job).code == 2
    resumed = cli("jobs", "resume", job)
    assert resumed.code == 0, resumed.err
    watched = cli("jobs", "watch", follower)
    assert watched.code == 0, watched.err
    assert "waiting for other jobs" in watched.err or "queued" in watched.err or "running" in watched.err
    assert sorted(path.name for path in (tmp_path / "b").glob("o.*.exr")) == [
        f"o.{frame}.exr" for frame in range(1001, 1005)
    ]
    ended = cli("jobs", "pause", job, "--json")
    assert ended.code == 2
    assert ended.summary["errors"][0]["code"] == "JOB_ENDED"


def test_a_job_whose_dependency_is_cancelled_fails_and_says_so(own_cli, plate: str) -> None:
    job = detached(own_cli, plate, "a/o.%04d.exr", "--set", "pause=30")
    follower = detached(own_cli, "a/o.%04d.exr", "b/o.%04d.exr", "--depends-on", job)
    assert own_cli("jobs", "cancel", job).code == 0
    watched = own_cli("jobs", "watch", follower, "--json")
    assert watched.code == 3
    assert watched.summary["errors"][0]["code"] == "DEPENDENCY_FAILED"
    assert watched.summary["errors"][0]["actual"] == job
    unknown = own_cli("extend", plate, "-o", "c/o.%04d.exr", *GREY, "--depends-on", "0" * 32, "--json")
    assert unknown.code == 2
    assert unknown.summary["errors"][0]["code"] == "UNKNOWN_JOB"
