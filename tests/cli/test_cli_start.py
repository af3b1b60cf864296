"""What the command loads before it knows what to do, and what it says about itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "grpc", "numpy", "google.protobuf", "OpenImageIO", "cv2", "yaml", "fileseq")


def modules_after(code: str) -> set[str]:
    """Names of the modules that a fresh Python has loaded after `code`."""
    script = f"import sys, json\ntry:\n    {code}\nexcept SystemExit:\n    pass\n"
    script += "sys.stderr.write('MODULES ' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, env=os.environ
    )
    return set(json.loads(done.stderr.rpartition("MODULES ")[2]))


@pytest.mark.parametrize("arguments", [["--help"], ["extend", "--help"], ["jobs", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = f"sys.argv = ['overscan', *{arguments}]; from overscan.cli import main; main()"
    assert modules_after(code).isdisjoint(HEAVY)


def test_libraries_never_load_torch() -> None:
    loaded = modules_after(
        "import overscan.cli, overscan.client, overscan.core.errors, overscan.core.frames, overscan.core.jobs, "
        "overscan.core.engines, overscan.core.plates, overscan.core.colour, overscan.core.results"
    )
    assert "overscan.core.results" in loaded
    assert "torch" not in loaded


def test_help_lists_the_commands_and_the_exit_codes(cli) -> None:
    result = cli("--help")
    assert result.code == 0
    for command in ["serve", "extend", "inpaint", "plan", "submit", "jobs", "engines", "verify", "doctor", "demo"]:
        assert re.search(rf"^  {command}\b", result.out, re.MULTILINE), command
    assert re.search(r"^ +130  stopped by Ctrl-C$", result.out, re.MULTILINE)


def test_exit_codes_are_documented_as_they_are() -> None:
    from overscan.cli._exit import CODES, MEANINGS

    text = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
    documented = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", text, re.MULTILINE))
    assert documented == {str(int(code)): meaning for code, meaning in MEANINGS.items()}
    codes = dict(re.findall(r"^\| `([A-Z_]+)` \| .*\| (\d+) \|$", text, re.MULTILINE))
    assert {name: str(int(code)) for name, code in CODES.items()}.items() <= codes.items()


def test_every_code_that_core_and_service_raise_is_documented() -> None:
    root = Path(__file__).parents[2]
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", (root / "docs" / "errors.md").read_text(), re.MULTILINE))
    raised: set[str] = set()
    for source in (*root.joinpath("core").rglob("*.py"), *root.joinpath("service").rglob("*.py")):
        raised |= set(re.findall(r"^    code = \"([A-Z_]+)\"", source.read_text(), re.MULTILINE))
    assert "MISSING_FRAMES" in raised
    assert raised <= documented


def test_a_mistyped_command_line_is_a_usage_error(cli) -> None:
    result = cli("extend", "plate.%04d.exr", "-o", "out.%04d.exr", "--formt", "64x48")
    assert result.code == 2
    assert "--formt" in result.err
    assert result.out == ""


def test_a_mistyped_command_line_answers_scripts_in_json(cli) -> None:
    result = cli("extend", "plate.%04d.exr", "--json", "--formt", "64x48")
    assert result.code == result.summary["exit_code"] == 2
    assert result.summary["errors"][0]["code"] == "USAGE"
    assert "--formt" in result.summary["errors"][0]["message"]
