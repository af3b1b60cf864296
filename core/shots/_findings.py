"""What a look at a job finds, collected rather than raised one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from overscan.core.engines import Notice
from overscan.core.errors import ColourSpaceError, ErrorRecord, OverscanError
from overscan.core.shots._shot import Shot

READERS = 8
"""Headers read at once: opening files on a network share is waiting, not work."""

_MOST_PROBLEMS = 20
"""Problems listed; a sequence that is wrong throughout would drown what matters."""

_Result = TypeVar("_Result")


@dataclass(slots=True, kw_only=True)
class Survey:
    """What was found."""

    shot: Shot | None = None
    """The opened shot; None where there are problems."""
    problems: list[ErrorRecord] = field(default_factory=list)
    warnings: list[Notice] = field(default_factory=list)

    def attempt(self, call: Callable[[], _Result], *, field: str = "") -> _Result | None:
        """What `call` gives, or None and one more problem; `field` of the job is what it was about."""
        try:
            return call()
        except OverscanError as error:
            self.note(_about(error.record, field))
            return None

    def note(self, *records: ErrorRecord) -> None:
        """Add problems."""
        self.problems += records[: max(0, _MOST_PROBLEMS - len(self.problems))]


def _about(record: ErrorRecord, field: str) -> ErrorRecord:
    """A problem as one of the job's `field`, where it was found by what knows the plate's fields alone."""
    if not field or record.field.startswith(field):
        return record
    if record.code == ColourSpaceError.code:
        # The option that the message names is the plate's.
        return replace(record, field=f"{field}.color_space", next_step=f"Name it as {field}.color_space in a job file.")
    name = record.field.removeprefix("plate").lstrip(".")
    return replace(record, field=f"{field}.{name}" if name in ("layer", "part", "view") else field)
