"""What a decision says, and what an approval can and cannot do."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from overscan.core.jobs import Use
from overscan.core.rights import (
    ALLOWABLE,
    Approval,
    AssetStanding,
    Decision,
    Lock,
    Policy,
    RightsCard,
    Rules,
    TrainingData,
    WeightFile,
    card_digest,
    decide,
)

TODAY = date(2026, 11, 23)
HASH = "a" * 64
CARD = RightsCard(
    name="model",
    maker="Maker",
    licence="MIT",
    training_data=TrainingData.LICENSED,
    statement="Licensed.",
    commercial_use=True,
    weights=(WeightFile(name="unet", sha256=HASH),),
)
UNPINNED = replace(CARD, weights=())
POLICY = Policy(name="test", sha256="0" * 64)


def approval(card: RightsCard = CARD, **fields: object) -> Approval:
    said = {
        "card": "model", "card_sha256": card_digest(card), "by": "Jane", "role": "", "on": "2026-11-01",
        "allows": ALLOWABLE, "level": "studio",
    }  # fmt: skip
    return Approval(**{**said, **fields})  # type: ignore[arg-type]


def ask(policy: Policy = POLICY, card: RightsCard = CARD, **fields: object) -> Decision:
    said = {
        "engine": "engine", "engine_version": "1", "weights": {"unet": HASH}, "use": Use.TEMP, "today": TODAY,
    }  # fmt: skip
    return decide(policy=policy, card=card, **{**said, **fields})  # type: ignore[arg-type]


def rules(**fields: object) -> Policy:
    return replace(POLICY, rules=Rules(**fields))  # type: ignore[arg-type]


def kinds(decision: Decision) -> list[str]:
    return [objection.kind for objection in decision.objections]


def test_an_allowed_model() -> None:
    decision = ask()
    assert decision.allowed
    assert decision.reason == "The policy 'test' allows 'model', which learned from licensed works."
    assert (decision.remedy, decision.objections, decision.approvals) == ("", (), ())
    assert (decision.card, decision.card_sha256) == ("model", card_digest(CARD))
    assert decision.weights == CARD.weights
    assert decision.decided_on == "2026-11-23"


@pytest.mark.parametrize(
    ("policy", "card", "kind"),
    [
        (rules(training_data=("none",)), CARD, "training-data"),
        (rules(licences=("Apache-2.0",)), CARD, "licence"),
        (POLICY, replace(CARD, commercial_use=False), "commercial-use"),
        (POLICY, replace(CARD, revenue_threshold_usd=5), "revenue"),
        (POLICY, replace(CARD, territories=("US",)), "territory"),
        (rules(consent=True), CARD, "consent"),
    ],
)
def test_an_approval_lifts_what_it_names_and_nothing_else(policy: Policy, card: RightsCard, kind: str) -> None:
    refused = ask(policy, card)
    assert kinds(refused) == [kind]
    assert refused.remedy
    named = replace(policy, approvals=(approval(card, allows=(kind,)),))
    allowed = ask(named, card)
    assert allowed.allowed
    assert [item.by for item in allowed.approvals] == ["Jane"]
    others = tuple(other for other in ALLOWABLE if other != kind)
    assert kinds(ask(replace(policy, approvals=(approval(card, allows=others),)), card)) == [kind]


@pytest.mark.parametrize(
    ("policy", "card", "fields", "kind"),
    [
        (rules(never=("licensed",)), CARD, {}, "never"),
        (POLICY, replace(CARD, expires_on="2026-11-23"), {}, "expired"),
        (POLICY, replace(CARD, expires_on="whenever"), {}, "expired"),
        (POLICY, CARD, {"weights": {"unet": "b" * 64}}, "weights"),
        (POLICY, CARD, {"weights": {"unet": HASH, "lora": "b" * 64}}, "weights"),
        (POLICY, CARD, {"weights": {}}, "weights"),
        (rules(uses=("temp",)), CARD, {"use": Use.FINAL}, "use"),
        (rules(uses=()), CARD, {}, "use"),
        (rules(engines=("plate",)), CARD, {}, "engine"),
        (rules(known_shows_only=True), CARD, {}, "show"),
        (POLICY, CARD, {"assets": [AssetStanding(asset="a", path="/a", cleared=False, reason="Revoked.")]}, "asset"),
        (rules(registered_assets=True), CARD, {"assets": [AssetStanding(asset="", path="/a", cleared=True)]}, "asset"),
    ],
)
def test_no_approval_lifts_these(policy: Policy, card: RightsCard, fields: dict[str, object], kind: str) -> None:
    both = ("temp", "final")
    everything = replace(policy, approvals=(approval(card, uses=both), approval(card, uses=both, level="show")))
    decision = ask(everything, card, **fields)
    assert kinds(decision) == [kind]
    assert not decision.allowed
    assert decision.reason.endswith(".")
    assert decision.remedy.endswith(".")


def test_an_asset_that_is_cleared_or_unregistered_is_no_obstacle() -> None:
    standings = [AssetStanding(asset="a", path="/a", cleared=True), AssetStanding(asset="", path="/b", cleared=True)]
    assert ask(assets=standings).allowed


def test_files_of_a_card_without_hashes_must_be_approved_by_hash() -> None:
    assert kinds(ask(card=UNPINNED)) == ["pinned"]
    assert ask(rules(pinned=False), UNPINNED).allowed
    named = approval(UNPINNED, allows=())
    assert kinds(ask(replace(POLICY, approvals=(named,)), UNPINNED)) == ["pinned"]
    pinned = replace(named, weights=(WeightFile(name="unet", sha256=HASH),))
    decision = ask(replace(POLICY, approvals=(pinned,)), UNPINNED)
    assert decision.allowed
    assert decision.approvals == (pinned,)
    other = replace(named, weights=(WeightFile(name="unet", sha256="b" * 64),))
    assert kinds(ask(replace(POLICY, approvals=(other,)), UNPINNED)) == ["pinned"]


def test_an_engine_without_weights_needs_no_hashes() -> None:
    card = replace(UNPINNED, name="", training_data=TrainingData.NONE)
    decision = ask(card=card, weights={}, engine="plate")
    assert decision.allowed
    assert decision.card == "plate"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"card_sha256": "0" * 64}, "is for another text of the card"),
        ({"on": "2026-11-24"}, "is dated 2026-11-24, which is yet to come"),
        ({"until": "2026-11-23"}, "ended on 2026-11-23"),
        ({"uses": ("final",)}, "is for final use"),
        ({"weights": (WeightFile(name="u", sha256="b" * 64),)}, "is for other weights"),
    ],
)
def test_an_approval_that_does_not_count_is_explained(fields: dict[str, object], why: str) -> None:
    policy = replace(rules(training_data=("none",)), approvals=(approval(**fields),))
    decision = ask(policy)
    assert not decision.allowed
    assert why in decision.reason


def test_an_approval_of_another_card_is_none() -> None:
    policy = replace(rules(training_data=("none",)), approvals=(replace(approval(), card="other"),))
    assert "approval by" not in ask(policy).reason


def test_required_roles_must_each_approve() -> None:
    policy = rules(required_approvals=("legal", "VFX"))
    assert kinds(ask(policy)) == ["required-approval"] * 2
    one = replace(policy, approvals=(approval(role="Legal"),))
    assert [item.reason for item in ask(one).objections] == [
        "The policy 'test' asks for an approval of 'model' by the role 'VFX'."
    ]
    both = replace(policy, approvals=(approval(role="Legal"), approval(role="vfx", by="Joe")))
    assert [item.by for item in ask(both).approvals] == ["Jane", "Joe"]
    nothing_learned = replace(CARD, training_data=TrainingData.NONE)
    assert ask(policy, nothing_learned).allowed


def test_a_lock_keeps_versions_and_files() -> None:
    lock = Lock(
        show="s", locked_by="J", locked_on="2026-01-01", path=__file__,  # type: ignore[arg-type]
        engines={"engine": "1"}, models={"model": {"unet": HASH}},
    )  # fmt: skip
    locked = replace(POLICY, lock=lock)
    assert ask(locked).allowed
    assert kinds(ask(locked, engine_version="2")) == ["lock"]
    assert kinds(ask(locked, engine="other")) == ["lock"]
    both = replace(CARD, weights=(*CARD.weights, WeightFile(name="v2", sha256="b" * 64)))
    assert kinds(ask(locked, both, weights={"unet": "b" * 64})) == ["lock"]
    renamed = replace(CARD, name="renamed")
    assert kinds(ask(locked, renamed)) == ["lock"]
    unpinned = replace(locked, rules=Rules())
    assert kinds(ask(unpinned, UNPINNED)) == ["pinned"], "a lock is no statement on what a file is"


def test_all_objections_are_said_and_the_first_is_the_reason() -> None:
    card = replace(CARD, commercial_use=False, expires_on="2020-01-01", training_data=TrainingData.UNDISCLOSED)
    decision = ask(card=card)
    assert kinds(decision) == ["expired", "training-data", "commercial-use"]
    assert decision.reason == decision.objections[0].reason
    assert decision.remedy == decision.objections[0].remedy
