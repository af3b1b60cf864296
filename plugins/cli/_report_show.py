"""`overscan report`: what was used where, under which rights."""

from __future__ import annotations

import os
from typing import Any

from overscan.cli._ask_core import ask_core
from overscan.cli._report import Outcome, Report
from overscan.cli._words import plural

_QUESTIONS = {
    "replicates": "Does the output replicate identifiable material?",
    "stored": "Are inputs or outputs stored, or trained on?",
    "secured": "Is it run in a secured environment?",
    "temporary": "Is it temporary?",
    "performer": "Is a performer replaced?",
}


def show(name: str, *, html: str | None, pdf: str | None, csv: str | None, report: Report) -> Outcome:
    """Make a report: files where they are asked for, and a summary."""
    files = {"html": html, "pdf": pdf, "csv": csv}
    options = [f"--{kind}={os.path.abspath(path)}" for kind, path in files.items() if path]  # noqa: PTH100
    found = ask_core("report", *options, "--", name, what="The report could not be made")
    facts = found[-1]
    report.record("report", {key: value for key, value in facts.items() if key != "type"})
    written = [line["path"] for line in found if line["type"] == "written"]
    _summary(facts, report)
    for path in written:
        report.say(f"Written: {path}")
    jobs = [job for shot in facts["shots"] for job in shot["jobs"]]
    return Outcome(
        facts={
            "shots": len(facts["shots"]),
            "jobs": len(jobs),
            "warnings": len(facts["warnings"]),
            "written": written,
        }
    )


def _summary(facts: dict[str, Any], report: Report) -> None:
    report.say(facts["title"])
    for text in facts["warnings"]:
        report.say(f"  ! {text}")
    for item in facts["answers"]:
        report.say(f"  {_QUESTIONS[item['question']]} {_capital(item['short'])}.")
        report.say(f"    {item['why']}")
    for shot in facts["shots"]:
        report.say(f"  {' '.join(filter(None, (shot['show'], shot['shot']))) or 'no shot named'}")
        for job in shot["jobs"]:
            report.say(f"    {_job(job)}")


def _job(job: dict[str, Any]) -> str:
    made = " and ".join(filter(None, (f"{job['engine']} {job['engine_version']}", job["model"])))
    share = "unknown" if job["plate"] == "unknown" else f"{1 - job['plate']:.1%}"
    gone = "" if job["counts"] else ", replaced by a later job"
    return (
        f"{job['task']} with {made}, {job['use']} use, {plural(job['frame_count'], 'frame')}, generated: {share}{gone} "
        f"(job {job['job'][:8]})"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
