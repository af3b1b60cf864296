"""The process that makes pictures, seen from the double: started when first asked, shared by all sessions.

It ends with this process, whose end closes its input.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import _knob_expressions, _script_writing
from ._session import current

ROOT = Path(__file__).resolve().parents[3]
# A Python with numpy and OpenImageIO; the double itself runs without.
PYTHON = "OVERSCAN_PICTURE_PYTHON"


def _python() -> str:
    chosen = os.environ.get(PYTHON)
    if chosen:
        return chosen
    ours = ROOT / ".venv" / "bin" / "python"
    return str(ours) if ours.exists() else sys.executable


_processes: list[subprocess.Popen[str]] = []


def _started() -> subprocess.Popen[str]:
    if not _processes or _processes[0].poll() is not None:
        end()
        environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
        process = subprocess.Popen(
            [_python(), "-m", "tests.hosts.nuke_double.picture"],
            cwd=str(ROOT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
            env=environment,
        )
        _processes.append(process)
    return _processes[0]


def ask(node: Any, what: str, *, frame: float | None = None, view: str | None = None, **more: Any) -> dict[str, Any]:
    """Send the script as it is now and a question about one node; RuntimeError where the process fails at it."""
    session = current()
    with session.host_work():
        request = {
            "what": what,
            "script": _script_writing.script_text(),
            "version": session.version,
            "node": node._full_name(),
            "frame": _knob_expressions.current_frame() if frame is None else float(frame),
            "view": view or session.view,
            **more,
        }
        process = _started()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the picture process ended with {process.wait()} on {what} of {node._full_name()}")
    answer: dict[str, Any] = json.loads(line)
    if "failure" in answer:
        raise RuntimeError(answer["failure"])
    return answer


@atexit.register
def end() -> None:
    """End the process, where there is one."""
    for process in _processes:
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):  # it is gone already
            process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()
    _processes.clear()
