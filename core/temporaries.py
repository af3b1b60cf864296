"""Files that are being written: beside their place, under names that tell what a killed writer left behind."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path


def temporary_prefix(*, owner: str) -> str:
    """How the names of an owner's unfinished files begin: hidden, and nobody else's. `owner` may be used in a name."""
    return f".overscan-{owner}-"


def remove_temporaries(*, folder: Path, owner: str) -> None:
    """Remove what `owner`, which writes no more, has left unfinished in `folder`; puts up with a folder that is gone.

    An owner's name may be the beginning of what files were written under: ``JOB`` for files of ``JOB-1001``.
    """
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.name.startswith(temporary_prefix(owner=owner)):
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A file to write, which takes the place of `path` in one step if nothing is raised, and is gone otherwise.

    For our own small files; plates have `write_frame`. Several threads or processes may write one `path` at once:
    each has a file of its own, and the last one stays. Makes the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
