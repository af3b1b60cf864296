"""Where folders lie on other systems: a table of what is what, and a job by a client on Windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from pydantic import ValidationError
from serving import FIRST, Service

from overscan.service._errors import UnmappedPathError
from overscan.service.paths.path_map import PathMap, PathMapping, Platform
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import JobSpec, JobState

WINDOWS, MACOS, LINUX = Platform.WINDOWS, Platform.MACOS, Platform.LINUX
MAPS = (
    PathMapping(windows="S:\\show", macos="/Volumes/show", linux="/mnt/show"),
    PathMapping(windows="S:\\show\\plates\\", macos="/Volumes/plates", linux="/srv/plates"),
    PathMapping(windows="\\\\filer\\vfx", linux="/mnt/vfx"),
    PathMapping(windows="X:\\", linux="/mnt/x"),
    PathMapping(macos="/Volumes/Über", linux="/mnt/ueber"),
)


@pytest.mark.parametrize(
    ("platform", "path", "here"),
    [
        (WINDOWS, "S:\\show\\sh010\\plate.%04d.exr", "/mnt/show/sh010/plate.%04d.exr"),
        (WINDOWS, "s:/SHOW/sh010/Plate.####.exr", "/mnt/show/sh010/Plate.####.exr"),
        (WINDOWS, "S:\\show", "/mnt/show"),
        (WINDOWS, "S:\\show\\plates\\a.exr", "/srv/plates/a.exr"),
        (WINDOWS, "S:\\SHOW\\Plates\\a.exr", "/srv/plates/a.exr"),
        (WINDOWS, "\\\\FILER\\vfx\\a\\b.exr", "/mnt/vfx/a/b.exr"),
        (WINDOWS, "//filer/vfx/a/b.exr", "/mnt/vfx/a/b.exr"),
        (WINDOWS, "\\\\?\\UNC\\filer\\vfx\\a.exr", "/mnt/vfx/a.exr"),
        (WINDOWS, "\\\\?\\S:\\show\\a.exr", "/mnt/show/a.exr"),
        (WINDOWS, "X:\\a.exr", "/mnt/x/a.exr"),
        (WINDOWS, "S:\\show\\\\sh010\\a.exr", "/mnt/show/sh010/a.exr"),
        (WINDOWS, "plate.exr", "plate.exr"),
        (MACOS, "/volumes/SHOW/a.exr", "/mnt/show/a.exr"),
        (MACOS, "/Volumes/U\u0308ber/a.exr", "/mnt/ueber/a.exr"),
        (MACOS, "/Volumes/shows/a.exr", "/Volumes/shows/a.exr"),
        (MACOS, "/Users/ann/a.exr", "/Users/ann/a.exr"),
        (MACOS, "/Volumes/show/a\\b.exr", "/mnt/show/a\\b.exr"),
        (LINUX, "/Volumes/show/a.exr", "/Volumes/show/a.exr"),
        (None, "S:\\show\\a.exr", "S:\\show\\a.exr"),
        (WINDOWS, "", ""),
    ],
)
def test_paths_of_clients(platform: Platform | None, path: str, here: str) -> None:
    assert PathMap(MAPS, here=LINUX).inward(path, platform) == here


@pytest.mark.parametrize(
    "path", ["S:\\shows\\a.exr", "S:\\sho\\a.exr", "C:\\Users\\ann\\a.exr", "\\\\filer\\vfx2\\a.exr", "\\\\other\\vfx"]
)
def test_paths_that_could_be_none_here(path: str) -> None:
    with pytest.raises(UnmappedPathError) as raised:
        PathMap(MAPS, here=LINUX).inward(path, WINDOWS, field="plate.path")
    assert raised.value.record.field == "plate.path"


@pytest.mark.parametrize(
    ("platform", "path", "there"),
    [
        (WINDOWS, "/mnt/show/sh010/out.%04d.exr", "S:\\show\\sh010\\out.%04d.exr"),
        (WINDOWS, "/mnt/show", "S:\\show"),
        (WINDOWS, "/srv/plates/a.exr", "S:\\show\\plates\\a.exr"),
        (WINDOWS, "/mnt/vfx/a.exr", "\\\\filer\\vfx\\a.exr"),
        (WINDOWS, "/mnt/x", "X:\\"),
        (WINDOWS, "/mnt/x/a.exr", "X:\\a.exr"),
        (WINDOWS, "/mnt/shows/a.exr", "/mnt/shows/a.exr"),
        (WINDOWS, "/MNT/show/a.exr", "/MNT/show/a.exr"),
        (MACOS, "/mnt/vfx/a.exr", "/mnt/vfx/a.exr"),
        (MACOS, "/mnt/show/a.exr", "/Volumes/show/a.exr"),
        (LINUX, "/mnt/show/a.exr", "/mnt/show/a.exr"),
    ],
)
def test_paths_for_clients(platform: Platform, path: str, there: str) -> None:
    assert PathMap(MAPS, here=LINUX).outward(path, platform) == there


def test_a_service_on_windows_knows_linux_paths() -> None:
    path_map = PathMap(MAPS, here=WINDOWS)
    assert path_map.inward("/mnt/show/a/b.exr", LINUX) == "S:\\show\\a\\b.exr"
    assert path_map.outward("s:\\Show\\a\\b.exr", LINUX) == "/mnt/show/a/b.exr"


@pytest.mark.parametrize(
    "mapping", [{"windows": "S:\\show"}, {"windows": "show", "linux": "/x"}, {"macos": "x", "linux": "/x"}, {}]
)
def test_mappings_that_make_no_sense(mapping: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        PathMapping(**mapping)


def test_a_whole_job_by_a_client_on_windows(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], plate: str, tmp_path: Path
) -> None:
    maps = f'[{{"windows": "P:\\\\\\\\", "linux": "{Path(plate).parent}"}}, '
    maps += f'{{"windows": "\\\\\\\\\\\\\\\\filer\\\\\\\\out", "linux": "{tmp_path}"}}]'
    service = start(OVERSCAN_PATH_MAPS=maps.replace("\\\\\\\\", "\\\\"))
    here = [("overscan-platform", "windows")]
    spec = make_spec(last=FIRST + 1, name="out")
    on_linux = spec.output.path
    spec.plate.path = "p:/Plate.%04d.exr".replace("Plate", "plate")
    spec.output.path = "\\\\FILER\\out\\out.%04d.exr"

    job = service.jobs.CreateJob(pb.CreateJobRequest(spec=spec), metadata=here, timeout=60).job
    assert job.spec.plate.path == "P:\\plate.%04d.exr"
    events = [event.event for event in service.jobs.WatchJob(pb.WatchJobRequest(job_id=job.id), metadata=here)]
    finished = [event.frame_finished.path for event in events if event.HasField("frame_finished")]
    assert finished == [f"\\\\filer\\out\\out.{FIRST + index}.exr" for index in range(2)]
    job = service.jobs.GetJob(pb.GetJobRequest(job_id=job.id), metadata=here).job
    assert job.state == JobState.JOB_STATE_SUCCEEDED, job.error
    assert [frame.path for frame in job.frames] == finished
    assert service.get(job.id).spec.output.path == on_linux, "a client on Linux sees its own"
    assert Path(on_linux % FIRST).exists()
    checks = service.jobs.VerifyOutput(pb.VerifyOutputRequest(path=spec.output.path), metadata=here, timeout=60)
    found = list(checks)[-1]
    assert (found.verification.frames, found.verification.differing) == (2, 0)

    def refused(**paths: str) -> error_details_pb2.ErrorInfo:
        wrong = JobSpec()
        wrong.CopyFrom(spec)
        wrong.plate.path = paths.get("plate", wrong.plate.path)
        with pytest.raises(grpc.RpcError) as raised:
            service.jobs.CreateJob(pb.CreateJobRequest(spec=wrong), metadata=here, timeout=60)
        error: Any = raised.value
        info = error_details_pb2.ErrorInfo()
        rpc_status.from_call(error).details[0].Unpack(info)
        return info

    unmapped = refused(plate="C:\\plate.%04d.exr")
    assert (unmapped.reason, unmapped.metadata["field"]) == ("UNMAPPED_PATH", "plate.path")
    missing = refused(plate="P:\\none.%04d.exr")
    assert str(Path(plate).parent) not in str(missing.metadata)
