"""Options that steer the engine: what job they make, and how mistakes in them are answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from overscan.cli._app import app

LEVEL = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
CAMERA = {
    "samples": [
        {"frame": f, "matrix": LEVEL, "focal_length_mm": 35, "horizontal_aperture_mm": 24, "vertical_aperture_mm": 18}
        for f in (1001, 1004)
    ]
}


@pytest.mark.parametrize("task", [("extend", "--format", "40x24"), ("inpaint", "--matte", "movers.%04d.exr")])
def test_every_option_goes_into_the_job(cli, plate: str, tmp_path: Path, task: tuple[str, ...]) -> None:
    for name in ("movers", "never"):
        cli.write_frames(tmp_path, name=name, channels=("Y",), matte=True)
    cli.write_frames(tmp_path / "b", name="b", frames=(3, 4))
    cli.write_frames(tmp_path, name="a", frames=(1,), width=50)
    (tmp_path / "tracks.txt").write_text("corner 1001 1.5 22.5\n")
    result = cli(
        *task, plate, "-o", "o.%04d.exr", "--quality", "preview", "--search-range", "12", "--fill", "none",
        "--no-grain", "--source-frames", "1001-1004x2", "--never-copy", "never.%04d.exr", "--movers",
        "movers.%04d.exr", "--clean-plate", "a.0001.exr", "--clean-plate", "b/b.####.exr", "--tracks", "tracks.txt",
        "--tracks-y", "up:24", "--set", "copy=always", "--seed", "7", "--detach", "--json",
    )  # fmt: skip
    assert result.code == 0, result.out
    job_id = result.summary["job_id"]
    (job,) = (line for line in cli("jobs", "show", job_id, "--json").lines if line["type"] == "job")
    controls = job["spec"]["controls"]
    (track,) = controls["trajectories"]
    assert (track["name"], [point["position"] for point in track["points"]]) == ("corner", [{"x": 1.0, "y": 1.0}])
    assert controls["movers"]["sequence"]["path"] == str(tmp_path / "movers.%04d.exr")
    assert controls["never_copy"]["sequence"]["path"] == str(tmp_path / "never.%04d.exr")
    clean_plates = [clean["path"] for clean in controls["clean_plates"]]
    assert clean_plates == [str(tmp_path / "a.0001.exr"), str(tmp_path / "b/b.####.exr")]
    assert (controls["source_frames"], controls["seed"]) == ("1001,1003", 7)
    assert controls["parameters"] == {
        "quality": "preview",
        "search_range": 12,
        "fill": "none",
        "grain": False,
        "copy": "always",
    }
    cli("jobs", "cancel", job_id)


def test_a_camera_file_goes_into_the_job(cli, plate: str, tmp_path: Path) -> None:
    (tmp_path / "camera.json").write_text(json.dumps(CAMERA))
    result = cli(
        "extend", plate, "-o", "o.%04d.exr", "--format", "40x24", "--camera", "camera.json", "--detach", "--json"
    )
    assert result.code == 0, result.out
    (job,) = (line for line in cli("jobs", "show", result.summary["job_id"], "--json").lines if line["type"] == "job")
    assert job["spec"]["controls"]["camera"]["samples"] == CAMERA["samples"]
    cli("jobs", "cancel", result.summary["job_id"])


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--tracks", "t.txt"), "USAGE", "--tracks-y down"),
        (("--tracks", "t.txt", "--tracks-y", "up"), "USAGE", "up:1080"),
        (("--tracks", "t.txt", "--tracks-y", "up:0"), "USAGE", "up:1080"),
        (("--tracks-y", "down"), "USAGE", "--tracks"),
        (("--tracks", "gone.json"), "JOB_FILE", "gone.json"),
        (("--camera", "gone.json"), "JOB_FILE", "gone.json"),
        (("--quality", "preview", "--set", "quality=final"), "USAGE", "given twice"),
        (("--source-frames", "some"), "FRAME_RANGE", "controls.source_frames"),
    ],
)
def test_options_that_make_no_job(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...], code: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.txt").write_text("corner 1001 1 1\n")
    result = CliRunner().invoke(
        app, ["extend", "p.%04d.exr", "-o", "o.%04d.exr", "--format", "64x48", "--dry-run", "--json", *options]
    )
    summary = json.loads(result.stdout.splitlines()[-1])
    assert not summary["ok"]
    assert summary["errors"][0]["code"] == code
    assert words in json.dumps(summary["errors"][0])


def test_what_does_not_fit_the_plate_is_told_with_field_and_remedy(cli, plate: str, tmp_path: Path) -> None:
    cli.write_frames(tmp_path, name="movers", channels=("Y",), matte=True, width=64)
    (tmp_path / "camera.json").write_text(json.dumps({"samples": CAMERA["samples"][:1]}))
    result = cli(
        "extend", plate, "-o", "o.%04d.exr", "--format", "64x48", "--json", "--movers", "movers.%04d.exr",
        "--clean-plate", "gone.exr", "--source-frames", "1-4", "--camera", "camera.json",
    )  # fmt: skip
    errors = {error["field"]: error for error in result.summary["errors"]}
    assert {field: error["code"] for field, error in errors.items()} == {
        "controls.movers": "MISMATCH",
        "controls.clean_plates[0]": "MISSING_FRAMES",
        "controls.source_frames": "FRAME_RANGE",
        "controls.camera.samples": "MISMATCH",
    }
    assert all(error["next_step"] for error in errors.values())
    assert errors["controls.clean_plates[0]"]["path"] == str(tmp_path / "gone.exr")
    assert "64x24" in errors["controls.movers"]["message"]
    assert errors["controls.camera.samples"]["frame"] == 1002
    assert result.code == 3
    assert not list(tmp_path.glob("o.*"))


def test_an_engine_without_these_parameters_says_so(cli, plate: str) -> None:
    result = cli(
        "extend", plate, "-o", "o.%04d.exr", "--format", "64x48", "--engine", "grey", "--json", "--fill", "none"
    )
    assert result.code == 2
    assert result.summary["errors"][0]["field"] == "controls.parameters.fill"
