"""Says what the service's settings are, where each comes from, and what it means, as JSON lines."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from overscan.core.errors import OverscanError
from overscan.service._settings import Settings
from overscan.service.operations.config import Configuration, Origin, secret_settings, usual_files
from overscan.service.operations.start_check import words

_HIDDEN = "(hidden)"


def show(configuration: Configuration) -> Iterator[str]:
    """A line for each setting, then one for what the whole was made of."""
    documented = documentation()
    defaults = Settings.model_fields
    for name in Settings.model_fields:
        origin = configuration.origins.get(name, Origin(kind="default"))
        default = defaults[name].get_default(call_default_factory=True)
        yield _line(
            "setting",
            name=name,
            value=_shown(name, getattr(configuration.settings, name)),
            default=_shown(name, default),
            origin=origin.kind,
            where=origin.where,
            line=origin.line,
            variable=f"OVERSCAN_{name.upper()}",
            secret=name in secret_settings(),
            documentation=documented[name],
        )
    yield _line(
        "configuration",
        files=[str(path) for path in configuration.files],
        usual_files=[str(path) for path in usual_files()],
        remarks=list(configuration.remarks),
    )


def refuse(problems: Iterable[str]) -> Iterator[str]:
    """A line for each thing that is wrong, as the errors that the command line knows."""
    for problem in problems:
        yield _error("SETTINGS", f"{problem.rstrip('.')}.", "Mend it, or take the setting out.")


def refuse_start(errors: Iterable[OverscanError]) -> Iterator[str]:
    """A line for each reason not to start, likewise."""
    for error in errors:
        yield _error(error.record.code, words(error), error.record.next_step)


def documentation() -> dict[str, str]:
    """What the string below each field of `Settings` says; empty where there is none."""
    said = dict.fromkeys(Settings.model_fields, "")
    (definition,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(definition, ast.ClassDef)
    body = definition.body
    for statement, below in itertools.pairwise(body):
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            said[statement.target.id] = " ".join(below.value.value.split()).replace("``", "`")
    return said


def _shown(name: str, value: object) -> Any:
    """A value as JSON has it; of a secret, what may be told."""
    if value is None or value == "" or isinstance(value, (bool, int, float)):
        return value
    if name in secret_settings():
        hidden = re.sub(r"(//[^:/@]*):[^@]*@", r"\1:(hidden)@", str(value))
        return hidden if hidden != str(value) else _HIDDEN
    if isinstance(value, (str, Path)):
        return str(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_shown(name, item) for item in value]
    if isinstance(value, dict):
        return {str(key): _shown(name, item) for key, item in value.items()}
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else str(value)


def _error(code: str, message: str, next_step: str) -> str:
    return _line("error", code=code, message=message, next_step=next_step)


def _line(kind: str, **facts: object) -> str:
    return json.dumps({"type": kind, **facts})
