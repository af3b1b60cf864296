"""What media are on disk: sequences, their numbers, and what a file's header says. Standard library only."""

from __future__ import annotations

import os
import re
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

IMAGES = {".exr", ".dpx", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".cin", ".tga", ".dng"}
MOVIES = {".mov", ".mp4", ".mxf", ".avi", ".braw", ".r3d", ".mkv"}
SOUNDS = {".wav", ".aif", ".aiff", ".mp3", ".flac", ".m4a"}
FORMATS = {
    ".exr": "OpenEXR",
    ".dpx": "DPX",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".png": "PNG",
    ".jpg": "JPEG",
    ".mov": "QuickTime",
}

_NUMBERED = re.compile(r"(.*?)(\d+)(\.[A-Za-z0-9]+)$")


def pattern_of(path: str) -> tuple[str, int] | None:
    """`/a/b.%04d.exr` and 1001 of `/a/b.1001.exr`; None where the name has no number."""
    folder, name = os.path.split(path)
    match = _NUMBERED.match(name)
    if match is None:
        return None
    width = len(match.group(2))
    stem = match.group(1).replace("%", "%%")
    return os.path.join(folder, f"{stem}%0{width}d{match.group(3)}"), int(match.group(2))


def numbers_of(pattern: str) -> list[int]:
    """The numbers that there are files for, in order."""
    folder, name = os.path.split(pattern)
    match = re.search(r"%0?(\d*)d", name)
    if match is None or not os.path.isdir(folder):
        return []
    width = int(match.group(1) or 1)
    head, tail = name[: match.start()].replace("%%", "%"), name[match.end() :].replace("%%", "%")
    wanted = re.compile(rf"{re.escape(head)}(\d{{{width},}}){re.escape(tail)}")
    found = []
    for entry in os.listdir(folder):
        hit = wanted.fullmatch(entry)
        if hit and (len(hit.group(1)) == width or not hit.group(1).startswith("0")):
            found.append(int(hit.group(1)))
    return sorted(found)


def shown(pattern: str, first: int, last: int) -> str:
    """How Resolve writes a sequence: `/a/b.[1001-1010].exr`."""
    folder, name = os.path.split(pattern)
    match = re.search(r"%0?(\d*)d", name)
    if match is None:
        return pattern
    numbers = [f"%0{match.group(1) or 1}d" % number for number in (first, last)]
    middle = f"[{numbers[0]}-{numbers[1]}]"
    return os.path.join(
        folder, (name[: match.start()] + "\0" + name[match.end() :]).replace("%%", "%").replace("\0", middle)
    )


def runs(numbers: list[int]) -> list[tuple[int, int]]:
    """First and last of every stretch without a gap."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def header(path: str) -> dict[str, Any]:
    """size, channels, rate and timecode of an image, as far as its header says; {} for what is no image."""
    suffix = Path(path).suffix.lower()
    try:
        with open(path, "rb") as stream:
            if suffix == ".exr":
                return _exr(stream)
            if suffix == ".dpx":
                return _dpx(stream)
            if suffix in {".tif", ".tiff"}:
                return _tiff(stream)
            if suffix == ".png":
                start = stream.read(26)
                channels = "RGBA" if start[25] in {4, 6} else "RGB"
                return {"size": struct.unpack(">II", start[16:24]), "channels": list(channels)}
    except (OSError, struct.error, IndexError, KeyError, UnicodeDecodeError):
        return {}
    return {}


def _text(stream: BinaryIO) -> str:
    found = bytearray()
    while True:
        byte = stream.read(1)
        if byte in {b"\0", b""}:
            return found.decode("utf-8", "replace")
        found += byte


def _exr(stream: BinaryIO) -> dict[str, Any]:
    if stream.read(4) != b"\x76\x2f\x31\x01":
        return {}
    stream.read(4)
    found: dict[str, Any] = {"channels": []}
    while True:
        name = _text(stream)
        if not name:
            return found
        _text(stream)
        (length,) = struct.unpack("<i", stream.read(4))
        value = stream.read(length)
        if name == "displayWindow":
            left, top, right, bottom = struct.unpack("<4i", value)
            found["size"] = (right - left + 1, bottom - top + 1)
        elif name == "channels":
            place = 0
            while value[place : place + 1] not in {b"\0", b""}:
                stop = value.index(b"\0", place)
                found["channels"].append(value[place:stop].decode("utf-8", "replace"))
                place = stop + 17
        elif name == "framesPerSecond":
            above, below = struct.unpack("<iI", value)
            found["rate"] = Fraction(above, below)
        elif name == "timeCode":
            found["timecode"] = _smpte(struct.unpack("<I", value[:4])[0])
        elif name == "pixelAspectRatio":
            found["aspect"] = struct.unpack("<f", value)[0]


def _smpte(word: int) -> str:
    def two(shift: int, tens: int) -> int:
        return ((word >> (shift + 4)) & tens) * 10 + ((word >> shift) & 15)

    mark = ";" if word & 0x40 else ":"
    return f"{two(24, 3):02d}:{two(16, 7):02d}:{two(8, 7):02d}{mark}{two(0, 3):02d}"


def _dpx(stream: BinaryIO) -> dict[str, Any]:
    start = stream.read(2048)
    order = ">" if start[:4] == b"SDPX" else "<"
    size = struct.unpack(order + "II", start[772:780])
    channels = "RGBA" if start[800] == 51 else "RGB"
    found: dict[str, Any] = {"size": size, "channels": list(channels)}
    (word,) = struct.unpack(order + "I", start[1920:1924])
    if word not in {0, 0xFFFFFFFF}:
        found["timecode"] = _smpte(word)
    return found


def _tiff(stream: BinaryIO) -> dict[str, Any]:
    start = stream.read(8)
    order = "<" if start[:2] == b"II" else ">"
    (place,) = struct.unpack(order + "I", start[4:8])
    stream.seek(place)
    (count,) = struct.unpack(order + "H", stream.read(2))
    tags: dict[int, int] = {}
    for _ in range(count):
        tag, kind, _length, raw = struct.unpack(order + "HHI4s", stream.read(12))
        tags[tag] = struct.unpack(order + ("H2x" if kind == 3 else "I"), raw)[0]
    return {"size": (tags[256], tags[257]), "channels": list("RGBA"[: tags.get(277, 1)])}
