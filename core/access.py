"""What this process may read and write, asked where files are opened: a service sets it for its workers.

Nothing is refused unless somebody sets a rule.
"""

from __future__ import annotations

import os
from collections.abc import Callable

Rule = Callable[[str], None]
"""Raises an `OverscanError` for a path, or path pattern, that may not be used."""

_rules: dict[str, Rule] = {}


def set_rules(*, read: Rule, write: Rule) -> None:
    """Ask `read` before anything is read from now on, and `write` before anything is written."""
    _rules.update(read=read, write=write)


def check_read(path: str | os.PathLike[str]) -> None:
    """Raise what the rule raises where `path` may not be read."""
    if "read" in _rules:
        _rules["read"](os.fspath(path))


def check_write(path: str | os.PathLike[str]) -> None:
    """Raise what the rule raises where `path` may not be written."""
    if "write" in _rules:
        _rules["write"](os.fspath(path))
