"""addOnCreate, removeOnCreate and their like."""

from __future__ import annotations

from typing import Any, Callable

from ._session import current
from ._triggers import EVENTS

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _pair(event: str) -> None:
    def add(call: Any, args: Any = (), kwargs: Any = None, nodeClass: str = "*", node: Any = None) -> None:
        if not callable(call):
            raise ValueError("call must be a callable")
        if not isinstance(args, tuple):
            args = (args,)
        entry = (call, args, dict(kwargs or {}), nodeClass, node)
        entries = current().callbacks.setdefault(event, [])
        if entry not in entries:
            entries.append(entry)

    def remove(call: Any, args: Any = (), kwargs: Any = None, nodeClass: str = "*", node: Any = None) -> None:
        if not isinstance(args, tuple):
            args = (args,)
        entry = (call, args, dict(kwargs or {}), nodeClass, node)
        entries = current().callbacks.get(event, [])
        if entry in entries:
            entries.remove(entry)

    for prefix, function in (("add", add), ("remove", remove)):
        name = f"{prefix}{event}"
        if event == "ValidateFilename" and prefix == "remove":
            name = "removeFilenameValidate"  # so in Nuke
        function.__name__ = name
        FUNCTIONS[name] = function


for _event in EVENTS:
    _pair(_event)
