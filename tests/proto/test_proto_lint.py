"""The wire contract keeps to buf's rules, and its stubs can be used."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROTO = Path(__file__).resolve().parents[2] / "proto"
FILES = sorted(path.stem for path in (PROTO / "overscan/v1").glob("*.proto"))


def _buf() -> str:
    beside = Path(sys.executable).with_name("buf")
    found = str(beside) if beside.exists() else shutil.which("buf")
    assert found, "buf comes with the extra `dev` (buf-bin)"
    return found


def test_buf_lint():
    done = subprocess.run([_buf(), "lint"], cwd=PROTO, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_buf_lint_would_find_something(tmp_path):
    shutil.copytree(PROTO, tmp_path / "proto")
    path = tmp_path / "proto/overscan/v1/frames.proto"
    path.write_text(path.read_text() + "\nmessage no_comment { int32 BadName = 1; }\n")
    done = subprocess.run([_buf(), "lint"], cwd=tmp_path / "proto", capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    for rule in ("PascalCase", "lower_snake_case", "comment"):
        assert rule in done.stdout, done.stdout


@pytest.mark.parametrize("name", FILES)
def test_stubs(name):
    messages = importlib.import_module(f"overscan.v1.{name}_pb2")
    assert messages.DESCRIPTOR.package == "overscan.v1"
    for service, descriptor in messages.DESCRIPTOR.services_by_name.items():
        stubs = importlib.import_module(f"overscan.v1.{name}_pb2_grpc")
        assert hasattr(stubs, f"{service}Stub") and hasattr(stubs, f"{service}Servicer")
        assert all(hasattr(getattr(stubs, f"{service}Servicer"), method.name) for method in descriptor.methods)


def test_there_is_all_of_it():
    services = {
        service
        for name in FILES
        for service in importlib.import_module(f"overscan.v1.{name}_pb2").DESCRIPTOR.services_by_name
    }
    assert services == {"AdminService", "EngineService", "FrameService", "GenerationService"}
    spec = importlib.import_module("overscan.v1.job_pb2").JobSpec.DESCRIPTOR
    tasks = {field.name for field in spec.oneofs_by_name["task"].fields}
    assert {"extend", "inpaint", "interpolate", "generate"} <= tasks
    assert len(tasks) == 5
