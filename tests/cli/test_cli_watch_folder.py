"""`overscan watch-folder`, with real files and a real service."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Cli, share_kernels

from overscan.examples import folder as examples

JOB = "extend:\n  margins: 8,8,0,0\ncontrols:\n  parameters: {quality: preview, copy: never, fill: smooth}\n"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cli]:
    command = Cli(home=tmp_path / "jobs", cwd=tmp_path)
    share_kernels(command.home)
    (tmp_path / "in" / "s010").mkdir(parents=True)
    yield command
    command.stop_service()


def render(folder: Path, *numbers: int, name: str = "a") -> None:
    """As a host that writes a sequence into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        shutil.copy(examples() / "plate" / f"plate.{number}.exr", folder / f"{name}.{number}.exr")


def watched(own: Cli, *options: str) -> dict:
    result = own("watch-folder", "in", "out", "--settle", "0", "--once", "--json", *options)
    return {"code": result.code, **result.summary}


def test_what_is_rendered_comes_back_and_a_new_render_as_a_new_version(own: Cli, tmp_path: Path) -> None:
    (tmp_path / "in" / "overscan.yaml").write_text(JOB)
    render(tmp_path / "in" / "s010", 1001, 1002)
    assert watched(own)["clips"] == {"succeeded": 1}
    folder = tmp_path / "out" / "s010" / "a"
    assert sorted(path.name for path in (folder / "v001").glob("*.exr")) == ["a.1001.exr", "a.1002.exr"]
    assert watched(own)["clips"] == {"succeeded": 1}
    assert [path.name for path in folder.iterdir()] == ["v001"], "what was done is not done again"
    render(tmp_path / "in" / "s010", 1001, 1002, 1003)
    assert watched(own)["clips"] == {"succeeded": 1}
    assert len(list((folder / "v002").glob("*.exr"))) == 3
    assert len(list((folder / "v001").glob("*.exr"))) == 2


def test_it_waits_for_missing_frames_and_for_a_job_file(own: Cli, tmp_path: Path) -> None:
    render(tmp_path / "in" / "s010", 1001, 1003)
    assert watched(own)["clips"] == {"waiting": 1}
    (tmp_path / "in" / "s010" / "overscan.yaml").write_text(JOB)
    result = own("watch-folder", "in", "out", "--settle", "0", "--once")
    assert result.code == 0
    assert "Frames are missing: 1002" in result.err
    assert not (tmp_path / "out" / "s010").exists()


def test_what_is_being_written_is_left_alone(own: Cli, tmp_path: Path) -> None:
    (tmp_path / "in" / "overscan.yaml").write_text(JOB)
    render(tmp_path / "in" / "s010", 1001)
    process = own.start("watch-folder", "in", "out", "--settle", "3600")
    own.eventually(lambda: own.announced is not None)
    time.sleep(3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert own.finish(process, seconds=30).code == 0
    assert not list((tmp_path / "out").rglob("*.exr"))


def test_a_matte_comes_from_the_folder_beside_or_from_the_alpha(own: Cli, tmp_path: Path) -> None:
    inbox = tmp_path / "in"
    (inbox / "overscan.yaml").write_text("inpaint:\ncontrols: {parameters: {copy: never, fill: smooth}}\n")
    render(inbox / "s010", 1001)
    (inbox / "s010" / "matte").mkdir()
    shutil.copy(examples() / "matte" / "matte.1001.exr", inbox / "s010" / "matte" / "m.1001.exr")
    render(inbox / "s020", 1001)
    result = watched(own)
    assert result["clips"] == {"refused": 1, "succeeded": 1}
    assert result["code"] != 0
    (problem,) = result["errors"]
    assert "A" in problem["message"], "the plate of s020 has no alpha"
    said = (tmp_path / "out" / "s020" / "a" / "v001.problem.txt").read_text()
    assert problem["code"] in said
    assert list((tmp_path / "out" / "s010" / "a" / "v001").glob("*.exr"))


def test_a_bad_job_file_is_said_beside_the_result(own: Cli, tmp_path: Path) -> None:
    bad = {
        "s1": ("extend: [", "cannot be read"),
        "s2": ("- 1\n", "no job file"),
        "s3": (JOB + "plate: x.%04d.exr\n", "the plate's path"),
        "s4": ("inpaint: 3\n", "not a table"),
        "s5": ("extend: {margins: 1,2}\n", "margins"),
    }
    for name, (text, _) in bad.items():
        render(tmp_path / "in" / name, 1001)
        (tmp_path / "in" / name / "overscan.yaml").write_text(text)
    result = watched(own)
    assert result["clips"] == {"refused": 5}
    assert result["code"] != 0
    for name, (_, words) in bad.items():
        assert words in (tmp_path / "out" / name / "a" / "v001.problem.txt").read_text()


def test_a_watch_that_was_killed_is_gone_on_with(own: Cli, tmp_path: Path) -> None:
    (tmp_path / "in" / "overscan.yaml").write_text(JOB)
    render(tmp_path / "in" / "s010", 1001, 1002)
    state = tmp_path / "out" / ".overscan-watch.json"
    with own.start("watch-folder", "in", "out", "--settle", "0") as process:
        own.eventually(state.exists)
        process.kill()
    before = json.loads(state.read_text())["clips"]["s010/a.%04d.exr"]["job_id"]
    assert watched(own)["clips"] == {"succeeded": 1}
    after = json.loads(state.read_text())["clips"]["s010/a.%04d.exr"]
    assert after["job_id"] == before
    assert [path.name for path in (tmp_path / "out" / "s010" / "a").iterdir()] == ["v001"]


@pytest.mark.parametrize("folders", [("gone", "out"), ("in", "in"), ("in/s010", "in")])
def test_folders_that_make_no_sense(own: Cli, folders: tuple[str, str]) -> None:
    result = own("watch-folder", *folders, "--once")
    assert result.code == 2
    assert result.err


def test_a_damaged_record_is_named(own: Cli, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".overscan-watch.json").write_text("{")
    result = own("watch-folder", "in", "out", "--once")
    assert result.code == 2
    assert ".overscan-watch.json" in result.err
