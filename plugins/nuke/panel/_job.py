"""One job as the panel shows it, kept up to date by lists and by events. No Qt in here."""

from __future__ import annotations

import base64
import binascii
import time
from datetime import datetime, timezone
from typing import Any, Mapping

from overscan_nuke.panel import _words as words


class JobEntry:
    """What is known about a job. Made from an entry of ``job.list``, moved on by events."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.id = str(job["id"])
        self.state = ""
        self.progress = 0.0
        """Part done, 0 to 1; never goes back while a run lasts."""
        self.message = ""
        """What it is doing, in plain words."""
        self.preview = b""
        """The last small picture, encoded; empty while there is none."""
        self.preview_frame: int | None = None
        self.problem: dict[str, Any] = {}
        """Why it failed: code, message, next_step; empty where it did not."""
        self.notice: dict[str, Any] = {}
        """Why the last click came to nothing, or why the job cannot be followed; like `problem`."""
        self.warnings: list[dict[str, Any]] = []
        self.verification: dict[str, Any] = {}
        self.number = 0
        """Number of the last event seen."""
        self.lost = False
        """Whether the connection to the service is broken; it comes back by itself or the watch gives up."""
        self._finished: set[int] = set()
        self._ends_at: float | None = None
        self.job: Mapping[str, Any] = job
        self.take(job)

    def take(self, job: Mapping[str, Any]) -> bool:
        """Take over what a list says; returns whether something that is shown has changed."""
        before = self._shown()
        self.job = job
        self.spec: Mapping[str, Any] = job.get("spec", {})
        self.title = words.title_of(self.spec)
        self.task = words.task_of(self.spec)
        self.shot = words.shot_of(self.spec)
        self.artist = str(self.spec.get("labels", {}).get("artist", ""))
        self.output = str(self.spec.get("output", {}).get("path", ""))
        self.frames = str(job.get("plan", {}).get("frames", ""))
        self.total = words.count_frames(self.frames)
        self.created = _moment(job.get("create_time"))
        self.ended = _moment(job.get("end_time"))
        self._enter(str(job.get("state", "")))
        self.progress = max(self.progress, float(job.get("progress", 0.0)))
        self.problem = dict(job.get("error", {})) if self.state == "failed" else {}
        self.verification = dict(job.get("verification", {})) or self.verification
        for warning in job.get("warnings", ()) or job.get("plan", {}).get("warnings", ()):
            self._warn(warning)
        return self._shown() != before

    def event(self, event: Mapping[str, Any]) -> bool:
        """Take over an event; returns whether something that is shown has changed."""
        before = self._shown()
        changed, progress = event.get("state_changed"), event.get("step_progress")
        finished, preview = event.get("frame_finished"), event.get("preview")
        self.number = max(self.number, int(event.get("number", 0)))
        if not self.active:
            # Of a job that has ended these are what happened before, and the list says how it stands.
            changed = progress = None
        if changed is not None:
            self._enter(str(changed.get("state", "")))
            self.problem = dict(changed.get("error", {}))
            self.verification = dict(changed.get("verification", {})) or self.verification
        elif progress is not None:
            self.progress = max(self.progress, float(progress.get("job", 0.0)))
            self.message = str(progress.get("message") or self.message)
            left = progress.get("seconds_left")
            self._ends_at = None if left is None else time.monotonic() + float(left)
        elif finished is not None:
            self._finished.add(int(finished.get("frame", 0)))
            if self.can_retry and self.total:
                self.progress = max(self.progress, len(self._finished) / self.total)
        elif preview is not None:
            self._look(preview)
        elif event.get("warning") is not None:
            self._warn(event["warning"])
        return self._shown() != before

    @property
    def active(self) -> bool:
        """Whether it waits or works."""
        return self.state not in words.ENDED

    @property
    def can_retry(self) -> bool:
        """Whether it may be queued again."""
        return self.state in ("failed", "cancelled")

    @property
    def frames_done(self) -> int:
        """Frames known to be in the output folder."""
        return self.total if self.state == "succeeded" else len(self._finished)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until it is done, None while that is not known."""
        if self._ends_at is None or not self.active:
            return None
        return max(0.0, self._ends_at - time.monotonic())

    @property
    def trouble(self) -> dict[str, Any]:
        """What to show as error: why it failed, else why the last click came to nothing."""
        return self.problem or self.notice

    def status(self, now: float | None = None) -> str:
        """Where it stands, in a few words for the right end of a row; `now` in seconds since 1970."""
        if self.state == "running":
            return words.time_left(self.seconds_left) or words.state_word(self.state)
        if self.state in words.ENDED and self.ended is not None:
            then = words.ago((time.time() if now is None else now) - self.ended)
            return f"{words.state_word(self.state)}, {then}"
        return words.state_word(self.state)

    def doing(self) -> str:
        """Second line of a row."""
        if self.trouble:
            return words.problem_text(self.trouble, short=True) or words.state_word(self.state)
        if self.lost and self.active:
            return "The service is away; waits for it to come back"
        if self.state == "running":
            frames = words.frames_word(self.frames_done, self.total)
            return ", ".join(filter(None, (self.message or "Starting", frames)))
        if self.state == "queued":
            return "Waits for its turn"
        if self.state == "verifying":
            return "Compares every sample outside the generated region with the plate"
        parts = [words.TASKS.get(self.task, ""), words.plate_name(self.spec), self._range()]
        return "  ·  ".join(filter(None, parts))

    def _range(self) -> str:
        return f"frames {self.frames}" if self.frames else ""

    def _enter(self, state: str) -> None:
        if state == self.state:
            return
        again = self.state in words.ENDED and state not in words.ENDED
        self.state = state
        if again:
            self.progress, self.message, self._ends_at, self.notice = 0.0, "", None, {}
        if state == "succeeded":
            self.progress = 1.0
        if state in words.ENDED and self.ended is None:
            self.ended = time.time()
        if state not in words.ENDED:
            self.ended = None

    def _look(self, preview: Mapping[str, Any]) -> None:
        try:
            data = base64.b64decode(str(preview.get("data", "")), validate=True)
        except (binascii.Error, ValueError):
            return
        if data:
            self.preview, self.preview_frame = data, preview.get("frame")

    def _warn(self, warning: Mapping[str, Any]) -> None:
        if all(known.get("message") != warning.get("message") for known in self.warnings):
            self.warnings.append(dict(warning))

    def _shown(self) -> tuple[Any, ...]:
        shown = (self.state, self.lost, round(self.progress, 3), self.message, self._ends_at, self.problem, self.notice)
        counts = (self.preview_frame, len(self.preview), len(self.warnings), len(self._finished))
        return (*shown, *counts, dict(self.verification))


def _moment(text: Any) -> float | None:
    """Seconds since 1970 of a time as job files write it, None where there is none."""
    try:
        moment = datetime.strptime(str(text)[:19], "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return None
    return moment.replace(tzinfo=timezone.utc).timestamp()
