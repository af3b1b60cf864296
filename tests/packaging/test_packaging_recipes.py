"""The systemd unit and the container's recipe, as far as they can be tried without either running here."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from overscan.service.operations.config import configure

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "packaging" / "systemd" / "overscan.service"
RECIPE = ROOT / "packaging" / "container" / "Containerfile"
SETTINGS = {"systemd": ROOT / "packaging/systemd/service.toml", "container": ROOT / "packaging/container/service.toml"}


def directives() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def instructions() -> list[tuple[str, str]]:
    """The recipe's instructions, with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", RECIPE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("where", SETTINGS)
def test_the_settings_that_ship_are_good(where: str) -> None:
    settings = configure(flags={}, file=SETTINGS[where], environment={}).settings
    assert settings.home == Path("/var/lib/overscan")
    assert settings.listen == "unix:/run/overscan/service.sock"
    assert settings.socket_mode != "600", "others share the socket"


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    there = tmp_path / UNIT.name
    there.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    said = subprocess.run([analyze, "verify", str(there)], capture_output=True, text=True, timeout=60)
    ours = [line for line in (said.stdout + said.stderr).splitlines() if UNIT.name in line]
    assert not ours
    level = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=15", str(there)], capture_output=True, timeout=60
    )
    if b"unrecognized option" not in level.stderr:
        assert level.returncode == 0, "more exposed than 1.5 of 10"


def test_the_unit_gives_the_drain_its_time_and_keeps_the_network_shut() -> None:
    found = directives()
    settings = configure(flags={}, file=SETTINGS["systemd"], environment={}).settings
    assert float(found["TimeoutStopSec"][0]) > settings.drain_seconds_max + settings.stop_seconds_max + 10
    assert found["Type"] == ["notify"]
    assert found["KillMode"] == ["mixed"], "a signal to the workers would end their steps"
    assert found["PrivateNetwork"] == ["yes"]
    assert found["RestartPreventExitStatus"] == ["78"]
    assert f"/run/{found['RuntimeDirectory'][0]}/" in settings.listen
    assert str(settings.home) == f"/var/lib/{found['StateDirectory'][0]}"
    program, *arguments = shlex.split(found["ExecStart"][0])
    assert Path(program).name == "overscan"
    assert arguments == ["serve", "--config", "/etc/overscan/service.toml"]


def test_the_recipe_copies_what_is_there_and_its_context_has_it() -> None:
    context = RECIPE.with_name("Containerfile.dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in context if line.startswith("!")}
    copied = set()
    for name, rest in instructions():
        words = rest.split()
        if name == "COPY" and not words[0].startswith("--from"):
            copied |= set(words[:-1])
    assert copied == kept
    assert not [path for path in copied if not (ROOT / path).exists()]


def test_the_recipe_installs_as_the_makefile_does() -> None:
    """So that what the tests run in is what the container has."""
    runs = " ".join(rest for name, rest in instructions() if name == "RUN")
    makefile = (ROOT / "Makefile").read_text()
    (tools,) = re.findall(r"install --constraint constraints.txt (setuptools .*)", makefile)
    assert f"--constraint constraints.txt {tools.strip()}" in runs
    assert "install --constraint constraints.txt --no-build-isolation '.[dev]'" in makefile
    assert "--constraint constraints.txt --no-build-isolation ." in runs


def test_the_containers_command_runs_and_is_no_administrator(tmp_path: Path) -> None:
    found = dict(instructions())
    assert found["USER"] == "10001:10001"
    program, serve, *flags = yaml.safe_load(found["ENTRYPOINT"])
    assert (program, serve) == ("overscan", "serve")
    flags[flags.index("--config") + 1] = str(SETTINGS["container"])
    shown = subprocess.run(
        [sys.executable, "-m", "overscan.service", *flags, "--home", str(tmp_path), "--show-config"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr


def test_compose_shuts_the_container() -> None:
    (service,) = yaml.safe_load((RECIPE.with_name("compose.yaml")).read_text())["services"].values()
    settings = configure(flags={}, file=SETTINGS["container"], environment={}).settings
    assert service["network_mode"] == "none"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["user"] == "10001:10001"
    assert (ROOT / "packaging/container" / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).samefile(RECIPE)
    assert int(service["stop_grace_period"].rstrip("s")) > settings.drain_seconds_max + settings.stop_seconds_max + 10
    inside = {
        mount.rsplit(":", 1)[0].rsplit(":", 1)[-1] if mount.endswith(":ro") else mount.rsplit(":", 1)[-1]
        for mount in service["volumes"]
    }
    assert {
        str(settings.home),
        "/run/overscan",
        *map(str, settings.roots_read),
        *map(str, settings.roots_write),
    } == inside
