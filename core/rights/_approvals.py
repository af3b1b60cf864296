"""Named approvals: who let in what a policy's rules would refuse, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from overscan.core.rights._card import WeightFile
from overscan.core.rights._toml import Table

ALLOWABLE = ("training-data", "licence", "commercial-use", "revenue", "territory", "consent")
"""What an approval can allow. Nothing else of a policy gives way to one."""
_FIELDS = ("card", "card_sha256", "by", "role", "on", "until", "uses", "allows", "reason", "weights")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's approval of one card."""

    card: str
    """Name of the card."""
    card_sha256: str
    """Digest of the card that was approved: a card that says something else is not approved."""
    by: str
    role: str
    """Their role, for policies that ask for the approval of several."""
    on: str
    """Day of the approval, ISO 8601."""
    until: str = ""
    """First day on which it counts no more, ISO 8601; empty for never."""
    uses: tuple[str, ...] = ("temp",)
    """What results may be for."""
    allows: tuple[str, ...] = ()
    """The objections it lifts, of `ALLOWABLE`."""
    reason: str = ""
    weights: tuple[WeightFile, ...] = ()
    """The files that were approved; these are pinned by it."""
    level: str
    """Level of the policy whose file holds it."""

    def standing(self, *, card_sha256: str, weights: Mapping[str, str], use: str, today: date) -> str:
        """Why it does not count for this card, these `weights` (name to SHA-256), this use and day; empty where it
        does."""
        whose = f"the approval by {self.by}"
        if self.card_sha256 != card_sha256:
            return f"{whose} is for another text of the card '{self.card}'"
        if date.fromisoformat(self.on) > today:
            return f"{whose} is dated {self.on}, which is yet to come"
        if self.until and date.fromisoformat(self.until) <= today:
            return f"{whose} ended on {self.until}"
        if use not in self.uses:
            return f"{whose} is for {' and '.join(self.uses)} use"
        if self.weights and not set(weights.values()) <= {file.sha256 for file in self.weights}:
            return f"{whose} is for other weights"
        return ""


def read_approval(table: Table, *, level: str) -> Approval:
    """An approval as a policy file has it. Raises `PolicyFileError`."""
    table.only(_FIELDS)
    uses = table.texts("uses") or ("temp",)
    if not set(uses) <= {"temp", "final"}:
        raise table.wrong("uses", "there is no such use", '"temp", "final" or both', actual=uses)
    allows = table.texts("allows")
    if not set(allows) <= set(ALLOWABLE):
        raise table.wrong("allows", "no approval can allow that", f"some of {', '.join(ALLOWABLE)}", actual=allows)
    return Approval(
        card=table.text("card", needed=True),
        card_sha256=table.sha256("card_sha256", needed=True),
        by=table.text("by", needed=True),
        role=table.text("role"),
        on=table.day("on", needed=True),
        until=table.day("until"),
        uses=uses,
        allows=allows,
        reason=table.text("reason"),
        weights=tuple(WeightFile(name=name, sha256=sha256) for name, sha256 in sorted(table.hashes("weights").items())),
        level=level,
    )
