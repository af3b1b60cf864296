"""Runs the service in the foreground."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn


def serve(
    *,
    address: str | None,
    home: str | None,
    workers: int | None,
    devices: str | None,
    idle_exit: float | None,
    log_level: str | None,
    config: str | None = None,
    settings: Sequence[str] = (),
) -> NoReturn:
    """Become the service (on Windows: run it and wait); its exit code is ours."""
    options = {
        "--address": address,
        "--home": home,
        "--workers": workers,
        "--devices": devices,
        "--idle-exit": idle_exit,
        "--log-level": log_level,
        "--config": config,
    }
    command = [sys.executable, "-m", "overscan.service"]
    for name, value in options.items():
        if value is not None:
            command += [name, f"{value:g}" if isinstance(value, float) else str(value)]
    for setting in settings:
        command += ["--set", setting]
    # `python -m` would import from the current folder, which may hold anything.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    if sys.platform == "win32":
        raise SystemExit(subprocess.call(command, env=environment))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, command, environment)
