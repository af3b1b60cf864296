"""Jobs from the command line: run, watched, listed, cancelled, retried."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenImageIO
import pytest

ERROR_FIELDS = {"code", "message", "next_step", "path", "frame", "field", "expected", "actual"}


def pixels(path: Path) -> np.ndarray:
    """Samples of the first part, in their own type."""
    reader = OpenImageIO.ImageInput.open(str(path))
    assert reader is not None
    try:
        return np.asarray(reader.read_image(0, 0, 0, 3, reader.spec().format))
    finally:
        reader.close()


def test_extend_writes_frames_and_leaves_the_plate_as_it_was(cli, plate: str, tmp_path: Path) -> None:
    result = cli("extend", plate, "-o", "out/o.####.exr", "--format", "64x40", "--place", "4,9", "--engine", "grey")
    assert result.code == 0, result.err
    for frame in range(1001, 1005):
        wide, own = pixels(tmp_path / "out" / f"o.{frame}.exr"), pixels(tmp_path / f"plate.{frame}.exr")
        assert wide.shape[:2] == (40, 64)
        assert wide[9:33, 4:36].tobytes() == own.tobytes()
        assert np.all(wide[:9] == np.float16(0.18))
    assert "4 frames (1001-1004)" in result.out
    assert "0 of " in result.out
    assert "The fill is plain grey." in result.err


def test_both_ways_to_write_a_pattern_are_the_same_job(cli, plate: str, tmp_path: Path) -> None:
    for number, pattern in enumerate(("plate.%04d.exr", "plate.####.exr")):
        assert (
            cli("extend", pattern, "-o", f"{number}/o.%04d.exr", "--margins", "4,4,0,0", "--engine", "grey").code == 0
        )
    assert pixels(tmp_path / "0/o.1003.exr").tobytes() == pixels(tmp_path / "1/o.1003.exr").tobytes()


def test_negative_frames_steps_and_crops(cli, tmp_path: Path) -> None:
    cli.write_frames(tmp_path, frames=range(-4, 3))
    result = cli(
        "extend", "plate.%04d.exr", "-o", "o.%04d.exr", "--margins", "-4,8,0,0", "--frames", "-4-2x3",
        "--engine", "grey", "--json",
    )  # fmt: skip
    assert result.code == 0, result.out
    assert result.summary["frames"] == "-4-2x3"
    reader = OpenImageIO.ImageInput.open(str(tmp_path / "o.0002.exr"))
    assert (reader.spec().full_width, reader.spec().full_height) == (36, 24)
    reader.close()


def test_json_says_everything_once_and_nothing_else(cli, plate: str) -> None:
    result = cli("extend", plate, "-o", "o.%04d.exr", "--overscan", "8", "--engine", "grey", "--json")
    lines = result.lines
    assert result.code == 0
    assert lines[0]["type"] == "job"
    states = [line["state"] for line in lines if line["type"] == "state"]
    assert states[-3:] == ["running", "verifying", "succeeded"]
    assert sorted(line["frame"] for line in lines if line["type"] == "frame") == [1001, 1002, 1003, 1004]
    assert all(Path(line["path"]).is_file() for line in lines if line["type"] == "frame")
    numbers = [line["number"] for line in lines if "number" in line]
    assert numbers == sorted(set(numbers))
    summary = result.summary
    assert summary["ok"] is True
    assert summary["exit_code"] == 0
    assert summary["frames_done"] == summary["frames_total"] == 4
    assert summary["verification"]["differing"] == 0
    assert summary["verification"]["samples"] > 0
    assert summary["errors"] == []
    assert {"GREY"} <= {warning["code"] for warning in summary["warnings"]}


def test_dry_run_tells_and_does_not_run(cli, plate: str, tmp_path: Path) -> None:
    result = cli("extend", plate, "-o", "out/o.%04d.exr", "--format", "64x48", "--engine", "grey", "--dry-run")
    assert result.code == 0
    assert "64x48+0+0" in result.out
    assert "16,12" in result.out
    assert "4 (1001-1004)" in result.out
    assert not (tmp_path / "out").exists()


def test_a_job_file_is_planned_and_submitted(cli, plate: str, tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/job.yaml").write_text(
        "plate: ../plate.%04d.exr\nextend: {format: 48x24}\nframes: 1002-1003\nengine: grey\n"
        "output: {path: ../out/o.%04d.exr, extras: none}\nlabels: {shot: 010}\n"
    )
    planned = cli("plan", "jobs/job.yaml", "--json")
    assert planned.code == 0
    assert planned.lines[0]["frames"] == "1002-1003"
    assert planned.summary["feasible"] is True
    assert cli("submit", "jobs/job.yaml").code == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.exr")) == ["o.1002.exr", "o.1003.exr"]
    listed = cli("jobs", "list", "--shot", "010", "--json")
    assert listed.lines[0]["spec"]["labels"]["shot"] == "010"


def test_a_detached_job_is_watched_listed_and_shown(cli, plate: str) -> None:
    started = cli(
        "extend", plate, "-o", "o.%04d.exr", "--format", "48x24", "--engine", "grey", "--set", "pause=0.3", "--detach"
    )
    assert started.code == 0
    job = started.out.strip()
    watched = cli("jobs", "watch", job[:10], "--json")
    assert watched.code == 0, watched.out
    assert watched.summary["job_id"] == job
    assert watched.summary["frames"] == "1001-1004"
    listed = cli("jobs", "list", "--state", "succeeded", "--json")
    assert job in [line["job_id"] for line in listed.lines[:-1]]
    assert job[:12] in cli("jobs", "list").out
    shown = cli("jobs", "show", job[:10])
    assert shown.code == 0
    for words in ("succeeded", "size: 48x24", "pause: 0.3", "Frames: 4 of 4 there (1001-1004)", "0 of "):
        assert words in shown.out


def test_a_job_is_cancelled_and_retried(cli, plate: str, tmp_path: Path) -> None:
    job = cli(
        "extend", plate, "-o", "o.%04d.exr", "--format", "48x24", "--engine", "grey", "--set", "pause=1", "--detach"
    ).out.strip()
    cli.eventually(lambda: (tmp_path / "o.1001.exr").exists())
    cancelled = cli("jobs", "cancel", job, "--json")
    assert cancelled.code == 0
    assert cancelled.summary["state"] == "cancelled"
    written = sorted(tmp_path.glob("o.*.exr"))
    assert 1 <= len(written) < 4
    kept = written[0].stat().st_mtime_ns
    assert cli("jobs", "watch", job).code == 9
    retried = cli("jobs", "retry", job, "--json")
    assert retried.code == 0, retried.out
    assert retried.summary["frames"] == "1001-1004"
    assert written[0].stat().st_mtime_ns == kept


def test_a_failed_job_says_why_and_goes_on_when_mended(cli, engine_environment, plate: str, tmp_path: Path) -> None:
    mended = Path(engine_environment["GREY_MENDED"])
    mended.unlink(missing_ok=True)
    failed = cli(
        "extend", plate, "-o", "o.%04d.exr", "--format", "48x24", "--engine", "grey", "--set", "fail_at=1003", "--json"
    )
    assert failed.code == failed.summary["exit_code"] == 3
    error = failed.summary["errors"][0]
    assert set(error) == ERROR_FIELDS
    assert (error["code"], error["frame"], error["next_step"]) == ("MISMATCH", 1003, "Mend it.")
    assert [line for line in failed.lines if line["type"] == "error"] == [{"type": "error", **error}]
    shown = cli("jobs", "show", failed.summary["job_id"])
    assert "Mend it." in shown.out
    mended.touch()
    try:
        assert cli("jobs", "retry", failed.summary["job_id"]).code == 0
    finally:
        mended.unlink()
    assert (tmp_path / "o.1003.exr").exists()


@pytest.mark.parametrize(("channels", "options"), [("A", ()), ("Y", ()), ("RGB", ("--matte-channel", "G"))])
def test_inpaint_replaces_what_the_matte_covers(cli, plate: str, tmp_path: Path, channels: str, options) -> None:
    cli.write_frames(tmp_path, name="matte", channels=tuple(channels), matte=True)
    result = cli("inpaint", plate, "--matte", "matte.####.exr", "-o", "o.%04d.exr", "--engine", "grey", *options)
    assert result.code == 0, result.err
    before, after = pixels(tmp_path / "plate.1002.exr"), pixels(tmp_path / "o.1002.exr")
    inside = np.zeros(before.shape[:2], bool)
    inside[6:12, 8:16] = True
    assert np.all(after[inside] == np.float16(0.18))
    assert after[~inside].tobytes() == before[~inside].tobytes()


def test_verify_proves_and_disproves(cli, plate: str, tmp_path: Path) -> None:
    assert (
        cli("extend", plate, "-o", "o.%04d.exr", "--format", "48x24", "--extras", "none", "--engine", "grey").code == 0
    )
    intact = cli("verify", "o.####.exr")
    assert intact.code == 0
    assert "\n0 of " in intact.out
    # Another plate stands for one that was changed: nothing but the samples can tell.
    cli.write_frames(tmp_path / "other", frames=range(1001, 1005))
    other = tmp_path / "other" / "plate.1003.exr"
    (tmp_path / "other" / "plate.1001.exr").replace(other)
    cli.write_frames(tmp_path / "other", frames=[1001])
    changed = cli("verify", "o.####.exr", "--plate", "other/plate.####.exr", "--json")
    assert changed.code == 7, changed.out
    assert changed.summary["errors"][0]["code"] == "PLATE_CHANGED"
    assert changed.summary["verification"]["differing"] > 0
    assert "1003" in changed.summary["verification"]["first_difference"]


def test_engines_shows_parameters_and_rights(cli) -> None:
    result = cli("engines")
    assert result.code == 0
    for words in ("grey 1.0: Fills with middle grey.", "extend, inpaint", "calm|wild", "CC0-1.0", "(0 to …) s"):
        assert words in result.out
    listed = {line["name"]: line for line in cli("engines", "--json").lines[:-1]}
    assert listed["grey"]["tasks"] == ["extend", "inpaint"]
    assert listed["grey"]["rights"]["training_data"]["class"] == "none"
