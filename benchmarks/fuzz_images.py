"""Has a service plan, render and verify with image files that no program would write."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
from fuzz_files import Corpus, zero_matte
from fuzz_watch import Tally, judge_problem, judge_refusal, say

from overscan.core.errors import OverscanError
from overscan.core.plates import Channel, Part, PartHeader, PlateFrame, read_header, write_frame
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import JobSpec, JobState

if TYPE_CHECKING:
    from fuzz import Field

_VERIFY_EACH = 10
_MATTE_PIXELS_MAX = 1 << 22
_JOB_SECONDS = 30.0
_THREADS = 3


def fuzz(ground: Field, tally: Tally, *, count: int, seed: int, only: Sequence[int] = ()) -> None:
    """Have the service plan, render and verify with so many mutated files, or with those of some numbers."""
    corpus = Corpus()
    sound = corpus.steps
    files = corpus.make(seed=seed, count=max([count, *(number + 1 for number in only)]))
    say(f"{len(files)} files; our reader took {sound} different steps with sound ones, {corpus.steps} with all")
    _warm_up(ground)
    numbers = only or range(len(files))
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(
            lambda number: _use(ground, tally, number, files[number], f"--seed {seed} --only {number}"), numbers
        ):
            pass


def _warm_up(ground: Field) -> None:
    """Have engines loaded and kernels compiled, so that what is timed is the files."""
    calls = ground.service.calls()
    spec = _spec(ground, 0, ground.inside / "plate.%04d.exr")
    spec.output.path = f"{ground.written}/warm.%04d.exr"
    job = calls.CreateJob(pb.CreateJobRequest(spec=spec), timeout=60).job
    for _ in calls.WatchJob(pb.WatchJobRequest(job_id=job.id), timeout=300):
        pass


def _use(ground: Field, tally: Tally, number: int, file: tuple[str, bytes], label: str) -> None:
    extension, data = file
    label = f"{label} ({extension})"
    folder = ground.inside / f"m{number}"
    folder.mkdir()
    (folder / f"plate.0001.{extension}").write_bytes(data)
    spec = _spec(ground, number, folder / f"plate.%04d.{extension}")
    calls = ground.service.calls()
    feasible = False

    def plan() -> str:
        nonlocal feasible
        found = calls.PlanJob(pb.PlanJobRequest(spec=spec), timeout=30).plan
        feasible = found.feasible
        return judge_problem(found.problems[0], tally, label) if found.problems else "planned"

    _timed(tally, f"{label}: planning", plan)
    if feasible:
        _run(ground, tally, spec, label)
    if number % _VERIFY_EACH == 0:
        _timed(tally, f"{label}: verifying", lambda: _verify(ground, tally, label, spec.plate.path, ""))
        good = f"{ground.inside}/plate.%04d.exr"
        _timed(tally, f"{label}: verifying", lambda: _verify(ground, tally, label, spec.plate.path, good))


def _spec(ground: Field, number: int, path: Path) -> JobSpec:
    """A job that is to leave every sample of the plate as it is."""
    spec = JobSpec()
    spec.plate.path = str(path)
    spec.plate.frames.ranges.add(first=1, last=1, step=1)
    spec.plate.color_space = "ACEScg"
    spec.inpaint.matte.sequence.path = _matte_for(ground, path)
    spec.output.path = f"{ground.written}/m{number}.%04d.exr"
    spec.labels.show = "fuzz"
    return spec


def _matte_for(ground: Field, path: Path) -> str:
    """A matte with the windows that the file claims, where they can be."""
    with contextlib.suppress(OverscanError):
        header = read_header(Path(str(path) % 1))[0]
        window, display = header.data_window, header.display_window
        if window.width * window.height <= _MATTE_PIXELS_MAX:
            matte = path.parent / "matte.0001.exr"
            if not matte.exists() and path.parent != ground.inside:
                planes = {"A": np.zeros((window.height, window.width), np.float16)}
                channels = (Channel(name="A", dtype=np.dtype(np.float16)),)
                head = replace(_matte_header(), display_window=display, data_window=window, channels=channels)
                frame = PlateFrame(
                    path=matte, number=1, format_name="openexr", parts=(Part(header=head, planes=planes),)
                )
                write_frame(frame, path=matte, overwrite=False)
            return f"{path.parent}/matte.%04d.exr"
    return f"{ground.inside}/matte.%04d.exr"


@cache
def _matte_header() -> PartHeader:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "matte.exr"
        path.write_bytes(zero_matte())
        return read_header(path)[0]


def _timed(tally: Tally, label: str, call: Any) -> None:
    began = time.monotonic()
    try:
        outcome = call()
    except grpc.RpcError as error:
        outcome = judge_refusal(error, tally, label)
    seconds = time.monotonic() - began
    tally.count(outcome, seconds, label)


def _run(ground: Field, tally: Tally, spec: JobSpec, label: str) -> None:
    calls = ground.service.calls()
    try:
        job = calls.CreateJob(pb.CreateJobRequest(spec=spec), timeout=60).job
    except grpc.RpcError as error:
        tally.count(f"job refused: {judge_refusal(error, tally, label)}", 0.0)
        return
    try:
        for _ in calls.WatchJob(pb.WatchJobRequest(job_id=job.id), timeout=_JOB_SECONDS):
            pass
    except grpc.RpcError as error:  # a picture of a million columns takes its time, and is stopped when asked
        judge_refusal(error, tally, label)
        _timed(tally, f"{label}: cancelling", lambda: _cancel(ground, job.id))
        return
    found = calls.GetJob(pb.GetJobRequest(job_id=job.id), timeout=30).job
    if found.state == JobState.JOB_STATE_SUCCEEDED:
        if found.verification.differing:
            tally.blame(f"{label}: {found.verification.differing} samples differ from the plate")
        tally.count("job done", 0.0)
    else:
        code = judge_problem(found.error, tally, f"{label}: its job")
        tally.count(f"job failed: {code}", 0.0)


def _cancel(ground: Field, job_id: str) -> str:
    state = ground.service.calls().CancelJob(pb.CancelJobRequest(job_id=job_id), timeout=30).job.state
    return "job cancelled" if state == JobState.JOB_STATE_CANCELLED else "job done"


def _verify(ground: Field, tally: Tally, label: str, path: str, plate: str) -> str:
    calls = ground.service.calls()
    for answer in calls.VerifyOutput(pb.VerifyOutputRequest(path=path, plate_path=plate), timeout=30):
        if answer.HasField("finding") and "Traceback" in answer.finding.detail:
            tally.blame(f"{label}: a finding shows code: {answer.finding.detail[:300]}")
    return "verified"
