"""The commands of `overscan resolve`. What they do is in the modules that they import."""

from __future__ import annotations

from typing import Annotated

import typer

from overscan.cli import _options as options
from overscan.cli._exit import ExitCode

resolve = typer.Typer(
    help="Clips of a running DaVinci Resolve Studio: from its timelines and back, as takes.",
    rich_markup_mode=None,
    no_args_is_help=True,
)

_HANDED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""For commands whose options belong to the process that they start."""


def _hand_on(context: typer.Context) -> None:
    from overscan.cli._report import Outcome, Report, carry_out
    from overscan.cli._resolve import run_in_resolve

    arguments = [str(context.info_name), *context.args]

    def body(_: Report) -> Outcome:
        code = run_in_resolve(arguments)
        return Outcome(exit_code=ExitCode(code) if code in set(ExitCode) else ExitCode.INTERNAL)

    carry_out(body, json="--json" in arguments)


@resolve.command(context_settings=_HANDED_ON, add_help_option=False)
def inpaint(context: typer.Context) -> None:
    """Remove what a matte covers."""
    _hand_on(context)


@resolve.command(context_settings=_HANDED_ON, add_help_option=False)
def extend(context: typer.Context) -> None:
    """Fill the timeline's format beside clips of another shape."""
    _hand_on(context)


@resolve.command("continue", context_settings=_HANDED_ON, add_help_option=False)
def continue_(context: typer.Context) -> None:
    """Make frames before the first or after the last of a clip's media."""
    _hand_on(context)


@resolve.command(context_settings=_HANDED_ON, add_help_option=False)
def fill(context: typer.Context) -> None:
    """Fill a matte by words."""
    _hand_on(context)


@resolve.command(context_settings=_HANDED_ON, add_help_option=False)
def place(context: typer.Context) -> None:
    """Bring a finished result into the project that it belongs to."""
    _hand_on(context)


@resolve.command()
def probe(json: options.Json = False) -> None:
    """Say whether a Resolve answers, and if not, why."""
    from overscan.cli._report import Outcome, Report, carry_out
    from overscan.cli._resolve import probe_resolve

    def body(report: Report) -> Outcome:
        found = probe_resolve()
        report.say(f"{found.product} {found.version} answers.")
        return Outcome(facts={"product": found.product, "version": found.version})

    carry_out(body, json=json)


@resolve.command()
def otio(
    results: Annotated[
        list[str], typer.Argument(metavar="FOLDER...", help="Folders with results of Resolve; folders in them count.")
    ],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="The .otio file.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    json: options.Json = False,
) -> None:
    """Write what was generated as an OpenTimelineIO timeline, to be conformed elsewhere."""
    from pathlib import Path

    from overscan.cli._report import Outcome, Report, carry_out
    from overscan.cli._resolve_otio import export_results

    def body(report: Report) -> Outcome:
        done = export_results([Path(name) for name in results], output=Path(output), overwrite=overwrite)
        report.say(f"{done.output} has {done.clips} clips on {done.tracks} tracks.")
        for line in done.left_out:
            report.note(line)
        facts = {
            "output": str(done.output),
            "clips": done.clips,
            "tracks": done.tracks,
            "left_out": list(done.left_out),
        }
        return Outcome(facts=facts)

    carry_out(body, json=json)
