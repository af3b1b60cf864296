"""Whether a value is of a type that the stubs name: `List[MediaPoolItem]`, `Literal[0, 1]`, `RenderSettings`, …

The API takes no tuple for a list, no text for a number and no key that a dictionary of the stubs has not; Resolve
itself mostly answers such a call with None or False and no reason.
"""

from __future__ import annotations

import ast
import functools
import json
from pathlib import Path
from typing import Any, Callable

DATA = Path(__file__).parent / "data"
SURFACE: dict[str, dict[str, Any]] = json.loads((DATA / "surface.json").read_text(encoding="utf-8"))

# By the README these are "float/int", which the stubs narrow to int.
_EITHER_NUMBER = {"startFrame", "endFrame", "recordFrame"}
# Keys that every dictionary of its name may leave out: the README says "with support for the keys".
_ONLY_NEEDED = {"MediaPoolClipInfo": {"mediaPoolItem"}, "ImportClipInfo": {"FilePath"}, "MediaPoolItemInfo": {"media"}}

Check = Callable[[Any], bool]
_NO_VALUE = object()


def constants() -> dict[str, Any]:
    """The constants of the object `resolve`; where the stubs give no value, one that says its name and is unique."""
    known = SURFACE["classes"]["Resolve"]["constants"]
    numbered = {name: 1000.0 + place for place, name in enumerate(sorted(known))}
    return {name: numbered[name] if value is None else value for name, value in known.items()}


CONSTANTS = constants()


@functools.lru_cache(maxsize=None)
def check(kind: str) -> Check:
    """A function that says whether a value is of the type written as `kind`."""
    return _of(ast.parse(kind, mode="eval").body)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_PLAIN: dict[str, Check] = {
    "Any": lambda value: True,
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": _number,
    "dict": lambda value: isinstance(value, dict),
    "None": lambda value: value is None,
}


def _of(node: ast.expr) -> Check:
    if isinstance(node, ast.Name):
        return _named(node.id)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _of(node.left), _of(node.right)
        return lambda value: left(value) or right(value)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        return _subscript(node.value.id, node.slice)
    if _constant(node) is None:
        return _PLAIN["None"]
    raise ValueError(f"the double cannot read the type {ast.dump(node)}")


def _named(name: str) -> Check:
    if name in _PLAIN:
        return _PLAIN[name]
    if name in SURFACE["dictionaries"]:
        return functools.partial(_is_dictionary, name)
    if name in SURFACE["classes"]:
        return lambda value: type(value).__name__ == name
    alias = SURFACE["aliases"][name]
    # The sub-track types are written as a sum that no reader of types understands.
    return _PLAIN["str"] if "Literal" in alias and " + " in alias else check(alias)


def _subscript(name: str, inner: Any) -> Check:
    if type(inner).__name__ == "Index":  # Python 3.8 and older
        inner = inner.value
    if name == "Literal":
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        choices = [_choice(part) for part in parts]
        return lambda value: any(type(value) is type(choice) and value == choice for choice in choices)
    if name in {"Annotated", "NotRequired"}:
        return _of(inner.elts[0] if isinstance(inner, ast.Tuple) else inner)
    if name == "Optional":
        wanted = _of(inner)
        return lambda value: value is None or wanted(value)
    if name in {"List", "list"}:
        each = _of(inner)
        return lambda value: isinstance(value, list) and all(map(each, value))
    if name == "dict":
        key, held = (_of(part) for part in inner.elts)
        return lambda value: isinstance(value, dict) and all(key(k) and held(v) for k, v in value.items())
    raise ValueError(f"the double cannot read the type {name}[…]")


def _constant(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    return ast.literal_eval(node)


def _choice(node: ast.expr) -> Any:
    if isinstance(node, ast.Attribute):
        return CONSTANTS.get(node.attr, _NO_VALUE)  # EXPORT_ALE is a type's, and no constant of the class
    return _constant(node)


def problem_with_dictionary(name: str, value: dict[Any, Any]) -> str | None:
    """What is wrong with a dictionary that should be one of the stubs' `name`, or None."""
    known = SURFACE["dictionaries"][name]
    for key, held in value.items():
        if key not in known:
            return f"{name} has no key {key!r}"
        kind = "float" if key in _EITHER_NUMBER else known[key]
        if not check(kind)(held):
            return f"{key} of {name} is {kind}, not {held!r}"
    missing = _ONLY_NEEDED.get(name, set()) - set(value)
    return f"{name} needs {', '.join(sorted(missing))}" if missing else None


def _is_dictionary(name: str, value: Any) -> bool:
    return isinstance(value, dict) and problem_with_dictionary(name, value) is None
