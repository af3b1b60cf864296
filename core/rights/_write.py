"""Writes approvals into policies, and locks; never anything that the policies would not take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import tomlkit

from overscan.core.errors import OverscanError, PolicyError, PolicyFileError
from overscan.core.jobs import Use
from overscan.core.rights._approvals import ALLOWABLE
from overscan.core.rights._card import RightsCard, card_digest
from overscan.core.rights._cards import UNKNOWN_FILES
from overscan.core.rights._decide import decide
from overscan.core.rights._decision import Decision
from overscan.core.rights._lock import LOCK_FILE, lock_digest
from overscan.core.rights._policy import level_file, load_policy
from overscan.core.temporaries import written_beside

_HEADERS = {
    "studio": "# The studio's policy. Every show's may only narrow it; docs/rights.md explains the rules.",
    "show": "# The show's policy. It may only narrow the studio's; docs/rights.md explains the rules.",
    "shot": "# The shot's policy. It may only narrow the show's; docs/rights.md explains the rules.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is approved or locked."""

    card: RightsCard
    name: str
    """The card's, or that of the engine whose own card it is."""
    version: str = ""
    """Of that engine."""
    weights: Mapping[str, str]
    """The model's files, SHA-256 by name; none where they are not known, and for an engine without any."""


def approve(
    *,
    root: Path,
    subject: Subject,
    by: str,
    role: str,
    until: str,
    uses: Sequence[str],
    reason: str,
    show: str,
    shot: str,
    today: date,
) -> tuple[Path, Decision]:
    """Add a named approval of a card to the policy of a shot, a show or the studio; say where, and what holds now.

    It allows what speaks against the card now and no more, and pins the files of `subject`. Raises `PolicyError` where
    an approval would change nothing or is not enough, and `PolicyFileError` where that level may not approve; then
    the file is as it was.
    """
    if not by.strip():
        raise PolicyError("an approval needs a name.", next_step="Say who approves with --by.", field="by")
    unknown = UNKNOWN_FILES if subject.card.name else {}
    loaded = replace(subject, weights=subject.weights or unknown)
    before = _judged(root, loaded, uses=uses, show=show, shot=shot, today=today)
    kinds = {objection.kind for objection in before.objections}
    lifted = tuple(kind for kind in ALLOWABLE if kind in kinds)
    if before.allowed:
        raise PolicyError(
            f"'{subject.name}' is allowed as it is: {before.reason}",
            next_step="There is nothing to approve.",
            field="card",
        )
    path = level_file(root=root, show=show, shot=shot)
    level = "shot" if shot else "show" if show else "studio"
    old = path.read_text(encoding="utf-8") if path.exists() else None
    document = tomlkit.parse(old if old is not None else _HEADERS[level] + "\n")
    table = tomlkit.table()
    table.update(
        {
            "card": subject.name,
            "card_sha256": card_digest(subject.card),
            "by": by.strip(),
            **({"role": role} if role else {}),
            "on": today,
            **({"until": _day(until)} if until else {}),
            "uses": list(uses),
            "allows": list(lifted),
            **({"reason": reason} if reason else {}),
        }
    )
    if subject.weights:
        files = tomlkit.table()
        files.update(dict(sorted(subject.weights.items())))
        table["weights"] = files
    listed = document.get("approvals")
    if listed is None:
        listed = tomlkit.aot()
        document["approvals"] = listed
    listed.append(table)
    _replace(path, tomlkit.dumps(document))
    try:
        after = _judged(root, loaded, uses=uses, show=show, shot=shot, today=today)
        if not after.allowed and {item.kind for item in after.objections} - {"required-approval"}:
            raise PolicyError(f"an approval is not enough: {after.reason}", next_step=after.remedy, field="card")
    except OverscanError:
        _restore(path, old)
        raise
    return path, after


def lock(
    *,
    root: Path,
    show: str,
    engines: Mapping[str, str],
    models: Sequence[Subject],
    by: str,
    renew: bool,
    today: date,
) -> Path:
    """Lock a show to `engines`, version by name, and the weights of `models`.

    Raises `PolicyError` where a model is not allowed on the show, or where the show has a lock and `renew` does not
    say that it may be replaced.
    """
    if not by.strip():
        raise PolicyError("a lock needs a name.", next_step="Say who locks the show with --by.", field="by")
    path = level_file(root=root, show=show).with_name(LOCK_FILE)
    if path.exists() and not renew:
        raise PolicyError(
            f"the show '{show}' is locked already.",
            next_step="Renew the lock with --renew where the show really changes its engines or models.",
            path=path,
        )
    for model in models:
        found, *others = (_judged(root, model, uses=(use.value,), show=show, today=today, lock=False) for use in Use)
        if not any(decision.allowed for decision in (found, *others)):
            raise PolicyError(f"'{model.name}' cannot be locked: {found.reason}", next_step=found.remedy, field="model")
    versions = dict(sorted(engines.items()))
    weights = {model.name: dict(sorted(model.weights.items())) for model in models}
    name = path.parent.name
    document = tomlkit.document()
    document.add(tomlkit.comment("Made by `overscan policy lock`: edit nothing here, renew it with --renew."))
    document["show"] = name
    document["locked_by"] = by.strip()
    document["locked_on"] = today
    document["digest"] = lock_digest(
        show=name, locked_by=by.strip(), locked_on=today.isoformat(), engines=versions, models=weights
    )
    document["engines"] = versions
    document["models"] = weights
    _replace(path, tomlkit.dumps(document))
    return path


def _judged(
    root: Path,
    subject: Subject,
    *,
    uses: Sequence[str],
    show: str,
    shot: str = "",
    today: date,
    lock: bool = True,
) -> Decision:
    """What the policy says for the most demanding of `uses`; of a model, whatever engine would run it."""
    policy = load_policy(root=root, show=show, shot=shot)
    if not lock:
        policy = replace(policy, lock=None)
    found = [
        decide(
            policy=policy,
            card=subject.card,
            engine=None if subject.card.name else subject.name,
            engine_version=subject.version,
            weights=subject.weights,
            use=Use(use),
            today=today,
        )
        for use in uses
    ]
    return next((decision for decision in found if not decision.allowed), found[0])


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise PolicyError(
            f"'{text}' is no day.", next_step="Write a day such as 2027-05-01.", field="until", actual=text
        ) from None


def _replace(path: Path, text: str) -> None:
    """Write a file in one go, so that no service ever reads half of it."""
    try:
        with written_beside(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PolicyFileError(
            f"{path} cannot be written: {error.strerror or error}.",
            next_step="Have somebody do it who may write there.",
            path=path,
        ) from None


def _restore(path: Path, old: str | None) -> None:
    if old is None:
        path.unlink(missing_ok=True)
    else:
        _replace(path, old)
