"""Handles and in-betweens from the command line and from job files, by the real engine."""

from __future__ import annotations

import json
from pathlib import Path

import OpenImageIO
import pytest


def header(path: Path) -> dict[str, object]:
    """Metadata of the first part."""
    reader = OpenImageIO.ImageInput.open(str(path))
    assert reader is not None
    found = {attribute.name: attribute.value for attribute in reader.spec().extra_attribs}
    reader.close()
    return found


def test_handles(cli, plate: str, tmp_path: Path) -> None:
    result = cli("continue", plate, "-o", "out/o.%04d.exr", "--head", "1", "--tail", "2", "--json")
    assert result.code == 0, result.out
    names = sorted(path.name for path in (tmp_path / "out").glob("*.exr"))
    assert names == [f"o.{frame}.exr" for frame in range(1000, 1007)]
    assert result.summary["verification"]["differing"] == 0
    assert result.summary["verification"]["samples"] == 4 * 32 * 24 * 3, "the plate's own frames, and no others"
    assert header(tmp_path / "out/o.1006.exr")["overscan:new"] == "yes"
    checked = cli("verify", "out/o.%04d.exr")
    assert checked.code == 0, checked.err


def test_in_betweens(cli, plate: str, tmp_path: Path) -> None:
    result = cli("interpolate", plate, "-o", "out/o.%04d.exr", "--times", "1001.5,1003")
    assert result.code == 0, result.err
    times = {path.name: header(path)["overscan:time"] for path in (tmp_path / "out").glob("*.exr")}
    assert times == {"o.1001.exr": "1001.5", "o.1002.exr": "1003"}


def test_a_job_file_and_its_plan(cli, plate: str, tmp_path: Path) -> None:
    for name, times in (("a", "1001.5,1002"), ("b", [1001.5, 1002]), ("c", {"frames": [1001.5, 1002]})):
        spec = {"plate": plate, "interpolate": {"times": times}, "output": {"path": f"{name}.%04d.exr"}}
        (tmp_path / f"{name}.yaml").write_text(json.dumps(spec))
        found = cli("plan", f"{name}.yaml", "--json")
        assert found.code == 0, found.out
        (plan,) = (line for line in found.lines if line["type"] == "plan")
        assert (plan["frames"], plan["new_frames"]) == ("1001-1002", "1001")
    shown = cli("continue", plate, "-o", "o.%04d.exr", "--tail", "2", "--dry-run")
    assert "6 (1001-1006)" in shown.out
    assert "2 (1005-1006)" in shown.out


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("continue",), "USAGE", 2),
        (("interpolate",), "USAGE", 2),
        (("interpolate", "--between", "1", "--times", "1001.5"), "USAGE", 2),
        (("interpolate", "--between", "0"), "INVALID_JOB", 2),
        (("interpolate", "--times", "soon"), "INVALID_JOB", 2),
        (("interpolate", "--times", "1009.5"), "FRAME_RANGE", 3),
    ],
)
def test_what_is_refused(cli, plate: str, words: tuple[str, ...], code: str, exit_code: int) -> None:
    result = cli(words[0], plate, "-o", "o.%04d.exr", *words[1:], "--json")
    assert result.code == exit_code
    assert result.summary["errors"][0]["code"] == code
    assert result.summary["errors"][0]["next_step"]
