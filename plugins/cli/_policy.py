"""`overscan policy`: what a show lets in, and who says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from overscan.cli._ask_core import ask_core, given, record
from overscan.cli._exit import ExitCode
from overscan.cli._report import Outcome, Report
from overscan.cli._words import columns, plural

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
    options = _given(weights=weights, use=use, show=show, shot=shot)
    found = _ask("check", *options, *(["--", name] if name else []))
    record(found, report)
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
    record(found, report)
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
    options = _given(by=by, role=role, until=until, reason=reason, weights=weights, show=show, shot=shot)
    found = _ask("approve", *asked, *options, "--", name)
    record(found, report)
    (line,) = found
    report.say(f"Written to {line['path']}.")
    report.say(line["reason"] if line["allowed"] else f"Not allowed yet: {line['reason']} {line['remedy']}")
    return Outcome(facts={"path": line["path"], "allowed": line["allowed"]})


def lock(*, show: str, by: str, models: Sequence[str], renew: bool, report: Report) -> Outcome:
    """Lock a show to its engines and models."""
    asked = [f"--model={model}" for model in models]
    found = _ask("lock", *_given(by=by), *asked, *(["--renew"] if renew else []), "--", show)
    record(found, report)
    (line,) = found
    report.say(f"Written to {line['path']}.")
    report.say(columns([(name, version) for name, version in line["engines"].items()], indent="  "))
    for name, files in line["models"].items():
        report.say(f"  {name}: {plural(len(files), 'file')}")
    return Outcome(facts={"path": line["path"]})


def _given(**options: str) -> list[str]:
    """Options as arguments; an empty one was not given."""
    return given({name: value or None for name, value in options.items()})


def _value(name: str, value: Any) -> str:
    if value is None:
        return _OPEN[name]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _ask(*arguments: str) -> list[dict[str, Any]]:
    return ask_core("rights", *arguments, what="The policies could not be read", refused=ExitCode.POLICY)
