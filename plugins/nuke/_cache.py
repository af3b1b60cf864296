"""Plates that had to be rendered: ``<cache>/plates/<key>/frame.%04d.exr``. No host calls in here.

A frame gets its name only once it is whole, so a frame that is there can be used; a key stands for everything that
decides about the pixels, so nothing in the cache ever gets old.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable

from overscan_nuke._refusals import refuse

RECORD = "overscan_cache.json"
_FRAME = "frame.%04d.exr"
_FRAME_NAME = re.compile(r"frame\.(-?\d+)\.exr")
_NUMBERED = re.compile(r"%0?\d*d|#+")


@dataclass(frozen=True)
class CacheEntry:
    """One rendered plate (or matte), of one view."""

    folder: str

    @property
    def pattern(self) -> str:
        """Path of the frames."""
        return f"{self.folder}/{_FRAME}"

    def path(self, frame: int) -> str:
        """Path of one frame."""
        return self.pattern % frame


def open_entry(*, cache: Path, key: str, about: dict[str, Any]) -> CacheEntry:
    """The entry with this key, made where it is not there; `about` says to people what it is of.

    Raises `RefusalError` where the cache folder cannot be written.
    """
    folder = cache / "plates" / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        record = folder / RECORD
        if not record.exists():
            beside = folder / f"{RECORD}.{uuid.uuid4().hex}.part"
            beside.write_text(json.dumps(dict(about, schema=1), indent=2), encoding="utf-8")
            beside.replace(record)
    except OSError as error:
        raise refuse(
            "OUTPUT_NOT_WRITABLE",
            f"The cache folder {folder} cannot be written: {error.strerror or error}.",
            "Choose another one in Overscan's preferences, or make room there.",
            path=str(folder),
        ) from error
    return CacheEntry(str(folder).replace("\\", "/"))


def missing_frames(entry: CacheEntry, frames: Iterable[int]) -> list[int]:
    """Those of the frames that are not in the entry yet, ascending."""
    have = set()
    for item in os.scandir(entry.folder):
        match = _FRAME_NAME.fullmatch(item.name)
        if match and item.stat().st_size > 0:
            have.add(int(match[1]))
    return sorted(set(frames) - have)


def incoming(entry: CacheEntry) -> str:
    """Pattern of files to render into, on the same file system, that nobody else writes."""
    folder = f"{entry.folder}/incoming-{uuid.uuid4().hex[:12]}"
    Path(folder).mkdir()
    return f"{folder}/{_FRAME}"


def accept(entry: CacheEntry, pattern: str, frame: int, name: int) -> None:
    """Give the rendered `frame` its place, as frame `name`. Raises `RefusalError` where it was not written."""
    try:
        os.replace(pattern % frame, entry.path(name))  # noqa: PTH105 (paths are patterns here)
    except OSError as error:
        raise refuse(
            "OUTPUT_NOT_WRITABLE",
            f"Frame {frame} of the plate did not arrive in the cache: {error.strerror or error}.",
            "See Nuke's error console; look whether the disk is full.",
            path=entry.path(name),
        ) from error


def close_incoming(pattern: str) -> None:
    """Remove what `incoming` made, with frames that were cut off."""
    folder = Path(pattern).parent
    for file in folder.glob("*"):
        file.unlink()
    folder.rmdir()


def stamps(patterns: Iterable[str]) -> list[list[Any]]:
    """Size and time of every file that the patterns stand for: another picture under an old name changes them."""
    found: list[list[Any]] = []
    for pattern in sorted(set(patterns)):
        folder, name = os.path.split(pattern)
        expression = re.compile(_expression(name))
        try:
            entries = sorted(os.scandir(folder or "."), key=lambda entry: entry.name)
        except OSError:
            found.append([pattern, "not there"])
            continue
        for entry in entries:
            if expression.fullmatch(entry.name):
                facts = entry.stat()
                found.append([folder, entry.name, facts.st_size, facts.st_mtime_ns])
    return found


def _expression(name: str) -> str:
    parts = re.split(r"(%0?\d*d|#+|%[vV])", name)
    return "".join(
        r"-?\d+" if _NUMBERED.fullmatch(part) else r".+" if part in ("%v", "%V") else re.escape(part) for part in parts
    )
