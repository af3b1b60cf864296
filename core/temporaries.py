"""Names of files that are being written, by which what a killed writer left behind is told apart and removed."""

from __future__ import annotations

import contextlib
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
