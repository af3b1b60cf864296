"""`overscan verify`: proves promise 1 on files."""

from __future__ import annotations

import os

from overscan.cli._display import counter, verification_sentence
from overscan.cli._exit import ExitCode
from overscan.cli._report import Outcome, Report
from overscan.client import Client, ServiceError, connect, make_problem, to_plain
from overscan.v1.job_pb2 import Verification


def verify(output: str, *, plate: str | None, report: Report) -> Outcome:
    """Compare a result with its plate."""
    with connect() as client:
        return verify_with(client, output, plate=plate, report=report)


def verify_with(client: Client, output: str, *, plate: str | None, report: Report) -> Outcome:
    """Compare a result with its plate, on the service of `client`."""
    found: Verification | None = None
    with counter(report, "comparing") as show:
        for answer in client.verify(path=_absolute(output), plate_path=_absolute(plate) if plate else ""):
            show(answer.frames_done, answer.frames_total)
            if answer.HasField("verification"):
                found = answer.verification
    if found is None:
        raise ServiceError([make_problem("INTERNAL", "The service ended the check without a result.", path=output)])
    report.say(f"{verification_sentence(found)}.")
    facts = {"verification": to_plain(found, defaults=True), "output": _absolute(output)}
    if not found.differing:
        return Outcome(facts=facts)
    problem = make_problem(
        "PLATE_CHANGED",
        f"The plate was changed: {found.first_difference or 'samples outside the generated region differ'}.",
        next_step="Do not deliver these frames; render them again, and check what touched them since.",
        path=_absolute(output),
    )
    report.problems([problem])
    return Outcome(exit_code=ExitCode.PLATE_CHANGED, facts=facts, problems=(problem,))


def _absolute(pattern: str) -> str:
    return os.path.abspath(os.path.expanduser(pattern))  # noqa: PTH100, PTH111 (a pattern is no path)
