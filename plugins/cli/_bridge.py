"""`overscan bridge`: what host plugins start."""

from __future__ import annotations

import os
import sys
from typing import IO, NoReturn

from overscan.cli._exit import ExitCode


def bridge() -> NoReturn:
    """Serve the host on stdin and stdout until it has gone."""
    if sys.stdin is None or sys.stdin.isatty():
        sys.stderr.write("`overscan bridge` is started by host plugins; it waits for their messages on its input.\n")
        raise SystemExit(ExitCode.USAGE)
    requests, answers = _take_pipes()

    from overscan.client.bridge import serve_bridge

    serve_bridge(requests=requests, answers=answers)


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes to the host, moved out of the way of libraries that print or read, when they are imported too."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers
