"""Nodes without a window: the command line, its exit codes, and versions brought to their end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import Nuke, read_frame, same_bits
from interpreters import lay_down, python

from tests.hosts.nuke_double import double

ROOT = Path(__file__).resolve().parents[2]
TERMINAL = Path(__file__).parent / "nuke_terminal.py"


class Batch:
    """The command in a Nuke without a window."""

    def __init__(self, script: Path, interpreter: Path, laid_down: Path) -> None:
        self.script = script
        self._interpreter = interpreter
        self._path = str(laid_down)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self._interpreter), str(TERMINAL), "render", str(self.script), *arguments],
            env={**os.environ, "PYTHONPATH": self._path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.script.parent,
        )

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


@pytest.fixture
def batch(nuke: Nuke, tmp_path: Path) -> Batch:
    """A saved script with a node that extends a graded plate, and Python 3.7 to run it in."""
    grade = nuke.nuke.nodes.Grade(name="Warm")
    grade.setInput(0, nuke.read(nuke.write_plate()))
    grade["white"].setValue(1.5)
    nuke.make("extend", grade, range="script")
    nuke.nuke.scriptSave()
    laid_down = lay_down(tmp_path / "laid_down", "overscan_host", "overscan_nuke")
    return Batch(tmp_path / "shot010_v003.nk", python("3.7"), laid_down)


def saved_versions(path: Path) -> list[dict]:
    nuke = double.install(version="15.1v3", gui=False)
    nuke.scriptOpen(str(path))
    found = json.loads(nuke.toNode("Extend1")["overscan_versions"].value())
    double.uninstall()
    return found


def test_a_node_is_run_from_its_plate_to_its_result(batch: Batch, tmp_path: Path) -> None:
    code, out, err = batch("--node", "Extend1", "--frames", "1002-1003", "--save", str(tmp_path / "done.nk"))
    assert code == 0, err
    result = tmp_path / "overscan/Extend1/v001"
    assert out.strip() == f"{result}/Extend1.%04d.exr"
    assert sorted(path.name for path in result.glob("*.exr")) == ["Extend1.1002.exr", "Extend1.1003.exr"]
    cached = next((tmp_path / "cache").glob("plates/*/frame.1002.exr"))
    inside = read_frame(result / "Extend1.1002.exr")["G"][3:33, 6:46].copy()
    assert same_bits(inside, read_frame(cached)["G"])
    assert "v001: Done" in err
    assert [version["name"] for version in saved_versions(tmp_path / "done.nk")] == ["v001"]


def test_what_is_wrong_is_said_with_the_exit_code_of_its_kind(batch: Batch, tmp_path: Path) -> None:
    for arguments, code, words in (
        (["--node", "Nobody"], 2, "There are: Extend1"),
        (["--node", "Extend1", "--frames", "1001-1200"], 3, "reaches beyond the plate"),
        (["--node", "Extend1", "--frames", "all"], 3, "not a frame range"),
        (["--node", "Extend1", "--version", "current"], 2, "no version yet"),
        (["--node", "Extend1", "--timeout", "soon"], 2, "no time"),
    ):
        assert (found := batch(*arguments))[0] == code, found
        assert words in found[2]
    assert not list((tmp_path / "overscan").glob("*/v*")) if (tmp_path / "overscan").exists() else True


def test_current_brings_a_version_to_its_end_wherever_it_was_begun(batch: Batch, tmp_path: Path) -> None:
    script = tmp_path / "begun.nk"
    code, _, err = batch("--node", "Extend1", "--save", str(script))
    assert code == 0, err
    kept = tmp_path / "overscan/Extend1/v001/Extend1.1001.exr"
    stamp = kept.stat().st_mtime_ns
    kept.with_name("Extend1.1003.exr").unlink()
    text = script.read_text()  # as if another machine's service had the job
    script.write_text(re.sub(r'job_id\\":\\"\w+', r'job_id\\":\\"feedfeed', text))
    assert script.read_text() != text
    batch.script = script

    code, _, err = batch("--node", "Extend1", "--version", "current")
    assert code == 0, err
    assert kept.with_name("Extend1.1003.exr").is_file()
    assert kept.stat().st_mtime_ns == stamp
    assert [path.name for path in (tmp_path / "overscan/Extend1").iterdir()] == ["v001"]

    code, _, err = batch("--node", "Extend1", "--version", "current")
    assert code == 0, err


def test_a_time_limit_and_ctrl_c_cancel_and_keep_what_is_there(batch: Batch, nuke: Nuke, tmp_path: Path) -> None:
    node = nuke.nuke.toNode("Extend1")
    node["overscan_parameters"].setValue("pause=2")
    nuke.nuke.scriptSave()
    code, _, err = batch("--node", "Extend1", "--timeout", "3s")
    assert code == 9, err
    assert "time limit of 3 s" in err

    process = batch.start("--node", "Extend1")
    folder = tmp_path / "overscan/Extend1/v002"
    give_up = time.monotonic() + 60
    while not list(folder.glob("*.exr")):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "cancelled" in err


def test_every_error_in_the_documentation_has_its_exit_code() -> None:
    from overscan_host.exit_codes import exit_code

    text = (ROOT / "docs/errors.md").read_text()
    rows = re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|.*\| (\d+) \|$", text, flags=re.MULTILINE)
    assert len(rows) > 25
    wrong = {
        code: (exit_code(code), int(number))
        for codes, number in rows
        for code in re.findall(r"`([A-Z_]+)`", codes)
        if exit_code(code) != int(number)
    }
    assert wrong == {}
