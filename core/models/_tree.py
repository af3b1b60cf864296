"""Lists a model's folder without following anything out of it, and says what has no business in one."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from overscan.core.errors import ModelError

_ENTRIES_MAX = 10_000
_DEPTH_MAX = 6
_NAME_MAX = 200
_ODD = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories of what cannot be seen, or turns text round."""
_ODD_CHARACTERS = '\\:*?"<>|'
_COPY = "Add the model with --copy, which copies what loading reads and leaves the rest behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What is in a folder. Hidden entries, which no loader reads, are left out."""

    sizes: Mapping[str, int]
    """Bytes of each ordinary file by its path inside the folder, with forward slashes."""
    faults: Mapping[str, ModelError]
    """By path: what may not be in the folder of a model; a link to a file of a hub's cache is in `blobs` besides."""
    blobs: Mapping[str, Path]
    """Files that are links into the blobs of the hub's cache that the folder is in, which --copy follows."""


def scan(folder: Path) -> Tree:
    """List `folder`. Raises `ModelError` where it is no folder, or holds more than a model does."""
    root = Path(os.path.realpath(folder))
    if not root.is_dir():
        raise ModelError(
            f"there is no folder {folder}.", next_step="Name the folder that holds model_index.json.", path=folder
        )
    sizes: dict[str, int] = {}
    faults: dict[str, ModelError] = {}
    blobs: dict[str, Path] = {}
    found: dict[str, os.stat_result] = {}
    for name, entry in _walk(root, "", 0):
        path = root / name
        odd = _odd(entry.name)
        if odd:
            faults[name] = _fault(f"the name {entry.name!r} {odd}", "Rename or remove it", path)
        elif entry.is_symlink():
            target = Path(os.path.realpath(path))
            if target.is_file() and target.is_relative_to(root):
                sizes[name] = target.stat().st_size
                continue
            if target.is_file() and target.parent == root.parent.parent / "blobs":
                blobs[name] = target
                sizes[name] = target.stat().st_size
            where = "out of the folder" if not target.is_relative_to(root) else "to no ordinary file"
            faults[name] = _fault(f"'{name}' is a link that leads {where}", _COPY, path, actual=target)
        else:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                sizes[name] = status.st_size
                found[name] = status
            else:
                faults[name] = _fault(f"'{name}' is no ordinary file", "Remove it", path)
    links = Counter((status.st_dev, status.st_ino) for status in found.values())
    for name, status in found.items():
        if status.st_nlink > links[status.st_dev, status.st_ino]:
            faults[name] = _fault(
                f"'{name}' has another name outside the folder (a hard link), by which it can be changed",
                _COPY,
                root / name,
            )
    return Tree(sizes=sizes, faults=faults, blobs=blobs)


def _walk(root: Path, inside: str, depth: int) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Entries below `root` that are not folders, by name, in order."""
    count = 0
    with os.scandir(root / inside) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.name.startswith("."):
            continue
        name = f"{inside}{entry.name}"
        if not entry.is_dir(follow_symlinks=False):
            yield name, entry
        elif depth == _DEPTH_MAX:
            raise _fault(f"'{name}' lies deeper than a model's files do", "Name the model's own folder", root / name)
        else:
            for found in _walk(root, f"{name}/", depth + 1):
                count += 1
                yield found
        count += 1
        if count > _ENTRIES_MAX:
            raise _fault("the folder holds more files than a model has", "Name the model's own folder", root)


def _odd(name: str) -> str:
    """What is wrong with a file's name; empty where nothing is."""
    if len(name) > _NAME_MAX:
        return "is too long"
    if any(unicodedata.category(letter) in _ODD for letter in name):
        return "has characters that cannot be seen"
    if any(letter in _ODD_CHARACTERS for letter in name) or name != name.strip() or name.endswith("."):
        return "is none that every system takes"
    return ""


def _fault(what: str, then: str, path: Path, *, actual: object = "") -> ModelError:
    return ModelError(f"{what}.", next_step=f"{then}.", path=_shown(path), actual=_shown(actual))


def _shown(path: object) -> str:
    """A path that any terminal and any JSON takes."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
