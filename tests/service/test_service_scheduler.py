"""The scheduler by itself, where the store fails it, an engine's progress goes back, and a share does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from overscan.core.engines import Plan, Step
from overscan.service._errors import StoreUnavailableError
from overscan.service._settings import Settings
from overscan.service.scheduling import lineup
from overscan.service.scheduling.job_run import Assignment
from overscan.service.scheduling.scheduler import Scheduler
from overscan.service.store.events import EventLog
from overscan.service.store.queue_rows import recent_usage
from overscan.service.store.store import Store, open_store
from overscan.service.store.writer import NewJob, Writer
from overscan.service.wire.convert import plan_to_wire, without_steps
from overscan.service.workers.messages import FrameChecked, Progress
from overscan.v1.job_pb2 import JobEvent, JobSpec, JobState, JobStateChanged

JOB = "a" * 32
CANCELLED, PAUSED, QUEUED, SUCCEEDED = (
    JobState.JOB_STATE_CANCELLED,
    JobState.JOB_STATE_PAUSED,
    JobState.JOB_STATE_QUEUED,
    JobState.JOB_STATE_SUCCEEDED,
)


@dataclass
class Desk:
    """A scheduler with one job of two steps, and a store that fails when it is told to."""

    store: Store
    log: EventLog
    scheduler: Scheduler
    settings: Settings
    broken: threading.Event
    writes_left: int = 0

    def take(self) -> Assignment:
        work = self.scheduler.take(timeout_seconds=0.0, slot="slot")
        assert work is not None
        return work

    def state(self) -> int | None:
        return self.store.state(job_id=JOB)

    def states(self) -> list[int]:
        events = [JobEvent.FromString(row.payload) for row in self.store.events(job_id=JOB, after=0)]
        return [event.state_changed.state for event in events if event.HasField("state_changed")]


@pytest.fixture
def desk(tmp_path: Path, make_spec: Callable[..., JobSpec], monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    settings = Settings(home=tmp_path / "home")
    settings.make_folders()
    store = open_store(settings)
    log = EventLog(store=store)
    broken = threading.Event()
    found = Desk(store, log, Scheduler(store=store, log=log, settings=settings), settings, broken)
    write = store.write

    @contextmanager
    def writes() -> Iterator[Writer]:
        if broken.is_set():
            if not found.writes_left:
                raise StoreUnavailableError("gone for now.", next_step="Wait.")
            found.writes_left -= 1
        with write() as writer:
            yield writer

    monkeypatch.setattr(store, "write", writes)
    steps = (
        Step(id="prepare", kind="analyse", title="Look", weight=0.1),
        Step(id="render-0", kind="render", title="Paint", frames=(1001,), needs=("prepare",), weight=0.9),
    )
    wire = plan_to_wire(Plan(steps=steps, frames=(1001,)), engine="copycat", version="1")
    new = NewJob(
        id=JOB,
        request_id="once",
        spec=make_spec(last=1001).SerializeToString(),
        plan=without_steps(wire),
        whole_plan=wire.SerializeToString(),
        parameters="{}",
        priority=0,
        output_key="out",
        labels={"show": "", "sequence": "", "shot": "", "artist": "ada"},
        steps=[step.id for step in steps],
        frames=(1001,),
    )
    log.emit(JobEvent(job_id=JOB, state_changed=JobStateChanged(state=QUEUED)), change=lambda to: to.add_job(new))
    found.scheduler.control.enter(job_id=JOB)
    yield found
    broken.clear()
    store.close()


def test_progress_of_one_attempt_never_falls(desk: Desk) -> None:
    desk.scheduler.finished(desk.take())
    work = desk.take()
    seen = []
    with desk.log.watch(job_id=JOB) as watcher:
        for fraction in (0.2, 0.9, 0.4, 0.95, 0.0):  # an engine walks through time, writes frames, and walks again
            work.run.next_progress = 0.0
            desk.scheduler.report(work, Progress(fraction=fraction, message="painting"))
            event = watcher.get(timeout_seconds=1.0)
            assert event is not None
            seen.append((event.step_progress.step, event.step_progress.job))
            standing = desk.scheduler.standing(job_id=JOB)
            assert standing is not None
            assert standing.progress == pytest.approx(event.step_progress.job)
    assert [step for step, _ in seen] == pytest.approx([0.2, 0.9, 0.9, 0.95, 0.95])
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("ask", "first_writes", "end"),
    [("cancel", 0, CANCELLED), ("cancel", 1, CANCELLED), ("pause", 1, PAUSED), ("pause", 2, PAUSED)],
)
def test_an_end_that_the_store_did_not_take_comes_when_it_can(
    desk: Desk, ask: str, first_writes: int, end: int
) -> None:
    desk.scheduler.finished(desk.take())  # loaded, and nothing of it runs
    call = getattr(desk.scheduler.control, ask)
    desk.writes_left = first_writes
    desk.broken.set()
    with pytest.raises(StoreUnavailableError):
        call(job_id=JOB, wait_seconds=0.1)
    desk.scheduler.tick()
    desk.broken.clear()
    if first_writes:
        assert desk.scheduler.take(timeout_seconds=0.0) is None
        time.sleep(lineup._SETTLE_SECONDS)
        desk.scheduler.tick()
    else:
        call(job_id=JOB, wait_seconds=0.1)  # nothing had happened
    assert desk.state() == end
    call(job_id=JOB, wait_seconds=0.1)
    assert desk.states() == [QUEUED, JobState.JOB_STATE_RUNNING, end]
    assert not desk.scheduler.has_work()


def test_a_step_whose_end_is_told_twice_counts_once(desk: Desk) -> None:
    desk.scheduler.finished(desk.take())
    work = desk.take()
    stopper = threading.Thread(target=desk.scheduler.control.cancel, kwargs={"job_id": JOB, "wait_seconds": 5.0})
    stopper.start()
    while not work.stop.requested:
        time.sleep(0.01)
    desk.writes_left = 1
    desk.broken.set()
    with pytest.raises(StoreUnavailableError):  # the step was written down, the end of the job was not
        desk.scheduler.finished(work)
    desk.broken.clear()
    desk.scheduler.tick()
    desk.scheduler.finished(work)  # as a slot does
    stopper.join()
    assert desk.states() == [QUEUED, JobState.JOB_STATE_RUNNING, CANCELLED]


def test_a_store_that_is_gone_does_not_keep_the_service_from_closing(desk: Desk) -> None:
    desk.scheduler.finished(desk.take())
    desk.broken.set()
    desk.scheduler.close()
    assert desk.scheduler.take(timeout_seconds=5.0) is None
    desk.broken.clear()
    again = Scheduler(store=desk.store, log=desk.log, settings=desk.settings)
    again.resume()
    assert desk.state() == QUEUED
    assert again.take(timeout_seconds=0.0) is not None


def test_the_check_of_a_result_is_charged_too(desk: Desk) -> None:
    for _ in range(2):
        desk.scheduler.finished(desk.take())
    before = recent_usage(desk.store, since_us=0)[0][1]
    work = desk.take()
    assert work.step is None
    time.sleep(0.3)
    found = FrameChecked(frame=1001, samples=1, differing=0, first_difference="", total=1)
    desk.scheduler.report(work, found)
    desk.scheduler.finished(work)
    assert desk.state() == SUCCEEDED
    artist, seconds, _ = recent_usage(desk.store, since_us=0)[0]
    assert artist == "ada"
    assert seconds >= before + 0.3


def test_a_full_home_is_waited_for_before_a_job_is_begun(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(desk.settings.home))

    with monkeypatch.context() as patch:
        patch.setattr(lineup, "to_job", full)
        with pytest.raises(OSError, match="No space"):  # which slots try again
            desk.take()
    assert desk.state() == QUEUED
    assert desk.take().id == "prepare"


def test_a_share_that_does_not_answer_holds_nobody_up_for_long(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    left = tmp_path / f".overscan-{JOB}-1001.exr"
    answers = threading.Event()
    listing = Path.iterdir

    def slow(folder: Path) -> Iterator[Path]:
        found = list(listing(folder))
        if folder == tmp_path:
            answers.wait(20)
        return iter(found)

    left.touch()
    monkeypatch.setattr(Path, "iterdir", slow)
    monkeypatch.setattr(lineup, "_SWEEP_SECONDS_MAX", 0.3)
    desk.scheduler.finished(desk.take())
    begun = time.monotonic()
    desk.scheduler.control.cancel(job_id=JOB, wait_seconds=5.0)
    assert time.monotonic() - begun < 2.0
    assert desk.state() == CANCELLED
    answers.set()
    time.sleep(0.2)
    assert left.exists(), "it may be a later attempt's by now"
