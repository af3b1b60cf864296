"""`overscan rights`: the clearance ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from overscan.cli._ask_core import ask_core, given, record
from overscan.cli._report import Outcome, Report
from overscan.cli._words import columns, plural


def add(
    asset: str,
    *,
    files: Sequence[str],
    update: bool,
    several: Mapping[str, Sequence[str] | None],
    options: dict[str, str | None],
    report: Report,
) -> Outcome:
    """Enter an asset, or what is new of one."""
    lists = [f"--{name}={value}" for name, values in several.items() for value in values or ()]
    (line,) = _ask("add", *(["--update"] if update else []), *given(options), *lists, "--", asset, *files)
    record([line], report)
    report.say(f"{'Changed' if update else 'Entered'}: {_asset(line)}")
    return Outcome(facts={"id": line["id"], "files": len(line["files"]), "cleared": line["cleared"]})


def list_assets(*, show: str, report: Report) -> Outcome:
    """Show the assets, how they stand, and what was stated."""
    found = _ask("list", *([f"--show={show}"] if show else []))
    record(found, report)
    assets = [line for line in found if line["type"] == "asset"]
    rows: list[tuple[str, ...]] = [
        (line["id"], line["kind"], line["author"], line["licence"], _standing(line)) for line in assets
    ]
    report.say(columns(rows) if rows else "There is no asset in the clearance ledger.")
    statements = [line for line in found if line["type"] == "statement"]
    for line in statements:
        report.say(_statement(line))
    refused = sum(not line["cleared"] for line in assets)
    return Outcome(facts={"count": len(assets), "cleared": len(assets) - refused, "statements": len(statements)})


def revoke(asset: str, *, by: str, reason: str, on: str, undo: bool, report: Report) -> Outcome:
    """Say that an asset may be used no more, or take that back."""
    options = given({"by": by, "reason": reason, "on": on or None})
    (line,) = _ask("revoke", *(["--undo"] if undo else []), *options, "--", asset)
    record([line], report)
    report.say(f"{'Restored' if undo else 'Revoked'}: {_asset(line)}")
    if not undo:
        report.note(f"`overscan rights trace {asset}` lists what was made with it.")
    return Outcome(facts={"id": line["id"], "cleared": line["cleared"]})


def trace(asset: str, *, report: Report) -> Outcome:
    """Show what was made with an asset, and so what has to be made again when it goes."""
    about, *made = _ask("trace", "--", asset)
    record([about, *made], report)
    report.say(_asset(about))
    if not made:
        report.say("Nothing was made with it, by the receipts of this home folder.")
    for line in made:
        where = " ".join(filter(None, (line["show"], line["shot"]))) or "no shot named"
        report.say(
            f"  {where}: {line['task']}, {line['use']}, job {line['job'][:8]}, {plural(line['count'], 'frame')} of "
            f"{line['of']} ({line['frames']}), {line['on_disk']} still there: {line['output']}"
        )
        report.say(f"    read as {', '.join(line['roles'])}{_through(line)}{_shaped(line)}")
    count = sum(line["count"] for line in made)
    if made and not about["cleared"]:
        report.say(f"To be made again without it: {plural(count, 'frame')} of {plural(len(made), 'job')}.")
    return Outcome(facts={"id": asset, "jobs": len(made), "frames": count, "cleared": about["cleared"]})


def state(question: str, answer: str, *, options: dict[str, str | None], report: Report) -> Outcome:
    """Put on record what no machine can know."""
    (line,) = _ask("state", *given(options), "--", question, answer)
    record([line], report)
    report.say(_statement(line))
    return Outcome(facts={"question": question, "answer": answer})


def _ask(*arguments: str) -> list[dict[str, Any]]:
    return ask_core("ledger", *arguments, what="The clearance ledger could not be asked")


def _asset(line: dict[str, Any]) -> str:
    files = plural(len(line["files"]), "file")
    return f"{line['id']}, {line['kind']} by {line['author']}, {line['licence']}, {files}: {_standing(line)}"


def _standing(line: dict[str, Any]) -> str:
    if not line["cleared"]:
        return f"not cleared: {line['reason']}"
    until = f" until {line['expires_on']}" if line["expires_on"] else ""
    shows = f" for {', '.join(line['shows'])}" if line["shows"] else ""
    return f"cleared{shows}{until}"


def _statement(line: dict[str, Any]) -> str:
    about = " ".join(filter(None, (line["show"], line["shot"]))) or "all shows"
    return (
        f"stated for {about}: {line['question']}: {line['answer']}, by {line['by']} on {line['on']}: {line['evidence']}"
    )


def _through(line: dict[str, Any]) -> str:
    return f", through job {', '.join(job[:8] for job in line['through'])}" if line["through"] else ""


def _shaped(line: dict[str, Any]) -> str:
    return "; it said where, and no light of it can be in the frames" if line["shaped_only"] else ""
