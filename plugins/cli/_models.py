"""`overscan models`: which folders on this machine are models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from overscan.cli._ask_core import ask_core, given, record
from overscan.cli._exit import ExitCode
from overscan.cli._report import Outcome, Report
from overscan.cli._words import columns, plural, size

_HASH_SHOWN = 12


def add(
    folder: str, *, name: str, card: str, source: str, copy: bool, report: Report, expect: Path | None = None
) -> Outcome:
    """Enter a model, and say what is next."""
    report.note("Looking the folder over and hashing its files …")
    options = given(
        {
            "name": name or None,
            "card": card or None,
            "source": source or None,
            "expect": None if expect is None else str(expect),
        }
    )
    found = ask("add", *options, *(["--copy"] if copy else []), "--", str(Path(folder).expanduser().absolute()))
    record(found, report)
    model = found[0]
    report.say(f"Added as '{model['name']}': {_sentence(model)}")
    for note in model["notes"]:
        report.note(f"note: {note}.")
    decisions = found[1:]
    for line in decisions:
        report.say(_verdict(line, model["name"]))
    return Outcome(facts={"name": model["name"], "allowed": all(line["allowed"] for line in decisions)})


def list_models(*, report: Report) -> Outcome:
    """Show all models in short."""
    found = ask("list")
    record(found, report)
    rows: list[tuple[str, ...]] = [
        (
            line["name"],
            line["pipeline"],
            ", ".join(line["engines"]) or "no engine",
            size(line["bytes"]),
            line["path"] if line["there"] else f"{line['path']} (is not there)",
        )
        for line in found
    ]
    report.say(columns(rows) if rows else "The library is empty. `overscan models add FOLDER` adds a model.")
    return Outcome(facts={"count": len(found)})


def show(name: str, *, show: str, shot: str, use: str, report: Report) -> Outcome:
    """Show one model at length."""
    found = ask("show", *given({"show": show or None, "shot": shot or None, "use": use}), "--", name)
    record(found, report)
    model, *decisions = found
    report.say(f"{model['name']}: {_sentence(model)}")
    rows: list[tuple[str, ...]] = [("folder", model["path"] + ("" if model["there"] else " (is not there)"))]
    rows += [("from", model["source"])] if model["source"] else []
    rows += [("added", model["added"]), ("rights card", model["rights_card"])]
    rows += [("licence", f"{line['licence'] or 'not said'} {line['licence_url']}".strip()) for line in decisions]
    rows += [("loras", ", ".join(model["loras"]))] if model["loras"] else []
    report.say(columns(rows, indent="  "))
    parts = [
        (part, kind, size(model["bytes_of"][part]) if part in model["bytes_of"] else "")
        for part, kind in model["components"].items()
    ]
    report.say(columns([*parts], indent="    "))
    report.say(f"  {plural(len(model['files']), 'file')} that loading reads:")
    report.say(columns([(file["sha256"], size(file["bytes"]), file["name"]) for file in model["files"]], indent="    "))
    for line in decisions:
        report.say(_verdict(line, model["name"]))
    return Outcome(facts={"name": model["name"], "allowed": all(line["allowed"] for line in decisions)})


def verify(name: str, *, report: Report) -> Outcome:
    """Compare a model with what was added."""
    report.note("Hashing its files …")
    *files, whole = ask("verify", "--", name)
    record([*files, whole], report)
    for file in files:
        if file["state"] != "intact":
            report.say(f"{file['state']}: {file['name']}")
    if whole["ok"]:
        report.say(f"'{name}' is what was added: {plural(len(files), 'file')} intact.")
    else:
        report.say(
            f"'{name}' is not what was added, and no job runs with it. Put its own files back; or remove it from the "
            "library and add it again."
        )
    return Outcome(exit_code=ExitCode.OK if whole["ok"] else ExitCode.INPUT, facts={"name": name, "ok": whole["ok"]})


def remove(name: str, *, delete_files: bool, report: Report) -> Outcome:
    """Forget a model."""
    (line,) = ask("remove", *(["--delete-files"] if delete_files else []), "--", name)
    record([line], report)
    left = "Its copy is deleted." if line["files_deleted"] else f"Its folder stays: {line['path'] or 'not known'}."
    report.say(f"'{name}' is no longer in the library. {left}")
    return Outcome(facts={"name": name, "files_deleted": line["files_deleted"]})


def ask(*arguments: str) -> list[dict[str, Any]]:
    """What core says of the library."""
    return ask_core("models", *arguments, what="The model library could not be read")


def _sentence(model: dict[str, Any]) -> str:
    engines: Sequence[str] = model["engines"]
    runs = f"for the engine {' or '.join(engines)}" if engines else "which no installed engine runs"
    variant = f", {model['variant']}" if model["variant"] else ""
    return f"{model['pipeline']}{variant}, {size(model['bytes'])}, {runs}."


def _verdict(decision: dict[str, Any], name: str) -> str:
    """What the policy says, and the command that would change it."""
    if decision["allowed"]:
        return f"policy: allowed. {decision['reason']}"
    lines = [f"policy: not allowed. {objection['reason']}" for objection in decision["objections"]]
    lines.append(f'  an approval by name: overscan policy approve {decision["name"]} --weights {name} --by "YOUR NAME"')
    return "\n".join(lines)
