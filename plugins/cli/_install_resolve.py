"""`overscan install resolve` and `overscan uninstall resolve`."""

from __future__ import annotations

import shlex
from pathlib import Path

from overscan.cli import _layout, _resolve_scripts
from overscan.cli._report import Outcome, Report
from overscan.cli._words import plural
from overscan.client import home_folder


def default_folder() -> Path:
    """Where the plugin goes unless told otherwise."""
    return home_folder() / "resolve"


def install_resolve(*, into: str | None, scripts: str | None, all_users: bool, report: Report) -> Outcome:
    """Lay the plugin down, and put the scripts that start it where Resolve looks for scripts."""
    folder = _layout.settled(Path(into) if into else default_folder(), _layout.RESOLVE)
    root = Path(scripts).expanduser() if scripts else _resolve_scripts.scripts_folder(all_users=all_users)
    before = _resolve_scripts.recorded(folder)
    wanted = _resolve_scripts.scripts_for(folder, root=root.absolute())
    _resolve_scripts.check(wanted, before=before)
    done = _layout.lay_down(folder, _layout.RESOLVE, extra={_resolve_scripts.RECORD: wanted.record()})
    set_aside = [*done.set_aside, *map(str, _resolve_scripts.put(wanted, before=before))]
    layout = done.layout
    instead = f", in place of {done.before}" if done.before else ""
    report.say(f"Overscan {layout.version} for DaVinci Resolve is in {folder}{instead}.")
    report.say(f"{plural(len(wanted.contents), 'script')} for Workspace > Scripts > Overscan went to {wanted.root}.")
    if set_aside:
        report.say("What somebody had changed is beside the new files: " + ", ".join(set_aside) + ".")
    if done.foreign:
        report.say("Files that are not of Overscan stayed: " + ", ".join(done.foreign) + ".")
    report.say("Resolve lists them at once, on the Edit, Color and Fusion pages; no restart is needed.")
    report.say(
        "Scripts in Python want DaVinci Resolve Studio; the free edition lists the one that says what it can do."
    )
    report.say(f"They start {shlex.join(layout.command)}")
    report.say("where jobs are to run; OVERSCAN_COMMAND names another command, e.g. on other machines.")
    return Outcome(
        facts={
            "folder": str(folder),
            "version": layout.version,
            "before": done.before,
            "files": len(layout.digests) + 1,
            "scripts": [str(path) for path in wanted.contents],
            "foreign": list(done.foreign),
            "set_aside": set_aside,
            "command": list(layout.command),
        }
    )


def uninstall_resolve(*, folder: str | None, report: Report) -> Outcome:
    """Remove what was laid down, and the scripts in Resolve's folders."""
    target = _layout.settled(Path(folder) if folder else default_folder(), _layout.RESOLVE)
    scripts = _resolve_scripts.recorded(target)
    layout = _layout.read_layout(target)
    left: list[Path] = []
    if layout is not None and layout.plugin == _layout.RESOLVE.name:
        left = _resolve_scripts.remove(scripts)
    done = _layout.take_away(target, _layout.RESOLVE)
    stayed = [*done.left, *map(str, left)]
    report.say(f"Removed {plural(done.files, 'file')} from {target}, and {plural(len(scripts) - len(left), 'script')}.")
    if stayed:
        report.say("These are not of Overscan, or somebody changed them, and stayed: " + ", ".join(stayed) + ".")
    return Outcome(facts={"folder": str(target), "files": done.files, "scripts": len(scripts), "left": stayed})
