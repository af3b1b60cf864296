"""Checks: how they are named, run, and reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import import_module

import grpc

from overscan.service.conformance._target import Target
from overscan.v1.admin_service_pb2 import Role

_AREAS = ("discovery", "wire", "errors", "plans", "jobs", "events", "states", "transfers", "roles", "admin")
_PACKAGE = "overscan.service.conformance"


class NonconformityError(Exception):
    """The service does not do what the contract says; the message says what it did."""


class NotApplicableError(Exception):
    """The check cannot be made here; the message says why."""


class Outcome(Enum):
    """What came of a check."""

    OK = "ok"
    FAILED = "FAIL"
    SKIPPED = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A rule of the contract and the function that looks whether it is kept."""

    name: str
    """``area.rule``."""
    function: Callable[[Target], None]
    role: Role.ValueType
    """The least role of a caller who can make it."""

    @property
    def rule(self) -> str:
        """What must be so, in one line."""
        return (self.function.__doc__ or "").partition("\n")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one check."""

    name: str
    outcome: Outcome
    detail: str = ""
    """What the service did instead, or why the check was not made."""
    seconds: float = 0.0


_checks: dict[str, Check] = {}


def check(
    name: str, *, role: Role.ValueType = Role.ROLE_ARTIST
) -> Callable[[Callable[[Target], None]], Callable[[Target], None]]:
    """Make a function a check, for callers of this role and above."""

    def add(function: Callable[[Target], None]) -> Callable[[Target], None]:
        _checks[name] = Check(name=name, function=function, role=role)
        return function

    return add


def all_checks() -> tuple[Check, ...]:
    """All checks, in the order they are made in."""
    for area in _AREAS:
        import_module(f"{_PACKAGE}._{area}")
    return tuple(_checks.values())


def run(*, target: Target, only: Sequence[str] = ()) -> Iterator[Result]:
    """Make the checks, all or those whose names begin with one of `only`, and give each result as it is there."""
    target.meet()
    for one in all_checks():
        if not only or one.name.startswith(tuple(only)):
            yield _run(one, target)


def _run(one: Check, target: Target) -> Result:
    started = time.monotonic()
    outcome, detail = Outcome.OK, ""
    try:
        if target.role < one.role:
            raise NotApplicableError(f"it takes {an(one.role)}, and the caller is {an(target.role)}")
        one.function(target)
    except NonconformityError as error:
        outcome, detail = Outcome.FAILED, str(error)
    except NotApplicableError as error:
        outcome, detail = Outcome.SKIPPED, str(error)
    except grpc.RpcError as error:  # where the check expects none
        outcome, detail = Outcome.FAILED, f"a call failed: {describe(error)}"
    except Exception as error:  # an answer so strange that the check stumbles over it must not end the others
        outcome, detail = Outcome.FAILED, f"the answer cannot be read: {type(error).__name__}: {error}"
    return Result(name=one.name, outcome=outcome, detail=detail, seconds=time.monotonic() - started)


def an(role: Role.ValueType) -> str:
    """A role in words."""
    word = Role.Name(role).removeprefix("ROLE_").lower()
    return f"a{'n' if word[0] in 'aeiou' else ''} {word}"


def describe(error: grpc.RpcError) -> str:
    """A call's error in one line."""
    call: grpc.Call = error  # type: ignore[assignment]  # what stubs raise is a call as well
    return f"{call.code().name}: {call.details()}"


def expect(condition: object, message: str) -> None:
    """Raise `NonconformityError` with `message` unless `condition` holds."""
    if not condition:
        raise NonconformityError(message)
