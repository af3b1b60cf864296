"""A report as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from overscan.core.ledger import Asset, Question, Statement
from overscan.core.receipts import JobReceipt, Shares


class Known(str, Enum):
    """How a question is answered."""

    YES = "yes"
    NO = "no"
    PARTLY = "partly"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One of the five questions, answered from records."""

    question: Question
    known: Known
    short: str
    """The answer in a few words."""
    why: str
    """What it rests on, in sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Whether a job's receipt is what was signed."""

    sound: bool
    """False where it is not, where it has no signature, or that of somebody unknown."""
    words: str
    is_broken: bool = False
    """Whether it is known not to be: what it says answers no question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEntry:
    """One job in a report."""

    receipt: JobReceipt
    archived: Path
    """The receipt in the home folder."""
    folder: Path
    """Where the frames were written."""
    seal: Seal
    shares: Shares | None
    """The mean of its frames; None where no frame says it."""
    unknown_frames: int
    """Frames that do not say how they are made up."""
    on_disk: int
    """Frames that are there with the size that the receipt says; `overscan verify` looks at their content."""
    replaced: int
    """Frames whose files a later job has written again."""
    assets: tuple[str, ...]
    """Ids of the ledger's assets among its inputs."""
    unregistered: tuple[str, ...]
    """Pictures that it could take light from, besides the plate, that are in no ledger."""

    @property
    def counts(self) -> bool:
        """Whether anything of it is still part of the show: not all its frames were replaced."""
        return self.replaced < len(self.receipt.frames)

    @property
    def show(self) -> str:
        """Label of the show; empty where none was given."""
        return self.receipt.job.labels.get("show", "")

    @property
    def shot(self) -> str:
        """Label of the shot; empty where none was given."""
        return self.receipt.job.labels.get("shot", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotEntry:
    """A shot and its jobs."""

    show: str
    shot: str
    jobs: tuple[JobEntry, ...]
    """The latest first."""
    answers: tuple[Answered, ...]

    @property
    def name(self) -> str:
        """In words."""
        return " ".join(filter(None, (self.show, self.shot))) or "no shot named"


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """An engine or a model with its rights card, and the shots that used it."""

    kind: str
    """engine or model."""
    name: str
    version: str
    card: Mapping[str, Any]
    card_sha256: str
    weights: Mapping[str, str]
    shots: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedAsset:
    """An asset that something in the report was made with, or may have been."""

    asset: Asset
    objection: str
    """Why it may not be used today; empty where it may."""
    shots: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is known of a show, a shot or a job."""

    title: str
    kind: str
    """show, shot or job."""
    made_at: str
    """ISO 8601, UTC."""
    version: str
    """Of Overscan."""
    answers: tuple[Answered, ...]
    shots: tuple[ShotEntry, ...]
    materials: tuple[Material, ...]
    approvals: tuple[str, ...]
    """Named approvals that decisions rest on, in words."""
    assets: tuple[UsedAsset, ...]
    statements: tuple[Statement, ...]
    warnings: tuple[str, ...]
    """What a reader must know before believing the rest."""

    @property
    def all_decided(self) -> bool:
        """Whether a policy let in every job."""
        return all(job.receipt.policy is not None for job in self.jobs)

    @property
    def jobs(self) -> tuple[JobEntry, ...]:
        """All jobs of all shots."""
        return tuple(job for shot in self.shots for job in shot.jobs)
