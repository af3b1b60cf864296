"""Planning and verifying while somebody's share hangs: nobody else waits for it. And what these workers may touch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import psutil
import pytest
from command_line import share_kernels
from guarded import add_user, bearer, reason
from serving import FIRST, Service, running_services, wait_for

from overscan.core.errors import OverscanError
from overscan.service._settings import Settings
from overscan.service.workers.bounds import bounds_environment
from overscan.service.workers.landlock import landlock_version
from overscan.service.workers.pool import Pool
from overscan.service.workers.worker import Stop, Worker
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.frames_pb2 import FrameRange, FrameSet
from overscan.v1.geometry_pb2 import Size
from overscan.v1.job_pb2 import JobSpec, JobState

LAST = FIRST + 2
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the share that hangs is Linux's FUSE")


_TRIES = """
import json, sys
from pathlib import Path
from overscan.service.workers.bounds import enter_bounds
enter_bounds()
found = {"reads": [], "writes": []}
for name in ("out", "home/results/mine", "home/results/other", "home/uploads/x", "home/jobs/x", "home/cache"):
    folder = Path(sys.argv[1]) / name
    for what, act in (("reads", (folder / "there").read_text), ("writes", lambda: (folder / "new").write_text("x"))):
        try:
            act()
        except PermissionError:
            continue
        found[what].append(name)
print(json.dumps(found))
"""


@dataclass
class Studio:
    """A service with roots and users, a plate, and the same plate on a share that hangs."""

    service: Service
    tokens: dict[str, str]
    folder: Path
    plate: str
    hung: str
    names: list[str] = field(default_factory=list)

    def spec(self, *, plate: str = "", engine: str = "plate", artist: str = "") -> JobSpec:
        spec = JobSpec(engine=engine)
        spec.labels.artist = artist
        spec.plate.path = plate or self.plate
        spec.plate.frames.CopyFrom(FrameSet(ranges=[FrameRange(first=FIRST, last=LAST, step=1)]))
        spec.extend.format.size.CopyFrom(Size(width=16, height=12 if engine == "plate" else 8))
        self.names.append(f"out{len(self.names)}.%04d.exr")
        spec.output.path = str(self.folder / "out" / self.names[-1])
        return spec

    def who(self, name: str) -> list[tuple[str, str]]:
        return list(bearer(self.tokens.get(name, self.service.token)))

    def plan(self, spec: JobSpec, name: str) -> grpc.Future:
        return self.service.jobs.PlanJob.future(pb.PlanJobRequest(spec=spec), metadata=self.who(name), timeout=120)

    def create(self, spec: JobSpec, name: str) -> str:
        return str(
            self.service.jobs.CreateJob(pb.CreateJobRequest(spec=spec), metadata=self.who(name), timeout=60).job.id
        )

    def verify(self, path: str, name: str, plate: str = "") -> grpc.Call:
        request = pb.VerifyOutputRequest(path=path, plate_path=plate)
        return self.service.jobs.VerifyOutput(request, metadata=self.who(name), timeout=120)

    def end_of(self, job_id: str) -> int:
        """The state that a job ends with."""
        for _ in self.service.jobs.WatchJob(pb.WatchJobRequest(job_id=job_id), metadata=self.who(""), timeout=120):
            pass
        request = pb.GetJobRequest(job_id=job_id)
        return int(self.service.jobs.GetJob(request, metadata=self.who(""), timeout=30).job.state)

    def planners(self) -> list[psutil.Process]:
        return [child for child in self.service.workers() if "inspector" in " ".join(child.cmdline())]


@pytest.fixture(scope="module")
def studio(
    engine_path: str, plate: str, hung_share: Callable[[Path], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio").resolve()
    roots = {"roots_read": [str(Path(plate).parent), str(folder / "share")], "roots_write": [str(folder / "out")]}
    for name in ("out", "home", "share"):
        (folder / name).mkdir()
    share_kernels(folder / "home")
    tokens = {name: add_user(folder / "home", name, "artist") for name in ("ada", "ben")}
    flags = [f"--set={name}={json.dumps(paths)}" for name, paths in roots.items()]
    with running_services(engine_path, folder) as run:
        flags += ["--address=127.0.0.1:0", "--workers=1", "--set=inspector_idle_seconds_max=3"]
        service = run(*flags)
        hung_share(folder / "share")
        yield Studio(service, tokens, folder, plate, str(folder / "share/sh010/plate.%04d.exr"))


@pytest.mark.parametrize("users", [True, False], ids=["users", "labels"])
def test_nobody_waits_for_somebody_elses_share(studio: Studio, users: bool) -> None:
    """With users, and where jobs' labels alone tell artists apart."""

    def ask(spec: JobSpec, name: str) -> tuple[JobSpec, str]:
        spec.labels.artist = "" if users else name
        return spec, name if users else ""

    hanging = [studio.plan(*ask(studio.spec(plate=studio.hung), "ada")) for _ in range(4)]
    job_id = studio.create(*ask(studio.spec(), "ben"))
    assert studio.plan(*ask(studio.spec(), "ben")).result().plan.feasible
    assert not any(future.done() for future in hanging)
    assert len(studio.planners()) <= 3
    for future in hanging:
        future.cancel()
    assert studio.plan(*ask(studio.spec(), "ada")).result().plan.feasible
    assert studio.end_of(job_id) == JobState.JOB_STATE_SUCCEEDED


def test_a_kept_result_is_verified_for_its_owner_and_admins_while_others_share_hangs(studio: Studio) -> None:
    spec = studio.spec()
    spec.output.path = ""
    job_id = studio.create(spec, "ben")
    assert studio.end_of(job_id) == JobState.JOB_STATE_SUCCEEDED
    kept = str(studio.service.home / "results" / job_id / "plate.%04d.exr")
    hung = studio.hung.replace("plate", "result")
    hanging = [studio.verify(hung, "ada") for _ in range(4)]
    for name in ("ben", ""):
        *_, last = studio.verify(kept, name)
        assert (last.verification.frames, last.verification.differing) == (3, 0)
        assert last.verification.samples > 0
    around = kept.replace(job_id, f"{'0' * 32}/../{job_id}")
    for path, name, plate, code in (
        (kept, "ada", "", "NOT_ALLOWED"),
        (around, "ada", "", "NOT_ALLOWED"),
        (kept.replace(job_id, "0" * 32), "ben", "", "UNKNOWN_JOB"),
        (kept, "ben", kept, "OUTSIDE_ROOTS"),
        (kept, "ben", str(studio.service.home / "uploads/x/files/plate.%04d.exr"), "OUTSIDE_ROOTS"),
        (str(studio.service.home / f"jobs/{job_id}/plate.%04d.exr"), "ben", "", "OUTSIDE_ROOTS"),
    ):
        with pytest.raises(grpc.RpcError) as refusal:
            list(studio.verify(path, name, plate))
        assert reason(refusal.value) == code, (path, plate)
    wait_for(lambda: not studio.planners())  # nobody has asked for anything to be planned for a while
    for call in hanging:
        call.cancel()


def test_a_job_that_waited_is_planned_beside_somebody_elses_that_takes_long(studio: Studio) -> None:
    first = studio.spec(engine="copycat")
    first.controls.parameters["seconds"].number_value = 0.5
    needed = studio.create(first, "ben")
    waiting = {}
    for name, mode in (("ada", "sleep"), ("ben", "good")):
        spec = studio.spec(engine="copycat")
        spec.depends_on.append(needed)
        spec.controls.parameters["mode"].string_value = mode
        waiting[name] = studio.create(spec, name)
    assert studio.end_of(waiting["ben"]) == JobState.JOB_STATE_SUCCEEDED
    request = pb.GetJobRequest(job_id=waiting["ada"])
    state = studio.service.jobs.GetJob(request, metadata=studio.who(""), timeout=30).job.state
    assert state == JobState.JOB_STATE_WAITING


@pytest.fixture
def workers(tmp_path: Path) -> list[Worker]:
    """Three workers whose processes are never started."""
    return [Worker(name=f"inspector-{number}", settings=Settings(home=tmp_path)) for number in range(3)]


@pytest.mark.parametrize(
    ("number", "held", "served"),
    [(1, 1, ["ada", "ben", "ada"]), (3, 2, ["ben", "ada", "ada"])],
    ids=["turns", "not all of them"],
)
def test_callers_take_turns_and_nobody_has_all_workers(
    workers: list[Worker], number: int, held: int, served: list[str]
) -> None:
    pool = Pool(workers=workers[:number], patience_seconds=0.0)
    found: list[str] = []

    def ask(who: str) -> None:
        with pool.lend(who=who, stop=Stop()):
            found.append(who)
            time.sleep(0.1)

    with ThreadPoolExecutor() as calls, ExitStack() as mine:
        for _ in range(held):
            mine.enter_context(pool.lend(who="ada", stop=Stop()))
        for who in ("ada", "ada", "ben"):
            calls.submit(ask, who)
            time.sleep(0.1)
        if number > 1:
            wait_for(lambda: found == ["ben"])
    assert found == served


def test_another_worker_is_lent_only_when_those_that_are_there_take_long(workers: list[Worker]) -> None:
    pool = Pool(workers=workers, patience_seconds=0.5)
    with pool.lend(who="ada", stop=Stop()) as first:
        begun = time.monotonic()
        with pool.lend(who="ben", stop=Stop()) as second:
            assert time.monotonic() - begun >= 0.5
            assert second is not first


def test_who_waits_behind_what_never_moves_is_told(workers: list[Worker]) -> None:
    pool = Pool(workers=workers[:1], patience_seconds=0.0, stall_seconds=0.5)
    gone = Stop()

    def ask(who: str, stop: Stop) -> str:
        try:
            with pool.lend(who=who, stop=stop):
                return "served"
        except OverscanError as error:
            return error.record.code

    with ThreadPoolExecutor(16) as calls:
        with pool.lend(who="ada", stop=Stop()):
            waiting = [calls.submit(ask, "ada", Stop()) for _ in range(11)]
            ben = calls.submit(ask, "ben", gone)
            wait_for(lambda: sum(call.done() for call in waiting) == 3)
            gone.request()
            assert ben.result(10) == "CANCELLED"
        assert sorted(call.result(10) for call in waiting) == ["QUOTA"] * 3 + ["served"] * 8


@pytest.mark.skipif(not landlock_version(), reason="this system has no Landlock")
@pytest.mark.parametrize("kind", ["plans", "verifies", "renders"])
def test_only_workers_that_render_write_results(tmp_path: Path, kind: str) -> None:
    """What the kernel lets each kind of worker do, and of what the service keeps of its users."""
    home, root, mine = tmp_path / "home", tmp_path / "out", tmp_path / "home/results/mine"
    for folder in (root, mine, home / "results/other", home / "uploads/x", home / "jobs/x", home / "cache"):
        folder.mkdir(parents=True)
        (folder / "there").write_text("x")
    settings = Settings(home=home, roots_write=(root,))
    variables = bounds_environment(
        settings, plans=kind == "plans", verifies=kind == "verifies", also_reads=mine if kind == "verifies" else None
    )
    told = subprocess.run(
        [sys.executable, "-c", _TRIES, str(tmp_path)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(told.stdout)
    everything = {
        "out",
        *(f"home/{name}" for name in ("results/mine", "results/other", "uploads/x", "jobs/x", "cache")),
    }
    reads = {"out", "home/results/mine", "home/cache"} if kind == "verifies" else everything
    writes = {"home/cache"} if kind != "renders" else everything - {"home/uploads/x"}
    assert set(found["reads"]) == reads
    assert set(found["writes"]) == writes
