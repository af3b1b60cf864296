"""Runs one job of the engine in a process of its own, without the service, and says what it took."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from overscan.core.engines import Context, Notice, load_engine
from overscan.core.errors import OverscanError
from overscan.core.jobs import Job

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRun:
    """What a job took, or why it could not run."""

    seconds: float = 0.0
    """Planning and all steps; without starting the process and loading the engine."""
    peak_mib: float = 0.0
    """Highest resident memory of the process."""
    frames: tuple[int, ...] = ()
    """The frames written."""
    warnings: tuple[str, ...] = ()
    problem: str = ""
    """Why the job could not be planned or failed; empty where it is done."""


class _Warnings:
    """A reporter that keeps warnings alone."""

    def __init__(self) -> None:
        self.codes: dict[str, None] = {}

    def progress(self, *, fraction: float, message: str) -> None:
        """Not wanted."""

    def frame_finished(self, *, frame: int, path: Path, seconds: float) -> None:
        """Not wanted."""

    def warn(self, *, notice: Notice) -> None:
        """Keep its code, once."""
        self.codes[notice.code] = None

    def check_cancelled(self) -> None:
        """Never."""


def run_engine(job: Job, *, threads: int, pinned: bool = False) -> EngineRun:
    """Plan and run `job` in a fresh process with so many threads, and with empty work and cache folders.

    `pinned`: whether the process may use as many cores as threads and no more, where the system can say so.
    """
    spawning = get_context("spawn")
    receiver, sender = spawning.Pipe(duplex=False)
    process = spawning.Process(target=_child, args=(sender, job, threads, pinned))
    before = os.environ.get("NUMBA_NUM_THREADS")
    os.environ["NUMBA_NUM_THREADS"] = str(threads)  # read when numba is imported, so it must be there from the start
    try:
        process.start()
    finally:
        if before is None:
            del os.environ["NUMBA_NUM_THREADS"]
        else:
            os.environ["NUMBA_NUM_THREADS"] = before
    sender.close()
    try:
        done: EngineRun = receiver.recv()
    except EOFError:
        process.join()
        return EngineRun(problem=f"the engine's process ended with code {process.exitcode}")
    process.join()
    return done


def _child(sender: Connection, job: Job, threads: int, pinned: bool) -> None:
    if pinned and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    sender.send(_run(job, threads))
    sender.close()


def _run(job: Job, threads: int) -> EngineRun:
    import cv2

    cv2.setNumThreads(threads)
    engine = load_engine(job.engine)
    reporter = _Warnings()
    start = time.monotonic()
    plan = engine.plan(job)
    if not plan.feasible:
        return EngineRun(problem=plan.problems[0].message)
    with tempfile.TemporaryDirectory() as place:
        work, cache = Path(place, "work"), Path(place, "cache")
        work.mkdir()
        cache.mkdir()
        context = Context(job=job, plan=plan, work_folder=work, cache_folder=cache, reporter=reporter)
        try:
            for step in plan.steps:
                engine.run(step, context)
        except OverscanError as error:
            return EngineRun(problem=str(error), warnings=tuple(reporter.codes))
        seconds = time.monotonic() - start
    warnings = (*(notice.code for notice in plan.warnings), *reporter.codes)
    return EngineRun(seconds=seconds, peak_mib=_peak_mib(), frames=plan.frames, warnings=tuple(dict.fromkeys(warnings)))


def _peak_mib() -> float:
    # Linux counts the memory of the process that started this one into ru_maxrss; VmHWM is this one's alone.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB
