"""`overscan policy`: what a show lets in, and who says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from overscan.cli._exit import ExitCode
from overscan.cli._report import Outcome, Report
from overscan.cli._words import columns, plural
from overscan.client import ServiceError, home_folder, make_problem
from overscan.v1.plan_pb2 import Problem

_RULES = {
    "training_data": "training data",
    "never": "never",
    "engines": "engines",
    "licences": "licences",
    "commercial": "commercial use needed",
    "revenue_usd": "yearly revenue, US dollars",
    "territories": "territories",
    "uses": "uses",
    "pinned": "weights known by hash",
    "consent": "consent of people needed",
    "required_approvals": "roles that must approve",
    "may_approve": "levels that may approve",
    "known_shows_only": "known shows only",
    "registered_assets": "registered assets only",
    "network": "network",
    "retention_days": "kept, days",
}
_OPEN = {
    "engines": "any",
    "licences": "any",
    "revenue_usd": "not said",
    "territories": "everywhere",
    "retention_days": "until retried or removed",
}


def check(*, name: str, weights: str, use: str, show: str, shot: str, report: Report) -> Outcome:
    """Say what is allowed, and why not."""
    found = _ask("check", *([name] if name else []), *_given(weights=weights, use=use, show=show, shot=shot))
    _record(found, report)
    refused = [line for line in found if not line["allowed"]]
    for line in found:
        verdict = "allowed" if line["allowed"] else "not allowed"
        report.say(f"{line['name']}: {verdict}")
        for objection in line["objections"] or [{"reason": line["reason"], "remedy": ""}]:
            report.say(f"  {objection['reason']}")
            if objection["remedy"]:
                report.say(f"    helps: {objection['remedy']}")
    facts = {"count": len(found), "allowed": len(found) - len(refused)}
    return Outcome(exit_code=ExitCode.POLICY if name and refused else ExitCode.OK, facts=facts)


def show_policy(*, show: str, shot: str, report: Report) -> Outcome:
    """Say which rules hold, and where they come from."""
    found = _ask("show", *_given(show=show, shot=shot))
    _record(found, report)
    (policy,) = found
    report.say(f"{policy['name']} ({policy['sha256'][:12]})")
    rows: list[tuple[str, ...]] = [(word, _value(name, policy["rules"][name])) for name, word in _RULES.items()]
    report.say(columns(rows, indent="  "))
    for approval in policy["approvals"]:
        role = f" ({approval['role']})" if approval["role"] else ""
        until = f" until {approval['until']}" if approval["until"] else ""
        report.say(
            f"  approved: {approval['card']} by {approval['by']}{role} on {approval['on']}{until}, for "
            f"{' and '.join(approval['uses'])} use: {', '.join(approval['allows']) or 'its files'}"
            + ("" if approval["counts"] else f"; does not count: {approval['why_not']}")
        )
    lock = policy["lock"]
    if lock:
        engines = ", ".join(f"{name} {version}" for name, version in lock["engines"].items())
        report.say(f"  locked by {lock['by']} on {lock['on']}: {engines}")
        for name, files in lock["models"].items():
            report.say(f"    {name}: {plural(len(files), 'file')}")
    for file in policy["files"]:
        report.say(f"  from {file['path']}")
    if not policy["files"]:
        report.say(f"  built in: there is no policy in {policy['root']}")
    return Outcome(facts={"policy": policy["name"], "sha256": policy["sha256"]})


def approve(
    *,
    name: str,
    by: str,
    role: str,
    until: str,
    uses: Sequence[str],
    reason: str,
    weights: str,
    show: str,
    shot: str,
    report: Report,
) -> Outcome:
    """Add a named approval."""
    asked = [item for use in uses for item in ("--use", use)]
    given = _given(by=by, role=role, until=until, reason=reason, weights=weights, show=show, shot=shot)
    found = _ask("approve", name, *asked, *given)
    _record(found, report)
    (line,) = found
    report.say(f"Written to {line['path']}.")
    report.say(line["reason"] if line["allowed"] else f"Not allowed yet: {line['reason']} {line['remedy']}")
    return Outcome(facts={"path": line["path"], "allowed": line["allowed"]})


def lock(*, show: str, by: str, models: Sequence[str], renew: bool, report: Report) -> Outcome:
    """Lock a show to its engines and models."""
    asked = [item for model in models for item in ("--model", model)]
    found = _ask("lock", show, "--by", by, *asked, *(["--renew"] if renew else []))
    _record(found, report)
    (line,) = found
    report.say(f"Written to {line['path']}.")
    report.say(columns([(name, version) for name, version in line["engines"].items()], indent="  "))
    for name, files in line["models"].items():
        report.say(f"  {name}: {plural(len(files), 'file')}")
    return Outcome(facts={"path": line["path"]})


def _given(**options: str) -> list[str]:
    """Options that were given, as arguments; joined, so that a value may begin with a dash."""
    return [f"--{name}={value}" for name, value in options.items() if value]


def _value(name: str, value: Any) -> str:
    if value is None:
        return _OPEN[name]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _record(found: Sequence[dict[str, Any]], report: Report) -> None:
    for line in found:
        report.record(line["type"], {name: value for name, value in line.items() if name != "type"})


def _ask(*arguments: str) -> list[dict[str, Any]]:
    """Have core do it, in a process of its own, since the command line never imports core."""
    root = os.environ.get("OVERSCAN_POLICY_ROOT") or str(Path(home_folder()) / "policies")
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "OVERSCAN_POLICY_ROOT": root}
    done = subprocess.run(
        [sys.executable, "-m", "overscan.core.rights", *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    problems = [_problem(line) for line in lines if line["type"] == "error"]
    if problems:
        raise ServiceError(problems)
    if done.returncode not in (0, ExitCode.POLICY) or not lines:
        said = " ".join(done.stderr.strip().splitlines()[-3:])
        raise ServiceError(
            [make_problem("INTERNAL", f"The policies could not be read: {said}", next_step="Run `overscan doctor`.")]
        )
    return lines


def _problem(line: dict[str, Any]) -> Problem:
    known = {field.name for field in Problem.DESCRIPTOR.fields}
    return Problem(**{name: value for name, value in line.items() if name in known and value})
