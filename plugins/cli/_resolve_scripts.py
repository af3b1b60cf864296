"""The small scripts in Resolve's own folders, by which its menu Workspace > Scripts finds the plugin."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from overscan.cli import _layout
from overscan.client import ServiceError, make_problem

RECORD = "scripts.json"
"""In the plugin's folder: which scripts were put where."""

_MENU = "Overscan"
"""Folder on each of Resolve's pages, and so a submenu of Workspace > Scripts."""
_FOLDER_MARK = b"@OVERSCAN_FOLDER@"

_MAKER = "Blackmagic Design/DaVinci Resolve"
_OWN = {
    "linux": "~/.local/share/DaVinciResolve/Fusion/Scripts",
    "darwin": f"~/Library/Application Support/{_MAKER}/Fusion/Scripts",
    "win32": f"%APPDATA%/{_MAKER}/Support/Fusion/Scripts",
}
_EVERYBODYS = {
    "linux": "/opt/resolve/Fusion/Scripts",
    "darwin": f"/Library/Application Support/{_MAKER}/Fusion/Scripts",
    "win32": f"%PROGRAMDATA%/{_MAKER}/Fusion/Scripts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripts:
    """Scripts that are put into Resolve's folders."""

    root: Path
    """Resolve's folder of scripts, which holds one for each page."""
    contents: Mapping[Path, bytes]

    def record(self) -> bytes:
        """What `recorded` reads again."""
        digests = {str(path): _digest(data) for path, data in self.contents.items()}
        return (json.dumps({"root": str(self.root), "sha256": digests}, indent=1) + "\n").encode("utf-8")


def scripts_folder(*, all_users: bool) -> Path:
    """Where Resolve looks for scripts, of this user or of everybody on this machine."""
    places = _EVERYBODYS if all_users else _OWN
    return Path(os.path.expandvars(places.get(sys.platform, places["linux"]))).expanduser()


def scripts_for(folder: Path, *, root: Path) -> Scripts:
    """The scripts that start the plugin in `folder`, for Resolve's folder `root`."""
    packages = str(folder / "python").replace("\\", "\\\\").replace('"', '\\"').encode("utf-8")
    templates = _layout.sources(_layout.RESOLVE.packages[-1]) / "scripts"
    contents = {}
    for path in sorted(templates.rglob("*")):
        page, *inside = path.relative_to(templates).parts
        if path.suffix in (".py", ".lua") and inside and "__pycache__" not in inside:
            # File names are what the menu shows, and here they have no spaces, for tools that cannot take any.
            shown = root.joinpath(page, _MENU, *inside[:-1], inside[-1].replace("_", " "))
            contents[shown] = path.read_bytes().replace(_FOLDER_MARK, packages)
    return Scripts(root=root, contents=contents)


def recorded(folder: Path) -> dict[Path, str]:
    """The scripts that the plugin in `folder` came with, by their path, with their SHA-256."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        digests = json.loads((folder / RECORD).read_text(encoding="utf-8"))["sha256"]
        # A record must never make us remove anything but scripts of ours.
        return {Path(name): str(digest) for name, digest in digests.items() if Path(name).parent.name == _MENU}
    return {}


def state_of(path: Path, digest: str) -> str:
    """``ok``, ``missing`` or ``changed`` (since it was put there)."""
    try:
        return "ok" if _digest(path.read_bytes()) == digest else "changed"
    except OSError:
        return "missing"


def check(scripts: Scripts, *, before: Mapping[Path, str]) -> None:
    """Raise `ServiceError` where a file that is not of ours stands where a script goes; `before` are those that are."""
    for path, data in scripts.contents.items():
        if path.exists() and path not in before and state_of(path, _digest(data)) != "ok":
            raise _problem(
                "USAGE",
                f"{path} is there already, and Overscan did not put it there.",
                "Move it away, and install again; `overscan uninstall resolve` removes scripts of another Overscan.",
                path,
            )


def put(scripts: Scripts, *, before: Mapping[Path, str]) -> list[Path]:
    """Write the scripts, and remove those of `before` that are none any more.

    Returns copies of those that somebody had changed. Raises `ServiceError` where a folder cannot be written.
    """
    set_aside = []
    for path, digest in before.items():
        if state_of(path, digest) == "changed":
            aside = path.with_name(f"{path.name}.changed")  # an ending that Resolve lists no more
            try:
                path.replace(aside)
            except OSError as error:
                raise _cannot_write(path, error) from error
            set_aside.append(aside)
    remove({path: digest for path, digest in before.items() if path not in scripts.contents})
    for path, data in scripts.contents.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(data)
                Path(beside).chmod(0o644)
                Path(beside).replace(path)
            except BaseException:
                Path(beside).unlink()
                raise
        except OSError as error:
            raise _cannot_write(path, error) from error
    return set_aside


def remove(scripts: Mapping[Path, str]) -> list[Path]:
    """Remove scripts that are as they were put there, and folders of ours that are empty then; returns what stays."""
    left = []
    for path, digest in scripts.items():
        state = state_of(path, digest)
        if state == "changed":
            left.append(path)
        elif state == "ok":
            try:
                path.unlink()
            except OSError as error:
                raise _cannot_write(path, error) from error
    for folder in {path.parent for path in scripts}:
        with contextlib.suppress(OSError):  # somebody's files are in it
            folder.rmdir()
    return left


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _cannot_write(path: Path, error: OSError) -> ServiceError:
    return _problem(
        "OUTPUT_NOT_WRITABLE",
        f"{path} cannot be written: {error.strerror or error}.",
        "Ask for the right to write there, or name another folder with --scripts.",
        path,
    )


def _problem(code: str, message: str, next_step: str, path: Path) -> ServiceError:
    return ServiceError([make_problem(code, message, next_step=next_step, path=str(path))])
