"""The audit log: every change is in it, its chain shows what was taken out, and it survives rotation and power cuts."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from overscan.service._errors import AuditError
from overscan.service.security import audit
from overscan.service.security.audit import AuditLog, check_audit, put_aside


def log_at(path: Path, bytes_max: int = 1 << 20) -> AuditLog:
    return AuditLog(path=path, bytes_max=bytes_max)


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
    assert [json.loads(line)["job"] for line in path.read_text().splitlines()] == ["1", "3"]
    assert check_audit(path).problems == ()


def test_a_symlink_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "audit.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditError):
        log_at(tmp_path / "audit.log")
    assert not (tmp_path / "elsewhere").exists()
