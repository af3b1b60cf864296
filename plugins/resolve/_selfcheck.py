"""Checks Overscan in the Resolve that runs here, in about two minutes, and writes a report that may be sent back.

    python DIR/python/overscan_resolve/_selfcheck.py [--into FOLDER]

DIR is the folder that `overscan install resolve` made; inside Resolve it is Self-Check in Workspace > Scripts.
It works in the project that is open, in a bin and a timeline of its own, which it removes. Exit code 0: all is well;
1: something failed; 2: usage, or no Resolve answers.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, Callable

if __name__ == "__main__":  # the file is run by itself
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120


def main(arguments: list[str]) -> int:
    """Make all checks from outside of Resolve; returns the exit code."""
    from overscan_host import BridgeError
    from overscan_resolve._connect import connect
    from overscan_resolve._words import error_words

    parser = argparse.ArgumentParser(prog="overscan_resolve selfcheck")
    parser.add_argument("--into", default="", metavar="FOLDER", help="where the report goes; default: your home folder")
    try:
        given = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        resolve = connect()
        folder = _folder(resolve, given.into)
    except (BridgeError, OSError) as error:
        sys.stderr.write(f"overscan: {error_words(error)}\n")
        return 2
    return run(folder, resolve)


def check_here(resolve: Any, *, say: Callable[[str], None]) -> int:
    """Make all checks from Resolve's menu; returns the exit code. Raises OSError where no report can be written."""
    folder = _folder(resolve, "")
    say(f"The self-check has begun; it takes some two minutes. Its report will be in {folder}.")
    return run(folder, resolve)


def run(folder: Path, resolve: Any) -> int:
    """Make all checks in a folder and write the report there; returns the exit code."""
    from overscan_host.selfcheck import Bench, run_checks
    from overscan_resolve._selfcheck_checks import CHECKS

    bench = Bench(folder)
    bench.kept["resolve"] = resolve
    with contextlib.ExitStack() as undo:
        bench.kept["undo"] = undo
        return run_checks(bench, CHECKS, host="Resolve")


def _folder(resolve: Any, into: str) -> Path:
    from overscan_resolve._asking import text

    version = re.sub(r"[^\w.]+", "_", text(resolve, "GetVersionString")) or "unknown"
    named = Path.home() / "overscan-selfcheck-resolve-{}-{}".format(version, time.strftime("%Y%m%d-%H%M%S"))
    folder = Path(os.path.realpath(into or str(named)))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
