"""A full queue and many watchers: how long calls take, and whether any watcher misses anything.

    python benchmarks/load.py [--jobs 1000] [--watchers 64] [--workers 2] [--json FILE]

A service of its own gets `--jobs` jobs (inpainting eight small frames with the `plate` engine, by eight artists in
three priorities, every tenth waiting for an earlier one), while `--workers` workers work on them all the time. The
last of them are urgent, and `--watchers` watchers in four processes follow one of these each. Clients are processes of
their own and call over the Unix socket, without pause. With the queue full and while the watchers watch:

* GetJob: four processes at once, any job each time.
* ListJobs: one process, pages of 100, newest first.
* CreateJob: one process, each job after the one before has been answered, as a person or a pipeline sends them; this is
  what the bar is for. Each job has a plate of its own (a link to the same files), as every shot has: no header of it
  is known. Then jobs whose plate was planned before, and then four processes at once, each with new plates.
* WatchJob: from the call to the first event, and from an event's own time to its arrival at a watcher.

"CreateJob, filling" is how long the jobs took to create that filled the queue, before anybody watched.

Bars (99th percentile): GetJob 50 ms, CreateJob 100 ms; no watcher may miss an event. Everything shares one machine: the
workers and the clients take their part of its processors.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from kill_jobs import make_plates
from load_clients import Called, Calls, Watched, call, watch, whole
from service_process import ServiceProcess, short_folder
from suite import say

from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.frames_pb2 import FrameRange, FrameSet
from overscan.v1.job_pb2 import JobSpec, JobState
from overscan.v1.media_pb2 import SequenceRef

BARS = {"GetJob": 0.050, "CreateJob": 0.100}
"""Seconds, 99th percentile."""
_ARTISTS = 8
_CHUNK = 100
_WATCHING_PROCESSES = 4
_CALLING_PROCESSES = 4
_END_SECONDS_MAX = 1800.0
_MIB = 1 << 20


@dataclass(kw_only=True)
class Figures:
    """What was measured."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Of every call, by what was called and how."""
    memory_mib: dict[str, float] = field(default_factory=dict)
    """The service's own resident memory, by when."""
    queued: int = 0
    """Jobs that had not ended while calls were timed."""
    watchers: int = 0
    events: int = 0
    faults: list[str] = field(default_factory=list)

    def table(self) -> str:
        """For people."""
        lines = [f"{'call':44} {'calls':>6} {'p50 ms':>8} {'p99 ms':>8} {'most ms':>8}  bar"]
        for name, seconds in self.seconds.items():
            bar = BARS.get(name)
            verdict = "" if bar is None else f"{bar * 1000:.0f} ms: {'met' if p99(seconds) < bar else 'MISSED'}"
            median, high, most = (1000 * value for value in (statistics.median(seconds), p99(seconds), max(seconds)))
            lines.append(f"{name:44} {len(seconds):6} {median:8.1f} {high:8.1f} {most:8.1f}  {verdict}")
        lines += [f"memory of the service {when}: {mib:.0f} MiB" for when, mib in self.memory_mib.items()]
        lines.append(f"{self.queued} jobs had not ended at the end of the calls")
        lines.append(f"{self.watchers} watchers saw {self.events} events; faults: {len(self.faults)}")
        return "\n".join([*lines, *self.faults])

    def missed(self) -> list[str]:
        """The bars that were missed, and the faults."""
        return [f"{name}" for name, bar in BARS.items() if p99(self.seconds[name]) >= bar] + self.faults


def p99(seconds: Sequence[float]) -> float:
    """The 99th percentile: what 99 of 100 stay at or under."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, -(-len(ordered) * 99 // 100) - 1)]


class Specs:
    """Makes jobs, no two of which write to the same files."""

    def __init__(self, *, folder: Path) -> None:
        (folder / "plates").mkdir()
        (folder / "out").mkdir()
        self._plates = make_plates(folder / "plates")
        self._folder = folder
        self._out = folder / "out"
        self._made = 0

    def make(self, *, urgent: bool = False, known: bool = False) -> JobSpec:
        """The next one; an urgent one goes before all others. A plate that is not `known` has not been planned yet."""
        number = self._made
        self._made += 1
        frames = FrameSet(ranges=[FrameRange(first=1, last=8)])
        shot = self._folder / ("plates" if known else f"shot{number:05d}")
        if not known:
            shot.symlink_to(self._folder / "plates")
        spec = JobSpec(plate=SequenceRef(path=str(shot / Path(self._plates.half).name), frames=frames))
        spec.priority = 10 if urgent else number % 3
        spec.inpaint.matte.sequence.path = str(shot / Path(self._plates.matte).name)
        spec.output.path = str(self._out / f"j{number:05d}.%04d.exr")
        spec.labels.show, spec.labels.shot = "load", f"sh{number:05d}"
        spec.labels.artist = f"artist-{number % _ARTISTS}"
        return spec


class Load:
    """One run."""

    def __init__(self, *, service: ServiceProcess, specs: Specs, jobs: int, watchers: int, rounds: int) -> None:
        self.figures = Figures(watchers=watchers)
        self._service = service
        self._specs = specs
        self._jobs = jobs
        self._watchers = watchers
        self._rounds = rounds
        self._ids: list[str] = []
        address = service.announced()
        assert address is not None
        self._address = address

    def run(self) -> None:
        """Fill the queue, call, and wait for the watchers."""
        self._weigh("before any job")
        for begin in range(0, self._jobs - self._watchers, _CHUNK):
            self._create(min(_CHUNK, self._jobs - self._watchers - begin), "CreateJob, filling")
        watched = self._create(self._watchers, "CreateJob, filling", urgent=True)
        with self._watching(watched) as seen:
            self._weigh("with the queue full and everybody watching")
            calls, ids = self._rounds, tuple(self._ids)
            self._time("GetJob", [Calls(method="GetJob", count=calls, job_ids=ids, seed=n) for n in range(4)])
            self._time("ListJobs, pages of 100", [Calls(method="ListJobs", count=max(calls // 5, 1))])
            self._create(max(calls // 2, 1), "CreateJob")
            self._create(max(calls // 4, 1), "CreateJob, its plate planned before", known=True)
            self._create(max(calls // 20, 1) * _CALLING_PROCESSES, "CreateJob, four at once", _CALLING_PROCESSES)
            states = [job.state for job in _all_jobs(self._service.calls())]
            self.figures.queued = sum(state in _OPEN for state in states)
            self._weigh("after all calls")
        self._check(seen())

    def _create(
        self, count: int, name: str, processes: int = 1, *, urgent: bool = False, known: bool = False
    ) -> list[str]:
        """Create so many jobs; their ids."""
        share = count // processes
        orders = []
        for _ in range(processes):
            specs = [self._specs.make(urgent=urgent, known=known) for _ in range(share)]
            for spec in specs[9::10] if not urgent else ():
                spec.depends_on.extend(self._ids[-1:])
            orders.append(Calls(method="CreateJob", count=share, specs=[spec.SerializeToString() for spec in specs]))
        made = [job_id for called in self._time(name, orders) for job_id in called.job_ids]
        self._ids += made
        return made

    def _time(self, name: str, orders: Sequence[Calls]) -> list[Called]:
        running = [_start(call, self._address, order) for order in orders]
        found: list[Called] = [receiver.recv() for receiver in running]
        for called in found:
            self.figures.seconds.setdefault(name, []).extend(called.seconds)
            if called.error:
                self.figures.faults.append(f"{name}: {called.error}")
        say(f"{name}: {sum(len(called.seconds) for called in found)} calls")
        return found

    @contextlib.contextmanager
    def _watching(self, job_ids: Sequence[str]) -> Iterator[Callable[[], list[Watched]]]:
        """Watch jobs while the body runs; the value gives what was seen once they have ended."""
        share = -(-len(job_ids) // _WATCHING_PROCESSES)
        parts = [job_ids[start : start + share] for start in range(0, len(job_ids), share)]
        running = [_start(watch, self._address, part) for part in parts]
        for receiver in running:
            if receiver.recv() != "watching":
                raise SystemExit("a watching process did not begin")
        found: list[Watched] = []

        def seen() -> list[Watched]:
            for receiver in running:
                if not receiver.poll(_END_SECONDS_MAX):
                    raise SystemExit("the watched jobs did not end")
                found.extend(receiver.recv())
            return found

        yield seen

    def _check(self, seen: Sequence[Watched]) -> None:
        figures, stub = self.figures, self._service.calls()
        figures.seconds["WatchJob, to the first event"] = [one.first_seconds for one in seen]
        delays = [delay for one in seen for delay in one.delays]
        if delays:
            figures.seconds["WatchJob, from an event to its arrival"] = delays
        if len(seen) != self._watchers:
            figures.faults.append(f"{len(seen)} watchers came back")
        for one in seen:
            figures.events += len(one.stored)
            there = whole(stub, one.job_id)
            missed = sorted(set(there) - set(one.stored))
            if one.error or missed or not one.growing or list(one.stored) != there:
                figures.faults.append(f"the watcher of {one.job_id}: missed {missed}, {one.error or 'out of order'}")
            if one.states[-1:] != [JobState.JOB_STATE_SUCCEEDED]:
                figures.faults.append(f"{one.job_id} ended in {[JobState.Name(state) for state in one.states]}")

    def _weigh(self, when: str) -> None:
        assert self._service.process is not None
        rss = psutil.Process(self._service.process.pid).memory_info().rss
        self.figures.memory_mib[when] = round(rss / _MIB, 1)


_OPEN = (
    JobState.JOB_STATE_QUEUED, JobState.JOB_STATE_RUNNING, JobState.JOB_STATE_VERIFYING, JobState.JOB_STATE_WAITING
)  # fmt: skip


def _all_jobs(stub: Any) -> Iterator[Any]:
    token = ""
    while True:
        page = stub.ListJobs(pb.ListJobsRequest(page_token=token), timeout=60)
        yield from page.jobs
        token = page.next_page_token
        if not token:
            return


def _start(body: Callable[..., None], *arguments: object) -> Connection:
    spawning = get_context("spawn")
    receiver, sender = spawning.Pipe(duplex=False)
    spawning.Process(target=body, args=(sender, *arguments), daemon=True).start()
    sender.close()
    return receiver


def run(*, jobs: int, watchers: int, workers: int, kernels: Path, rounds: int, flags: Sequence[str] = ()) -> Figures:
    """Everything, on a service of its own; `rounds` calls of GetJob by each of four processes, others in proportion."""
    with short_folder() as folder:
        service = ServiceProcess(home=folder / "home", kernels=kernels, flags=("--workers", str(workers), *flags))
        service.spawn()
        try:
            service.wait_ready()
            load = Load(service=service, specs=Specs(folder=folder), jobs=jobs, watchers=watchers, rounds=rounds)
            load.run()
        finally:
            service.kill(with_workers=True)  # nobody waits for the rest of the queue
        return load.figures


def main(words: list[str] | None = None) -> int:
    """Measure, print, and fail where a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--watchers", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=500, help="calls of GetJob by each of four processes")
    parser.add_argument("--kernels", type=Path, help="folder of compiled kernels, kept for the next run")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    arguments = parser.parse_args(words)
    kernels = arguments.kernels or Path(tempfile.gettempdir()) / "overscan-benchmark-kernels"
    began = time.monotonic()
    figures = run(
        jobs=arguments.jobs,
        watchers=arguments.watchers,
        workers=arguments.workers,
        kernels=kernels.resolve(),
        rounds=arguments.rounds,
    )
    say(figures.table())
    result: Mapping[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}",
        "p50_p99_ms": {
            name: [round(1000 * statistics.median(seconds), 2), round(1000 * p99(seconds), 2)]
            for name, seconds in figures.seconds.items()
        },
        "memory_mib": figures.memory_mib,
        "queued": figures.queued,
        "missed": figures.missed(),
        "seconds": round(time.monotonic() - began, 1),
    }
    text = json.dumps(result, indent=1)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")
    return 1 if figures.missed() else 0


if __name__ == "__main__":
    sys.exit(main())
