"""From a thing to the API's object for it: a new one every time."""

from __future__ import annotations

from typing import Any, Iterable

REGISTRY: dict[type, type] = {}


def handle(thing: Any) -> Any:
    """The object that a script gets for a thing; None for None."""
    return None if thing is None else REGISTRY[type(thing)](thing)


def handles(things: Iterable[Any]) -> list[Any]:
    """The same for several."""
    return [handle(thing) for thing in things]


def numbered(things: Iterable[Any]) -> dict[float, Any]:
    """What the deprecated methods give instead of a list: a dictionary from 1.0 on."""
    return {float(place): thing for place, thing in enumerate(things, 1)}
