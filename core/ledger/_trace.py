"""What was made with an asset, straight or through another job's result."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from overscan.core.ledger._archive import read_archive
from overscan.core.ledger._asset import Asset

if TYPE_CHECKING:
    from overscan.core.receipts import FrameFacts, JobReceipt

_SHAPES = frozenset({"matte", "movers", "never_copy"})
_PLATE = "plate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One job's frames that an asset went into, or may have gone into."""

    receipt: JobReceipt
    archived: Path
    """The receipt in the home folder."""
    roles: tuple[str, ...]
    """What the asset, or what was made with it, was to the job: plate, clean_plate, matte …, sorted."""
    through: tuple[str, ...]
    """Ids of the jobs whose results the job read; empty where it read the asset itself."""
    frames: tuple[FrameFacts, ...]
    """Those of its frames that would have to be made again without the asset."""

    @property
    def shaped_only(self) -> bool:
        """Whether no light of the asset can be in the frames: it only said where something is."""
        return _SHAPES.issuperset(self.roles)


def trace(*, asset: Asset, home: Path) -> tuple[Made, ...]:
    """All that was made with `asset`, by the receipts in `home`, in the order of its making.

    Follows results that other jobs took as their inputs, by the SHA-256 of the files: what another tool wrote again
    in between is not followed. A frame counts unless its receipt shows that nothing in it can come from the asset.
    """
    tainted: dict[str, str] = {file.sha256: "" for file in asset.files}
    """Digests of files that are, or were made with, the asset; with the job that made them."""
    found: dict[str, Made] = {}
    while True:
        before = len(tainted)
        for entry in read_archive(home=home, naming=tainted).receipts:
            made = _made(entry.receipt, entry.path, tainted)
            if made is not None:
                job = entry.receipt.run.job_id
                found[job] = made
                for frame in made.frames:
                    tainted.setdefault(frame.sha256, job)
        if len(tainted) == before:
            return tuple(sorted(found.values(), key=lambda made: made.receipt.run.times.ended))


def _made(receipt: JobReceipt, path: Path, tainted: dict[str, str]) -> Made | None:
    hits = [(entry.role, file) for entry in receipt.inputs for file in entry.frames if file.sha256 in tainted]
    roles = {role for role, _ in hits}
    if not roles:
        return None
    numbers = {file.frame for role, file in hits if role == _PLATE}
    through = {tainted[file.sha256] for _, file in hits}
    return Made(
        receipt=receipt,
        archived=path,
        roles=tuple(sorted(roles)),
        through=tuple(sorted(through - {"", receipt.run.job_id})),
        frames=tuple(frame for frame in receipt.frames if _concerned(frame, numbers)),
    )


def _concerned(frame: FrameFacts, numbers: Collection[int | None]) -> bool:
    """Whether a frame is one of these of the plate, or has anything that is not the plate's own."""
    is_one = frame.plate_frame is not None and frame.plate_frame in numbers
    return is_one or frame.shares is None or frame.shares.plate < 1
