"""The client against real services: found, started, lost, and found again."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from overscan.client import (
    ENDED,
    Client,
    ServiceError,
    ServiceUnreachableError,
    announced_endpoint,
    connect,
    frames_to_text,
    parse_job,
)
from overscan.v1.engine_pb2 import Task
from overscan.v1.job_pb2 import JobSpec, JobState


@pytest.fixture
def client(own_cli, monkeypatch: pytest.MonkeyPatch):
    """A client of a home with no service yet, which installs the grey engine in the services it starts."""
    for name, value in own_cli.environment.items():
        monkeypatch.setenv(name, value)
    with connect(home=own_cli.home) as client:
        yield client


def job(folder: Path, **parameters: object) -> JobSpec:
    return parse_job(
        {
            "plate": "plate.%04d.exr",
            "extend": {"format": "48x24"},
            "engine": "grey",
            "controls": {"parameters": parameters},
            "output": {"path": "o.%04d.exr", "extras": "none"},
        },
        folder=folder,
    )


def test_a_job_from_plan_to_verification(client: Client, plate: str, tmp_path: Path) -> None:
    spec = job(tmp_path)
    plan = client.plan(spec=spec)
    assert plan.feasible
    assert frames_to_text(plan.frames) == "1001-1004"
    created = client.create(spec=spec, request_id="b2c1d9de-0d9b-4f0e-8f0a-6a6f9d3b7c11")
    again = client.create(spec=spec, request_id="b2c1d9de-0d9b-4f0e-8f0a-6a6f9d3b7c11")
    assert again.id == created.id
    events = list(client.watch(job_id=created.id))
    assert events[-1].state_changed.state == JobState.JOB_STATE_SUCCEEDED
    assert [event.number for event in events] == sorted({event.number for event in events})
    lasting = [event for event in events if event.WhichOneof("event") in ("state_changed", "frame_finished")]
    later = list(client.watch(job_id=created.id, after_number=lasting[-3].number))
    numbers = [event.number for event in later if event.WhichOneof("event") in ("state_changed", "frame_finished")]
    assert numbers == [event.number for event in lasting[-2:]]
    assert list(client.watch(job_id=created.id, after_number=events[-1].number)) == []
    assert client.get(job_id=created.id[:8]).state in ENDED
    assert [item.id for item in client.list(limit=5)] == [created.id]
    assert list(client.list(states=[JobState.JOB_STATE_FAILED])) == []
    last = list(client.verify(path=spec.output.path))[-1]
    assert last.frames_done == last.frames_total == 4
    assert last.verification.samples > 0
    assert last.verification.differing == 0
    assert "grey" in [engine.name for engine in client.engines(task=Task.TASK_INPAINT)]


def test_problems_come_with_all_their_facts(client: Client, plate: str, tmp_path: Path) -> None:
    spec = job(tmp_path)
    spec.plate.path = str(tmp_path / "none.%04d.exr")
    assert [problem.code for problem in client.plan(spec=spec).problems] == ["MISSING_FRAMES"]
    with pytest.raises(ServiceError) as caught:
        client.create(spec=spec)
    problem = caught.value.problems[0]
    assert caught.value.code == problem.code == "MISSING_FRAMES"
    assert problem.path == spec.plate.path
    assert problem.message
    assert problem.next_step
    assert not caught.value.connection_lost


def test_the_same_request_with_another_job_is_refused(client: Client, plate: str, tmp_path: Path) -> None:
    spec = job(tmp_path, pause=0.5)
    client.create(spec=spec, request_id="one")
    spec.output.path = str(tmp_path / "other.%04d.exr")
    with pytest.raises(ServiceError) as caught:
        client.create(spec=spec, request_id="one")
    assert caught.value.code == "REQUEST_CONFLICT"


def test_a_watch_goes_on_when_the_service_is_killed(client: Client, own_cli, plate: str, tmp_path: Path) -> None:
    created = client.create(spec=job(tmp_path, pause=0.4))
    numbers, frames, killed = [], [], False
    for event in client.watch(job_id=created.id):
        numbers.append(event.number)
        if event.WhichOneof("event") == "frame_finished":
            frames.append(event.frame_finished.frame)
            if not killed:
                os.kill(own_cli.announced["pid"], signal.SIGKILL)
                killed = True
    assert killed
    assert numbers == sorted(set(numbers))
    assert set(frames) == {1001, 1002, 1003, 1004}
    assert client.get(job_id=created.id).state == JobState.JOB_STATE_SUCCEEDED


def test_calls_find_a_service_that_ended_meanwhile(client: Client, own_cli) -> None:
    assert list(client.list()) == []
    first = own_cli.announced["pid"]
    own_cli.stop_service()
    assert list(client.list()) == []
    assert own_cli.announced["pid"] != first
    own_cli.stop_service()
    with pytest.raises(ServiceError) as caught:
        list(client.verify(path="/nowhere/o.%04d.exr"))
    assert not caught.value.connection_lost


def test_many_clients_at_once_start_one_service(own_cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in own_cli.environment.items():
        monkeypatch.setenv(name, value)
    found: list[int] = []

    def ask() -> None:
        with connect(home=own_cli.home) as client:
            found.append(client.open().pid)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(found) == 4
    assert len(set(found)) == 1


def test_cancel_and_retry(client: Client, plate: str, tmp_path: Path) -> None:
    created = client.create(spec=job(tmp_path, pause=0.5))
    for event in client.watch(job_id=created.id):
        if event.WhichOneof("event") == "frame_finished":
            client.cancel(job_id=created.id)
    assert client.get(job_id=created.id).state == JobState.JOB_STATE_CANCELLED
    client.retry(job_id=created.id)
    states = [event.state_changed.state for event in client.watch(job_id=created.id) if event.HasField("state_changed")]
    assert states[-1] == JobState.JOB_STATE_SUCCEEDED


def test_no_service_and_none_wanted(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnreachableError, match="overscan serve"):
        connect(start_private=False, home=tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"address": 1, "pid": "x"}', '{"token": ""}', "\udcff"],
)
def test_a_broken_announcement_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "service.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert announced_endpoint(home=tmp_path) is None
    with pytest.raises(ServiceUnreachableError):
        connect(start_private=False, home=tmp_path)


def test_a_service_of_another_protocol_is_told_apart(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        announced = {"address": address, "token": "", "pid": 4, "version": "9.0", "protocol": 9}
        (tmp_path / "service.json").write_text(json.dumps(announced))
        with pytest.raises(ServiceError) as caught:
            connect(start_private=False, home=tmp_path)
    assert caught.value.code == "PROTOCOL_MISMATCH"
    assert "9.0" in str(caught.value)


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:1", "unix:/nowhere/none.sock"])
def test_an_address_where_nothing_is(address: str) -> None:
    with pytest.raises(ServiceUnreachableError, match="No Overscan service answers") as caught:
        connect(address=address)
    assert caught.value.problems[0].next_step


def test_a_closed_client_says_so(client: Client) -> None:
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.engines()
