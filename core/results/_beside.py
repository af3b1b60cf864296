"""Files that a job writes beside its frames, e.g. sound: where they go, and which there are."""

from __future__ import annotations

import json
from pathlib import Path

from overscan.core.errors import OutputExistsError
from overscan.core.temporaries import written_beside

_LIST = "beside.json"


def claim_beside(path: Path, *, work_folder: Path, overwrite: bool) -> None:
    """Enter a file in the job's list before it is written; the job may write it again, whatever it is.

    Raises `OutputExistsError` where it is there, the job has not written it, and `overwrite` is off.
    """
    listed = files_beside(work_folder)
    if path in listed:
        return
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"'{path.name}' is there already, and the job may not replace it.",
            next_step="Set overwrite, or choose another output.",
            path=path,
            field="output.path",
        )
    with written_beside(work_folder / _LIST) as temporary:
        temporary.write_text(json.dumps([str(entry) for entry in (*listed, path)]), encoding="utf-8")


def files_beside(work_folder: Path) -> tuple[Path, ...]:
    """The files that the job of a work folder has entered."""
    try:
        return tuple(Path(entry) for entry in json.loads((work_folder / _LIST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ()
