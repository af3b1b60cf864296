"""The commands and their options. What they do is in the modules they import when they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from overscan.cli import _options as options
from overscan.cli._config_commands import config
from overscan.cli._exit import exit_code_help
from overscan.cli._install_commands import install, uninstall
from overscan.cli._models_commands import models
from overscan.cli._options import Request
from overscan.cli._policy_commands import policy
from overscan.cli._queue_commands import move_job, pause_job, resume_job
from overscan.cli._resolve_commands import resolve
from overscan.cli._rights_commands import report_command, rights
from overscan.cli._service_commands import drain, purge, serve, status
from overscan.cli._spread import with_request
from overscan.cli._users_commands import audit, users

if TYPE_CHECKING:
    from overscan.v1.job_pb2 import JobSpec

_EPILOG = f"\b\nExit codes:\n{exit_code_help()}"

app = typer.Typer(
    name="overscan",
    help="Extends, repairs and continues film plates; every sample of the plate stays as it was.",
    epilog=_EPILOG,
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
jobs = typer.Typer(help="Jobs of the service that runs here.", rich_markup_mode=None, no_args_is_help=True)
app.add_typer(jobs, name="jobs")
app.add_typer(config, name="config")
app.add_typer(install, name="install")
app.add_typer(uninstall, name="uninstall")
app.add_typer(models, name="models")
app.add_typer(policy, name="policy")
app.add_typer(resolve, name="resolve")
app.add_typer(rights, name="rights")
app.add_typer(users, name="users")
app.add_typer(audit, name="audit")
app.command("report")(report_command)
for _command in (serve, status, drain, purge):
    app.command()(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"overscan {version('overscan')}")
        raise typer.Exit


@app.callback()
def _overscan(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
@with_request
def extend(
    request: Request,
    format: Annotated[
        str | None, typer.Option(metavar="WxH", help="New format, e.g. 2880x1080, the plate centred in it.")
    ] = None,
    place: Annotated[
        str | None, typer.Option(metavar="X,Y", help="With --format: where the plate's origin comes to lie.")
    ] = None,
    margins: Annotated[
        str | None, typer.Option(metavar="L,R,T,B", help="Samples to add per side (negative crops).")
    ] = None,
    overscan: Annotated[
        str | None, typer.Option(metavar="L,R,T,B|N", help="Samples to add outside the format, which stays.")
    ] = None,
) -> None:
    """Extend a plate: more image on any side."""
    from overscan.cli._request import extend_job

    _run(request, lambda: extend_job(request, format=format, place=place, margins=margins, overscan=overscan))


@app.command()
@with_request
def inpaint(
    request: Request,
    matte: Annotated[str, typer.Option(metavar="MATTE", help="The matte: 1 replaces, 0 keeps; e.g. matte.%04d.exr.")],
    matte_channel: Annotated[
        str | None, typer.Option(metavar="NAME", help="Channel of the matte; default: A, else the only one, else R.")
    ] = None,
) -> None:
    """Remove what a matte covers and fill it."""
    from overscan.cli._request import inpaint_job

    _run(request, lambda: inpaint_job(request, matte=matte, matte_channel=matte_channel))


@app.command("continue")
@with_request
def continue_(
    request: Request,
    head: Annotated[int, typer.Option(min=0, metavar="N", help="Frames to make before the first.")] = 0,
    tail: Annotated[int, typer.Option(min=0, metavar="N", help="Frames to make after the last.")] = 0,
) -> None:
    """Make handles: frames before the first and after the last.

    The result holds the plate's frames as they are and the new ones, numbered on.
    """
    from overscan.cli._request import continue_job

    _run(request, lambda: continue_job(request, head=head, tail=tail))


@app.command()
@with_request
def interpolate(
    request: Request,
    between: Annotated[int | None, typer.Option(metavar="N", help="New frames in every gap of the plate.")] = None,
    times: Annotated[
        str | None, typer.Option(metavar="T,T,…", help="Times in frame numbers, e.g. 1001.5,1010.25.")
    ] = None,
) -> None:
    """Make in-betweens: frames at times between those of the plate.

    Whole times alone keep their numbers; otherwise the result is numbered on from the plate's first frame.
    """
    from overscan.cli._request import interpolate_job

    _run(request, lambda: interpolate_job(request, between=between, times=times))


def _run(request: Request, make_job: Callable[[], JobSpec]) -> None:
    """Plan or run the job that a command line asks for."""
    from overscan.cli._report import carry_out
    from overscan.cli._run import run_job

    carry_out(
        lambda report: run_job(
            make_job, report=report, dry_run=request.dry_run, detach=request.detach, transfer=request.transfer
        ),
        json=request.json,
    )


@app.command()
def plan(job_file: options.JobFile, transfer: options.Transfer = "auto", json: options.Json = False) -> None:
    """Say what a job file would do, or why it cannot run."""
    from overscan.cli._report import carry_out
    from overscan.cli._run import run_job_file

    carry_out(
        lambda report: run_job_file(job_file, report=report, dry_run=True, detach=False, transfer=transfer), json=json
    )


@app.command()
def submit(
    job_file: options.JobFile,
    transfer: options.Transfer = "auto",
    detach: options.Detach = False,
    json: options.Json = False,
) -> None:
    """Run a job file."""
    from overscan.cli._report import carry_out
    from overscan.cli._run import run_job_file

    carry_out(
        lambda report: run_job_file(job_file, report=report, dry_run=False, detach=detach, transfer=transfer),
        json=json,
    )


@jobs.command("list")
def list_jobs(
    state: Annotated[
        list[str] | None, typer.Option(metavar="STATE", help="Only jobs in this state, e.g. running; may be repeated.")
    ] = None,
    show: options.Show = None,
    shot: options.Shot = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Most jobs to list.")] = 100,
    json: options.Json = False,
) -> None:
    """List jobs, newest first."""
    from overscan.cli import _jobs
    from overscan.cli._report import carry_out

    carry_out(
        lambda report: _jobs.list_jobs(states=state or (), show=show, shot=shot, limit=limit, report=report), json=json
    )


@jobs.command("show")
def show_job(job_id: options.JobId, json: options.Json = False) -> None:
    """Show what was asked, the plan, and where the job stands."""
    from overscan.cli import _jobs
    from overscan.cli._report import carry_out

    carry_out(lambda report: _jobs.show_job(job_id, report=report), json=json)


@jobs.command("watch")
def watch_job(job_id: options.JobId, json: options.Json = False) -> None:
    """Follow a job to its end. Ctrl-C stops following; the job goes on."""
    from overscan.cli import _jobs
    from overscan.cli._report import carry_out

    carry_out(lambda report: _jobs.watch_job(job_id, report=report), json=json)


@jobs.command("cancel")
def cancel_job(job_id: options.JobId, json: options.Json = False) -> None:
    """Stop a job. Finished frames stay."""
    from overscan.cli import _jobs
    from overscan.cli._report import carry_out

    carry_out(lambda report: _jobs.cancel_job(job_id, report=report), json=json)


@jobs.command("retry")
def retry_job(job_id: options.JobId, detach: options.Detach = False, json: options.Json = False) -> None:
    """Run a failed or cancelled job again from where it stopped."""
    from overscan.cli import _jobs
    from overscan.cli._report import carry_out

    carry_out(lambda report: _jobs.retry_job(job_id, report=report, detach=detach), json=json)


for _name, _on_queue in (("pause", pause_job), ("resume", resume_job), ("move", move_job)):
    jobs.command(_name)(_on_queue)


@jobs.command("fetch")
def fetch_job(
    job_id: options.JobId,
    into: Annotated[str, typer.Option(metavar="DIR", help="The folder for the files.")],
    overwrite: options.Overwrite = False,
    keep: Annotated[bool, typer.Option("--keep", help="Let the service keep its copy.")] = False,
    json: options.Json = False,
) -> None:
    """Fetch a job's result over the wire, as far as it is there."""
    from overscan.cli import _transfer
    from overscan.cli._report import carry_out

    carry_out(
        lambda report: _transfer.fetch_job(job_id, into=into, overwrite=overwrite, keep=keep, report=report), json=json
    )


@app.command()
def engines(json: options.Json = False) -> None:
    """List the engines, their parameters and their rights."""
    from overscan.cli import _engines
    from overscan.cli._report import carry_out

    carry_out(lambda report: _engines.list_engines(report=report), json=json)


@app.command()
def verify(
    output: Annotated[str, typer.Argument(metavar="OUT", help="The result, e.g. out.%04d.exr.", show_default=False)],
    plate: Annotated[
        str | None, typer.Option(metavar="PLATE", help="The plate; default: the one the result's header names.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Check a result against its receipt, and prove that it left the plate as it was.

    Hashes, signatures, the receipt itself; 10,000 copied pixels are fetched from the plate again; and every sample
    outside the generated region is compared with the plate.
    """
    from overscan.cli import _verify
    from overscan.cli._report import carry_out

    carry_out(lambda report: _verify.verify(output, plate=plate, report=report), json=json)


@app.command("watch-folder")
def watch_folder(
    inbox: Annotated[str, typer.Argument(metavar="IN", help="The folder to watch.", show_default=False)],
    outbox: Annotated[str, typer.Argument(metavar="OUT", help="The folder for results.", show_default=False)],
    settle: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="A sequence is whole when it has been left alone so long.")
    ] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="End when all that is there has been through.")] = False,
    json: options.Json = False,
) -> None:
    """Run a job for every sequence that is rendered into a folder; results come as versions in another.

    `overscan.yaml` in IN, or in a folder below it, is a job file without plate and output.
    """
    from overscan.cli import _watch_folder
    from overscan.cli._report import carry_out

    carry_out(
        lambda report: _watch_folder.watch_folder(
            inbox=inbox, outbox=outbox, settle_seconds=settle, once=once, report=report
        ),
        json=json,
    )


@app.command(hidden=True)
def bridge() -> None:
    """Serve a host's plugin on stdin and stdout; host plugins start it."""
    from overscan.cli._bridge import bridge as serve_host

    serve_host()


@app.command()
def doctor(
    nuke: Annotated[bool, typer.Option("--nuke", help="Look at the plugin for Nuke in place of Overscan.")] = False,
    resolve: Annotated[bool, typer.Option("--resolve", help="Likewise, at the plugin for DaVinci Resolve.")] = False,
    json: options.Json = False,
) -> None:
    """Say what is wrong with this installation, and what to do."""
    from overscan.cli import _doctor
    from overscan.cli._report import carry_out

    examine = _doctor.examine_nuke if nuke else _doctor.examine_resolve if resolve else _doctor.examine
    carry_out(lambda report: examine(report=report), json=json)


@app.command()
def demo(
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder for the results.")] = "overscan-demo",
    json: options.Json = False,
) -> None:
    """Extend the example plate, check and measure the result."""
    from overscan.cli import _demo
    from overscan.cli._report import carry_out

    carry_out(lambda report: _demo.demonstrate(out, report=report), json=json)
