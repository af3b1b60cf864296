"""Has core or the service do something in a process of its own: the command line imports neither (decision 0002)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from overscan.cli._report import Report
from overscan.client import ServiceError, home_folder, make_problem
from overscan.v1.plan_pb2 import Problem


def ask_core(module: str, *arguments: str, what: str, refused: int = 0) -> list[dict[str, Any]]:
    """The JSON lines that ``python -m overscan.core.<module>`` says, for the home folder that holds here.

    Raises `ServiceError` with the errors among them; `what` is what could not be done, where it says none. `refused`
    is an exit code that is an answer, too.
    """
    return _ask(f"overscan.core.{module}", arguments, what, refused, {"OVERSCAN_HOME": str(home_folder())})


def ask_service(module: str, *arguments: str, what: str) -> list[dict[str, Any]]:
    """The JSON lines that ``python -m overscan.service.<module>`` says, with the settings that a service would have.

    Raises as `ask_core` does.
    """
    return _ask(f"overscan.service.{module}", arguments, what, 0, {})


def _ask(
    module: str, arguments: Sequence[str], what: str, refused: int, variables: dict[str, str]
) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONSAFEPATH": "1", **variables},
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    problems = [_problem(line) for line in lines if line["type"] == "error"]
    if not problems and done.returncode not in (0, refused):
        said = " ".join(done.stderr.strip().splitlines()[-3:])
        problems = [make_problem("INTERNAL", f"{what}: {said}", next_step="Run `overscan doctor`.")]
    if problems:
        raise ServiceError(problems)
    return lines


def given(options: dict[str, str | None]) -> list[str]:
    """Options that were given, as arguments; joined, so that a value may begin with a dash."""
    return [f"--{name}={value}" for name, value in options.items() if value is not None]


def record(found: Sequence[dict[str, Any]], report: Report) -> None:
    """The lines, for scripts."""
    for line in found:
        report.record(line["type"], {name: value for name, value in line.items() if name != "type"})


def _problem(line: dict[str, Any]) -> Problem:
    known = {field.name for field in Problem.DESCRIPTOR.fields}
    return Problem(**{name: value for name, value in line.items() if name in known and value})
