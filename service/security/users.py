"""The users of a service: who they are, what they may do, and whose jobs they may change.

The file of users is JSON, readable by its owner alone. It has the SHA-256 of each token, never a token: tokens are 256
random bits, so that nothing is gained by trying, and a salt would add nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import stat
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from overscan.core.temporaries import flush
from overscan.service._errors import NotAllowedError, UsersFileError
from overscan.service.security.roles import Role

_LOG = logging.getLogger(__name__)
_VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_TOKEN_BYTES = 32
_PREFIX = "ovs_"
"""Lets scanners for leaked secrets know a token when they see one."""
_FILE_BYTES_MAX = 16 << 20
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who makes a call."""

    name: str
    """The user's name; empty for whoever runs the service, on its own machine."""
    role: Role


ADMIN_OF_THIS_MACHINE = Caller(name="", role=Role.ADMIN)
"""Whoever can open the service's own socket, or read its token: the account that runs it."""


def require_owner(caller: Caller, owner: str, *, what: str = "job", doing: str = "change") -> None:
    """Let a caller change (or what else they are `doing`) what `owner` made: an artist their own, an admin all.

    Raises `NotAllowedError`.
    """
    if caller.role >= Role.ADMIN or (caller.role is Role.ARTIST and caller.name and caller.name == owner):
        return
    whose = f"is {owner}'s" if owner else "belongs to whoever runs the service"
    raise NotAllowedError(
        f"the {what} {whose}, and {caller.name or 'you'} may {doing} their own only.",
        next_step=f"Ask {owner} or an admin." if owner else "Ask an admin.",
        expected=owner,
        actual=caller.name,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is kept of a token."""

    sha256: str
    """Of the token's text, in hexadecimal digits."""
    last_four: str
    """Its last four characters, to tell tokens apart."""
    created: datetime
    expires: datetime | None = None
    """When it ends; None for never."""

    def ended(self) -> bool:
        """Whether it has expired."""
        return self.expires is not None and self.expires <= _now()


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user, with the tokens they may show."""

    name: str
    role: Role
    tokens: tuple[Token, ...]


def new_token(*, days: float | None) -> tuple[str, Token]:
    """A token, and what to keep of it; it ends after `days`, or never."""
    text = _PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    now = _now()
    kept = Token(
        sha256=digest(text.encode()),
        last_four=text[-4:],
        created=now,
        expires=None if days is None else now + timedelta(days=days),
    )
    return text, kept


def digest(token: bytes) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token).hexdigest()


def check_name(name: str) -> str:
    """A name that can be a user's; raises `UsersFileError`."""
    if not _NAME.fullmatch(name):
        raise UsersFileError(
            f"'{name}' is no name for a user.",
            next_step="Use up to 64 letters, digits and . _ @ + -, beginning with a letter or digit.",
            actual=name,
        )
    return name


def read_users(path: Path) -> tuple[User, ...]:
    """The users of a file, by name; none where there is no file.

    Raises `UsersFileError` where others can open it, or it cannot be understood.
    """
    try:
        with path.open("rb") as file:
            _check_private(path, os.fstat(file.fileno()))
            data = file.read(_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UsersFileError(f"cannot be read: {error.strerror}.", next_step="Check its mode.", path=path) from error
    try:
        if len(data) > _FILE_BYTES_MAX:
            raise ValueError(f"it is larger than {_FILE_BYTES_MAX} bytes")
        return _parse(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError, UsersFileError) as error:
        raise UsersFileError(
            f"is no file of users: {type(error).__name__}: {error}",
            next_step="Restore it from a backup, or remove it and add the users again.",
            path=path,
        ) from error


def write_users(path: Path, users: Iterable[User]) -> None:
    """Write a file of users in place of the one there, readable by its owner alone."""
    record = {"version": _VERSION, "users": [_plain(user) for user in sorted(users, key=lambda user: user.name)]}
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(record, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    flush(path.parent)  # no loss of power brings a user back who was removed


class UserBook:
    """The users of a file as it is now: a change of it takes effect within seconds."""

    def __init__(self, *, path: Path) -> None:
        """Raises `UsersFileError` where the file is there and cannot be used."""
        self._path = path
        self._lock = threading.Lock()
        self._state: object = None
        self._looked = float("-inf")
        self._users: tuple[User, ...] = read_users(path)

    def users(self) -> tuple[User, ...]:
        """The users; nobody while the file cannot be used."""
        with self._lock:
            if time.monotonic() - self._looked >= _LOOK_SECONDS:
                self._looked = time.monotonic()
                self._look()
            return self._users

    def caller(self, token: bytes) -> tuple[Caller | None, str]:
        """Whose token it is, or None and why it is nobody's, in words for the log."""
        shown, found, why = digest(token), None, "wrong"
        for user in self.users():  # all of them, whichever it is: how long it takes says nothing
            for kept in user.tokens:
                if hmac.compare_digest(shown, kept.sha256):
                    if kept.ended():
                        why = f"{user.name}'s, and has ended"
                    else:
                        found = Caller(name=user.name, role=user.role)
        return found, "" if found else why

    def _look(self) -> None:
        try:
            found = self._path.stat()
            state: object = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
        except OSError:
            state = "gone"
        if state == self._state:
            return
        try:
            self._users = read_users(self._path)
        except UsersFileError as error:
            _LOG.error("nobody is let in by token: %s", error)
            self._users = ()
        self._state = state


def with_token(user: User, token: Token, *, overlap: timedelta) -> User:
    """The user with a new token; the ones they had end after `overlap`."""
    end = _now() + overlap
    old = tuple(
        replace(kept, expires=end if kept.expires is None else min(end, kept.expires))
        for kept in user.tokens
        if overlap and not kept.ended()
    )
    return replace(user, tokens=(*old, token))


def _check_private(path: Path, found: os.stat_result) -> None:
    if sys.platform == "win32":
        return
    if found.st_uid not in (0, os.getuid()) or stat.S_IMODE(found.st_mode) & 0o077 or not stat.S_ISREG(found.st_mode):
        raise UsersFileError(
            "others can read or write it, or it is somebody else's.",
            next_step=f"chmod 600 '{path}', and make it the service's user's.",
            path=path,
            expected="mode 0600",
            actual=oct(stat.S_IMODE(found.st_mode)),
        )


def _parse(record: Any) -> tuple[User, ...]:
    if record["version"] != _VERSION:
        raise ValueError(f"version {record['version']}")
    users = tuple(
        User(
            name=check_name(entry["name"]),
            role=Role[entry["role"].upper()],
            tokens=tuple(
                Token(
                    sha256=_hex(kept["sha256"]),
                    last_four=str(kept.get("last_four", "")),
                    created=_time(kept["created"]),
                    expires=_time(kept["expires"]) if kept.get("expires") else None,
                )
                for kept in entry["tokens"]
            ),
        )
        for entry in record["users"]
    )
    names = [user.name for user in users]
    if len(set(names)) != len(names):
        raise ValueError("a name is there twice")
    return users


def _plain(user: User) -> dict[str, object]:
    tokens = [
        {
            "sha256": kept.sha256,
            "last_four": kept.last_four,
            "created": kept.created.isoformat(),
            "expires": kept.expires.isoformat() if kept.expires else None,
        }
        for kept in user.tokens
    ]
    return {"name": user.name, "role": user.role.word, "tokens": tokens}


def _hex(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("a hash that is none")
    return text


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the time {text} has no zone")
    return moment


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)
