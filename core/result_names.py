"""What the files of a result are called. Plain names: costs nothing to import."""

from __future__ import annotations

import os
import re
from pathlib import Path

SIGNATURE_SUFFIX = ".c2pa"
"""Added to the whole name of what is signed: a plate's own sidecar beside the result is never in the way."""
RECEIPT_SUFFIX = ".receipt.json"
_NUMBER = re.compile(r"[._]?(?:%0\d+d|%d|#+|@+|\$F\d*)")


def beside_path(pattern: str, *, suffix: str) -> Path:
    """Where a file for all of the frames ``pattern`` goes: ``out/a.%04d.exr`` → ``out/a`` and the suffix."""
    folder, name = os.path.split(pattern)
    stem = name.rpartition(".")[0] or name
    numbers = list(_NUMBER.finditer(stem))
    if numbers:  # the last one counts, as everywhere
        stem = stem[: numbers[-1].start()] + stem[numbers[-1].end() :]
    return Path(folder) / f"{stem or 'frames'}{suffix}"


def extras_pattern(path: str) -> str:
    """Path (or pattern) of the sidecar beside `path`: ``out.%04d.exr`` → ``out.extras.%04d.exr``."""
    folder, separator, name = path.rpartition("/")
    head = re.match(r"(.*?)((?:[._]?(?:%0?\d*d|#+|@+|\$F\d?|-?\d+))?\.[^.]+)$", name)
    stem, rest = (head[1], head[2]) if head else (name, "")
    return f"{folder}{separator}{stem}.extras{re.sub(r'[.][^.]+$', '.exr', rest) or '.exr'}"


def receipt_path(pattern: str) -> Path:
    """Where the receipt of frames ``pattern`` goes: ``out/a.%04d.exr`` → ``out/a.receipt.json``."""
    return beside_path(pattern, suffix=RECEIPT_SUFFIX)


def signature_path(path: Path) -> Path:
    """The sidecar that holds the signature of the file `path`."""
    return path.with_name(path.name + SIGNATURE_SUFFIX)
