"""Starts a private service: one that belongs to nobody's terminal and ends by itself when it is idle."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from overscan.client._discovery import Endpoint, announced_endpoint, refusal
from overscan.client._errors import ServiceUnreachableError, make_problem

_ANOTHER_HOLDS_THE_HOME = 75
"""Exit code of a service that finds another one in its home folder."""

_POLL_SECONDS = 0.02
_LOG_LIMIT_BYTES = 1 << 20
_LOG_LINES_SHOWN = 15


def ensure_service(*, home: Path, timeout_seconds: float, idle_exit_seconds: float) -> Endpoint:
    """The endpoint of the service of `home`, started where none runs.

    Any number of processes may ask at once: the service's own lock lets one of the started processes live, and all
    wait for its address. Raises `ServiceUnreachableError` with the end of the log where none comes up in time.
    """
    running = live_endpoint(home=home)
    if running is not None:
        return running
    log = _prepare_log(home)
    deadline = time.monotonic() + timeout_seconds
    process: subprocess.Popen[bytes] | None = None
    begin = 0
    while time.monotonic() < deadline:
        if process is None:
            begin = log.stat().st_size
            process = _start(home=home, log=log, idle_exit_seconds=idle_exit_seconds)
        endpoint = live_endpoint(home=home)
        if endpoint is not None:
            return endpoint
        exit_code = process.poll()
        if exit_code == _ANOTHER_HOLDS_THE_HOME:
            # The other one is starting (its address comes soon) or ending (then it is this one's turn).
            pause = time.monotonic() + 0.5
            while time.monotonic() < pause:
                endpoint = live_endpoint(home=home)
                if endpoint is not None:
                    return endpoint
                time.sleep(_POLL_SECONDS)
            process = None
        elif exit_code is not None:
            raise _did_not_start(f"It ended with exit code {exit_code}", log=log, begin=begin)
        time.sleep(_POLL_SECONDS)
    raise _did_not_start(f"It was not ready after {timeout_seconds:g} seconds", log=log, begin=begin)


def live_endpoint(*, home: Path) -> Endpoint | None:
    """The announced endpoint if something listens there; a stale ``service.json`` counts as no service."""
    endpoint = announced_endpoint(home=home)
    return endpoint if endpoint is not None and not refusal(endpoint) else None


def service_command(*arguments: str) -> list[str]:
    """The command line that runs the service in this Python."""
    return [sys.executable, "-m", "overscan.service", *arguments]


def _prepare_log(home: Path) -> Path:
    log = home / "logs" / "service-start.log"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        log.parent.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):  # no log yet, or Windows, where another service still writes to it
            if log.stat().st_size > _LOG_LIMIT_BYTES:
                log.replace(log.with_suffix(".log.1"))
        log.touch()
    except OSError as error:
        raise ServiceUnreachableError(
            [
                make_problem(
                    "SERVICE_START_FAILED",
                    f"Overscan's home folder {home} cannot be written: {error.strerror or error}.",
                    next_step="Make it writable, or set OVERSCAN_HOME to a folder that is.",
                    path=str(home),
                )
            ]
        ) from error
    return log


def _start(*, home: Path, log: Path, idle_exit_seconds: float) -> subprocess.Popen[bytes]:
    command = service_command("--private", "--home", str(home), "--idle-exit", f"{idle_exit_seconds:g}")
    # Not the user's folder: `python -m` would import from it, and the service would keep it busy.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    with log.open("ab") as stream:
        return subprocess.Popen(
            command,
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            creationflags=flags,
        )


def _did_not_start(what: str, *, log: Path, begin: int) -> ServiceUnreachableError:
    with contextlib.suppress(OSError), log.open("rb") as stream:
        stream.seek(begin)
        lines = stream.read().decode("utf-8", errors="replace").strip().splitlines()[-_LOG_LINES_SHOWN:]
        said = "\n".join(f"    {line}" for line in lines) or "    (it said nothing)"
        what = f"{what}. The end of its log:\n{said}"
    return ServiceUnreachableError(
        [
            make_problem(
                "SERVICE_START_FAILED",
                f"The Overscan service could not be started. {what}",
                next_step=f"Run `overscan doctor`; the whole log is {log}.",
                path=str(log),
            )
        ]
    )
