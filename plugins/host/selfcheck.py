"""What the self-checks of all hosts share: checks one after the other, verdicts, traces, and the report.

Standard library only. A check is a function of the `Bench`; it returns what it found, in words, and raises where that
is wrong.
"""

from __future__ import annotations

import json
import math
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Sequence

SCHEMA = 1
"""Version of the form of report.json and traces.jsonl."""


class SkippedError(Exception):
    """A check cannot be made here; the message says why, and that is no failure."""


class Bench:
    """Where the checks work, and what they found."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results: list[dict[str, Any]] = []
        """One per check: name, verdict (ok, fail or skipped), message, seconds, and perhaps details."""
        self.traces: list[dict[str, Any]] = []
        """What the host did, one JSON object each, for the repository's double to be held against."""
        self.kept: dict[str, Any] = {}
        """What one check leaves for later ones."""

    def run(self, name: str, check: Callable[[Bench], str]) -> None:
        """Make a check; it returns what it found, and raises where that is wrong."""
        began = time.monotonic()
        details = ""
        try:
            verdict, message = "ok", check(self)
        except SkippedError as skipped:
            verdict, message = "skipped", str(skipped)
        except Exception as error:
            verdict, message = "fail", f"{type(error).__name__}: {error}"
            details = traceback.format_exc()
        seconds = round(time.monotonic() - began, 3)
        result = {"name": name, "verdict": verdict, "message": message, "seconds": seconds, "details": details}
        self.results.append(result)

    def trace(self, kind: str, name: str, **facts: Any) -> None:
        """Keep a trace."""
        self.traces.append({"type": kind, "name": name, **facts})

    def behaviour(self, name: str, act: Callable[[], Any]) -> Any:
        """Do something of which the double must know how it comes out; keeps and returns the outcome."""
        try:
            value = act()
        except Exception as error:
            outcome = {"raises": type(error).__name__}
        else:
            outcome = {"gives": plain(value)}
        self.trace("behaviour", name, **outcome)
        return outcome

    def need(self, name: str) -> Any:
        """What an earlier check left; where that failed, this one cannot be made."""
        if name not in self.kept:
            raise SkippedError(f"an earlier check left no {name}")
        return self.kept[name]

    def private(self, text: str) -> str:
        """The text without the names of folders and people that a report need not tell."""
        for known, word in ((str(self.folder), "<folder>"), (str(Path.home()), "~")):
            if len(known) > 1:
                text = text.replace(known, word).replace(json.dumps(known)[1:-1], word)
        return text


def plain(value: Any) -> Any:
    """The value as JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return type(value).__name__


def run_checks(
    bench: Bench, checks: Sequence[tuple[str, Callable[[Bench], str]]], *, host: str, also: Sequence[str] = ()
) -> int:
    """Make all checks, say each, write the report into the bench's folder; returns 1 where something failed, else 0.

    `host` is the host's name; its version is ``bench.kept["versions"]`` under that name in small letters. `also` are
    further files of the folder, which are made private, too.
    """
    began = time.monotonic()
    for number, (name, check) in enumerate(checks, 1):
        bench.run(name, check)
        result = bench.results[-1]
        line = "[{}/{}] {:>7}  {}: {}".format(number, len(checks), result["verdict"], name, result["message"])
        sys.stdout.write(bench.private(line) + "\n")
        sys.stdout.flush()
    failed = [result["name"] for result in bench.results if result["verdict"] == "fail"]
    report = {
        "schema": SCHEMA,
        "versions": bench.kept.get("versions", {}),
        "seconds": round(time.monotonic() - began, 1),
        "failed": failed,
        "checks": bench.results,
    }
    folder = bench.folder
    _write(folder / "report.json", bench.private(json.dumps(report, indent=1)))
    _write(folder / "report.txt", bench.private(_as_text(report, host)))
    _write(folder / "traces.jsonl", "".join(bench.private(json.dumps(line)) + "\n" for line in bench.traces))
    there = [name for name in also if (folder / name).exists()]
    for name in there:
        _write(folder / name, bench.private((folder / name).read_text(encoding="utf-8", errors="replace")))
    files = ", ".join(["report.txt", "report.json", "traces.jsonl", *there])
    sys.stdout.write(f"\n{_outcome(report)}\nThe report is in {folder}: {files}.\n")
    return 1 if failed else 0


def _outcome(report: dict[str, Any]) -> str:
    count = len(report["checks"])
    if report["failed"]:
        return "{} of {} checks failed: {}.".format(len(report["failed"]), count, ", ".join(report["failed"]))
    skipped = sum(check["verdict"] == "skipped" for check in report["checks"])
    return f"All {count} checks are well." if not skipped else f"{count - skipped} checks are well, {skipped} skipped."


def _as_text(report: dict[str, Any], host: str) -> str:
    versions = report["versions"]
    lines = ["Overscan self-check in {} {}".format(host, versions.get(host.lower(), "(unknown)"))]
    lines += [f"  {name}: {value}" for name, value in sorted(versions.items())]
    lines += ["", _outcome(report), "It took {} s.".format(report["seconds"]), ""]
    for check in report["checks"]:
        lines.append("{verdict:>7}  {name}: {message} ({seconds} s)".format(**check))
        lines += ["         " + line for line in check["details"].splitlines()]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
