"""Where receipts and signatures lie."""

from __future__ import annotations

import re
from pathlib import Path

from overscan.core.result_names import RECEIPT_SUFFIX, receipt_path


def older_receipt_path(path: Path, *, job_id: str) -> Path:
    """Where a receipt goes whose place `path` another job takes, some of its frames still being there."""
    return path.with_name(f"{path.name.removesuffix(RECEIPT_SUFFIX)}.{job_id[:8]}{RECEIPT_SUFFIX}")


def receipt_paths(pattern: str) -> tuple[Path, ...]:
    """Receipts that may speak of the frames ``pattern``, the newest first."""
    newest = receipt_path(pattern)
    stem = newest.name.removesuffix(RECEIPT_SUFFIX)
    form = re.compile(rf"{re.escape(stem)}\.[0-9a-f]{{1,8}}{re.escape(RECEIPT_SUFFIX)}")
    try:
        older = [path for path in newest.parent.iterdir() if form.fullmatch(path.name)]
    except OSError:
        older = []
    older.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return (*([newest] if newest.exists() else []), *older)


def archived(folder: Path, *, job_id: str) -> Path:
    """Where the home folder's own copy of a job's receipt is; `folder` is the archive."""
    return folder / f"{job_id}.json"
