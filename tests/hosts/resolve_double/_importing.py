"""Files into the media pool."""

from __future__ import annotations

import os
from typing import Any

from . import _files, _time
from ._model import Bin, Media
from ._session import current


def new_media(
    where: Bin, kind: str, path: str, *, first: int = 0, length: int = 1, missing: set[int] | None = None
) -> Media:
    """A media pool item for files, with what their headers say."""
    name = os.path.basename(_files.shown(path, first, first + length - 1) if kind == "sequence" else path)
    media = Media(where, kind, name)
    media.path, media.first, media.length, media.missing = path, first, length, missing or set()
    if kind == "audio":
        media.sound = True
    head = _files.header(media.file_of(0))
    media.rate, media.drop = _time.rate(where.project.settings["timelineFrameRate"])
    if "rate" in head:
        media.rate, media.drop = _time.rate(_time.rate_text(head["rate"]))
    media.size = tuple(head.get("size", (0, 0)))
    media.channels = list(head.get("channels", []))
    if "timecode" in head:
        media.drop = ";" in head["timecode"]
        media.start = _time.frames_of(head["timecode"].replace(";", ":"), media.rate, media.drop)
    elif kind == "sequence":
        media.start = first  # a sequence without timecode counts as its numbers do
    where.clips.append(media)
    return media


def sequence(where: Bin, pattern: str, first: int, last: int) -> Media | None:
    """The files of a pattern between two numbers, as one clip; None where the first is not there."""
    there = [number for number in _files.numbers_of(pattern) if first <= number <= last]
    if not there or there[0] != first:
        return None
    if current().options.sequence_gaps == "stop":
        last = _files.runs(there)[0][1]
        return new_media(where, "sequence", pattern, first=first, length=last - first + 1)
    last = there[-1]
    missing = set(range(first, last + 1)) - set(there)
    return new_media(where, "sequence", pattern, first=first, length=last - first + 1, missing=missing)


def files(where: Bin, path: str) -> list[Media]:
    """A path as ImportMedia takes it: a file is one clip (a numbered image a still), a folder its sequences."""
    if os.path.isdir(path):
        found: list[Media] = []
        patterns: dict[str, list[int]] = {}
        for name in sorted(os.listdir(path)):
            full = os.path.join(path, name)
            numbered = _files.pattern_of(full) if os.path.splitext(name)[1].lower() in _files.IMAGES else None
            if numbered:
                patterns.setdefault(numbered[0], []).append(numbered[1])
            elif os.path.isfile(full):
                found += files(where, full)
        for pattern, numbers in patterns.items():
            for first, last in _files.runs(sorted(numbers)):
                found.append(new_media(where, "sequence", pattern, first=first, length=last - first + 1))
        return found
    if not os.path.isfile(path):
        return []
    suffix = os.path.splitext(path)[1].lower()
    for kind, suffixes in (("still", _files.IMAGES), ("movie", _files.MOVIES), ("audio", _files.SOUNDS)):
        if suffix in suffixes:
            return [new_media(where, kind, path)]
    return []


def from_description(where: Bin, description: dict[str, Any]) -> Media | None:
    """One dictionary of ImportMedia."""
    path = description["FilePath"]
    if "%" not in path:
        found = files(where, path)
        return found[0] if found else None
    numbers = _files.numbers_of(path)
    if not numbers:
        return None
    return sequence(where, path, description.get("StartIndex", numbers[0]), description.get("EndIndex", numbers[-1]))
