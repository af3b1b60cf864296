"""`overscan resolve` as a process of its own, with a Resolve that answers, none, and libraries that crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import opentimelineio as otio
import pytest
from conftest import ROOT, Resolve, user
from interpreters import python

from overscan.cli._resolve import probe_resolve
from overscan.client import ServiceError

SCENE = """
import sys
sys.path.insert(0, {root!r})
from tests.hosts.resolve_double import double, user
double.start({edition}gui=False)
user.new_project("Show", rate="24", size=(64, 36), colorSpaceInput="ACEScg")
user.new_timeline("Edit")
item = user.place(user.import_sequence({plate!r}, 1001, 1012, rate="24", timecode="00:00:10:00"), source=(4, 6))
item.AddFlag("Blue")
"""


def scene(resolve: Resolve, *, edition: str = "") -> str:
    """A Resolve without a window (``-nogui``) in the process that loads its library."""
    plate = str(resolve.folder / "plates/plate/plate.%04d.exr")
    return SCENE.format(root=str(ROOT), plate=plate, edition=edition)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Resolve's library is looked for; a test writes it."""
    modules = tmp_path / "Scripting" / "Modules"
    modules.mkdir(parents=True)
    monkeypatch.setenv("RESOLVE_SCRIPT_API", str(modules.parent))
    monkeypatch.setenv("RESOLVE_SCRIPT_LIB", str(modules.parent / "fusionscript.so"))
    return modules / "DaVinciResolveScript.py"


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "overscan.cli", "resolve", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)


def test_clips_of_a_running_resolve(resolve: Resolve, library: Path) -> None:
    resolve.sequence()
    library.write_text(scene(resolve))
    done = command("probe")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("DaVinci Resolve Studio 21.0.0")
    arguments = ["--engine", "grey", "--matte", resolve.matte(), "--handles", "0", "--json"]
    done = command("inpaint", "--flags", "blue", *arguments)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr + done.stdout
    assert [line["type"] for line in lines if line["type"] != "progress"] == ["job", "placed", "summary"]
    assert lines[-2]["placed"]["as"] == "take"
    assert lines[-1] == {"type": "summary", "ok": True, "exit_code": 0, "errors": []}
    done = command("inpaint", "--flags", "red", *arguments)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 2
    assert [line["type"] for line in lines] == ["error", "summary"]
    assert lines[0]["code"] == "INVALID_JOB" and lines[0]["next_step"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_sigterm_cancels_the_jobs(resolve: Resolve, library: Path) -> None:
    resolve.sequence()
    library.write_text(scene(resolve))
    line = [sys.executable, "-m", "overscan.cli", "resolve", "inpaint", "--engine", "grey", "--set", "pause=30"]
    line += ["--matte", resolve.matte(), "--flags", "blue"]
    running = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not list((resolve.folder / "results").glob("*/v001/overscan_resolve.json")):
        assert time.monotonic() < end and running.poll() is None
        time.sleep(0.1)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 143, said
    assert "jobs were cancelled" in said


def test_no_resolve_answers(library: Path) -> None:
    library.write_text("def scriptapp(name):\n    return None\n")
    done = command("inpaint")
    assert done.returncode == 6
    assert "External scripting using: Local" in done.stderr


def test_the_free_edition(resolve: Resolve, library: Path) -> None:
    resolve.sequence()
    library.write_text(scene(resolve, edition='edition="free", version=(21, 1, 0), '))
    done = command("inpaint")
    assert done.returncode == 6
    assert "The free edition answers no scripts" in done.stderr


def test_no_library(library: Path) -> None:
    done = command("inpaint", "--json")
    assert done.returncode == 2
    line = json.loads(done.stdout.splitlines()[0])
    assert line["code"] == "UNSUPPORTED" and "RESOLVE_SCRIPT_API" in line["next_step"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT"])
def test_a_library_that_crashes_is_explained(library: Path, name: str) -> None:
    library.write_text(f"import os, signal\nos.kill(os.getpid(), signal.{name})\n")
    with pytest.raises(ServiceError) as caught:
        probe_resolve()
    said = str(caught.value)
    assert name in said and "FUSION_PYTHON3_HOME" in said and "OVERSCAN_RESOLVE_PYTHON" in said


def test_a_library_that_prints_hangs_or_is_for_another_python(library: Path) -> None:
    library.write_text("print('[fusionscript] hello')\nimport sys\nsys.exit(7)\n")
    with pytest.raises(ServiceError, match="exit code 7"):
        probe_resolve()
    library.write_text("import time\ntime.sleep(30)\n")
    with pytest.raises(ServiceError, match="did not answer within 1 s"):
        probe_resolve(timeout_seconds=1.0)


def test_another_python_is_named(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERSCAN_RESOLVE_PYTHON", "/nowhere/python")
    with pytest.raises(ServiceError, match="/nowhere/python cannot be started"):
        probe_resolve()


def test_another_python_does_the_work(resolve: Resolve, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERSCAN_RESOLVE_PYTHON", str(python("3.7")))
    resolve.sequence()
    library.write_text(scene(resolve))
    arguments = ["--engine", "grey", "--matte", resolve.matte(), "--handles", "0", "--json"]
    done = command("inpaint", "--flags", "blue", *arguments)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr + done.stdout
    assert lines[-2]["placed"]["as"] == "take"


def test_what_was_generated_as_a_timeline(resolve: Resolve, tmp_path: Path) -> None:
    media = resolve.sequence()
    user.place(media, source=(4, 6), at=24)
    user.place(media, source=(0, 8), at=48, speed=200)
    user.place(media, source=(2, 6), at=100, speed=-100)
    arguments = ["--engine", "grey", "--matte", resolve.matte(), "--handles", "1", "--track", "V1"]
    assert resolve.run("inpaint", *arguments) == 0
    file = tmp_path / "out" / "generated.otio"
    done = command("otio", str(resolve.folder / "results"), "--output", str(file))
    assert done.returncode == 0, done.stderr
    assert "3 clips on 1 tracks" in done.stdout
    timeline = otio.adapters.read_from_file(str(file))
    assert timeline.global_start_time.value == 86424
    children = list(timeline.tracks[0])
    assert [type(child).__name__ for child in children] == ["Clip", "Gap", "Clip", "Gap", "Clip"]
    first, second, third = children[0], children[2], children[4]
    assert [child.source_range.duration.value for child in children] == [2, 22, 4, 48, 4]
    # The media begins at 00:00:10:00, frame 240, with file 1001; the clip at file 1005, its handles at 1004.
    assert first.source_range.start_time.value == 244
    images = first.media_reference
    assert (images.start_frame, images.available_range.start_time.value, images.available_range.duration.value) == (
        1004, 243, 4,
    )  # fmt: skip
    for number in (1004, 1007):
        at = images.available_range.start_time + otio.opentime.RationalTime(number - 1004, 24)
        frame = images.frame_for_time(at)
        assert frame == number
        assert Path(images.target_url_for_image_number(number - 1004).replace("file://", "")).is_file()
    assert first.media_references()["plate"].name_prefix == "plate."
    assert [effect.time_scalar for effect in second.effects] == [2.0]
    assert [effect.time_scalar for effect in third.effects] == [-1.0]
    assert command("otio", str(resolve.folder / "results"), "--output", str(file)).returncode == 4
    empty = tmp_path / "empty"
    empty.mkdir()
    assert command("otio", str(empty), "--output", str(tmp_path / "no.otio")).returncode == 2
    assert os.path.getsize(file)  # noqa: PTH202
