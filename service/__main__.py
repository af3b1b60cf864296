"""``python -m overscan.service``: run a generation service in the foreground."""

from __future__ import annotations

import argparse
import logging
import sys
from importlib.metadata import PackageNotFoundError, version

from pydantic import ValidationError

from overscan.service._server import EXIT_REFUSED, serve
from overscan.service._settings import Settings


def main() -> int:
    """Read flags and variables, serve, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="overscan serve",
        description="Run the generation service. Every flag has a variable, OVERSCAN_HOME, OVERSCAN_LISTEN, …",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--home", metavar="DIR", help="folder of the job store, work folders, cache and logs")
    parser.add_argument("--address", dest="listen", metavar="ADDRESS", help="unix:PATH or HOST:PORT (loopback)")
    parser.add_argument(
        "--idle-exit",
        dest="idle_exit_seconds",
        metavar="SECONDS",
        help="end after so long without a job or a call (default: never)",
    )
    parser.add_argument("--workers", metavar="N", help="render workers at once (default: one per device)")
    parser.add_argument(
        "--devices", metavar="DEVICES", help="auto, cpu, or CUDA devices by number or UUID, e.g. 0,1 (default: auto)"
    )
    parser.add_argument("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR")
    try:
        settings = Settings(**vars(parser.parse_args()))
    except ValidationError as error:
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            print(f"overscan serve: {name}: {problem['msg']}", file=sys.stderr)
        return EXIT_REFUSED
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return serve(settings=settings, version=_version())


def _version() -> str:
    try:
        return version("overscan")
    except PackageNotFoundError:
        return "0"


if __name__ == "__main__":
    sys.exit(main())
