"""Follows the jobs of a version and brings what happens into its node."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Callable

from overscan_host import BridgeError, Problem
from overscan_nuke import _inside, _knobs, _session
from overscan_nuke._state import RUNNING, Version, ViewJob, frames_done, remember, version_named
from overscan_nuke._words import problem_words, progress_words

_SAVE_SECONDS = 2.0
"""How often frames that arrive are noted in the script and looked for by the Read."""


class Follower:
    """One job of one version of one node."""

    def __init__(self, node: Any, version: str, job: ViewJob, *, ended: Callable[[], None] | None = None) -> None:
        self.node = node
        self.job_id = job.job_id
        self._version = version
        self._job = job
        self._done = set(job.done)
        self._saved = 0.0
        self._ended = ended
        self._warnings: list[str] = []
        self._error = ""
        self._watch = _session.bridge().watch(
            job.job_id, on_event=self._on_event, on_state=self._on_state, after_number=job.number
        )

    def stop(self) -> None:
        """Follow no longer; the job goes on."""
        self._watch.stop()
        if self in _followers:
            _followers.remove(self)

    def _on_event(self, event: dict[str, Any]) -> None:
        if not _knobs.alive(self.node):
            self.stop()
            return
        number = max(self._job.number, int(event.get("number", 0)))
        self._job = replace(self._job, number=number)
        if "step_progress" in event:
            self._on_progress(event["step_progress"])
        elif "frame_finished" in event:
            self._on_frame(int(event["frame_finished"].get("frame", 0)))
        elif "warning" in event:
            words = str(event["warning"].get("message", ""))
            if words and words not in self._warnings:
                self._warnings.append(words)
        elif "state_changed" in event:
            self._on_job_state(event["state_changed"])

    def _on_progress(self, progress: dict[str, Any]) -> None:
        self._job = replace(self._job, progress=float(progress.get("job", 0.0)))
        version = self._current()
        if version is not None:
            words = progress_words(
                version, message=str(progress.get("message", "")), seconds_left=progress.get("seconds_left")
            )
            _knobs.say(self.node, "progress", words)

    def _on_frame(self, frame: int) -> None:
        first = not self._done
        self._done.add(frame)
        if first or time.monotonic() - self._saved > _SAVE_SECONDS:
            self._save()
            _inside.refresh(self.node)
            if not first:
                _inside.reload(self.node)

    def _on_job_state(self, change: dict[str, Any]) -> None:
        state = str(change.get("state", "running"))
        self._job = replace(self._job, state=state)
        if state == "succeeded":
            self._job = replace(self._job, progress=1.0)
        self._error = ""
        if change.get("error"):
            self._error = problem_words([Problem.from_plain(change["error"])])
        self._save()
        _inside.refresh(self.node)
        if state not in RUNNING:
            _inside.reload(self.node)
        self._say()

    def _on_state(self, state: str, problems: tuple[Problem, ...]) -> None:
        if not _knobs.alive(self.node):
            self.stop()
            return
        if state == "lost":
            words = f"{self._version}: the service does not answer. Waiting for it; the job is safe."
            _knobs.say(self.node, "progress", words)
        elif state == "restored":
            self._say()
        elif state == "failed":
            self._job = replace(self._job, state="lost")
            self._error = problem_words(problems) or "The job cannot be followed any more."
            self._save()
            self._say()
        if state in ("ended", "failed"):
            self.stop()
            if state == "ended" and self._job.state in RUNNING:  # it ended before the watch began
                settle(self.node, self._version, self._job)
            if self._ended is not None:
                self._ended()

    def _current(self) -> Version | None:
        """The version's record, with what is known here and not yet saved."""
        version = version_named(self.node, self._version)
        if version is None:
            return None
        job = replace(self._job, done=tuple(sorted(self._done)))
        warnings = tuple(dict.fromkeys([*version.warnings, *self._warnings]))
        error = self._error if self._error or job.state not in ("failed", "lost") else version.error
        return replace(version.with_job(job), warnings=warnings, error=error)

    def _save(self) -> None:
        version = self._current()
        if version is not None:
            remember(self.node, version)
            self._saved = time.monotonic()

    def _say(self) -> None:
        version = self._current()
        if version is not None:
            _knobs.say(self.node, "progress", progress_words(version))


_followers: list[Follower] = []


def follow(node: Any, version: Version, *, ended: Callable[[], None] | None = None) -> None:
    """Follow the jobs of a version that have not ended."""
    for job in version.jobs:
        known = any(one.node == node and one.job_id == job.job_id for one in _followers)
        if job.state in RUNNING and not known:
            _followers.append(Follower(node, version.name, job, ended=ended))


def forget_all() -> None:
    """Follow nothing any more: the script is being closed. Jobs go on."""
    for follower in list(_followers):
        follower.stop()


def settle(node: Any, name: str, job: ViewJob) -> None:
    """Ask how a job stands and bring that into the node; follow it where it goes on."""

    def known(plain: dict[str, Any]) -> None:
        if not _knobs.alive(node):
            return
        version = version_named(node, name)
        old = version.job(job.job_id) if version is not None else None
        if version is None or old is None:
            return
        newer = replace(
            old,
            state=str(plain.get("state", old.state)),
            progress=float(plain.get("progress", 0.0)),
            done=frames_done(plain, old.done),
        )
        error = problem_words([Problem.from_plain(plain["error"])]) if plain.get("error") else ""
        version = replace(version.with_job(newer), error=error)
        remember(node, version)
        _inside.refresh(node)
        _inside.reload(node)
        _knobs.say(node, "progress", progress_words(version))
        follow(node, version)

    def unknown(error: BridgeError) -> None:
        if not _knobs.alive(node):
            return
        version = version_named(node, name)
        old = version.job(job.job_id) if version is not None else None
        if version is None or old is None:
            return
        if error.code == "UNKNOWN_JOB":
            remember(node, version.with_job(replace(old, state="unknown")))
            words = f"{name}: this machine's Overscan does not know the job; frames that are on disk are shown."
        else:  # left as running, the node would wait for ever for what nobody follows
            version = replace(version.with_job(replace(old, state="lost")), error=problem_words(error.problems))
            remember(node, version)
            words = progress_words(version)
        _knobs.say(node, "progress", words)

    _session.bridge().call("job.get", {"job_id": job.job_id}, on_result=known, on_error=unknown)
