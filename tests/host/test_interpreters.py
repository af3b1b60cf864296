"""All that runs inside a host, in the Pythons that hosts have, with nothing installed; and what it may import at all.

Each Python runs all the test files in one process, two Pythons at a time: they wait more than they work.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from interpreters import VERSIONS, lay_down, python, run_unittests

HOSTS_OWN = {
    "overscan_host": set(),
    "overscan_nuke": {"overscan_host", "nuke", "nukescripts"},
    "overscan_resolve": {"overscan_host"},
}
"""What besides itself and the standard library a package may import when it is loaded."""
FORBIDDEN = ("grpc", "google", "numpy", "PySide2", "PySide6", "overscan")


TESTS = Path(__file__).parents[1]
MODULES = {
    "host": ("test_host_bridge", "test_host_queue", "test_host_words"),
    "hosts": (
        "test_nuke_double_graph",
        "test_nuke_double_scripts",
        "test_nuke_double_threads",
        "test_resolve_double_fusion",
        "test_resolve_double_media",
        "test_resolve_double_timeline",
        "test_resolve_double_windows",
    ),
    "nuke": ("test_nuke_nodes", "test_nuke_parts", "test_nuke_settings", "test_nuke_steps", "test_nuke_upstream"),
    "nuke_panel": ("test_nuke_preferences", "test_nuke_queue_words"),
    "resolve": (
        "test_resolve_clips",
        "test_resolve_restore",
        "test_resolve_return",
        "test_resolve_tasks",
        "test_resolve_timing",
    ),
}
"""Test files that need nothing but the standard library, by their folder."""

ENDS = ("3.7", "3.13", "3.14")
"""Tried by `make test`; those between them by `make test-all`."""


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[str]]]:
    """What the tests said in each Python that is asked for."""
    name = test_the_tests_pass_with_nothing_installed.__name__
    asked = [item.callspec.params["version"] for item in request.session.items if item.originalname == name]
    laid_down = lay_down(tmp_path_factory.mktemp("python"), "overscan_host", "overscan_nuke", "overscan_resolve")
    modules = [TESTS / folder / f"{name}.py" for folder, names in MODULES.items() for name in names]
    with ThreadPoolExecutor(2) as pool:
        yield {
            version: pool.submit(
                run_unittests,
                version,
                laid_down=laid_down,
                modules=modules,
                cwd=tmp_path_factory.mktemp("run"),
                also=[TESTS.parent],
            )
            for version in asked
        }


@pytest.mark.parametrize(
    "version",
    [pytest.param(one, marks=() if one in ENDS else pytest.mark.slow) for one in VERSIONS],
)
def test_the_tests_pass_with_nothing_installed(version: str, runs: dict[str, Future[str]]) -> None:
    ran = re.search(r"Ran (\d+) tests", runs[version].result())
    assert ran is not None
    assert int(ran[1]) >= 180


def test_no_test_file_is_left_out() -> None:
    """A file of unittests beside those above would pass here and never be seen by another Python."""
    found = {
        folder: tuple(
            path.stem
            for path in sorted((TESTS / folder).glob("test_*.py"))
            if "\nimport unittest\n" in path.read_text(encoding="utf-8") and path.stem != "test_host_service"
        )
        for folder in MODULES
    }
    assert found == MODULES


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_but_the_standard_library_is_loaded(version: str, tmp_path: Path) -> None:
    laid_down = lay_down(tmp_path / "python", "overscan_host", "overscan_nuke", "overscan_resolve")
    look = (
        f"import sys; sys.path.insert(0, {str(laid_down)!r}); import overscan_host, overscan_nuke, overscan_resolve; "
    )
    look += "import json; print(json.dumps(sorted(sys.modules)))"
    command = [str(python(version)), "-I", "-S", "-B", "-c", look]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "overscan_host" in loaded
    assert not loaded & set(FORBIDDEN)


@pytest.mark.parametrize("package", HOSTS_OWN)
def test_what_is_imported_at_module_level(package: str) -> None:
    folder = Path(str(importlib.import_module(package).__file__)).parent
    allowed = HOSTS_OWN[package] | {package} | set(sys.stdlib_module_names)
    found = []
    for path in sorted(folder.rglob("*.py")):
        if path.relative_to(folder).parts[0] == "panel":  # it lives in a GUI, and nothing else imports it on loading
            continue
        for name, line in _loaded(ast.parse(path.read_text(encoding="utf-8")).body):
            if name.partition(".")[0] not in allowed or name.startswith("overscan_nuke.panel"):
                found.append(f"{path.relative_to(folder)}:{line} imports {name}")
    assert found == []


def _loaded(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """What statements import when their module is loaded: not in functions, not for type checkers alone."""
    for statement in body:
        if isinstance(statement, ast.Import):
            yield from ((alias.name, statement.lineno) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, "imports are absolute"
            yield from ((f"{statement.module}.{alias.name}", statement.lineno) for alias in statement.names)
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from _loaded(statement.orelse)
        elif not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for field in ("body", "orelse", "finalbody"):
                yield from _loaded(getattr(statement, field, []))
            for handler in getattr(statement, "handlers", []):
                yield from _loaded(handler.body)
