"""``python -m overscan.core.measure compare`` on real files, as `overscan demo` runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import OpenImageIO as oiio
import pytest

WIDTH, HEIGHT, LEFT = 96, 60, 20
FRAMES = (1001, 1002, 1003)


@dataclass
class Shot:
    """A tiny extension: plate in the middle, strips left and right; the left one copied, the right one flat."""

    folder: Path

    def pattern(self, name: str) -> str:
        return str(self.folder / f"{name}.%04d.exr")

    def path(self, name: str, frame: int) -> Path:
        return self.folder / f"{name}.{frame}.exr"


def scene(frame: int) -> np.ndarray:
    noise = np.random.default_rng(frame).random((HEIGHT, WIDTH, 3), dtype=np.float32)
    return (cv2.GaussianBlur(noise, (0, 0), 2.0) * 3 - 1).astype(np.float16)


def write(path: Path, pixels: np.ndarray, extras: np.ndarray | None = None) -> None:
    main = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], 3, "half")
    main.attribute("colorInteropID", "lin_ap1_scene")
    main.attribute("oiio:subimagename", "rgb")
    main.attribute("FramesPerSecond", oiio.TypeDesc("rational"), (25, 1))
    specs = [main]
    if extras is not None:
        layer = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], 2, "float")
        layer.channelnames = ("generated.A", "source.kind")
        layer.attribute("oiio:subimagename", "overscan")
        specs.append(layer)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), tuple(specs)), output.geterror()
    assert output.write_image(pixels), output.geterror()
    if extras is not None:
        assert output.open(str(path), specs[1], "AppendSubimage"), output.geterror()
        assert output.write_image(extras), output.geterror()
    output.close()


@pytest.fixture
def shot(tmp_path: Path) -> Shot:
    made = Shot(tmp_path)
    kept = slice(LEFT, WIDTH - LEFT)
    for frame in FRAMES:
        truth = scene(frame)
        truth[3, 40] = (np.nan, np.inf, -0.5)
        result = truth.copy()
        result[:, WIDTH - LEFT :] = 0.5
        extras = np.zeros((HEIGHT, WIDTH, 2), dtype=np.float32)
        extras[:, :LEFT] = (1.0, 1.0)
        extras[:, WIDTH - LEFT :] = (1.0, 2.0)
        write(made.path("truth", frame), truth)
        write(made.path("plate", frame), np.ascontiguousarray(truth[:, kept]))
        write(made.path("result", frame), result, extras)
    return made


def run(shot: Shot, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "overscan.core.measure", "compare", "--out", str(shot.folder / "out"), *more]
    for name in ("plate", "result", "truth"):
        command += [f"--{name}", shot.pattern(name)]
    environment = {name: value for name, value in os.environ.items() if name != "OCIO"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


def found(shot: Shot) -> dict[str, Any]:
    done = run(shot, "--json")
    assert done.returncode == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def test_figures_pictures_and_progress(shot: Shot) -> None:
    done = run(shot, "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert events[-1] == {"event": "progress", "done": 3, "total": 3}
    figures = json.loads(done.stdout)
    assert figures["frames"] == "1001-1003"
    assert figures["generated_share"] == pytest.approx(2 * LEFT / WIDTH)
    assert figures["copied_share"] == figures["synthesised_share"] == pytest.approx(0.5)
    assert figures["plate_differing_samples"] == 0
    # The left strip is the truth itself, so half of the region is without error.
    assert figures["result_where_seen"]["psnr_db"] == 100.0
    assert figures["result_where_seen"]["ssim"] == pytest.approx(1.0, abs=1e-5)
    assert 5.0 < figures["telea"]["psnr_db"] < figures["result"]["psnr_db"] < 40.0
    assert figures["telea"]["high_frequency_ratio"] < figures["result"]["high_frequency_ratio"] < 1.0

    sheet = cv2.imread(figures["contact_sheet"])
    assert sheet is not None
    assert sheet.shape[1] > 4 * 500
    assert sheet.shape[0] > 3 * 300
    with av.open(figures["movie"]) as movie:
        pictures = [frame.to_ndarray(format="rgb24") for frame in movie.decode(video=0)]
        assert movie.streams.video[0].average_rate == 25
        assert movie.streams.video[0].pix_fmt == "yuv420p"
    assert len(pictures) == 3
    assert pictures[0].shape == (2 * HEIGHT, WIDTH, 3)
    assert sorted(path.name for path in (shot.folder / "out").iterdir()) == ["before_after.mp4", "contact_sheet.png"]


def test_a_changed_plate_sample_is_counted(shot: Shot) -> None:
    pixels = scene(1002)
    pixels[3, 40] = (np.nan, np.inf, -0.5)
    pixels[30, 50, 1] += np.float16(0.001)
    extras = np.zeros((HEIGHT, WIDTH, 2), dtype=np.float32)
    extras[:, :LEFT] = extras[:, WIDTH - LEFT :] = (1.0, 1.0)
    write(shot.path("result", 1002), pixels, extras)
    assert found(shot)["plate_differing_samples"] == 1


def test_only_common_frames_count(shot: Shot) -> None:
    shot.path("truth", 1002).unlink()
    assert found(shot)["frames"] == "1001,1003"


def test_a_truth_without_detail_is_null_in_json(shot: Shot) -> None:
    for frame in FRAMES:
        write(shot.path("truth", frame), np.full((HEIGHT, WIDTH, 3), 0.25, np.float16))
    assert found(shot)["result"]["high_frequency_ratio"] is None


def test_table_for_people(shot: Shot) -> None:
    done = run(shot)
    assert done.returncode == 0, done.stderr
    assert "plate samples changed: 0" in done.stdout
    assert "OpenCV Telea per frame" in done.stdout


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ("no common frame", "MISSING_FRAMES"),
        ("no extras", "MISMATCH"),
        ("small truth", "MISMATCH"),
        ("other plate", "MISMATCH"),
        ("nothing generated", "MISMATCH"),
    ],
)
def test_what_does_not_fit_is_said_and_leaves_nothing(shot: Shot, spoil: str, code: str) -> None:
    for frame in FRAMES:
        if spoil == "no common frame":
            shot.path("truth", frame).rename(shot.path("truth", frame + 100))
        elif spoil == "no extras":
            write(shot.path("result", frame), scene(frame))
        elif spoil == "small truth":
            write(shot.path("truth", frame), np.ascontiguousarray(scene(frame)[:, 4:]))
        elif spoil == "other plate":
            write(shot.path("plate", frame), np.ascontiguousarray(scene(frame)[:, : LEFT + 3]))
        else:
            write(shot.path("result", frame), scene(frame), np.zeros((HEIGHT, WIDTH, 2), np.float32))
            write(shot.path("plate", frame), scene(frame))
    done = run(shot, "--json")
    assert done.returncode == 1
    assert done.stdout == ""
    error = json.loads(done.stderr.splitlines()[-1])
    assert (error["event"], error["code"]) == ("error", code)
    assert error["next_step"]
    out = shot.folder / "out"
    assert not out.exists() or not list(out.iterdir())
