"""Many jobs and many watchers at once: the suite is `benchmarks/load.py`, here on a small scale, and not timed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_line import share_kernels

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import load


def test_the_99th_percentile_is_what_99_of_100_stay_under() -> None:
    assert load.p99([1.0]) == 1.0
    assert load.p99([float(number) for number in range(1, 101)]) == 99.0
    assert load.p99([float(number) for number in range(1000, 0, -1)]) == 990.0


def test_missed_bars_and_faults_are_told() -> None:
    figures = load.Figures(seconds={"GetJob": [0.01] * 98 + [0.06] * 2, "CreateJob": [0.02] * 99 + [9.0]})
    figures.faults.append("a watcher missed something")
    assert figures.missed() == ["GetJob", "a watcher missed something"]
    assert "50 ms: MISSED" in figures.table()
    assert "100 ms: met" in figures.table()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_watcher_misses_anything_while_everybody_calls(tmp_path: Path) -> None:
    share_kernels(tmp_path)
    figures = load.run(jobs=80, watchers=32, workers=2, kernels=tmp_path / "cache" / "numba", rounds=40)
    assert not figures.faults
    assert figures.events >= 32 * (4 + 8)  # queued, running, verifying, succeeded; and eight frames
    assert len(figures.seconds["GetJob"]) == 4 * 40
    assert figures.memory_mib["after all calls"] < 400
