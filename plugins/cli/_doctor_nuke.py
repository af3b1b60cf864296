"""`overscan doctor --nuke`: Nuke, the folder it reads, and whether the bridge starts from inside a host."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from overscan.cli import _install, _layout, _nuke_init
from overscan.cli._doctor import Check, Verdict
from overscan.cli._doctor_plugin import bridge_checks, layout_checks

_PYTHONS = {13: "3.7", 14: "3.9", 15: "3.10", 16: "3.11", 17: "3.11"}
"""Python of the versions of Nuke that the plugin is written for."""

_FOLDERS = {
    "win32": ("{ProgramFiles}/Nuke*", "{ProgramFiles}/Foundry/Nuke*"),
    "darwin": ("/Applications/Nuke*",),
    "linux": ("/usr/local/Nuke*", "/opt/Nuke*", "/opt/Foundry/Nuke*", "{HOME}/Nuke*", "/usr/local/foundry/Nuke*"),
}
"""Where Nuke's installers put it, and where people commonly do."""


def checks() -> Iterator[Check]:
    """All checks of the plugin for Nuke, the first to look at first."""
    yield from _nukes()
    named = nuke_path()
    yield from _path(named)
    yield _init_block()
    layouts = []
    for folder in _candidates(named):
        layout, found = layout_checks(folder, f"overscan install nuke --into {shlex.quote(str(folder))}")
        yield from found
        layouts += [layout] if layout else []
    yield _whether_read(layouts, named)
    yield _preferences()
    yield from bridge_checks(layouts)


def nuke_path() -> list[Path]:
    """The folders in ``$NUKE_PATH``."""
    return [Path(entry) for entry in os.environ.get("NUKE_PATH", "").split(os.pathsep) if entry]


def installed_nukes() -> list[tuple[str, Path]]:
    """Version and folder of every Nuke that lies where Nukes lie, newest first."""
    words = {"HOME": str(Path.home()), "ProgramFiles": os.environ.get("ProgramFiles", r"C:\Program Files")}  # noqa: SIM112
    found: dict[Path, str] = {}
    for pattern in _FOLDERS.get(sys.platform, _FOLDERS["linux"]):
        whole = Path(pattern.format(**words))
        for folder in whole.parent.glob(whole.name) if whole.parent.is_dir() else ():
            match = re.fullmatch(r"Nuke(\d+\.\d+v\d+\w*)", folder.name)
            if match and folder.is_dir():
                found[folder.resolve()] = match[1]
    for name in ("Nuke", "nuke"):
        program = Path(shutil.which(name) or "").resolve()
        match = re.search(r"Nuke(\d+\.\d+v\d+\w*)", str(program.parent))
        if match:
            found.setdefault(program.parent, match[1])
    return sorted(((name, folder) for folder, name in found.items()), key=_newest_first)


def _newest_first(item: tuple[str, Path]) -> tuple[list[int], str]:
    return [-int(number) for number in re.findall(r"\d+", item[0])], str(item[1])


def _nukes() -> Iterator[Check]:
    found = installed_nukes()
    if not found:
        yield Check(
            name="Nuke",
            verdict=Verdict.WARN,
            message="none was found in the folders where its installers put it",
            next_step="If it is elsewhere, never mind: run the self-check in it, see docs/nuke.md.",
        )
    for name, folder in found:
        major = int(name.partition(".")[0])
        if major in _PYTHONS:
            yield Check(name=f"Nuke {name}", verdict=Verdict.OK, message=f"{folder}, Python {_PYTHONS[major]}")
        elif major < min(_PYTHONS):
            yield Check(
                name=f"Nuke {name}",
                verdict=Verdict.WARN,
                message=f"{folder} is too old for Overscan, which stays out of it",
                next_step=f"Use Nuke {min(_PYTHONS)} or later.",
            )
        else:
            yield Check(
                name=f"Nuke {name}",
                verdict=Verdict.WARN,
                message=f"{folder} is newer than this version of Overscan knows",
                next_step="Run the self-check in it, see docs/nuke.md, and send the report.",
            )


def _path(named: list[Path]) -> Iterator[Check]:
    if not named:
        yield Check(name="NUKE_PATH", verdict=Verdict.OK, message="not set here")
    for folder in named:
        if not folder.is_dir():
            yield Check(
                name="NUKE_PATH",
                verdict=Verdict.WARN,
                message=f"{folder} is not there, or not readable",
                next_step="Mount it, or take it out of NUKE_PATH.",
            )
        else:
            what = "has an Overscan" if (folder / _layout.MANIFEST).exists() else "has no Overscan"
            yield Check(name="NUKE_PATH", verdict=Verdict.OK, message=f"{folder} {what}")


def _init_block() -> Check:
    file = _nuke_init.init_file()
    linked = _nuke_init.linked_folder(file)
    if linked and not Path(linked).is_dir():
        return Check(
            name="init.py",
            verdict=Verdict.WARN,
            message=f"the marked block in {file} names {linked}, which is not there",
            next_step="Take the block out, or install again with --link.",
        )
    what = f"the marked block in {file} names {linked}" if linked else f"no marked block in {file}"
    return Check(name="init.py", verdict=Verdict.OK, message=what)


def _candidates(named: Iterable[Path]) -> list[Path]:
    """Folders that may hold the plugin, in the order in which Nuke reads them."""
    linked = _nuke_init.linked_folder(_nuke_init.init_file())
    places = [*named, *([Path(linked)] if linked else []), _install.default_folder()]
    real = [Path(os.path.realpath(place)) for place in places if (place / _layout.MANIFEST).exists()]
    return list(dict.fromkeys(real))


def _whether_read(layouts: list[_layout.Layout], named: list[Path]) -> Check:
    if not layouts:
        return Check(
            name="what Nuke reads",
            verdict=Verdict.FAIL,
            message="no plugin was found in NUKE_PATH, ~/.nuke/init.py or ~/.nuke/overscan",
            next_step="Run `overscan install nuke`; if it is installed elsewhere, set NUKE_PATH as Nuke has it.",
        )
    linked = _nuke_init.linked_folder(_nuke_init.init_file())
    read = {os.path.realpath(place) for place in [*map(str, named), linked] if place}
    reached = [layout for layout in layouts if str(layout.folder) in read]
    if not reached:
        folder = layouts[0].folder
        return Check(
            name="what Nuke reads",
            verdict=Verdict.FAIL,
            message=f"Nuke does not read {folder}: it is neither in NUKE_PATH nor in ~/.nuke/init.py",
            next_step=f"Set NUKE_PATH to it, or run `overscan install nuke --link --into {shlex.quote(str(folder))}`.",
        )
    if len(reached) > 1:
        return Check(
            name="what Nuke reads",
            verdict=Verdict.WARN,
            message=f"it reads {len(reached)} Overscans and uses the one that is loaded first: "
            + ", ".join(str(layout.folder) for layout in reached),
            next_step="Leave one of them in NUKE_PATH.",
        )
    return Check(name="what Nuke reads", verdict=Verdict.OK, message=str(reached[0].folder))


def _preferences() -> Check:
    from overscan_nuke import _preferences as preferences

    loaded = preferences.load_preferences()
    if loaded.note:
        return Check(
            name="preferences",
            verdict=Verdict.WARN,
            message=loaded.note,
            next_step="Set them again in Nuke, under Overscan > Preferences, or mend the file.",
        )
    return Check(name="preferences", verdict=Verdict.OK, message=f"{preferences.preferences_path()}")
