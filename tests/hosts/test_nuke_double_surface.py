"""The double offers what types-nuke has: no name more, no argument more."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.nuke_double import double, make_surface
from tests.hosts.nuke_double._stock_nodes import PARTS, STOCK


@pytest.fixture
def nuke() -> Iterator[Any]:
    yield double.install(version="15.1v3", gui=True)
    double.uninstall()


@pytest.fixture(scope="module")
def stubs() -> Path:
    folder = make_surface.stubs()
    if not folder.is_dir():
        pytest.skip("needs the package types-nuke: pip install types-nuke")
    return folder


def test_the_committed_surface_is_what_the_stubs_say(stubs: Path) -> None:
    assert make_surface.text(stubs) == make_surface.SURFACE.read_text()


def test_the_surface_holds_what_a_plugin_needs() -> None:
    surface = json.loads(make_surface.SURFACE.read_text())
    assert surface["functions"]["createNode"] == ["typ, knobs=..., inpanel=..."]
    assert surface["functions"]["render"] == surface["functions"]["execute"]
    assert surface["classes"]["Int_Knob"]["bases"] == ["Array_Knob"]
    assert surface["classes"]["Node"]["methods"]["setInput"] == ["i, node"]


def test_the_module_has_exactly_the_names_of_the_stubs(nuke: Any) -> None:
    surface = json.loads(make_surface.SURFACE.read_text())
    known = {name for kind in ("constants", "functions", "classes") for name in surface[kind]}
    given = {name for name in vars(nuke) if not name.startswith("__")}
    assert given - known == set()
    assert set(surface["functions"]) | set(surface["classes"]) <= given


def test_public_methods_of_the_doubles_classes_are_the_stubs(nuke: Any) -> None:
    surface = json.loads(make_surface.SURFACE.read_text())["classes"]

    def methods(name: str) -> set[str]:
        entry = surface[name]
        return (
            set(entry["methods"])
            | set(entry["attributes"])
            | {m for b in entry["bases"] if b in surface for m in methods(b)}
        )

    for name in surface:
        cls = getattr(nuke, name)
        if isinstance(cls, type) and not issubclass(cls, Exception):
            public = {method for method in dir(cls) if not method.startswith("_")}
            assert public <= methods(name) | {"VIEW"}, name


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ("nuke.createnode('Read')", AttributeError, "createnode"),
        ("nuke.createNode()", TypeError, "createNode"),
        ("nuke.createNode('Read', panel=False)", TypeError, "panel=False"),
        ("nuke.frame(1, 2)", TypeError, "frame"),
        ("nuke.createNode('Raed')", RuntimeError, "Raed: Unknown command"),
        ("nuke.nodes.Raed()", AttributeError, "Raed"),
        ("nuke.createNode('Read')['fiel']", NameError, "knob fiel does not exist"),
        ("nuke.createNode('Read', 'fiel x')", RuntimeError, "no such knob 'fiel'"),
        ("nuke.createNode('Read').setinput(0, None)", AttributeError, "setinput"),
        ("nuke.createNode('Read').setInput(0)", TypeError, "setInput"),
        ("nuke.createNode('Read')['file'].setValue(3)", TypeError, "takes text"),
        ("nuke.createNode('Read')['before'].setValue('stop')", ValueError, "no choice 'stop'"),
        ("nuke.createNode('Read')['first'].setValue('1')", TypeError, "takes a number"),
        ("setattr(nuke.createNode('Read'), 'colour', 1)", AttributeError, "colour"),
        ("setattr(nuke, 'message', print)", AttributeError, "not yours"),
        ("nuke.Integer_Knob('a')", AttributeError, "Integer_Knob"),
        ("nuke.Int_Knob(3)", TypeError, "takes a name"),
        ("nuke.Enumeration_Knob('a', 'b', 'c', 'd')", TypeError, "."),
        ("nuke.ProgressTask('x').setProgress(0.5)", TypeError, "float"),
        ("nuke.licenseInfo()", NotImplementedError, "the double does not model it"),
        ("nuke.Axis_Knob('a')", NotImplementedError, "Axis_Knob"),
        ("nuke.addFormat('10 10')", RuntimeError, "name"),
        ("nuke.Node()", TypeError, "createNode"),
    ],
)
def test_what_nuke_has_not_is_an_error(nuke: Any, call: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        eval(call, {"nuke": nuke})


def test_every_stock_node_can_be_made_and_says_its_source(nuke: Any) -> None:
    for name, entry in STOCK.items():
        assert entry.source, name
        if name not in PARTS:
            node = nuke.createNode(name)
            changed = {knob.name() for knob in node.allKnobs() if knob._not_default()}
            assert changed <= {"name", "selected", "xpos", "ypos"}, name


def test_the_stdlib_half_imports_nothing_else() -> None:
    folder = Path(double.__file__).parent
    allowed = {
        "__future__",
        "bisect",
        "collections",
        "contextlib",
        "functools",
        "hashlib",
        "inspect",
        "json",
        "math",
        "os",
    }
    allowed |= {
        "atexit",
        "pathlib",
        "re",
        "subprocess",
        "sys",
        "threading",
        "time",
        "traceback",
        "types",
        "typing",
        "zlib",
        "ast",
        "sysconfig",
    }
    for path in folder.glob("*.py"):
        for line in ast.walk(ast.parse(path.read_text())):
            if isinstance(line, ast.Import):
                assert {name.name.split(".")[0] for name in line.names} <= allowed, path.name
            elif isinstance(line, ast.ImportFrom) and line.level == 0:
                assert str(line.module).split(".")[0] in allowed, path.name
