"""The receipts that a home folder keeps of all its jobs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from overscan.core.errors import ErrorRecord

if TYPE_CHECKING:
    from overscan.core.receipts import JobReceipt

_FOLDER = "receipts"
_DIGEST = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """One receipt of the archive."""

    path: Path
    receipt: JobReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Receipts of an archive."""

    receipts: tuple[Archived, ...]
    """By the time at which their jobs ended."""
    unreadable: tuple[ErrorRecord, ...]
    """What is wrong with the others."""


def read_archive(*, home: Path, naming: Collection[str] | None = None) -> Archive:
    """The receipts of the home folder `home`; with `naming`, only those that name one of these SHA-256.

    Others need not be parsed then. Damaged ones are said, and stop nothing.
    """
    from overscan.core.receipts import ReceiptError, read_receipt_file  # with libraries that planning does without

    wanted = None if naming is None else {digest.encode("ascii") for digest in naming}
    found: list[Archived] = []
    unreadable: list[ErrorRecord] = []
    for path in _files(home):
        try:
            if wanted is not None and wanted.isdisjoint(_DIGEST.findall(path.read_bytes())):
                continue
            found.append(Archived(path=path, receipt=read_receipt_file(path)))
        except ReceiptError as error:
            unreadable.append(error.record)
        except OSError as error:
            problem = ReceiptError(
                f"the receipt cannot be read: {error.strerror}.", next_step="Check its permissions.", path=path
            )
            unreadable.append(problem.record)
    found.sort(key=lambda entry: (entry.receipt.run.times.ended, entry.receipt.run.job_id))
    return Archive(receipts=tuple(found), unreadable=tuple(unreadable))


def _files(home: Path) -> Iterator[Path]:
    try:
        yield from sorted((home / _FOLDER).glob("*.json"))
    except OSError:
        return
