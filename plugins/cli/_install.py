"""`overscan install nuke` and `overscan uninstall nuke`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from overscan.cli import _layout, _nuke_init
from overscan.cli._report import Outcome, Report
from overscan.cli._words import plural


def default_folder() -> Path:
    """Where the plugin goes unless told otherwise."""
    return Path.home() / ".nuke" / "overscan"


def install_nuke(*, into: str | None, link: bool, report: Report) -> Outcome:
    """Lay the folder down, and say how Nuke comes to read it."""
    done = _layout.lay_down(Path(into) if into else default_folder(), _layout.NUKE)
    layout, folder = done.layout, done.layout.folder
    if done.before:
        report.say(f"Overscan {layout.version} for Nuke is in {folder}, in place of {done.before}.")
    else:
        report.say(f"Overscan {layout.version} for Nuke is in {folder}.")
    if done.set_aside:
        report.say("Files that somebody had changed are beside the new ones: " + ", ".join(done.set_aside) + ".")
    if done.foreign:
        report.say("Files that are not of Overscan stayed: " + ", ".join(done.foreign) + ".")
    if link:
        _nuke_init.link(_nuke_init.init_file(), folder)
        report.say(f"{_nuke_init.init_file()} has a marked block now that has Nuke read it. Restart Nuke.")
    elif _reads(folder):
        report.say("Nuke reads this folder already. Restart Nuke.")
    else:
        report.say("Have Nuke read it, in one of two ways, and restart Nuke:")
        report.say(f"  {_path_line(folder)}")
        report.say("  or, for you alone: overscan install nuke --link" + (_into(into) if into else ""))
    report.say(f"It starts {shlex.join(layout.command)}")
    report.say("where jobs are to run; OVERSCAN_COMMAND names another command, e.g. on other machines.")
    return Outcome(
        facts={
            "folder": str(folder),
            "version": layout.version,
            "before": done.before,
            "files": len(layout.digests) + 1,
            "foreign": list(done.foreign),
            "set_aside": list(done.set_aside),
            "linked": link,
            "command": list(layout.command),
        }
    )


def uninstall_nuke(*, folder: str | None, report: Report) -> Outcome:
    """Remove what was laid down, and the block in init.py that names the folder."""
    target = _layout.settled(Path(folder) if folder else default_folder(), _layout.NUKE)
    done = _layout.take_away(target, _layout.NUKE)
    report.say(f"Removed {plural(done.files, 'file')} from {target}.")
    if done.left:
        report.say("These are not of Overscan, or somebody changed them, and stayed: " + ", ".join(done.left) + ".")
    unlinked = _nuke_init.unlink(_nuke_init.init_file(), target)
    if unlinked:
        report.say(f"The marked block is out of {_nuke_init.init_file()}.")
    if str(target) in _nuke_path():
        report.say("NUKE_PATH still names the folder; take it out where it is set.")
    return Outcome(facts={"folder": str(target), "files": done.files, "left": list(done.left), "unlinked": unlinked})


def _nuke_path() -> list[str]:
    return [entry for entry in os.environ.get("NUKE_PATH", "").split(os.pathsep) if entry]


def _reads(folder: Path) -> bool:
    linked = _nuke_init.linked_folder(_nuke_init.init_file())
    return any(os.path.realpath(entry) == str(folder) for entry in (*_nuke_path(), linked) if entry)


def _path_line(folder: Path) -> str:
    if sys.platform == "win32":
        return f'setx NUKE_PATH "{folder};%NUKE_PATH%"'
    return f'export NUKE_PATH={shlex.quote(str(folder))}"${{NUKE_PATH:+:$NUKE_PATH}}"'


def _into(folder: str) -> str:
    return f" --into {shlex.quote(folder)}"
