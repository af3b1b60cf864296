"""What users and machines do to a job while it runs: the result is right, or there is an error that says why."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Cli, share_kernels
from extending import OPTIONS, moments, start_and_wait
from pictures import assert_same, assert_tidy, digests, samples


def paused(cli: Cli, folder: Path, plate: str, *, until: str, meanwhile: Callable[[], None]) -> subprocess.Popen:
    """Start a job, stop its service and workers at the moment `until`, and let them go on after `meanwhile`."""
    assert cli("engines").code == 0
    process = start_and_wait(cli, folder, "extend", plate, *OPTIONS, until=moments(cli, folder)[until])
    with cli.service_stopped():
        meanwhile()
    return process


def test_the_cache_is_deleted_under_a_job(cli: Cli, panning_plate: str, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"

    def delete() -> None:
        shutil.rmtree((cli.home / "cache").rename(cli.home / "deleted"))
        share_kernels(cli.home)  # to compile them again takes a minute, and shows nothing

    process = paused(cli, folder, panning_plate, until="analysis", meanwhile=delete)
    result = cli.finish(process)
    assert result.code == 0, result.out
    assert_same(folder, whole)


@pytest.mark.slow
def test_a_cache_that_was_cut_off_with_the_power(cli: Cli, panning_plate: str, whole: Path, tmp_path: Path) -> None:
    frames = ("--frames", "1009-1018")
    assert cli("extend", panning_plate, "-o", "first/out.%04d.exr", *frames, *OPTIONS).code == 0
    kept = sorted((cli.home / "cache" / "plate-motion").glob("*/*.npz"))
    assert len(kept) > 10
    for number, path in enumerate(kept):
        os.truncate(path, (0, 7, path.stat().st_size // 2)[number % 3])
    (cli.home / "cache" / "hashes.sqlite").write_bytes(b"no database" * 500)
    for frames in (("--frames", "1009-1018"), ("--frames", "1001-1008")):
        done = cli("extend", panning_plate, "-o", "second/out.%04d.exr", *frames, *OPTIONS)
        assert done.code == 0, done.err
    assert_same(tmp_path / "second", whole, in_pieces=True)


def test_a_plate_frame_is_replaced_under_a_job(cli: Cli, panning_plate: str, tmp_path: Path) -> None:
    """What was rendered before the plate changed does not pass for a result of the new plate."""
    shot = tmp_path / "shot"
    shutil.copytree(Path(panning_plate).parent, shot)
    folder = tmp_path / "out"

    def replace() -> None:
        done = sorted(folder.glob("out.*.exr"))
        assert done
        assert len(done) < 18
        other = shot / "plate.1017.exr"
        shutil.copyfile(other, shot / "new.exr")
        (shot / "new.exr").replace(shot / done[0].name.replace("out", "plate"))

    process = paused(cli, folder, str(shot / "plate.%04d.exr"), until="rendering", meanwhile=replace)
    result = cli.finish(process)
    assert result.code == 3, result.out
    (error,) = result.summary["errors"]
    assert error["code"] == "INPUT_CHANGED"
    assert error["frame"] == 1001
    assert error["path"] == str(shot / "plate.1001.exr")
    again = cli("jobs", "retry", result.summary["job_id"], "--json")
    assert again.code == 0, again.out
    assert again.summary["verification"]["differing"] == 0
    # Nothing that was copied from the old one is left: the result is that of a job that never saw it.
    fresh = cli("extend", str(shot / "plate.%04d.exr"), "-o", "fresh/out.%04d.exr", *OPTIONS)
    assert fresh.code == 0, fresh.err
    assert_same(folder, tmp_path / "fresh")
    assert cli("verify", f"{folder}/out.%04d.exr").code == 0


def test_a_plate_frame_is_touched_under_a_job(cli: Cli, panning_plate: str, whole: Path, tmp_path: Path) -> None:
    """The same bytes again, with another time and inode, as where a share is synchronised: the job goes on."""
    shot = tmp_path / "shot"
    shutil.copytree(Path(panning_plate).parent, shot)
    folder = tmp_path / "out"

    def replace() -> None:
        for name in ("plate.1001.exr", "plate.1005.exr"):
            shutil.copyfile(shot / name, shot / "new.exr")
            (shot / "new.exr").replace(shot / name)

    process = paused(cli, folder, str(shot / "plate.%04d.exr"), until="rendering", meanwhile=replace)
    result = cli.finish(process)
    assert result.code == 0, result.out
    assert digests(folder).keys() == digests(whole).keys()


def test_two_services_with_one_output_folder(
    new_cli: Callable[..., Cli], panning_plate: str, whole: Path, tmp_path: Path
) -> None:
    """Neither writes over what the other has written, and every frame is whole."""
    one, two = new_cli(), new_cli()
    job = ("extend", panning_plate, "-o", "both/out.%04d.exr", *OPTIONS, "--json")
    processes = [one.start(*job), two.start(*job)]
    results = [cli.finish(process) for cli, process in zip((one, two), processes, strict=True)]
    for result in results:
        if result.code != 0:
            assert result.code == 4, result.out
            assert result.summary["errors"][0]["code"] == "OUTPUT_EXISTS"
    assert {result.code for result in results} != {0}
    folder = tmp_path / "both"
    assert_tidy(folder)
    found = digests(folder)
    assert found
    assert found.items() <= digests(whole).items()


def test_frames_that_appear_under_a_job_are_left_alone(
    cli: Cli, panning_plate: str, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    process = paused(
        cli,
        folder,
        panning_plate,
        until="rendering",
        meanwhile=lambda: shutil.copyfile(whole / "out.1003.exr", folder / "out.1018.exr"),
    )
    result = cli.finish(process)
    assert result.code == 4, result.out
    error = result.summary["errors"][0]
    assert (error["code"], error["frame"]) == ("OUTPUT_EXISTS", 1018)
    assert samples(folder / "out.1018.exr") == samples(whole / "out.1003.exr")
    assert_tidy(folder)
    (folder / "out.1018.exr").unlink()
    assert cli("jobs", "retry", result.summary["job_id"]).code == 0
    assert_same(folder, whole)
