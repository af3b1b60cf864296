"""The clearance ledger from the command line: ``python -m overscan.core.ledger add|list|revoke|trace|state``.

The home folder is ``$OVERSCAN_HOME``. Every line on stdout is one JSON object with a ``type``; `overscan rights` shows
them to people. Returns 0, and 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime, timezone
from pathlib import Path

from overscan.core import plates
from overscan.core.errors import OverscanError
from overscan.core.frames import format_frames
from overscan.core.jobs import Use
from overscan.core.ledger._asset import Answer, Asset, AssetFile, AssetKind, Consent, Question, Revocation, Statement
from overscan.core.ledger._standing import objection
from overscan.core.ledger._store import Contents, Ledger, LedgerError, read_ledger
from overscan.core.ledger._trace import Made, trace


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    options = _parser().parse_args(arguments)
    home = Path(os.environ["OVERSCAN_HOME"])
    today = datetime.now(timezone.utc).date()
    commands = {"add": _add, "list": _list, "revoke": _revoke, "trace": _trace, "state": _state}
    try:
        commands[options.command](options, home, today)
    except OverscanError as error:
        _say("error", error.record.to_dict())
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m overscan.core.ledger", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="enter an asset, or new facts of one")
    add.add_argument("id")
    add.add_argument("files", nargs="*", metavar="FILE", help="files, or path patterns of sequences")
    add.add_argument("--update", action="store_true", help="the asset is there already")
    add.add_argument("--by", required=True)
    add.add_argument("--kind", choices=[kind.value for kind in AssetKind])
    add.add_argument("--consent", choices=[consent.value for consent in Consent])
    for name in ("author", "licence", "source", "consent-evidence", "valid-from", "expires", "note"):
        add.add_argument(f"--{name}")
    for name in ("person", "show", "use"):
        add.add_argument(f"--{name}", action="append", choices=[use.value for use in Use] if name == "use" else None)
    listing = commands.add_parser("list", help="the assets and how they stand")
    listing.add_argument("--show", default="")
    revoke = commands.add_parser("revoke", help="say that an asset may be used no more")
    revoke.add_argument("id")
    revoke.add_argument("--undo", action="store_true")
    revoke.add_argument("--by", required=True)
    revoke.add_argument("--reason", required=True)
    revoke.add_argument("--on", default="")
    commands.add_parser("trace", help="what was made with an asset").add_argument("id")
    state = commands.add_parser("state", help="put on record what no machine can know")
    state.add_argument("question", choices=[question.value for question in Question])
    state.add_argument("answer", choices=[answer.value for answer in Answer])
    for name in ("by", "evidence"):
        state.add_argument(f"--{name}", required=True)
    for name in ("show", "shot"):
        state.add_argument(f"--{name}", default="")
    return parser


def _add(options: argparse.Namespace, home: Path, today: date) -> None:
    there = read_ledger(home=home).assets.get(options.id) if options.update else None
    asset = there or Asset(
        id=options.id,
        kind=AssetKind.REFERENCE,
        author=options.author or "",
        licence=options.licence or "",
        entered_on=today.isoformat(),
    )
    given: dict[str, object] = {
        "kind": AssetKind(options.kind) if options.kind else None,
        "consent": Consent(options.consent) if options.consent else None,
        "author": options.author,
        "licence": options.licence,
        "source": options.source,
        "consent_evidence": options.consent_evidence,
        "valid_from": _day(options.valid_from, "valid-from"),
        "expires_on": _day(options.expires, "expires"),
        "note": options.note,
        "people": _several(options.person),
        "shows": _several(options.show),
        "uses": _several(options.use),
        "files": _files(options.files) if options.files else None,
    }
    asset = replace(asset, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    if not asset.files:
        raise LedgerError(
            "an asset needs its files: it is known by their content.", next_step="Name them.", field="files"
        )
    entered = Ledger(home=home).enter(replace(asset, entered_by=options.by), update=options.update)
    _say("asset", _facts(entered, today))


def _list(options: argparse.Namespace, home: Path, today: date) -> None:
    contents = read_ledger(home=home)
    for asset in sorted(contents.assets.values(), key=lambda asset: asset.id):
        if not options.show or not asset.shows or options.show in asset.shows:
            _say("asset", _facts(asset, today, show=options.show))
    for statement in contents.statements:
        if statement.show in ("", options.show) or not options.show:
            _say("statement", asdict(statement))


def _revoke(options: argparse.Namespace, home: Path, today: date) -> None:
    ledger, on = Ledger(home=home), _day(options.on, "on") or today.isoformat()
    if options.undo:
        ledger.restore(options.id, by=options.by, on=on, reason=options.reason)
    else:
        ledger.revoke(options.id, revocation=Revocation(by=options.by, on=on, reason=options.reason))
    _say("asset", _facts(read_ledger(home=home).assets[options.id], today))


def _trace(options: argparse.Namespace, home: Path, today: date) -> None:
    asset = _known(read_ledger(home=home), options.id)
    _say("asset", _facts(asset, today))
    for made in trace(asset=asset, home=home):
        _say("made", _made_facts(made))


def _state(options: argparse.Namespace, home: Path, today: date) -> None:
    statement = Statement(
        question=Question(options.question),
        answer=Answer(options.answer),
        by=options.by,
        on=today.isoformat(),
        evidence=options.evidence,
        show=options.show,
        shot=options.shot,
    )
    Ledger(home=home).state(statement)
    _say("statement", asdict(statement))


def _known(contents: Contents, name: str) -> Asset:
    if name not in contents.assets:
        raise LedgerError(
            f"there is no asset '{name}' in the clearance ledger.",
            next_step="`overscan rights list` shows them.",
            field="id",
            actual=name,
        )
    return contents.assets[name]


def _files(patterns: Iterable[str]) -> tuple[AssetFile, ...]:
    found = []
    for pattern in patterns:
        sequence = plates.Sequence.find(pattern=os.path.abspath(pattern))  # noqa: PTH100 (a pattern is no path)
        for number in sequence.frames:
            path = sequence.path(number).resolve()
            found.append(AssetFile(path=str(path), bytes=path.stat().st_size, sha256=plates.sha256_of(path)))
    return tuple(found)


def _several(given: list[str] | None) -> tuple[str, ...] | None:
    """A list that was given; empty where only an empty text was, which takes back what was there."""
    return None if given is None else tuple(item for item in given if item)


def _day(text: str | None, name: str) -> str | None:
    if not text:
        return text
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise LedgerError(
            f"'{text}' is no day.", next_step="Write it like 2026-11-23.", field=name, actual=text
        ) from None


def _facts(asset: Asset, today: date, *, show: str = "") -> dict[str, object]:
    """An asset, and whether it may be used today, by a show that may use it where none is named."""
    why = objection(
        asset,
        show=show or (asset.shows[0] if asset.shows else ""),
        use=asset.uses[0] if asset.uses else Use.TEMP.value,
        today=today,
    )
    return {**asdict(asset), "cleared": why is None, "reason": why[0] if why else "", "remedy": why[1] if why else ""}


def _made_facts(made: Made) -> dict[str, object]:
    receipt = made.receipt
    folder = Path(str(receipt.job.spec.get("output", {}).get("path", ""))).parent
    there = [frame for frame in made.frames if _is_there(folder / frame.path, frame.bytes)]
    return {
        "job": receipt.run.job_id,
        "show": receipt.job.labels.get("show", ""),
        "shot": receipt.job.labels.get("shot", ""),
        "task": receipt.job.task,
        "use": receipt.job.use,
        "ended": receipt.run.times.ended,
        "roles": made.roles,
        "through": made.through,
        "shaped_only": made.shaped_only,
        "frames": format_frames(frame.frame for frame in made.frames),
        "count": len(made.frames),
        "of": len(receipt.frames),
        "on_disk": len(there),
        "output": str(folder / receipt.result.pattern),
        "receipt": str(made.archived),
    }


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _say(kind: str, facts: Mapping[str, object]) -> None:
    print(json.dumps({"type": kind, **facts}, allow_nan=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
