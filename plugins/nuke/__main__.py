"""``python -m overscan_nuke render …`` in Nuke's own Python, or this file given to ``nuke -t``."""

from __future__ import annotations

import os
import sys


def main(arguments: list[str]) -> int:
    """Run a command, ``render`` or ``selfcheck``; returns the exit code."""
    if arguments[:1] == ["selfcheck"]:
        from overscan_nuke._selfcheck import main as check

        return check(arguments[1:])
    from overscan_nuke._batch import main as run

    return run(arguments)


if __name__ == "__main__":
    _FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    if _FOLDER not in sys.path:  # `nuke -t` runs the file by itself
        sys.path.insert(0, _FOLDER)
    sys.exit(main(sys.argv[1:]))
