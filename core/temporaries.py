"""Files that are being written: beside their place, under names that tell what a killed writer left behind."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from overscan.core.access import check_write


def temporary_prefix(*, owner: str) -> str:
    """How the names of an owner's unfinished files begin: hidden, and nobody else's. `owner` may be used in a name."""
    return f".overscan-{owner}-"


def is_temporary(name: str) -> bool:
    """Whether a file is called like one that is being written."""
    return name.startswith(".overscan-") or (name.startswith(".") and name.endswith(".tmp"))


def remove_temporaries(*, folder: Path, owner: str, leave: Callable[[], bool] = lambda: False) -> None:
    """Remove what `owner`, which writes no more, has left unfinished in `folder`; puts up with a folder that is gone.

    An owner's name may be the beginning of what files were written under: ``JOB`` for files of ``JOB-1001``. `leave`
    is asked before each file: from when it says so, the owner may be writing again.
    """
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            if path.name.startswith(temporary_prefix(owner=owner)):
                if leave():
                    return
                path.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Have the system put a file, or the list of a folder's files, on the disk itself; raises OSError."""
    if os.name == "nt" and path.is_dir():
        return
    # Windows flushes only handles that may write, POSIX opens folders only for reading.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def written_beside(path: Path, *, owner: str = "") -> Iterator[Path]:
    """A file to write, which takes the place of `path` in one step if nothing is raised, and is gone otherwise.

    For our own small files; plates have `write_frame`. Several threads or processes may write one `path` at once:
    each has a file of its own, and the last one stays. Makes the folder. What was written is on the disk itself
    afterwards, and no loss of power takes it away. `owner` is whoever `remove_temporaries` is to find what a killed
    process leaves behind by.
    """
    check_write(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    begin = temporary_prefix(owner=owner) if owner else "."
    temporary = path.with_name(f"{begin}{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
