"""What objects of Fusion share: only known names, only on the right thread, and a dir() that is not complete."""

from __future__ import annotations

import functools
from typing import Any, Callable

from ._session import current
from ._surface import NotModelled


class FusionObject:
    """An object of Fusion. `_methods` are the names that Fusion has, `_fields` those that are no calls."""

    _kind = ""
    _methods: frozenset[str] = frozenset()
    _fields: frozenset[str] = frozenset()
    _hidden: frozenset[str] = frozenset()

    def __init__(self, thing: Any) -> None:
        object.__setattr__(self, "_thing", thing)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._methods or name in self._fields:
            raise NotModelled(f"{self._kind}.{name} exists in Fusion, but the double does not model it")
        raise current().break_rule(
            f"{self._kind} has no {name!r} here (Fusion would answer None, and hasattr with True)"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        raise current().break_rule(f"{self._kind}.{name} cannot be set")

    def __eq__(self, other: object) -> bool:
        if other is None:
            return False
        raise current().break_rule(f"{self._kind} was compared: each getter makes a new object, compare names")

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = object.__hash__

    def __dir__(self) -> list[str]:
        return sorted((self._methods | self._fields) - self._hidden)

    def __repr__(self) -> str:
        return f"{self._kind} (0x{id(self._thing):016X}) [App: 'Resolve' on 127.0.0.1]"


def call(*shapes: tuple[type | tuple[type, ...], ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a method of Fusion: `shapes` are the lists of argument types that it takes; none says no arguments."""
    allowed = shapes or ((),)

    def wrap(implementation: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(implementation)
        def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
            session = current()
            full = f"{self._kind}.{implementation.__name__}"
            if kwargs:
                raise session.break_rule(f"{full}: the API takes no keyword arguments ({', '.join(kwargs)})")
            if not any(_fits(shape, args) for shape in allowed):
                given = ", ".join(map(repr, args))
                raise session.break_rule(f"{full}({given}) is not a call that Fusion takes")
            session.enter(full, args)
            if not self._thing.is_there():
                session.stale.append(full)
                return None
            return implementation(self, *args)

        return guarded

    return wrap


def _fits(shape: tuple[Any, ...], args: tuple[Any, ...]) -> bool:
    if len(shape) != len(args):
        return False
    return all(
        kind is object or (isinstance(arg, kind) and not (isinstance(arg, bool) and kind is float))
        for kind, arg in zip(shape, args)
    )


NUMBER = (int, float)
