"""The commands of `overscan models` and their options. What they do is in the modules they import when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from overscan.cli import _options as options
from overscan.cli._policy_commands import Use

models = typer.Typer(
    help="The model library: folders of models that engines may load.", rich_markup_mode=None, no_args_is_help=True
)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The model's name in the library.", show_default=False)]
_NewName = Annotated[str, typer.Option(metavar="NAME", help="Its name in the library; default: after the folder.")]
_Card = Annotated[str, typer.Option(metavar="CARD", help="Its rights card; default: that of its class.")]


@models.command("add")
def add(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="A model in diffusers' layout, on this machine.", show_default=False)
    ],
    name: _NewName = "",
    card: _Card = "",
    source: Annotated[str, typer.Option(metavar="TEXT", help="Where it came from, for the record.")] = "",
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy what loading reads into Overscan's home, and leave the rest.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Look a model's folder over, hash its files and enter it. Nothing of it is loaded or run.

    The folder stays where it is. One with pickles, code, links that lead out or missing parts is refused.
    """
    from overscan.cli import _models
    from overscan.cli._report import carry_out

    carry_out(
        lambda report: _models.add(folder, name=name, card=card, source=source, copy=copy, report=report), json=json
    )


@models.command("list")
def list_models(json: options.Json = False) -> None:
    """List the models of the library, and the engines that run them."""
    from overscan.cli import _models
    from overscan.cli._report import carry_out

    carry_out(lambda report: _models.list_models(report=report), json=json)


@models.command("show")
def show(
    name: _Name,
    show_name: Annotated[str, typer.Option("--show", metavar="NAME", help="The show whose policy is asked.")] = "",
    shot: Annotated[str, typer.Option(metavar="NAME", help="The shot of that show.")] = "",
    use: Annotated[Use, typer.Option(help="What results are for.")] = Use.TEMP,
    json: options.Json = False,
) -> None:
    """Show what a model consists of, its licence, and whether the policy allows it."""
    from overscan.cli import _models
    from overscan.cli._report import carry_out

    carry_out(lambda report: _models.show(name, show=show_name, shot=shot, use=use.value, report=report), json=json)


@models.command("verify")
def verify(name: _Name, json: options.Json = False) -> None:
    """Hash all files of a model again: are they what was added? The exit code is 3 where they are not."""
    from overscan.cli import _models
    from overscan.cli._report import carry_out

    carry_out(lambda report: _models.verify(name, report=report), json=json)


@models.command("remove")
def remove(
    name: _Name,
    delete_files: Annotated[
        bool, typer.Option("--delete-files", help="Delete the copy that --copy made, too; no other folder ever is.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Forget a model. Its folder stays."""
    from overscan.cli import _models
    from overscan.cli._report import carry_out

    carry_out(lambda report: _models.remove(name, delete_files=delete_files, report=report), json=json)


@models.command("download")
def download(
    repository: Annotated[
        str, typer.Argument(metavar="REPO", help="Repository of the hub, e.g. OWNER/MODEL.", show_default=False)
    ],
    into: Annotated[str, typer.Option(metavar="DIR", help="Folder to put the model into.")],
    revision: Annotated[str, typer.Option(metavar="SHA", help="Commit to take; default: the newest.")] = "",
    name: _NewName = "",
    card: _Card = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before downloading.")] = False,
    json: options.Json = False,
) -> None:
    """Download a model from a hub, and add it. Of all that Overscan does, this alone uses the network.

    It says first what it would fetch, from where and how much, and asks. Only safetensors, configs and vocabularies
    are fetched. HF_ENDPOINT names another hub than huggingface.co, HF_TOKEN lets you in where a model asks for it.
    """
    from overscan.cli import _models_download
    from overscan.cli._report import carry_out

    carry_out(
        lambda report: _models_download.download(
            repository, into=into, revision=revision, name=name, card=card, yes=yes, report=report
        ),
        json=json,
    )
