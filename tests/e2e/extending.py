"""The job that these tests run, and how to catch it in the middle."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from command_line import Cli

OPTIONS = ("--format", "192x72", "--set", "copy=always", "--set", "search_range=8")
"""An extension of the panning plate to both sides, copied from other frames wherever one shows it."""


def renderer(service: int) -> psutil.Process:
    """The service's worker that renders."""
    children = psutil.Process(service).children()
    return next(child for child in children if "worker-render-0.lock" in " ".join(child.cmdline()))


def start_and_wait(cli: Cli, folder: Path, *arguments: str, until: Callable[[], bool]) -> subprocess.Popen:
    """Start a job, and return at the moment when `until` is true."""
    process = cli.start(*arguments, "-o", f"{folder}/out.%04d.exr", "--json")
    give_up = time.monotonic() + 60
    while not until():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.002)
    return process


def attempts(cli: Cli, job: str) -> list[int]:
    """How often each step of a job was begun."""
    shown = cli("jobs", "show", job, "--json")
    return [step["attempts"] for step in shown.lines[0]["steps"]]


def moments(cli: Cli, folder: Path) -> dict[str, Callable[[], bool]]:
    """Signs that a job is in the middle of something."""
    return {
        "analysis": lambda: any((cli.home / "cache" / "plate-motion").glob("*/*.npz")),
        "rendering": lambda: any(folder.glob("out.*.exr")),
    }
