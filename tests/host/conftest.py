"""The commands' fixtures, which start real services, for the host's half as well."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# By path: test folders are no packages, and a second file called conftest.py cannot be imported by name.
_FILE = Path(__file__).parents[1] / "cli" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("overscan_cli_fixtures", _FILE)
assert _SPEC is not None
assert _SPEC.loader is not None
_fixtures = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = _fixtures  # dataclasses look their module up
_SPEC.loader.exec_module(_fixtures)

collect_ignore = ["test_host_service.py"]
"""Run by test_real_processes.py, in another Python."""

engine_environment = _fixtures.engine_environment
own_cli = _fixtures.own_cli
plate = _fixtures.plate
