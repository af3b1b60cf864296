"""What the ledger knows of an asset, and what people stated of a show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class AssetKind(str, Enum):
    """What an asset is for."""

    REFERENCE = "reference"
    CLEAN_PLATE = "clean-plate"
    SOURCE = "source"
    """A further plate to take light from, stock footage included."""
    TRAINING = "training"
    OTHER = "other"


class Consent(str, Enum):
    """Whether the people in an asset have agreed to what it is used for."""

    UNKNOWN = "unknown"
    NOT_NEEDED = "not-needed"
    """Nobody is recognisable in it."""
    GIVEN = "given"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFile:
    """One file of an asset, known by its content."""

    path: str
    """Absolute, where it was when it was entered."""
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """That an asset may be used no more."""

    by: str
    on: str
    """Day from which, ISO 8601."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One asset, as the ledger has it now."""

    id: str
    """Letters, digits, ``-``, ``_`` and ``.``."""
    kind: AssetKind
    author: str
    licence: str
    """SPDX identifier, ``LicenseRef-…``, or the contract."""
    source: str = ""
    """Where it came from: an address, a supplier, an order number."""
    people: tuple[str, ...] = ()
    """Who can be recognised in it."""
    consent: Consent = Consent.UNKNOWN
    consent_evidence: str = ""
    """Where the consent is on file."""
    valid_from: str = ""
    """First day, ISO 8601; empty for ever since."""
    expires_on: str = ""
    """Day from which it may be used no more, ISO 8601; empty for never."""
    shows: tuple[str, ...] = ()
    """Shows that may use it; empty for all."""
    uses: tuple[str, ...] = ()
    """temp or final; empty for both."""
    note: str = ""
    files: tuple[AssetFile, ...] = ()
    """All files that ever were this asset: what was made with an older version can still be found."""
    entered_by: str = ""
    entered_on: str = ""
    """Day of its first entry, ISO 8601."""
    revocation: Revocation | None = None


class Question(str, Enum):
    """What productions ask of every shot; in words in `overscan.core.report`."""

    REPLICATES = "replicates"
    STORED = "stored"
    SECURED = "secured"
    TEMPORARY = "temporary"
    PERFORMER = "performer"


class Answer(str, Enum):
    """What is known."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What somebody answers for that no machine can know, e.g. that a facility is certified."""

    question: Question
    answer: Answer
    by: str
    on: str
    """Day, ISO 8601."""
    evidence: str
    """What it rests on."""
    show: str = ""
    """Empty for all shows."""
    shot: str = ""
    """Empty for all shots of the show."""

    def speaks_of(self, *, show: str, shot: str) -> bool:
        """Whether it is about that shot; capitals do not count, as in policies."""
        return self.show.casefold() in ("", show.casefold()) and self.shot.casefold() in ("", shot.casefold())
