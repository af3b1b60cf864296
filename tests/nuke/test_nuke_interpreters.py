"""The plugin in the Pythons of real Nukes, with nothing installed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from interpreters import VERSIONS, lay_down, run_unittests

import overscan_nuke

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {"overscan_host", "overscan_nuke", "nuke", "nukescripts"}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_plugins_own_tests_pass(version: str, tmp_path: Path) -> None:
    laid_down = lay_down(tmp_path / "laid_down", "overscan_host", "overscan_nuke")
    for name in ("nodes", "parts", "settings", "upstream"):
        said = run_unittests(
            version, laid_down=laid_down, tests=Path(__file__).parent, pattern=f"test_nuke_{name}.py", cwd=tmp_path,
            also=[ROOT],
        )  # fmt: skip
        assert "OK" in said


def test_nothing_is_imported_that_a_host_has_not() -> None:
    import sys

    foreign = {}
    for file in Path(str(overscan_nuke.__file__)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            tops = {name.split(".")[0] for name in names}
            strange = tops - ALLOWED - set(sys.stdlib_module_names)
            if strange:
                foreign[file.name] = strange
    assert foreign == {}
