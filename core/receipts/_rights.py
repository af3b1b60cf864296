"""What a receipt says of rights: the cards, and the decision that let the job in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from overscan.core.engines import EngineCard
from overscan.core.receipts._document import EngineFacts, ModelFacts, PolicyFacts, PolicyFileFacts
from overscan.core.rights import Approval, Decision, card_content, card_digest, load_cards


def engine_facts(card: EngineCard) -> EngineFacts:
    """The engine with its rights card."""
    return EngineFacts(
        name=card.name, version=card.version, card=card_content(card.rights), card_sha256=card_digest(card.rights)
    )


def model_facts(decision: Decision | None, *, name: str, root: Path) -> ModelFacts | None:
    """The model that a decision let in, with its card; None where none was loaded. `root` is where policies live."""
    if decision is None or not decision.weights:
        return None
    found = next(
        (file.card for file in load_cards(root=root).values() if card_digest(file.card) == decision.card_sha256), None
    )
    content: Mapping[str, object] = {} if found is None else card_content(found)
    return ModelFacts(
        name=decision.card or name,
        version="" if found is None else found.version,
        weights={file.name: file.sha256 for file in decision.weights},
        card=content,
        card_sha256=decision.card_sha256,
    )


def policy_facts(decision: Decision | None) -> PolicyFacts | None:
    """The decision that the job was created with; None where nobody decided."""
    if decision is None:
        return None
    return PolicyFacts(
        name=decision.policy,
        sha256=decision.policy_sha256,
        decision="allowed" if decision.allowed else "refused",
        reason=decision.reason,
        approvals=tuple(_words(approval) for approval in decision.approvals),
        files=tuple(
            PolicyFileFacts(level=file.level, path=file.path, sha256=file.sha256) for file in decision.policy_files
        ),
    )


def _words(approval: Approval) -> str:
    role = f" ({approval.role})" if approval.role else ""
    until = f" until {approval.until}" if approval.until else ""
    why = f": {approval.reason}" if approval.reason else ""
    return (
        f"{approval.by}{role} on {approval.on}{until}, '{approval.card}' for {' and '.join(approval.uses)} use, "
        f"in the {approval.level}'s policy{why}"
    )
