"""Checks Overscan in this very Nuke, in about two minutes, and writes a report that may be sent back.

    nuke -t DIR/python/overscan_nuke/_selfcheck.py [--into FOLDER]

DIR is the folder that `overscan install nuke` made. Exit code 0: all is well; 1: something failed; 2: usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # `nuke -t` runs the file by itself
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120

SCHEMA = 1
"""Version of the form of report.json and traces.jsonl."""


def main(arguments: list[str]) -> int:
    """Make all checks; returns the exit code."""
    import nuke

    parser = argparse.ArgumentParser(prog="overscan_nuke selfcheck")
    parser.add_argument("--into", default="", metavar="FOLDER", help="where the report goes; default: beside you")
    try:
        given = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    version = str(nuke.NUKE_VERSION_STRING)
    named = "overscan-selfcheck-{}-{}".format(version, time.strftime("%Y%m%d-%H%M%S"))
    folder = Path(os.path.realpath(given.into or named))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.stderr.write(f"overscan: {folder} cannot be made: {error.strerror or error}. Give another --into.\n")
        return 2
    return run(folder)


def run(folder: Path) -> int:
    """Make all checks in a folder and write the report there; returns the exit code."""
    from overscan_nuke._selfcheck_bench import Bench
    from overscan_nuke._selfcheck_checks import CHECKS

    bench = Bench(folder)
    began = time.monotonic()
    for number, (name, check) in enumerate(CHECKS, 1):
        bench.run(name, check)
        result = bench.results[-1]
        line = "[{}/{}] {:>7}  {}: {}".format(number, len(CHECKS), result["verdict"], name, result["message"])
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
    _write(folder / "report.json", bench.private(json.dumps(report, indent=1)))
    _write(folder / "report.txt", bench.private(_as_text(report)))
    _write(folder / "traces.jsonl", "".join(bench.private(json.dumps(line)) + "\n" for line in bench.traces))
    golden = folder / "golden.nk"
    if golden.exists():
        _write(golden, bench.private(golden.read_text(encoding="utf-8", errors="replace")))
    sys.stdout.write(f"\n{_outcome(report)}\nThe report is in {folder}: report.txt, report.json, traces.jsonl")
    sys.stdout.write(", golden.nk.\n" if golden.exists() else ".\n")
    return 1 if failed else 0


def _outcome(report: dict[str, Any]) -> str:
    count = len(report["checks"])
    if report["failed"]:
        return "{} of {} checks failed: {}.".format(len(report["failed"]), count, ", ".join(report["failed"]))
    skipped = sum(check["verdict"] == "skipped" for check in report["checks"])
    return f"All {count} checks are well." if not skipped else f"{count - skipped} checks are well, {skipped} skipped."


def _as_text(report: dict[str, Any]) -> str:
    versions = report["versions"]
    lines = ["Overscan self-check in Nuke {}".format(versions.get("nuke", "(unknown)"))]
    lines += [f"  {name}: {value}" for name, value in sorted(versions.items())]
    lines += ["", _outcome(report), "It took {} s.".format(report["seconds"]), ""]
    for check in report["checks"]:
        lines.append("{verdict:>7}  {name}: {message} ({seconds} s)".format(**check))
        lines += ["         " + line for line in check["details"].splitlines()]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
