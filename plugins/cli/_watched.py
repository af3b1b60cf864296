"""What lies in a watched folder: sequences of images, and whether they are still being written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fileseq

from overscan.client import frames_from_numbers, frames_to_text

JOB_FILE = "overscan.yaml"
"""Job file for the sequences in its folder and in those below."""
_MATTE = "matte"
"""Folder beside a sequence that holds its matte."""
_ENDINGS = frozenset({".exr", ".dpx", ".tif", ".tiff", ".png"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One sequence."""

    name: str
    """Path of its pattern below the watched folder, with ``/``."""
    folder: Path
    """Its folder, below the watched one."""
    stem: str
    """Its name without number and ending."""
    pattern: Path
    """Such as ``/in/a/a.%04d.exr``."""
    frames: tuple[int, ...]
    stamp: str
    """Digest of all its files' names, sizes and times, and of the job file's text."""
    newest: float
    """When it was last written to, as the system counts seconds."""
    job_file: Path | None
    matte: Path | None
    """Pattern of the matte in the folder beside it."""

    @property
    def range(self) -> str:
        """Its frames as a range expression."""
        return frames_to_text(frames_from_numbers(self.frames))

    @property
    def missing(self) -> str:
        """Frames between the first and the last that are not there, as a range expression."""
        there = set(self.frames)
        gaps = [frame for frame in range(self.frames[0], self.frames[-1]) if frame not in there]
        return frames_to_text(frames_from_numbers(gaps)) if gaps else ""


def clips_in(root: Path, *, besides: Path) -> Iterator[Clip]:
    """The sequences in and below `root`, but not in `besides`, in hidden folders or in those for mattes."""
    folders = [root, *sorted(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        inside = folder.relative_to(root)
        if any(part.startswith(".") or part == _MATTE for part in inside.parts):
            continue
        if folder == besides or besides in folder.parents:
            continue
        for sequence in _sequences(folder):
            yield _clip(root, folder, sequence)


def _clip(root: Path, folder: Path, sequence: fileseq.FileSequence) -> Clip:
    files = [Path(str(path)) for path in sequence]
    mattes = list(_sequences(folder / _MATTE)) if (folder / _MATTE).is_dir() else []
    matte = next((one for one in mattes if len(mattes) == 1 or one.basename() == sequence.basename()), None)
    job_file = next((place / JOB_FILE for place in _up(folder, root) if (place / JOB_FILE).is_file()), None)
    looked_at = [*files, *(Path(str(path)) for path in matte or ()), *([job_file] if job_file else [])]
    digest, newest = hashlib.sha256(), 0.0
    for path in looked_at:
        try:
            status = path.stat()
        except OSError:  # removed meanwhile: the next look sees it
            continue
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        newest = max(newest, status.st_mtime)
    pattern = _pattern(sequence)
    return Clip(
        name=pattern.relative_to(root).as_posix(),
        folder=folder.relative_to(root),
        stem=sequence.basename().rstrip("._- ") or "frames",
        pattern=pattern,
        frames=tuple(sorted(int(number) for number in sequence.frameSet() or ())),
        stamp=digest.hexdigest(),
        newest=newest,
        job_file=job_file,
        matte=_pattern(matte) if matte else None,
    )


def _sequences(folder: Path) -> Iterator[fileseq.FileSequence]:
    for sequence in sorted(fileseq.findSequencesOnDisk(str(folder)), key=str):
        hidden = sequence.basename().startswith(".")
        if sequence.extension().lower() in _ENDINGS and sequence.frameSet() is not None and not hidden:
            yield sequence


def _pattern(sequence: fileseq.FileSequence) -> Path:
    return Path(f"{sequence.dirname()}{sequence.basename()}%0{sequence.zfill()}d{sequence.extension()}")


def _up(folder: Path, root: Path) -> Iterator[Path]:
    yield folder
    if folder != root:
        yield from _up(folder.parent, root)
