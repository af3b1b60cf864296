"""Checks what a request brings along."""

from __future__ import annotations

from typing import Any, TypeVar

from overscan.client.bridge._faults import INVALID_PARAMETERS, invalid

Kind = TypeVar("Kind", str, int, bool, dict[str, Any], list[Any])

_NAMES = {str: "a text", int: "a whole number", bool: "true or false", dict: "names and values", list: "a list"}


class Parameters:
    """The parameters of one request; what is asked for must be of its kind, and nothing else may be there."""

    def __init__(self, method: str, given: dict[str, Any]) -> None:
        self._method = method
        self._given = given
        self._known: set[str] = set()

    def need(self, name: str, kind: type[Kind]) -> Kind:
        """A parameter that must be there."""
        value = self.get(name, kind)
        if value is None:
            raise invalid(INVALID_PARAMETERS, f"{self._method} needs '{name}'.", field=name)
        return value

    def get(self, name: str, kind: type[Kind]) -> Kind | None:
        """A parameter that may be left out; None where it is, or is null."""
        self._known.add(name)
        value = self._given.get(name)
        if value is None:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise invalid(INVALID_PARAMETERS, f"{self._method}: '{name}' must be {_NAMES[kind]}.", field=name)
        return value

    def end(self) -> None:
        """To be called once all are named: raises where there are others."""
        others = sorted(set(self._given) - self._known)
        if others:
            there = ", ".join(sorted(self._known)) or "none"
            raise invalid(
                INVALID_PARAMETERS,
                f"{self._method} has no parameter '{others[0]}'; there are: {there}.",
                field=others[0],
            )
