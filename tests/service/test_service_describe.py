"""What a job looks like on the wire where it is very large."""

from __future__ import annotations

from pathlib import Path

from overscan.core.engines import Plan, Step
from overscan.service._settings import Settings
from overscan.service.scheduling.scheduler import Scheduler
from overscan.service.store.events import EventLog
from overscan.service.store.store import open_store
from overscan.service.store.whole_job import whole_job
from overscan.service.store.writer import NewJob
from overscan.service.wire.convert import plan_to_wire, without_steps
from overscan.service.wire.describe import describe_whole_job
from overscan.v1.job_pb2 import FrameState, Job, JobSpec, JobState

MESSAGE_BYTES_MAX = 4 << 20
"""What a gRPC client takes unless told otherwise."""
CHUNK = 8
FOLDER = "/mnt/projects/longshow/sequences/sq010/sh0100/comp/overscan/v003/exr"


def described(tmp_path: Path, *, count: int) -> Job:
    """A job of so many frames, all there, as GetJob gives it."""
    settings = Settings(home=tmp_path)
    settings.make_folders()
    store = open_store(settings)
    scheduler = Scheduler(store=store, log=EventLog(store=store), settings=settings)
    frames = tuple(range(1001, 1001 + count))
    parts = [frames[start : start + CHUNK] for start in range(0, count, CHUNK)]
    steps = [
        Step(id=f"{kind}-{number:04d}", kind=kind, title="Paint", frames=part, weight=0.1)
        for kind in ("analyse", "render")
        for number, part in enumerate(parts)
    ]
    wire = plan_to_wire(Plan(steps=tuple(steps), frames=frames), engine="plate", version="1")
    spec = JobSpec(engine="plate")
    spec.output.path = f"{FOLDER}/sh0100_overscan_v003.%05d.exr"
    with store.write() as writer:
        new = NewJob(
            id="a" * 32,
            request_id="once",
            spec=spec.SerializeToString(),
            plan=without_steps(wire),
            whole_plan=wire.SerializeToString(),
            parameters="{}",
            priority=0,
            output_key="out",
            labels=dict.fromkeys(("show", "sequence", "shot", "artist"), ""),
            steps=[step.id for step in steps],
            frames=frames,
            state=JobState.JOB_STATE_SUCCEEDED,
        )
        writer.add_job(new)
        for frame in frames if count < 1000 else frames[:2]:
            path = spec.output.path % frame
            writer.set_frame(new.id, frame, state=FrameState.FRAME_STATE_VERIFIED, path=path)
    job = describe_whole_job(whole_job(store, job_id=new.id), store=store, scheduler=scheduler)
    store.close()
    return job


def test_a_job_of_forty_thousand_frames_fits_into_a_message(tmp_path: Path) -> None:
    job = described(tmp_path, count=40_000)
    assert job.ByteSize() < MESSAGE_BYTES_MAX
    assert [frame.frame for frame in job.frames] == list(range(1001, 41_001))
    assert job.frames[0].state == FrameState.FRAME_STATE_VERIFIED
    assert len(job.steps) == len(job.plan.steps) == 10_000


def test_a_job_of_a_common_length_says_where_its_frames_are(tmp_path: Path) -> None:
    job = described(tmp_path, count=900)
    assert {Path(frame.path).parent.as_posix() for frame in job.frames} == {FOLDER}
