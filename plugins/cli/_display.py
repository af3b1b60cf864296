"""Progress of a job: a bar for terminals, lines for logs, JSON for scripts."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from overscan.cli._report import Report, problem_facts
from overscan.cli._words import duration, plural
from overscan.client import count_frames, enum_word, to_plain
from overscan.v1.job_pb2 import Job, JobEvent, JobState, Verification
from overscan.v1.plan_pb2 import Notice

_LINE_SECONDS = 2.0
"""Least time between two progress lines in a log."""


class Display(Protocol):
    """Shows what happens to a job."""

    def begin(self, job: Job) -> None:
        """The job is there."""

    def event(self, event: JobEvent) -> None:
        """Something happened to it."""

    def note(self, text: str) -> None:
        """Something the command itself has to say, for people."""

    def end(self) -> None:
        """Nothing more comes; may be called twice."""


def display_for(report: Report) -> Display:
    """The display that fits where the output goes."""
    if report.json:
        return JsonDisplay(report)
    if sys.stderr.isatty():
        return BarDisplay()
    return LineDisplay(report)


def state_word(state: JobState.ValueType) -> str:
    """The state in a word, e.g. ``running``."""
    return enum_word(JobState.DESCRIPTOR, state)


def verification_sentence(verification: Verification) -> str:
    """What the check of promise 1 found."""
    return (
        f"{verification.differing:,} of {verification.samples:,} samples outside the generated region differ "
        f"from the plate ({plural(verification.frames, 'frame')} compared)"
    )


@contextlib.contextmanager
def counter(report: Report, doing: str) -> Iterator[Callable[[int, int], None]]:
    """Shows a count; gives what is to be called with the frames done and the frames in all."""
    if report.json or not sys.stderr.isatty():
        yield lambda done, total: report.record(
            "progress", {"message": doing, "frames_done": done, "frames_total": total}
        )
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        row = bar.add_task(doing, total=None)
        yield lambda done, total: bar.update(row, completed=done, total=total)


class JsonDisplay:
    """Every event as one line."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def begin(self, job: Job) -> None:
        """Write the job's id, state and frames."""
        facts = {"job_id": job.id, "state": state_word(job.state), "output": job.spec.output.path}
        warnings = [to_plain(notice, defaults=True) for notice in job.warnings or job.plan.warnings]
        self._report.record("job", {**facts, "frames": to_plain(job.plan.frames), "warnings": warnings})

    def event(self, event: JobEvent) -> None:
        """Write the event."""
        kind = event.WhichOneof("event")
        if kind is None:  # of a newer service
            return
        facts: dict[str, Any] = to_plain(getattr(event, kind), defaults=True)
        if kind == "state_changed":
            failed = event.state_changed.HasField("error")
            facts["error"] = problem_facts(event.state_changed.error) if failed else None
            facts.setdefault("verification", None)
        elif kind == "step_progress":
            facts.setdefault("seconds_left", None)
        elif kind == "preview":
            del facts["data"]  # pictures are for hosts, which read the stream itself
        elif kind == "warning":
            facts.setdefault("frame", None)
        where = {"job_id": event.job_id, "number": event.number, "time": to_plain(event.time)}
        self._report.record(_JSON_TYPES.get(kind, kind), {**where, **facts})

    def note(self, text: str) -> None:
        """Nothing: scripts read events."""

    def end(self) -> None:
        """Nothing to put away."""


_JSON_TYPES = {"state_changed": "state", "step_progress": "progress", "frame_finished": "frame"}


class _Tally:
    """What the events so far add up to."""

    def __init__(self) -> None:
        self.total = 0
        self.done: set[int] = set()
        self.fraction = 0.0
        self.doing = ""
        self._titles: dict[str, str] = {}
        self._seconds_left: float | None = None
        self._said_at = 0.0
        self._warned: set[str] = set()

    def begin(self, job: Job, *, warn: Callable[[str], None]) -> None:
        """Take over what the plan knows."""
        self.total = max(len(job.frames), count_frames(job.plan.frames))
        self._titles = {step.id: step.title for step in job.plan.steps}
        self.doing = state_word(job.state)
        for notice in (*job.plan.warnings, *job.warnings):
            self._warn(notice, warn)

    def add(self, event: JobEvent, *, warn: Callable[[str], None]) -> None:
        """Count the event; `warn` is called with every new warning."""
        kind = event.WhichOneof("event")
        if kind == "step_progress":
            progress = event.step_progress
            self.fraction = max(self.fraction, progress.job)
            self.doing = progress.message or self._titles.get(progress.step_id, self.doing)
            self._seconds_left = progress.seconds_left if progress.HasField("seconds_left") else None
            self._said_at = time.monotonic()
        elif kind == "frame_finished":
            self.done.add(event.frame_finished.frame)
            self.fraction = max(self.fraction, 0.99 * len(self.done) / max(self.total, 1))
        elif kind == "warning":
            self._warn(event.warning, warn)
        elif kind == "state_changed":
            state = event.state_changed.state
            self._seconds_left = None
            if state == JobState.JOB_STATE_QUEUED:  # also: again
                self.fraction = 0.0
            elif state == JobState.JOB_STATE_SUCCEEDED:
                self.fraction = 1.0
            self.doing = {
                JobState.JOB_STATE_QUEUED: "waiting for a worker",
                JobState.JOB_STATE_RUNNING: "starting",
                JobState.JOB_STATE_VERIFYING: "checking every sample of the plate",
                JobState.JOB_STATE_PAUSED: "paused; `overscan jobs resume` goes on",
                JobState.JOB_STATE_WAITING: "waiting for other jobs",
            }.get(state, state_word(state))

    def _warn(self, notice: Notice, warn: Callable[[str], None]) -> None:
        if notice.message not in self._warned:
            self._warned.add(notice.message)
            frame = f" (frame {notice.frame})" if notice.HasField("frame") else ""
            warn(f"warning: {notice.message}{frame}")

    @property
    def frames(self) -> str:
        """How many frames are done."""
        return f"{len(self.done)}/{self.total} frames" if self.total else plural(len(self.done), "frame")

    @property
    def left(self) -> str:
        """Time left in words; empty while unknown."""
        if self._seconds_left is None:
            return ""
        return f"{duration(max(0.0, self._seconds_left - (time.monotonic() - self._said_at)))} left"


class LineDisplay:
    """A line now and then, for logs and pipes."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._tally = _Tally()
        self._said_at = 0.0
        self._said = ""

    def begin(self, job: Job) -> None:
        """Say which job it is."""
        frames = plural(count_frames(job.plan.frames), "frame") if job.HasField("plan") else "not planned yet"
        self._report.note(f"job {job.id}: {state_word(job.state)}, {frames}")
        self._tally.begin(job, warn=self._report.note)

    def event(self, event: JobEvent) -> None:
        """Say it, unless something was said just now."""
        tally = self._tally
        tally.add(event, warn=self._report.note)
        changed = event.WhichOneof("event") == "state_changed"
        if not changed and time.monotonic() - self._said_at < _LINE_SECONDS:
            return
        parts = (f"{tally.fraction:4.0%}", tally.frames, tally.doing, tally.left)
        text = ", ".join(part for part in parts if part)
        if text != self._said:
            self._report.note(text)
            self._said, self._said_at = text, time.monotonic()

    def note(self, text: str) -> None:
        """Say it."""
        self._report.note(text)

    def end(self) -> None:
        """Nothing to put away."""


class BarDisplay:
    """A bar that moves, with the warnings above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

        self._tally = _Tally()
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[frames]}", markup=False),
            TextColumn("{task.fields[left]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._row = self._progress.add_task("", total=1.0, frames="", left="")

    def begin(self, job: Job) -> None:
        """Show the bar."""
        self.note(f"job {job.id}")
        self._tally.begin(job, warn=self.note)
        self._show()
        self._progress.start()

    def event(self, event: JobEvent) -> None:
        """Move the bar."""
        self._tally.add(event, warn=self.note)
        self._show()

    def note(self, text: str) -> None:
        """Say it above the bar."""
        self._console.print(text, markup=False, soft_wrap=True)

    def end(self) -> None:
        """Take the bar away."""
        self._progress.stop()

    def _show(self) -> None:
        tally = self._tally
        self._progress.update(
            self._row, completed=tally.fraction, description=tally.doing, frames=tally.frames, left=tally.left
        )
