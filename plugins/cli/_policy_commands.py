"""The commands of `overscan policy` and their options. What they do is in the module they import when they run."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from overscan.cli import _options as options

policy = typer.Typer(help="What a show lets in, and who says so.", rich_markup_mode=None, no_args_is_help=True)


class Use(str, Enum):
    """What results are for."""

    TEMP = "temp"
    FINAL = "final"


_Show = Annotated[str, typer.Option(metavar="NAME", help="The show; default: the studio's policy.")]
_Shot = Annotated[str, typer.Option(metavar="NAME", help="The shot of that show.")]
_Weights = Annotated[
    str, typer.Option(metavar="MODEL", help="The model's name in the library, or its folder; its files are hashed.")
]
_By = Annotated[str, typer.Option(metavar="NAME", help="Who answers for it.")]


@policy.command("check")
def check(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="An engine or a rights card; default: all.")] = "",
    show: _Show = "",
    shot: _Shot = "",
    use: Annotated[Use, typer.Option(help="What results are for.")] = Use.TEMP,
    weights: _Weights = "",
    json: options.Json = False,
) -> None:
    """Say which engines and models are allowed, why the others are not, and what would allow them.

    Without --show every policy there is is read, and what is wrong in one is said. With NAME the exit code is 8 where
    it is not allowed.
    """
    from overscan.cli import _policy
    from overscan.cli._report import carry_out

    carry_out(
        lambda report: _policy.check(name=name, weights=weights, use=use.value, show=show, shot=shot, report=report),
        json=json,
    )


@policy.command("show")
def show_policy(show: _Show = "", shot: _Shot = "", json: options.Json = False) -> None:
    """Show the rules that hold, the approvals and the lock, and the files they come from."""
    from overscan.cli import _policy
    from overscan.cli._report import carry_out

    carry_out(lambda report: _policy.show_policy(show=show, shot=shot, report=report), json=json)


@policy.command("approve")
def approve(
    card: Annotated[str, typer.Argument(metavar="CARD", help="The rights card.", show_default=False)],
    by: _By,
    role: Annotated[str, typer.Option(metavar="ROLE", help="Their role, e.g. legal.")] = "",
    until: Annotated[str, typer.Option(metavar="DAY", help="First day it counts no more, e.g. 2027-05-01.")] = "",
    use: Annotated[list[Use] | None, typer.Option(help="What results may be for; may be repeated.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "",
    weights: _Weights = "",
    show: _Show = "",
    shot: _Shot = "",
    json: options.Json = False,
) -> None:
    """Approve a card by name: what speaks against it now no longer does, for the studio, a show or a shot.

    It is written into the policy's file. It ends with the card: one that says something else has to be approved again.
    """
    from overscan.cli import _policy
    from overscan.cli._report import carry_out

    carry_out(
        lambda report: _policy.approve(
            name=card,
            by=by,
            role=role,
            until=until,
            uses=[item.value for item in use or ()],
            reason=reason,
            weights=weights,
            show=show,
            shot=shot,
            report=report,
        ),
        json=json,
    )


@policy.command("lock")
def lock(
    show: Annotated[str, typer.Argument(metavar="SHOW", help="The show.", show_default=False)],
    by: _By,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CARD=MODEL", help="A model to keep: its name in the library, or its folder; may be repeated."
        ),
    ] = None,
    renew: Annotated[bool, typer.Option("--renew", help="Replace the lock that is there.")] = False,
    json: options.Json = False,
) -> None:
    """Keep a show to the engines that are installed now, and to the files of the models named.

    From then on another version or another file is refused on that show.
    """
    from overscan.cli import _policy
    from overscan.cli._report import carry_out

    carry_out(lambda report: _policy.lock(show=show, by=by, models=model or (), renew=renew, report=report), json=json)
