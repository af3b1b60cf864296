"""The benchmark of what Overscan adds to a model measures what it says, for every family that it knows."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("diffusers", reason="needs the extra `models`")

import model_overhead

from overscan.core.engines.diffusion import runtime


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OVERSCAN_HOME", "")  # the benchmark sets its own, and this brings back what was there
    monkeypatch.syspath_prepend("")
    yield
    runtime.forget_models()


@pytest.mark.parametrize("family", list(model_overhead.FAMILIES))
def test_it_times_a_paint_step_and_the_same_call_bare(family: str, tmp_path: Path) -> None:
    asked = argparse.Namespace(family=family, size="tiny", width=64, height=48, frames=9, steps=2, rounds=1)
    found = model_overhead.measure(tmp_path, asked)
    assert found["window"] == "9x48x64"
    assert found["added"] > 0
    assert found["bare call, s"] > 0
    assert found["paint step, s"] > 0
    assert {"look", "finish"} <= set(found["other steps, s"])
    assert found["estimated, GiB"] > 0
