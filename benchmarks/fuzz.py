"""Fuzzes a real service: requests that no client would send, and image files that no program would write.

    python benchmarks/fuzz.py requests --count 5000 --seed 1
    python benchmarks/fuzz.py images --count 1000 --seed 1
    python benchmarks/fuzz.py requests --seed 1 --only 1234      # one of them again

The service has roots, and beside them lies a canary that nobody may touch. It must live on with the same process,
answer each call within 5 s, refuse in our words and never in Python's, and stay within bounds of memory.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import fuzz_images
import grpc
import psutil
from fuzz_files import base_files, zero_matte
from fuzz_requests import Asked, Maker, World, outside_paths
from fuzz_watch import SECONDS_MAX, Canary, Tally, Vitals, check_log, check_trace, judge_problem, judge_refusal, say
from service_process import ServiceProcess, short_folder

from overscan.v1 import frame_service_pb2 as frame_pb
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.frame_service_pb2_grpc import FrameServiceStub
from overscan.v1.job_pb2 import JobSpec, JobState

_THREADS = 6
_CALL_SECONDS = 20.0
_STREAM_SECONDS = 2.0
_UNENDED = (
    JobState.JOB_STATE_QUEUED,
    JobState.JOB_STATE_RUNNING,
    JobState.JOB_STATE_WAITING,
    JobState.JOB_STATE_PAUSED,
)
_STREAMS = ("WatchJob",)
"""What may rightly say nothing for long; all else has to come to its end."""
_CHECKS = threading.Semaphore(2)
"""The service verifies so many results at once, each in a process of its own; what waits for its turn does not hang."""
KERNELS = Path(tempfile.gettempdir()) / "overscan-fuzz-kernels"


@dataclass(frozen=True)
class Field:
    """A service with roots, and what lies round it."""

    service: ServiceProcess
    channel: grpc.Channel
    inside: Path
    written: Path
    canary: Canary


@contextlib.contextmanager
def field(
    *, kernels: Path = KERNELS, traced: Path | None = None, limit: float = SECONDS_MAX
) -> Iterator[tuple[Field, Tally]]:
    """A service to be fuzzed, and judged at the end.

    A call may take `limit` seconds; `traced` gets the system calls that open files.
    """
    tally = Tally(limit=limit)
    with short_folder() as folder:
        inside, written = folder / "plates", folder / "results"
        inside.mkdir()
        written.mkdir()
        picture = base_files()["zip"]
        for number in (1, 2, 3):
            (inside / f"plate.{number:04d}.exr").write_bytes(picture)
            (inside / f"matte.{number:04d}.exr").write_bytes(zero_matte())
        canary = Canary(folder / "canary", picture=picture)
        service = ServiceProcess(
            home=folder / "home",
            kernels=kernels,
            flags=("--set", f'roots_read=["{inside}"]', "--set", f'roots_write=["{written}"]'),
            OVERSCAN_LOG_LEVEL="INFO",
        )
        service.spawn()
        try:
            service.wait_ready()
            address = service.announced()
            assert address is not None
            channel = grpc.insecure_channel(address, options=[("grpc.max_metadata_size", 1 << 20)])
            assert service.process is not None
            with Vitals(pid=service.process.pid, tally=tally), _traced(service.process.pid, traced):
                yield Field(service=service, channel=channel, inside=inside, written=written, canary=canary), tally
                _still_works(service, tally, inside, written)
            channel.close()
        finally:
            service.end()
        if traced is not None:
            writable = (written, service.home, kernels.resolve(), Path("/dev"), Path("/proc"))
            looked = check_trace(traced, canary=canary.folder, writable=writable, tally=tally)
            say(f"{looked} calls on files were looked at")
        canary.check(tally)
        check_log(service.log, tally)


@contextlib.contextmanager
def _traced(pid: int, log: Path | None) -> Iterator[None]:
    """Have strace write down every file that the service and its workers open."""
    if log is None:
        yield
        return
    pids = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    command = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=%file", "-o", str(log)]
    tracer = subprocess.Popen([*command, *(part for one in pids for part in ("-p", str(one)))])
    time.sleep(0.5)
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(timeout=30)


def base_spec(inside: Path, written: Path) -> JobSpec:
    """A job that can run."""
    spec = JobSpec()
    spec.plate.path = f"{inside}/plate.%04d.exr"
    spec.plate.frames.ranges.add(first=1, last=3, step=1)
    spec.plate.color_space = "ACEScg"
    spec.inpaint.matte.sequence.path = f"{inside}/matte.%04d.exr"
    spec.output.path = f"{written}/out.%04d.exr"
    spec.output.overwrite = True
    spec.labels.show = "fuzz"
    return spec


def fuzz_requests(
    *,
    count: int,
    seed: int,
    only: Sequence[int] = (),
    kernels: Path = KERNELS,
    traced: Path | None = None,
    limit: float = SECONDS_MAX,
) -> Tally:
    """Send so many requests, or those of some numbers; returns what came of it."""
    with field(kernels=kernels, traced=traced, limit=limit) as (ground, tally):
        world = _world(ground)
        maker = Maker(seed=seed, world=world)
        numbers = only or range(count)
        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(lambda number: _send(ground.channel, maker.make(number), seed, tally), numbers):
                pass
    return tally


def _world(ground: Field) -> World:
    spec = base_spec(ground.inside, ground.written)
    calls = ground.service.calls()
    done = calls.CreateJob(pb.CreateJobRequest(spec=spec), timeout=60).job.id
    for _ in calls.WatchJob(pb.WatchJobRequest(job_id=done), timeout=300):
        pass
    spec.output.path = f"{ground.written}/cancelled.%04d.exr"
    gone = calls.CreateJob(pb.CreateJobRequest(spec=spec), timeout=60).job.id
    calls.CancelJob(pb.CancelJobRequest(job_id=gone), timeout=60)
    request = frame_pb.CreateUploadRequest(name="plate.%04d.exr")
    request.frames.ranges.add(first=1, last=3, step=1)
    upload = FrameServiceStub(ground.channel).CreateUpload(request, timeout=60).upload_id
    return World(
        inside=(f"{ground.inside}/plate.%04d.exr", f"{ground.inside}/matte.%04d.exr", f"{ground.inside}/no.%04d.exr"),
        outside=outside_paths(canary=ground.canary.folder, inside=ground.inside),
        outputs=tuple(f"{ground.written}/{name}" for name in ("a.%04d.exr", "b/c.####.exr", "out.%04d.exr", "d.png")),
        jobs=(done, gone),
        uploads=(upload,),
        spec=spec,
    )


def _send(channel: grpc.Channel, asked: Asked, seed: int, tally: Tally) -> None:
    label = f"--seed {seed} --only {asked.number} ({asked.method.name}, {asked.kind})"
    streams = asked.method.name in _STREAMS
    limit = _STREAM_SECONDS if streams else _CALL_SECONDS
    outcome = "OK"
    with _CHECKS if asked.method.name == "VerifyOutput" else contextlib.nullcontext():
        began = time.monotonic()
        call = channel.stream_stream(asked.path)(iter(asked.requests), timeout=limit)
        try:
            for answer in call:
                if asked.method.name == "PlanJob":
                    for problem in pb.PlanJobResponse.FromString(answer).plan.problems:
                        outcome = judge_problem(problem, tally, label)
        except grpc.RpcError as error:
            outcome = judge_refusal(error, tally, label)
        seconds = time.monotonic() - began
    tally.count(outcome, seconds, label)


def _still_works(service: ServiceProcess, tally: Tally, inside: Path, written: Path) -> None:
    """The same process does the same job as before all that; what fuzzing left in the queue is cancelled."""
    calls = service.calls()
    for state in _UNENDED:
        for job in calls.ListJobs(pb.ListJobsRequest(states=[state], page_size=1000), timeout=60).jobs:
            calls.CancelJob(pb.CancelJobRequest(job_id=job.id), timeout=60)
    for job in calls.ListJobs(pb.ListJobsRequest(states=[JobState.JOB_STATE_FAILED], page_size=1000), timeout=60).jobs:
        judge_problem(job.error, tally, f"a job that was let in ({job.id})")
    spec = base_spec(inside, written)
    spec.output.path = f"{written}/last.%04d.exr"
    job = calls.CreateJob(pb.CreateJobRequest(spec=spec), timeout=60).job
    for _ in calls.WatchJob(pb.WatchJobRequest(job_id=job.id), timeout=300):
        pass
    found = calls.GetJob(pb.GetJobRequest(job_id=job.id), timeout=60).job
    if found.state != JobState.JOB_STATE_SUCCEEDED:
        tally.blame(
            f"a good job afterwards is {JobState.Name(found.state)}: {found.error.message} {found.error.actual[-600:]}"
        )


def main() -> int:
    """Fuzz, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("requests", "images"))
    parser.add_argument("--count", type=int, default=0, help="how many (5000 requests, 1000 images)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trace", type=Path, help="have strace write down every file that is opened, and look at it")
    parser.add_argument("--only", type=int, action="append", default=[], help="only this number; repeatable")
    options = parser.parse_args()
    began = time.monotonic()
    if options.what == "requests":
        tally = fuzz_requests(count=options.count or 5000, seed=options.seed, only=options.only, traced=options.trace)
    else:
        with field(traced=options.trace) as (ground, tally):
            fuzz_images.fuzz(ground, tally, count=options.count or 1000, seed=options.seed, only=options.only)
    say(f"seed {options.seed}, {time.monotonic() - began:.0f} s")
    say("\n".join(tally.lines()))
    return 1 if tally.wrong or tally.slow else 0


if __name__ == "__main__":
    sys.exit(main())
