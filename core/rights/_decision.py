"""What a policy says about one job, as data."""

from __future__ import annotations

from dataclasses import dataclass

from overscan.core.rights._approvals import Approval
from overscan.core.rights._card import WeightFile
from overscan.core.rights._policy import PolicyFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """One thing that stands against it."""

    kind: str
    """What it is about: one of `overscan.core.rights.ALLOWABLE`, which an approval can lift, or another word."""
    reason: str
    """Why, in one sentence."""
    remedy: str
    """What would allow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetStanding:
    """What the clearance ledger says of one input besides the plate."""

    asset: str
    """Its id in the ledger; empty where it is not there."""
    path: str
    """The input, as the job names it."""
    cleared: bool
    """Whether it may be used; True for what is not in the ledger, which the policy judges."""
    reason: str = ""
    """Why not, in one sentence."""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a job may run, and by what."""

    allowed: bool
    reason: str
    """Why, in one sentence."""
    remedy: str = ""
    """What would allow it, empty where it is allowed."""
    policy: str
    """Name of the policy that decided."""
    policy_sha256: str = ""
    """Of its files; empty where they could not be read."""
    policy_files: tuple[PolicyFile, ...] = ()
    """The files with their hashes, the show's lock among them; none for the default policy."""
    use: str = "temp"
    """What it was asked for: ``temp`` or ``final``."""
    card: str = ""
    """Name of the card that was judged: the model's where there is one, else the engine's."""
    card_sha256: str = ""
    """Its `card_digest`."""
    weights: tuple[WeightFile, ...] = ()
    """The files of the model, hashed as they were found; none where the engine loads none."""
    approvals: tuple[Approval, ...] = ()
    """The approvals that were needed and counted."""
    objections: tuple[Objection, ...] = ()
    """All that stands against it; empty where it is allowed."""
    decided_on: str = ""
    """Day of the decision, ISO 8601."""
