"""A plugin's folder: laid down whole or not at all, and taken away to the last file of ours and no file of others."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from overscan.client import ServiceError, make_problem

MANIFEST = "overscan_install.json"
"""Lists what was laid down; the plugin reads from it how to start the bridge."""

_SCHEMA = 1
_LEFT_OUT = frozenset({"__pycache__", "layout", "scripts"})
"""Of packages: what is laid down elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """What is laid down for a host."""

    name: str
    """As in `overscan install NAME`."""
    packages: tuple[str, ...]
    """Go to ``python/``."""
    top_files: tuple[str, ...] = ()
    """Files in ``layout`` of the last package that go to the top of the folder."""
    not_into: tuple[str, ...] = ()
    """Folders of the host below the user's own, which hold other things."""


NUKE = Plugin(
    name="nuke", packages=("overscan_host", "overscan_nuke"), top_files=("init.py", "menu.py"), not_into=(".nuke",)
)
RESOLVE = Plugin(name="resolve", packages=("overscan_host", "overscan_resolve"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A folder that was laid down."""

    plugin: str
    """Name of what is in it."""
    folder: Path
    version: str
    """Version of Overscan it came with."""
    command: tuple[str, ...]
    """Command line that starts the bridge."""
    digests: dict[str, str]
    """SHA-256, in hex, by path relative to the folder, with ``/``; the manifest itself is not among them."""

    def state_of(self, name: str) -> str:
        """``ok``, ``missing`` or ``changed`` (since it was laid down)."""
        try:
            data = (self.folder / name).read_bytes()
        except OSError:
            return "missing"
        return "ok" if hashlib.sha256(data).hexdigest() == self.digests[name] else "changed"

    def foreign(self) -> list[str]:
        """Files in the folder that are not of ours, relative to it."""
        found = []
        for path in self.folder.rglob("*"):
            name = path.relative_to(self.folder).as_posix()
            ours = name in self.digests or name == MANIFEST or self._is_compiled(path)
            if not ours and (path.is_symlink() or not path.is_dir()):
                found.append(name)
        return sorted(found)

    def compiled(self) -> list[Path]:
        """What a host's Python made of our files."""
        return [path for path in self.folder.rglob("*.pyc") if self._is_compiled(path)]

    def _is_compiled(self, path: Path) -> bool:
        if path.suffix != ".pyc" or path.parent.name != "__pycache__":
            return False
        source = path.parent.parent / (path.name.partition(".")[0] + ".py")
        return source.relative_to(self.folder).as_posix() in self.digests


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidDown:
    """What laying down did."""

    layout: Layout
    before: str
    """Version that was there before; empty where none."""
    foreign: tuple[str, ...]
    """Files of others, which stayed."""
    set_aside: tuple[str, ...]
    """Copies of files of ours that somebody had changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenAway:
    """What taking away did."""

    files: int
    """How many files were removed."""
    left: tuple[str, ...]
    """Files of others, and files of ours that somebody had changed: they are still there."""


def bridge_command() -> list[str]:
    """The command line that starts the bridge in the environment that this command runs in."""
    return [sys.executable, "-m", "overscan.cli", "bridge"]


def read_layout(folder: Path) -> Layout | None:
    """The layout in a folder; None where there is none. Raises `ServiceError` where its list cannot be used."""
    file = folder / MANIFEST
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if values["schema"] != _SCHEMA:
            raise _problem(
                f"{file} was written by another version of Overscan.",
                "Use the `overscan` command that belongs to it.",
                file,
            )
        return Layout(
            plugin=str(values.get("plugin", NUKE.name)),  # there was no other, once
            folder=folder,
            version=str(values["version"]),
            command=tuple(map(str, values["command"])),
            digests={_inside(name, file): str(values["sha256"][name]) for name in values["files"]},
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _problem(f"{file} cannot be read: {error.strerror or error}.", "Check who may read it.", file) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _problem(
            f"{file} is damaged, so what Overscan laid down there is not known.",
            "Look at the folder, delete it by hand, and install again.",
            file,
        ) from error


def lay_down(folder: Path, plugin: Plugin, *, extra: Mapping[str, bytes] | None = None) -> LaidDown:
    """Lay `plugin` down in `folder`, in place of the one that may be there; `extra` files by name, with ``/``.

    The new folder is made beside and renamed, so that a host that starts meanwhile sees one or the other. Raises
    `ServiceError` where the folder cannot be used.
    """
    folder = settled(folder, plugin)
    aside = folder.with_name(f"{folder.name}.overscan-old")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if aside.is_dir() and not folder.exists():
            aside.rename(folder)  # an installation that was cut off between its two renames
    except OSError as error:
        raise _cannot_write(folder, error) from error
    old = _usable(folder, plugin)
    foreign = old.foreign() if old else []
    changed = [name for name in old.digests if old.state_of(name) == "changed"] if old else []
    try:
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".overscan-new", dir=folder.parent))
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        fresh.chmod(0o755)
        layout = _fill(fresh, folder, plugin, extra or {})
        in_the_way = [name for name in foreign if name in layout.digests]  # of ours in this version, not in the last
        set_aside = [_carry(folder / name, fresh, f"{name}.changed") for name in (*changed, *in_the_way)]
        stayed = [_carry(folder / name, fresh, name) for name in foreign if name not in layout.digests]
        _swap(fresh, folder, aside)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return LaidDown(layout=layout, before=old.version if old else "", foreign=tuple(stayed), set_aside=tuple(set_aside))


def take_away(folder: Path, plugin: Plugin) -> TakenAway:
    """Remove what was laid down in `folder`, and the folders that are empty then."""
    folder = settled(folder, plugin)
    layout = read_layout(folder)
    if layout is None or layout.plugin != plugin.name:
        raise _problem(
            f"There is no Overscan plugin for {plugin.name} in {folder}.",
            f"Name the folder it was installed into with --from; `overscan doctor --{plugin.name}` lists those it "
            "finds.",
            folder,
        )
    left = [*layout.foreign(), *(name for name in layout.digests if layout.state_of(name) == "changed")]
    doomed = [folder / name for name in layout.digests if layout.state_of(name) == "ok"]
    try:
        # The list goes last: a removal that is cut off can be done again.
        for path in (*doomed, *layout.compiled(), folder / MANIFEST):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    inner = sorted((path for path in folder.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
    for path in (*inner, folder):
        with contextlib.suppress(OSError):  # somebody's files are in it
            path.rmdir()
    return TakenAway(files=len(doomed) + 1, left=tuple(sorted(left)))


def settled(folder: Path, plugin: Plugin) -> Path:
    """The folder as an absolute path without links. Raises `ServiceError` for one that cannot hold a plugin."""
    folder = Path(os.path.realpath(folder.expanduser()))
    if any(mark in str(folder) for mark in (os.pathsep, "\n", "\r")):
        raise _problem(
            f"{str(folder)!r} cannot stand in a search path, for its name holds a '{os.pathsep}' or a line break.",
            "Choose a folder without.",
            folder,
        )
    if folder in (Path(folder.anchor), Path.home(), *(Path.home() / name for name in plugin.not_into)):
        raise _problem(
            f"{folder} holds other things: the plugin wants a folder of its own.",
            f"Use a folder in it, e.g. --into {folder / 'overscan'}.",
            folder,
        )
    return folder


def _usable(folder: Path, plugin: Plugin) -> Layout | None:
    if folder.exists() and not folder.is_dir():
        raise _problem(f"{folder} is a file, not a folder.", "Choose another folder with --into.", folder)
    layout = read_layout(folder)
    if layout is not None and layout.plugin != plugin.name:
        raise _problem(
            f"{folder} holds the plugin for {layout.plugin}.",
            "Choose another folder with --into: every host has one of its own.",
            folder,
        )
    if layout is None and folder.is_dir() and any(folder.iterdir()):
        raise _problem(
            f"{folder} holds files that Overscan did not put there.",
            f"Choose an empty or new folder, e.g. --into {folder / 'overscan'}.",
            folder,
        )
    return layout


def _fill(fresh: Path, folder: Path, plugin: Plugin, extra: Mapping[str, bytes]) -> Layout:
    files = {name: sources(plugin.packages[-1]) / "layout" / name for name in plugin.top_files}
    for package in plugin.packages:
        root = sources(package)
        for path in sorted(root.rglob("*")):
            inside = path.relative_to(root)
            if path.is_file() and path.suffix != ".pyc" and not _LEFT_OUT & set(inside.parts):
                files[f"python/{package}/{inside.as_posix()}"] = path
    contents = {name: source.read_bytes() for name, source in files.items()} | dict(extra)
    digests = {}
    for name, data in contents.items():
        target = fresh / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        digests[name] = hashlib.sha256(data).hexdigest()
    manifest = {
        "schema": _SCHEMA,
        "plugin": plugin.name,
        "version": version("overscan"),
        "command": bridge_command(),
        "files": list(digests),
        "sha256": digests,
    }
    (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return Layout(
        plugin=plugin.name,
        folder=folder,
        version=version("overscan"),
        command=tuple(bridge_command()),
        digests=digests,
    )


def _swap(fresh: Path, folder: Path, aside: Path) -> None:
    if aside.exists():
        shutil.rmtree(aside)
    if folder.exists():
        folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        if aside.exists():
            aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _carry(source: Path, fresh: Path, name: str) -> str:
    target = fresh / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
    return name


def sources(package: str) -> Path:
    """Folder of a package of this installation; raises `ServiceError` where it is not part of it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise _problem(
            f"The package {package} is not part of this installation.", "Install Overscan again.", Path(sys.prefix)
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _inside(name: str, file: Path) -> str:
    """The name, if it leads to a file below the folder: a list must never make us remove anything else."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise ValueError(f"{file} lists {name}")
    return name


def _cannot_write(folder: Path, error: OSError) -> ServiceError:
    return _problem(
        f"{folder} cannot be written: {error.strerror or error}.",
        "Ask for the right to write there, or choose another folder.",
        folder,
        code="OUTPUT_NOT_WRITABLE",
    )


def _problem(message: str, next_step: str, path: Path, *, code: str = "USAGE") -> ServiceError:
    return ServiceError([make_problem(code, message, next_step=next_step, path=str(path))])
