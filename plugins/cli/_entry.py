"""Runs the command line, so that even a mistyped one answers scripts in JSON."""

from __future__ import annotations

import io
import json
import sys
from typing import NoReturn

from overscan.cli._app import app
from overscan.cli._exit import ExitCode


def run_command_line() -> NoReturn:
    """Run ``sys.argv`` and exit."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding does not have must not end a job's command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if "--json" not in sys.argv:
        app(prog_name="overscan")
        raise SystemExit(ExitCode.OK)
    try:
        result = app(prog_name="overscan", standalone_mode=False)
    except Exception as error:
        # Every Typer and Click has its own exception classes for a wrong command line; all can say what is wrong.
        if not hasattr(error, "format_message"):
            raise
        problem = {
            "code": "USAGE",
            "message": str(error.format_message()),
            "next_step": "Add --help to the command to see its options.",
            "path": "",
            "frame": None,
            "field": "",
            "expected": "",
            "actual": "",
        }
        code = int(ExitCode.USAGE)
        for line in (
            {"type": "error", **problem},
            {"type": "summary", "ok": False, "exit_code": code, "errors": [problem]},
        ):
            sys.stdout.write(json.dumps(line) + "\n")
        raise SystemExit(code) from None
    raise SystemExit(result if isinstance(result, int) else ExitCode.OK)
