"""What objects of the API offer, as data/surface.json has it from fusionscript-stubs, and the checks on every call.

Resolve answers `hasattr` with True for every name, an unknown method with None, a wrong argument with None or False. A
plugin that relies on any of it works nowhere, so here all of that raises and fails the test. Only `dir()` may be asked.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, TypeVar

from . import _types
from ._session import Session, current

SURFACE = _types.SURFACE

# Parameters that may be left out although the stubs do not say so: (class or "", method) -> names. Without a
# remark, the README and scripts in wide use say so.
OPTIONAL: dict[str, set[str]] = {
    "subframe_precision": {"GetDuration", "GetEnd", "GetStart", "GetLeftOffset", "GetRightOffset"},
    "Bool": {"DeleteClips"},  # "Second argument is optional"
    "subTrackType": {"AddTrack"},  # "Optional argument subTrackType"
    "newTrackOptions": {"AddTrack"},
    "importOptions": {"ImportTimelineFromFile"},
    "exportSubtype": {"Export"},  # "For rest of the exportType, exportSubtype is ignored"
    "settingName": {"GetSetting"},  # "without parameters (or with a NoneType or a blank property key)"
    "clips": {"ExportMetadata"},  # "If no clips are specified, all clips"
}
# More than the stubs have, by the README: 'superScale' and 'Super Scale' take two numbers more.
MORE_ARGUMENTS = {"SetSetting": 4, "SetClipProperty": 4}
# "The arguments can be passed as a key and value pair or they can be grouped together into a dictionary".
DICTIONARY_INSTEAD = {"SetProperty"}
# Methods by the version that brought them (github.com/samuelgursky/davinci-resolve-mcp, api_truth.py and its skills).
SINCE: dict[str, tuple[int, ...]] = {
    "TimelineItem.SetName": (20, 2),
    "Resolve.GetFairlightPresets": (20, 2, 2),
    "Project.ApplyFairlightPresetToCurrentTimeline": (20, 2, 2),
    "MediaPoolItem.LinkFullResolutionMedia": (20, 0),
    "MediaPoolItem.ReplaceClipPreserveSubClip": (20, 0),
    "MediaPoolItem.MonitorGrowingFile": (20, 0),
    "MediaPoolItem.LinkProxyMedia": (17, 0),
}
# What Resolve 21.1 has and the stubs of 21.0 do not know (the same source; typed there).
LATER: dict[str, dict[str, list[str]]] = {
    "TimelineItem": {"GetSpeed": [], "GetType": []},
    "MediaPoolItem": {"GetTimeline": []},
}
LATER_SINCE = {"GetSpeed": (21, 1), "GetType": (21, 1), "GetTimeline": (21, 0, 4)}
# The README documents these; `dir(resolve)` of 21.0.2 has none of them (the same source).
MISSING_CONSTANTS = "MARKER_"

ClassT = TypeVar("ClassT", bound=type)


class NotModelled(NotImplementedError):
    """Resolve has this and the double does not: model it, or do without."""


class ApiObject:
    """An object handed to a script. Each getter makes a new one for the same thing, as in Resolve."""

    def __init__(self, thing: Any) -> None:
        object.__setattr__(self, "_thing", thing)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        kind = type(self).__name__
        raise current().break_rule(f"{kind} has no {name!r} here (Resolve would answer None, and hasattr with True)")

    def __setattr__(self, name: str, value: Any) -> None:
        raise current().break_rule(f"{type(self).__name__}.{name} cannot be set")

    def __eq__(self, other: object) -> bool:
        if other is None:
            return False
        raise current().break_rule(
            f"{type(self).__name__} was compared: each getter makes a new object, use GetUniqueId()"
        )

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = object.__hash__

    def __dir__(self) -> list[str]:
        return names_of(type(self).__name__, current())

    def __repr__(self) -> str:
        return f"{type(self).__name__} (0x{id(self._thing):016X}) [App: 'Resolve' on 127.0.0.1]"


def names_of(kind: str, session: Session) -> list[str]:
    """The names that this version of Resolve has for a class."""
    entry = SURFACE["classes"][kind]
    names = [name for name in entry["methods"] if session.version >= SINCE.get(f"{kind}.{name}", (0,))]
    names += [name for name in LATER.get(kind, {}) if session.version >= LATER_SINCE[name]]
    names += [name for name in entry["constants"] if not name.startswith(MISSING_CONSTANTS)]
    return sorted(names)


def offered(cls: ClassT) -> ClassT:
    """Make a class stand for the one of its name in the stubs: its methods are checked, those it lacks say so."""
    kind = cls.__name__
    entry = SURFACE["classes"][kind]
    for name, implementation in list(_own(cls).items()):
        if name not in entry["methods"] and name not in LATER.get(kind, {}):
            raise NameError(f"the double gives {kind}.{name}, and fusionscript-stubs has no such name")
        setattr(cls, name, _guarded(kind, name, implementation))
    for name in entry["methods"]:
        if name not in vars(cls):
            setattr(cls, name, _absent(f"{kind}.{name}"))
    return cls


def _own(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base not in (object, ApiObject):
            found.update(
                {name: held for name, held in vars(base).items() if not name.startswith("_") and callable(held)}
            )
    return found


def _guarded(kind: str, name: str, implementation: Callable[..., Any]) -> Callable[..., Any]:
    full = f"{kind}.{name}"

    @functools.wraps(implementation)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        session = current()
        if kwargs:
            raise session.break_rule(f"{full}: the API takes no keyword arguments ({', '.join(kwargs)})")
        if session.version < SINCE.get(full, LATER_SINCE.get(name, (0,)) if name in LATER.get(kind, {}) else (0,)):
            raise session.break_rule(f"{full} is not in Resolve {session.version}: look in dir() first")
        check_arguments(session, kind, name, args)
        session.enter(full, args)
        if not self._thing.is_there():
            session.stale.append(full)
            return None
        if any(isinstance(arg, ApiObject) and not arg._thing.is_there() for arg in args):
            session.stale.append(f"{full} (an argument)")
            return refusal(kind, name)
        if is_change(kind, name) and locked(self._thing):
            return refusal(kind, name)
        return implementation(self, *args)

    return call


# Methods that change nothing that is saved, though they are called like those that do.
_HARMLESS = {"SetCurrentTimecode", "SetCurrentTimeline", "SetCurrentFolder", "SetSelectedClip"}
_CHANGES = (
    "Add", "Append", "Apply", "Assign", "Clear", "Convert", "Copy", "Create", "Delete", "Duplicate", "Finalize", "Grab",
    "Import", "Insert", "Link", "Load", "Move", "Relink", "Remove", "Rename", "Replace", "Select", "Set", "Unlink",
    "Update",
)  # fmt: skip


def is_change(kind: str, name: str) -> bool:
    """Whether a method changes the project, which it does not while somebody else has it."""
    return kind not in {"Resolve", "ProjectManager"} and name.startswith(_CHANGES) and name not in _HARMLESS


def locked(thing: Any) -> bool:
    """Whether the project that a thing is in is locked."""
    while thing is not None:
        if getattr(thing, "locked", None) is True:
            return True
        thing = thing.owner
    return False


def refusal(kind: str, name: str) -> Any:
    """What a method answers that did nothing: False, nothing, or an empty list, by what it returns."""
    overloads = SURFACE["classes"][kind]["methods"].get(name, [{"returns": "Any"}])
    returned = overloads[0]["returns"]
    if returned.startswith(("List", "[")):
        return []
    return {"bool": False, "str": ""}.get(returned)


def check_arguments(session: Session, kind: str, name: str, args: tuple[Any, ...]) -> None:
    """Raise where no overload of the stubs takes these arguments."""
    overloads = SURFACE["classes"][kind]["methods"].get(name)
    if overloads is None:
        overloads = [{"parameters": [], "rest": None}]
    if name in MORE_ARGUMENTS and 2 < len(args) <= MORE_ARGUMENTS[name]:
        return
    if name in DICTIONARY_INSTEAD and len(args) == 1 and isinstance(args[0], dict):
        return
    problems = [_problem(overload, name, args) for overload in overloads]
    if None not in problems:
        wanted = " or ".join(_written(name, overload) for overload in overloads)
        given = ", ".join(map(repr, args))
        reasons = "; ".join(dict.fromkeys(problem for problem in problems if problem))
        raise session.break_rule(f"{kind}.{name}({given}): {reasons}. The stubs have {wanted}")


def _may_be_left_out(name: str, parameter: list[Any]) -> bool:
    return bool(parameter[2]) or parameter[1].startswith("Optional[") or name in OPTIONAL.get(parameter[0], ())


def _problem(overload: dict[str, Any], name: str, args: tuple[Any, ...]) -> str | None:
    parameters = overload["parameters"]
    needed = sum(1 for parameter in parameters if not _may_be_left_out(name, parameter))
    if len(args) < needed or (len(args) > len(parameters) and overload["rest"] is None):
        return f"{len(args)} arguments"
    kinds = [parameter[1] for parameter in parameters] + [overload["rest"]] * (len(args) - len(parameters))
    for place, (kind, arg) in enumerate(zip(kinds, args)):
        if arg is None and place < len(parameters) and _may_be_left_out(name, parameters[place]):
            continue
        if kind == "int" and name in {"SetMarkInOut"} and isinstance(arg, float):
            continue
        if not _types.check(kind)(arg):
            return _why(kind, arg)
    return None


def _why(kind: str, arg: Any) -> str:
    inner = kind[5:-1] if kind.startswith("List[") else kind
    if inner in SURFACE["dictionaries"]:
        for held in arg if isinstance(arg, list) else [arg]:
            if isinstance(held, dict):
                problem = _types.problem_with_dictionary(inner, held)
                if problem:
                    return problem
    return f"{arg!r} is no {kind}"


def _written(name: str, overload: dict[str, Any]) -> str:
    parts = [f"{parameter[0]}: {parameter[1]}" for parameter in overload["parameters"]]
    if overload["rest"]:
        parts.append(f"*{overload['rest']}")
    return f"{name}({', '.join(parts)})"


def _absent(full: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise NotModelled(f"{full} exists in Resolve, but the double does not model it")

    return call
