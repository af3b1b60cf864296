"""A receipt says all it should, in one spelling, and the same for the same job."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from delivering import FRAMES, Delivered, deliver
from filming import ellipse, inpaint, pan, write

from overscan.core.jobs import Extend, ExtrasMode, Margins
from overscan.core.plates import sha256_of
from overscan.core.receipts import (
    ReceiptError,
    Shares,
    json_schema,
    read_receipt_file,
    receipt_path,
    receipt_paths,
    signature_path,
    write_receipt_file,
)
from overscan.core.rights import WeightFile


def test_what_a_receipt_says(done: Delivered) -> None:
    receipt = done.receipt
    assert [facts.frame for facts in receipt.frames] == list(FRAMES)
    for facts in receipt.frames:
        path = done.folder / facts.path
        assert (facts.sha256, facts.bytes, facts.plate_frame) == (sha256_of(path), path.stat().st_size, facts.frame)
        assert facts.parts[0].window == (0, 0, 120, 64)
        assert facts.shares is not None
        assert facts.shares.plate == pytest.approx(96 / 120, abs=1e-6)
        assert facts.shares.copied + facts.shares.synthesised == pytest.approx(24 / 120, abs=1e-5)
        assert facts.shares.copied > 0.01
        assert facts.shares.model == facts.shares.empty == 0
    (plate,) = receipt.inputs
    assert plate.role == "plate"
    assert [(file.frame, file.sha256) for file in plate.frames] == [
        (frame, sha256_of(done.root / f"p/plate.{frame:04d}.exr")) for frame in FRAMES
    ]
    assert receipt.engine.card["training_data"] == "none"
    assert receipt.policy is not None
    assert receipt.policy.files[0].level == "lock"
    assert receipt.parameters["quality"] == "final"
    assert {"overscan", "python", "numpy", "OpenImageIO"} <= set(receipt.software)
    assert receipt.run.machine.cpu
    assert receipt.run.times.started < receipt.run.times.ended
    kept = done.root / "home/receipts" / f"{receipt.run.job_id}.json"
    assert kept.read_bytes() == done.receipt_path.read_bytes()


def test_the_same_job_twice_differs_in_its_run_alone(done: Delivered) -> None:
    first, frames = done.receipt, [done.frame(frame).read_bytes() for frame in FRAMES]
    for path in done.folder.iterdir():
        path.unlink()
    again = deliver(done.root, done.job.task, done.job.plate.path, job_id="2" * 32)
    second = again.receipt
    assert [again.frame(frame).read_bytes() for frame in FRAMES] == frames
    assert first.run != second.run
    assert replace(first, run=second.run) == second


def test_inputs_of_every_kind_and_shares_of_a_soft_matte(tmp_path: Path) -> None:
    plate = pan(tmp_path / "p", size=(64, 48), frames=FRAMES)
    matte = ellipse((64, 48), centre=(30, 24), radii=(9, 8), soft=4)
    write(tmp_path / "m.exr", {"A": matte})
    delivered = deliver(tmp_path, inpaint(str(tmp_path / "m.exr")), plate, output={"extras": ExtrasMode.SIDECAR})
    receipt = delivered.receipt
    assert [(source.role, len(source.frames)) for source in receipt.inputs] == [("plate", 4), ("matte", 1)]
    for facts in receipt.frames:
        assert facts.extras is not None
        assert facts.extras.sha256 == sha256_of(delivered.folder / facts.extras.path)
        assert facts.shares is not None
        assert facts.shares.plate == pytest.approx(1 - matte.mean(), abs=1e-3), "soft pixels count by their share"
        shares = facts.shares
        assert shares.plate + shares.copied + shares.synthesised + shares.model + shares.empty == pytest.approx(
            1, abs=1e-5
        )
    assert delivered.not_intact() == []


def test_without_layers_nobody_knows_the_shares(tmp_path: Path) -> None:
    plate = pan(tmp_path / "p", size=(48, 32), frames=FRAMES)
    task = Extend(margins=Margins(left=4))
    delivered = deliver(tmp_path, task, plate, output={"extras": ExtrasMode.NONE}, parameters={"quality": "preview"})
    assert {facts.shares for facts in delivered.receipt.frames} == {None}
    assert [(subject, state) for subject, state, _ in delivered.not_intact()] == [("sources", "unknown")]


def test_another_jobs_sidecar_is_not_this_ones(tmp_path: Path) -> None:
    plate = pan(tmp_path / "p", size=(48, 32), frames=FRAMES)
    task = Extend(margins=Margins(left=4))
    output = {"extras": ExtrasMode.SIDECAR, "overwrite": True}
    deliver(tmp_path, task, plate, output=output, parameters={"quality": "preview"})
    output = {"extras": ExtrasMode.NONE, "overwrite": True}
    again = deliver(tmp_path, task, plate, job_id="2" * 32, output=output, parameters={"quality": "preview"})
    assert (again.folder / "o.extras.1001.exr").exists()
    assert {(facts.shares, facts.extras) for facts in again.receipt.frames} == {(None, None)}
    assert [(subject, state) for subject, state, _ in again.not_intact()] == [("sources", "unknown")]


def test_a_signature_says_that_weights_were_loaded(tmp_path: Path) -> None:
    plate = pan(tmp_path / "p", size=(48, 32), frames=FRAMES)
    task = Extend(margins=Margins(left=4))
    weights = (WeightFile(name="model.safetensors", sha256="a" * 64),)
    delivered = deliver(tmp_path, task, plate, weights=weights, parameters={"quality": "preview"})
    for path in (delivered.frame(1001), delivered.receipt_path):
        assert b"compositeWithTrainedAlgorithmicMedia" in signature_path(path).read_bytes()


def test_what_is_left_empty_counts_as_empty(tmp_path: Path) -> None:
    plate = pan(tmp_path / "p", size=(48, 32), frames=FRAMES)
    task = Extend(margins=Margins(top=8))  # the pan shows none of it
    delivered = deliver(tmp_path, task, plate, parameters={"fill": "none", "quality": "preview"})
    for facts in delivered.receipt.frames:
        assert facts.shares == Shares(plate=0.8, copied=0.0, synthesised=0.0, model=0.0, empty=0.2)


def test_the_committed_schema_is_that_of_the_classes() -> None:
    stored = json.loads((resources.files("overscan.core.receipts") / "receipt.schema.json").read_text("utf-8"))
    assert stored == json_schema(), "write it again: docs/receipts.md says how"
    assert stored["additionalProperties"] is False


def test_a_receipt_is_read_as_it_was_written(done: Delivered, tmp_path: Path) -> None:
    write_receipt_file(done.receipt, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == done.receipt_path.read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda plain: plain.update(version=2), "version 2"),
        (lambda plain: plain.update(schema="https://elsewhere"), "schema"),
        (lambda plain: plain.update(note="x"), "note"),
        (lambda plain: plain.pop("engine"), "engine"),
        (lambda plain: plain["frames"][2].update(bytes="many"), "frames.2.bytes"),
        (lambda plain: plain["frames"][1].update(path="../../elsewhere.exr"), "frames.1.path"),
        (lambda plain: plain["result"].update(pattern=".."), "result.pattern"),
        (lambda plain: plain["run"].update(job_id="../receipts/x"), "run.job_id"),
    ],
)
def test_what_is_no_receipt_says_where(done: Delivered, tmp_path: Path, change, words: str) -> None:
    plain = json.loads(done.receipt_path.read_text())
    change(plain)
    (tmp_path / "x.json").write_text(json.dumps(plain))
    with pytest.raises(ReceiptError, match=words):
        read_receipt_file(tmp_path / "x.json")


def test_no_json_at_all(tmp_path: Path) -> None:
    for data in (b"", b"{", b"[" * 100_000, b"\xff\xfe", b"null"):
        (tmp_path / "x.json").write_bytes(data)
        with pytest.raises(ReceiptError):
            read_receipt_file(tmp_path / "x.json")
    with pytest.raises(ReceiptError, match="cannot be read"):
        read_receipt_file(tmp_path / "none.json")


def test_where_receipts_lie() -> None:
    for pattern, name in (
        ("/a/sh#010_v2.%04d.exr", "sh#010_v2.receipt.json"),
        ("/a/b_####.exr", "b.receipt.json"),
        ("/a/b.$F4.exr", "b.receipt.json"),
        ("/a/%d.exr", "frames.receipt.json"),
        ("/a/still.exr", "still.receipt.json"),
        ("/a/still.1001.exr", "still.1001.receipt.json"),
    ):
        assert receipt_path(pattern) == Path("/a") / name


def test_a_receipt_of_other_frames_is_kept_aside(done: Delivered) -> None:
    other = deliver(
        done.root, done.job.task, done.job.plate.path, job_id="3" * 32, frames=(1002,), output={"overwrite": True}
    )
    newest, older = receipt_paths(other.pattern)
    assert read_receipt_file(newest).run.job_id == "3" * 32
    assert read_receipt_file(older).run.job_id == "1" * 32
    assert other.not_intact() == [], "each frame is known by one of the two"
