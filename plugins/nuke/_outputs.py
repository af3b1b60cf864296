"""Where results go: a new version for every run, and nothing is ever written over."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nuke
from overscan_host import version_number, version_text
from overscan_nuke import _knobs
from overscan_nuke._preferences import Preferences, template_problem, user_name
from overscan_nuke._refusals import refuse

_FRAME = re.compile(r"[._]?(%0?\d*d|#+)")


@dataclass(frozen=True)
class Place:
    """A version that belongs to this run."""

    name: str
    """``v001``."""
    path: str
    """Pattern of the frames."""
    folder: str
    """The folder that was made for it; empty where the version is in the file's name alone."""


def output_template(node: Any, preferences: Preferences, *, views: int) -> str:
    """The path with nothing but ``{version}`` left to fill in. Raises `RefusalError` where it cannot be made."""
    template = _knobs.text(node, "output") or preferences.output_template
    problem = template_problem(template)
    if problem:
        raise refuse("INVALID_JOB", f"The output '{template}' cannot be used. {problem}",
                     "Correct it, or clear it to use the preferences' own.", field="output")  # fmt: skip
    script = script_path()
    if not script and ("{script_folder}" in template or "{script}" in template):
        raise refuse(
            "INVALID_JOB",
            "The script was never saved, so there is no folder beside it for the results.",
            "Save the script, or write a path into 'output'.",
            field="output",
        )
    path = template.format(
        script_folder=os.path.dirname(script),  # noqa: PTH120
        script=os.path.splitext(os.path.basename(script))[0],  # noqa: PTH119, PTH122
        node=re.sub(r"[^\w.-]", "_", node.fullName()).replace(".", "_"),
        version="{version}",
        user=user_name(),
    ).replace("\\", "/")
    if views > 1 and "%V" not in path and "%v" not in path:
        head, name = os.path.split(path)
        match = _FRAME.search(name)
        at = match.start() if match else len(name)
        path = f"{head}/{name[:at]}.%V{name[at:]}"
    return path


def script_path() -> str:
    """Where the script is saved; empty where it never was."""
    name = str(nuke.root().name())
    return name if name not in ("", "Root") else ""


def taken_numbers(names: list[str]) -> tuple[int, ...]:
    """Numbers of the versions with these names."""
    return tuple(number for number in (version_number(name) for name in names) if number is not None)


def reserve(template: str, *, taken: tuple[int, ...]) -> Place:
    """The next version, made so that no other node or machine takes the same. No host calls in here.

    Raises `RefusalError` where the folder cannot be written.
    """
    number = max([0, *taken, *_on_disk(template)]) + 1
    while True:
        name = version_text(number)
        path = template.format(version=name)
        folder = _version_folder(template, name)
        if not folder:
            return Place(name, path, "")
        try:
            Path(folder).parent.mkdir(parents=True, exist_ok=True)
            Path(folder).mkdir()
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            raise refuse(
                "OUTPUT_NOT_WRITABLE",
                f"The folder {folder} cannot be made: {error.strerror or error}.",
                "Write another path into 'output', or make the folder writable.",
                path=folder,
            ) from error
        return Place(name, path, folder)


def give_back(place: Place) -> None:
    """Remove the folder of a version that came to nothing, unless something is in it."""
    if place.folder:
        try:
            Path(place.folder).rmdir()
        except OSError:
            return


def _version_folder(template: str, name: str) -> str:
    parts = template.split("/")
    for index, part in enumerate(parts[:-1]):
        if "{version}" in part:
            return "/".join(parts[: index + 1]).format(version=name)
    return ""


def _on_disk(template: str) -> list[int]:
    """Numbers of the versions that are there, in whatever part of the path the version stands."""
    parts = template.split("/")
    index = next(index for index, part in enumerate(parts) if "{version}" in part)
    names = re.split(r"(\{version\}|%[vV]|%0?\d*d|#+)", parts[index])
    expression = re.compile(
        "".join(r"v(\d{2,6})" if part == "{version}" else ".+" if part[:1] in "%#" and part else re.escape(part)
                for part in names)
    )  # fmt: skip
    try:
        found = [expression.fullmatch(entry.name) for entry in os.scandir("/".join(parts[:index]) or "/")]
    except OSError:
        return []
    return [int(match[1]) for match in found if match]
