"""What the panel is made of, Qt aside, in the Pythons that hosts have, with nothing installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from interpreters import VERSIONS, lay_down, run_unittests


@pytest.mark.parametrize("version", VERSIONS)
def test_words_jobs_preferences_and_cache(version: str, tmp_path: Path) -> None:
    laid_down = lay_down(tmp_path / "python", "overscan_host", "overscan_nuke")
    count = 0
    for pattern in ("test_nuke_queue_words.py", "test_nuke_preferences.py"):
        said = run_unittests(version, laid_down=laid_down, tests=Path(__file__).parent, pattern=pattern, cwd=tmp_path)
        count += int(re.findall(r"Ran (\d+) tests", said)[0])
    assert count >= 20
