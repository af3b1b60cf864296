"""The `overscan` command.

`main` is all there is to import. What a command needs is imported by the command itself, so that ``overscan --help``
answers at once.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line in ``sys.argv`` and exit with one of the codes of docs/errors.md."""
    from overscan.cli._entry import run_command_line

    run_command_line()
