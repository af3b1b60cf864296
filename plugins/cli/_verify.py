"""`overscan verify`: checks a result against its receipt, and proves promise 1 on files."""

from __future__ import annotations

import os
from collections import Counter

from overscan.cli._display import counter, verification_sentence
from overscan.cli._exit import ExitCode
from overscan.cli._report import Outcome, Report
from overscan.cli._words import plural
from overscan.client import Client, ServiceError, connect, enum_word, enum_words, make_problem, to_plain
from overscan.v1.job_pb2 import Verification
from overscan.v1.plan_pb2 import Problem
from overscan.v1.receipt_pb2 import Finding, FindingState, FindingSubject

_BAD = (FindingState.FINDING_STATE_CHANGED, FindingState.FINDING_STATE_MISSING)
_COUNTED = (FindingSubject.FINDING_SUBJECT_FRAME, FindingSubject.FINDING_SUBJECT_SIGNATURE)
"""Of these only the number is said where they are intact; there is one for each frame."""
_WORDS = {"resaved": "re-saved"}


def verify(output: str, *, plate: str | None, report: Report) -> Outcome:
    """Check a result against its receipt and its plate."""
    with connect() as client:
        return verify_with(client, output, plate=plate, report=report)


def verify_with(client: Client, output: str, *, plate: str | None, report: Report) -> Outcome:
    """Check a result against its receipt and its plate, on the service of `client`."""
    found: Verification | None = None
    findings = _Findings(report)
    fault: ServiceError | None = None
    try:
        with counter(report, "comparing") as show:
            for answer in client.verify(path=_absolute(output), plate_path=_absolute(plate) if plate else ""):
                if answer.HasField("finding"):
                    findings.add(answer.finding)
                    continue
                show(answer.frames_done, answer.frames_total)
                if answer.HasField("verification"):
                    found = answer.verification
    except ServiceError as error:
        fault = error
    findings.say_counts()
    if fault is not None and not findings.bad:
        raise fault
    facts: dict[str, object] = {"output": _absolute(output), "findings": findings.facts()}
    problems = list(findings.problems(_absolute(output)))
    if fault is not None:
        problems += fault.problems
    elif found is None:
        raise ServiceError([make_problem("INTERNAL", "The service ended the check without a result.", path=output)])
    if found is not None:
        report.say(f"{verification_sentence(found)}.")
        facts["verification"] = to_plain(found, defaults=True)
        if found.differing:
            problems.insert(0, _plate_changed(found, output))
    if not problems:
        return Outcome(facts=facts)
    report.problems(problems)
    return Outcome(exit_code=ExitCode.PLATE_CHANGED, facts=facts, problems=tuple(problems))


class _Findings:
    """What was found so far: what is not intact is said at once, the rest is counted."""

    def __init__(self, report: Report) -> None:
        self.counts: Counter[tuple[int, int]] = Counter()
        self._report = report
        self.bad: list[Finding] = []
        """Those with which the result is not what its receipt says."""

    def add(self, finding: Finding) -> None:
        """Take one in."""
        state, subject = _word(finding.state), enum_word(FindingSubject.DESCRIPTOR, finding.subject)
        frame = finding.frame if finding.HasField("frame") else None
        self._report.record(
            "finding",
            {
                "subject": subject,
                "state": state,
                "detail": finding.detail,
                "path": finding.path,
                "frame": frame,
                "count": finding.count,
            },
        )
        self.counts[finding.subject, finding.state] += finding.count
        if finding.state in _BAD:
            self.bad.append(finding)
        intact = finding.state == FindingState.FINDING_STATE_INTACT
        if not (intact and finding.subject in _COUNTED):
            self._report.say(f"{state}: {finding.detail}")

    def say_counts(self) -> None:
        """Say how many of those are intact that were not said one by one."""
        intact = FindingState.FINDING_STATE_INTACT
        words = {
            FindingSubject.FINDING_SUBJECT_FRAME: "frame",
            FindingSubject.FINDING_SUBJECT_SIGNATURE: "signature",
        }
        said = [plural(count, word) for kind, word in words.items() if (count := self.counts[kind, intact])]
        if said:
            self._report.say(f"intact: {', '.join(said)}.")

    def facts(self) -> dict[str, int]:
        """How many items are in each state."""
        totals = {_WORDS.get(word, word): 0 for word in enum_words(FindingState.DESCRIPTOR)}
        for (_, state), count in self.counts.items():
            totals[_word(state)] = totals.get(_word(state), 0) + count
        return totals

    def problems(self, output: str) -> list[Problem]:
        """The one problem that all bad findings are together."""
        if not self.bad:
            return []
        first = self.bad[0]
        more = f" And {len(self.bad) - 1} more." if len(self.bad) > 1 else ""
        problem = make_problem(
            "RESULT_CHANGED",
            f"The result is not what its receipt says: {first.detail}{more}",
            next_step="Deliver it only if you know who changed what; else render those frames again.",
            path=first.path or output,
        )
        if first.HasField("frame"):
            problem.frame = first.frame
        return [problem]


def _plate_changed(found: Verification, output: str) -> Problem:
    return make_problem(
        "PLATE_CHANGED",
        f"The plate was changed: {found.first_difference or 'samples outside the generated region differ'}.",
        next_step="Do not deliver these frames; render them again, and check what touched them since.",
        path=_absolute(output),
    )


def _word(state: int) -> str:
    word = enum_word(FindingState.DESCRIPTOR, state)
    return _WORDS.get(word, word)


def _absolute(pattern: str) -> str:
    return os.path.abspath(os.path.expanduser(pattern))  # noqa: PTH100, PTH111 (a pattern is no path)
