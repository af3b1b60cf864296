"""Plates that are damaged, of eight bits, or long."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import OpenImageIO
import pytest
from command_line import Cli
from extending import OPTIONS
from pictures import plane, samples, texture, write

SOME_DAMAGED = 6
FRAMES = range(1001, 1901)


def damaged(folder: Path) -> list[Path]:
    found = sorted(path for path in (folder / "openexr-images" / "Damaged").iterdir() if path.stat().st_size)
    assert len(found) > SOME_DAMAGED
    return found


def refuse(cli: Cli, files: list[Path], folder: Path) -> Iterator[str]:
    """Extend each file as a plate of three frames; gives the codes of what is wrong."""
    for number, file in enumerate(files):
        shot = folder / f"shot{number}"
        shot.mkdir()
        for frame in (1001, 1002, 1003):
            shutil.copy(file, shot / f"plate.{frame}.exr")
        began = time.monotonic()
        result = cli("extend", f"{shot}/plate.%04d.exr", "-o", f"{shot}/out.%04d.exr", "--margins", "8,8,8,8", "--json")
        assert time.monotonic() - began < 60
        assert result.code in (0, 3), (file.name, result.out)
        if result.code == 0:  # a few files of the set can be read, what is in them being sound
            assert result.summary["verification"]["differing"] == 0
            continue
        for error in result.summary["errors"]:
            assert error["message"], file.name
            assert error["next_step"], file.name
            assert str(shot) in error["path"], file.name
        assert not [path.name for path in shot.iterdir() if not path.name.startswith("plate.")]
        yield result.summary["errors"][0]["code"]


def test_damaged_plates_are_refused_and_the_service_lives_on(
    cli: Cli, shared_data: Path, panning_plate: str, tmp_path: Path
) -> None:
    assert cli("engines").code == 0
    service = cli.announced["pid"]
    files = damaged(shared_data)
    codes = list(refuse(cli, files[:: len(files) // SOME_DAMAGED], tmp_path))
    assert codes
    assert set(codes) <= {"UNREADABLE_IMAGE", "UNSUPPORTED_IMAGE"}
    assert cli("extend", panning_plate, "-o", "next/out.%04d.exr", "--frames", "1001", *OPTIONS).code == 0
    assert cli.announced["pid"] == service


@pytest.mark.slow
def test_every_damaged_plate_is_refused(cli: Cli, shared_data: Path, panning_plate: str, tmp_path: Path) -> None:
    assert cli("engines").code == 0
    service = cli.announced["pid"]
    codes = list(refuse(cli, damaged(shared_data), tmp_path))
    assert set(codes) <= {"UNREADABLE_IMAGE", "UNSUPPORTED_IMAGE", "MISMATCH", "COLOUR_SPACE"}
    assert cli("extend", panning_plate, "-o", "next/out.%04d.exr", "--frames", "1001", *OPTIONS).code == 0
    assert cli.announced["pid"] == service


@pytest.fixture
def eight_bit(tmp_path: Path) -> tuple[str, str]:
    """Patterns of a PNG plate with a red square that moves, and of its PNG matte, one edge of it soft."""
    light = texture(width=160, height=64, seed=3)
    code = np.clip(255 * (light / 4) ** (1 / 2.2), 0, 255).astype(np.uint8)
    for position, frame in enumerate(range(1, 7)):
        plate = code[:, 4 * position : 4 * position + 96].copy()
        plate[21:39, 11 + 8 * position : 29 + 8 * position] = 250, 10, 10  # what is to be removed
        write(tmp_path / f"plate.{frame:04d}.png", plate, names="RGB")
        matte = np.zeros((64, 96, 1), np.uint8)
        matte[20:40, 10 + 8 * position : 30 + 8 * position] = 255
        matte[19, 10 + 8 * position : 30 + 8 * position] = 128
        write(tmp_path / f"matte.{frame:04d}.png", matte, names="Y")
    return "plate.%04d.png", "matte.%04d.png"


@pytest.mark.parametrize(("suffix", "extras"), [("exr", "part"), ("png", "none")])
def test_eight_bits(cli: Cli, eight_bit: tuple[str, str], tmp_path: Path, suffix: str, extras: str) -> None:
    plate, matte = eight_bit
    result = cli("inpaint", plate, "--matte", matte, "-o", f"done/out.%04d.{suffix}", "--extras", extras, "--json")
    assert result.code == 0, result.out
    assert result.summary["frames_done"] == 6
    assert result.summary["verification"]["differing"] == 0
    for frame in range(1, 7):
        out = tmp_path / "done" / f"out.{frame:04d}.{suffix}"
        kept = plane(tmp_path / f"matte.{frame:04d}.png", "Y") == 0
        assert kept.any()
        assert not kept.all()
        changed = False
        for channel in "RGB":
            before, after = plane(tmp_path / f"plate.{frame:04d}.png", channel), plane(out, channel)
            assert after.shape == before.shape
            assert np.isfinite(after).all()
            if suffix == "exr":  # half: every code value of eight bits has its own
                assert (np.round(after * 255) == np.round(before * 255))[kept].all()
            else:
                assert (after == before)[kept].all()
            changed |= bool((np.round(after * 255) != np.round(before * 255))[~kept].any())
        assert changed
    if suffix == "png":
        image = OpenImageIO.ImageInput.open(str(tmp_path / "done" / "out.0001.png"))
        assert str(image.spec().format) == "uint8"
        image.close()


def test_eight_bits_cannot_hold_the_extra_layers(cli: Cli, eight_bit: tuple[str, str]) -> None:
    plate, matte = eight_bit
    result = cli("inpaint", plate, "--matte", matte, "-o", "done/out.%04d.png", "--json")
    assert result.code == 2
    assert "--extras none" in result.summary["errors"][0]["next_step"]


@pytest.mark.parametrize(
    "parameters",
    [
        ("copy=never", "fill=smooth"),
        pytest.param(("copy=auto", "fill=synthesise"), marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
    ids=["smooth", "all"],
)
def test_nine_hundred_frames(cli: Cli, tmp_path: Path, parameters: tuple[str, ...]) -> None:
    wide = texture(width=48 + len(FRAMES) // 8, height=24, seed=1).astype(np.float16)
    for position, frame in enumerate(FRAMES):
        write(tmp_path / f"plate.{frame}.exr", wide[:, position // 8 : position // 8 + 48], names="RGB")
        matte = np.zeros((24, 48, 1), np.float16)
        matte[8:14, position % 40 : position % 40 + 6] = 1
        write(tmp_path / f"matte.{frame}.exr", matte, names="Y")
    job = ("inpaint", "plate.%04d.exr", "--matte", "matte.%04d.exr", "-o", "done/out.%04d.exr", "--json")
    job = (*job, *(word for parameter in parameters for word in ("--set", parameter)))
    assert cli("engines").code == 0
    began = time.monotonic()
    assert cli(*job, "--dry-run").code == 0
    assert time.monotonic() - began < 10

    result = cli.finish(cli.start(*job), seconds=800)
    assert result.code == 0, result.out[-2000:]
    assert result.summary["frames"] == "1001-1900"
    assert result.summary["verification"]["frames"] == 900
    assert result.summary["verification"]["differing"] == 0
    assert len(list((tmp_path / "done").glob("*.exr"))) == 900
    frames = [line["frame"] for line in result.lines if line["type"] == "frame"]
    assert sorted(frames) == list(FRAMES)
    said = [line for line in result.lines if line["type"] == "progress"]
    assert len(said) >= 8
    done = [line["job"] for line in said]
    assert done == sorted(done)
    assert done[0] < 0.1
    assert 0.9 < done[-1] <= 1
    assert all(0 <= line["step"] <= 1 for line in said)
    left = [line["seconds_left"] for line in said if line["seconds_left"] is not None]
    assert left
    assert all(0 <= seconds < 600 for seconds in left)
    assert left[-1] < max(left)
    before, after = samples(tmp_path / "plate.1450.exr"), samples(tmp_path / "done" / "out.1450.exr")
    assert before["0 R"] != after["0 R"]
