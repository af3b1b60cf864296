"""docs/hardening.md says what is so: roles, settings, limits, and every file of a home with its mode."""

from __future__ import annotations

import re
import stat
import sys
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "service"))

from guarded import add_user  # noqa: E402
from serving import FIRST, Service, running_services  # noqa: E402

from overscan.service._settings import Settings  # noqa: E402
from overscan.service.security.message_limits import BYTES_MAX  # noqa: E402
from overscan.service.security.roles import CHANGES, LEAST_ROLES  # noqa: E402
from overscan.v1.geometry_pb2 import Size  # noqa: E402
from overscan.v1.job_pb2 import JobSpec, JobState  # noqa: E402

PAGE = (ROOT / "docs" / "hardening.md").read_text(encoding="utf-8")
SECURITY = ("roots_", "tls_", "users_", "socket_", "quota_", "pixels_", "inspector_memory", "audit_", "metrics_")


def table(heading: str) -> Iterator[list[str]]:
    """The rows of the table under a heading, cell by cell."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    for line in section.splitlines():
        if line.startswith("| ") and not line.startswith(("| what", "| call ", "| in the", "| threat")):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_of_roles_is_the_service_s() -> None:
    said = {}
    for call, role in table("Users and roles"):
        name = call.strip("`")
        said[f"/{name}" if name.startswith("grpc.") else f"/overscan.v1.{name}"] = role
    assert said == {method: role.word for method, role in LEAST_ROLES.items()}


def test_every_setting_it_names_is_one_and_every_one_of_security_is_named() -> None:
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", PAGE)) | {"listen"}
    named -= {"safe_load"}
    fields = set(Settings.model_fields)
    assert named - fields <= {"yaml.safe_load"}, named - fields
    assert {name for name in fields if name.startswith(SECURITY)} <= named | {"tls_key"}


def test_its_limits_are_the_defaults() -> None:
    rows = {setting: limit for _, limit, settings in table("Limits") for setting in re.findall(r"`([^`]+)`", settings)}
    defaults = {name: Settings.model_fields[name].default for name in rows}
    for name, text in (
        ("quota_jobs_per_user", "1,000"),
        ("quota_upload_bytes_per_user", "10¹² bytes"),
        ("quota_streams_per_user", "16"),
        ("pixels_max", "2²⁹"),
        ("plan_seconds_max", "300 s"),
    ):
        assert rows[name] == text
        number = {"10¹² bytes": 10**12, "2²⁹": 2**29}.get(text) or float(text.replace(",", "").removesuffix(" s"))
        assert defaults[name] == number
    assert (defaults["quota_frames_per_job"], defaults["quota_pixels_per_job"]) == (100_000, 2 * 10**12)
    assert defaults["quota_calls_per_second"] == 200
    assert BYTES_MAX == 4 << 20


def test_the_calls_that_the_audit_log_has_are_named() -> None:
    section = PAGE.split("\n## The audit log\n", 1)[1].split("\n## ", 1)[0]
    assert {method.rpartition("/")[2] for method in CHANGES} <= set(re.findall(r"`([A-Za-z]+)`", section))


@pytest.mark.skipif(sys.platform == "win32", reason="modes")
def test_every_file_of_a_home_is_in_the_table_with_its_mode(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import numpy as np
    import OpenImageIO

    plate = tmp_path_factory.mktemp("plate") / f"plate.{FIRST}.exr"
    output = OpenImageIO.ImageOutput.create(str(plate))
    assert output.open(str(plate), OpenImageIO.ImageSpec(16, 8, 3, "half"))
    assert output.write_image(np.full((8, 16, 3), 0.5, np.float32))
    output.close()
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    add_user(home, "ana", "artist")
    (tmp_path / "packages").mkdir()
    spec = JobSpec(engine="plate")
    spec.plate.path = str(plate)
    spec.plate.color_space = "ACEScg"
    spec.extend.format.size.CopyFrom(Size(width=16, height=8))
    spec.output.path = str(tmp_path / "out.%04d.exr")
    import os

    python_path = os.pathsep.join(filter(None, [str(tmp_path / "packages"), os.environ.get("PYTHONPATH", "")]))
    with running_services(python_path, tmp_path) as run:
        service: Service = run("--address", "127.0.0.1:0", "--workers", "1", "--set", "log_to=both")
        service.channel.close()
        import grpc
        from guarded import bearer

        from overscan.v1 import generation_service_pb2 as pb
        from overscan.v1.generation_service_pb2_grpc import GenerationServiceStub

        with grpc.insecure_channel(service.address) as channel:
            stub = GenerationServiceStub(channel)
            own = bearer(service.token)
            job = stub.CreateJob(pb.CreateJobRequest(spec=spec), metadata=own, timeout=60).job
            for _ in stub.WatchJob(pb.WatchJobRequest(job_id=job.id), metadata=own, timeout=120):
                pass
            job = stub.GetJob(pb.GetJobRequest(job_id=job.id), metadata=own, timeout=30).job
        assert job.state == JobState.JOB_STATE_SUCCEEDED, job.error
        deadline = time.monotonic() + 10.0
        while any((home / "jobs").iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)  # a work folder goes just after its job's end was told
        found = sorted(path for path in home.iterdir() if path.name != "service.log")  # the test's own
        rows: dict[str, str] = {}
        for cells in table("What is stored where"):
            patterns = re.findall(r"`([^`]+)`", cells[0])
            for pattern in patterns:
                rows[f"{patterns[0]}{pattern}" if pattern.startswith(("-", ".")) else pattern] = cells[2]
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        for path in found:
            name = f"{path.name}/" if path.is_dir() else path.name
            fitting = [mode for pattern, mode in rows.items() if fnmatch(name, pattern)]
            assert fitting, f"{name} is not in docs/hardening.md"
            if fitting[0].startswith("0"):
                assert f"{stat.S_IMODE(path.stat().st_mode):04o}" == fitting[0][:4], name
        there = {f"{path.name}/" if path.is_dir() else path.name for path in found}
        for name in ("jobs/", "cache/", "logs/", "run/", "receipts/", "uploads/", "results/", "keys/", "users.json"):
            assert name in there
        for path in (home / "keys").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600 or path.suffix == ".pem", path
        token = service.token.encode()
        holders = [path.name for path in home.rglob("*") if path.is_file() and token in path.read_bytes()]
        assert holders == ["service.json"]
