"""Checks Overscan in this very Nuke, in about two minutes, and writes a report that may be sent back.

    nuke -t DIR/python/overscan_nuke/_selfcheck.py [--into FOLDER]

DIR is the folder that `overscan install nuke` made. Exit code 0: all is well; 1: something failed; 2: usage.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":  # `nuke -t` runs the file by itself
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120


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
    from overscan_host.selfcheck import run_checks
    from overscan_nuke._selfcheck_bench import Bench
    from overscan_nuke._selfcheck_checks import CHECKS

    return run_checks(Bench(folder), CHECKS, host="Nuke", also=("golden.nk",))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
