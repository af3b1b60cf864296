"""The commands of `overscan config`. What they do is in the module they import when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from overscan.cli import _options as options

config = typer.Typer(help="Settings of the service.", rich_markup_mode=None, no_args_is_help=True)


@config.command("show")
def show(
    file: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="Settings, in place of the usual files.")
    ] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only settings that are no defaults.")] = False,
    json: options.Json = False,
) -> None:
    """Show every setting of a service started now: its value, where it comes from, and what it means.

    Files come first, then OVERSCAN_… variables, then flags of `overscan serve`; what comes later wins.
    """
    from overscan.cli import _config
    from overscan.cli._report import carry_out

    carry_out(lambda report: _config.show(config=file, changed=changed, report=report), json=json)


@config.command("check")
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file of settings.", show_default=False)],
    json: options.Json = False,
) -> None:
    """Say what is wrong in a file of settings, by line, before a service reads it."""
    from overscan.cli import _config
    from overscan.cli._report import carry_out

    carry_out(lambda report: _config.check(file, report=report), json=json)
