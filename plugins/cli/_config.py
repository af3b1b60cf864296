"""`overscan config`: what the service's settings are, and where each comes from."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from overscan.cli._ask_core import ask_service, given, record
from overscan.cli._report import Outcome, Report
from overscan.cli._words import plural

_WIDTH = 110


def show(*, config: str | None, changed: bool, report: Report) -> Outcome:
    """Show every setting that a service started now would have, or those alone that are no defaults."""
    found = ask_service("__main__", "--show-config", *given({"config": config}), what="the settings cannot be read")
    whole = [line for line in found if line["type"] == "setting"]
    settings = [line for line in whole if not changed or line["origin"] != "default"]
    (made,) = [line for line in found if line["type"] == "configuration"]
    record([*settings, made], report)
    for setting in settings:
        report.say(f"{setting['name']} = {_written(setting['value'])}   # {_origin(setting)}")
        for line in textwrap.wrap(setting["documentation"], _WIDTH - 4):
            report.say(f"    {line}")
    if not settings:
        report.say(f"All {plural(len(whole), 'setting')} have their defaults.")
    if not made["files"]:
        report.note(f"No file was read; the usual ones are {' and '.join(made['usual_files'])}.")
    for remark in made["remarks"]:
        report.note(f"warning: {remark}")
    return Outcome(facts={"settings": len(settings), "files": made["files"]})


def check(file: str, *, report: Report) -> Outcome:
    """Try a file of settings, by itself."""
    found = ask_service("__main__", f"--check-config={file}", what="the file cannot be checked")
    chosen = [line for line in found if line["type"] == "setting" and line["origin"] == "file"]
    record(chosen, report)
    report.say(f"{file} is good: {plural(len(chosen), 'setting')}.")
    return Outcome(facts={"settings": len(chosen), "file": file})


def _origin(setting: dict[str, Any]) -> str:
    if setting["origin"] == "default":
        return "default"
    return f"{setting['where']}:{setting['line']}" if setting["line"] else str(setting["where"])


def _written(value: Any) -> str:
    """A value as TOML has it; TOML has no word for nothing."""
    return "unset" if value is None else json.dumps(value, ensure_ascii=False)
