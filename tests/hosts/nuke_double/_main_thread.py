"""Calls handed to the main thread, and Nuke's traps around them."""

from __future__ import annotations

import threading
import traceback
from typing import Any, Callable

from ._session import Session, current
from ._surface import SURFACE, check_arguments

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _check(name: str, call: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    check_arguments(name, tuple(SURFACE["functions"][name]), (call,), {"args": args, "kwargs": kwargs})
    if not callable(call):
        raise TypeError(f"{name} takes something to call, not {call!r}")
    return (args if isinstance(args, tuple) else (args,)), dict(kwargs or {})


def _name(call: Any) -> str:
    return str(getattr(call, "__qualname__", call))


def executeInMainThread(call: Any, args: Any = (), kwargs: Any = None) -> None:
    """Queue a call and return. From any thread. What the call raises is printed and forgotten."""
    session = current()
    positional, named = _check("executeInMainThread", call, args, kwargs)
    session.queue.append(lambda: session.run_callback(_name(call), lambda: call(*positional, **named)))


def executeInMainThreadWithResult(call: Any, args: Any = (), kwargs: Any = None) -> Any:
    """Queue a call and wait for what it returns: None where it raised. From the main thread it would never return."""
    session = current()
    positional, named = _check("executeInMainThreadWithResult", call, args, kwargs)
    if threading.get_ident() == session.main_thread:
        session.violations.append("executeInMainThreadWithResult was called from the main thread: Nuke would hang")
        raise RuntimeError(session.violations[-1])
    done = threading.Event()
    result: list[Any] = []

    def run() -> None:
        result.append(session.run_callback(_name(call), lambda: call(*positional, **named)))
        done.set()

    session.queue.append(run)
    while not done.wait(0.2):
        if session.ended:
            return None
    return result[0]


FUNCTIONS["executeInMainThread"] = executeInMainThread
FUNCTIONS["executeInMainThreadWithResult"] = executeInMainThreadWithResult


def run_one(session: Session) -> bool:
    """Run the call that waits longest; False where none waits."""
    try:
        call = session.queue.popleft()
    except IndexError:
        return False
    session.in_handed_over += 1
    try:
        call()
    except Exception:
        session.failures.append(traceback.format_exc())
    finally:
        session.in_handed_over -= 1
    return True
