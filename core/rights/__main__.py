"""Policies from the command line: ``python -m overscan.core.rights check|show|approve|lock``.

Every line on stdout is one JSON object with a ``type``; `overscan policy` shows them to people. Returns 0, 8 where a
policy refuses or cannot be read, and 1 for what is wrong otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timezone
from pathlib import Path

from overscan.core.engines import Engine, installed_engines
from overscan.core.errors import OverscanError, PolicyError
from overscan.core.jobs import Use
from overscan.core.models import INDEX, accepted, library
from overscan.core.rights import _write
from overscan.core.rights._card import RightsCard, card_content, card_digest
from overscan.core.rights._cards import UNKNOWN_FILES, CardFile, load_cards
from overscan.core.rights._decide import decide
from overscan.core.rights._decision import Decision
from overscan.core.rights._policy import Policy, level_file, load_policy, policy_root, shots, shows
from overscan.core.rights._weights import ModelFiles, files_in, seal

_REFUSED = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    options = _parser().parse_args(arguments)
    today = datetime.now(timezone.utc).date()
    try:
        root = policy_root()
        level_file(root=root, show=options.show, shot=getattr(options, "shot", ""))  # raises for names that are none
        if options.command == "check":
            return _check(options, root, today)
        if options.command == "show":
            return _show(options, root, today)
        if options.command == "approve":
            return _approve(options, root, today)
        return _lock(options, root, today)
    except OverscanError as error:
        _say("error", error.record.to_dict())
        return _REFUSED if error.code in ("POLICY", "POLICY_FILE") else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m overscan.core.rights", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="what is allowed, and why")
    check.add_argument("name", nargs="?", default="", help="an engine or a card")
    check.add_argument("--weights", default="", help="the model's name in the library, or its folder")
    check.add_argument("--use", default="temp", choices=[use.value for use in Use])
    show = commands.add_parser("show", help="the rules that hold, and where they come from")
    approve = commands.add_parser("approve", help="add a named approval of a card")
    approve.add_argument("name", help="a card")
    approve.add_argument("--by", required=True)
    approve.add_argument("--role", default="")
    approve.add_argument("--until", default="")
    approve.add_argument("--use", action="append", choices=[use.value for use in Use])
    approve.add_argument("--reason", default="")
    approve.add_argument("--weights", default="")
    for command in (check, show, approve):
        command.add_argument("--show", default="")
        command.add_argument("--shot", default="")
    lock = commands.add_parser("lock", help="lock a show to its engines and models")
    lock.add_argument("show")
    lock.add_argument("--by", required=True)
    lock.add_argument("--model", action="append", default=[], metavar="CARD=FOLDER")
    lock.add_argument("--renew", action="store_true")
    return parser


def _check(options: argparse.Namespace, root: Path, today: date) -> int:
    """Decide on one engine or card, or on all; without a show, read every policy there is."""
    if not options.show:
        for name in shows(root=root):
            for shot in ("", *shots(root=root, show=name)):
                load_policy(root=root, show=name, shot=shot)
    policy = load_policy(root=root, show=options.show, shot=options.shot)
    given = _hashed(options.name, options.weights) if options.weights else {}
    refused = 0
    said: set[tuple[str, str]] = set()
    for kind, name, version, card in _subjects(root, options.name):
        if kind == "model" and (name, card.name) in said:
            continue
        said.add((name, card.name))
        weights = given or (_assumed(card, policy) if card.name else {})
        decision = decide(
            policy=policy,
            card=card,
            engine=name if kind == "engine" else None,
            engine_version=version,
            weights=weights,
            use=Use(options.use),
            today=today,
        )
        _say("decision", {"kind": kind, "name": name, **asdict(decision)})
        refused += not decision.allowed
    return _REFUSED if options.name and refused else 0


def _subjects(root: Path, name: str) -> list[tuple[str, str, str, RightsCard]]:
    """Engines and models by name, or the one called `name`.

    The card of an engine that loads models is that of the models it is made for: they are what is judged.
    """
    cards = load_cards(root=root)
    found = [
        ("engine", entry.name, entry.engine.card.version, _card_of(entry.engine, cards))
        for entry in installed_engines()
        if entry.engine is not None
    ]
    found += [("model", key, "", entry.card) for key, entry in sorted(cards.items())]
    chosen = [subject for subject in found if not name or subject[1] == name]
    if not chosen:
        raise PolicyError(
            f"there is no engine and no rights card called '{name}'.",
            next_step=f"There are {', '.join(subject[1] for subject in found)}.",
            field="name",
            actual=name,
        )
    return chosen


def _card_of(engine: Engine, cards: Mapping[str, CardFile]) -> RightsCard:
    """The card that a job of `engine` is judged by, as far as that is known without a job."""
    family = getattr(getattr(engine, "family", None), "card", None)
    entry = cards.get(str(getattr(family, "rights_card", "")))
    return entry.card if entry else engine.card.rights


def _assumed(card: RightsCard, policy: Policy) -> Mapping[str, str]:
    """The files that a model would be loaded from: those of its card, or of an approval of it."""
    if card.weights:
        return {file.name: file.sha256 for file in card.weights}
    approved = next((item.weights for item in policy.approvals if item.card == card.name and item.weights), ())
    return {file.name: file.sha256 for file in approved} or UNKNOWN_FILES


def _show(options: argparse.Namespace, root: Path, today: date) -> int:
    """Say what the policy is."""
    policy = load_policy(root=root, show=options.show, shot=options.shot)
    cards = {name: card for _, name, _, card in _subjects(root, "")}
    approvals = []
    for approval in policy.approvals:
        card = cards.get(approval.card)
        standing = (
            "there is no such card any more"
            if card is None
            else approval.standing(
                card_sha256=card_digest(card),
                weights={file.name: file.sha256 for file in approval.weights},
                use=approval.uses[0],
                today=today,
            )
        )
        approvals.append({**asdict(approval), "counts": not standing, "why_not": standing})
    lock = policy.lock
    _say(
        "policy",
        {
            "name": policy.name,
            "root": str(root),
            "sha256": policy.sha256,
            "files": [asdict(file) for file in policy.files],
            "rules": asdict(policy.rules),
            "approvals": approvals,
            "lock": None
            if lock is None
            else {
                "by": lock.locked_by,
                "on": lock.locked_on,
                "engines": dict(lock.engines),
                "models": {name: dict(files) for name, files in lock.models.items()},
            },
        },
    )
    return 0


def _approve(options: argparse.Namespace, root: Path, today: date) -> int:
    """Add an approval."""
    _, name, version, card = _subjects(root, options.name)[-1]
    name = card.name or name
    weights = _hashed(name, options.weights) if options.weights else {}
    if card.name and not weights:
        weights = {file.name: file.sha256 for file in card.weights} or _registered(name)
    path, decision = _write.approve(
        root=root,
        subject=_write.Subject(card=card, name=name, version=version, weights=weights),
        by=options.by,
        role=options.role,
        until=options.until,
        uses=options.use or ["temp"],
        reason=options.reason,
        show=options.show,
        shot=options.shot,
        today=today,
    )
    _say("approval", {"path": str(path), "card": card_content(card), **_facts(decision)})
    return 0


def _lock(options: argparse.Namespace, root: Path, today: date) -> int:
    """Lock a show."""
    engines = {name: version for kind, name, version, _ in _subjects(root, "") if kind == "engine"}
    models = []
    for given in options.model:
        name, separator, folder = given.partition("=")
        if not separator:
            raise PolicyError(
                f"'{given}' names no folder.", next_step="Write --model CARD=FOLDER.", field="model", actual=given
            )
        card = _subjects(root, name)[-1][3]
        name = card.name or name
        models.append(_write.Subject(card=card, name=name, weights=_hashed(name, folder)))
    path = _write.lock(
        root=root, show=options.show, engines=engines, models=models, by=options.by, renew=options.renew, today=today
    )
    _say(
        "lock",
        {
            "path": str(path),
            "engines": engines,
            "models": {model.name: dict(model.weights) for model in models},
        },
    )
    return 0


def _hashed(name: str, given: str) -> Mapping[str, str]:
    """The hashes of a model's files: of one of the library by its name, or of a folder."""
    shelf = library()
    if given in shelf.names():
        model = shelf.find(given)
        shelf.require_unchanged(model)
        return model.hashes
    folder = Path(given)
    files = (
        {inside: folder / inside for inside in accepted(folder).files}
        if (folder / INDEX).is_file()
        else files_in(folder)
    )
    if not files:
        raise PolicyError(
            f"there are no weights (*.safetensors) in {given}, and no model of that name in the library.",
            next_step="Name the model's folder, or a model that `overscan models list` shows.",
            path=given,
            field="weights",
        )
    return seal(ModelFiles(name=name, files=files)).hashes


def _registered(card: str) -> Mapping[str, str]:
    """The hashes of the model of the library that goes by `card`; none where there is none.

    Raises `PolicyError` where several do: nobody has said which is meant.
    """
    shelf = library()
    found = [model for model in shelf.list() if model.rights_card == card]
    if len(found) > 1:
        raise PolicyError(
            f"the library has {len(found)} models that go by the card '{card}'.",
            next_step=f"Say which with --weights: {', '.join(model.name for model in found)}.",
            field="weights",
        )
    return _hashed(card, found[0].name) if found else {}


def _facts(decision: Decision) -> dict[str, object]:
    return {"name": decision.card, **asdict(decision)}


def _say(kind: str, facts: Mapping[str, object]) -> None:
    print(json.dumps({"type": kind, **facts}, allow_nan=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
