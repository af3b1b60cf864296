"""The model library from the command line: ``python -m overscan.core.models add|list|show|verify|remove``.

Every line on stdout is one JSON object with a ``type``; `overscan models` shows them to people. Returns 0, and 1 for
what is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from overscan.core.engines import installed_engines
from overscan.core.errors import ErrorRecord, ModelError, OverscanError
from overscan.core.jobs import Use
from overscan.core.models._choice import ModelFamily
from overscan.core.models._folder import ModelFolder
from overscan.core.models._inspect import inspect_folder
from overscan.core.models._library import faults_against, library
from overscan.core.rights import cards_of, decide, load_cards, load_policy, policy_root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    options = _parser().parse_args(arguments)
    try:
        commands = {"add": _add, "list": _list, "show": _show, "verify": _verify, "remove": _remove}
        return commands[options.command](options)
    except OverscanError as error:
        _say("error", error.record.to_dict())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m overscan.core.models", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="look a model's folder over and enter it")
    add.add_argument("folder", type=Path)
    add.add_argument("--name", default="")
    add.add_argument("--card", default="")
    add.add_argument("--source", default="")
    add.add_argument("--copy", action="store_true")
    add.add_argument("--expect", type=Path, help="a JSON file: SHA-256 by file, as the publisher has them")
    commands.add_parser("list", help="what is there")
    show = commands.add_parser("show", help="one model, and what the policy says of it")
    show.add_argument("--show", default="")
    show.add_argument("--shot", default="")
    show.add_argument("--use", default="temp", choices=[use.value for use in Use])
    verify = commands.add_parser("verify", help="hash all files again")
    remove = commands.add_parser("remove", help="forget a model")
    remove.add_argument("--delete-files", action="store_true")
    for command in (show, verify, remove):
        command.add_argument("name")
    return parser


def _add(options: argparse.Namespace) -> int:
    """Enter a model; everything that is wrong with it is said."""
    found = inspect_folder(options.folder)
    faults = faults_against(found, copied=options.copy)
    if faults:
        for fault in faults:
            _say("error", fault.to_dict())
        return 1
    card = options.card or _usual_card(found.pipeline)
    _require_card(card)
    shelf = library()
    model = shelf.add(options.folder, name=options.name, card=card, source=options.source, copy=options.copy)
    if options.expect:
        wrong = _unexpected(model, json.loads(options.expect.read_text(encoding="utf-8")))
        if wrong:
            shelf.remove(model.name)
            _say("error", wrong.to_dict())
            return 1
    _say("model", {**_facts(model), "notes": list(found.notes)})
    _judge(model, show="", shot="", use=Use.TEMP)
    return 0


def _unexpected(model: ModelFolder, expected: Mapping[str, str]) -> ErrorRecord | None:
    """What is wrong where a file is not the one that its publisher has."""
    for name, sha256 in sorted(expected.items()):
        if name in model.hashes and model.hashes[name] != sha256:
            return ModelError(
                f"'{name}' is not the file that was published: its hash is {model.hashes[name][:12]}…, and that of the "
                f"published one {sha256[:12]}….",
                next_step="Remove it and download it again.",
                path=model.files[name],
                expected=sha256,
                actual=model.hashes[name],
            ).record
    return None


def _list(_: argparse.Namespace) -> int:
    shelf = library()
    wrong = 0
    for name in shelf.names():
        try:
            model = shelf.find(name)
        except OverscanError as error:
            wrong = 1
            _say("error", error.record.to_dict())
            continue
        _say("model", {**_facts(model), "there": model.path.is_dir()})
    return wrong


def _show(options: argparse.Namespace) -> int:
    model = library().find(options.name)
    _say("model", {**_facts(model), "there": model.path.is_dir()})
    _judge(model, show=options.show, shot=options.shot, use=Use(options.use))
    return 0


def _verify(options: argparse.Namespace) -> int:
    shelf = library()
    model = shelf.find(options.name)
    counts: dict[str, int] = {}
    for item in shelf.changes(model):
        counts[item.state] = counts.get(item.state, 0) + 1
        _say("file", {"name": item.name, "state": item.state})
    _say("verified", {"name": model.name, "ok": set(counts) <= {"intact"}, **counts})
    return 0


def _remove(options: argparse.Namespace) -> int:
    shelf = library()
    try:
        path = str(shelf.find(options.name).path)
    except ModelError:  # a record that cannot be read can still be removed
        path = ""
    deleted = shelf.remove(options.name, delete_files=options.delete_files)
    _say("removed", {"name": options.name, "path": path, "files_deleted": deleted})
    return 0


def _engines() -> list[ModelFamily]:
    """What the installed engines say of the models that they run."""
    families = (getattr(getattr(entry.engine, "family", None), "card", None) for entry in installed_engines())
    return [family for family in families if family is not None]


def _usual_card(pipeline: str) -> str:
    """The rights card of models of that class. Raises `ModelError` where nothing, or too much, says so."""
    fitting = [family for family in _engines() if pipeline in family.pipelines]
    cards = sorted({str(getattr(family, "rights_card", "")) for family in fitting} - {""})
    if len(cards) == 1:
        return cards[0]
    if not fitting:
        known = sorted({name for family in _engines() for name in family.pipelines})
        raise ModelError(
            f"no engine that is installed runs a {pipeline}.",
            next_step=f"Add a model of one of the classes {', '.join(known)}; or name its rights card with --card, to "
            "keep it for an engine that is yet to be installed.",
            field="_class_name",
            expected=" or ".join(known),
            actual=pipeline,
        )
    raise ModelError(
        f"models of the class {pipeline} are of different makers.",
        next_step=f"Name the rights card with --card: {', '.join(cards)}.",
        field="card",
    )


def _require_card(name: str) -> None:
    there = load_cards(root=policy_root())
    if name not in there:
        raise ModelError(
            f"there is no rights card called '{name}'.",
            next_step=f"There are {', '.join(sorted(there))}; a studio's own go into the policies' folder `cards`.",
            field="card",
            actual=name,
        )


def _judge(model: ModelFolder, *, show: str, shot: str, use: Use) -> None:
    """Say what the policy says of a model, by the files that were added."""
    root = policy_root()
    policy = load_policy(root=root, show=show, shot=shot)
    cards = cards_of(name=model.rights_card, weights=model.hashes, cards=load_cards(root=root))
    today = datetime.now(timezone.utc).date()
    for card in cards:
        decision = decide(policy=policy, card=card, engine=None, weights=model.hashes, use=use, today=today)
        licence = {"licence": card.licence, "licence_url": card.licence_url, "maker": card.maker}
        _say("decision", {"kind": "model", "name": card.name, **licence, **asdict(decision), "weights": []})


def _facts(model: ModelFolder) -> dict[str, object]:
    return {
        "name": model.name,
        "path": str(model.path),
        "pipeline": model.pipeline,
        "engines": sorted(family.name for family in _engines() if model.pipeline in family.pipelines),
        "components": {name: ".".join(kind) for name, kind in model.components.items()},
        "variant": model.variant,
        "rights_card": model.rights_card,
        "source": model.source,
        "added": model.added,
        "copied": model.copied,
        "bytes": sum(model.sizes.values()),
        "bytes_of": dict(model.bytes_of),
        "loras": sorted(model.loras),
        "files": [
            {"name": name, "sha256": model.hashes[name], "bytes": model.sizes[name]} for name in sorted(model.files)
        ],
    }


def _say(kind: str, facts: Mapping[str, object]) -> None:
    print(json.dumps({"type": kind, **facts}, allow_nan=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
