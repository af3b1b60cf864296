"""One round of `kills.py`: jobs on a service of their own, the hand that kills, and the eye that looks for losses."""

from __future__ import annotations

import contextlib
import random
import threading
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from kill_blows import Blow, Moment, Target
from kill_checks import Wanted, answered, findings, finished, litter, torn
from kill_watch import Watcher, faults
from service_process import ServiceProcess
from suite import say

from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import Job, JobSpec, JobState, StepState

_MOMENT_SECONDS_MAX = 8.0
_LOOK_SECONDS = 0.001
_END_SECONDS_MAX = 300.0
_TIDY_SECONDS_MAX = 5.0
_ENDED = (JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED)


@dataclass(kw_only=True)
class Tally:
    """What a run of the suite comes to."""

    kills: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    stops: int = 0
    missed: int = 0
    """Blows whose moment did not come."""
    jobs: int = 0
    frames: int = 0
    retried: int = 0
    """Jobs that had failed by the rule against poison, and were retried."""
    reconnects: int = 0
    faults: list[str] = field(default_factory=list)


class Round:
    """Five jobs, and what is done to them."""

    def __init__(
        self,
        *,
        number: int,
        folder: Path,
        jobs: Mapping[str, JobSpec],
        wanted: Mapping[str, Wanted],
        blows: list[Blow],
        kernels: Path,
        workers: int,
        tally: Tally,
    ) -> None:
        self._number = number
        self._output = folder / "out"
        self._specs = jobs
        self._wanted = wanted
        self._blows = blows
        self._tally = tally
        self._service = ServiceProcess(home=folder / "home", kernels=kernels, flags=("--workers", str(workers)))
        self._ids: dict[str, str] = {}
        self._watchers: list[Watcher] = []
        self._there: set[Path] = set()
        self._done: dict[str, dict[str, int]] = {name: {} for name in jobs}
        self._creating = threading.Event()
        self._ended = threading.Event()
        self._began = 0.0

    def run(self) -> None:
        """Everything."""
        self._began = time.monotonic()
        try:
            self._service.spawn()
            self._service.wait_ready()
            front = threading.Thread(target=self._front_end, name="front end", daemon=True)
            front.start()
            for blow in self._blows:
                if self._ended.is_set():
                    self._tally.missed += 1
                    continue
                self._strike(blow)
            front.join(_END_SECONDS_MAX)
            if front.is_alive():
                self._fault("the jobs did not end")
                self._fault(self._service.log.read_text()[-3000:])
                return
            self._judge()
        except Exception:  # the other rounds go on
            self._fault(f"the round broke off: {traceback.format_exc()}")
        finally:
            self._service.end()

    # The front end: creates jobs, watches them, and retries what the rule against poison has ended.

    def _front_end(self) -> None:
        try:
            pauses = random.Random(self._number)
            for name, spec in self._specs.items():
                request = pb.CreateJobRequest(spec=spec, request_id=str(uuid.uuid4()))
                self._creating.set()
                job = self._service.ask(lambda calls, request=request: calls.CreateJob(request, timeout=60).job)
                self._creating.clear()
                self._ids[name] = job.id
                watcher = Watcher(service=self._service, job_id=job.id)
                watcher.start()
                self._watchers.append(watcher)
                time.sleep(pauses.uniform(0, 1.5))
            while not self._all_ended():
                time.sleep(0.05)
        except Exception:
            self._fault(f"the front end failed: {traceback.format_exc()}")
        self._ended.set()

    def _all_ended(self) -> bool:
        ended = True
        for name, job_id in self._ids.items():
            job = self._job(job_id)
            for step in job.steps:
                if step.state == StepState.STEP_STATE_DONE:
                    self._done[name].setdefault(step.step_id, step.attempts)
            if job.state == JobState.JOB_STATE_FAILED and job.error.code == "WORKER_LOST":
                self._tally.retried += 1
                self._say(f"retries {name}: {job.error.message}")
                retry = pb.RetryJobRequest(job_id=job_id)
                self._service.ask(lambda calls, retry=retry: calls.RetryJob(retry, timeout=60))
                ended = False
            ended = ended and job.state in _ENDED
        return ended

    def _job(self, job_id: str) -> Job:
        request = pb.GetJobRequest(job_id=job_id)
        return self._service.ask(lambda calls: calls.GetJob(request, timeout=30).job)

    # The hand that kills.

    def _strike(self, blow: Blow) -> None:
        if blow.moment in (Moment.STARTING, Moment.OPENING):
            self._hit(replace(blow, moment=Moment.ANY, delay_seconds=0.0))  # to have it start at all
            self._service.spawn()
            if blow.moment is Moment.OPENING:
                self._wait_for(self._store_opens)
            time.sleep(blow.delay_seconds)
        elif not self._wait(blow):
            self._tally.missed += 1
            return
        else:
            time.sleep(blow.delay_seconds)
        if self._ended.is_set() and blow.moment is Moment.ANY:
            self._tally.missed += 1
            return
        if not self._hit(blow):
            self._tally.missed += 1
            return
        self._look()
        if blow.target.ends_service:
            time.sleep(blow.pause_seconds * 0.2)
            self._service.spawn()
            self._service.wait_ready()

    def _wait(self, blow: Blow) -> bool:
        if blow.moment is Moment.ANY:
            return True
        if blow.moment is Moment.FRAME:
            before = self._pictures()
            return self._wait_for(lambda: bool(self._pictures() - before))
        if blow.moment is Moment.WRITING:
            return self._wait_for(lambda: any(path.name.startswith(".") for path in self._output.glob("*/.*")))
        if blow.moment is Moment.ANALYSIS:
            cache = self._service.home / "cache"
            before = set(cache.glob("*/*/*"))
            return self._wait_for(lambda: bool(set(cache.glob("*/*/*")) - before))
        if blow.moment is Moment.RECEIPT:
            before = set(self._output.glob("*/*.receipt.json"))
            return self._wait_for(lambda: bool(set(self._output.glob("*/*.receipt.json")) - before))
        if blow.moment is Moment.CREATING:
            return self._wait_for(self._creating.is_set)
        return self._wait_for(self._verifying)

    def _wait_for(self, sign: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + _MOMENT_SECONDS_MAX
        while not sign():
            if time.monotonic() > deadline or self._ended.is_set():
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _verifying(self) -> bool:
        return any(watcher.seen.states[-1:] == [JobState.JOB_STATE_VERIFYING] for watcher in list(self._watchers))

    def _store_opens(self) -> bool:
        process = self._service.process
        assert process is not None
        if self._service.announced() or process.poll() is not None:
            return True
        with contextlib.suppress(psutil.Error):
            return any("jobs.sqlite" in file.path for file in psutil.Process(process.pid).open_files())
        return False

    def _hit(self, blow: Blow) -> bool:
        """Whether anybody was there to be hit."""
        service = self._service
        word = "inspector" if blow.target is Target.INSPECTOR else "render"
        victims = [] if blow.target in (Target.SERVICE, Target.MACHINE) else service.workers(word)
        victim = victims[int(blow.choice * len(victims))] if victims else None
        if victim is None and blow.target in (
            Target.WORKER, Target.INSPECTOR, Target.STOPPED_WORKER, Target.STOPPED_THEN_KILLED
        ):  # fmt: skip
            return False
        self._say(f"{blow.target.value} at '{blow.moment.value}' + {blow.delay_seconds:.3f} s ({self._where()})")
        with contextlib.suppress(psutil.NoSuchProcess):
            if blow.target is Target.STOPPED_SERVICE:
                assert service.process is not None
                stopped = psutil.Process(service.process.pid)
                stopped.suspend()
                time.sleep(blow.pause_seconds)
                stopped.resume()
            elif victim is not None and blow.target in (Target.STOPPED_WORKER, Target.STOPPED_THEN_KILLED):
                victim.suspend()
                time.sleep(blow.pause_seconds)
                if blow.target is Target.STOPPED_WORKER:
                    victim.resume()
            if victim is not None and blow.target in (
                Target.WORKER, Target.INSPECTOR, Target.BOTH, Target.STOPPED_THEN_KILLED
            ):  # fmt: skip
                victim.kill()
        if blow.target.ends_service:
            service.kill(with_workers=blow.target is Target.MACHINE)
        if blow.target.kills:
            self._tally.kills[blow.target.value] += 1
            self._tally.moments[blow.moment.value] += 1
        else:
            self._tally.stops += 1
        return True

    # The eye that looks.

    def _look(self) -> None:
        """Every finished file is whole, and none has gone."""
        for name, wanted in self._wanted.items():
            for fault in torn(self._output / name, wanted):
                self._fault(fault)
        there = self._pictures()
        for path in sorted(self._there - there):
            self._fault(f"{path.relative_to(self._output)} was there and has gone")
        self._there |= there

    def _judge(self) -> None:
        listed = self._service.ask(lambda calls: calls.ListJobs(pb.ListJobsRequest(page_size=1000), timeout=30))
        if {job.id for job in listed.jobs} != set(self._ids.values()) or len(listed.jobs) != len(self._specs):
            self._fault(f"{len(listed.jobs)} jobs are there, {len(self._specs)} were created")
        self._look()
        for name, job_id in self._ids.items():
            job = self._job(job_id)
            self._tally.jobs += 1
            self._tally.frames += len(job.frames)
            for fault in (*answered(name, job, self._done[name]), *finished(self._output / name, self._wanted[name])):
                self._fault(fault)
            found = findings(self._service, self._specs[name].output.path)
            if found != self._wanted[name].findings:
                self._fault(f"{name}: audited: {found}, without kills: {self._wanted[name].findings}")
        for watcher in self._watchers:
            watcher.finish()
        for watcher in self._watchers:
            watcher.join(30)
            self._tally.reconnects += watcher.seen.reconnects
            if watcher.is_alive() or watcher.fault:
                self._fault(f"a watcher did not end: {watcher.fault}")
                continue
            for fault in faults(watcher.seen, self._service):
                self._fault(fault)
        self._start_again()

    def _start_again(self) -> None:
        """A service that comes up after it all tells the same, and has cleared away what was left."""
        self._service.end()
        self._service.spawn()
        self._service.wait_ready()
        for name, job_id in self._ids.items():
            for fault in answered(name, self._job(job_id), self._done[name]):
                self._fault(f"after a start: {fault}")
        deadline = time.monotonic() + _TIDY_SECONDS_MAX
        while (left := litter(self._service.home)) and time.monotonic() < deadline:
            time.sleep(0.05)
        for fault in left:
            self._fault(fault)

    def _pictures(self) -> set[Path]:
        return {path for path in self._output.glob("*/*.exr") if not path.name.startswith(".")}

    def _where(self) -> str:
        states = Counter(
            JobState.Name(watcher.seen.states[-1]).removeprefix("JOB_STATE_").lower()
            for watcher in self._watchers
            if watcher.seen.states
        )
        return ", ".join(f"{count} {state}" for state, count in sorted(states.items())) + (
            f", {len(self._pictures())} pictures"
        )

    def _say(self, text: str) -> None:
        number = sum(self._tally.kills.values()) + 1
        say(f"[{number:3}] round {self._number} +{time.monotonic() - self._began:6.2f} s: {text}")

    def _fault(self, text: str) -> None:
        say(f"FAULT in round {self._number}: {text}")
        self._tally.faults.append(f"round {self._number}: {text}")
