"""The private service behind the commands: started once, ends by itself, and what happens when it cannot start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EXTEND = ("extend", "plate.%04d.exr", "--format", "64x48", "--engine", "grey", "--json")


def test_a_private_service_starts_and_ends_when_idle(own_cli, plate: str) -> None:
    own_cli.environment["OVERSCAN_IDLE_EXIT"] = "1"
    assert own_cli.announced is None
    assert own_cli(*EXTEND, "-o", "o.%04d.exr").code == 0
    announced = own_cli.announced
    assert announced is not None
    own_cli.eventually(lambda: own_cli.announced is None and not own_cli.alive(announced["pid"]))


def test_two_commands_at_once_share_one_service(own_cli, plate: str) -> None:
    started = [own_cli.start(*EXTEND, "-o", f"{number}/o.%04d.exr") for number in range(3)]
    results = [own_cli.finish(process) for process in started]
    assert [result.code for result in results] == [0, 0, 0], [result.out for result in results]
    listed = own_cli("jobs", "list", "--json")
    assert {line["job_id"] for line in listed.lines[:-1]} == {result.summary["job_id"] for result in results}
    log = (own_cli.home / "logs" / "service-start.log").read_text()
    assert log.count(" serving ") == 1


def test_a_service_that_was_killed_is_no_obstacle(own_cli, plate: str) -> None:
    assert own_cli(*EXTEND, "-o", "a.%04d.exr").code == 0
    announced = own_cli.announced
    os.kill(announced["pid"], signal.SIGKILL)
    own_cli.eventually(lambda: not own_cli.alive(announced["pid"]))
    assert (own_cli.home / "service.json").exists()
    assert own_cli(*EXTEND, "-o", "b.%04d.exr").code == 0
    assert own_cli.announced["pid"] != announced["pid"]


def test_a_watching_command_outlives_its_service(own_cli, plate: str, tmp_path: Path) -> None:
    process = own_cli.start(*EXTEND, "-o", "o.%04d.exr", "--set", "pause=0.5")
    own_cli.eventually(lambda: (tmp_path / "o.1001.exr").exists())
    os.kill(own_cli.announced["pid"], signal.SIGKILL)
    result = own_cli.finish(process)
    assert result.code == 0, result.out + result.err
    assert result.summary["frames"] == "1001-1004"
    numbers = [line["number"] for line in result.lines if "number" in line]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_cancels_the_job(cli, plate: str, tmp_path: Path, kind: signal.Signals) -> None:
    process = cli.start(*EXTEND, "-o", "o.%04d.exr", "--set", "pause=1")
    cli.eventually(lambda: (tmp_path / "o.1001.exr").exists())
    process.send_signal(kind)
    result = cli.finish(process)
    assert result.code == (130 if kind is signal.SIGINT else 143), result.out + result.err
    assert result.summary["state"] == "cancelled"
    assert 1 <= result.summary["frames_done"] < 4
    job = result.summary["job_id"]
    time.sleep(0.7)
    assert len(list(tmp_path.glob("o.*.exr"))) == result.summary["frames_done"]
    assert f'"{job}"' in cli("jobs", "list", "--state", "cancelled", "--json").out
    assert cli("jobs", "retry", job).code == 0


def test_ctrl_c_tells_people_how_to_go_on(cli, plate: str, tmp_path: Path) -> None:
    process = cli.start(*EXTEND[:-1], "-o", "o.%04d.exr", "--set", "pause=1")
    cli.eventually(lambda: (tmp_path / "o.1001.exr").exists())
    process.send_signal(signal.SIGINT)
    result = cli.finish(process)
    assert result.code == 130
    assert "overscan jobs retry " in result.err
    assert "1001" in result.err


def test_a_second_ctrl_c_leaves_at_once(own_cli, plate: str, tmp_path: Path) -> None:
    process = own_cli.start(*EXTEND[:-1], "-o", "o.%04d.exr", "--set", "pause=30")
    own_cli.eventually(lambda: own_cli.announced is not None)
    own_cli.eventually(lambda: '"running"' in own_cli("jobs", "list", "--json").out)
    service = own_cli.announced["pid"]
    os.kill(service, signal.SIGSTOP)  # a service that does not answer: the cancelling cannot come to an end
    try:
        process.send_signal(signal.SIGINT)
        time.sleep(1.0)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    finally:
        os.kill(service, signal.SIGCONT)
    process.communicate()


def test_ctrl_c_on_watch_leaves_the_job_alone(cli, plate: str, tmp_path: Path) -> None:
    job = cli(*EXTEND[:-1], "-o", "o.%04d.exr", "--set", "pause=1", "--detach").out.strip()
    process = cli.start("jobs", "watch", job)
    cli.eventually(lambda: (tmp_path / "o.1001.exr").exists())
    process.send_signal(signal.SIGINT)
    assert cli.finish(process).code == 130
    assert cli("jobs", "watch", job).code == 0


def test_a_service_that_cannot_start_is_diagnosed(own_cli, plate: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "overscan_broken"
    broken.mkdir(parents=True)
    (broken.parent / "sqlalchemy.py").write_text("raise ImportError('this library is broken')\n")
    own_cli.environment["PYTHONPATH"] = os.pathsep.join([str(broken.parent), own_cli.environment["PYTHONPATH"]])
    result = own_cli("jobs", "list", "--json")
    assert result.code == 6
    error = result.summary["errors"][0]
    assert error["code"] == "SERVICE_START_FAILED"
    assert "this library is broken" in error["message"]
    assert "overscan doctor" in error["next_step"]


def test_a_home_that_cannot_be_is_diagnosed(own_cli, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    result = own_cli("jobs", "list")
    assert result.code == 6
    assert "OVERSCAN_HOME" in result.err


def test_an_address_where_nothing_listens(own_cli, tmp_path: Path) -> None:
    own_cli.environment["OVERSCAN_ADDRESS"] = f"unix:{tmp_path}/none.sock"
    result = own_cli("jobs", "list")
    assert result.code == 6
    assert "its socket is gone" in result.err


def test_serve_runs_in_the_foreground_with_a_token(own_cli) -> None:
    process = own_cli.start("serve", "--address", "127.0.0.1:0")
    try:
        own_cli.eventually(lambda: own_cli.announced is not None)
        announced = own_cli.announced
        assert announced["pid"] == process.pid
        assert announced["token"]
        assert own_cli("jobs", "list", "--json").summary["count"] == 0
        second = own_cli("serve")
        assert second.code == 75
        own_cli.environment["OVERSCAN_ADDRESS"] = announced["address"]
        refused = own_cli("jobs", "list", "--json")
        assert refused.code == 6
        assert refused.summary["errors"][0]["code"] == "UNAUTHENTICATED"
    finally:
        process.send_signal(signal.SIGTERM)
        own_cli.finish(process)
    assert process.returncode == 0


def test_the_doctor_finds_nothing_wrong(cli) -> None:
    result = cli("doctor", "--json")
    checks = {line["name"]: line for line in result.lines if line["type"] == "check"}
    assert result.code == 0, [check for check in checks.values() if check["verdict"] == "fail"]
    assert {"Python", "numpy", "OpenEXR files", "compiled kernels", "colour configuration", "home folder"} <= set(
        checks
    )
    assert checks["service"]["verdict"] == "ok"
    assert checks["engine grey"]["verdict"] == "ok"


def test_the_doctor_names_what_is_wrong(own_cli, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "numba.py").write_text("import os\nos.abort()\n")
    own_cli.environment["PYTHONPATH"] = os.pathsep.join([str(broken), own_cli.environment["PYTHONPATH"]])
    own_cli.environment["OCIO"] = str(tmp_path / "none.ocio")
    (tmp_path / "home").mkdir()
    stale = {"address": f"unix:{tmp_path}/gone.sock", "token": "", "pid": 1, "version": "0.0.1", "protocol": 1}
    (tmp_path / "home" / "service.json").write_text(json.dumps(stale))
    result = own_cli("doctor", "--json")
    assert result.code == 1
    checks = {line["name"]: line for line in result.lines if line["type"] == "check"}
    assert checks["numba"]["verdict"] == "fail"
    assert "crashed" in checks["numba"]["message"]
    assert checks["colour configuration"]["verdict"] == "fail"
    assert "none.ocio" in checks["colour configuration"]["message"]
    assert checks["service.json"]["verdict"] == "warn"
    assert all(check["next_step"] for check in checks.values() if check["verdict"] == "fail")


def test_python_dash_m_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "overscan.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("overscan ")
