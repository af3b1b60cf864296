"""A real service as a process of its own, started, killed and called from outside, as a studio's would be."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import grpc
import psutil

from overscan.v1.generation_service_pb2_grpc import GenerationServiceStub

READY_SECONDS_MAX = 60.0
_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)
"""What a call ends with whose service has just died."""
_Answer = TypeVar("_Answer")


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a short name, as Unix sockets want it; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ob-") as folder:
        yield Path(folder)


class ServiceProcess:
    """The service of one home. Safe to use from several threads; only one of them may start and kill it."""

    def __init__(self, *, home: Path, kernels: Path, flags: tuple[str, ...] = (), **variables: str) -> None:
        """`kernels` holds compiled kernels, which all homes of a run share; `variables` go to the service."""
        self.home = home
        self.log = home / "service.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._flags = flags
        self._variables = variables
        self._calls = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._channel_pid = 0
        (home / "cache").mkdir(parents=True)
        kernels.mkdir(parents=True, exist_ok=True)
        (home / "cache" / "numba").symlink_to(kernels)

    def spawn(self) -> None:
        """Start the process, and do not wait."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "overscan.service", "--private", "--home", str(self.home), *self._flags],
                stdout=log,
                stderr=log,
                env={**os.environ, **self._variables},
                start_new_session=True,
            )

    def wait_ready(self) -> float:
        """Wait until it has said that it answers; seconds since now."""
        began = time.monotonic()
        while self.announced() is None:
            if self.process is None or self.process.poll() is not None:
                raise SystemExit(f"the service ended by itself:\n{self.log.read_text()[-4000:]}")
            if time.monotonic() - began > READY_SECONDS_MAX:
                raise SystemExit(f"the service is not ready:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.005)
        return time.monotonic() - began

    def announced(self) -> str | None:
        """The address, once this very process has announced it."""
        try:
            found = json.loads((self.home / "service.json").read_text())
        except (OSError, ValueError):
            return None
        mine = self.process is not None and found["pid"] == self.process.pid
        return str(found["address"]) if mine else None

    def calls(self) -> GenerationServiceStub:
        """What to call the service by; raises `ConnectionError` where it is not there."""
        address = self.announced()
        if address is None or self.process is None:
            raise ConnectionError("the service is not there")
        with self._calls:
            if self._channel is None or self._channel_pid != self.process.pid:
                if self._channel is not None:
                    self._channel.close()
                self._channel, self._channel_pid = grpc.insecure_channel(address), self.process.pid
            return GenerationServiceStub(self._channel)

    def ask(self, call: Callable[[GenerationServiceStub], _Answer], *, seconds: float = 120.0) -> _Answer:
        """What `call` answers; asks again where the service has gone, until it is back."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return call(self.calls())
            except (ConnectionError, ValueError) as error:  # a closed channel says ValueError
                last: Exception = error
            except grpc.RpcError as error:
                if error.code() not in _GONE:
                    raise
                last = error
            if time.monotonic() > deadline:
                raise last
            time.sleep(0.02)

    def workers(self, word: str = "worker-") -> list[psutil.Process]:
        """Its living workers whose lock's name has `word` in it; ``render`` for those that render."""
        found = []
        if self.process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(self.process.pid).children():
                    with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                        command = child.cmdline()
                        if "--lock" in command and word in command[command.index("--lock") + 1]:
                            found.append(child)
        return found

    def kill(self, *, with_workers: bool = False) -> None:
        """SIGKILL it; `with_workers` all that it started too, at once, as where a machine goes down."""
        assert self.process is not None
        others: list[psutil.Process] = []
        if with_workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                others = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for other in others:
            with contextlib.suppress(psutil.NoSuchProcess):
                other.kill()
        self.process.wait()

    def end(self) -> None:
        """Have it end in order, and kill it where it does not."""
        with self._calls:
            if self._channel is not None:
                self._channel.close()
                self._channel = None
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill(with_workers=True)
