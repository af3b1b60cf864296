"""`overscan doctor --resolve`: DaVinci Resolve, its scripting, the plugin's folder and scripts, and the bridge."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from overscan.cli import _install_resolve, _layout, _resolve_scripts
from overscan.cli._doctor import Check, Verdict
from overscan.cli._doctor_plugin import bridge_checks, layout_checks
from overscan.cli._resolve import probe_resolve
from overscan.cli._words import plural
from overscan.client import ServiceError

_PROGRAMS = {
    "linux": "/opt/resolve/bin/resolve",
    "darwin": "/Applications/DaVinci Resolve/DaVinci Resolve.app",
    "win32": r"%PROGRAMFILES%\Blackmagic Design\DaVinci Resolve\Resolve.exe",
}
_PROBE_SECONDS = 20.0


def checks() -> Iterator[Check]:
    """All checks of the plugin for DaVinci Resolve, the first to look at first."""
    program = Path(os.path.expandvars(_PROGRAMS.get(sys.platform, _PROGRAMS["linux"])))
    yield _program(program)
    yield from _scripting(program)
    layout, found = layout_checks(
        _install_resolve.default_folder(),
        f"overscan install resolve --into {shlex.quote(str(_install_resolve.default_folder()))}",
    )
    yield from found
    if layout is None or layout.plugin != _layout.RESOLVE.name:
        yield Check(
            name="plugin",
            verdict=Verdict.FAIL,
            message=f"there is none in {_install_resolve.default_folder()}",
            next_step="Run `overscan install resolve`; one in another folder (--into) is not seen from here.",
        )
        yield from bridge_checks([])
        return
    yield _scripts(layout.folder)
    yield from bridge_checks([layout])


def _program(program: Path) -> Check:
    if program.exists():
        return Check(name="DaVinci Resolve", verdict=Verdict.OK, message=str(program))
    return Check(
        name="DaVinci Resolve",
        verdict=Verdict.WARN,
        message=f"there is none at {program}",
        next_step="If it is elsewhere, never mind: run the self-check in it, see docs/resolve.md.",
    )


def _scripting(program: Path) -> Iterator[Check]:
    """Whether a Resolve that runs answers; where none is installed there is nothing to ask."""
    from overscan_resolve._connect import script_places

    folder, library = script_places()
    for name, place, variable in (
        ("scripting modules", folder / "Modules", "RESOLVE_SCRIPT_API"),
        ("scripting library", library, "RESOLVE_SCRIPT_LIB"),
    ):
        if place.exists():
            yield Check(name=name, verdict=Verdict.OK, message=str(place))
        else:
            yield Check(
                name=name,
                verdict=Verdict.WARN,
                message=f"there is none at {place}",
                next_step=f"Scripts from outside (`overscan resolve`) want it: set {variable} to where it is.",
            )
    if not library.exists() or not program.exists():
        return
    try:
        found = probe_resolve(timeout_seconds=_PROBE_SECONDS)
    except ServiceError as error:
        problem = error.problems[0]
        yield Check(
            name="scripts from outside", verdict=Verdict.WARN, message=problem.message, next_step=problem.next_step
        )
    else:
        yield Check(name="scripts from outside", verdict=Verdict.OK, message=f"{found.product} {found.version} answers")


def _scripts(folder: Path) -> Check:
    name = "Workspace > Scripts"
    again = "Run `overscan install resolve` again."
    scripts = _resolve_scripts.recorded(folder)
    states = {path: _resolve_scripts.state_of(path, digest) for path, digest in scripts.items()}
    wrong = {state: [path for path, found in states.items() if found == state] for state in ("missing", "changed")}
    if not scripts:
        return Check(name=name, verdict=Verdict.FAIL, message="no script starts the plugin", next_step=again)
    if wrong["missing"]:
        message = f"{plural(len(wrong['missing']), 'script')} missing, e.g. {wrong['missing'][0]}"
        return Check(name=name, verdict=Verdict.FAIL, message=message, next_step=again)
    if wrong["changed"]:
        message = (
            f"{plural(len(wrong['changed']), 'script')} changed since it was installed, e.g. {wrong['changed'][0]}"
        )
        return Check(name=name, verdict=Verdict.WARN, message=message, next_step=again)
    where = ", ".join(sorted({str(path.parent) for path in scripts}))
    return Check(name=name, verdict=Verdict.OK, message=f"{plural(len(scripts), 'script')} in {where}")
