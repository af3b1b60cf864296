"""Runs the self-check of a laid-down plugin in the double, as `nuke -t` runs it in Nuke: VERSION SCRIPT ARGUMENTS…"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.hosts.nuke_double import double

if __name__ == "__main__":
    version, script, *arguments = sys.argv[1:]
    double.install(version=version, gui=False)
    sys.argv = [script, *arguments]
    code = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = int(end.code or 0)
    double.uninstall()
    sys.exit(code)
