"""The service leaves a signed receipt with every job that succeeds, and with no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from serving import Service

from overscan.core.orders import KeySource
from overscan.core.receipts import SignatureReader, Signer, read_receipt_file, receipt_path, signature_path
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import JobSpec, JobState
from overscan.v1.receipt_pb2 import FindingState, FindingSubject

INTACT = FindingState.FINDING_STATE_INTACT


def _findings(service: Service, spec: JobSpec) -> list:
    answers = service.jobs.VerifyOutput(pb.VerifyOutputRequest(path=spec.output.path), timeout=60)
    return [answer.finding for answer in answers if answer.HasField("finding")]


def test_a_job_leaves_a_receipt(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    spec = make_spec(chunk=2)
    spec.labels.show, spec.labels.shot = "night", "010"
    job = service.finish(service.create(spec).id)
    assert job.state == JobState.JOB_STATE_SUCCEEDED
    path = receipt_path(spec.output.path)
    receipt = read_receipt_file(path)
    assert receipt.run.job_id == job.id
    assert [facts.frame for facts in receipt.frames] == [1001, 1002, 1003, 1004]
    assert receipt.job.labels == {"show": "night", "shot": "010"}
    assert receipt.job.spec["extend"]["format"]["size"] == {"width": 16, "height": 8}
    assert (receipt.engine.name, receipt.engine.version) == ("copycat", "1.2.3")
    assert receipt.policy is not None
    assert (receipt.policy.name, receipt.policy.decision) == ("default", "allowed")
    assert receipt.policy.sha256 == job.plan.decision.policy_sha256
    assert receipt.run.times.created <= receipt.run.times.started <= receipt.run.times.ended
    assert (service.home / "receipts" / f"{job.id}.json").read_bytes() == path.read_bytes()
    reader = SignatureReader(source=KeySource(folder=service.home / "keys"))
    for signed in (path, service.home / "receipts" / f"{job.id}.json", Path(spec.output.path % 1003)):
        found = reader.read(signed)
        assert found is not None
        assert (found.intact, found.signer) == (True, Signer.SELF_MADE)
        assert found.facts["job"] == job.id
    assert not (service.home / "jobs" / job.id).exists()
    preview = reader.read_embedded(job.preview.data, media_type=job.preview.media_type)
    assert preview is not None
    assert (preview.intact, preview.signer, preview.facts["receipt"]) == (True, Signer.SELF_MADE, "preview")


def test_the_same_job_twice(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    spec, receipts = make_spec(seconds=0.0), []
    for _ in range(2):
        job = service.finish(service.create(spec).id)
        assert job.state == JobState.JOB_STATE_SUCCEEDED
        path = receipt_path(spec.output.path)
        receipts.append(read_receipt_file(path))
        for left in path.parent.glob("out.*"):
            left.unlink()
    first, second = receipts
    assert first.run.job_id != second.run.job_id
    assert replace(first, run=second.run) == second


def test_no_receipt_without_the_plate(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    spec = make_spec(tamper_frame=1002)
    job = service.finish(service.create(spec).id)
    assert job.error.code == "PLATE_CHANGED"
    assert not receipt_path(spec.output.path).exists()
    service.jobs.RetryJob(pb.RetryJobRequest(job_id=job.id), timeout=30)
    assert service.finish(job.id).state == JobState.JOB_STATE_SUCCEEDED
    assert receipt_path(spec.output.path).exists()
    assert {finding.state for finding in _findings(service, spec)} <= {INTACT, FindingState.FINDING_STATE_UNKNOWN}


def test_a_key_that_cannot_be_used_fails_the_job(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], tmp_path: Path
) -> None:
    service = start(OVERSCAN_SIGNING_CERTIFICATE=str(tmp_path / "none.pem"), OVERSCAN_SIGNING_KEY=str(tmp_path / "k"))
    spec = make_spec()
    job = service.finish(service.create(spec).id)
    assert (job.state, job.error.code) == (JobState.JOB_STATE_FAILED, "SIGNING_KEY")
    assert "none.pem" in job.error.path
    assert not receipt_path(spec.output.path).exists()
    assert not (service.home / "keys").exists(), "nothing was signed with anything else"


def test_findings_over_the_wire(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    spec = make_spec()
    service.finish(service.create(spec).id)
    found = _findings(service, spec)
    frames = [finding for finding in found if finding.subject == FindingSubject.FINDING_SUBJECT_FRAME]
    assert [(finding.frame, finding.state) for finding in frames] == [(frame, INTACT) for frame in range(1001, 1005)]
    path = receipt_path(spec.output.path)
    data = bytearray(path.read_bytes())
    data[data.index(b'"sha256": "') + 11] ^= 4  # anywhere would do, but for numbers of frames, which lead elsewhere
    path.write_bytes(data)
    changed = [finding for finding in _findings(service, spec) if finding.state == FindingState.FINDING_STATE_CHANGED]
    assert {finding.subject for finding in changed} & {FindingSubject.FINDING_SUBJECT_RECEIPT}
    assert all(finding.path.startswith(str(path)) for finding in changed), (
        "the home's copy says that the frames are fine"
    )
    assert signature_path(path).exists()
