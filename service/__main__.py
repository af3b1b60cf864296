"""``python -m overscan.service``: run a generation service in the foreground."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from overscan.service._errors import SettingsError
from overscan.service.operations.config import Configuration, configure

EXIT_REFUSED = 78
"""EX_CONFIG of sysexits.h: the service cannot run as it was told to."""
_FLAGS = {
    "home": ("--home", "DIR", "folder of the job store, work folders, cache and logs"),
    "listen": ("--address", "ADDRESS", "unix:PATH or HOST:PORT (loopback)"),
    "idle_exit_seconds": ("--idle-exit", "SECONDS", "end after so long without a job or a call (default: never)"),
    "workers": ("--workers", "N", "render workers at once (default: one per device)"),
    "devices": ("--devices", "DEVICES", "auto, cpu, or CUDA devices by number or UUID, e.g. 0,1 (default: auto)"),
    "log_level": ("--log-level", "LEVEL", "DEBUG, INFO, WARNING or ERROR"),
}


def main() -> int:
    """Read files, variables and flags, serve, and return the exit code."""
    parser = _parser()
    given = parser.parse_args()
    flags = {name: getattr(given, name) for name in _FLAGS if getattr(given, name) is not None}
    for assignment in given.set:
        name, separator, value = assignment.partition("=")
        if not separator:
            parser.error(f"--set {assignment}: write NAME=VALUE")
        flags[name] = value
    file = given.check_config or given.config
    # A file that is tried is read by itself: variables would hide what is wrong in it.
    environment: dict[str, str] | None = {} if given.check_config else None
    try:
        configuration = configure(flags=flags, file=file, private=given.private, environment=environment)
    except SettingsError as error:
        if given.show_config or given.check_config:
            from overscan.service.operations.config_show import refuse

            print("\n".join(refuse(error.problems)))
        else:
            for problem in error.problems:
                print(f"overscan serve: {problem}", file=sys.stderr)
        return EXIT_REFUSED
    if given.show_config or given.check_config:
        from overscan.service.operations.config_show import refuse_start, show
        from overscan.service.operations.start_check import start_refusals

        refused = start_refusals(settings=configuration.settings) if given.check_config else ()
        print("\n".join(refuse_start(refused) if refused else show(configuration)))
        return EXIT_REFUSED if refused else 0
    return _serve(configuration)


def _serve(configuration: Configuration) -> int:
    import logging

    from overscan.service._server import serve
    from overscan.service.operations.logs import set_up_logging

    settings = configuration.settings
    try:
        set_up_logging(level=settings.log_level, form=settings.log_format, to=settings.log_to, folder=settings.logs)
    except OSError as error:
        print(f"overscan serve: the log {settings.logs} cannot be written: {error}", file=sys.stderr)
        return EXIT_REFUSED
    log = logging.getLogger("overscan.service")
    for path in configuration.files:
        log.info("settings are from %s", path)
    for remark in configuration.remarks:
        log.warning("%s", remark)
    return serve(settings=settings, version=_version())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="overscan serve",
        description="Run the generation service. Settings come from service.toml, then OVERSCAN_… variables, then "
        "flags; `overscan config show` explains them all.",
    )
    for name, (flag, value, what) in _FLAGS.items():
        parser.add_argument(flag, dest=name, metavar=value, help=what)
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings, in place of the usual files")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting; lists as JSON")
    parser.add_argument("--private", action="store_true", help="read no usual file: a command's own service")
    parser.add_argument("--show-config", action="store_true", help="say what the settings are, as JSON lines, and end")
    parser.add_argument("--check-config", type=Path, metavar="FILE", help="likewise for FILE, by itself")
    return parser


def _version() -> str:
    try:
        return version("overscan")
    except PackageNotFoundError:
        return "0"


if __name__ == "__main__":
    sys.exit(main())
