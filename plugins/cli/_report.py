"""What a command says, and to whom: sentences for people, or one JSON object a line for scripts."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import typer

from overscan.cli._exit import ExitCode, exit_code_of
from overscan.v1.plan_pb2 import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended."""

    exit_code: ExitCode = ExitCode.OK
    facts: Mapping[str, object] = field(default_factory=dict)
    """For the summary line of ``--json``."""
    problems: tuple[Problem, ...] = ()
    """What went wrong and was reported already."""


class Report:
    """Where a command's words go.

    With `json`, stdout has one JSON object a line, each with a ``type``, the last one ``summary``; nothing else is
    ever written there. Without, results go to stdout and everything on the way to stderr.
    """

    def __init__(self, *, json: bool) -> None:
        self.json = json

    def say(self, text: str) -> None:
        """A result, for people."""
        if not self.json:
            typer.echo(text)

    def note(self, text: str) -> None:
        """Something on the way, for people."""
        if not self.json:
            typer.echo(text, err=True)

    def record(self, kind: str, facts: Mapping[str, object]) -> None:
        """A line for scripts."""
        if self.json:
            typer.echo(json.dumps({"type": kind, **facts}, allow_nan=False))

    def problems(self, problems: Iterable[Problem]) -> None:
        """Everything that is wrong, for both."""
        from overscan.client import describe

        for problem in problems:
            self.record("error", problem_facts(problem))
            self.note(f"error: {describe(problem)} [{problem.code}]")


def problem_facts(problem: Problem) -> dict[str, object]:
    """A problem as the fields of a JSON line; all of them, always."""
    return {
        "code": problem.code,
        "message": problem.message,
        "next_step": problem.next_step,
        "path": problem.path,
        "frame": problem.frame if problem.HasField("frame") else None,
        "field": problem.field,
        "expected": problem.expected,
        "actual": problem.actual,
    }


def carry_out(body: Callable[[Report], Outcome], *, json: bool) -> NoReturn:
    """Run a command's body and exit with the code that fits how it ended."""
    from overscan.client import ServiceError, make_problem

    report = Report(json=json)
    try:
        outcome = body(report)
    except ServiceError as error:
        report.problems(error.problems)
        outcome = Outcome(exit_code=exit_code_of(error.code), problems=error.problems)
    except KeyboardInterrupt:
        report.note("Stopped.")
        outcome = Outcome(exit_code=ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone, e.g. `| head`: there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.INTERNAL) from None
    except Exception as error:
        problem = make_problem(
            "INTERNAL",
            f"Overscan failed in a way it should not: {type(error).__name__}: {error}.",
            next_step="Please report this; OVERSCAN_DEBUG=1 shows where it happened.",
        )
        report.problems([problem])
        if os.environ.get("OVERSCAN_DEBUG"):
            traceback.print_exc()
        outcome = Outcome(exit_code=ExitCode.INTERNAL, problems=(problem,))
    report.record(
        "summary",
        {
            "ok": outcome.exit_code == ExitCode.OK,
            "exit_code": int(outcome.exit_code),
            **outcome.facts,
            "errors": [problem_facts(problem) for problem in outcome.problems],
        },
    )
    raise typer.Exit(outcome.exit_code)
