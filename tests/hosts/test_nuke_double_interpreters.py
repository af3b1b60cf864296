"""The double runs in every Python that Nuke has, with nothing installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from interpreters import VERSIONS, run_unittests

HERE = Path(__file__).parent


@pytest.mark.parametrize("version", VERSIONS)
def test_graph_scripts_and_threads(version: str, tmp_path: Path) -> None:
    pattern = "test_nuke_double_[gst][chr]*.py"
    root = HERE.parents[1]
    said = run_unittests(version, laid_down=root, tests=HERE, pattern=pattern, cwd=tmp_path)
    assert int(re.findall(r"Ran (\d+) tests", said)[0]) >= 38
