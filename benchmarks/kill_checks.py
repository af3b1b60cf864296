"""What must be left of a job whatever was killed: the same files as of a run that nobody disturbed, and no others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service_process import ServiceProcess

from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import FrameState, Job, JobState, StepState
from overscan.v1.receipt_pb2 import FindingState, FindingSubject

_PIXELS = ".exr"
_RECEIPT = ".receipt.json"
_SIGNATURE = ".c2pa"
_SERVICE_FILES = {"service.json", "service.lock", "service.log"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an undisturbed run left in a job's folder."""

    pixels: Mapping[str, str]
    """SHA-256 of every picture file, by name: frames and sidecars."""
    receipt: Mapping[str, Any]
    """The receipt without what differs between two runs: `run` (the job's id, the machine, the times), and the folder
    that was written to. Signatures are made with another key and at another time: they are checked, not compared."""
    names: frozenset[str]
    """All files."""
    findings: tuple[str, ...]
    """What an audit finds."""

    @classmethod
    def of(cls, folder: Path, *, findings: tuple[str, ...]) -> Wanted:
        """Read a folder."""
        (receipt,) = folder.glob(f"*{_RECEIPT}")
        return cls(
            pixels=pixels(folder),
            receipt=_comparable(receipt, folder),
            names=frozenset(path.name for path in folder.iterdir()),
            findings=findings,
        )


def pixels(folder: Path) -> dict[str, str]:
    """SHA-256 of every picture file under its final name."""
    found = {}
    for path in folder.iterdir():
        if path.suffix == _PIXELS and not path.name.startswith("."):
            try:
                found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
            except FileNotFoundError:  # listed, then gone: `lost` will tell if it stays so
                continue
    return found


def torn(folder: Path, wanted: Wanted) -> list[str]:
    """What is wrong with the finished files of a job that may still run."""
    found = [
        f"{folder.name}/{name} is {'torn' if name in wanted.pixels else 'none of the job'}"
        for name, digest in pixels(folder).items()
        if wanted.pixels.get(name) != digest
    ]
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.name.endswith(_RECEIPT) and not _is_json(path):
            found.append(f"{folder.name}/{path.name} is torn")
        if path.suffix == _SIGNATURE and path.exists() and path.stat().st_size == 0:
            found.append(f"{folder.name}/{path.name} is empty")
    return found


def finished(folder: Path, wanted: Wanted) -> list[str]:
    """How the folder of a job that has succeeded differs from an undisturbed run's."""
    found = torn(folder, wanted)
    names = {path.name for path in folder.iterdir()}
    found += [f"{folder.name}/{name} is missing" for name in sorted(wanted.names - names)]
    found += [f"{folder.name}/{name} was left behind" for name in sorted(names - wanted.names)]
    receipts = list(folder.glob(f"*{_RECEIPT}"))
    if len(receipts) == 1 and _is_json(receipts[0]):
        ours = _comparable(receipts[0], folder)
        found += [
            f"{folder.name}: the receipt's '{key}' differs"
            for key in sorted(ours.keys() | wanted.receipt.keys())
            if ours.get(key) != wanted.receipt.get(key)
        ]
    return found


def answered(name: str, job: Job, done_before: Mapping[str, int]) -> list[str]:
    """What is wrong with how the service describes a job that should have succeeded.

    `done_before` is how often each step had been begun when it was first seen done: it may not be begun again.
    """
    found = []
    if job.state != JobState.JOB_STATE_SUCCEEDED:
        found.append(f"{name} is {JobState.Name(job.state)}: {job.error.code} {job.error.message}")
        return found
    frames = [frame.frame for frame in job.frames if frame.state != FrameState.FRAME_STATE_VERIFIED]
    if frames or not job.frames:
        found.append(f"{name}: frames {frames} are not verified")
    if job.verification.differing or not job.verification.frames:
        found.append(f"{name}: {job.verification}")
    if job.progress != 1.0:
        found.append(f"{name}: its progress is {job.progress}")
    for step in job.steps:
        if step.state != StepState.STEP_STATE_DONE:
            found.append(f"{name}: step {step.step_id} is {StepState.Name(step.state)}")
        if step.attempts > done_before.get(step.step_id, step.attempts):
            found.append(f"{name}: step {step.step_id} was done and begun again")
    return found


def findings(service: ServiceProcess, pattern: str) -> tuple[str, ...]:
    """What an audit of a result by the service finds: samples, pixels, files, signatures, the receipt."""
    found = []
    for answer in service.calls().VerifyOutput(pb.VerifyOutputRequest(path=pattern), timeout=120):
        if answer.HasField("finding"):
            subject = FindingSubject.Name(answer.finding.subject).removeprefix("FINDING_SUBJECT_")
            state = FindingState.Name(answer.finding.state).removeprefix("FINDING_STATE_")
            found.append(f"{subject} {state} ({answer.finding.count})")
        if answer.HasField("verification"):
            found.append(f"{answer.verification.frames} frames, {answer.verification.differing} samples differ")
    return tuple(found)


def litter(home: Path) -> list[str]:
    """Temporary files and work folders that a home should not have once all jobs have succeeded."""
    found = [f"{path.relative_to(home)} is left in the home" for path in (home / "jobs").iterdir()]
    for path in home.rglob("*"):
        if "numba" in path.parts or path.is_dir():
            continue
        if path.name.endswith(".tmp") or path.name.startswith(".overscan-"):
            found.append(f"{path.relative_to(home)} is left in the home")
        elif path.parent == home and path.name.startswith("service.") and path.name not in _SERVICE_FILES:
            found.append(f"{path.name} is left in the home")
    return found


def _comparable(receipt: Path, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(receipt.read_text(encoding="utf-8").replace(str(folder), "FOLDER"))
    del found["run"]
    return found


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    except FileNotFoundError:  # moved aside between the two
        return True
    return True
