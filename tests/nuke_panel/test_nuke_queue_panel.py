"""The queue panel on a screen, with a real bridge and a real service behind it."""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Cli

BLOCK_SECONDS_MAX = 0.05
"""Nothing of ours may keep the host's main thread longer."""


class Opened:
    """Stands where the graph is: notes which results were opened."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.refusal: Exception | None = None

    def __call__(self, job: dict[str, Any]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.jobs.append(job)


@pytest.fixture
def opened() -> Opened:
    return Opened()


@pytest.fixture
def panel(screen: Any, bridge: Any, opened: Opened) -> Iterator[Any]:
    from overscan_nuke.panel._queue import QueuePanel

    made = QueuePanel(bridge=bridge, artist="anna", open_result=opened, open_preferences=lambda: None)
    made.resize(640, 680)
    yield made
    made.shut_down()
    made.close()
    made.deleteLater()
    screen.settle()


def create(bridge: Any, job: dict[str, Any]) -> str:
    return bridge.request("job.create", {"job": job, "request_id": str(uuid.uuid4())})["id"]


def take_picture(panel: Any, shots: Path | None, name: str) -> None:
    if shots is not None:
        assert panel.grab().save(str(shots / f"{name}.png"))


def coloured(panel: Any, colour: str) -> int:
    """How many of the panel's pixels have nearly this colour."""
    from overscan_nuke.panel._qt import QtGui

    image, wanted, count = panel.grab().toImage(), QtGui.QColor(colour), 0
    for y in range(0, image.height(), 2):
        for x in range(0, image.width(), 2):
            found = image.pixelColor(x, y)
            channels = ((found.red(), wanted.red()), (found.green(), wanted.green()), (found.blue(), wanted.blue()))
            count += all(abs(one - other) < 12 for one, other in channels)
    return count


def test_a_service_that_does_not_run_is_said_and_started_on_request(
    panel: Any, screen: Any, environment: dict[str, str], shots: Path | None
) -> None:
    command = Cli(home=Path(environment["OVERSCAN_HOME"]), cwd=Path(environment["OVERSCAN_HOME"]))
    command.stop_service()
    panel.show()
    screen.until(lambda: panel.board.service == "down")
    assert command.announced is None or not command.alive(command.announced["pid"]), "looking starts nothing"
    assert panel.empty.head.text() == "The service is not running"
    assert panel.empty.button.text() == "Start"
    take_picture(panel, shots, "down")
    panel.empty.button.click()
    assert panel.board.service == "starting"
    screen.until(lambda: panel.board.service == "up")
    assert command.alive(command.announced["pid"])


def test_a_job_is_followed_from_its_first_frame_to_its_result(
    panel: Any, screen: Any, bridge: Any, job_for: Any, opened: Opened, shots: Path | None
) -> None:
    from overscan_nuke.panel import _style as style

    panel.show()
    job_id = create(bridge, job_for("Extend1", pause=0.8))
    panel.board.refresh()
    screen.until(lambda: job_id in panel.board.jobs)
    panel.choose(job_id)
    job = panel.board.jobs[job_id]
    screen.until(lambda: job.state == "running" and job.frames_done >= 1 and job.preview)
    assert job.title == "Extend1 v001"
    assert 0 < job.progress < 1
    assert "of 4 frames" in panel.details.state.text()
    assert panel.details.cancel.isVisible() and not panel.details.retry.isVisible()
    assert "1 running" in panel.summary.text()
    assert coloured(panel, style.ACCENT) > 20, "progress is painted"
    take_picture(panel, shots, "running")
    screen.until(lambda: job.state == "succeeded")
    assert job.progress == 1 and job.frames_done == 4
    assert "0 of" in panel.details.facts.text(), "what the check of the plate found"
    assert panel.details.open.isEnabled() and not panel.details.cancel.isVisible()
    take_picture(panel, shots, "succeeded")
    panel.details.open.click()
    assert [entry["id"] for entry in opened.jobs] == [job_id]


def test_a_failure_says_why_and_what_to_do_and_retry_goes_on(
    panel: Any, screen: Any, bridge: Any, job_for: Any, environment: dict[str, str], shots: Path | None
) -> None:
    mended = Path(environment["GREY_MENDED"])
    mended.unlink(missing_ok=True)
    panel.show()
    job_id = create(bridge, job_for("Extend2", fail_at=1003))
    panel.board.refresh()
    screen.until(lambda: job_id in panel.board.jobs)
    panel.choose(job_id)
    job = panel.board.jobs[job_id]
    screen.until(lambda: job.state == "failed")
    assert "this frame was made to fail" in panel.details.trouble.text()
    assert panel.details.next_step.text().startswith("Mend it.")
    assert "Retry" in panel.details.next_step.text()
    assert panel.details.retry.isVisible() and not panel.details.cancel.isVisible()
    take_picture(panel, shots, "failed")
    mended.touch()
    panel.details.retry.click()
    screen.until(lambda: job.state == "succeeded")
    assert not panel.details.trouble.isVisible()
    mended.unlink()


def test_cancel_stops_a_job(panel: Any, screen: Any, bridge: Any, job_for: Any) -> None:
    panel.show()
    job_id = create(bridge, job_for("Extend3", pause=5))
    panel.board.refresh()
    screen.until(lambda: job_id in panel.board.jobs and panel.board.jobs[job_id].state == "running")
    panel.choose(job_id)
    panel.details.cancel.click()
    screen.until(lambda: panel.board.jobs[job_id].state == "cancelled")
    assert panel.details.retry.isVisible()


def test_filters(panel: Any, screen: Any, bridge: Any, job_for: Any) -> None:
    panel.show()
    hers = create(bridge, job_for("Clean1"))
    his = create(bridge, job_for("Sky1", artist="ben"))
    panel.board.refresh()
    screen.until(lambda: {hers, his} <= set(panel.board.jobs))
    assert panel.model.row_of(hers).isValid() and not panel.model.row_of(his).isValid()
    panel.everyone.setChecked(True)
    assert panel.model.row_of(his).isValid()
    panel.search.setText("sky1 ben")
    assert panel.model.row_of(his).isValid() and not panel.model.row_of(hers).isValid()
    panel.search.setText("no such thing")
    assert panel.empty.head.text() == "No job matches"
    panel.empty.button.click()
    assert panel.model.row_of(hers).isValid()
    panel.mine.setChecked(True)
    assert not panel.model.row_of(his).isValid()


def test_jobs_of_before_have_their_picture_and_frames(panel: Any, screen: Any, bridge: Any, job_for: Any) -> None:
    job_id = create(bridge, job_for("Before1"))
    deadline = time.monotonic() + 60
    while bridge.request("job.get", {"job_id": job_id})["state"] != "succeeded":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    panel.show()
    screen.until(lambda: job_id in panel.board.jobs)
    panel.choose(job_id)
    job = panel.board.jobs[job_id]
    screen.until(lambda: bool(job.preview))
    assert job.state == "succeeded"
    assert any("grey" in warning["message"] for warning in job.warnings)


def test_a_result_that_cannot_be_opened_is_said(
    panel: Any, screen: Any, bridge: Any, job_for: Any, opened: Opened
) -> None:
    panel.show()
    job_id = create(bridge, job_for("Gone1"))
    panel.board.refresh()
    screen.until(lambda: job_id in panel.board.jobs and panel.board.jobs[job_id].state == "succeeded")
    panel.choose(job_id)
    opened.refusal = RuntimeError("No frame of this result is on disk any more.")
    panel.details.open.click()
    assert "No frame of this result" in panel.details.trouble.text()
    opened.refusal = None
    panel.details.open.click()
    assert not panel.details.trouble.isVisible()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills processes as only POSIX can")
def test_kills_of_bridge_and_service_heal_by_themselves(
    panel: Any, screen: Any, bridge: Any, job_for: Any, environment: dict[str, str]
) -> None:
    panel.show()
    job_id = create(bridge, job_for("Killed1", pause=1.0))
    panel.board.refresh()
    screen.until(lambda: job_id in panel.board.jobs and panel.board.jobs[job_id].state == "running")
    os.kill(bridge.process_id, signal.SIGKILL)
    home = Path(environment["OVERSCAN_HOME"])
    os.kill(Cli(home=home, cwd=home).announced["pid"], signal.SIGKILL)
    screen.until(lambda: panel.board.jobs[job_id].state == "succeeded", seconds=120)


def test_a_bridge_that_cannot_start_is_said_in_plain_words(screen: Any, shots: Path | None) -> None:
    from overscan_host import Bridge
    from overscan_nuke.panel._queue import QueuePanel

    bridge = Bridge(
        command=[sys.executable, "-c", "raise SystemExit('no licence for helpers today')"],
        host="tests", host_version="1", plugin_version="0.1.0", queue=screen.queue,
    )  # fmt: skip
    panel = QueuePanel(bridge=bridge, artist="anna", open_result=print, open_preferences=lambda: None)
    panel.resize(640, 480)
    panel.show()
    screen.until(lambda: panel.board.service == "unreachable")
    assert panel.empty.head.text() == "Overscan cannot be reached"
    assert "no licence for helpers today" in panel.empty.text.text()
    assert panel.empty.button.text() == "Try again"
    take_picture(panel, shots, "unreachable")
    panel.shut_down()
    panel.close()
    bridge.close()


def test_long_queues_and_odd_names_keep_the_screen_alive(screen: Any, bridge: Any) -> None:
    """What a list of 200 jobs with 5000 events costs the main thread, piece by piece."""
    from overscan_nuke.panel._queue import QueuePanel

    panel = QueuePanel(bridge=bridge, artist="anna", open_result=print, open_preferences=lambda: None)
    panel.resize(640, 680)
    panel.show()
    panel.hide()  # asks for nothing by itself
    screen.settle()
    longest = 0.0

    def timed(call: Callable[[], object]) -> None:
        nonlocal longest
        began = time.process_time()
        call()
        longest = max(longest, time.process_time() - began)

    name = "<b>sh_010</b> & überblendung " + "x" * 300
    jobs = [
        {
            "id": f"{number:032x}", "state": "failed" if number % 3 else "succeeded", "progress": 0.5,
            "spec": {"plate": {"path": f"/p/{name}.%04d.exr"}, "extend": {}, "labels": {"artist": "anna"},
                     "output": {"path": f"/o/v001/{name}.%04d.exr"}},
            "plan": {"frames": "-5-894"}, "error": {"message": f"Why: {name}", "next_step": "Do it."},
        }
        for number in range(200)
    ]  # fmt: skip
    timed(lambda: panel.board._hear_list({"jobs": jobs}))
    timed(lambda: panel.board._hear_list({"jobs": jobs}))
    panel.resize(320, 500)
    timed(lambda: panel.choose(jobs[0]["id"]))
    for number in range(5000):
        event = {"number": number + 1, "frame_finished": {"frame": number, "path": "/o/x.exr"}}
        timed(lambda event=event: panel.board._hear_event(jobs[1]["id"], event))
    timed(panel.grab)
    panel.shut_down()
    panel.close()
    assert panel.model.rowCount() == 200
    assert longest < BLOCK_SECONDS_MAX, f"{longest * 1000:.0f} ms"
