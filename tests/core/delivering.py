"""Jobs with their receipts, made by the real engine as a worker makes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from filming import make_job, run

from overscan.core.jobs import AnyTask, Job
from overscan.core.orders import KeySource, ReceiptOrder
from overscan.core.plates import sha256_of
from overscan.core.receipts import Finding, JobReceipt, State, audit, deliver_receipt, read_receipt_file
from overscan.core.rights import Decision, PolicyFile, WeightFile

FRAMES = (1001, 1002, 1003, 1004)


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """A result with its receipt."""

    job: Job
    folder: Path
    """Of the result; home and plate lie beside it."""
    root: Path

    @property
    def pattern(self) -> str:
        return str(self.folder / "o.%04d.exr")

    @property
    def receipt_path(self) -> Path:
        return self.folder / "o.receipt.json"

    @property
    def receipt(self) -> JobReceipt:
        return read_receipt_file(self.receipt_path)

    @property
    def keys(self) -> KeySource:
        return KeySource(folder=self.root / "home/keys")

    def frame(self, number: int) -> Path:
        return self.folder / f"o.{number:04d}.exr"

    def audit(self, **changes: object) -> list[Finding]:
        fields = {"result": self.pattern, "keys": self.keys, "archive": self.root / "home/receipts"} | changes
        return list(audit(**fields))

    def not_intact(self, **changes: object) -> list[tuple[str, str, int | None]]:
        """Subject, state and frame of all that is not intact."""
        return [
            (found.subject.value, found.state.value, found.frame)
            for found in self.audit(**changes)
            if found.state is not State.INTACT
        ]


def deliver(
    root: Path,
    task: AnyTask,
    plate: str,
    *,
    job_id: str = "1" * 32,
    weights: tuple[WeightFile, ...] = (),
    **fields: object,
) -> Delivered:
    """Run a job by the real engine, and make its receipt as a worker does."""
    job = make_job(task, plate, str(root / "o/o.%04d.exr"), **fields)
    run(job, root / job_id)
    lock = root / "policies/lock.toml"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("version = 1\n")
    decision = Decision(
        allowed=True,
        reason="The policy 'default' allows it.",
        policy="show",
        policy_sha256="0" * 64,
        weights=weights,
        policy_files=(PolicyFile(level="lock", path=str(lock), sha256=sha256_of(lock)),),
    )
    order = ReceiptOrder(
        job_id=job_id,
        spec=json.dumps({"engine": "plate", "output": {"path": job.output.path}}),
        created="2026-01-01T00:00:00.000+00:00",
        started="2026-01-01T00:00:01.000+00:00",
        decision=decision,
        home=root / "home",
        archive=root / "home/receipts",
        keys=KeySource(folder=root / "home/keys"),
    )
    folders = {"work_folder": root / job_id / "work", "cache_folder": root / job_id / "cache"}
    deliver_receipt(job=job, order=order, tick=lambda: None, **folders)
    return Delivered(job=job, folder=root / "o", root=root)
