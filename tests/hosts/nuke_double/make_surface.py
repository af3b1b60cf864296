"""Write data/surface.json: every name, class and argument list that the package types-nuke knows of `nuke`.

Run it with an environment that has types-nuke: `python -m tests.hosts.nuke_double.make_surface`. The test
test_nuke_double_surface.py runs it again and compares. In a list of arguments `*args, **kwargs` stands for "anything".
"""

from __future__ import annotations

import ast
import json
import sysconfig
from pathlib import Path

SURFACE = Path(__file__).parent / "data" / "surface.json"
# The modules that the package's __init__ takes into the name space of `nuke`, in its order.
MODULES = ("_nuke", "utils", "callbacks", "colorspaces", "executeInMain", "overrides", "scripts")
ANYTHING = "*args, **kwargs"


def stubs() -> Path:
    """The folder of the installed stubs."""
    return Path(sysconfig.get_paths()["purelib"]) / "nuke-stubs"


def arguments_of(function: ast.FunctionDef, *, method: bool) -> str:
    """The argument list without annotations, and without `self`; `...` stands for any default."""
    plain = function.args
    names = [*plain.posonlyargs, *plain.args]
    if method:
        if not names or names[0].arg not in {"self", "cls", "type"}:
            return ANYTHING  # a handful of overloads in the stubs lack `self`, and say nothing that can be checked
        names = names[1:]
    bare = len(names) - len(plain.defaults)
    parts = [name.arg if place < bare else f"{name.arg}=..." for place, name in enumerate(names)]
    if plain.vararg:
        parts.append(f"*{plain.vararg.arg}")
    elif plain.kwonlyargs:
        parts.append("*")
    parts += [
        name.arg if default is None else f"{name.arg}=..."
        for name, default in zip(plain.kwonlyargs, plain.kw_defaults, strict=True)
    ]
    if plain.kwarg:
        parts.append(f"**{plain.kwarg.arg}")
    return ", ".join(parts)


def class_of(definition: ast.ClassDef) -> dict[str, object]:
    """Bases, attributes and methods (each with one argument list for every overload)."""
    methods: dict[str, list[str]] = {}
    attributes: list[str] = []
    for line in definition.body:
        if isinstance(line, ast.FunctionDef):
            methods.setdefault(line.name, []).append(arguments_of(line, method=True))
        elif isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            attributes.append(line.target.id)
    bases = [base.id for base in definition.bases if isinstance(base, ast.Name)]
    return {"bases": bases, "attributes": attributes, "methods": methods}


def surface(folder: Path) -> dict[str, dict[str, object]]:
    """What the stubs in `folder` say, ready for JSON."""
    constants: dict[str, object] = {}
    functions: dict[str, list[str]] = {}
    classes: dict[str, object] = {}
    for module in MODULES:
        for line in ast.parse((folder / f"{module}.pyi").read_text()).body:
            if isinstance(line, ast.FunctionDef):
                functions.setdefault(line.name, []).append(arguments_of(line, method=False))
            elif isinstance(line, ast.ClassDef):
                classes[line.name] = class_of(line)
            elif isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                constants[line.target.id] = ast.unparse(line.annotation)
            elif isinstance(line, ast.Assign) and isinstance(line.value, ast.Name):
                for target in line.targets:
                    if isinstance(target, ast.Name):
                        functions[target.id] = functions[line.value.id]
    return {"constants": constants, "functions": dict(functions), "classes": classes}


def text(folder: Path) -> str:
    """The file's whole text."""
    return json.dumps(surface(folder), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    SURFACE.write_text(text(stubs()))
