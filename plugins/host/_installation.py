"""Where the host's half was laid down, and how the bridge is started from there."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overscan_host._errors import BridgeError, failure

_RECORD = "overscan_install.json"
_SCHEMA = 1


@dataclass(frozen=True)
class Installation:
    """A laid-down plugin."""

    folder: Path | None
    """The folder with ``overscan_install.json``; None where only ``$OVERSCAN_COMMAND`` is known."""
    version: str
    """Version of Overscan that laid it down; empty where not known."""
    command: tuple[str, ...]
    """Starts the bridge; never empty."""


def installation(folder: str | os.PathLike[str] | None = None, *, preferred: str = "") -> Installation:
    """What ``overscan_install.json`` says, two folders above this package (or in `folder`).

    ``$OVERSCAN_COMMAND``, a command line or a JSON list, takes the place of its command, and so does `preferred` where
    that is not set: what a machine's administrator says goes before what an artist prefers. Raises `BridgeError`
    (``BRIDGE_NOT_INSTALLED``) where none is there, or where the record is damaged.
    """
    place = Path(folder) if folder is not None else Path(os.path.abspath(__file__)).parent.parent.parent  # noqa: PTH100
    override = os.environ.get("OVERSCAN_COMMAND", "").strip() or preferred.strip()
    record = place / _RECORD
    if not record.is_file():
        if override:
            return Installation(folder=None, version="", command=_command_line(override))
        raise failure(
            "BRIDGE_NOT_INSTALLED",
            f"This copy of the Overscan plugin does not know where Overscan is: {record} is missing.",
            "Lay the plugin down with `overscan install`, or set OVERSCAN_COMMAND to the command that starts the "
            "bridge, e.g. `/opt/overscan/bin/overscan bridge`.",
            path=str(record),
        )
    try:
        plain = json.loads(record.read_text(encoding="utf-8"))
        version, command = _read(plain)
    except (OSError, ValueError) as error:
        if not override:
            raise _damaged(record, str(error)) from error
        version, command = "", ()
    return Installation(folder=place, version=version, command=_command_line(override) if override else command)


def _read(plain: Any) -> tuple[str, tuple[str, ...]]:
    if not isinstance(plain, dict) or plain.get("schema") != _SCHEMA:
        raise ValueError(f"it is not a record of schema {_SCHEMA}")
    command = plain.get("command")
    if not isinstance(command, list) or not command or not all(isinstance(word, str) and word for word in command):
        raise ValueError("its command is not a list of words")
    return str(plain.get("version") or ""), tuple(command)


def _command_line(text: str) -> tuple[str, ...]:
    try:
        if text.startswith("["):
            words = json.loads(text)
        elif os.name == "nt":  # shlex takes a backslash for an escape, which in a path of Windows it is not
            words = [word.strip('"') for word in shlex.split(text, posix=False)]
        else:
            words = shlex.split(text)
        if words and all(isinstance(word, str) for word in words):
            return tuple(words)
    except ValueError:
        pass
    raise failure(
        "BRIDGE_NOT_INSTALLED",
        f"The command for Overscan's helper is '{text}', which is no command line.",
        "Write it (OVERSCAN_COMMAND, or the host's preference) like `/opt/overscan/bin/overscan bridge`, or as a JSON "
        "list of words.",
    )


def _damaged(record: Path, why: str) -> BridgeError:
    return failure(
        "BRIDGE_NOT_INSTALLED",
        f"The record of the Overscan plugin, {record}, cannot be used: {why}.",
        "Lay the plugin down again with `overscan install`.",
        path=str(record),
    )
