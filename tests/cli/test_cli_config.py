"""`overscan config`, and that a studio's settings leave an artist's own service alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Cli


@pytest.fixture
def configured(tmp_path: Path) -> Cli:
    """A command line whose user has a folder for settings, empty so far."""
    return Cli(home=tmp_path / "home", cwd=tmp_path, environment={"XDG_CONFIG_HOME": str(tmp_path / "config")})


def user_file(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config" / "overscan" / "service.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


@pytest.mark.skipif(sys.platform != "linux", reason="XDG's folders")
def test_shows_what_holds_and_why(configured: Cli, tmp_path: Path) -> None:
    file = user_file(tmp_path, "# mine\nworkers = 2\n")
    found = configured("config", "show", "--changed")
    assert found.code == 0, found.err
    assert f"workers = 2   # {file}:2" in found.out
    assert "    Render workers at once" in found.out
    assert f'home = "{tmp_path / "home"}"   # OVERSCAN_HOME' in found.out
    assert "plan_seconds_max" not in found.out
    lines = configured("config", "show", "--json").lines
    settings = {line["name"]: line for line in lines if line["type"] == "setting"}
    assert settings["plan_seconds_max"]["origin"] == "default"
    assert settings["workers"]["line"] == 2
    assert lines[-1]["files"] == [str(file)]
    assert not (tmp_path / "home").exists(), "it only asked"


def test_checks_a_file(configured: Cli, tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text('log_format = "json"\n')
    good = configured("config", "check", str(file))
    assert good.code == 0, good.err
    assert good.out.strip() == f"{file} is good: 1 setting."
    file.write_text('log_format = "yaml"\n\nlisten_at = 3\n')
    bad = configured("config", "check", str(file), "--json")
    assert bad.code == 2
    errors = [line["message"] for line in bad.lines if line["type"] == "error"]
    assert any(message.startswith(f"{file}:1: log_format: ") for message in errors)
    assert any(message.startswith(f"{file}:3: there is no setting 'listen_at'") for message in errors)
    assert len(errors) == 2
    assert configured("config", "check", str(tmp_path / "absent.toml")).code == 2


@pytest.mark.skipif(sys.platform != "linux", reason="XDG's folders")
def test_an_artists_own_service_does_not_try_to_be_the_studios(configured: Cli, tmp_path: Path) -> None:
    user_file(tmp_path, f'home = "{tmp_path / "studio"}"\nlisten = "0.0.0.0:7777"\nusers_file = "/etc/shadow"\n')
    try:
        asked = configured("engines")
        assert asked.code == 0, asked.err
    finally:
        configured.stop_service()
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    environment.pop("OVERSCAN_HOME", None)
    refused = subprocess.run(
        [sys.executable, "-m", "overscan.cli", "serve"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert refused.returncode == 78
    assert "Traceback" not in refused.stderr
