"""Gives commands the options that every task on a plate has, without each of them listing all."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from overscan.cli._options import Request

_FIRST = ("plate", "output")
"""What a command is about stands before its own options, the rest behind them."""


def with_request(command: Callable[..., None]) -> Callable[..., None]:
    """`command`, whose first parameter is a `Request`, as a function with the request's fields for parameters."""
    hints = get_type_hints(Request, include_extras=True)
    shared = {
        field.name: inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(Request)
    }
    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    first = [shared[name] for name in _FIRST]
    rest = [parameter for name, parameter in shared.items() if name not in _FIRST]

    @functools.wraps(command)
    def spread(**options: Any) -> None:
        request = Request(**{name: options.pop(name) for name in shared})
        command(request, **options)

    # Typer reads a command's options from its signature.
    spread.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*first, *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own), *rest]
    )
    return spread
