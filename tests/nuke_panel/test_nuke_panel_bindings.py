"""The one shim on both bindings: PySide6 as in Nuke 16 and later, PySide2 as in Nuke 13 to 15."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from interpreters import lay_down

PYSIDE2 = "OVERSCAN_PYSIDE2_PYTHON"
"""Names a Python 3.7 to 3.10 with PySide2."""


@pytest.mark.parametrize("binding", ["PySide6", "PySide2"])
def test_panel_and_page(binding: str, platform: str, tmp_path: Path) -> None:
    interpreter = sys.executable if binding == "PySide6" else os.environ.get(PYSIDE2)
    if not interpreter:
        pytest.skip(f"needs PySide2: python3.10 -m venv V; V/bin/pip install PySide2; export {PYSIDE2}=V/bin/python")
    laid_down = lay_down(tmp_path / "python", "overscan_host", "overscan_nuke")
    done = subprocess.run(
        [interpreter, str(Path(__file__).with_name("show_panel.py")), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(laid_down)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(binding)
    assert (tmp_path / f"{binding}.png").stat().st_size > 5000
