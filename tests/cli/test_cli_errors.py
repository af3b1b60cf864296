"""Bad input: a clear answer, its own exit code, and nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

EXTEND = ("--format", "64x48", "--engine", "grey", "--json")


def fails(result, *, code: int, problem: str) -> dict:
    """The first error of a command that must fail like this."""
    assert result.code == result.summary["exit_code"] == code, result.out
    assert result.summary["ok"] is False
    error = result.summary["errors"][0]
    assert error["code"] == problem, error
    assert error["message"]
    return error


def test_no_frames_at_all(cli) -> None:
    error = fails(cli("extend", "nowhere/p.%04d.exr", "-o", "o.%04d.exr", *EXTEND), code=3, problem="MISSING_FRAMES")
    assert "nowhere/p.%04d.exr" in error["path"]


def test_a_hole_in_the_plate(cli, plate: str, tmp_path: Path) -> None:
    (tmp_path / "plate.1002.exr").unlink()
    error = fails(cli("extend", plate, "-o", "o.%04d.exr", *EXTEND), code=3, problem="MISSING_FRAMES")
    assert error["frame"] == 1002
    assert not list(tmp_path.glob("o.*"))


def test_frames_asked_for_that_are_not_there(cli, plate: str) -> None:
    result = cli("extend", plate, "-o", "o.%04d.exr", "--frames", "1003-1010", *EXTEND)
    assert "1005-1010" in fails(result, code=3, problem="FRAME_RANGE")["message"]


@pytest.mark.parametrize("frames", ["", "ten", "1010x2"])
def test_no_frame_range(cli, plate: str, frames: str) -> None:
    result = cli("extend", plate, "-o", "o.%04d.exr", "--frames", frames, *EXTEND)
    error = fails(result, code=3, problem="FRAME_RANGE")
    assert error["field"] == "frames"
    assert "1001-1100" in error["next_step"]


def test_mixed_sizes(cli, plate: str, tmp_path: Path) -> None:
    cli.write_frames(tmp_path, frames=[1003], width=40)
    assert fails(cli("extend", plate, "-o", "o.%04d.exr", *EXTEND), code=3, problem="MISMATCH")["frame"] == 1003


def test_a_matte_of_another_size(cli, plate: str, tmp_path: Path) -> None:
    cli.write_frames(tmp_path, name="matte", channels=("Y",), matte=True, width=64)
    result = cli("inpaint", plate, "--matte", "matte.%04d.exr", "-o", "o.%04d.exr", "--engine", "grey", "--json")
    error = fails(result, code=3, problem="MISMATCH")
    assert (error["expected"], error["actual"]) == ("32x24", "64x24")


def test_a_matte_of_another_range(cli, plate: str, tmp_path: Path) -> None:
    cli.write_frames(tmp_path, name="matte", channels=("Y",), matte=True, frames=[1001, 1002])
    result = cli("inpaint", plate, "--matte", "matte.%04d.exr", "-o", "o.%04d.exr", "--engine", "grey", "--json")
    assert result.code == 3
    assert result.summary["errors"][0]["code"] in ("MISMATCH", "MISSING_FRAMES")
    assert "1003-1004" in result.summary["errors"][0]["message"]


def test_a_damaged_frame(cli, plate: str, tmp_path: Path) -> None:
    (tmp_path / "plate.1002.exr").write_bytes(b"no picture")
    error = fails(cli("extend", plate, "-o", "o.%04d.exr", *EXTEND), code=3, problem="UNREADABLE_IMAGE")
    assert error["path"].endswith("plate.1002.exr")


def test_an_unknown_colour_space(cli, plate: str) -> None:
    result = cli("extend", plate, "-o", "o.%04d.exr", "--colorspace", "ACEScc-ish", *EXTEND)
    assert "ACEScc-ish" in fails(result, code=3, problem="COLOUR_SPACE")["message"]


def test_output_that_is_there(cli, plate: str, tmp_path: Path) -> None:
    (tmp_path / "o.1002.exr").write_bytes(b"precious")
    error = fails(cli("extend", plate, "-o", "o.%04d.exr", *EXTEND), code=4, problem="OUTPUT_EXISTS")
    assert "--overwrite" in error["next_step"]
    assert (tmp_path / "o.1002.exr").read_bytes() == b"precious"
    assert cli("extend", plate, "-o", "o.%04d.exr", "--overwrite", *EXTEND).code == 0
    assert (tmp_path / "o.1002.exr").read_bytes() != b"precious"


def test_output_below_a_file(cli, plate: str, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    fails(cli("extend", plate, "-o", "folder/sub/o.%04d.exr", *EXTEND), code=4, problem="OUTPUT_NOT_WRITABLE")


def test_output_over_the_plate(cli, plate: str) -> None:
    fails(cli("extend", plate, "-o", plate, "--overwrite", *EXTEND), code=2, problem="INVALID_JOB")


def test_an_unknown_engine(cli, plate: str) -> None:
    result = cli("extend", plate, "-o", "o.%04d.exr", "--format", "64x48", "--engine", "gray", "--json")
    assert "grey" in fails(result, code=2, problem="UNKNOWN_ENGINE")["next_step"]


@pytest.mark.parametrize("setting", ["moood=wild", "mood=sad", "pause=-1", "pause=soon"])
def test_a_wrong_parameter(cli, plate: str, setting: str) -> None:
    fails(cli("extend", plate, "-o", "o.%04d.exr", *EXTEND, "--set", setting), code=2, problem="INVALID_PARAMETER")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (("--format", "64"), "extend.format.size"),
        (("--format", "0x48"), "extend.format.size"),
        (("--format", "64x48", "--place", "middle"), "extend.format.place"),
        (("--margins", "1,2,3"), "extend.margins"),
        (("--overscan", "wide"), "extend.overscan"),
        (("--margins", "4,4,0,0", "--seed", "-1"), "controls.seed"),
    ],
)
def test_text_that_is_no_option(cli, plate: str, options: tuple[str, ...], field: str) -> None:
    result = cli("extend", plate, "-o", "o.%04d.exr", "--engine", "grey", "--json", *options)
    assert result.code == 2
    if not (options[-1] == "-1" and result.summary["errors"][0]["code"] == "USAGE"):
        assert fails(result, code=2, problem="INVALID_JOB")["field"] == field


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--format", "64x48", "--margins", "4,4,0,0"),
        ("--margins", "4,4,0,0", "--place", "1,1"),
        ("--format", "64x48", "--set", "pause"),
    ],
)
def test_options_that_do_not_go_together(cli, plate: str, options: tuple[str, ...]) -> None:
    result = cli("extend", plate, "-o", "o.%04d.exr", "--json", *options)
    assert fails(result, code=2, problem="USAGE")["next_step"]


def test_a_job_file_with_a_mistake(cli, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("plate: p.%04d.exr\n\nextned: {format: 64x48}\noutput: {path: o.%04d.exr}\n")
    error = fails(cli("submit", "job.yaml", "--json"), code=2, problem="INVALID_JOB")
    assert "line 3" in error["message"]
    assert "extend" in error["next_step"]


def test_a_job_file_that_is_not_there(cli) -> None:
    fails(cli("plan", "job.yaml", "--json"), code=2, problem="JOB_FILE")


def test_a_job_that_is_not_known(cli) -> None:
    fails(cli("jobs", "show", "ffffffffffff", "--json"), code=2, problem="UNKNOWN_JOB")


def test_every_problem_is_told_at_once(cli, plate: str, tmp_path: Path) -> None:
    (tmp_path / "plate.1002.exr").write_bytes(b"no picture")
    (tmp_path / "plate.1004.exr").write_bytes(b"")
    result = cli("extend", plate, "-o", "o.%04d.exr", *EXTEND)
    assert {Path(error["path"]).name for error in result.summary["errors"]} == {"plate.1002.exr", "plate.1004.exr"}


def test_people_read_what_is_wrong_where_and_what_to_do(cli, plate: str) -> None:
    result = cli("extend", plate, "-o", "o.%04d.exr", "--format", "64x48", "--engine", "grey", "--frames", "1-3")
    assert result.code == 3
    assert result.out == ""
    assert "error: " in result.err
    assert "Ask for frames of the plate." in result.err
    assert "[FRAME_RANGE]" in result.err
    assert "Traceback" not in result.err


def test_a_worker_that_dies_is_an_engine_failure(cli, plate: str) -> None:
    result = cli("extend", plate, "-o", "o.%04d.exr", *EXTEND, "--set", "die_at=1002")
    fails(result, code=5, problem="WORKER_LOST")


def test_people_are_told_once(cli, plate: str) -> None:
    result = cli("extend", plate, "-o", "o.%04d.exr", *EXTEND[:-1], "--set", "die_at=1001")
    assert result.code == 5
    assert result.err.count("died 3 times") == 1


def test_a_full_disk(cli, plate: str, small_disk) -> None:
    folder = small_disk("size=16k")
    result = cli("extend", plate, "-o", f"{folder}/o.%04d.exr", *EXTEND)
    fails(result, code=4, problem="DISK_FULL")
    for path in folder.iterdir():
        assert path.name.startswith("o.")
        assert path.suffix == ".exr"


def test_a_read_only_disk(cli, plate: str, small_disk) -> None:
    result = cli("extend", plate, "-o", f"{small_disk('ro')}/sub/o.%04d.exr", *EXTEND)
    fails(result, code=4, problem="OUTPUT_NOT_WRITABLE")
