"""``python -m overscan_resolve inpaint --markers blue``: drives a running Resolve Studio from outside."""

from __future__ import annotations

import signal
import sys

from overscan_resolve._batch import main

_TERMINATED = 143


def _run(arguments: list[str]) -> int:
    terminated: list[bool] = []

    def stop(*_: object) -> None:
        terminated.append(True)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    code = main(arguments)
    return _TERMINATED if terminated else code


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1:]))
