"""Which jobs a name means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from overscan.core.errors import OverscanError
from overscan.core.ledger import Archive
from overscan.core.ledger._archive import Archived

_ID_DIGITS_MIN = 4


class ReportError(OverscanError):
    """There is nothing to report on by that name, several things have it, or a file of the report cannot be made."""

    code = "REPORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The receipts to report on."""

    kind: str
    """show, shot or job."""
    title: str
    receipts: tuple[Archived, ...]


def select(*, name: str, archive: Archive) -> Selection:
    """The jobs of the show, of ``SHOW/SHOT``, of the shot or with the id (or its beginning) `name`.

    Capitals do not count. Raises `ReportError` where there are none, or where the name could mean several of these.
    """
    found: dict[str, Selection] = {}
    wanted = name.casefold()
    for entry in archive.receipts:
        labels = entry.receipt.job.labels
        show, shot, job = labels.get("show", ""), labels.get("shot", ""), entry.receipt.run.job_id
        both = f"{show}/{shot}"
        if show and wanted == show.casefold():
            _add(found, f"show {show.casefold()}", "show", f"Show {show}", entry)
        if shot and wanted in (shot.casefold(), both.casefold()):
            _add(found, f"shot {both.casefold()}", "shot", f"Shot {both}" if show else f"Shot {shot}", entry)
        if job == name or (len(name) >= _ID_DIGITS_MIN and job.startswith(name)):
            _add(found, f"job {job}", "job", f"Job {job}", entry)
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise ReportError(
            f"there is no show, shot or finished job called '{name}' in this home folder.",
            next_step=f"There are {_known(archive.receipts)}.",
            field="name",
            actual=name,
        )
    raise ReportError(
        f"'{name}' is the name of several: {', '.join(sorted(found))}.",
        next_step="Write SHOW/SHOT for a shot, or more digits of a job's id.",
        field="name",
        actual=name,
    )


def _add(found: dict[str, Selection], key: str, kind: str, title: str, entry: Archived) -> None:
    before = found[key].receipts if key in found else ()
    found[key] = Selection(kind=kind, title=title, receipts=(*before, entry))


def _known(receipts: Sequence[Archived]) -> str:
    shows = sorted({entry.receipt.job.labels.get("show", "") for entry in receipts} - {""})
    if shows:
        return f"the shows {', '.join(shows)}"
    return f"{len(receipts)} jobs without a show; `overscan jobs list` lists jobs" if receipts else "no receipts yet"
