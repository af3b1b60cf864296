"""Write data/surface.json: every class, method, parameter, type and dictionary key that fusionscript-stubs knows.

Run it with an environment that has fusionscript-stubs: `python -m tests.hosts.resolve_double.make_surface`. The test
test_resolve_double_surface.py runs it again and compares.
"""

from __future__ import annotations

import ast
import json
import sysconfig
from pathlib import Path
from typing import Any

SURFACE = Path(__file__).parent / "data" / "surface.json"


def stubs() -> Path:
    """The folder of the installed stubs."""
    return Path(sysconfig.get_paths()["purelib"]) / "fusionscript-stubs"


def _key(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) else ast.unparse(node)


def arguments_of(function: ast.FunctionDef) -> dict[str, Any]:
    """Parameters after `self` as [name, type, has a default], the type of `*args`, and the result."""
    plain = function.args
    names = plain.args[1:]
    bare = len(names) - len(plain.defaults)
    parameters = [
        [name.arg, ast.unparse(name.annotation) if name.annotation else "Any", place >= bare]
        for place, name in enumerate(names)
    ]
    rest = plain.vararg.annotation if plain.vararg else None
    returned = ast.unparse(function.returns) if function.returns else "Any"
    return {"parameters": parameters, "rest": ast.unparse(rest) if rest else None, "returns": returned}


def _dictionary_of(definition: ast.ClassDef) -> dict[str, str]:
    return {
        line.target.id: ast.unparse(line.annotation)
        for line in definition.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    }


def class_of(definition: ast.ClassDef) -> dict[str, Any]:
    """Constants (their value, where the stubs give one) and methods (each with its overloads)."""
    constants: dict[str, Any] = {}
    methods: dict[str, list[dict[str, Any]]] = {}
    for line in definition.body:
        if isinstance(line, ast.FunctionDef):
            methods.setdefault(line.name, []).append(arguments_of(line))
        elif isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            try:
                constants[line.target.id] = ast.literal_eval(line.annotation)
            except ValueError:
                constants[line.target.id] = None
        elif isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            constants[line.targets[0].id] = ast.literal_eval(line.value)
    return {"constants": constants, "methods": methods}


def surface(folder: Path) -> dict[str, Any]:
    """What the stubs in `folder` say, ready for JSON."""
    classes: dict[str, Any] = {}
    dictionaries: dict[str, dict[str, str]] = {}
    aliases: dict[str, str] = {}
    for line in ast.parse((folder / "fusionscript.pyi").read_text(encoding="utf-8")).body:
        if isinstance(line, ast.ClassDef):
            if line.name == "ValueRange":
                continue
            if any(isinstance(base, ast.Name) and base.id == "TypedDict" for base in line.bases):
                dictionaries[line.name] = _dictionary_of(line)
            else:
                classes[line.name] = class_of(line)
        elif isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            name, value = line.targets[0].id, line.value
            if isinstance(value, ast.Call) and isinstance(value.args[1], ast.Dict):
                pairs = zip(value.args[1].keys, value.args[1].values, strict=True)
                dictionaries[name] = {_key(key): ast.unparse(kind) for key, kind in pairs if key is not None}
            else:
                aliases[name] = ast.unparse(value)
    return {"classes": classes, "dictionaries": dictionaries, "aliases": aliases}


def text(folder: Path) -> str:
    """The file's whole text."""
    return json.dumps(surface(folder), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    SURFACE.write_text(text(stubs()), encoding="utf-8")
