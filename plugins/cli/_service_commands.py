"""The commands that run a service and look after it. What they do is in the modules they import when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from overscan.cli import _options as options


def serve(
    address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="unix:PATH or HOST:PORT; default: the home's own socket.")
    ] = None,
    home: Annotated[str | None, typer.Option(metavar="DIR", help="Folder of jobs and logs.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Workers at once; default: one per device.")
    ] = None,
    devices: Annotated[
        str | None, typer.Option(metavar="DEVICES", help="auto, cpu, or CUDA devices, e.g. 0,1; default: auto.")
    ] = None,
    idle_exit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="End after so long without work; default: never.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR.")] = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="Settings, in place of the usual files.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any setting of `overscan config show`; may be repeated."),
    ] = None,
) -> None:
    """Run the service in the foreground.

    The other commands find it by themselves; without it they start one of their own.
    """
    from overscan.cli._serve import serve as run_service

    run_service(
        address=address,
        home=home,
        workers=workers,
        devices=devices,
        idle_exit=idle_exit,
        log_level=log_level,
        config=config,
        settings=set_ or (),
    )


def purge(
    job_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[JOB]...", help="Jobs, by their ids or how they begin.")
    ] = None,
    show: Annotated[str, typer.Option(metavar="NAME", help="All jobs of a show, in place of ids.")] = "",
    older_than: Annotated[
        float | None, typer.Option(metavar="DAYS", min=0, help="All that ended so long ago; of --show, if given.")
    ] = None,
    receipts: Annotated[bool, typer.Option("--receipts", help="The service's copies of receipts too.")] = False,
    cache: Annotated[
        bool, typer.Option("--cache", help="The whole cache too, of all shows; no job may be under way.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: options.Json = False,
) -> None:
    """Have the service remove ended jobs, with all that it keeps of them.

    Work folders, previews, uploads, kept results and logs go; what lies in output folders stays.
    """
    from overscan.cli import _purge
    from overscan.cli._report import carry_out

    carry_out(
        lambda report: _purge.purge(
            job_ids or (),
            show=show,
            days=older_than,
            receipts=receipts,
            cache=cache,
            dry_run=dry_run,
            yes=yes,
            report=report,
        ),
        json=json,
    )


def status(json: options.Json = False) -> None:
    """Show what the running service does, and whether it is ready for more."""
    from overscan.cli import _operate
    from overscan.cli._report import carry_out

    carry_out(lambda report: _operate.show_status(report=report), json=json)


def drain(
    close: Annotated[bool, typer.Option("--close", help="End the service once nothing runs.")] = False,
    seconds: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="With --close: stop what still runs after so long.")
    ] = 0.0,
    undo: Annotated[bool, typer.Option("--undo", help="Give out work again.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when nothing runs any more.")] = False,
    json: options.Json = False,
) -> None:
    """Have the running service give out no more work: before an update, a restart, or to free the machine.

    Steps that run go on to their end. Queued jobs stay in the queue, new ones are refused.
    """
    from overscan.cli import _operate
    from overscan.cli._report import carry_out

    carry_out(
        lambda report: _operate.drain(close=close, seconds_max=seconds, undo=undo, wait=wait, report=report), json=json
    )
