"""The command itself, on the real engine and the team's data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(tmp_path: Path, data: Path, *arguments: str) -> tuple[str, dict]:
    """stdout and the record of a quick run."""
    stored = tmp_path / "record.json"
    command = [
        sys.executable, str(ROOT / "benchmarks" / "run.py"), *arguments,
        "--quick", "--no-perceptual", "--processes", "1", "--data", str(data), "--json", str(stored),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ.copy())
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, json.loads(stored.read_text())


def rows_of(record: dict, **wanted: str) -> list[dict]:
    return [row for row in record["rows"] if all(row[name] == value for name, value in wanted.items())]


@pytest.mark.slow
def test_quick_run_of_the_generated_shots(tmp_path: Path, shared_data: Path) -> None:
    sheets = tmp_path / "sheets"
    text, record = run(tmp_path, shared_data, "hdr", "--clips", "pan", "removal", "--sheets", str(sheets))
    assert "## hdr" in text
    for case in ("pan", "removal"):
        (ours,) = rows_of(record, case=case, method="overscan", region="seen")
        (telea,) = rows_of(record, case=case, method="Telea", region="seen")
        assert ours["figures"]["log_psnr_db"] > telea["figures"]["log_psnr_db"] + 3
        assert ours["figures"]["samples_changed"] == 0
        assert ours["figures"]["seconds_per_frame"] > 0 and ours["figures"]["peak_mib"] > 100
        assert (sheets / f"hdr-{case}.jpg").stat().st_size > 10_000
    assert record["quick"] is True and record["gates"] == []


@pytest.mark.slow
def test_quick_run_on_real_clips(tmp_path: Path, shared_data: Path) -> None:
    text, record = run(tmp_path, shared_data, "outpainting", "--clips", "libby", "--no-baselines")
    assert "## outpainting" in text
    assert {row["case"] for row in record["rows"]} == {"libby 0.25", "libby 0.66"}
    for row in rows_of(record, method="overscan", region="whole frame"):
        assert row["figures"]["samples_changed"] == 0
        assert 10 < row["figures"]["psnr_db"] < 60


def test_unknown_words_are_refused(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "outpaint", "--json", str(tmp_path / "a.json")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert "there is no suite outpaint; there are outpainting" in done.stderr
