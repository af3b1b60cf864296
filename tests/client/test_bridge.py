"""`overscan bridge` as a host meets it: lines in, lines out, whatever they hold."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

HELLO = {"protocol": 1, "host": "nuke", "host_version": "15.1v3", "plugin_version": "0.1.0"}
LINE_BYTES_MAX = 16 * 1024 * 1024


class Host:
    """The other end of a bridge's pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._numbers = iter(range(1, 1000))
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.notifications: list[dict[str, Any]] = []
        self.answers: dict[object, dict[str, Any]] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def send(self, method: str, **params: object) -> int:
        number = next(self._numbers)
        self.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n")
        return number

    def next(self, *, seconds: float = 30.0) -> dict[str, Any]:
        line = self._lines.get(timeout=seconds)
        assert line, "the bridge has ended"
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        assert ("result" in message) + ("error" in message) + ("method" in message) == 1
        return message

    def answer_to(self, number: object) -> dict[str, Any]:
        while number not in self.answers:
            message = self.next()
            if "method" in message:
                self.notifications.append(message)
            else:
                assert message["id"] not in self.answers, "answered twice"
                self.answers[message["id"]] = message
        return self.answers[number]

    def ask(self, method: str, **params: object) -> Any:
        answer = self.answer_to(self.send(method, **params))
        assert "error" not in answer, answer
        return answer["result"]

    def refused(self, method: str, **params: object) -> tuple[int, dict[str, Any]]:
        """The error's number and its first problem."""
        return told(self.answer_to(self.send(method, **params)))

    def ends(self, *, seconds: float = 3.0) -> int:
        return self.process.wait(timeout=seconds)


def told(answer: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    error = answer["error"]
    assert error["message"]
    return error["code"], error["data"]["problems"][0]


@contextlib.contextmanager
def started(own_cli, **environment: str) -> Iterator[Host]:
    process = subprocess.Popen(
        [sys.executable, "-m", "overscan.cli", "bridge"],
        cwd=own_cli.cwd,
        env={**os.environ, **own_cli.environment, "OVERSCAN_HOME": str(own_cli.home), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Host(process)
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.fixture
def silent(own_cli) -> Iterator[Host]:
    """A host that has not said hello."""
    with started(own_cli) as host:
        yield host


@pytest.fixture
def host(silent: Host) -> Host:
    silent.ask("hello", **HELLO, host_pid=os.getpid())
    return silent


def test_hello_comes_first_and_starts_nothing(silent: Host, own_cli) -> None:
    assert silent.refused("service.status") == (-32600, told(silent.answers[1])[1])
    hello = silent.ask("hello", **HELLO, host_pid=os.getpid())
    assert hello["protocol"] == 1
    assert hello["pid"] == silent.process.pid
    assert hello["home"] == str(own_cli.home)
    assert silent.ask("ping") == {}
    assert silent.ask("service.status") == {"running": False}
    assert own_cli.announced is None


@pytest.mark.parametrize(("protocol", "step"), [(0, "Lay the plugin down again"), (2, "Update Overscan")])
def test_another_protocol_is_refused_with_what_to_do(silent: Host, protocol: int, step: str) -> None:
    number, problem = silent.refused("hello", **{**HELLO, "protocol": protocol, "later": 1}, host_pid=1)
    assert (number, problem["code"]) == (-32000, "PROTOCOL_MISMATCH")
    assert step in problem["next_step"]
    assert "restart nuke" in problem["next_step"]
    assert silent.refused("engine.list")[0] == -32600


def test_no_line_ends_the_bridge(host: Host) -> None:
    for line, number in (
        (b"Traceback (most recent call last):\n", -32700),
        (b"{\n", -32700),
        (b"\xff\xfe\x00\n", -32700),
        (b'{"jsonrpc": "2.0", "id": 900, "method": "ping", "params": {"x": NaN}}\n', -32700),
        (b'{"jsonrpc": "2.0", "id": 900, "method": "ping", "params": {"x": 1e999}}\n', -32700),
        (b"[" * 100_000 + b"\n", -32700),
        (b"7\n", -32600),
        (b'[{"jsonrpc": "2.0", "id": 900, "method": "ping"}]\n', -32600),
        (b'{"id": null, "method": "ping"}\n', -32600),
        (b'{"jsonrpc": "2.0", "id": null}\n', -32600),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}\n', -32600),
        (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}\n', -32600),
    ):
        host.write(b"\r\n\n" + line)
        answer = host.answer_to(None)
        assert told(answer)[0] == number, line[:60]
        del host.answers[None]
    host.write(b'{"jsonrpc": "2.0", "id": "a", "method": "ping", "params": [1]}\n')
    assert told(host.answer_to("a"))[0] == -32602
    host.write(b'{"jsonrpc": "2.0", "method": "ping"}\n')  # wants no answer
    host.write(b'{"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": [1]}}\n')
    host.write(b'{"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": 12345}}\n')
    assert host.ask("ping") == {}


def test_a_line_that_is_too_long_is_dropped(host: Host) -> None:
    host.write(b'{"jsonrpc": "2.0", "id": 800, "method": "ping", "params": {"x": "')
    for _ in range(20):
        host.write(b"x" * (1 << 20))
    host.write(b'"}}\n')
    number, problem = told(host.answer_to(None))
    assert number == -32600
    assert str(LINE_BYTES_MAX) in problem["message"]
    assert host.ask("ping") == {}
    assert psutil.Process(host.process.pid).memory_info().rss < 400 << 20


def test_wrong_requests_say_what_is_wrong(host: Host) -> None:
    assert host.refused("job.paln")[0] == -32601
    for method, params, field in (
        ("job.plan", {}, "job"),
        ("job.plan", {"job": []}, "job"),
        ("job.plan", {"job": {}, "base": "/"}, "base"),
        ("job.create", {"job": {}}, "request_id"),
        ("job.get", {"job_id": 7}, "job_id"),
        ("job.get", {"job_id": "x", "brief": 1}, "brief"),
        ("job.list", {"states": ["done"]}, "states"),
        ("job.list", {"limit": True}, "limit"),
        ("job.watch", {"job_id": "x", "after_number": "1"}, "after_number"),
        ("job.unwatch", {}, "watch"),
        ("ping", {"x": 1}, "x"),
    ):
        number, problem = host.refused(method, **params)
        assert (number, problem["field"]) == (-32602, field), method
    number, problem = host.refused("job.plan", job={"plate": "/p.%04d.exr", "extnd": {}})
    assert (number, problem["code"], problem["field"]) == (-32000, "INVALID_JOB", "extnd")
    number, problem = host.refused("job.plan", job={"plate": "p.%04d.exr", "extend": {}, "output": {"path": "/o.exr"}})
    assert number == -32000
    assert "relative" in problem["message"]
    number, problem = host.refused("job.list", labels={"show": "x", "shots": "y"})
    assert (number, problem["field"]) == (-32000, "labels.shots")


def test_names_that_are_no_unicode(host: Host) -> None:
    number, problem = host.refused("job.get", job_id="\udcff")
    assert number in (-32000, -32603)
    assert problem["message"]
    assert host.ask("ping") == {}


def test_what_libraries_print_does_not_reach_the_host(own_cli, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "yaml.py").write_text(
        "import os, sys\nprint('from a library')\nos.system('echo from a child')\n"
        "sys.path.remove(os.path.dirname(__file__))\ndel sys.modules['yaml']\nfrom yaml import *\nimport yaml\n"
        "globals().update(vars(yaml))\n"
    )
    path = os.pathsep.join([str(tmp_path / "site"), own_cli.environment["PYTHONPATH"]])
    with started(own_cli, PYTHONPATH=path) as host:
        host.ask("hello", **HELLO, host_pid=os.getpid())
        assert host.ask("service.status") == {"running": False}


def test_requests_run_side_by_side(host: Host, own_cli) -> None:
    host.ask("service.open")
    with own_cli.service_stopped():
        slow = host.send("engine.list")
        assert host.ask("ping") == {}
        again = {"jsonrpc": "2.0", "id": slow, "method": "engine.list"}
        host.write(json.dumps(again).encode() + b"\n")
        assert told(host.answer_to(slow))[0] == -32600
        del host.answers[slow]
        host.write(json.dumps({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": slow}}).encode() + b"\n")
        number, problem = told(host.answer_to(slow))
        assert (number, problem["code"]) == (-32000, "CANCELLED")
    assert "plate" in [engine["name"] for engine in host.ask("engine.list")["engines"]]


def test_events_come_after_the_answer_and_in_order(host: Host, plate: str, tmp_path: Path) -> None:
    job = {
        "plate": plate,
        "extend": {"format": "48x24"},
        "engine": "grey",
        "output": {"path": "o.%04d.exr", "extras": "none"},
    }
    created = host.ask("job.create", job=job, request_id="one", base_folder=str(tmp_path))
    assert host.ask("job.create", job=job, request_id="one", base_folder=str(tmp_path))["id"] == created["id"]
    watch = host.ask("job.watch", job_id=created["id"][:12])["watch"]
    assert host.notifications == []
    events, state = [], ""
    while not state:
        message = host.next()
        assert message["params"]["watch"] == watch
        if message["method"] == "job.event":
            events.append(message["params"]["event"])
        else:
            assert message["method"] == "job.watch_state"
            state = message["params"]["state"]
    assert state == "ended"
    numbers = [event["number"] for event in events]
    assert numbers == sorted(set(numbers))
    assert [event["frame_finished"]["frame"] for event in events if "frame_finished" in event] == [
        1001,
        1002,
        1003,
        1004,
    ]
    assert events[-1]["state_changed"]["state"] == "succeeded"
    # A watch that begins behind the end ends too.
    host.ask("job.watch", job_id=created["id"], after_number=2**40)
    assert host.next()["params"]["state"] == "ended"
    host.ask("job.watch", job_id="nosuchjob")
    message = host.next()
    assert message["params"]["state"] == "failed"
    assert message["params"]["problems"][0]["code"] == "UNKNOWN_JOB"


def test_an_unwatched_job_is_silent(host: Host, plate: str, tmp_path: Path) -> None:
    job = {"plate": plate, "extend": {"format": "48x24"}, "engine": "grey", "output": {"path": "o.%04d.exr"}}
    job["controls"] = {"parameters": {"pause": 0.3}}
    created = host.ask("job.create", job=job, request_id="one", base_folder=str(tmp_path))
    watch = host.ask("job.watch", job_id=created["id"])["watch"]
    assert host.next()["method"] == "job.event"
    host.ask("job.unwatch", watch=watch)
    host.ask("job.unwatch", watch=watch)
    host.notifications.clear()
    time.sleep(0.8)
    assert host.ask("job.cancel", job_id=created["id"])["state"] in ("cancelled", "running")
    assert len(host.notifications) <= 1, "one may have been under way"


def test_it_ends_when_told(host: Host) -> None:
    host.send("shutdown")
    assert host.ends() == 0


def test_it_ends_with_its_input(silent: Host) -> None:
    silent.ask("hello", **HELLO, host_pid=os.getpid())
    silent.process.stdin.close()
    assert silent.ends() == 0


def test_it_ends_with_its_host_though_another_holds_the_pipe(silent: Host) -> None:
    nuke = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    silent.ask("hello", **HELLO, host_pid=nuke.pid)
    time.sleep(1.5)
    assert silent.ask("ping") == {}
    nuke.kill()
    nuke.wait()
    assert silent.ends() == 0


def test_it_stays_where_the_host_cannot_be_seen(silent: Host) -> None:
    nuke = subprocess.Popen([sys.executable, "-c", ""])
    nuke.wait()
    silent.ask("hello", **HELLO, host_pid=nuke.pid)
    time.sleep(1.5)
    assert silent.ask("ping") == {}


def test_a_job_goes_on_when_the_bridge_is_killed(host: Host, own_cli, plate: str, tmp_path: Path) -> None:
    job = {"plate": plate, "extend": {"format": "48x24"}, "engine": "grey", "output": {"path": "o.%04d.exr"}}
    job["controls"] = {"parameters": {"pause": 0.2}}
    created = host.ask("job.create", job=job, request_id="one", base_folder=str(tmp_path))
    host.process.send_signal(signal.SIGKILL)
    host.ends()
    with started(own_cli) as again:
        again.ask("hello", **HELLO, host_pid=os.getpid())
        own_cli.eventually(lambda: again.ask("job.get", job_id=created["id"])["state"] == "succeeded")


def test_a_terminal_gets_an_explanation() -> None:
    import pty

    controller, terminal = pty.openpty()
    try:
        command = [sys.executable, "-m", "overscan.cli", "bridge"]
        done = subprocess.run(command, stdin=terminal, capture_output=True, text=True, timeout=30, check=False)
    finally:
        os.close(controller)
        os.close(terminal)
    assert done.returncode == 2
    assert "host plugins" in done.stderr
