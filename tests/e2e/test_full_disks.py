"""Disks without room, folders without permission, homes that vanish: nothing lost, and told what to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Cli
from extending import OPTIONS, moments, start_and_wait
from pictures import assert_same, assert_tidy, digests


def test_a_full_output_disk(cli: Cli, panning_plate: str, whole: Path, small_disk: Callable[..., Path]) -> None:
    """The disk takes about half of the frames."""
    room = sum(path.stat().st_size for path in whole.glob("out.*.exr")) // 2
    disk = small_disk(f"size={room}")
    result = cli("extend", panning_plate, "-o", f"{disk}/out.%04d.exr", *OPTIONS, "--json")
    assert result.code == 4, result.out
    (error,) = result.summary["errors"]
    assert error["code"] == "DISK_FULL"
    assert error["path"].startswith(str(disk))
    assert "retry" in error["next_step"]
    done = digests(disk)
    assert 0 < len(done) < 18
    assert len(done) == result.summary["frames_done"]
    assert done.items() <= digests(whole).items()
    assert_tidy(disk)

    small_disk(f"size={4 * room}", again=disk)
    again = cli("jobs", "retry", result.summary["job_id"], "--json")
    assert again.code == 0, again.out
    assert again.summary["frames_done"] == 18
    assert_same(disk, whole)
    assert_tidy(disk)


def test_a_full_home_disk_says_so_and_goes_on_when_there_is_room(
    new_cli: Callable[..., Cli], panning_plate: str, whole: Path, tmp_path: Path, small_disk: Callable[..., Path]
) -> None:
    disk = small_disk("size=8m")
    cli = new_cli(home=disk / "home")
    assert cli("engines").code == 0
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while shutil.disk_usage(disk).free:
            file.write(bytes(min(shutil.disk_usage(disk).free, 1 << 16)))
    result = cli("extend", panning_plate, "-o", "late/out.%04d.exr", *OPTIONS, "--json")
    assert result.code == 4, result.out
    assert result.summary["errors"][0]["code"] == "DISK_FULL"
    assert str(disk) in result.summary["errors"][0]["path"]
    assert cli("jobs", "list").code == 0
    filler.unlink()
    done = cli("extend", panning_plate, "-o", "late/out.%04d.exr", *OPTIONS)
    assert done.code == 0, done.err
    assert_same(tmp_path / "late", whole)


@pytest.mark.slow
def test_a_home_disk_that_fills_up_under_a_job(
    new_cli: Callable[..., Cli], panning_plate: str, whole: Path, tmp_path: Path, small_disk: Callable[..., Path]
) -> None:
    """The job may fail, with the reason, or wait for room; either way it comes to its end once there is some."""
    disk = small_disk("size=24m")
    cli = new_cli(home=disk / "home")
    folder = tmp_path / "late"
    process = start_and_wait(cli, folder, "extend", panning_plate, *OPTIONS, until=moments(cli, folder)["analysis"])
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while shutil.disk_usage(disk).free:
            file.write(bytes(min(shutil.disk_usage(disk).free, 1 << 16)))
    cli.eventually(lambda: "no room" in (cli.home / "logs" / "service-start.log").read_text(), seconds=30)
    filler.unlink()
    result = cli.finish(process)
    if result.code != 0:
        assert result.code == 4, result.out
        assert result.summary["errors"][0]["code"] == "DISK_FULL"
        assert cli("jobs", "retry", result.summary["job_id"]).code == 0
    assert_same(folder, whole)


def test_an_unwritable_output_folder(
    cli: Cli, panning_plate: str, whole: Path, small_disk: Callable[..., Path]
) -> None:
    disk = small_disk("size=8m,ro")
    result = cli("extend", panning_plate, "-o", f"{disk}/sub/out.%04d.exr", *OPTIONS, "--json")
    assert result.code == 4, result.out
    (error,) = result.summary["errors"]
    assert error["code"] == "OUTPUT_NOT_WRITABLE"
    assert str(disk) in error["message"] + error["path"]
    assert cli("jobs", "list", "--json").summary["count"] == 0
    small_disk("size=8m,rw", again=disk)
    assert cli("extend", panning_plate, "-o", f"{disk}/sub/out.%04d.exr", *OPTIONS).code == 0
    assert_same(disk / "sub", whole)


def test_an_output_folder_that_others_own(cli: Cli, panning_plate: str, tmp_path: Path) -> None:
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("permissions do not stop root")
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o500)
    result = cli("extend", panning_plate, "-o", "theirs/out.%04d.exr", *OPTIONS, "--json")
    assert result.code == 4
    assert result.summary["errors"][0]["code"] == "OUTPUT_NOT_WRITABLE"
