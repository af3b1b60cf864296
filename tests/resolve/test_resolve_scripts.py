"""What Resolve's menu lists: small launchers that any Python survives, and the one in Lua for the free edition."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, double, user

from overscan.client import parse_job
from overscan_resolve import launch

SCRIPTS = ROOT / "plugins" / "resolve" / "scripts"
LAUNCHERS = sorted(SCRIPTS.rglob("*.py"))
LUA = SCRIPTS / "Utility" / "Overscan_free_edition.lua"


def name_in(path: Path) -> str:
    """The script that a launcher starts."""
    found = re.findall(r'launch\.run\("(\w+)", globals\(\)\)', path.read_text(encoding="utf-8"))
    assert len(found) == 1
    return str(found[0])


def test_every_script_has_a_launcher_on_the_page_where_it_is_used() -> None:
    found = {(path.parent.name, name_in(path)) for path in LAUNCHERS}
    tasks = {(page, task) for page in ("Edit", "Color") for task in ("inpaint", "extend", "continue", "fill")}
    assert found == tasks | {("Comp", "fusion"), ("Utility", "queue"), ("Utility", "selfcheck")}
    assert {name for _, name in found} == set(launch._scripts())


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_launcher_is_plain_enough_for_any_python(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 7))
    assert text.isascii(), "Python 2 takes nothing else without being told"
    assert text.count("@OVERSCAN_FOLDER@") == 1
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)], "Python 2 has no f-strings"
    assert "sys.version_info < (3, 7)" in text


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_python_2_says_what_it_lacks(path: Path) -> None:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = next(iter(root.glob("versions/2.7.*/bin/python")), None)
    if found is None:
        pytest.skip("no Python 2.7 on this machine (`pyenv install 2.7`)")
    done = subprocess.run([found, path], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("[overscan] Resolve runs this with Python 2.7"), done.stderr


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_launcher_ends_with_a_word_where_resolve_gives_it_nothing(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runpy.run_path(str(path))
    said = capsys.readouterr().out
    assert said.startswith("[overscan] ")
    assert "overscan watch-folder IN OUT" in said


def test_the_selfcheck_runs_from_the_menu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from overscan_resolve import _selfcheck

    asked: list[Any] = []
    monkeypatch.setattr(Path, "home", staticmethod(lambda: tmp_path))
    monkeypatch.setattr(_selfcheck, "run", lambda folder, resolve: asked.append((folder, resolve)) or 0)
    resolve = double.start()
    try:
        user.new_project("Show")
        runpy.run_path(str(SCRIPTS / "Utility" / "Self-Check.py"), init_globals={"resolve": resolve})
    finally:
        double.stop()
    folder, given = asked[0]
    assert given is resolve
    assert folder.parent == tmp_path and folder.is_dir()
    assert str(folder) in capsys.readouterr().out


def lua_jobs() -> dict[str, str]:
    """The job files that the Lua script writes."""
    table = re.search(r"local jobs = \{(.*?)\n\}", LUA.read_text(encoding="utf-8"), re.DOTALL)
    assert table is not None
    found = {}
    for name, body in re.findall(r'(\w+) = ((?:"[^"]*"(?:\s*\.\.\s*)?)+)', table[1]):
        found[name] = "".join(re.findall(r'"([^"]*)"', body)).replace("\\n", "\n")
    return found


def test_the_lua_script_writes_job_files_that_a_watched_folder_takes(tmp_path: Path) -> None:
    jobs = lua_jobs()
    assert set(jobs) == {"inpaint", "extend"}
    for name, text in jobs.items():
        plain = yaml.safe_load(text)
        assert set(plain) == {name}
        plain |= {"plate": {"path": "plate/plate.%04d.exr"}, "output": {"path": "out/out.%04d.exr"}}
        if name == "inpaint":
            plain["inpaint"] = {"matte": "matte/matte.%04d.exr"}
        parse_job(plain, folder=tmp_path)


@pytest.mark.parametrize("product", ["DaVinci Resolve", "DaVinci Resolve Studio", ""])
def test_the_lua_script_says_what_to_do(product: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lua51 = pytest.importorskip("lupa.lua51", reason="no Lua on this machine (pip install lupa)")
    monkeypatch.setenv("HOME", str(tmp_path))
    runtime = lua51.LuaRuntime()
    said: list[str] = []
    runtime.globals().print = lambda *words: said.append(" ".join(map(str, words)))
    if product:
        runtime.execute(f"resolve = {{ GetProductName = function(self) return '{product}' end }}")
    (tmp_path / "Overscan/in/extend").mkdir(parents=True)
    (tmp_path / "Overscan/in/extend/overscan.yaml").write_text("extend: {format: 4096x2160}\n")
    runtime.execute(LUA.read_text(encoding="utf-8"))
    assert all(line.startswith("[overscan] ") for line in said)
    assert ("other scripts" in said[0]) == product.endswith("Studio")
    assert f'overscan watch-folder "{tmp_path}/Overscan/in" "{tmp_path}/Overscan/out"' in "\n".join(said)
    assert (tmp_path / "Overscan/in/inpaint/overscan.yaml").read_text() == lua_jobs()["inpaint"]
    assert "4096x2160" in (tmp_path / "Overscan/in/extend/overscan.yaml").read_text(), "it is somebody's own"
    assert sorted(path.name for path in (tmp_path / "Overscan").rglob("*")) == sorted(
        ["in", "out", "inpaint", "extend", "overscan.yaml", "overscan.yaml"]
    )
