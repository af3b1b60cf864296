"""A service that is brought to rest, and one that is asked how it is while it is not well."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from serving import Service, wait_for

from overscan.service._errors import StoreUnavailableError
from overscan.service._settings import Settings
from overscan.service.calls.admin import AdminServicer
from overscan.service.calls.rpc import Activity
from overscan.service.operations.drain import Drain
from overscan.v1 import admin_service_pb2 as pb
from overscan.v1.job_pb2 import JobSpec


class Work:
    """What a drain holds; takes its time over it."""

    def __init__(self) -> None:
        self.held = False
        self.asked = threading.Event()

    def hold(self) -> None:
        self.asked.set()
        time.sleep(0.2)
        self.held = True

    def release(self) -> None:
        self.held = False

    def running_steps(self) -> int:
        return 0


@pytest.mark.parametrize("close", [False, True])
def test_an_undo_amid_a_drain_leaves_no_work_held_that_is_not_being_drained(close: bool) -> None:
    work = Work()
    drain = Drain(work=work, seconds_max=60.0)
    beginning = threading.Thread(target=lambda: drain.begin(close=close))
    beginning.start()
    assert work.asked.wait(5)
    assert drain.undo() is not close
    beginning.join()
    assert (drain.draining, work.held) == (close, close)


def test_says_the_rest_while_the_store_and_the_disk_are_away(tmp_path: Path) -> None:
    class Store:
        def read(self) -> Any:
            raise StoreUnavailableError("away.", next_step="Bring it back.")

    servicer = AdminServicer(
        settings=Settings(home=tmp_path / "absent"),
        version="1.2",
        store=Store(),  # type: ignore[arg-type]
        scheduler=SimpleNamespace(),  # type: ignore[arg-type]
        slots=(),
        drain=Drain(work=Work(), seconds_max=1.0),
        purger=SimpleNamespace(),  # type: ignore[arg-type]
        activity=Activity(),
    )
    status = inspect.unwrap(AdminServicer.GetStatus)(servicer, pb.GetStatusRequest(), None)  # type: ignore[arg-type]
    assert (status.version, len(status.jobs), status.home_bytes_free) == ("1.2", 0, 0)
    assert status.HasField("start_time")


def test_the_command_waits_for_the_end_of_what_runs_and_of_the_service(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec], ledger: Path
) -> None:
    service = start("--set", "drain_seconds_max=20")
    service.create(make_spec(last=1001, seconds=3))
    wait_for(ledger.exists)
    ended = subprocess.run(
        [sys.executable, "-m", "overscan.cli", "drain", "--close", "--wait"],
        env={**os.environ, "OVERSCAN_HOME": str(service.home)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Nothing runs any more." in ended.stdout
    assert service.process.wait(timeout=15) == 0
