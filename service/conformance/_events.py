"""Checks of a job's events: numbered, whole, and to be taken up again where a watcher was cut off."""

from __future__ import annotations

from itertools import pairwise

from overscan.service.conformance._check import check, expect
from overscan.service.conformance._target import Target
from overscan.v1.job_pb2 import JobEvent, JobState

_PREVIEW_BYTES_MAX = 64 << 10
_MEDIA_TYPES = ("image/png", "image/jpeg")
_ENDED = {JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED}
_LASTING = ("state_changed", "frame_finished", "warning")
"""Kinds of events that no later one makes needless, so that nobody may miss them."""


def _states(events: list[JobEvent] | tuple[JobEvent, ...]) -> list[JobState.ValueType]:
    return [event.state_changed.state for event in events if event.HasField("state_changed")]


@check("events.numbers")
def numbers(target: Target) -> None:
    """Events are about the job, with numbers that grow and times that do not go back."""
    job, live, _ = target.finished
    for events in (live, tuple(target.watch(job.id))):
        expect(events, "there are none.")
        expect({event.job_id for event in events} == {job.id}, "an event is of another job.")
        found = [event.number for event in events]
        expect(found[0] > 0 and all(a < b for a, b in pairwise(found)), f"the numbers are {found}.")
        times = [event.time.ToNanoseconds() for event in events]
        expect(times == sorted(times) and times[0] > 0, "the times go back.")
        expect(all(event.WhichOneof("event") for event in events), "an event says nothing.")


@check("events.states")
def states(target: Target) -> None:
    """A job's states come in order, from queued to succeeded, and the stream ends with the last."""
    job, live, _ = target.finished
    wanted = [
        JobState.JOB_STATE_QUEUED,
        JobState.JOB_STATE_RUNNING,
        JobState.JOB_STATE_VERIFYING,
        JobState.JOB_STATE_SUCCEEDED,
    ]
    for events in (live, tuple(target.watch(job.id))):
        found = _states(events)
        expect(found == wanted, f"they are {', '.join(JobState.Name(state) for state in found)}.")
        expect(events[-1].HasField("state_changed"), "something comes behind the end.")
        expect(
            events[-1].state_changed.verification == job.verification, "the end has another verification than the job."
        )


@check("events.frames")
def frames(target: Target) -> None:
    """Each frame is announced, and none before work began."""
    _, live, _ = target.finished
    found = [event.frame_finished.frame for event in live if event.HasField("frame_finished")]
    expect(sorted(set(found)) == list(target.shot(3).numbers), f"announced were {found}.")
    first = next(n for n, event in enumerate(live) if event.HasField("frame_finished"))
    expect(JobState.JOB_STATE_RUNNING in _states(live[:first]), "a frame came before the job ran.")


@check("events.progress")
def progress(target: Target) -> None:
    """Progress lies between 0 and 1 and does not go back."""
    _, live, _ = target.finished
    found = [event.step_progress for event in live if event.HasField("step_progress")]
    expect(all(0 <= one.step <= 1 and 0 <= one.job <= 1 for one in found), "it is not between 0 and 1.")
    job = [one.job for one in found]
    expect(job == sorted(job), "it goes back.")
    expect(all(one.step_id for one in found), "a step has no name.")


@check("events.previews")
def previews(target: Target) -> None:
    """Previews are small PNG or JPEG pictures of frames of the job, and the job keeps the last."""
    job, live, _ = target.finished
    found = [event.preview for event in live if event.HasField("preview")]
    expect(job.HasField("preview"), "the job has none.")
    for one in (*found, job.preview):
        expect(one.media_type in _MEDIA_TYPES, f"one is of the type '{one.media_type}'.")
        magic = b"\x89PNG" if one.media_type == "image/png" else b"\xff\xd8"
        expect(one.data.startswith(magic), f"one is no {one.media_type}.")
        expect(len(one.data) <= _PREVIEW_BYTES_MAX, f"one has {len(one.data)} bytes.")
        expect(one.frame in target.shot(3).numbers, f"one is of frame {one.frame}.")


@check("events.replay")
def replay(target: Target) -> None:
    """Who comes late sees the same states, frames and warnings, with the same numbers, as who was there."""
    job, live, _ = target.finished

    def lasting(events: tuple[JobEvent, ...]) -> dict[int, JobEvent]:
        return {event.number: event for event in events if event.WhichOneof("event") in _LASTING}

    now, then = lasting(live), lasting(tuple(target.watch(job.id)))
    expect(now.keys() == then.keys(), f"numbers {sorted(now.keys() ^ then.keys())} are in one of both only.")
    expect(now == then, "an event says something else later.")


@check("events.resume")
def resume(target: Target) -> None:
    """A watcher that resumes after any event gets exactly what came later."""
    job, _, _ = target.finished
    every = list(target.watch(job.id))
    for last in {0, every[0].number, every[len(every) // 2].number, every[-1].number}:
        found = [event.number for event in target.watch(job.id, after=last)]
        wanted = [event.number for event in every if event.number > last]
        expect(found == wanted, f"after {last} come {found}, not {wanted}.")


@check("events.ended")
def ended(target: Target) -> None:
    """Watching a job that has ended ends by itself, with numbers beyond its last too."""
    job, live, _ = target.finished
    expect(_states(live)[-1] in _ENDED, "the stream ended before the job.")
    found = list(target.watch(job.id, after=live[-1].number + 1000, seconds=10.0))
    expect(not found, "events come after the last.")
