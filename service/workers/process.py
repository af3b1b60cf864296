"""Processes of workers, as the system has them: starting and killing them, and those an earlier service left."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from overscan.service._settings import Settings
from overscan.service.workers.kernels import kernels_folder
from overscan.service.workers.locks import FileLock

_LOG = logging.getLogger(__name__)
_GOES_SECONDS_MAX = 5.0
_LOCKS_MAX = 16
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "DIFFUSERS_DISABLE_REMOTE_CODE": "1",
}
"""Tells libraries not to try what `confine` would refuse them, and never to run code that comes with a model."""
_NOT_FOR_ENGINES = "OVERSCAN_DATABASE"
"""How the variables begin that hold the password of the job store."""
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
"""Linux kills a worker when the *thread* that started it ends: start them all from one that stays."""


def spawn(
    *, name: str, lock: Path, log: Path, settings: Settings, variables: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a worker that holds `lock` and says what it has to say on stderr in `log`; `variables` are its own."""
    # A group of its own, so that a terminal's Ctrl-C is the service's to handle, and so that an engine's own
    # children go with it.
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    command = [
        *(sys.executable, "-m", "overscan.service.workers.start"),
        *("--lock", str(lock), "--parent", str(os.getpid()), "--name", name),
    ]
    own = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_FOR_ENGINES)}
    environment = {**own, **_OFFLINE, **_environment(settings), **variables}
    with log.open("ab") as stderr:

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=environment, **apart
            )

        return _SPAWNER.submit(start).result()


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker with all it started; it may take the system a while."""
    if sys.platform != "win32" and process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
            return
    process.kill()


def reap(process: subprocess.Popen[bytes]) -> bool:
    """Wait until a worker that ends has ended, and kill it where it does not; False where even that does not help.

    One within a read that a dead share never answers ends when the share comes back.
    """
    for last in (False, True):
        try:
            process.wait(timeout=_GOES_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            kill(process)
        else:
            return True
        if last:
            break
    _LOG.error("process %d cannot be killed and is left behind", process.pid)
    return False


def free_lock(*, folder: Path, name: str) -> Path:
    """The lock that the next worker `name` is to hold, once no earlier one does the same work any more.

    A worker whose service was killed ends by itself; one that will not go is killed. One that cannot be killed keeps
    its lock, and the next worker gets another: what the old one still writes is a file that nobody sees any more.
    """
    for number in range(1, _LOCKS_MAX):
        lock = folder / (f"worker-{name}.lock" if number == 1 else f"worker-{name}-{number}.lock")
        if _settle(lock):
            return lock
    raise OSError(f"{_LOCKS_MAX} workers '{name}' cannot be killed; their locks are in {folder}")


def _settle(lock: Path) -> bool:
    """Wait until no worker of an earlier service holds `lock`; False where one cannot be made to go."""
    probe = FileLock(path=lock)
    kills = 0
    deadline = time.monotonic() + _GOES_SECONDS_MAX
    while not probe.acquire(text=""):
        if time.monotonic() > deadline:
            if kills == 2:
                return False
            kills += 1
            deadline += _GOES_SECONDS_MAX
            holder = probe.holder()
            _LOG.warning("killing worker %s, left behind by an earlier service", holder)
            if holder.isdigit():
                _kill_worker(int(holder))
        time.sleep(0.02)
    probe.release()
    return True


def _kill_worker(pid: int) -> None:
    """Kill a worker that holds its lock, with all it started: its child may hold the lock where it has died itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)
        else:
            os.killpg(pid, signal.SIGKILL)  # no group of that number lives but the worker's: it holds the lock


def how(returncode: int | None) -> str:
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


def _environment(settings: Settings) -> dict[str, str]:
    """What every worker is told."""
    told = {
        "NUMBA_CACHE_DIR": str(kernels_folder(settings.cache)),
        "OVERSCAN_HOME": str(settings.home),
        # Empty stands for the home's own folder, which need not be there; one that is named must be.
        "OVERSCAN_POLICY_ROOT": str(settings.policy_root or ""),
        "OVERSCAN_LOG_LEVEL": settings.log_level,
        "OVERSCAN_LOG_FORMAT": settings.log_format,
    }
    if settings.model_memory is not None:
        told["OVERSCAN_MODEL_MEMORY"] = str(settings.model_memory)
    return told
