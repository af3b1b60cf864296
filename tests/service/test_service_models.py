"""Models in a real service: which one a job takes, which device a worker sees, how a half-made frame is shown."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from model_folders import CARD, bomb, change, shard, sound, write
from serving import FIRST, Service, running_services, wait_for

from overscan.core.engines import Plan
from overscan.core.errors import ModelError
from overscan.core.models import Library, library
from overscan.core.rights.__main__ import main as rights
from overscan.service._errors import UnsupportedError
from overscan.service._settings import Settings
from overscan.service.wire.spec import to_job
from overscan.service.workers import devices as _devices
from overscan.service.workers import worker as _workers
from overscan.service.workers.devices import device_environment, render_devices
from overscan.service.workers.messages import Finished, MakePlan
from overscan.service.workers.worker import Stop, Worker
from overscan.v1 import engine_service_pb2 as engines_pb
from overscan.v1.job_pb2 import JobSpec, JobState

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def engine_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("engines")
    for name in ("shelved", "copycat"):
        shutil.copy(HERE / f"{name}.py", folder)
    info = folder / "shelved-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shelved\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[overscan.engines]\nshelved = shelved:Shelved\nunavailable = shelved:Unavailable\ncopycat = copycat:Copycat\n"
    )
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH", "")])])


@pytest.fixture
def start(engine_path: str, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    with running_services(engine_path, tmp_path) as run:
        yield run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def shelf(home: Path) -> Library:
    return library(home)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound(tmp_path / "wan")


@pytest.fixture
def approved(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[], None]:
    """Approves the library's only model, as `overscan policy approve` does."""

    def approve() -> None:
        monkeypatch.setenv("OVERSCAN_HOME", str(home))
        assert rights(["approve", CARD, "--by", "Jane Doe"]) == 0, capsys.readouterr().out

    return approve


@pytest.fixture
def spec(make_spec: Callable[..., JobSpec]) -> Callable[..., JobSpec]:
    def make(*, engine: str = "shelved", model: str = "", **parameters: object) -> JobSpec:
        asked = make_spec(**parameters)
        asked.engine = engine
        asked.model = model
        return asked

    return make


def problem(service: Service, spec: JobSpec) -> tuple[str, str, str]:
    """Code, field and words of the first thing that is wrong with a job."""
    with pytest.raises(grpc.RpcError) as caught:
        service.create(spec)
    info, field, words = "", "", []
    for detail in rpc_status.from_call(caught.value).details:
        for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.Help):
            if detail.Is(kind.DESCRIPTOR):
                unpacked = kind()
                detail.Unpack(unpacked)
                words.append(str(unpacked))
                if kind is error_details_pb2.ErrorInfo and not info:
                    info, field = unpacked.reason, unpacked.metadata.get("field", "")
    return info, field, "\n".join([caught.value.details(), *words])


def noted(ledger: Path) -> list[list[str]]:
    return [line.split() for line in ledger.read_text().splitlines()] if ledger.exists() else []


def test_a_fresh_model_is_refused_then_approved_then_runs(
    start: Callable[..., Service],
    spec: Callable[..., JobSpec],
    shelf: Library,
    folder: Path,
    approved: Callable[[], None],
    ledger: Path,
) -> None:
    service = start()
    code, field, words = problem(service, spec())
    assert (code, field) == ("UNKNOWN_MODEL", "model")
    assert "overscan models add FOLDER" in words
    model = shelf.add(folder, name="wan", card=CARD)
    code, _, words = problem(service, spec(model="wan"))
    assert code == "POLICY"
    assert f"overscan policy approve {CARD}" in words
    code, field, _ = problem(service, spec(model="another"))
    assert (code, field) == ("UNKNOWN_MODEL", "model")
    approved()
    job = service.create(spec(model="wan"))
    done = service.finish(job.id)
    assert done.state == JobState.JOB_STATE_SUCCEEDED, done
    assert len(noted(ledger)) == 4
    judged = {file.name: file.sha256 for file in done.plan.decision.weights}
    assert judged == dict(model.hashes), "every file that loading reads was judged"


def test_a_model_is_hashed_once_for_all_workers_of_a_service(
    spec: Callable[..., JobSpec],
    shelf: Library,
    folder: Path,
    home: Path,
    engine_path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = shelf.add(folder, name="wan", card=CARD)
    time.sleep(2.1)  # files that were changed a moment ago are known by their content only
    settings = Settings(home=home)
    settings.make_folders()
    monkeypatch.setenv("PYTHONPATH", engine_path)
    monkeypatch.setattr(_workers, "_hashes", {})
    body = MakePlan(job=to_job(spec(model="wan"), parameters={}))

    def planned(name: str) -> Plan:
        worker = Worker(name=name, settings=settings, plans_only=True)
        try:
            (done,) = worker.ask(body=body, stop=Stop(), stop_seconds_max=1.0)
            assert isinstance(done, Finished)
            assert isinstance(done.value, Plan)
            return done.value
        finally:
            worker.close()

    decision = planned("first").decision
    assert decision is not None
    assert {file.name: file.sha256 for file in decision.weights} == dict(model.hashes)
    assert set(_workers._hashes.values()) == set(model.hashes.values())
    # What it is told is what it goes by: it does not read the files again.
    signature = next(known for known, sha256 in _workers._hashes.items() if sha256 == model.hashes["model_index.json"])
    _workers._hashes[signature] = "f" * 64
    (problem,) = planned("second").problems
    assert "model_index.json" in problem.message
    assert "is not what it was" in problem.message


def test_a_changed_folder_stops_plans_and_running_jobs(
    start: Callable[..., Service],
    spec: Callable[..., JobSpec],
    shelf: Library,
    folder: Path,
    approved: Callable[[], None],
    ledger: Path,
    tmp_path: Path,
) -> None:
    shelf.add(shard(folder), name="wan", card=CARD)
    approved()
    service = start()
    job = service.create(spec(gate=str(tmp_path / "gate")))
    wait_for(lambda: noted(ledger))
    kept = (folder / "vae/config.json").read_bytes()
    change(folder / "vae/config.json", scaling_factor=2)
    (tmp_path / "gate").touch()
    done = service.finish(job.id)
    assert done.state == JobState.JOB_STATE_FAILED
    assert "vae/config.json" in done.error.message
    assert len(noted(ledger)) == 1, "no other step began"
    code, field, words = problem(service, spec(name="other"))
    assert (code, field) == ("MODEL", "model")
    assert "'vae/config.json' is not what it was" in words
    write(folder / "vae/config.json", kept)
    write(folder / "vae/diffusion_pytorch_model.bin", bomb(tmp_path / "ran"))
    code, _, words = problem(service, spec(name="other"))
    assert code == "MODEL"
    assert "diffusion_pytorch_model.bin" in words
    assert not (tmp_path / "ran").exists()


def test_a_malicious_folder_never_gets_as_far_as_a_job(
    start: Callable[..., Service], spec: Callable[..., JobSpec], shelf: Library, folder: Path, tmp_path: Path
) -> None:
    write(folder / "transformer/diffusion_pytorch_model.safetensors", bomb(tmp_path / "ran"))
    with pytest.raises(ModelError, match="a pickle"):
        shelf.add(folder, name="wan", card=CARD)
    # Somebody enters it by hand.
    good = sound(tmp_path / "good")
    shelf.add(good, name="wan", card=CARD)
    shutil.rmtree(good)
    folder.rename(good)
    code, _, words = problem(start(), spec(model="wan"))
    assert code == "MODEL"
    assert "diffusion_pytorch_model.safetensors" in words
    assert not (tmp_path / "ran").exists()


def test_an_engine_that_loads_no_model_takes_none(start: Callable[..., Service], spec: Callable[..., JobSpec]) -> None:
    code, field, words = problem(start(), spec(engine="copycat", model="wan"))
    assert (code, field) == ("INVALID_JOB", "model")
    assert "loads no model" in words


def test_engines_that_cannot_run_here_are_listed_with_the_reason(start: Callable[..., Service]) -> None:
    listed = {engine.name: engine for engine in start().engines.ListEngines(engines_pb.ListEnginesRequest()).engines}
    assert listed["shelved"].available
    assert not listed["unavailable"].available
    assert listed["unavailable"].title
    assert "pip install" in listed["unavailable"].unavailable_reason


def test_each_worker_sees_its_own_device(
    start: Callable[..., Service],
    spec: Callable[..., JobSpec],
    shelf: Library,
    folder: Path,
    approved: Callable[[], None],
    ledger: Path,
    tmp_path: Path,
) -> None:
    shelf.add(folder, name="wan", card=CARD)
    approved()
    there = nvidia(tmp_path, "for card in 0 1 2 3 11aa; do echo GPU-$card; done")
    service = start("--devices", "3,GPU-11aa", OVERSCAN_MODEL_MEMORY="123456789", PATH=there)
    job = service.create(spec(gate=str(tmp_path / "gate")))
    wait_for(lambda: len(noted(ledger)) == 2)
    (tmp_path / "gate").touch()
    assert service.finish(job.id).state == JobState.JOB_STATE_SUCCEEDED
    lines = noted(ledger)
    assert {line[2] for line in lines} == {"3", "GPU-11aa"}
    assert len({(line[1], line[2]) for line in lines}) == 2, "a worker keeps its device"
    assert {tuple(line[3:]) for line in lines} == {("123456789", "1", "1")}


def test_a_frame_in_the_making_is_shown(
    start: Callable[..., Service],
    spec: Callable[..., JobSpec],
    shelf: Library,
    folder: Path,
    approved: Callable[[], None],
    tmp_path: Path,
) -> None:
    shelf.add(folder, name="wan", card=CARD)
    approved()
    service = start()
    job = service.create(spec(gate=str(tmp_path / "gate"), last=FIRST))
    for event in service.watch(job.id):
        if event.event.HasField("preview"):
            assert event.event.preview.frame == FIRST
            assert not Path(job.spec.output.path % FIRST).exists(), "it is shown before it is written"
            shown = cv2.imdecode(np.frombuffer(event.event.preview.data, np.uint8), cv2.IMREAD_COLOR)
            break
    (tmp_path / "gate").touch()
    assert shown.shape == (160, 320, 3)
    assert shown[80, 40, 2] > 200, "what is beyond white is white"
    assert shown[80, 40, 0] < 60, "what is no number is black"
    assert shown[80, 280].max() < 40
    assert service.finish(job.id).state == JobState.JOB_STATE_SUCCEEDED


# ---- which devices there are


def nvidia(folder: Path, body: str) -> str:
    """A PATH with an nvidia-smi that does `body`."""
    program = write(folder / "bin" / "nvidia-smi", f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("wanted", "visible", "devices"),
    [
        ("auto", None, ("GPU-a", "GPU-b")),
        ("auto", "1,0", ("1", "0")),
        ("auto", "GPU-b", ("GPU-b",)),
        ("auto", "0,-1,1", ("0",)),
        ("auto", "", (None,)),
        ("auto", "-1", (None,)),
        ("cpu", None, ("",)),
        (" 1, 0 ,", "0", ("1", "0")),
        ("GPU-b,MIG-c", None, ("GPU-b", "MIG-c")),
    ],
)
def test_devices_are_the_cards_that_may_be_seen(
    wanted: str,
    visible: str | None,
    devices: tuple[str | None, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", nvidia(tmp_path, "echo GPU-a; echo GPU-b"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert render_devices(wanted) == devices


@pytest.mark.parametrize("wanted", ["0,2", "GPU-x", "gpu"])
def test_a_card_that_is_not_there_is_refused(wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", nvidia(tmp_path, "echo GPU-a; echo GPU-b"))
    with pytest.raises(UnsupportedError, match="no CUDA device") as caught:
        render_devices(wanted)
    assert "0 to 1" in caught.value.record.next_step
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert render_devices(wanted) == tuple(wanted.split(",")), "nothing here can tell"


@pytest.mark.parametrize("body", ["exit 9", "echo no devices were found", "sleep 5"])
def test_without_a_card_there_is_one_worker(body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_devices, "_LIST_SECONDS_MAX", 0.5)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", nvidia(tmp_path, body))
    assert render_devices("auto") == (None,)
    assert device_environment(None) == {}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert render_devices("auto") == (None,)
    assert not re.search("nvidia", str(device_environment("")))
