"""Runs the self-check of a laid-down plugin in the double of Resolve, from outside: FOLDER SETTINGS SCRIPT ARGUMENTS…

SETTINGS is JSON: arguments of `double.start`, and `options`. FOLDER/state.json then says what was changed, and which
rules of Resolve's were broken.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.hosts.resolve_double import double, user

if __name__ == "__main__":
    folder, settings, script, *arguments = sys.argv[1:]
    settings = json.loads(settings)
    options = settings.pop("options", {})
    started = double.start(**{key: tuple(value) if key == "version" else value for key, value in settings.items()})
    for name, value in options.items():
        setattr(double.session().options, name, value)
    user.new_project("A Secret Show", rate="25", size=(64, 36), colorSpaceInput="ACEScg")
    user.new_timeline("A Secret Edit")
    started.OpenPage("color")
    before = double.snapshot()
    sys.argv = [script, *arguments]
    code = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = int(end.code or 0)
    left = {"changed": double.difference(before, double.snapshot()), "violations": double.session().violations}
    (Path(folder) / "state.json").write_text(json.dumps(left))
    double.stop()
    sys.exit(code)
