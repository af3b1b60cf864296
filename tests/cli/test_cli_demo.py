"""The demo as a newcomer runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_demo_shows_what_it_promises(own_cli, tmp_path: Path) -> None:
    process = own_cli.start("demo", "--out", "shown", "--json")
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, out[-2000:] + err
    lines = [json.loads(line) for line in out.splitlines()]
    summary = lines[-1]
    assert summary["type"] == "summary"
    assert summary["ok"] is True
    assert summary["verification"]["samples"] > 0
    assert summary["verification"]["differing"] == 0
    assert summary["measured"]["result"]["psnr_db"] > summary["measured"]["telea"]["psnr_db"] + 1.3
    assert summary["seconds_per_frame"] > 0
    assert len(list((tmp_path / "shown").glob("extended.*.exr"))) == 32
    for name in ("contact_sheet", "movie"):
        assert Path(summary[name]).stat().st_size > 10_000
