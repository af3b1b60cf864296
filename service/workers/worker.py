"""The service's end of a worker process: start it, ask it, stop it, and say how it died."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import pickle
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from overscan.core.memory import kills_for_memory
from overscan.service._errors import (
    ServiceClosingError,
    WorkerDiedError,
    WorkerKilledError,
    WorkerOutOfMemoryError,
    WorkerStartError,
    WorkerStuckError,
)
from overscan.service._settings import Settings
from overscan.service.operations import metrics
from overscan.service.workers import messages
from overscan.service.workers.bounds import bounds_environment
from overscan.service.workers.devices import device_environment
from overscan.service.workers.locks import EXIT_HELD, FileLock
from overscan.service.workers.logs import prune_logs, said_since, size_of
from overscan.service.workers.process import free_lock, how, kill, reap, spawn
from overscan.service.workers.watchdog import Pulse, cpu_seconds_of

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_GIB = 1024**3
_LOGS_KEPT = 10
"""Of each worker."""
_STARTS_MAX = 3
"""Processes in a row that may find their lock taken, by one that was killed and is not gone yet."""
_SIGKILL = 9
_starts = itertools.count(1)
_hashes: dict[tuple[int, ...], str] = {}
"""What workers of this process have hashed of models. Never on a disk: policies decide by it."""
_HASHES_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """How a worker does."""

    name: str
    device: str
    pid: int
    """0 where no process is there."""
    job_id: str
    step_id: str
    silent_seconds: float
    """Since it was heard of last; 0 while it has nothing to do."""
    memory_bytes: int
    """That it said it holds last."""
    starts: int
    deaths: int


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


class _HeldError(WorkerStartError):
    """A worker did not get its lock."""


class Worker:
    """One worker process, started when needed, one request at a time."""

    def __init__(self, *, name: str, settings: Settings, device: str | None = None, plans_only: bool = False) -> None:
        """`device` is what it sees (`render_devices`); with `plans_only` it plans for workers that render."""
        self.name = name
        self._device = device
        self._plans = {"OVERSCAN_PLANS_ONLY": "1"} if plans_only else {}
        self.also_reads: Path | None = None
        """A folder that a process which is started may read besides, where there are roots."""
        self.log_path = settings.logs / f"worker-{name}.log"
        self._settings = settings
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._current = 0
        self._closed = False
        self._pulse = Pulse(heard_at=0.0)
        self._listens = False
        """Whether somebody waits for what the process says next."""
        self._verdict = ""
        """Why the process was killed by ourselves."""
        self._lock_path: Path | None = None
        """Of the process's own lock."""
        self._log_begin = 0
        self._memory_bytes = 0
        self._memory_kills = 0
        self._work = ("", "")
        self._told: subprocess.Popen[bytes] | None = None
        """The process that knows what others have hashed."""
        self._starts = self._deaths = 0

    def status(self) -> WorkerState:
        """How it does now. Takes no lock: starting a process may take long."""
        process, pulse, work = self._process, self._pulse, self._work
        alive = process is not None and process.poll() is None
        busy = bool(self._current)
        return WorkerState(
            name=self.name,
            device="cpu" if self._device == "" else self._device or "default",
            pid=process.pid if alive and process is not None else 0,
            job_id=work[0] if busy else "",
            step_id=work[1] if busy else "",
            silent_seconds=max(time.monotonic() - pulse.heard_at, 0.0) if busy and alive else 0.0,
            memory_bytes=self._memory_bytes if alive else 0,
            starts=self._starts,
            deaths=self._deaths,
        )

    def said(self) -> str:
        """The end of what the process wrote to its log since it got its last request."""
        return said_since(self.log_path, begin=self._log_begin)

    def ask(
        self, *, body: messages.Body, stop: Stop, stop_seconds_max: float
    ) -> Iterator[messages.Report | messages.Ending]:
        """Reports as they come, then one ending.

        Where `stop` asks, the worker is told, and killed `stop_seconds_max` later. Raises `WorkerDiedError` (one of
        those that are derived from it) where the process ended without an ending, or was killed since it did not
        answer, and `ServiceClosingError` once closed.
        """
        for start in range(1, _STARTS_MAX + 1):
            try:
                yield from self._answers(body, stop, stop_seconds_max)
                return
            except _HeldError:
                if start == _STARTS_MAX:
                    raise

    def _answers(
        self, body: messages.Body, stop: Stop, stop_seconds_max: float
    ) -> Iterator[messages.Report | messages.Ending]:
        process, number = self._send(body)
        assert process.stdout is not None
        stop.bind(lambda: self._stop(process, number, stop_seconds_max))
        dog = threading.Thread(target=self._watch, args=(process, number), name=f"watch-{self.name}", daemon=True)
        dog.start()
        try:
            while True:
                answer = self._read(process)
                if answer is None:
                    raise self._death(process)
                if answer[0] != number:
                    continue
                message = answer[1]
                now = time.monotonic()
                if isinstance(message, messages.Heartbeat):
                    self._pulse.beat(now=now, cpu_seconds=message.cpu_seconds)
                    self._memory_bytes = message.resident_bytes
                    continue
                self._pulse.report(now=now)
                if isinstance(message, messages.Hashed):
                    if len(_hashes) < _HASHES_MAX:
                        _hashes.update({file.signature: file.sha256 for file in message.files})
                    continue
                yield message
                if isinstance(message, (messages.Finished, messages.Failed)):
                    return
        finally:
            stop.bind(None)
            with self._lock:
                if self._current == number:
                    self._current = 0

    def _read(self, process: subprocess.Popen[bytes]) -> tuple[int, messages.Report | messages.Ending] | None:
        """What the process says next; None where it has ended, or has to."""
        assert process.stdout is not None
        self._pulse.wait(now=time.monotonic())
        self._listens = True
        try:
            return messages.read_report(process.stdout)
        except (pickle.UnpicklingError, OSError, ValueError, EOFError, TypeError, AttributeError) as error:
            _LOG.error("worker %s sent what cannot be read: %s", self.name, error)
            kill(process)
            return None
        finally:
            self._listens = False

    def _watch(self, process: subprocess.Popen[bytes], number: int) -> None:
        """Kill the process where it is frozen or stuck while it has the request."""
        silent_max, stuck_max = self._settings.heartbeat_seconds_max, self._settings.stuck_seconds_max
        while True:
            time.sleep(min(_LOOK_SECONDS, silent_max / 4, stuck_max / 4))
            with self._lock:
                if self._current != number or self._process is not process:
                    return
            if not self._listens:  # whoever listens is busy, e.g. waits for room for the store
                continue
            verdict = self._pulse.verdict(
                now=time.monotonic(),
                cpu_seconds=cpu_seconds_of(process.pid),
                silent_max=silent_max,
                stuck_max=stuck_max,
            )
            if verdict:
                _LOG.warning("worker %s (process %d) is killed: %s", self.name, process.pid, verdict)
                self._verdict = verdict
                kill(process)
                return

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
            kill(process)
            reap(process)

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
                self._pulse.begin(now=time.monotonic())
                self._log_begin = size_of(self.log_path)
                self._memory_kills = kills_for_memory()
                self._work = (
                    os.path.basename(getattr(body, "work_folder", "")),  # noqa: PTH119
                    str(getattr(body, "step_id", "")),
                )
            assert process.stdin is not None
            try:
                messages.write(
                    process.stdin, messages.Request(number=number, body=body, hashes=self._hashes_for(process))
                )
                return process, number
            except OSError:  # it died since it was last asked
                if attempt == 2:
                    raise self._death(process) from None
                self.abandon()
        raise AssertionError("unreachable")

    def _hashes_for(self, process: subprocess.Popen[bytes]) -> tuple[messages.FileHash, ...]:
        """What a process is to know of models; nothing new after its first request."""
        if self._told is process:
            return ()
        self._told = process
        known = list(_hashes.items())
        return tuple(messages.FileHash(signature=signature, sha256=sha256) for signature, sha256 in known)

    def _start(self) -> subprocess.Popen[bytes]:
        prune_logs(folder=self._settings.logs, name=self.name, keep=_LOGS_KEPT)
        self.log_path = self._settings.logs / f"worker-{self.name}-{os.getpid()}-{next(_starts)}.log"
        self._lock_path = lock = free_lock(folder=self._settings.run, name=self.name)
        variables = {
            **device_environment(self._device),
            **self._plans,
            **bounds_environment(
                self._settings,
                plans=bool(self._plans),
                verifies=self.name.startswith("verify"),
                also_reads=self.also_reads,
            ),
        }
        process = spawn(name=self.name, lock=lock, log=self.log_path, settings=self._settings, variables=variables)
        _LOG.debug("worker %s is process %d", self.name, process.pid)
        metrics.worker_started(worker=self.name)
        self._pulse = Pulse(heard_at=time.monotonic())
        self._verdict = ""
        self._memory_bytes = 0
        self._starts += 1
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
            kill(process)

    def _death(self, process: subprocess.Popen[bytes]) -> WorkerDiedError:
        """The error that says how the process ended."""
        reap(process)
        unstarted = self._unstarted(process)
        if unstarted is not _HeldError:  # it only came too early
            self._deaths += 1
            metrics.worker_died(worker=self.name)
        held = f"{self._memory_bytes / _GIB:.1f} GiB" if self._memory_bytes else ""
        code = process.returncode
        with self._lock:
            if self._process is process:
                self._discard()
        log = f"Its log is {self.log_path}."
        if self._verdict:
            return WorkerStuckError(
                f"the worker process was killed: {self._verdict}.",
                next_step=f"Check that the disks it reads and writes answer. {log}",
                path=self.log_path,
                actual=self._verdict,
            )
        if code in (-signal.SIGTERM, -_SIGKILL) and kills_for_memory() > self._memory_kills:
            return WorkerOutOfMemoryError(
                "the system killed the worker for want of memory.",
                next_step="Close other programs, use fewer workers, or work on a smaller format; then retry the job.",
                path=self.log_path,
                actual=f"the worker held {held}" if held else "",
            )
        if unstarted is not None:
            return unstarted(
                f"the worker process ended before it had begun: {how(code)}.",
                next_step=f"Check that Overscan is whole where it is installed (`overscan doctor`). {log}",
                path=self.log_path,
                actual=how(code),
            )
        kind = WorkerKilledError if code in (-signal.SIGTERM, -_SIGKILL) else WorkerDiedError
        return kind(
            f"the worker process died: {how(code)}.",
            next_step=log,
            path=self.log_path,
            actual=how(code) + (f"; it held {held} of memory" if held else ""),
        )

    def _unstarted(self, process: subprocess.Popen[bytes]) -> type[WorkerStartError] | None:
        """What to raise of a process that ended by itself before it had its lock; None where it came to its work."""
        code = process.returncode
        if self._lock_path is None or code is None or code < 0:
            return None
        holder = FileLock(path=self._lock_path).holder()  # each writes who it is, and `free_lock` wiped that out before
        if code == EXIT_HELD and holder != str(process.pid):
            return _HeldError
        return None if holder else WorkerStartError

    def _discard(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process = None
