"""What is looked at while a service is fuzzed: its life and memory, what it says, and a canary outside its roots."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psutil
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from overscan.v1.plan_pb2 import Problem

SECONDS_MAX = 5.0
SERVICE_BYTES_MAX = 600 << 20
WORKER_BYTES_MAX = 3 << 30
_CODE_OF_OURS = re.compile(
    r"Traceback \(most|\.py\"?, line \d|object at 0x[0-9a-f]|<class '|site-packages|sqlalche\.me|\(sqlite3\."
    r"|(?<!python -m )\boverscan[/.](core|service)[/.]\w"
)
_OF_GRPC = {
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,  # a message over the limit
    grpc.StatusCode.UNIMPLEMENTED,
}
"""Statuses that gRPC gives by itself, and then without our details."""
_DEFECTS = {"INTERNAL", "ENGINE_FAULT", "STEP_FAILED"}
_PAST = 1_000_000_000
_SHOWN = 40


@dataclass
class Tally:
    """What was counted and what is wrong."""

    limit: float = SECONDS_MAX
    """Seconds that a call may take."""
    calls: int = 0
    seconds_max: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    """Calls that took longer."""
    service_bytes: int = 0
    worker_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, outcome: str, seconds: float, label: str = "") -> None:
        """Note what a call ended as, and whether it was slow."""
        with self._lock:
            if seconds > self.limit:
                self.slow.append(f"{label} took {seconds:.1f} s and ended as {outcome}")
            self.calls += 1
            self.seconds_max = max(self.seconds_max, seconds)
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def blame(self, what: str) -> None:
        """Note what is wrong."""
        with self._lock:
            self.wrong.append(what)

    def lines(self) -> list[str]:
        """The tally in words."""
        most = sorted(self.outcomes.items(), key=lambda item: -item[1])
        return [
            f"{self.calls} calls, the longest {self.seconds_max:.2f} s; "
            f"the service took {self.service_bytes >> 20} MiB, a worker {self.worker_bytes >> 20} MiB",
            "  ".join(f"{name} {count}" for name, count in most),
            *(f"WRONG {one}" for one in self.wrong[:_SHOWN]),
            *(f"SLOW {one}" for one in self.slow[:_SHOWN]),
            f"{len(self.wrong)} wrong, {len(self.slow)} slower than {self.limit:g} s",
        ]


def text_is_ours(text: str) -> bool:
    """Whether a text for people shows the code behind it."""
    return bool(_CODE_OF_OURS.search(text))


def judge_refusal(error: grpc.RpcError, tally: Tally, label: str) -> str:
    """Look at how a call was refused; gives its code."""
    call: Any = error
    code: grpc.StatusCode = call.code()
    message = call.details() or ""
    if text_is_ours(message):
        tally.blame(f"{label}: the message shows code: {message[:300]}")
    try:
        status = rpc_status.from_call(call)
    except ValueError as contradiction:
        tally.blame(f"{label}: {contradiction}")
        return code.name
    info = error_details_pb2.ErrorInfo()
    found = [one for one in (status.details if status is not None else ()) if one.Unpack(info)]
    if not found:
        if code not in _OF_GRPC:
            tally.blame(f"{label}: {code.name} without details: {message[:300]}")
        return f"({code.name})"
    found[0].Unpack(info)
    for value in info.metadata.values():
        if text_is_ours(value):
            tally.blame(f"{label}: the details show code: {value[:300]}")
    if info.reason in _DEFECTS:
        tally.blame(f"{label}: {info.reason}: {message[:400]}")
    return info.reason


def judge_problem(problem: Problem, tally: Tally, label: str) -> str:
    """Look at a problem of a plan or a job."""
    for text in (problem.message, problem.next_step, problem.expected):
        if text_is_ours(text):
            tally.blame(f"{label}: a problem shows code: {text[:300]}")
    if problem.code in _DEFECTS:
        tally.blame(f"{label}: {problem.code}: {problem.message[:400]}")
    return problem.code


class Vitals:
    """Watches a service process and its workers."""

    def __init__(self, *, pid: int, tally: Tally) -> None:
        self._process = psutil.Process(pid)
        self._tally = tally
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Vitals:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        if not self._process.is_running() or self._process.status() == psutil.STATUS_ZOMBIE:
            self._tally.blame("the service is dead")
        if self._tally.service_bytes > SERVICE_BYTES_MAX:
            self._tally.blame(f"the service took {self._tally.service_bytes >> 20} MiB")
        if self._tally.worker_bytes > WORKER_BYTES_MAX:
            self._tally.blame(f"a worker took {self._tally.worker_bytes >> 20} MiB")

    def _look(self) -> None:
        while not self._end.wait(0.25):
            with contextlib.suppress(psutil.Error):
                self._tally.service_bytes = max(self._tally.service_bytes, self._process.memory_info().rss)
                for child in self._process.children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        self._tally.worker_bytes = max(self._tally.worker_bytes, child.memory_info().rss)


class Canary:
    """A folder that nobody may read or write: its files' times of access lie in the past, and would move."""

    def __init__(self, folder: Path, *, picture: bytes) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("secret.0001.exr", "secret.0002.exr", "secret.0003.exr"):
            (folder / name).write_bytes(picture)
        (folder / "secret.txt").write_text("canary-4711\n")
        probe = folder / "probe"
        probe.write_text("x")
        os.utime(probe, (_PAST, time.time()))
        probe.read_text()
        self.sees_reads = probe.stat().st_atime > _PAST
        """Whether this file system keeps times of access."""
        probe.unlink()
        for one in folder.iterdir():
            os.utime(one, (_PAST, time.time()))
        self._before = self._state()

    def _state(self) -> dict[str, tuple[float, float, int]]:
        return {
            one.name: (one.stat().st_atime, one.stat().st_mtime, one.stat().st_size)
            for one in sorted(self.folder.rglob("*"))
        }

    def check(self, tally: Tally) -> None:
        """Blame whoever touched it."""
        now = self._state()
        for name in sorted(now.keys() | self._before.keys()):
            if now.get(name) != self._before.get(name):
                tally.blame(f"outside the roots: '{name}' was {self._before.get(name)} and is {now.get(name)}")


def check_log(log: Path, tally: Tally) -> None:
    """Blame what the service's log says of defects."""
    lines = log.read_text(errors="replace").splitlines()
    for line in lines:
        if "a call failed" in line or "Exception calling application" in line or "Exception deserializing" in line:
            tally.blame(f"the log says: {line[:200]} … {line[-300:]}")
        elif line.startswith("Traceback"):
            tally.blame("the log has a bare traceback")


_OPENED = re.compile(r"^(\d+) +(\w+)\((.*)$")
_TOUCHES = {"open", "openat", "openat2", "creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink",
            "unlinkat", "rmdir", "link", "linkat", "symlink", "symlinkat", "truncate", "chmod", "fchmodat", "chown",
            "fchownat", "utimensat", "execve"}  # fmt: skip
_CHANGES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")


def check_trace(log: Path, *, canary: Path, writable: Sequence[Path], tally: Tally) -> int:
    """Blame whoever opened or changed something in the canary, or wrote outside what is writable, by what strace wrote.

    Returns how many calls on files were looked at.
    """
    begun: dict[str, tuple[str, str]] = {}
    looked = 0
    allowed = tuple(f"{folder}/" for folder in writable)
    for line in log.read_text(errors="replace").splitlines():
        pid, _, rest = line.partition(" ")
        if "resumed>" in rest and pid in begun:
            name, arguments = begun.pop(pid)
            arguments += rest.partition("resumed>")[2]
        else:
            found = _OPENED.match(line)
            if found is None:
                continue
            name, arguments = found[2], found[3]
            if "<unfinished" in arguments:
                begun[pid] = (name, arguments)
                continue
        looked += 1
        if name not in _TOUCHES or re.search(r"= -1 E\w+", arguments):
            continue
        paths = [one for one in re.findall(r'"((?:[^"\\]|\\.)*)"', arguments) if one.startswith("/")]
        for path in paths[:2] if name != "execve" else paths[:1]:
            if path == str(canary) or path.startswith(f"{canary}/"):
                tally.blame(f"strace: {name}({arguments[:200]}")
            elif _CHANGES.search(arguments) and name.startswith("open") and not f"{path}/".startswith(allowed):
                tally.blame(f"strace: written outside: {name}({arguments[:200]}")
    return looked


def say(text: str) -> None:
    """Write a line for whoever runs it."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
