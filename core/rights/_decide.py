"""Judges a card by a policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from overscan.core.jobs import Use
from overscan.core.rights._approvals import ALLOWABLE, Approval
from overscan.core.rights._card import RightsCard, TrainingData, WeightFile, card_digest
from overscan.core.rights._decision import AssetStanding, Decision, Objection
from overscan.core.rights._policy import Policy

_CLASS_WORDS = {
    TrainingData.NONE: "learned from no data",
    TrainingData.OWN: "learned from own footage",
    TrainingData.PUBLIC_DOMAIN: "learned from works in the public domain",
    TrainingData.OPEN_LICENCE: "learned from openly licensed works",
    TrainingData.LICENSED: "learned from licensed works",
    TrainingData.MIXED: "learned from unlicensed works among others",
    TrainingData.UNDISCLOSED: "learned from data that its maker does not disclose",
}


def decide(
    *,
    policy: Policy,
    card: RightsCard,
    engine: str | None,
    engine_version: str = "",
    weights: Mapping[str, str],
    use: Use,
    today: date,
    assets: Sequence[AssetStanding] = (),
) -> Decision:
    """Whether `policy` lets `engine` run with a model of these rights, and why.

    `card` is the model's card, or the engine's own where it loads no weights; an `engine` of None judges the card
    alone, whatever runs it. `weights` are the files that will be
    loaded, SHA-256 by name, hashed by the caller just now. `assets` is what the clearance ledger says of the job's
    other inputs. An expired or revoked thing, a wrong hash and a lock give way to no approval; what does is listed in
    `ALLOWABLE`. Pure: reads no file and no clock.
    """
    name = card.name or engine or ""
    digest = card_digest(card)
    applying, lapsed = _approvals(policy, name=name, digest=digest, weights=weights, use=use, today=today)
    pinning = [approval for approval in applying if approval.weights]
    objections: list[Objection] = [
        *_job(policy, use=use),
        *(() if engine is None else _engine(policy, engine=engine, version=engine_version)),
        *_weights(policy, card=card, name=name, weights=weights),
        *_expiry(card, name=name, today=today),
    ]
    used: list[Approval] = []
    for objection in _card(policy, card=card, name=name):
        lifting = next((approval for approval in applying if objection.kind in approval.allows), None)
        if lifting is None:
            objections.append(_with_lapsed(objection, lapsed))
        else:
            used.append(lifting)
    objections += _roles(policy, card=card, name=name, applying=applying, used=used)
    if weights and policy.rules.pinned and not card.weights:
        used += pinning[:1]
        objections += () if pinning else (_unpinned(name),)
    objections += _assets(policy, assets)
    first = objections[0] if objections else None
    said = _CLASS_WORDS[card.training_data]
    return Decision(
        allowed=first is None,
        reason=first.reason if first else f"The policy '{policy.name}' allows '{name}', which {said}{_thanks(used)}.",
        remedy=first.remedy if first else "",
        policy=policy.name,
        policy_sha256=policy.sha256,
        policy_files=policy.files,
        use=use.value,
        card=name,
        card_sha256=digest,
        weights=tuple(WeightFile(name=file, sha256=sha256) for file, sha256 in sorted(weights.items())),
        approvals=tuple(dict.fromkeys(used)),
        objections=tuple(objections),
        decided_on=today.isoformat(),
    )


def _thanks(used: Sequence[Approval]) -> str:
    names = dict.fromkeys(approval.by for approval in used)
    return f", with the approval of {' and '.join(names)}" if names else ""


def _approvals(
    policy: Policy, *, name: str, digest: str, weights: Mapping[str, str], use: Use, today: date
) -> tuple[list[Approval], list[str]]:
    """The approvals of this card that count, and why the others do not."""
    applying, lapsed = [], []
    for approval in policy.approvals:
        if approval.card != name:
            continue
        why = approval.standing(card_sha256=digest, weights=weights, use=use.value, today=today)
        if why:
            lapsed.append(why)
        else:
            applying.append(approval)
    return applying, lapsed


def _with_lapsed(objection: Objection, lapsed: Sequence[str]) -> Objection:
    """`objection` with why an approval that is there does not lift it."""
    if not lapsed or objection.kind not in ALLOWABLE:
        return objection
    return Objection(
        kind=objection.kind, reason=f"{objection.reason.rstrip('.')}; {lapsed[-1]}.", remedy=objection.remedy
    )


def _job(policy: Policy, *, use: Use) -> Iterator[Objection]:
    rules = policy.rules
    if use.value not in rules.uses:
        yield Objection(
            kind="use",
            reason=f"The policy '{policy.name}' allows results for {' and '.join(rules.uses) or 'no'} use only.",
            remedy=f"Ask for {' or '.join(rules.uses)} use." if rules.uses else "Have the policy changed.",
        )
    if rules.known_shows_only and not policy.show:
        yield Objection(
            kind="show",
            reason=f"The policy '{policy.name}' asks for a show that has a policy, and the job names none.",
            remedy="Name the show with --show (labels.show).",
        )


def _engine(policy: Policy, *, engine: str, version: str) -> Iterator[Objection]:
    rules, lock = policy.rules, policy.lock
    if rules.engines is not None and engine not in rules.engines:
        yield Objection(
            kind="engine",
            reason=f"The policy '{policy.name}' does not list the engine '{engine}'.",
            remedy=f"Use {', '.join(rules.engines) or 'another show'}, or have the engine added to `engines`.",
        )
    if lock is not None and lock.engines.get(engine) != version:
        pinned = lock.engines.get(engine)
        yield Objection(
            kind="lock",
            reason=f"The show '{lock.show}' is locked to '{engine}' {pinned}, and this is {version}."
            if pinned
            else f"The show '{lock.show}' is locked, and its lock does not have the engine '{engine}'.",
            remedy=f"Install version {pinned}, or have the lock renewed (`overscan policy lock --renew`)."
            if pinned
            else "Use an engine of the lock, or have the lock renewed (`overscan policy lock --renew`).",
        )


def _weights(policy: Policy, *, card: RightsCard, name: str, weights: Mapping[str, str]) -> Iterator[Objection]:
    if not weights:
        if card.weights:
            yield Objection(
                kind="weights",
                reason=f"The card '{name}' is about {len(card.weights)} files of weights, and the engine names none.",
                remedy="This is a fault of the engine; tell its maker.",
            )
        return
    known = {file.sha256 for file in card.weights}
    strange = sorted(file for file, sha256 in weights.items() if sha256 not in known)
    if known and strange:
        yield Objection(
            kind="weights",
            reason=f"The file '{strange[0]}' is not the one that the card '{name}' is about: its hash is "
            f"{weights[strange[0]][:12]}….",
            remedy="Put the model's own files back, or have a card made for this model.",
        )
    if policy.lock is not None and not policy.lock.pins(weights, card=name):
        yield Objection(
            kind="lock",
            reason=f"The show '{policy.lock.show}' is locked to other weights than these of '{name}'.",
            remedy="Put the locked files back, or have the lock renewed (`overscan policy lock --renew`).",
        )


def _unpinned(name: str) -> Objection:
    """A show's lock is no answer to this: it keeps what was there when it was made, and says not what it is."""
    return Objection(
        kind="pinned",
        reason=f"Nothing says that these files are the model '{name}': its card has no hashes.",
        remedy=f"Have them approved by hash (`overscan policy approve {name} --weights FOLDER`), or put a card with "
        "their hashes into the policies' folder `cards`.",
    )


def _expiry(card: RightsCard, *, name: str, today: date) -> Iterator[Objection]:
    if not card.expires_on:
        return
    try:
        over = date.fromisoformat(card.expires_on) <= today
    except ValueError:
        over = True
    if over:
        yield Objection(
            kind="expired",
            reason=f"The rights card '{name}' expired on {card.expires_on}.",
            remedy="Have the model's terms reviewed, and the card renewed.",
        )


def _card(policy: Policy, *, card: RightsCard, name: str) -> Iterator[Objection]:
    """What speaks against the card itself, and what an approval may lift."""
    rules = policy.rules
    by = f"the policy '{policy.name}'"
    approval = f"A named approval: `overscan policy approve {name}`"
    training = card.training_data
    if training.value in rules.never:
        yield Objection(
            kind="never",
            reason=f"'{name}' {_CLASS_WORDS[training]}, which {by} never allows.",
            remedy="Use the engine 'plate' or another model; no approval helps.",
        )
    elif training.value not in rules.training_data:
        yield Objection(
            kind="training-data",
            reason=f"'{name}' {_CLASS_WORDS[training]}, which {by} does not allow.",
            remedy=f"{approval}, or an engine that learned from nothing or from cleared works.",
        )
    if rules.licences is not None and card.licence not in rules.licences:
        yield Objection(
            kind="licence",
            reason=f"'{name}' has the licence {card.licence or '(unknown)'}, which {by} does not list.",
            remedy=f"{approval}, or the licence added to `licences`.",
        )
    if rules.commercial and not card.commercial_use:
        yield Objection(
            kind="commercial-use",
            reason=f"The licence of '{name}', {card.licence or 'unknown'}, does not allow commercial use.",
            remedy=f"A licence from {card.maker}, and then a named approval: `overscan policy approve {name}`.",
        )
    threshold = card.revenue_threshold_usd
    if rules.commercial and threshold and (rules.revenue_usd is None or rules.revenue_usd >= threshold):
        has = "nobody has said what it is" if rules.revenue_usd is None else f"it is {rules.revenue_usd:,} US dollars"
        yield Objection(
            kind="revenue",
            reason=f"'{name}' needs a paid licence for any commercial use."
            if threshold == 1
            else f"From a yearly revenue of {threshold:,} US dollars on '{name}' needs a paid licence, and {has}.",
            remedy=f"A licence from {card.maker} and a named approval, or `revenue_usd` in the studio's policy where "
            "it is lower.",
        )
    if card.territories:
        needed = rules.territories
        outside = sorted(set(needed or ()) - set(card.territories))
        if needed is None or outside:
            where = "everywhere" if needed is None else ", ".join(outside)
            yield Objection(
                kind="territory",
                reason=f"'{name}' may be used in {', '.join(card.territories)} only, and results are for {where}.",
                remedy=f"{approval}, or `territories` in the studio's policy.",
            )
    if rules.consent and training is not TrainingData.NONE and not card.consent:
        yield Objection(
            kind="consent",
            reason=f"The maker of '{name}' does not say that people in its training data have consented.",
            remedy=f"{approval}, or a card with the maker's statement.",
        )


def _roles(
    policy: Policy, *, card: RightsCard, name: str, applying: Sequence[Approval], used: list[Approval]
) -> Iterator[Objection]:
    if card.training_data is TrainingData.NONE:
        return
    for role in policy.rules.required_approvals:
        approval = next((approval for approval in applying if approval.role.casefold() == role.casefold()), None)
        if approval is not None:
            used.append(approval)
            continue
        yield Objection(
            kind="required-approval",
            reason=f"The policy '{policy.name}' asks for an approval of '{name}' by the role '{role}'.",
            remedy=f"`overscan policy approve {name} --role '{role}'`.",
        )


def _assets(policy: Policy, assets: Sequence[AssetStanding]) -> Iterator[Objection]:
    for standing in assets:
        if not standing.cleared:
            yield Objection(
                kind="asset",
                reason=standing.reason or f"{standing.path} is not cleared.",
                remedy=standing.remedy or "Leave it out, or have it cleared (`overscan rights`).",
            )
        elif policy.rules.registered_assets and not standing.asset:
            yield Objection(
                kind="asset",
                reason=f"The policy '{policy.name}' asks for cleared assets, and {standing.path} is in no ledger.",
                remedy="Enter it with `overscan rights add`, or leave it out.",
            )
