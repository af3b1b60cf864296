"""`overscan install nuke`, `overscan uninstall nuke` and `overscan doctor --nuke`, on real folders."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import Cli, Result

from overscan.cli import _nuke_init


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cli]:
    """Commands of a user whose home is empty."""
    home = tmp_path / "user"
    home.mkdir()
    environment = {"HOME": str(home), "USERPROFILE": str(home), "NUKE_PATH": "", "OVERSCAN_COMMAND": ""}
    command = Cli(home=tmp_path / "jobs", cwd=tmp_path, environment=environment)
    yield command
    command.stop_service()


def user(own: Cli) -> Path:
    return Path(own.environment["HOME"])


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def checks(result: Result) -> dict[str, dict]:
    return {line["name"]: line for line in result.lines if line["type"] == "check"}


def test_install_lays_down_a_folder_for_nuke_path(own: Cli, tmp_path: Path) -> None:
    result = own("install", "nuke", "--into", "plugin", "--json")
    assert result.code == 0, result.err
    folder = tmp_path / "plugin"
    manifest = json.loads((folder / "overscan_install.json").read_text())
    assert manifest["schema"] == 1
    assert manifest["command"] == [sys.executable, "-m", "overscan.cli", "bridge"]
    assert set(files(folder)) == {*manifest["files"], "overscan_install.json"}
    assert {"init.py", "menu.py", "python/overscan_host/__init__.py", "python/overscan_nuke/__init__.py"} <= set(
        manifest["files"]
    )
    assert not any("__pycache__" in name or "layout" in name for name in manifest["files"])
    assert not (user(own) / ".nuke").exists(), "nothing outside the folder is touched"
    assert result.summary["files"] == len(manifest["files"]) + 1
    assert stat.S_IMODE(folder.stat().st_mode) & 0o055 == 0o055, "others may read it"


def test_install_says_how_nuke_comes_to_read_it(own: Cli) -> None:
    result = own("install", "nuke")
    folder = user(own) / ".nuke" / "overscan"
    assert f"export NUKE_PATH={folder}" in result.out
    assert "--link" in result.out
    assert not (user(own) / ".nuke" / "init.py").exists()


@pytest.mark.parametrize(
    "before",
    [None, b"", b"import nuke\n", b"import nuke", b"# caf\xe9\r\nimport nuke\r\n"],
    ids=["no file", "empty", "text", "no line end", "windows and latin-1"],
)
def test_link_is_one_block_and_goes_out_to_the_byte(
    before: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init, folder = tmp_path / ".nuke" / "init.py", tmp_path / "it's über\\sized"
    folder.mkdir()
    if before is not None:
        init.parent.mkdir()
        init.write_bytes(before)
        init.chmod(0o640)
    for _ in range(2):
        _nuke_init.link(init, folder)
        assert init.read_bytes().count(b"# >>> overscan >>>") == 1
        assert init.read_bytes().startswith(before or b"")
    assert _nuke_init.linked_folder(init) == str(folder)
    if before is not None:
        assert stat.S_IMODE(init.stat().st_mode) == 0o640
    added: list[str] = []
    monkeypatch.setitem(sys.modules, "nuke", SimpleNamespace(pluginAddPath=added.append))
    exec(compile(init.read_text(encoding="latin-1"), str(init), "exec"), {})
    assert added == [str(folder)]
    assert not _nuke_init.unlink(init, tmp_path / "another")
    assert _nuke_init.unlink(init, folder)
    assert (init.read_bytes() if init.exists() else None) == (before or None)


def test_install_with_link_and_uninstall_again(own: Cli) -> None:
    init = user(own) / ".nuke" / "init.py"
    assert own("install", "nuke", "--link").code == 0
    assert "pluginAddPath" in init.read_text()
    assert own("uninstall", "nuke").code == 0
    assert list((user(own) / ".nuke").iterdir()) == []


def test_upgrade_keeps_nothing_stale_and_nothing_of_others_is_lost(own: Cli, tmp_path: Path) -> None:
    own("install", "nuke", "--into", "plugin")
    folder = tmp_path / "plugin"
    whole = files(folder)
    manifest = json.loads((folder / "overscan_install.json").read_text())
    # As an older version would have left it: a module that is gone since, compiled, and another version number.
    stale = "python/overscan_nuke/_stale.py"
    (folder / stale).write_text("old = True\n")
    compiled = folder / "python/overscan_nuke/__pycache__/_stale.cpython-310.pyc"
    compiled.parent.mkdir(exist_ok=True)
    compiled.write_bytes(b"old")
    manifest["files"].append(stale)
    manifest["sha256"][stale] = hashlib.sha256(b"old = True\n").hexdigest()
    manifest["version"] = "0.0.9"
    (folder / "overscan_install.json").write_text(json.dumps(manifest))
    (folder / "studio.py").write_text("ours = True\n")
    (folder / "menu.py").write_text("# changed by the studio\n")
    result = own("install", "nuke", "--into", "plugin", "--json")
    assert result.code == 0, result.err
    after = files(folder)
    assert after.pop("studio.py") == b"ours = True\n"
    assert after.pop("menu.py.changed") == b"# changed by the studio\n"
    assert after == whole
    assert result.summary["before"] == "0.0.9"
    assert result.summary["foreign"] == ["studio.py"]
    assert result.summary["set_aside"] == ["menu.py.changed"]
    assert [path.name for path in tmp_path.iterdir() if "overscan-" in path.name] == []


def test_uninstall_removes_exactly_what_was_laid_down(own: Cli, tmp_path: Path) -> None:
    own("install", "nuke", "--into", "plugin")
    folder = tmp_path / "plugin"
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder)], check=True)
    (folder / "python" / "studio").mkdir()
    (folder / "python" / "studio" / "tool.py").write_text("ours = True\n")
    (folder / "init.py").write_text("# changed\n")
    result = own("uninstall", "nuke", "--from", "plugin", "--json")
    assert result.code == 0, result.err
    assert set(files(folder)) == {"init.py", "python/studio/tool.py"}
    assert result.summary["left"] == ["init.py", "python/studio/tool.py"]
    again = own("uninstall", "nuke", "--from", "plugin", "--json")
    assert again.code == 2
    assert "no Overscan plugin" in again.summary["errors"][0]["message"]


def test_uninstall_leaves_no_folder_behind(own: Cli, tmp_path: Path) -> None:
    own("install", "nuke", "--into", "a/plugin")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(tmp_path / "a")], check=True)
    assert own("uninstall", "nuke", "--from", "a/plugin").code == 0
    assert list((tmp_path / "a").iterdir()) == []


def test_odd_targets_are_refused_and_left_alone(own: Cli, tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "init.py").write_text("theirs = True\n")
    (tmp_path / "file").write_text("text")
    (user(own) / ".nuke").mkdir()
    before = files(tmp_path)
    for target in ("others", "file", "a" + os.pathsep + "b", "/", str(user(own)), str(user(own) / ".nuke"), "file/in"):
        result = own("install", "nuke", "--into", target, "--json")
        assert result.code in (2, 4), (target, result.out)
        assert result.summary["errors"][0]["next_step"], target
    assert files(tmp_path) == before


def test_a_damaged_list_is_never_followed(own: Cli, tmp_path: Path) -> None:
    own("install", "nuke", "--into", "plugin")
    manifest = tmp_path / "plugin" / "overscan_install.json"
    values = json.loads(manifest.read_text())
    (tmp_path / "precious.exr").write_text("pixels")
    values["files"].append("../precious.exr")
    values["sha256"]["../precious.exr"] = "0"
    manifest.write_text(json.dumps(values))
    for words in (["uninstall", "nuke", "--from", "plugin"], ["install", "nuke", "--into", "plugin"]):
        result = own(*words, "--json")
        assert result.code == 2
        assert "damaged" in result.summary["errors"][0]["message"]
    assert (tmp_path / "precious.exr").exists()


def test_an_installation_that_was_cut_off_heals(own: Cli, tmp_path: Path) -> None:
    own("install", "nuke", "--into", "plugin")
    (tmp_path / "plugin" / "studio.py").write_text("ours = True\n")
    # Killed between moving the old folder aside and moving the new one in.
    (tmp_path / "plugin").rename(tmp_path / "plugin.overscan-old")
    assert own("install", "nuke", "--into", "plugin").code == 0
    assert (tmp_path / "plugin" / "studio.py").exists()
    assert not (tmp_path / "plugin.overscan-old").exists()


@pytest.mark.skipif(os.name == "nt", reason="links need a right of their own there")
def test_a_link_to_a_folder_is_followed(own: Cli, tmp_path: Path) -> None:
    (tmp_path / "releases").mkdir()
    (tmp_path / "current").symlink_to("releases")
    assert own("install", "nuke", "--into", "current").code == 0
    assert (tmp_path / "current").is_symlink()
    assert (tmp_path / "releases" / "init.py").exists()
    assert own("uninstall", "nuke", "--from", "current").code == 0


def test_a_folder_that_cannot_be_written_is_said(own: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = own("install", "nuke", "--into", "file/plugin", "--json")
    assert result.code in (2, 4)
    assert "file" in result.summary["errors"][0]["message"]


STARTING = """
import runpy, sys, types
nuke = types.ModuleType("nuke")
sys.modules["nuke"] = nuke
before = set(sys.modules)
runpy.run_path(sys.argv[1])
print("Nuke is up")
"""


@pytest.mark.parametrize("damage", ["none", "no packages", "broken package"])
def test_a_broken_plugin_never_stops_nuke(own: Cli, tmp_path: Path, damage: str) -> None:
    own("install", "nuke", "--into", "plugin")
    folder = tmp_path / "plugin"
    if damage == "no packages":
        shutil.rmtree(folder / "python")
    if damage == "broken package":
        (folder / "python" / "overscan_nuke" / "_menu.py").write_text("raise RuntimeError('no')\n")
    for name in ("init.py", "menu.py"):
        # The module `nuke` here has nothing in it, so that even the whole plugin fails: the host goes on all the same.
        done = subprocess.run(
            [sys.executable, "-I", "-c", STARTING, str(folder / name)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "Nuke is up\n"
        if name == "init.py":
            assert done.stderr.startswith("[overscan] could not be loaded")


def test_the_files_that_nuke_runs_are_readable_for_python_2(own: Cli, tmp_path: Path) -> None:
    """A NUKE_PATH that Nuke 12 shares with newer ones must not give it a traceback at every start."""
    python = next(map(str, Path.home().glob(".pyenv/versions/2.7*/bin/python2.7")), None) or shutil.which("python2.7")
    if python is None:
        pytest.skip("needs Python 2.7, e.g. from pyenv: pyenv install 2.7.18")
    own("install", "nuke", "--into", "plugin")
    for name in ("init.py", "menu.py"):
        done = subprocess.run([python, str(tmp_path / "plugin" / name)], capture_output=True, text=True, check=False)
        assert done.returncode == 0
        assert done.stderr == (
            "[overscan] needs Nuke 13 or later; this one is too old, so Overscan stays out of it.\n"
            if name == "init.py"
            else ""
        )


def test_doctor_is_content_with_what_install_made(own: Cli) -> None:
    (user(own) / "Nuke15.1v3").mkdir()
    own("install", "nuke", "--link")
    result = own("doctor", "--nuke", "--json")
    found = checks(result)
    assert result.code == 0, result.out
    assert found["Nuke 15.1v3"]["verdict"] == "ok"
    assert found["what Nuke reads"]["message"] == str(user(own) / ".nuke" / "overscan")
    assert found["bridge"]["verdict"] == "ok"
    assert found["protocol"]["verdict"] == "ok"
    assert "does not run" in found["service"]["message"], "asking starts no service"
    assert own.announced is None


def test_doctor_says_what_is_wrong_and_what_to_do(own: Cli, tmp_path: Path) -> None:
    (user(own) / "Nuke12.2v4").mkdir()
    (user(own) / "Nuke99.0v1").mkdir()
    own("install", "nuke")
    folder = user(own) / ".nuke" / "overscan"
    (folder / "python" / "overscan_host" / "_queue.py").unlink()
    (user(own) / ".nuke" / "overscan.json").write_text("{")
    manifest = json.loads((folder / "overscan_install.json").read_text())
    manifest["version"], manifest["command"] = "0.0.9", [str(tmp_path / "gone"), "bridge"]
    (folder / "overscan_install.json").write_text(json.dumps(manifest))
    own.environment["NUKE_PATH"] = str(tmp_path / "nowhere")
    result = own("doctor", "--nuke", "--json")
    found = checks(result)
    assert result.code == 1
    assert found["Nuke 12.2v4"]["verdict"] == "warn"
    assert found["Nuke 99.0v1"]["verdict"] == "warn"
    assert found["NUKE_PATH"]["verdict"] == "warn"
    assert found[f"plugin in {folder}"]["verdict"] == "fail"
    assert "_queue.py" in found[f"plugin in {folder}"]["message"]
    assert found[f"version of the plugin in {folder}"]["verdict"] == "warn"
    assert found["what Nuke reads"]["verdict"] == "fail"
    assert found["preferences"]["verdict"] == "warn"
    assert found["bridge"]["verdict"] == "fail"
    assert all(line["next_step"] for line in found.values() if line["verdict"] != "ok")


def test_doctor_without_a_plugin_says_how_to_get_it(own: Cli) -> None:
    found = checks(own("doctor", "--nuke", "--json"))
    assert found["what Nuke reads"]["verdict"] == "fail"
    assert "overscan install nuke" in found["what Nuke reads"]["next_step"]


def test_a_read_only_folder_works(own: Cli, small_disk: Callable[..., Path]) -> None:
    """As a studio has it: laid down once, on a file system that artists cannot write."""
    disk = small_disk("size=16m")
    folder = disk / "overscan"
    assert own("install", "nuke", "--into", str(folder)).code == 0
    small_disk("ro", again=disk)
    host = (
        f"import sys; sys.path.insert(0, {str(folder / 'python')!r}); "
        "import overscan_host, overscan_nuke._preferences; print(overscan_host.installation().folder)"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", host], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(folder), done.stderr
    own.environment["NUKE_PATH"] = str(folder)
    assert own("doctor", "--nuke").code == 0
    for words in (["install", "nuke", "--into", str(folder)], ["uninstall", "nuke", "--from", str(folder)]):
        result = own(*words, "--json")
        assert result.code == 4
        assert result.summary["errors"][0]["code"] == "OUTPUT_NOT_WRITABLE"
    small_disk("rw", again=disk)
