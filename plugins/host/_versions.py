"""Versions of results: ``…/extend1/v001/extend1.%04d.exr``, then ``v002``; none is ever written over."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from overscan_host._errors import failure

_MARK = "{version}"
_VERSION = re.compile(r"(?<![A-Za-z0-9])v(\d{2,6})(?![A-Za-z0-9])")


@dataclass(frozen=True)
class Place:
    """Where one version goes."""

    name: str
    """``v001``."""
    path: str
    """Pattern of the frames."""
    folder: str
    """The folder that was made for it; empty where the version is in the file's name alone."""


def version_text(number: int) -> str:
    """``v001`` for 1. Raises ValueError below 1."""
    if number < 1:
        raise ValueError(f"versions are counted from 1, not {number}")
    return f"v{number:03d}"


def version_number(path: str) -> int | None:
    """The version that a path (or the name of a folder) names, the last where there are several; None for none."""
    found = _VERSION.findall(path)
    return int(found[-1]) if found else None


def at_version(template: str, name: str) -> str:
    """The template with `name` for its ``{version}``. Folders may have other braces in their names, which stay."""
    return template.replace(_MARK, name)


def reserve_version(template: str, *, taken: tuple[int, ...] = ()) -> Place:
    """The version after all on disk and in `taken`, its folder made so that no other process or machine takes it.

    `template` is the path of the frames, with ``/`` and with ``{version}`` in it. Where that is in the file's name
    alone there is no folder to make, and two runs that begin at the same moment may get one number. Raises
    `BridgeError` (``OUTPUT_NOT_WRITABLE``) where the folder cannot be made.
    """
    number = max([0, *taken, *_on_disk(template)]) + 1
    while True:
        name = version_text(number)
        folder = _version_folder(template, name)
        if not folder:
            return Place(name, at_version(template, name), "")
        try:
            Path(folder).parent.mkdir(parents=True, exist_ok=True)
            if not _is_made(folder):
                number += 1
                continue
        except OSError as error:
            raise failure(
                "OUTPUT_NOT_WRITABLE",
                f"The folder {folder} cannot be made: {error.strerror or error}.",
                "Write another path for the output, or make the folder writable.",
                path=folder,
            ) from error
        return Place(name, at_version(template, name), folder)


def give_back_version(place: Place) -> None:
    """Remove the folder of a version that came to nothing, unless something is in it."""
    if place.folder:
        try:
            Path(place.folder).rmdir()
        except OSError:
            return


def _is_made(folder: str) -> bool:
    """Make the folder; False where something of its name is there."""
    try:
        Path(folder).mkdir()
    except FileExistsError:
        return False
    return True


def _version_folder(template: str, name: str) -> str:
    parts = template.split("/")
    for index, part in enumerate(parts[:-1]):
        if _MARK in part:
            return at_version("/".join(parts[: index + 1]), name)
    return ""


def _on_disk(template: str) -> list[int]:
    """Numbers of the versions that are there, in whatever part of the path the version stands."""
    parts = template.split("/")
    index = next(index for index, part in enumerate(parts) if _MARK in part)
    expression = re.compile("".join(map(_expression, re.split(r"(\{version\}|%[vV]|%0?\d*d|#+)", parts[index]))))
    try:
        found = [expression.fullmatch(entry.name) for entry in os.scandir("/".join(parts[:index]) or "/")]
    except OSError:
        return []
    return [int(match[1]) for match in found if match]


def _expression(part: str) -> str:
    if part == _MARK:
        return r"v(\d{2,6})"
    return ".+" if part[:1] in ("%", "#") else re.escape(part)
