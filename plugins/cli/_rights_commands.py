"""The commands of `overscan rights`, and `overscan report`. What they do is in the modules that they import."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from overscan.cli import _options as options
from overscan.cli._policy_commands import Use

rights = typer.Typer(help="The clearance ledger: whose the inputs are.", rich_markup_mode=None, no_args_is_help=True)


class Kind(str, Enum):
    """What an asset is for."""

    REFERENCE = "reference"
    CLEAN_PLATE = "clean-plate"
    SOURCE = "source"
    TRAINING = "training"
    OTHER = "other"


class Consent(str, Enum):
    """Whether the people in an asset have agreed."""

    UNKNOWN = "unknown"
    NOT_NEEDED = "not-needed"
    GIVEN = "given"
    REFUSED = "refused"


class Question(str, Enum):
    """What productions ask."""

    REPLICATES = "replicates"
    STORED = "stored"
    SECURED = "secured"
    PERFORMER = "performer"


class Answer(str, Enum):
    """What is known."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


_Asset = Annotated[str, typer.Argument(metavar="ASSET", help="The asset's id.", show_default=False)]
_By = Annotated[str, typer.Option(metavar="NAME", help="Who answers for it.")]
_Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why.")]


@rights.command("add")
def add(
    asset: _Asset,
    by: _By,
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Its files, or path patterns.", show_default=False)
    ] = None,
    author: Annotated[str | None, typer.Option(metavar="NAME", help="Whose work it is.")] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="LICENCE", help="E.g. CC-BY-4.0, LicenseRef-…, or the contract.")
    ] = None,
    kind: Annotated[Kind | None, typer.Option(help="What it is for; default: reference.")] = None,
    source: Annotated[str | None, typer.Option(metavar="TEXT", help="Where it came from.")] = None,
    person: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Who can be recognised in it; may be repeated.")
    ] = None,
    consent: Annotated[Consent | None, typer.Option(help="Whether these people agreed; default: unknown.")] = None,
    consent_evidence: Annotated[str | None, typer.Option(metavar="TEXT", help="Where that is on file.")] = None,
    valid_from: Annotated[str | None, typer.Option(metavar="DAY", help="First day it may be used.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="DAY", help="Day from which it may not.")] = None,
    show: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A show that may use it; default: all; may be repeated.")
    ] = None,
    use: Annotated[list[Use] | None, typer.Option(help="What results may be for; default: both.")] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Anything else.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Change what is said of an asset, or add files.")] = False,
    json: options.Json = False,
) -> None:
    """Enter an asset: a reference image, a clean plate, a further plate to copy from.

    It is known by the content of its files, wherever they lie. Nothing is ever removed from the ledger.
    """
    from overscan.cli import _rights
    from overscan.cli._report import carry_out

    facts = {
        "by": by,
        "author": author,
        "licence": licence,
        "kind": kind.value if kind else None,
        "source": source,
        "consent": consent.value if consent else None,
        "consent-evidence": consent_evidence,
        "valid-from": valid_from,
        "expires": expires,
        "note": note,
    }
    several = {"person": person, "show": show, "use": [item.value for item in use] if use else None}
    carry_out(
        lambda report: _rights.add(
            asset, files=files or (), update=update, several=several, options=facts, report=report
        ),
        json=json,
    )


@rights.command("list")
def list_assets(
    show: Annotated[str, typer.Option(metavar="NAME", help="Only what this show may use.")] = "",
    json: options.Json = False,
) -> None:
    """List the assets and how they stand today, and what was stated."""
    from overscan.cli import _rights
    from overscan.cli._report import carry_out

    carry_out(lambda report: _rights.list_assets(show=show, report=report), json=json)


@rights.command("revoke")
def revoke(
    asset: _Asset,
    by: _By,
    reason: _Reason,
    on: Annotated[str, typer.Option(metavar="DAY", help="Day from which; default: today.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take the revocation back.")] = False,
    json: options.Json = False,
) -> None:
    """Say that an asset may be used no more: jobs that read it are refused from then on."""
    from overscan.cli import _rights
    from overscan.cli._report import carry_out

    carry_out(lambda report: _rights.revoke(asset, by=by, reason=reason, on=on, undo=undo, report=report), json=json)


@rights.command("trace")
def trace(asset: _Asset, json: options.Json = False) -> None:
    """List the jobs and frames that were made with an asset, by their receipts."""
    from overscan.cli import _rights
    from overscan.cli._report import carry_out

    carry_out(lambda report: _rights.trace(asset, report=report), json=json)


@rights.command("state")
def state(
    question: Annotated[Question, typer.Argument(help="The question that it answers.", show_default=False)],
    answer: Annotated[Answer, typer.Argument(help="The answer.", show_default=False)],
    by: _By,
    evidence: Annotated[str, typer.Option(metavar="TEXT", help="What it rests on.")],
    show: Annotated[str, typer.Option(metavar="NAME", help="The show; default: all.")] = "",
    shot: Annotated[str, typer.Option(metavar="NAME", help="The shot of that show; default: all.")] = "",
    json: options.Json = False,
) -> None:
    """Put on record what no machine can know, for the five questions of `overscan report`."""
    from overscan.cli import _rights
    from overscan.cli._report import carry_out

    facts: dict[str, str | None] = {"by": by, "evidence": evidence, "show": show or None, "shot": shot or None}
    carry_out(lambda report: _rights.state(question.value, answer.value, options=facts, report=report), json=json)


def report_command(
    name: Annotated[
        str, typer.Argument(metavar="SHOW|SHOT|JOB", help="A show, SHOW/SHOT, a shot, or a job.", show_default=False)
    ],
    html: Annotated[str | None, typer.Option(metavar="DIR", help="Write web pages into this folder.")] = None,
    pdf: Annotated[str | None, typer.Option(metavar="FILE", help="Write a PDF; needs Chromium or Chrome.")] = None,
    csv: Annotated[str | None, typer.Option(metavar="FILE", help="Write a table, a line for each job.")] = None,
    json: options.Json = False,
) -> None:
    """Say what was used in a show, a shot or a job, under which rights, from the receipts.

    Answers the five questions that productions ask; what no record says is unknown.
    """
    from overscan.cli import _report_show
    from overscan.cli._report import carry_out

    carry_out(lambda report: _report_show.show(name, html=html, pdf=pdf, csv=csv, report=report), json=json)
