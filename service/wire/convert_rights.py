"""Rights cards to the wire, and a policy's decisions to and from it."""

from __future__ import annotations

from collections.abc import Iterable

from overscan.core import rights
from overscan.v1 import rights_pb2

_TRAINING = {
    rights.TrainingData.NONE: rights_pb2.TrainingDataClass.TRAINING_DATA_CLASS_NONE,
    rights.TrainingData.OWN: rights_pb2.TrainingDataClass.TRAINING_DATA_CLASS_OWN,
    rights.TrainingData.PUBLIC_DOMAIN: rights_pb2.TrainingDataClass.TRAINING_DATA_CLASS_PUBLIC_DOMAIN,
    rights.TrainingData.OPEN_LICENCE: rights_pb2.TrainingDataClass.TRAINING_DATA_CLASS_OPEN_LICENCE,
    rights.TrainingData.LICENSED: rights_pb2.TrainingDataClass.TRAINING_DATA_CLASS_LICENSED,
    rights.TrainingData.MIXED: rights_pb2.TrainingDataClass.TRAINING_DATA_CLASS_MIXED,
    rights.TrainingData.UNDISCLOSED: rights_pb2.TrainingDataClass.TRAINING_DATA_CLASS_UNDISCLOSED,
}


def card_to_wire(card: rights.RightsCard, *, version: str) -> rights_pb2.RightsCard:
    """A card for the wire; `version` is that of the engine, for a card that has none of its own."""
    training = rights_pb2.TrainingData(statement=card.statement, evidence=card.evidence, date=card.statement_date)
    # `class` is a word of Python's, so the field has no attribute to write to
    setattr(training, "class", _TRAINING[card.training_data])
    return rights_pb2.RightsCard(
        name=card.name,
        maker=card.maker,
        version=card.version or version,
        weights=_hashes(card.weights),
        licence=rights_pb2.Licence(
            id=card.licence,
            text_sha256=card.licence_text_sha256,
            url=card.licence_url,
            attribution=card.attribution,
        ),
        training_data=training,
        commercial_use=rights_pb2.CommercialUse(
            allowed=card.commercial_use,
            revenue_threshold_usd=card.revenue_threshold_usd,
            territories=card.territories,
        ),
        consent=card.consent,
        likeness=card.likeness,
        indemnity=card.indemnity,
        reviewer=card.reviewer,
        reviewed_on=card.reviewed_on,
        expires_on=card.expires_on,
        quotes=[
            rights_pb2.Quote(about=quote.about, words=quote.words, source=quote.source, date=quote.date)
            for quote in card.quotes
        ],
    )


def decision_to_wire(decision: rights.Decision) -> rights_pb2.Decision:
    """A decision for the wire and the store."""
    return rights_pb2.Decision(
        allowed=decision.allowed,
        reason=decision.reason,
        remedy=decision.remedy,
        policy=decision.policy,
        policy_sha256=decision.policy_sha256,
        policy_files=[
            rights_pb2.PolicyFile(level=file.level, path=file.path, sha256=file.sha256)
            for file in decision.policy_files
        ],
        use=decision.use,
        card=decision.card,
        card_sha256=decision.card_sha256,
        weights=_hashes(decision.weights),
        approvals=[
            rights_pb2.Approval(
                card=approval.card,
                card_sha256=approval.card_sha256,
                by=approval.by,
                role=approval.role,
                on=approval.on,
                until=approval.until,
                uses=approval.uses,
                allows=approval.allows,
                reason=approval.reason,
                weights=_hashes(approval.weights),
                level=approval.level,
            )
            for approval in decision.approvals
        ],
        objections=[
            rights_pb2.Objection(kind=item.kind, reason=item.reason, remedy=item.remedy) for item in decision.objections
        ],
        decided_on=decision.decided_on,
    )


def decision_from_wire(wire: rights_pb2.Decision) -> rights.Decision:
    """A stored decision as it was made."""
    return rights.Decision(
        allowed=wire.allowed,
        reason=wire.reason,
        remedy=wire.remedy,
        policy=wire.policy,
        policy_sha256=wire.policy_sha256,
        policy_files=tuple(
            rights.PolicyFile(level=file.level, path=file.path, sha256=file.sha256) for file in wire.policy_files
        ),
        use=wire.use,
        card=wire.card,
        card_sha256=wire.card_sha256,
        weights=_weights(wire.weights),
        approvals=tuple(
            rights.Approval(
                card=approval.card,
                card_sha256=approval.card_sha256,
                by=approval.by,
                role=approval.role,
                on=approval.on,
                until=approval.until,
                uses=tuple(approval.uses),
                allows=tuple(approval.allows),
                reason=approval.reason,
                weights=_weights(approval.weights),
                level=approval.level,
            )
            for approval in wire.approvals
        ),
        objections=tuple(
            rights.Objection(kind=item.kind, reason=item.reason, remedy=item.remedy) for item in wire.objections
        ),
        decided_on=wire.decided_on,
    )


def _hashes(weights: Iterable[rights.WeightFile]) -> list[rights_pb2.FileHash]:
    return [rights_pb2.FileHash(name=file.name, sha256=file.sha256) for file in weights]


def _weights(hashes: Iterable[rights_pb2.FileHash]) -> tuple[rights.WeightFile, ...]:
    return tuple(rights.WeightFile(name=file.name, sha256=file.sha256) for file in hashes)
