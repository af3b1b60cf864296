"""`overscan install resolve`, `overscan uninstall resolve` and `overscan doctor --resolve`, on real folders."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Cli, Result


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cli]:
    """Commands of a user whose home is empty, and whose name is an awkward one."""
    home = tmp_path / 'us"er é'
    home.mkdir()
    environment = {"HOME": str(home), "USERPROFILE": str(home), "APPDATA": str(home), "OVERSCAN_COMMAND": ""}
    command = Cli(home=home / "overscan", cwd=tmp_path, environment=environment)
    yield command
    command.stop_service()


def install(own: Cli, *options: str) -> Result:
    result = own("install", "resolve", "--scripts", "Scripts", "--json", *options)
    assert result.code == 0, result.err
    return result


def scripts_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def checks(result: Result) -> dict[str, dict]:
    return {line["name"]: line for line in result.lines if line["type"] == "check"}


def test_install_lays_down_the_plugin_and_scripts_that_know_where_it_is(own: Cli, tmp_path: Path) -> None:
    summary = install(own).summary
    folder, scripts = Path(summary["folder"]), tmp_path / "Scripts"
    assert folder == own.home / "resolve"
    assert (folder / "python" / "overscan_resolve" / "__init__.py").is_file()
    assert (folder / "python" / "overscan_host" / "__init__.py").is_file()
    assert not (folder / "python" / "overscan_resolve" / "scripts").exists()
    names = scripts_in(scripts)
    assert {name.split("/")[0] for name in names} >= {"Edit", "Color", "Comp", "Utility"}
    assert all(name.split("/")[1] == "Overscan" for name in names)
    assert set(map(Path, summary["scripts"])) == {scripts / name for name in names}
    for name in names:
        text = (scripts / name).read_text(encoding="utf-8")
        assert "@OVERSCAN_FOLDER@" not in text
        if name.endswith(".py"):
            texts = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
            assert str(folder / "python") in texts, "the path stands in it as it is"


def test_again_keeps_what_somebody_changed_and_removes_what_is_no_more(own: Cli, tmp_path: Path) -> None:
    first = install(own).summary
    folder, one = Path(first["folder"]), Path(first["scripts"][0])
    one.write_text("# mine\n")
    stale = one.with_name("Gone.py")
    stale.write_text("")
    record = folder / "scripts.json"
    plain = json.loads(record.read_text())
    plain["sha256"][str(stale)] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    record.write_text(json.dumps(plain))
    second = install(own).summary
    assert one.read_text() != "# mine\n"
    aside = one.with_name(f"{one.name}.changed")
    assert aside.read_text() == "# mine\n"
    assert str(aside) in second["set_aside"]
    assert not stale.exists()


def test_a_script_of_somebody_else_is_not_overwritten(own: Cli, tmp_path: Path) -> None:
    names = [Path(name) for name in install(own, "--into", "elsewhere").summary["scripts"]]
    assert own("uninstall", "resolve", "--from", "elsewhere").code == 0
    names[0].parent.mkdir(parents=True)
    names[0].write_text("# theirs\n")
    result = own("install", "resolve", "--scripts", "Scripts")
    assert result.code == 2
    assert str(names[0]) in result.err
    assert names[0].read_text() == "# theirs\n"
    assert not (own.home / "resolve").exists()


def test_uninstall_removes_exactly_what_was_laid_down(own: Cli, tmp_path: Path) -> None:
    summary = install(own).summary
    changed, foreign = Path(summary["scripts"][0]), tmp_path / "Scripts" / "Edit" / "Overscan" / "Own.py"
    changed.write_text("# mine\n")
    foreign.write_text("")
    result = own("uninstall", "resolve", "--json")
    assert result.code == 0, result.err
    assert scripts_in(tmp_path / "Scripts") == {
        path.relative_to(tmp_path / "Scripts").as_posix() for path in (changed, foreign)
    }
    assert str(changed) in result.summary["left"]
    assert own("uninstall", "resolve").code == 2


def test_the_plugins_of_two_hosts_do_not_share_a_folder(own: Cli, tmp_path: Path) -> None:
    install(own, "--into", "plugin")
    before = scripts_in(tmp_path / "plugin")
    for command in (("install", "nuke", "--into", "plugin"), ("uninstall", "nuke", "--from", "plugin")):
        result = own(*command)
        assert result.code == 2
        assert "plugin" in result.err
    assert scripts_in(tmp_path / "plugin") == before


def test_the_doctor_names_what_is_missing_and_then_nothing(own: Cli) -> None:
    before = own("doctor", "--resolve", "--json")
    assert before.code == 1
    assert checks(before)["plugin"]["verdict"] == "fail"
    assert checks(before)["DaVinci Resolve"]["next_step"]
    summary = install(own).summary
    after = own("doctor", "--resolve", "--json")
    assert after.code == 0, after.out
    assert checks(after)["Workspace > Scripts"]["verdict"] == "ok"
    assert checks(after)["bridge"]["verdict"] == "ok"
    Path(summary["scripts"][0]).unlink()
    broken = own("doctor", "--resolve", "--json")
    assert broken.code == 1
    assert "1 script missing" in checks(broken)["Workspace > Scripts"]["message"]
