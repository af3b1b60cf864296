"""What `nuke` offers, as data/surface.json has it from the package types-nuke, and the checks made on every call.

A call passes when the stubs' argument list of the method accepts it, on the object's class or on one of its bases: a
script mostly holds a knob as `Knob`, so both lists are ones that a type checker would let through.
"""

from __future__ import annotations

import functools
import inspect
import json
from pathlib import Path
from typing import Any, Callable, TypeVar

from ._session import current

DATA = Path(__file__).parent / "data"
SURFACE: dict[str, dict[str, Any]] = json.loads((DATA / "surface.json").read_text())

ClassT = TypeVar("ClassT", bound=type)


class NotModelled(NotImplementedError):
    """Nuke has this and the double does not: model it, or do without."""


@functools.lru_cache(maxsize=None)
def _signature(arguments: str) -> inspect.Signature:
    scope: dict[str, Any] = {}
    exec(f"def stub({arguments}): pass", scope)
    return inspect.signature(scope["stub"])


def check_arguments(name: str, lists: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """TypeError where none of the stubs' argument lists takes this call."""
    for arguments in lists:
        try:
            _signature(arguments).bind(*args, **kwargs)
        except TypeError:
            continue
        return
    known = " or ".join(f"{name}({arguments})" for arguments in lists)
    given = ", ".join([*map(repr, args), *(f"{key}={value!r}" for key, value in kwargs.items())])
    raise TypeError(f"{name}({given}) is not a call that Nuke takes; the stubs have {known}")


@functools.lru_cache(maxsize=None)
def lists_of(class_name: str, method: str) -> tuple[str, ...]:
    """The argument lists of a method, of the class's own first and then of its bases'."""
    entry = SURFACE["classes"].get(class_name)
    if entry is None:
        return ()
    found: list[str] = list(entry["methods"].get(method, []))
    for base in entry["bases"]:
        found.extend(lists_of(base, method))
    return tuple(found)


def offered(cls: ClassT) -> ClassT:
    """Make a class stand for the one of its name in the stubs.

    Its public methods must be in the stubs and are checked on every call; methods that only the stubs have raise
    NotModelled; and instances take no attributes but those that begin with an underscore, as objects made in C++ do.
    """
    name = cls.__name__
    entry = SURFACE["classes"][name]
    for method, implementation in list(vars(cls).items()):
        if method.startswith("_"):
            continue
        if not lists_of(name, method) and method not in entry["attributes"]:
            raise NameError(f"the double gives {name}.{method}, and types-nuke has no such name")
        if isinstance(implementation, classmethod):
            setattr(cls, method, classmethod(_guarded(method, implementation.__func__)))
        elif callable(implementation):
            setattr(cls, method, _guarded(method, implementation))
    for method in entry["methods"]:
        if not hasattr(cls, method):
            setattr(cls, method, _absent(f"{name}.{method}"))
    if "__setattr__" not in vars(cls):
        cls.__setattr__ = _set_attribute  # type: ignore[assignment, method-assign]
    return cls


def _stub_name(cls: type) -> str:
    return next(base.__name__ for base in cls.__mro__ if base.__name__ in SURFACE["classes"])


def _guarded(method: str, implementation: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(implementation)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        name = _stub_name(self if isinstance(self, type) else type(self))
        current().enter(f"{name}.{method}")
        if getattr(self, "_deleted", False):
            raise ValueError("A PythonObject is not attached to a node")
        check_arguments(f"{name}.{method}", lists_of(name, method), args, kwargs)
        return implementation(self, *args, **kwargs)

    return call


def _absent(name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise NotModelled(f"nuke.{name} exists in Nuke, but the double does not model it")

    return call


def _set_attribute(self: Any, name: str, value: Any) -> None:
    allowed = any(
        name in SURFACE["classes"].get(base.__name__, {}).get("attributes", ()) for base in type(self).__mro__
    )
    if not name.startswith("_") and not allowed:
        raise AttributeError(f"nuke.{type(self).__name__} objects take no attribute {name!r}")
    object.__setattr__(self, name, value)


def checked_function(implementation: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function stand for the one of its name in the stubs."""
    name = implementation.__name__
    lists = tuple(SURFACE["functions"][name])

    @functools.wraps(implementation)
    def call(*args: Any, **kwargs: Any) -> Any:
        current().enter(name)
        check_arguments(name, lists, args, kwargs)
        return implementation(*args, **kwargs)

    return call


def names_for_module(
    functions: dict[str, Callable[..., Any]], classes: dict[str, type], constants: dict[str, Any]
) -> dict[str, Any]:
    """Everything that goes into the module `nuke`: what the double models, and refusals for the rest of the stubs."""
    for kind, given in (("functions", functions), ("classes", classes), ("constants", constants)):
        unknown = sorted(set(given) - set(SURFACE[kind]))
        if unknown:
            raise NameError(f"the double gives {kind} that types-nuke has not: {', '.join(unknown)}")
    names: dict[str, Any] = dict(constants)
    for name in SURFACE["functions"]:
        names[name] = functions[name] if name in functions else _absent(name)
    for name in SURFACE["classes"]:
        names[name] = classes[name] if name in classes else type(name, (), {"__init__": _absent(name)})
    return names
