"""The file of users: ``python -m overscan.service.security.users_command add|list|remove|rotate|audit``.

Which file that is, the service's settings say. Every line on stdout is one JSON object with a ``type``; `overscan
users` and `overscan audit` show them to people. Returns 0, and 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from overscan.core.errors import OverscanError
from overscan.service._errors import SettingsError, UsersFileError
from overscan.service._settings import Settings
from overscan.service.operations.config import configure
from overscan.service.security.audit import check_audit
from overscan.service.security.roles import Role
from overscan.service.security.users import User, check_name, new_token, read_users, with_token, write_users
from overscan.service.workers.locks import FileLock

_LOCK_SECONDS_MAX = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    options = _parser().parse_args(arguments)
    commands: dict[str, Callable[[argparse.Namespace, Settings], int]] = {
        "add": _add,
        "list": _list,
        "remove": _remove,
        "rotate": _rotate,
        "audit": _audit,
    }
    try:
        return commands[options.command](options, configure(flags={}).settings)
    except SettingsError as error:
        for problem in error.problems:
            _say("error", {"code": "SETTINGS", "message": problem, "next_step": "See `overscan config show`."})
    except OverscanError as error:
        _say("error", error.record.to_dict())
    except OSError as error:
        what = f"the file of users cannot be written: {error}."
        _say("error", UsersFileError(what, next_step="Check the folder and its mode.").record.to_dict())
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m overscan.service.security.users_command", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="add a user")
    add.add_argument("--role", required=True, choices=[role.word for role in Role])
    rotate = commands.add_parser("rotate", help="give a user a new token")
    rotate.add_argument("--overlap", type=float, default=0.0, metavar="HOURS", help="the old token holds for so long")
    for command in (add, rotate):
        command.add_argument("--days", type=float, help="the token ends after so long")
    for command in (add, rotate, commands.add_parser("remove", help="remove a user")):
        command.add_argument("name")
    commands.add_parser("list", help="the users")
    commands.add_parser("audit", help="check the audit log")
    return parser


def _add(options: argparse.Namespace, settings: Settings) -> int:
    name = check_name(options.name)
    with _changing(settings.users) as users:
        if name in users:
            raise UsersFileError(
                f"there is a user '{name}' already.",
                next_step=f"`overscan users rotate {name}` gives them a new token; remove them to change their role.",
                path=settings.users,
                actual=name,
            )
        text, kept = new_token(days=_days(options.days))
        users[name] = User(name=name, role=Role[options.role.upper()], tokens=(kept,))
    _say("token", {"name": name, "token": text, "file": str(settings.users)})
    _say("user", _facts(users[name]))
    return 0


def _rotate(options: argparse.Namespace, settings: Settings) -> int:
    if not 0 <= options.overlap <= 24 * 366:
        raise UsersFileError(f"an overlap of {options.overlap:g} hours makes no sense.", next_step="Give 0 to 8784.")
    with _changing(settings.users) as users:
        _require(users, options.name, settings.users)
        text, kept = new_token(days=_days(options.days))
        users[options.name] = with_token(users[options.name], kept, overlap=timedelta(hours=options.overlap))
    _say("token", {"name": options.name, "token": text, "file": str(settings.users)})
    _say("user", _facts(users[options.name]))
    return 0


def _remove(options: argparse.Namespace, settings: Settings) -> int:
    with _changing(settings.users) as users:
        _require(users, options.name, settings.users)
        gone = users.pop(options.name)
    _say("user", _facts(replace(gone, tokens=())))
    return 0


def _list(_: argparse.Namespace, settings: Settings) -> int:
    for user in read_users(settings.users):
        _say("user", _facts(user))
    return 0


def _audit(_: argparse.Namespace, settings: Settings) -> int:
    found = check_audit(settings.audit)
    _say(
        "audit",
        {"path": str(settings.audit), "lines": found.lines, "head": found.head, "problems": list(found.problems)},
    )
    return 0


@contextmanager
def _changing(path: Path) -> Iterator[dict[str, User]]:
    """The users of a file by name, written back at the end; one process at a time."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(path=path.with_name(f"{path.name}.lock"))
    deadline = time.monotonic() + _LOCK_SECONDS_MAX
    while not lock.acquire(text=str(os.getpid())):
        if time.monotonic() > deadline:
            raise UsersFileError(
                f"process {lock.holder()} is changing the users.", next_step="Try again when it is done.", path=path
            )
        time.sleep(0.05)
    try:
        users = {user.name: user for user in read_users(path)}
        yield users
        write_users(path, users.values())
    finally:
        lock.release()


def _require(users: dict[str, User], name: str, path: Path) -> None:
    if name not in users:
        raise UsersFileError(
            f"there is no user '{name}'.", next_step="`overscan users list` shows all.", path=path, actual=name
        )


def _days(days: float | None) -> float | None:
    if days is not None and not 0 < days <= 36_500:
        raise UsersFileError(f"a token cannot end after {days:g} days.", next_step="Give days, e.g. 90.")
    return days


def _facts(user: User) -> dict[str, object]:
    tokens = [
        {
            "last_four": kept.last_four,
            "created": kept.created.isoformat(),
            "expires": kept.expires.isoformat() if kept.expires else "",
            "ended": kept.ended(),
        }
        for kept in user.tokens
    ]
    return {"name": user.name, "role": user.role.word, "tokens": tokens}


def _say(kind: str, facts: dict[str, object] | dict[str, str | int | None] | dict[str, str]) -> None:
    sys.stdout.write(json.dumps({"type": kind, **facts}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
