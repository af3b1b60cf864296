"""`overscan install` and `overscan uninstall`: their options."""

from __future__ import annotations

from typing import Annotated

import typer

from overscan.cli import _options as options

install = typer.Typer(help="Install a host's plugin.", rich_markup_mode=None, no_args_is_help=True)
uninstall = typer.Typer(help="Remove a host's plugin.", rich_markup_mode=None, no_args_is_help=True)


@install.command("nuke")
def install_nuke(
    into: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder for NUKE_PATH; default: overscan in ~/.nuke.")
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Add a marked block to ~/.nuke/init.py that has Nuke read the folder.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Lay down the plugin for Nuke 13 and later, or bring it up to date.

    Nothing outside the folder is touched, unless --link asks for it.
    """
    from overscan.cli import _install
    from overscan.cli._report import carry_out

    carry_out(lambda report: _install.install_nuke(into=into, link=link, report=report), json=json)


@uninstall.command("nuke")
def uninstall_nuke(
    folder: Annotated[
        str | None, typer.Option("--from", metavar="DIR", help="Where it was installed; default: overscan in ~/.nuke.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Remove exactly what `install nuke` laid down; other files stay."""
    from overscan.cli import _install
    from overscan.cli._report import carry_out

    carry_out(lambda report: _install.uninstall_nuke(folder=folder, report=report), json=json)


@install.command("resolve")
def install_resolve(
    into: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder of the plugin; default: resolve in Overscan's home.")
    ] = None,
    scripts: Annotated[
        str | None, typer.Option(metavar="DIR", help="Resolve's folder Fusion/Scripts; default: this user's.")
    ] = None,
    all_users: Annotated[
        bool, typer.Option("--all-users", help="Put the scripts where all users of this machine have them.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Lay down the plugin for DaVinci Resolve 18 and later, or bring it up to date.

    It comes with scripts in Resolve's own folder, which show up under Workspace > Scripts > Overscan.
    """
    from overscan.cli import _install_resolve
    from overscan.cli._report import carry_out

    carry_out(
        lambda report: _install_resolve.install_resolve(into=into, scripts=scripts, all_users=all_users, report=report),
        json=json,
    )


@uninstall.command("resolve")
def uninstall_resolve(
    folder: Annotated[
        str | None,
        typer.Option("--from", metavar="DIR", help="Where it was installed; default: resolve in Overscan's home."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Remove exactly what `install resolve` laid down, its scripts in Resolve's folder included; other files stay."""
    from overscan.cli import _install_resolve
    from overscan.cli._report import carry_out

    carry_out(lambda report: _install_resolve.uninstall_resolve(folder=folder, report=report), json=json)
