"""The audit log: every change is in it, its chain shows what was taken out, and it survives rotation and power cuts."""

from __future__ import annotations

import json
import os
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from guarded import add_user, bearer
from serving import Service

from overscan.service._errors import AuditError
from overscan.service.security import audit
from overscan.service.security.audit import AuditLog, check_audit, put_aside
from overscan.v1 import frame_service_pb2 as frame_pb
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.frame_service_pb2_grpc import FrameServiceStub
from overscan.v1.frames_pb2 import FrameRange, FrameSet
from overscan.v1.job_pb2 import JobSpec

KILLS_ITSELF = """
import os, signal, sys

def die(event, arguments):
    if event == "open" and str(arguments[0]).endswith("audit.log") and arguments[2] & os.O_WRONLY:
        if os.path.exists(os.environ["TEST_KILL"]):
            os.unlink(os.environ["TEST_KILL"])
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
"""
"""Ends a service for good where a call has done its work and its line would be written now."""


def log_at(path: Path, bytes_max: int = 1 << 20) -> AuditLog:
    return AuditLog(path=path, bytes_max=bytes_max)


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_are_chained_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    for round_ in range(3):
        log = log_at(path)
        for number in range(4):
            log.write(user="ana", call="CreateJob", job=f"{round_}-{number}", outcome="OK", nothing="")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(1, 13))
    assert all("nothing" not in line for line in lines)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = check_audit(path)
    assert (found.lines, found.problems, found.head) == (12, (), lines[-1]["chain"])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda lines: lines[:3] + lines[4:], "has number 5 where 4"),
        (lambda lines: lines[1:], "has number 2 where 1"),
        (lambda lines: [*lines[:2], lines[2].replace("ana", "eve"), *lines[3:]], "line 3: was changed"),
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "has number 4 where 3"),
        (lambda lines: [*lines[:2], "nonsense", *lines[2:]], "line 3: is no line of the log"),
        (lambda lines: [*lines, lines[-1]], "has number 6 where 7"),
    ],
)
def test_what_was_changed_or_taken_out_is_seen(tmp_path: Path, change: object, word: str) -> None:
    path = tmp_path / "audit.log"
    log = log_at(path)
    for number in range(6):
        log.write(user="ana", job=number + 1)
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    assert word in " ".join(check_audit(path).problems)


def test_an_end_that_was_cut_off_has_another_head(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = log_at(path)
    for number in range(6):
        log.write(user="ana", job=number + 1)
    before = check_audit(path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
    after = check_audit(path)
    assert after.problems == ()  # a chain cannot know what came behind it
    assert (after.lines, after.head != before.head) == (4, True)


def test_rotation_keeps_all_files_and_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    for _ in range(2):
        log = log_at(path, bytes_max=2000)
        for number in range(30):
            log.write(user="ana", call="CreateJob", job=f"{number}", detail="x" * 100)
    assert len(put_aside(path)) >= 5
    assert check_audit(path).lines == 60
    assert check_audit(path).problems == ()
    put_aside(path)[2].unlink()
    assert "has number" in check_audit(path).problems[0]


def test_a_line_that_a_power_cut_tore_is_told_apart_from_tampering(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = log_at(path)
    for number in range(3):
        log.write(user="ana", job=number + 1)
    with path.open("a") as file:
        file.write('{"number": 4, "time": "2026-')
    log_at(path).write(user="ben", job="after")
    found = check_audit(path)
    assert found.problems == ()
    assert found.lines == 5  # three, the word about the torn one, and the new one


def test_of_many_refusals_alike_the_first_is_kept_and_then_their_number(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = log_at(path)
    for port in range(1000):
        log.refused(user="", peer=f"ipv4:10.0.0.7:{port}", call="ListJobs", outcome="UNAUTHENTICATED")
    log.refused(user="", peer="ipv4:10.0.0.8:1", call="ListJobs", outcome="UNAUTHENTICATED")
    assert len(path.read_text().splitlines()) == 2


def test_a_log_that_cannot_be_written_says_so_and_recovers(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    path = folder / "audit.log"
    log = log_at(path)
    log.write(user="ana", job="1")
    moved = tmp_path / "away"
    folder.rename(moved)
    with pytest.raises(AuditError):
        log.write(user="ana", job="2")
    with pytest.raises(AuditError):
        log.check()
    moved.rename(folder)
    log.check()
    log.write(user="ana", job="3")
    assert check_audit(path).problems == ()
    assert [json.loads(line).get("event") for line in path.read_text().splitlines()] == [None, "resumed", None]


def test_a_line_that_did_not_reach_the_disk_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.log"
    log = log_at(path)
    log.write(user="ana", job="1")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(audit.os, "fsync", full)
        with pytest.raises(AuditError):
            log.write(user="ana", job="2")
    log.write(user="ana", job="3")
    assert [json.loads(line).get("job") for line in path.read_text().splitlines()] == ["1", None, "3"]
    assert check_audit(path).problems == ()


def test_a_symlink_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "audit.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditError):
        log_at(tmp_path / "audit.log")
    assert not (tmp_path / "elsewhere").exists()


def test_lines_of_many_callers_are_written_together_and_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.log"
    log, flushes = log_at(path), []
    slow = threading.Event()

    def flush(file: int) -> None:
        flushes.append(file)
        slow.wait(0.05)

    monkeypatch.setattr(audit.os, "fsync", flush)
    callers = [threading.Thread(target=lambda n=n: log.write(user="ana", job=str(n))) for n in range(40)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sorted(int(str(line["job"])) for line in lines_of(path)) == list(range(40))
    assert check_audit(path).problems == ()
    assert len(flushes) < 40


def test_what_was_done_while_it_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    log = log_at(home / "audit.log")
    log.write(job="1")
    home.rename(away)
    for number, done in ((2, True), (3, False), (4, True)):
        with pytest.raises(AuditError):
            log.write(job=str(number), done=done)
    log.catch_up([{"job": "5"}])
    away.rename(home)
    log.check()
    log.write(job="6")
    found = lines_of(home / "audit.log")
    assert [line.get("job", line.get("event")) for line in found] == ["1", "resumed", "2", "4", "5", "6"]
    assert "happened" in found[2]
    assert check_audit(home / "audit.log").problems == ()


def test_the_tail_goes_over_files_and_has_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = log_at(path, bytes_max=2000)
    for number in range(1, 41):
        log.write(job=str(number), detail="x" * 100)
    for count in (500, 2500, 5000):
        found = [json.loads(line)["number"] for line in log.tail(count).splitlines()]
        assert found == list(range(41 - len(found), 41))
        assert count / 400 - 1 <= len(found) <= count / 200
    assert len(log.tail(1 << 20).splitlines()) == 40


def test_no_job_and_no_upload_is_without_a_line_after_a_kill(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], engine_path: str, tmp_path: Path
) -> None:
    home, kill = tmp_path / "home", tmp_path / "kill"
    home.mkdir()
    token = bearer(add_user(home, "ana", "artist"))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(KILLS_ITSELF)
    variables = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), engine_path]), "TEST_KILL": str(kill)}
    spec = make_spec(last=1002, seconds=20.0)
    spec.labels.show = "marigold"
    upload = frame_pb.CreateUploadRequest(
        name="plate.%04d.exr", frames=FrameSet(ranges=[FrameRange(first=1, last=2, step=1)])
    )

    def run() -> Service:
        return start("--address", "127.0.0.1:0", "--workers", "1", **variables)

    def killed_amid(service: Service, call: Callable[[], object]) -> tuple[Service, dict[str, object]]:
        """Kill the service where the call's line is due; the next service, and the line it adds to the log."""
        before = len(lines_of(home / "audit.log"))
        kill.touch()
        with pytest.raises(grpc.RpcError):
            call()
        assert service.process.wait(timeout=30) == -signal.SIGKILL
        assert len(lines_of(home / "audit.log")) == before
        again = run()
        (line,) = lines_of(home / "audit.log")[before:]
        return again, line

    service = run()
    service, line = killed_amid(
        service, lambda: service.jobs.CreateJob(pb.CreateJobRequest(spec=spec), metadata=token, timeout=60)
    )
    assert [line[key] for key in ("user", "call", "detail", "outcome")] == [
        *("ana", "CreateJob", "extend copycat marigold", "RECOVERED")
    ]
    assert str(line["happened"]) < str(line["time"])
    found = service.jobs.ListJobs(pb.ListJobsRequest(), metadata=token, timeout=30).jobs
    assert [(job.id, job.user) for job in found] == [(line["job"], "ana")]

    # What has its line already gets no other.
    other = pb.CreateJobRequest(spec=make_spec(last=1001, name="other"))
    service.jobs.CreateJob(other, metadata=token, timeout=60)
    frames = FrameServiceStub(service.channel)
    service, line = killed_amid(service, lambda: frames.CreateUpload(upload, metadata=token, timeout=60))
    assert [line[key] for key in ("user", "call", "upload", "outcome")] == [
        *("ana", "CreateUpload", next((home / "uploads").glob("[0-9a-f]*")).name, "RECOVERED")
    ]

    # A call that leaves nobody's name where it is killed is in the log before it begins.
    service.jobs.CancelJob(pb.CancelJobRequest(job_id=found[0].id), metadata=token, timeout=30)
    assert [(line["user"], line["call"], line["outcome"]) for line in lines_of(home / "audit.log")[-2:]] == [
        *(("ana", "CancelJob", "BEGUN"), ("ana", "CancelJob", "OK"))
    ]
    assert check_audit(home / "audit.log").problems == ()
