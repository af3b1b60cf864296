"""Whole ways: from a clip in the timeline through a real bridge and a real service, and back."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
import pytest
from conftest import ROOT, Resolve, double, read_frame, same_bits, same_outside, user

from overscan_resolve import Session, _batch, load
from overscan_resolve._asking import listed


def added(before: Any, *, item: str = "") -> list[str]:
    """What is different and is neither the result in its bin nor named by `item`."""
    return [
        line
        for line in double.difference(before, double.snapshot())
        if "/Overscan" not in line and not (item and item in line)
    ]


def results(resolve: Resolve) -> list[Path]:
    return sorted(path for path in (resolve.folder / "results").glob("*/v*/*.exr") if ".extras." not in path.name)


def test_a_clean_up_comes_back_as_a_take(resolve: Resolve, capsys: pytest.CaptureFixture[str]) -> None:
    item = user.place(resolve.sequence(), source=(4, 8), sound=True)
    matte = resolve.matte()
    resolve.resolve.OpenPage("color")
    before = double.snapshot()
    assert resolve.run("inpaint", "--engine", "grey", "--matte", matte, "--handles", "2") == 0, capsys.readouterr().err
    assert added(before, item="timelines[0]/tracks/video[0]/items[0]/") == []
    assert (item.GetTakesCount(), item.GetSelectedTakeIndex(), item.GetSourceStartFrame()) == (2, 2, 2)
    frames = [path.name for path in results(resolve)]
    assert frames == [f"plate_v001.{number}.exr" for number in range(1003, 1011)]
    for number in range(1003, 1011):
        plate = resolve.folder / "plates" / "plate" / f"plate.{number}.exr"
        assert same_outside(plate, resolve.folder / f"results/plate/v001/plate_v001.{number}.exr", matte % number)
    record = load(resolve.folder / "results/plate/v001")
    assert (record.state, record.placed["as"], record.placed["notes"]) == ("placed", "take", [])


def test_an_extension_to_the_timelines_format(resolve: Resolve) -> None:
    item = user.place(resolve.sequence(size=(40, 36)), source=(0, 3))
    before = double.snapshot()
    assert resolve.run("extend", "--engine", "grey", "--handles", "0") == 0
    assert added(before, item="items[0]/") == []
    assert item.GetMediaPoolItem().GetClipProperty("Resolution") == "64x36"
    plate = read_frame(resolve.folder / "plates/plate/plate.1002.exr")
    result = read_frame(resolve.folder / "results/plate/v001/plate_v001.1002.exr")
    assert all(same_bits(result[name][:, 12:-12].copy(), plate[name]) for name in "RGB")


def test_what_the_alpha_output_shows_is_replaced(resolve: Resolve) -> None:
    item = user.place(resolve.sequence(), source=(4, 7))
    user.grade(item, gain=2.0, window=(0.25, 0.25, 0.75, 0.75))
    before = double.snapshot()
    assert resolve.run("inpaint", "--engine", "grey", "--handles", "1") == 0
    assert added(before, item="items[0]/") == []
    folder = resolve.folder / "results/plate/v001"
    mattes = sorted(path.name for path in (folder / "matte").glob("*.exr"))
    assert mattes == [f"plate_matte.{number}.exr" for number in range(1004, 1009)]
    for number in range(1004, 1009):
        plate = resolve.folder / f"plates/plate/plate.{number}.exr"
        matte = folder / "matte" / f"plate_matte.{number}.exr"
        assert read_frame(matte)["A"].max() == 1.0
        assert same_outside(plate, folder / f"plate_v001.{number}.exr", matte)


def test_graded_frames_go_on_the_track_above(resolve: Resolve) -> None:
    item = user.place(resolve.sequence(size=(64, 36)), source=(4, 12), speed=200)
    user.grade(item, gain=2.0, window=(0.25, 0.25, 0.75, 0.75))
    user.put("title", track=2, duration=100)
    before = double.snapshot()
    assert resolve.run("inpaint", "--engine", "grey", "--pixels", "graded", "--track", "V1") == 0
    assert item.GetTakesCount() == 0
    record = load(resolve.folder / "results/plate/v001")
    assert (record.placed["as"], record.placed["track"], record.frames) == ("track", 2, "1001-1004")
    (above,) = listed(resolve.timeline, "GetItemListInTrack", "video", 2)
    assert (above.GetStart(), above.GetEnd()) == (item.GetStart(), item.GetEnd())
    assert added(before, item="tracks/video[") == []


@pytest.mark.parametrize("kind", ["still", "numbered still", "freeze"])
def test_one_picture(resolve: Resolve, kind: str) -> None:
    matte = resolve.matte(range(1001, 1013))
    media = resolve.sequence()
    if kind == "freeze":
        item = user.place(media, source=(4, 5), speed=0, duration=24)
    else:
        name = "wall.exr" if kind == "still" else "wall.0007.exr"
        path = resolve.folder / "plates" / name
        path.write_bytes((resolve.folder / "plates/plate/plate.1005.exr").read_bytes())
        matte = matte % 1001
        item = user.place(user.import_file(str(path)), duration=24)
    before = double.snapshot()
    assert resolve.run("inpaint", "--engine", "grey", "--matte", matte, "--handles", "2") == 0
    assert added(before, item="items[0]/") == []
    assert (item.GetTakesCount(), item.GetStart(), item.GetEnd()) == (2, 86400, 86424)
    count = 5 if kind == "freeze" else 1
    assert len(results(resolve)) == count


def test_a_plan_changes_nothing(resolve: Resolve, capsys: pytest.CaptureFixture[str]) -> None:
    user.place(resolve.sequence(), source=(4, 8))
    before = double.snapshot()
    assert resolve.run("inpaint", "--engine", "grey", "--dry-run", "--matte", resolve.matte()) == 0
    assert "grey makes frames 1001-1012 at 40x30" in capsys.readouterr().err
    assert resolve.run("inpaint", "--engine", "grey", "--dry-run", "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "first Resolve renders 12 frames: the matte" in json.loads(line)["message"]
    assert double.difference(before, double.snapshot()) == []
    assert results(resolve) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--matte", "/nowhere/matte.%04d.exr"], 3, "/nowhere/matte"),
        (["--engine", "none"], 2, "There is no engine called none"),
        (["--matte", "clip"], 2, "has no clip matte"),
        (["--pixels", "graded", "--as", "take"], 2, "applied twice"),
        (["--names", "nothing*"], 2, "No clip of the timeline"),
        (["--timeline", "Cut 7"], 2, "There are: Edit"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    resolve: Resolve, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    user.place(resolve.sequence(), source=(4, 8))
    before = double.snapshot()
    assert resolve.run("inpaint", "--engine", "grey", *arguments) == code
    assert words in capsys.readouterr().err
    assert double.difference(before, double.snapshot()) == []
    assert not list((resolve.folder / "results").glob("*/*"))


@pytest.mark.parametrize("fault", ["fail", "cancel", "short"])
def test_a_render_that_fails_leaves_nothing_behind(
    resolve: Resolve, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    item = user.place(resolve.sequence(), source=(4, 8))
    user.grade(item, window=(0.25, 0.25, 0.75, 0.75))
    double.session().faults.render = fault
    before = double.snapshot()
    assert resolve.run("inpaint", "--engine", "grey") == 5, capsys.readouterr().err
    assert double.difference(before, double.snapshot()) == []
    assert not list((resolve.folder / "results").glob("*/*"))


def test_two_clips_at_once_and_one_that_cannot(resolve: Resolve, capsys: pytest.CaptureFixture[str]) -> None:
    media = resolve.sequence()
    clips = [user.place(media, source=(0, 3)), user.place(media, source=(4, 8))]
    ramp = user.place(media, ramp=[(2, 50), (2, 150)])
    for item in (*clips, ramp):
        item.AddFlag("Blue")
    plain = user.place(media, source=(0, 3))
    matte = resolve.matte()
    code = resolve.run("inpaint", "--engine", "grey", "--flags", "blue", "--matte", matte)
    assert code == 2
    assert "changes its speed" in capsys.readouterr().err
    assert [item.GetTakesCount() for item in (*clips, ramp, plain)] == [2, 2, 0, 0]
    assert {path.parent.name for path in results(resolve)} == {"v001", "v002"}


def test_a_time_limit_cancels_and_changes_nothing(resolve: Resolve, capsys: pytest.CaptureFixture[str]) -> None:
    user.place(resolve.sequence(), source=(4, 8))
    before = double.snapshot()
    arguments = ["--matte", resolve.matte(), "--set", "pause=2", "--timeout", "1s"]
    assert resolve.run("inpaint", "--engine", "grey", *arguments) == 9
    assert "time limit of 1 s" in capsys.readouterr().err
    assert double.difference(before, double.snapshot()) == []


def test_a_job_that_fails_says_why(resolve: Resolve, capsys: pytest.CaptureFixture[str]) -> None:
    user.place(resolve.sequence(), source=(4, 8))
    before = double.snapshot()
    arguments = ["--matte", resolve.matte(), "--set", "fail_at=1005", "--handles", "0"]
    assert resolve.run("inpaint", "--engine", "grey", *arguments) != 0
    assert "made to fail. Mend it." in capsys.readouterr().err
    assert double.difference(before, double.snapshot()) == []


def test_the_bridge_is_killed_under_a_run(resolve: Resolve, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    item = user.place(resolve.sequence(), source=(4, 6))
    sessions: list[Session] = []
    monkeypatch.setattr("overscan_resolve._batch.Session", lambda host: sessions.append(Session(host)) or sessions[-1])
    kill = threading.Timer(4.0, lambda: os.kill(sessions[0].bridge.process_id or 0, signal.SIGKILL))
    kill.start()
    arguments = ["--matte", resolve.matte(), "--set", "pause=2", "--handles", "0"]
    assert resolve.run("inpaint", "--engine", "grey", *arguments) == 0
    kill.join()
    assert item.GetTakesCount() == 2


@pytest.mark.parametrize("other", ["Second", None])
def test_the_project_is_switched_or_closed_meanwhile(
    resolve: Resolve, capsys: pytest.CaptureFixture[str], other: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = user.place(resolve.sequence(), source=(4, 6))
    user.new_project("Second")
    user.open_project("Show")
    waiting = _batch._wait

    def switched(*arguments: Any) -> None:
        user.open_project(other)
        waiting(*arguments)

    monkeypatch.setattr(_batch, "_wait", switched)
    assert resolve.run("inpaint", "--engine", "grey", "--matte", resolve.matte(), "--handles", "0") == 2
    said = capsys.readouterr().err
    assert "finished and safe" in said
    assert "overscan resolve place" in said
    assert double.snapshot()["projects"]["Second"]["bins"].keys() == {"Master"}
    user.open_project("Show")
    assert resolve.run("place", str(resolve.folder / "results/plate/v001")) == 0
    assert item.GetTakesCount() == 2


@pytest.mark.slow
def test_a_real_plate_goes_through_the_real_engine_and_back(resolve: Resolve) -> None:
    """Every eighth sample of the bundled plate: a real shot, small enough for a test."""
    example = ROOT / "examples" / "plate" / "plate.%04d.exr"
    folder = resolve.folder / "plates"
    folder.mkdir()
    for number in range(1001, 1007):
        pixels = OpenImageIO.ImageBuf(str(example) % number).get_pixels(OpenImageIO.HALF)[::8, ::8]
        spec = OpenImageIO.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], OpenImageIO.HALF)
        writer = OpenImageIO.ImageOutput.create(str(folder / f"shot.{number}.exr"))
        assert writer.open(str(folder / f"shot.{number}.exr"), spec) and writer.write_image(pixels)
        writer.close()
    height, width = pixels.shape[:2]
    resolve.timeline = user.new_timeline("Wide", size=(width + 16, height))
    item = user.place(user.import_sequence(str(folder / "shot.%04d.exr"), 1001, 1006, rate="24"), source=(1, 5))
    before = double.snapshot()
    assert resolve.run("extend", "--handles", "1") == 0
    assert added(before, item="items[0]/") == []
    assert item.GetMediaPoolItem().GetClipProperty("Resolution") == f"{width + 16}x{height}"
    for number in range(1001, 1007):
        plate = read_frame(folder / f"shot.{number}.exr")
        result = read_frame(resolve.folder / f"results/shot/v001/shot_v001.{number}.exr")
        assert all(same_bits(result[name][:, 8:-8].copy(), plate[name]) for name in "RGB")
        assert all(np.isfinite(result[name]).all() for name in "RGB")
