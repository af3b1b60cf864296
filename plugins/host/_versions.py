"""Versions of results: ``…/extend1/v001/extend1.%04d.exr``, then ``v002``; none is ever written over."""

from __future__ import annotations

import os
import re
from pathlib import Path

_VERSION = re.compile(r"(?<![A-Za-z0-9])v(\d{2,6})(?![A-Za-z0-9])")


def version_text(number: int) -> str:
    """``v001`` for 1. Raises ValueError below 1."""
    if number < 1:
        raise ValueError(f"versions are counted from 1, not {number}")
    return f"v{number:03d}"


def version_number(path: str) -> int | None:
    """The version that a path (or the name of a folder) names, the last where there are several; None for none."""
    found = _VERSION.findall(path)
    return int(found[-1]) if found else None


def with_version(path: str, number: int) -> str:
    """`path` with every version in it replaced by `number`. Raises ValueError where it has none."""
    if version_number(path) is None:
        raise ValueError(f"'{path}' has no version such as v001 in it")
    return _VERSION.sub(version_text(number), path)


def existing_versions(path: str) -> list[int]:
    """The versions of `path` (with a version folder in it) that are on disk, ascending.

    A folder counts, even an empty one: somebody may be about to write there.
    """
    folder = _version_folder(path)
    try:
        names = [entry.name for entry in os.scandir(folder.parent) if entry.is_dir()]
    except OSError:
        return []
    found = set()
    for name in names:
        number = version_number(name)
        if number is not None and _VERSION.sub("v", name) == _VERSION.sub("v", folder.name):
            found.add(number)
    return sorted(found)


def next_version(path: str, *, taken: tuple[int, ...] = ()) -> int:
    """The number of the next version: one more than any on disk or in `taken`."""
    return max([0, *existing_versions(path), *taken]) + 1


def _version_folder(path: str) -> Path:
    inner = Path(path)
    for folder in (inner, *inner.parents):
        if version_number(folder.name) is not None and folder != inner:
            return folder
    raise ValueError(f"'{path}' has no folder such as v001 in it")
