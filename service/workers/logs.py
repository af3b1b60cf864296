"""What workers say on stderr: where it goes, how long it is kept, and the end of it for a job that failed."""

from __future__ import annotations

import contextlib
from pathlib import Path

from overscan.core.temporaries import written_beside

SHOWN_BYTES_MAX = 4096
"""Of the end of a log that goes with an error."""
_ATTACHED_BYTES_MAX = 256 * 1024
LOGS = "logs"
"""Folder of a job's work folder that keeps what its workers said before it failed."""


def prune_logs(*, folder: Path, name: str, keep: int) -> None:
    """Keep the newest logs of the worker `name` only, which has no process now: others may still write theirs.

    What failed jobs need of them is with those jobs.
    """
    found = []
    for path in folder.glob(f"worker-{name}-*.log"):
        with contextlib.suppress(OSError):
            found.append((path.stat().st_mtime, path))
    for _, path in sorted(found, reverse=True)[keep:]:
        with contextlib.suppress(OSError):  # of a process that cannot be killed; Windows keeps what is open
            path.unlink()


def size_of(log: Path) -> int:
    """Bytes of a log so far; 0 where it is not there."""
    try:
        return log.stat().st_size
    except OSError:
        return 0


def said_since(log: Path, *, begin: int) -> str:
    """The end of what was written to a log behind byte `begin`: before that it is about other jobs, maybe of others."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, 2)
            start = max(begin if begin <= end else 0, end - _ATTACHED_BYTES_MAX)  # a purge empties logs
            file.seek(start)
            return file.read(_ATTACHED_BYTES_MAX).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def attach(text: str, *, work_folder: Path, name: str) -> Path | None:
    """Keep what a worker said with its job, as ``logs/<name>.log``; None where there is nothing to keep, or nowhere."""
    if not text or not work_folder.is_dir():
        return None
    path = work_folder / LOGS / f"{name}.log"
    try:
        with written_beside(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    except OSError:  # the disk may be full; the end of the text is in the error all the same
        return None
    return path


def shown(text: str) -> str:
    """The end of a log for an error: whole lines, as far as they fit."""
    if len(text.encode()) <= SHOWN_BYTES_MAX:
        return text
    tail = text.encode()[-SHOWN_BYTES_MAX:].decode("utf-8", "ignore")
    return "…\n" + (tail.partition("\n")[2] or tail)
