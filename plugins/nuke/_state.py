"""What a node remembers of its versions: a list of records in a hidden knob, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import nuke
from overscan_host import frames_from_text, frames_to_text, version_number
from overscan_nuke import _knobs

RUNNING = ("queued", "running", "verifying")
"""States in which a job may still write frames."""


@dataclass(frozen=True)
class ViewJob:
    """The job that makes one view of a version."""

    job_id: str
    view: str = ""
    """Empty where all views share one result."""
    state: str = "queued"
    """As the service says it, e.g. ``running``; ``lost`` where it could not be followed to its end, ``unknown`` where
    another machine's service has it."""
    number: int = 0
    """Number of the last event seen; what comes after a retry is asked for from here."""
    progress: float = 0.0
    """Part of the work done, 0 to 1."""
    done: tuple[int, ...] = ()
    """Frames known to be in the output folder, by their numbers in the files."""


@dataclass(frozen=True)
class Version:
    """One run of the node."""

    name: str
    """``v001``."""
    path: str
    """Pattern of the frames, with ``%V`` where views have files of their own."""
    frames: str = ""
    """Frames of the result, by their numbers in the files."""
    offset: int = 0
    """Number in the script less number in the file."""
    jobs: tuple[ViewJob, ...] = ()
    colour: dict[str, Any] = field(default_factory=dict)
    """Knobs of the Read that show the files as the plate was shown: ``raw``, ``colorspace`` …"""
    size: tuple[int, int] = (0, 0)
    """Width and height of the result's format in samples."""
    pixel_aspect: float = 1.0
    shift: tuple[int, int] = (0, 0)
    """Lower left corner of the plate in the result, in samples, as Nuke counts."""
    plate_size: tuple[int, int] = (0, 0)
    error: str = ""
    """Why it failed and what to do, in plain words."""
    warnings: tuple[str, ...] = ()
    made: str = ""
    """When, as ISO 8601."""

    @property
    def state(self) -> str:
        """The worst of its jobs' states."""
        states = [job.state for job in self.jobs]
        for state in ("failed", "cancelled", "lost", "running", "verifying", "queued", "unknown"):
            if state in states:
                return state
        return "succeeded" if states else ""

    @property
    def is_running(self) -> bool:
        """Whether frames may still come."""
        return any(job.state in RUNNING for job in self.jobs)

    @property
    def progress(self) -> float:
        """Part of the work done, 0 to 1."""
        return sum(job.progress for job in self.jobs) / len(self.jobs) if self.jobs else 0.0

    @property
    def has_frames(self) -> bool:
        """Whether there is something to show."""
        return any(job.done or job.state == "succeeded" for job in self.jobs)

    def with_job(self, job: ViewJob) -> Version:
        """The version with the newer record of one of its jobs."""
        jobs = tuple(job if old.job_id == job.job_id else old for old in self.jobs)
        return replace(self, jobs=jobs)

    def job(self, job_id: str) -> ViewJob | None:
        """The record of a job; None where the version has no such job."""
        return next((job for job in self.jobs if job.job_id == job_id), None)


def versions_of(node: Any) -> list[Version]:
    """The versions of a node, oldest first; those that cannot be read are left out, never the others."""
    try:
        records = json.loads(_knobs.text(node, "versions") or "[]")
    except ValueError:
        return []
    found = []
    for record in records if isinstance(records, list) else []:
        version = _from_record(record)
        if version is not None:
            found.append(version)
    return found


def version_named(node: Any, name: str) -> Version | None:
    """The version with this name."""
    return next((version for version in versions_of(node) if version.name == name), None)


def shown_version(node: Any) -> Version | None:
    """The version that the node shows."""
    return version_named(node, str(_knobs.get(node, "version")))


def remember(node: Any, version: Version) -> None:
    """Add a version to the node's, or replace the one with its name."""
    kept = [old for old in versions_of(node) if old.name != version.name]
    kept.append(version)
    kept.sort(key=lambda one: (version_number(one.name) or 0, one.name))
    text = json.dumps([_to_record(one) for one in kept], separators=(",", ":"))
    if text != _knobs.get(node, "versions"):
        _knobs.put(node, "versions", text)
        nuke.modified(True)  # nothing for undo, and yet lost where Nuke does not ask to save


def list_versions(node: Any, chosen: str) -> None:
    """Fill the version menu from the records and choose one."""
    names = [version.name for version in versions_of(node)] or ["none"]
    knob = node[_knobs.PREFIX + "version"]
    with _knobs.quietly():
        if list(knob.values()) != names:
            knob.setValues(names)
        knob.setValue(chosen if chosen in names else names[-1])


def mend_menu(node: Any) -> None:
    """Fill the version menu where it came back from a script without its entries, and choose what the node shows."""
    if shown_version(node) is None:
        path = _knobs.text(node, "result")
        list_versions(node, next((version.name for version in versions_of(node) if version.path == path), ""))


def frames_done(job: dict[str, Any], known: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Frames of a job, as the bridge gives it, that are in the output folder, and those already `known` to be."""
    there = [one["frame"] for one in job.get("frames", []) if one.get("state") in ("finished", "verified")]
    return tuple(sorted({*known, *map(int, there)}))


def _to_record(version: Version) -> dict[str, Any]:
    record = {name: value for name, value in asdict(version).items() if value not in ("", (), {}, None)}
    record["jobs"] = [_job_record(job) for job in version.jobs]
    return record


def _job_record(job: ViewJob) -> dict[str, Any]:
    record: dict[str, Any] = {name: value for name, value in asdict(job).items() if value not in ("", (), 0, 0.0)}
    if job.done:
        record["done"] = frames_to_text(job.done)
    return record


def _from_record(record: Any) -> Version | None:
    if not isinstance(record, dict) or not isinstance(record.get("name"), str) or not record.get("path"):
        return None
    known = {one.name for one in fields(Version)}
    values = {name: value for name, value in record.items() if name in known}
    jobs = []
    for item in record.get("jobs") or []:
        job = {name: item[name] for name in item if name in {one.name for one in fields(ViewJob)}}
        job["done"] = tuple(frames_from_text(str(job.get("done", ""))))
        jobs.append(ViewJob(**job))
    values["jobs"] = tuple(jobs)
    for name in ("size", "shift", "plate_size", "warnings"):
        if name in values:
            values[name] = tuple(values[name])
    return Version(**values)
