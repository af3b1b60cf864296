"""The host's half in the oldest Python, a real bridge and a real service in ours."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from interpreters import lay_down, run_unittests

HERE = Path(__file__).parent
OLDEST = "3.7"


def test_host_bridge_and_service(own_cli, plate: str, tmp_path: Path) -> None:
    environment = {
        **own_cli.environment,
        "OVERSCAN_HOME": str(own_cli.home),
        "NUMBA_CACHE_DIR": os.environ["NUMBA_CACHE_DIR"],
    }
    facts = {
        "command": [sys.executable, "-m", "overscan.cli", "bridge"],
        "environment": environment,
        "plate": str(tmp_path / plate),
    }
    said = run_unittests(
        OLDEST,
        laid_down=lay_down(tmp_path / "python", "overscan_host"),
        modules=[HERE / "test_host_service.py"],
        cwd=tmp_path,
        environment={"OVERSCAN_TEST_FACTS": json.dumps(facts)},
    )
    assert "skipped" not in said
