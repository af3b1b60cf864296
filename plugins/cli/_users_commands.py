"""The commands of `overscan users` and `overscan audit`. What they do is in the module that they import."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from overscan.cli import _options as options

users = typer.Typer(help="Who may call the service.", rich_markup_mode=None, no_args_is_help=True)
audit = typer.Typer(help="What callers did.", rich_markup_mode=None, no_args_is_help=True)


class Role(str, Enum):
    """What a user may do."""

    VIEWER = "viewer"
    ARTIST = "artist"
    ADMIN = "admin"


_Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.", show_default=False)]
_Days = Annotated[
    float | None, typer.Option(metavar="DAYS", min=0, help="The token ends after so many days; default: never.")
]


@users.command("add")
def add(
    name: _Name,
    role: Annotated[
        Role, typer.Option(help="viewer: looks at jobs; artist: creates jobs, changes their own; admin: everything.")
    ],
    days: _Days = None,
    json: options.Json = False,
) -> None:
    """Add a user, and print their token, once: only its hash is kept.

    A running service takes the change on within seconds. Run it as the account that runs the service.
    """
    from overscan.cli import _users
    from overscan.cli._report import carry_out

    carry_out(lambda report: _users.add(name, role=role.value, days=days, report=report), json=json)


@users.command("list")
def list_users(json: options.Json = False) -> None:
    """List the users, their roles, and the last four characters of their tokens."""
    from overscan.cli import _users
    from overscan.cli._report import carry_out

    carry_out(lambda report: _users.list_users(report=report), json=json)


@users.command("remove")
def remove(name: _Name, json: options.Json = False) -> None:
    """Remove a user: their tokens hold no more, and their open streams end."""
    from overscan.cli import _users
    from overscan.cli._report import carry_out

    carry_out(lambda report: _users.remove(name, report=report), json=json)


@users.command("rotate")
def rotate(
    name: _Name,
    days: _Days = None,
    overlap: Annotated[
        float, typer.Option(metavar="HOURS", min=0, help="The old token holds for so long; default: no longer.")
    ] = 0.0,
    json: options.Json = False,
) -> None:
    """Give a user a new token in place of the old one, and print it, once."""
    from overscan.cli import _users
    from overscan.cli._report import carry_out

    carry_out(lambda report: _users.rotate(name, days=days, overlap=overlap, report=report), json=json)


@audit.command("verify")
def verify(json: options.Json = False) -> None:
    """Check that no line of the audit log was changed or taken out, and print the head of its chain."""
    from overscan.cli import _users
    from overscan.cli._report import carry_out

    carry_out(lambda report: _users.check_audit(report=report), json=json)
