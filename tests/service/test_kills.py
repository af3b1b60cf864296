"""Workers, services and machines killed at random while real jobs run: nothing lost, nothing torn, nothing left over.

The suite itself is `benchmarks/kills.py`; here it does a few kills with fixed seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_line import share_kernels

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import kills
from kill_blows import Moment, Target, choose_blows


@pytest.fixture
def kernels(tmp_path: Path) -> Path:
    """What other tests have compiled."""
    share_kernels(tmp_path)
    return tmp_path / "cache" / "numba"


def test_a_seed_always_gives_the_same_blows() -> None:
    first = choose_blows(seed=5, number=3, kills=10, gap_seconds=1.0)
    assert choose_blows(seed=5, number=3, kills=10, gap_seconds=1.0) == first
    assert choose_blows(seed=5, number=4, kills=10, gap_seconds=1.0) != first
    assert choose_blows(seed=6, number=3, kills=10, gap_seconds=1.0) != first
    assert sum(blow.target.kills for blow in first) == 10


def test_two_hundred_blows_hit_everybody_at_every_moment() -> None:
    blows = [blow for number in range(20) for blow in choose_blows(seed=1, number=number, kills=10, gap_seconds=1.0)]
    assert {blow.target for blow in blows} == set(Target)
    assert {blow.moment for blow in blows} == set(Moment)


def test_a_few_random_kills_lose_nothing(kernels: Path) -> None:
    tally = kills.run(kills=4, seed=11, workers=2, kernels=kernels, names=("inpaint", "continue"))
    assert not tally.faults
    assert sum(tally.kills.values()) >= 4
    assert tally.jobs >= 2
    assert tally.frames >= 12 + 17


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_random_kills_lose_nothing(kernels: Path) -> None:
    tally = kills.run(kills=200, seed=1, workers=2, kernels=kernels)
    assert not tally.faults
    assert sum(tally.kills.values()) >= 200
