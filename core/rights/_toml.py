"""Reads the TOML files of policies, locks and cards, and says exactly what is wrong in them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from overscan.core.errors import PolicyFileError

if sys.version_info >= (3, 11):
    import tomllib
else:  # tomllib's own source for older Pythons
    import tomli as tomllib

_BYTES_MAX = 4_000_000
"""A model of 400 shards has 40 kB of hashes; anything of this size is no policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of a TOML file; every question about it knows where it stands."""

    path: Path
    where: str
    """Dotted place in the file, empty for the whole of it."""
    values: Mapping[str, Any]

    def only(self, known: Iterable[str]) -> None:
        """Raise `PolicyFileError` where the table holds anything that nobody reads: it may be a misspelt rule."""
        known = sorted(known)
        for name in self.values:
            if name not in known:
                raise self.wrong(name, f"there is no '{name}' here", f"one of {', '.join(known)}", actual=name)

    def text(self, name: str, *, needed: bool = False) -> str:
        """A text; empty where it is missing."""
        value = self.values.get(name, "")
        if not isinstance(value, str) or (needed and not value.strip()):
            missing = isinstance(value, str)
            raise self.wrong(name, f"'{name}' is missing" if missing else f"'{name}' is no text", "a text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty where it is missing."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.wrong(name, f"'{name}' is no list of texts", "a list of texts", actual=value)
        return tuple(value)

    def whole(self, name: str) -> int:
        """A whole number, not below 0; 0 where it is missing."""
        value = self.values.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(name, f"'{name}' is no whole number", "0 or more", actual=value)
        return value

    def flag(self, name: str) -> bool:
        """True or false, which must be said."""
        value = self.values.get(name)
        if not isinstance(value, bool):
            raise self.wrong(name, f"'{name}' is neither true nor false", "true or false", actual=value)
        return value

    def day(self, name: str, *, needed: bool = False) -> str:
        """A day as ISO 8601; empty where it is missing."""
        value = self.values.get(name, "")
        if isinstance(value, date) and not isinstance(value, datetime):
            return value.isoformat()
        try:
            return date.fromisoformat(value).isoformat() if value or needed else ""
        except (TypeError, ValueError):
            raise self.wrong(name, f"'{name}' is no day", "a day such as 2026-11-23", actual=value) from None

    def table(self, name: str) -> Table:
        """A table in this one; empty where it is missing."""
        value = self.values.get(name, {})
        if not isinstance(value, Mapping):
            raise self.wrong(name, f"'{name}' is no table", f"a table [{name}]", actual=value)
        return Table(path=self.path, where=self._place(name), values=value)

    def tables(self, name: str) -> tuple[Table, ...]:
        """A list of tables; empty where it is missing."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise self.wrong(name, f"'{name}' is no list of tables", f"tables [[{name}]]", actual=value)
        return tuple(
            Table(path=self.path, where=f"{self._place(name)}[{index}]", values=item)
            for index, item in enumerate(value)
        )

    def hashes(self, name: str) -> dict[str, str]:
        """A table of files and their SHA-256."""
        found = self.table(name)
        return {file: found.sha256(file, needed=True) for file in found.values}

    def sha256(self, name: str, *, needed: bool = False) -> str:
        """A SHA-256 in lower-case hexadecimal; empty where it is missing."""
        value = self.text(name, needed=needed)
        if value and (len(value) != 64 or not set(value) <= set("0123456789abcdef")):
            raise self.wrong(name, f"'{name}' is no SHA-256", "64 lower-case hexadecimal digits", actual=value)
        return value

    def wrong(self, name: str, what: str, expected: str, *, actual: object = "", remedy: str = "") -> PolicyFileError:
        """What is wrong with one field."""
        field = self._place(name)
        return PolicyFileError(
            f"{self.path}, {field}: {what}; expected {expected}.",
            next_step=remedy or "Correct the file; until then nothing runs under it.",
            path=self.path,
            field=field,
            expected=expected,
            actual=actual,
        )

    def _place(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlFile:
    """A file that was read."""

    path: Path
    sha256: str
    """Of its bytes."""
    whole: Table


def read_toml(path: Path) -> TomlFile:
    """Read a TOML file. Raises `PolicyFileError` where it cannot be read or is no TOML; a missing one included."""
    try:
        with path.open("rb") as file:
            raw = file.read(_BYTES_MAX + 1)
    except OSError as error:
        raise PolicyFileError(
            f"{path} cannot be read: {error.strerror or error}.",
            next_step="Have it made readable; until then nothing runs under it.",
            path=path,
        ) from None
    if len(raw) > _BYTES_MAX:
        raise PolicyFileError(f"{path} is larger than {_BYTES_MAX} bytes.", next_step="It is no policy.", path=path)
    try:
        values = tomllib.loads(raw.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyFileError(
            f"{path} is no TOML: {error}.",
            next_step="Correct the file; until then nothing runs under it.",
            path=path,
        ) from None
    return TomlFile(path=path, sha256=hashlib.sha256(raw).hexdigest(), whole=Table(path=path, where="", values=values))
