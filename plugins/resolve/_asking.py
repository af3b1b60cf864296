"""Calls of Resolve's API, which fails by None, by False, by an object that is gone, and now and then by raising."""

from __future__ import annotations

from typing import Any

_FAILURES = (AttributeError, TypeError, RuntimeError, OSError)
"""What calls on objects raise whose project, timeline or Resolve itself is gone."""


def ask(target: Any, method: str, *arguments: Any) -> Any:
    """What a call answers; None where it fails in any of its ways, or this version of Resolve does not have it.

    `hasattr` is true for every name in Resolve, and a method that it does not have is None.
    """
    if target is None:
        return None
    try:
        function = getattr(target, method)
        return None if function is None else function(*arguments)
    except NotImplementedError:  # nothing that Resolve raises
        raise
    except _FAILURES:
        return None


def listed(target: Any, method: str, *arguments: Any) -> list[Any]:
    """A call that answers a list, or, in older versions, a dictionary by number; empty where it fails."""
    found = ask(target, method, *arguments)
    if isinstance(found, dict):
        return [found[key] for key in sorted(found)]
    return list(found) if isinstance(found, (list, tuple)) else []


def text(target: Any, method: str, *arguments: Any) -> str:
    """A call that answers a text; empty where it fails."""
    found = ask(target, method, *arguments)
    return "" if found is None or isinstance(found, (bool, dict)) else str(found)


def number(target: Any, method: str, *arguments: Any) -> int | None:
    """A call that answers a whole number; None where it fails."""
    found = ask(target, method, *arguments)
    return None if found is None or isinstance(found, (bool, str)) else int(found)


def unique_id(target: Any) -> str:
    """The identity of an object, which stays the same from one start of Resolve to the next; empty for a stale one."""
    return text(target, "GetUniqueId")
