"""The service's end of a worker process: start it, ask it, stop it, and say how it died."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from overscan import core
from overscan.service import _messages as messages
from overscan.service._devices import device_environment
from overscan.service._errors import ServiceClosingError, WorkerDiedError
from overscan.service._locks import FileLock
from overscan.service._settings import Settings

_LOG = logging.getLogger(__name__)
_EXIT_SECONDS_MAX = 5.0
_LOGS_KEPT = 40
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "DIFFUSERS_DISABLE_REMOTE_CODE": "1",
}
"""Tells libraries not to try what `_confine` would refuse them, and never to run code that comes with a model."""
_starts = itertools.count(1)
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
"""Linux kills a worker when the *thread* that started it ends: start them all from one that stays."""


@lru_cache
def _kernels(cache: Path) -> Path:
    """Where compiled kernels are kept: apart for each state of the code, for numba does not notice that a kernel has
    changed which another module's kernel calls."""
    digest = hashlib.blake2b(digest_size=8)
    for source in sorted(Path(core.__path__[0]).rglob("*.py")):
        digest.update(source.read_bytes())
    return cache / "numba" / digest.hexdigest()


class Stop:
    """Asks a request to end, from any thread and at any time, before it has begun included."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._act: Callable[[], None] | None = None
        self.requested = False

    def request(self) -> None:
        """Ask once; asking again changes nothing."""
        with self._lock:
            if self.requested:
                return
            self.requested = True
            act = self._act
        if act is not None:
            act()

    def bind(self, act: Callable[[], None] | None) -> None:
        """Have `act` called when asked, or now where that was before."""
        with self._lock:
            self._act = act
            now = self.requested and act is not None
        if now and act is not None:
            act()


class Worker:
    """One worker process, started when needed, one request at a time."""

    def __init__(self, *, name: str, settings: Settings, device: str | None = None, plans_only: bool = False) -> None:
        """`device` is what it sees (`render_devices`); with `plans_only` it plans for workers that render."""
        self.name = name
        self._device = device
        self._plans = {"OVERSCAN_PLANS_ONLY": "1"} if plans_only else {}
        self.log_path = settings.logs / f"worker-{name}.log"
        self._settings = settings
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._current = 0
        self._closed = False

    def ask(
        self, *, body: messages.Body, stop: Stop, stop_seconds_max: float
    ) -> Iterator[messages.Report | messages.Ending]:
        """Reports as they come, then one ending.

        Where `stop` asks, the worker is told, and killed `stop_seconds_max` later. Raises `WorkerDiedError` where the
        process ended without an ending, and `ServiceClosingError` once closed.
        """
        process, number = self._send(body)
        assert process.stdout is not None
        stop.bind(lambda: self._stop(process, number, stop_seconds_max))
        try:
            while True:
                try:
                    answer = messages.read_report(process.stdout)
                except (pickle.UnpicklingError, OSError, ValueError, EOFError, TypeError, AttributeError) as error:
                    _LOG.error("worker %s sent what cannot be read: %s", self.name, error)
                    self._kill(process)
                    answer = None
                if answer is None:
                    raise self._death(process)
                if answer[0] != number:
                    continue
                yield answer[1]
                if isinstance(answer[1], (messages.Finished, messages.Failed)):
                    return
        finally:
            stop.bind(None)
            with self._lock:
                if self._current == number:
                    self._current = 0

    def close(self) -> None:
        """Kill the process and start no other: from now on `ask` raises `ServiceClosingError`."""
        with self._lock:
            self._closed = True
        self.abandon()

    def abandon(self) -> None:
        """Kill the process, whatever it does; the next request starts another."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            self._kill(process)
            self._reap(process)

    def _send(self, body: messages.Body) -> tuple[subprocess.Popen[bytes], int]:
        for attempt in (1, 2):
            with self._lock:
                if self._process is None or self._process.poll() is not None:
                    self._discard()
                    if self._closed:
                        raise ServiceClosingError("the service is closing.", next_step="Try again in a moment.")
                    self._process = self._start()
                process = self._process
                number = self._current = next(self._numbers)
            assert process.stdin is not None
            try:
                messages.write(process.stdin, messages.Request(number=number, body=body))
                return process, number
            except OSError:  # it died since it was last asked
                if attempt == 2:
                    raise self._death(process) from None
                self.abandon()
        raise AssertionError("unreachable")

    def _start(self) -> subprocess.Popen[bytes]:
        _prune_logs(folder=self._settings.logs, keep=_LOGS_KEPT + (self._settings.workers or 0))
        self.log_path = self._settings.logs / f"worker-{self.name}-{os.getpid()}-{next(_starts)}.log"
        lock = self._settings.run / f"worker-{self.name}.lock"
        settle(lock=lock)
        # A group of its own, so that a terminal's Ctrl-C is the service's to handle, and so that an engine's own
        # children go with it.
        apart: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        with self.log_path.open("ab") as log:
            command = [
                *(sys.executable, "-m", "overscan.service._worker_main"),
                *("--lock", str(lock), "--parent", str(os.getpid())),
            ]
            environment = {
                **os.environ,
                **_OFFLINE,
                **device_environment(self._device),
                **_memory(self._settings),
                **self._plans,
                "NUMBA_CACHE_DIR": str(_kernels(self._settings.cache)),
                "OVERSCAN_HOME": str(self._settings.home),
                # Empty stands for the home's own folder, which need not be there; one that is named must be.
                "OVERSCAN_POLICY_ROOT": str(self._settings.policy_root or ""),
            }

            def spawn() -> subprocess.Popen[bytes]:
                return subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment, **apart
                )

            process = _SPAWNER.submit(spawn).result()
        _LOG.debug("worker %s is process %d", self.name, process.pid)
        return process

    def _stop(self, process: subprocess.Popen[bytes], number: int, seconds: float) -> None:
        """Tell the worker, and kill it where it has not answered in time."""
        assert process.stdin is not None
        try:
            messages.write(process.stdin, messages.StopRequest(number=number))
        except (OSError, ValueError):
            return
        timer = threading.Timer(seconds, self._kill_late, args=(process, number))
        timer.daemon = True
        timer.start()

    def _kill_late(self, process: subprocess.Popen[bytes], number: int) -> None:
        with self._lock:
            late = self._current == number and self._process is process
        if late:
            _LOG.warning("worker %s did not stop in time and is killed", self.name)
            self._kill(process)

    def _death(self, process: subprocess.Popen[bytes]) -> WorkerDiedError:
        self._reap(process)
        with self._lock:
            if self._process is process:
                self._discard()
        return WorkerDiedError(
            f"the worker process died: {_how(process.returncode)}.",
            next_step=f"Its log is {self.log_path}.",
            path=self.log_path,
            actual=_how(process.returncode),
        )

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(timeout=_EXIT_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._kill(process)
            process.wait()

    def _discard(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process = None

    @staticmethod
    def _kill(process: subprocess.Popen[bytes]) -> None:
        if sys.platform != "win32" and process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
                return
        process.kill()


def _memory(settings: Settings) -> dict[str, str]:
    """How much memory a worker may keep models in."""
    return {} if settings.model_memory is None else {"OVERSCAN_MODEL_MEMORY": str(settings.model_memory)}


def settle(*, lock: Path) -> None:
    """Wait until no worker of an earlier service holds `lock`, and kill one that will not go.

    A worker whose service was killed ends by itself; but it must be gone before another does the same step.
    """
    probe = FileLock(path=lock)
    deadline = time.monotonic() + _EXIT_SECONDS_MAX
    while not probe.acquire(text=""):
        if time.monotonic() > deadline:
            deadline += _EXIT_SECONDS_MAX
            holder = probe.holder()
            _LOG.warning("killing worker %s, left behind by an earlier service", holder)
            if holder.isdigit():
                _kill_worker(int(holder))
        time.sleep(0.02)
    probe.release()


def _kill_worker(pid: int) -> None:
    """Kill a worker that holds its lock, with all it started: its child may hold the lock where it has died itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)
        else:
            os.killpg(pid, signal.SIGKILL)  # no group of that number lives but the worker's: it holds the lock


def _prune_logs(*, folder: Path, keep: int) -> None:
    """Keep the newest worker logs only."""
    found = []
    for path in folder.glob("worker-*.log"):
        with contextlib.suppress(OSError):  # another worker's start removes old logs too
            found.append((path.stat().st_mtime, path))
    for _, path in sorted(found, reverse=True)[keep:]:
        path.unlink(missing_ok=True)


def _how(returncode: int | None) -> str:
    """A return code in words."""
    if returncode is None:
        return "unknown"
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    hint = " (often the system's answer to too little memory)" if name == "SIGKILL" else ""
    return f"{name}{hint}"
