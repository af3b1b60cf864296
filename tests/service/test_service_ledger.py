"""The ledger is asked again before every step: a revocation stops what was let in before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from command_line import Cli

from overscan.core.controls import Controls
from overscan.core.errors import OverscanError, PolicyError, PolicyFileError
from overscan.core.jobs import Extend, Job, OutputSpec, SequenceSource
from overscan.core.ledger import Asset, AssetFile, AssetKind, Ledger, Revocation
from overscan.core.plates import sha256_of
from overscan.service.workers.policy import cleared, cleared_plan


def test_a_revocation_stops_a_job_that_was_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("OVERSCAN_HOME", str(home))
    monkeypatch.delenv("OVERSCAN_POLICY_ROOT", raising=False)
    (tmp_path / "out").mkdir()
    plate = Cli.write_frames(tmp_path / "plate")
    Cli.write_frames(tmp_path / "stock", name="wall", frames=[1])
    wall = tmp_path / "stock" / "wall.0001.exr"
    job = Job(
        task=Extend(size=(48, 24)),
        output=OutputSpec(path=str(tmp_path / "out" / "o.%04d.exr")),
        plate=SequenceSource(path=str(plate), colour_space="ACEScg"),
        controls=Controls(clean_plates=(SequenceSource(path=str(wall), colour_space="ACEScg"),)),
    )
    ledger = Ledger(home=home)
    file = AssetFile(path=str(wall), bytes=wall.stat().st_size, sha256=sha256_of(wall))
    ledger.enter(Asset(id="wall", kind=AssetKind.SOURCE, author="A", licence="CC0-1.0", entered_by="K", files=(file,)))
    plan = cleared_plan(job=job)
    assert plan.decision is not None and plan.decision.allowed, plan.problems
    with cleared(job=job, plan=plan, warn=lambda _: None) as engine:
        assert engine.card.name == "plate"
    older = replace(plan, engine_version="0.0")
    with pytest.raises(PolicyError, match=r"planned with version 0\.0"), cleared(job=job, plan=older, warn=print):
        pytest.fail("no job has frames of two versions")
    monkeypatch.setenv("OVERSCAN_POLICY_ROOT", str(tmp_path / "unmounted"))
    assert [problem.code for problem in cleared_plan(job=job).problems] == ["POLICY_FILE"]
    with pytest.raises(PolicyFileError, match="is not there"), cleared(job=job, plan=plan, warn=print):
        pytest.fail("the step must not begin")
    monkeypatch.delenv("OVERSCAN_POLICY_ROOT")
    today = datetime.now(timezone.utc).date().isoformat()
    ledger.revoke("wall", revocation=Revocation(by="Kim", on=today, reason="withdrawn"))
    with pytest.raises(PolicyError, match=r"'wall' .* was revoked"), cleared(job=job, plan=plan, warn=lambda _: None):
        pytest.fail("the step must not begin")
    wall.write_bytes(wall.read_bytes() + b"\0")
    with (
        pytest.raises(OverscanError, match="its content has changed"),
        cleared(job=job, plan=plan, warn=lambda _: None),
    ):
        pytest.fail("the step must not begin")
    assert [problem.code for problem in cleared_plan(job=job).problems] == ["POLICY"]
