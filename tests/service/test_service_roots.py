"""Paths are confined to the roots: as they are named, where symlinks lead, and while somebody swaps them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import OpenImageIO
import pytest
from command_line import share_kernels
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from serving import FIRST, Service, running_services

from overscan.service.security.roots import Roots
from overscan.service.workers.landlock import landlock_version
from overscan.v1 import frame_service_pb2 as frames
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.frame_service_pb2_grpc import FrameServiceStub
from overscan.v1.frames_pb2 import FrameRange, FrameSet
from overscan.v1.geometry_pb2 import Size
from overscan.v1.job_pb2 import JobSpec, JobState

HERE = Path(__file__).parent
LAST = FIRST + 2
INSIDE, SECRET = 0.25, 77.0
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="symlinks")


def make_plate(folder: Path, value: float) -> str:
    """A plate of one value, so that it is known whose samples a frame has."""
    folder.mkdir(parents=True)
    for frame in range(FIRST, LAST + 1):
        spec = OpenImageIO.ImageSpec(16, 8, 3, "half")
        spec.attribute("compression", "zip")
        path = str(folder / f"plate.{frame:04d}.exr")
        output = OpenImageIO.ImageOutput.create(path)
        assert output.open(path, spec)
        assert output.write_image(np.full((8, 16, 3), value, np.float32))
        output.close()
    return str(folder / "plate.%04d.exr")


def values(path: Path) -> set[float]:
    """The values of a file's samples."""
    image = OpenImageIO.ImageInput.open(str(path))
    assert image is not None, path
    pixels = image.read_image(OpenImageIO.FLOAT)
    image.close()
    return set(np.unique(pixels[..., :3]).tolist())


@dataclass
class Ground:
    """A service with roots, a plate inside, and one outside."""

    service: Service
    read: Path
    write: Path
    outside: Path

    def spec(self, *, engine: str = "copycat", plate: str = "", output: str = "") -> JobSpec:
        spec = JobSpec(engine=engine)
        spec.plate.path = plate or str(self.read / "sh/plate.%04d.exr")
        spec.plate.frames.CopyFrom(FrameSet(ranges=[FrameRange(first=FIRST, last=LAST, step=1)]))
        spec.extend.format.size.CopyFrom(Size(width=16, height=8))
        spec.output.path = output or str(self.write / "out.%04d.exr")
        spec.output.overwrite = True
        return spec

    def refused(self, spec: JobSpec) -> list[tuple[str, str]]:
        """Code and field of each problem of a job that is refused; the same by PlanJob and CreateJob."""
        found = []
        for call, request in (
            (self.service.jobs.PlanJob, pb.PlanJobRequest(spec=spec)),
            (self.service.jobs.CreateJob, pb.CreateJobRequest(spec=spec)),
        ):
            try:
                answer = call(request, timeout=60)
                found.append([(problem.code, problem.field) for problem in answer.plan.problems])
            except grpc.RpcError as error:
                found.append(problems(error))
        assert {code for code, _ in found[0]} == {code for code, _ in found[1]}
        return found[1]


def problems(error: grpc.RpcError) -> list[tuple[str, str]]:
    """Code and field of each of our problems in an error."""
    status = rpc_status.from_call(error)
    assert status is not None, error
    found = []
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            found.append((info.reason, info.metadata.get("field", "")))
    return found


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("confined").resolve()
    packages = folder / "packages"
    packages.mkdir()
    for name, kind in (("copycat", "Copycat"), ("prying", "Prying")):
        shutil.copyfile(HERE / f"{name}.py", packages / f"{name}.py")
        info = packages / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[overscan.engines]\n{name} = {name}:{kind}\n")
    python_path = os.pathsep.join([str(packages), *filter(None, [os.environ.get("PYTHONPATH", "")])])
    read, write, outside = folder / "shots", folder / "out", folder / "outside"
    make_plate(read / "sh", INSIDE)
    make_plate(outside / "sh", SECRET)
    write.mkdir()
    (folder / "home").mkdir()
    share_kernels(folder / "home")
    with running_services(python_path, folder) as run:
        service = run(
            *("--workers", "1", "--set", f"roots_read={json.dumps([str(read)])}"),
            *("--set", f"roots_write={json.dumps([str(write)])}"),
        )
        yield Ground(service=service, read=read, write=write, outside=outside)


def test_a_job_inside_the_roots_runs(ground: Ground) -> None:
    for engine, size in (("copycat", (16, 8)), ("plate", (16, 12))):
        spec = ground.spec(engine=engine, output=str(ground.write / f"{engine}/new/out.%04d.exr"))
        if engine == "copycat":
            (ground.write / "copycat/new").mkdir(parents=True)
        spec.extend.format.size.CopyFrom(Size(width=size[0], height=size[1]))
        job = ground.service.finish(ground.service.create(spec).id)
        assert job.state == JobState.JOB_STATE_SUCCEEDED, job.error
        assert INSIDE in values(ground.write / f"{engine}/new/out.{FIRST}.exr")


def test_paths_that_lead_out_are_refused_by_the_field(ground: Ground) -> None:
    out = str(ground.outside / "sh/plate.%04d.exr")
    up = str(ground.read / "sh/../../outside/sh/plate.%04d.exr")
    (ground.read / "way-out").symlink_to(ground.outside)
    (ground.write / "way-out").symlink_to(ground.outside)
    for plate in (
        out,
        up,
        str(ground.read / "way-out/sh/plate.%04d.exr"),
        str(ground.read / "way-out/sh/plate.####.exr"),
    ):
        assert ("OUTSIDE_ROOTS", "plate.path") in ground.refused(ground.spec(plate=plate))
    for output in (
        *(out, str(ground.read / "sh/out.%04d.exr"), str(ground.write / "../shots/out.%04d.exr")),
        *(str(ground.write / "way-out/new/out.%04d.exr"), "/etc/out.%04d.exr"),
    ):
        assert ("OUTSIDE_ROOTS", "output.path") in ground.refused(ground.spec(output=output))
    for field, sequence in (
        ("inpaint.matte.sequence", lambda spec: spec.inpaint.matte.sequence),
        ("controls.movers.sequence", lambda spec: spec.controls.movers.sequence),
        ("controls.never_copy.sequence", lambda spec: spec.controls.never_copy.sequence),
        ("controls.clean_plates[0]", lambda spec: spec.controls.clean_plates.add()),
        ("controls.keyframes[0].image.sequence", lambda spec: spec.controls.keyframes.add().image.sequence),
        ("controls.references[0].image.sequence", lambda spec: spec.controls.references.add(kind=1).image.sequence),
        ("controls.passes[0].sequence", lambda spec: spec.controls.passes.add(kind=1).sequence),
        ("controls.motion_transfer.source", lambda spec: spec.controls.motion_transfer.source),
        ("controls.pose_transfer.source", lambda spec: spec.controls.pose_transfer.source),
    ):
        spec = ground.spec(engine="plate")
        sequence(spec).path = out
        assert ground.refused(spec) == [("OUTSIDE_ROOTS", f"{field}.path")]
    assert "OUTSIDE_ROOTS" in (ground.service.home / "audit.log").read_text()


def test_a_frame_that_is_a_symlink_out_is_refused_when_it_is_planned(ground: Ground) -> None:
    pattern = make_plate(ground.read / "linked", INSIDE)
    frame = Path(pattern % LAST)
    frame.unlink()
    frame.symlink_to(ground.outside / f"sh/plate.{LAST}.exr")
    spec = ground.spec(engine="plate", plate=pattern, output=str(ground.write / "linked.%04d.exr"))
    spec.extend.format.size.CopyFrom(Size(width=16, height=12))
    assert "OUTSIDE_ROOTS" in {code for code, _ in ground.refused(spec)}
    frame.unlink()
    frame.symlink_to(ground.read / f"sh/plate.{LAST}.exr")  # one that stays inside is as good as a file
    answer = ground.service.jobs.PlanJob(pb.PlanJobRequest(spec=spec), timeout=60)
    assert list(answer.plan.problems) == []


@pytest.mark.parametrize("kept", ["results", "uploads"])
def test_no_link_leads_to_what_the_service_keeps_of_others(ground: Ground, kept: str) -> None:
    """Workers may read the home; a job may not: neither when it is planned, nor when a folder is swapped later."""
    secret = make_plate(ground.service.home / kept / ("1" * 32), SECRET)
    linked = make_plate(ground.read / f"linked-{kept}", INSIDE)
    Path(linked % LAST).unlink()
    Path(linked % LAST).symlink_to(secret % LAST)
    spec = ground.spec(plate=linked, engine="plate", output=str(ground.write / f"linked-{kept}.%04d.exr"))
    spec.extend.format.size.CopyFrom(Size(width=16, height=12))
    assert "OUTSIDE_ROOTS" in {code for code, _ in ground.refused(spec)}
    folder = ground.read / f"swapped-{kept}"
    folder.symlink_to(ground.read / "sh")
    spec.plate.path = str(folder / "plate.%04d.exr")
    first = ground.spec(output=str(ground.write / f"first-{kept}.%04d.exr"))
    first.controls.parameters["seconds"].number_value = 0.5
    ground.service.create(first)
    job_id = ground.service.create(spec).id
    folder.unlink()
    folder.symlink_to(Path(secret).parent)
    job = ground.service.finish(job_id)
    assert (job.state, job.error.code) == (JobState.JOB_STATE_FAILED, "OUTSIDE_ROOTS")


def test_nothing_outside_is_fetched_as_a_result(ground: Ground) -> None:
    """The service itself opens results: what others put in their places must not lead it out, nor hold it."""
    (ground.write / "swapped").mkdir()
    spec = ground.spec(output=str(ground.write / "swapped/out.%04d.exr"))
    job = ground.service.finish(ground.service.create(spec).id)
    assert job.state == JobState.JOB_STATE_SUCCEEDED, job.error
    stub = FrameServiceStub(ground.service.channel)

    def fetch(frame: int) -> bytes:
        request = frames.DownloadFrameRequest(job_id=job.id, frame=frame)
        return b"".join(chunk.data for chunk in stub.DownloadFrame(request, timeout=10))

    def listed() -> set[str]:
        return {file.name for file in stub.ListResultFiles(frames.ListResultFilesRequest(job_id=job.id)).files}

    first, second, third = (Path(spec.output.path % frame) for frame in range(FIRST, LAST + 1))
    whole = first.read_bytes()
    assert fetch(FIRST) == whole
    assert {first.name, second.name, third.name} <= listed()
    others = make_plate(ground.service.home / "results" / ("0" * 32), SECRET)  # another's, which the service keeps
    for secret in (ground.outside / f"sh/plate.{FIRST}.exr", ground.service.home / "service.json", others % FIRST):
        first.unlink()
        first.symlink_to(secret)
        with pytest.raises(grpc.RpcError) as refusal:
            fetch(FIRST)
        assert problems(refusal.value)[0][0] == "OUTSIDE_ROOTS"
        assert first.name not in listed()
    second.rename(ground.write / "moved.exr")
    second.symlink_to(ground.write / "moved.exr")  # inside, a link is as good as a file
    assert fetch(FIRST + 1) == (ground.write / "moved.exr").read_bytes()
    assert second.name in listed()
    third.unlink()
    os.mkfifo(third)
    with pytest.raises(grpc.RpcError) as refusal:
        fetch(LAST)
    assert problems(refusal.value)[0][0] == "UNKNOWN_FILE"
    (ground.write / "swapped").rename(ground.write / "away")
    (ground.outside / "swapped").mkdir()
    (ground.outside / "swapped" / first.name).write_bytes(b"secret")
    (ground.write / "swapped").symlink_to(ground.outside / "swapped")
    with pytest.raises(grpc.RpcError) as refusal:
        fetch(FIRST)
    assert problems(refusal.value)[0][0] == "OUTSIDE_ROOTS"
    assert first.name not in listed()


def test_verify_reads_nothing_outside_whatever_a_header_names(ground: Ground) -> None:
    spec = ground.spec(engine="plate", output=str(ground.write / "seen/out.%04d.exr"))
    spec.extend.format.size.CopyFrom(Size(width=16, height=12))
    job = ground.service.finish(ground.service.create(spec).id)
    assert job.state == JobState.JOB_STATE_SUCCEEDED, job.error
    whole = list(ground.service.jobs.VerifyOutput(pb.VerifyOutputRequest(path=spec.output.path), timeout=60))[-1]
    assert whole.verification.frames == 3
    for request in (
        pb.VerifyOutputRequest(path=str(ground.outside / "sh/plate.%04d.exr")),
        pb.VerifyOutputRequest(path=spec.output.path, plate_path=str(ground.outside / "sh/plate.%04d.exr")),
    ):
        with pytest.raises(grpc.RpcError) as refusal:
            list(ground.service.jobs.VerifyOutput(request, timeout=60))
        assert problems(refusal.value)[0][0] == "OUTSIDE_ROOTS"
    # Now the headers name a plate outside: the same files, their own words changed to others of the same length.
    here, there = str(ground.read / "sh").encode(), str(ground.outside / "sh").encode()
    planted = (str(ground.outside) + "/sh").encode().ljust(len(here), b"/") if len(there) <= len(here) else b""
    if not planted:
        planted = b"/etc/ssl".ljust(len(here), b"/")
    for path in (ground.write / "seen").iterdir():
        if path.suffix == ".exr":
            path.write_bytes(path.read_bytes().replace(here, planted))
        else:
            path.unlink()
    with pytest.raises(grpc.RpcError) as refusal:
        list(ground.service.jobs.VerifyOutput(pb.VerifyOutputRequest(path=spec.output.path), timeout=60))
    assert problems(refusal.value)[0][0] == "OUTSIDE_ROOTS"


@pytest.mark.skipif(not landlock_version(), reason="this system has no Landlock")
def test_an_engine_gets_nowhere_by_itself(ground: Ground) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        spec = ground.spec(engine="prying", output=str(ground.write / "pried.%04d.exr"))
        report = ground.write / "pried.json"
        (ground.write / "link.exr").symlink_to(ground.outside / f"sh/plate.{FIRST}.exr")
        spec.controls.parameters["secret"].string_value = str(ground.outside / f"sh/plate.{FIRST}.exr")
        spec.controls.parameters["home"].string_value = str(ground.service.home)
        spec.controls.parameters["port"].number_value = server.getsockname()[1]
        spec.controls.parameters["report"].string_value = str(report)
        job = ground.service.finish(ground.service.create(spec).id)
    assert json.loads(report.read_text()) == []
    assert job.state == JobState.JOB_STATE_SUCCEEDED, job.error
    assert not (ground.outside / "sh/planted.txt").exists()


@pytest.mark.skipif(not landlock_version(), reason="this system has no Landlock")
@pytest.mark.parametrize("engine", ["copycat", "plate"])
def test_a_symlink_that_is_swapped_under_load_shows_nothing_and_writes_nothing_outside(
    ground: Ground, engine: str
) -> None:
    """The plate's and the result's folder are symlinks that change, some thousand times a second, between a place
    inside and one outside."""
    good, bad = ground.read / "sh", ground.outside / "sh"
    inner, outer = ground.write / f"inner-{engine}", ground.outside / f"outer-{engine}"
    inner.mkdir()
    outer.mkdir()
    plate, result = ground.read / f"swapped-{engine}", ground.write / f"swapped-{engine}"
    end = threading.Event()
    swaps = [0]

    def swap(link: Path, inside: Path, outside: Path) -> None:
        beside = link.with_name(f"{link.name}.beside")
        while not end.is_set():
            for target in (outside, inside):
                beside.symlink_to(target)
                beside.replace(link)
                swaps[0] += 1
                time.sleep(0.0005)

    plate.symlink_to(good)
    result.symlink_to(inner)
    swappers = [
        threading.Thread(target=swap, args=(plate, good, bad)),
        threading.Thread(target=swap, args=(result, inner, outer)),
    ]
    for swapper in swappers:
        swapper.start()
    outcomes: dict[str, int] = {}
    try:
        deadline = time.monotonic() + 4.0
        while time.monotonic() < deadline:
            spec = ground.spec(engine=engine, plate=str(plate / "plate.%04d.exr"), output=str(result / "out.%04d.exr"))
            spec.extend.format.size.CopyFrom(Size(width=16, height=8 if engine == "copycat" else 12))
            try:
                job = ground.service.finish(ground.service.create(spec).id)
                outcome = JobState.Name(job.state) + job.error.code
            except grpc.RpcError as error:
                outcome = problems(error)[0][0]
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
    finally:
        end.set()
        for swapper in swappers:
            swapper.join()
    assert swaps[0] > 200
    assert sum(outcomes.values()) >= 3, outcomes
    assert "OUTSIDE_ROOTS" in outcomes or "JOB_STATE_FAILEDOUTSIDE_ROOTS" in outcomes, outcomes
    assert list(outer.iterdir()) == []
    written = [path for path in inner.rglob("*.exr") if not path.name.startswith(".")]
    for path in written:
        assert SECRET not in values(path), path
    kept = list((ground.service.home / "cache").rglob("*")) + list((ground.service.home / "jobs").rglob("*"))
    secret = np.float16(SECRET).tobytes() * 8
    assert not any(secret in path.read_bytes() for path in kept if path.is_file())
    assert len(list(bad.iterdir())) == 3


def test_roots_know_where_a_path_leads(tmp_path: Path) -> None:
    tmp_path = tmp_path.resolve()
    (tmp_path / "in").mkdir()
    (tmp_path / "in-not").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "alias").symlink_to(tmp_path / "in")
    roots = Roots(read=[tmp_path / "alias"])
    for good in ("in", "in/a", "alias/a.%04d.exr", "in-not/../in/a", "in/new/new/a"):
        roots.check_read(f"{tmp_path}/{good}")
    for bad in ("in-not/a", "in/../a", "a", "loop/a", "alias/../a", ""):
        with pytest.raises(Exception, match="no folder that may be read from"):
            roots.check_read(f"{tmp_path}/{bad}", "plate.path")
    with pytest.raises(Exception, match="written to"):
        roots.check_write(tmp_path / "in/a")
    Roots().check_write("/anywhere")
