"""The same job, whole, in pieces and killed: the same files, byte for byte."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from command_line import Cli
from extending import OPTIONS, attempts, moments, renderer, start_and_wait
from pictures import assert_same, assert_tidy, digests, plane, samples

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_result_is_copied_from_other_frames(whole: Path) -> None:
    """Without copies, that all runs agree would prove little."""
    for frame in (1001, 1010, 1018):
        kind = plane(whole / f"out.{frame}.exr", "source.kind")
        assert kind.shape == (72, 192)
        assert (kind == 1).mean() > 0.1
    assert len(samples(whole / "out.1001.exr")) == 3 + 6


@pytest.mark.slow
def test_in_three_pieces_by_services_that_know_nothing_of_each_other(
    new_cli: Callable[..., Cli], panning_plate: str, whole: Path, tmp_path: Path
) -> None:
    for frames in ("1010-1018", "1002-1008x2", "1001-1009x2"):
        done = new_cli()("extend", panning_plate, "-o", "pieces/out.%04d.exr", "--frames", frames, *OPTIONS)
        assert done.code == 0, done.err
    assert_same(tmp_path / "pieces", whole, in_pieces=True)


@pytest.mark.parametrize("moment", [pytest.param("analysis", marks=pytest.mark.slow), "rendering"])
def test_with_a_killed_worker(cli: Cli, panning_plate: str, whole: Path, tmp_path: Path, moment: str) -> None:
    assert cli("engines").code == 0
    service = cli.announced["pid"]
    folder = tmp_path / "killed"
    process = start_and_wait(cli, folder, "extend", panning_plate, *OPTIONS, until=moments(cli, folder)[moment])
    renderer(service).kill()
    there = len(list(folder.glob("out.*.exr")))
    result = cli.finish(process)
    assert result.code == 0, result.out
    assert there < 18
    assert max(attempts(cli, result.summary["job_id"])) == 2, "the kill came too late"
    assert cli.announced["pid"] == service
    assert_same(folder, whole)
    assert_tidy(folder)


@pytest.mark.parametrize("moment", [pytest.param("analysis", marks=pytest.mark.slow), "rendering"])
def test_with_a_killed_service(cli: Cli, panning_plate: str, whole: Path, tmp_path: Path, moment: str) -> None:
    assert cli("engines").code == 0
    service = psutil.Process(cli.announced["pid"])
    folder = tmp_path / "killed"
    process = start_and_wait(cli, folder, "extend", panning_plate, *OPTIONS, until=moments(cli, folder)[moment])
    workers = service.children(recursive=True)
    assert workers
    service.kill()
    there = len(list(folder.glob("out.*.exr")))
    cli.eventually(lambda: not any(cli.alive(worker.pid) for worker in workers), seconds=10)
    result = cli.finish(process)
    assert result.code == 0, result.out
    assert there < 18
    assert cli.announced["pid"] != service.pid
    assert max(attempts(cli, result.summary["job_id"])) == 2, "the kill came too late"
    assert_same(folder, whole)
    assert_tidy(folder)
    assert not list((cli.home / "jobs").iterdir())


def test_a_job_that_is_cancelled_and_killed_leaves_whole_frames_only(
    new_cli: Callable[..., Cli], panning_plate: str, whole: Path, tmp_path: Path
) -> None:
    """A worker that does not stop in time is killed, in the middle of a file perhaps."""
    cli = new_cli(OVERSCAN_STOP_SECONDS_MAX="0.001")
    folder = tmp_path / "cancelled"
    process = start_and_wait(cli, folder, "extend", panning_plate, *OPTIONS, until=moments(cli, folder)["rendering"])
    process.send_signal(signal.SIGINT)
    result = cli.finish(process)
    assert result.code == 130, result.out
    assert_tidy(folder)
    done = digests(folder)
    assert len(done) < 18
    assert done.items() <= digests(whole).items()
    assert cli("jobs", "retry", result.summary["job_id"]).code == 0
    assert_same(folder, whole)
    assert_tidy(folder)


@pytest.mark.slow
def test_the_example_plate_whole_in_pieces_and_killed(new_cli: Callable[..., Cli], tmp_path: Path) -> None:
    """720p, real pictures, the engine's own judgement of where to copy."""
    (tmp_path / "plate").mkdir()
    for frame in range(1001, 1013):
        shutil.copy(EXAMPLES / "plate" / f"plate.{frame}.exr", tmp_path / "plate")
    job = ("extend", "plate/plate.####.exr", "--format", "1728x720")
    whole_cli = new_cli()
    assert whole_cli(*job, "-o", "whole/out.%04d.exr").code == 0
    wanted = tmp_path / "whole"
    assert len(digests(wanted)) == 12

    pieces = new_cli()
    for frames in ("1005-1008", "1001-1004", "1009-1012"):
        assert pieces(*job, "-o", "pieces/out.%04d.exr", "--frames", frames).code == 0
    assert_same(tmp_path / "pieces", wanted, in_pieces=True)

    for kill in ("worker", "service"):
        cli = new_cli()
        assert cli("engines").code == 0
        service = cli.announced["pid"]
        folder = tmp_path / kill
        process = start_and_wait(cli, folder, *job, until=lambda folder=folder: any(folder.glob("out.*.exr")))
        os.kill(renderer(service).pid if kill == "worker" else service, signal.SIGKILL)
        result = cli.finish(process)
        assert result.code == 0, result.out
        assert sorted(attempts(cli, result.summary["job_id"]))[-1] == 2, "the kill came too late"
        assert_same(folder, wanted)
        assert_tidy(folder)
