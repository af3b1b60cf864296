"""`overscan users` and `overscan audit`: who may call the service, and what they did."""

from __future__ import annotations

from typing import Any

from overscan.cli._ask_core import ask_service, given, record
from overscan.cli._exit import ExitCode
from overscan.cli._report import Outcome, Report
from overscan.cli._words import columns, plural

_MODULE = "security.users_command"


def add(name: str, *, role: str, days: float | None, report: Report) -> Outcome:
    """Add a user, and say their token, once."""
    return _hand_out("add", f"--role={role}", *_days(days), "--", name, report=report)


def rotate(name: str, *, days: float | None, overlap: float, report: Report) -> Outcome:
    """Give a user a new token, and say it, once."""
    return _hand_out("rotate", f"--overlap={overlap:g}", *_days(days), "--", name, report=report)


def remove(name: str, *, report: Report) -> Outcome:
    """Remove a user."""
    found = _ask("remove", "--", name)
    record(found, report)
    report.say(f"Removed {name}. Their tokens hold no more, on open streams either; their jobs go on.")
    return Outcome(facts={"name": name})


def list_users(*, report: Report) -> Outcome:
    """Show the users and what is kept of their tokens."""
    found = _ask("list")
    record(found, report)
    rows: list[tuple[str, ...]] = [(line["name"], line["role"], _tokens(line)) for line in found]
    report.say(columns(rows) if rows else "There are no users: only the account that runs the service can call it.")
    return Outcome(facts={"count": len(found)})


def check_audit(*, report: Report) -> Outcome:
    """Follow the audit log's chain."""
    (found,) = _ask("audit")
    record([found], report)
    for problem in found["problems"]:
        report.say(problem)
    state = f"{plural(len(found['problems']), 'problem')}" if found["problems"] else "no line is missing or changed"
    report.say(f"{found['path']}: {plural(found['lines'], 'line')}, {state}.")
    report.say(f"Head: {found['head']}")
    report.note("Note the head elsewhere: a log that was cut off or written anew has another at this line.")
    code = ExitCode.PLATE_CHANGED if found["problems"] else ExitCode.OK
    return Outcome(exit_code=code, facts={"lines": found["lines"], "problems": len(found["problems"])})


def _hand_out(*arguments: str, report: Report) -> Outcome:
    found = _ask(*arguments)
    record(found, report)
    token, user = found
    report.note(f"The token of {user['name']}, {user['role']}; it is not kept and cannot be shown again:")
    report.say(token["token"])
    report.note("They set OVERSCAN_TOKEN to it, or OVERSCAN_TOKEN_FILE to a file of theirs that holds it.")
    return Outcome(facts={"name": user["name"], "role": user["role"]})


def _tokens(line: dict[str, Any]) -> str:
    return ", ".join(_token(kept) for kept in line["tokens"]) or "no token"


def _token(kept: dict[str, Any]) -> str:
    if kept["ended"]:
        ends = "ended"
    else:
        ends = f"until {kept['expires'][:16].replace('T', ' ')} UTC" if kept["expires"] else "without end"
    return f"…{kept['last_four']} of {kept['created'][:10]}, {ends}"


def _days(days: float | None) -> list[str]:
    return given({"days": None if days is None else f"{days:g}"})


def _ask(*arguments: str) -> list[dict[str, Any]]:
    return ask_service(_MODULE, *arguments, what="the file of users cannot be used")
