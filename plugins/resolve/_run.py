"""What scripts, windows and batch do with a clip: plan, generate, follow, cancel, bring back."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable

from overscan_host import (
    Ask,
    Bridge,
    BridgeError,
    Place,
    Problem,
    Steps,
    Work,
    at_version,
    frames_from_text,
    give_back_version,
    refuse,
    reserve_version,
)
from overscan_resolve._asking import text, unique_id
from overscan_resolve._clip import Clip
from overscan_resolve._colour import carried, colour_of_render
from overscan_resolve._handover import Handover, look, render
from overscan_resolve._output import output_template, shot_name
from overscan_resolve._record import Record, save
from overscan_resolve._restore import current_project
from overscan_resolve._tasks import job_for, settings_of
from overscan_resolve._wish import Wish
from overscan_resolve._words import plan_words, problem_words, to_render_words

PLAN_SECONDS = 600.0
"""Planning reads the headers of a whole shot, perhaps over a slow network drive."""

RUNNING = ("queued", "running", "verifying")
_QUICK_SECONDS = 60.0
_DOUBT = (
    "Resolve did not export the timeline, so the speed is worked out from the clip's ends: one that changes on the way "
    "would not be seen. Look at the result in motion."
)


@dataclass(frozen=True)
class Planned:
    """What `plan_steps` found."""

    words: str
    feasible: bool | None
    """None where Resolve must render before the engine can say."""
    problems: tuple[Problem, ...] = ()


def plan_steps(resolve: Any, timeline: Any, clip: Clip, wish: Wish) -> Steps:
    """Say what `generate_steps` would do; returns a `Planned`. Changes nothing. Raises `BridgeError`."""
    project, looked = _looked(resolve, timeline, clip, wish)
    yield from _check_engine(wish)
    doubt = f"\n{_DOUBT}" if clip.retime == "derived" else ""
    if not looked.is_ready:
        settings_of(project, timeline, clip, wish, None)
        return Planned(to_render_words(clip.name, looked) + doubt, None)
    template = output_template(clip, folder=wish.output, project_name=text(project, "GetName"))
    job = job_for(project, timeline, clip, wish, looked, output=at_version(template, "v999"), shot=shot_name(clip))
    plan = yield Ask("job.plan", {"job": job}, PLAN_SECONDS)
    problems = tuple(Problem.from_plain(problem) for problem in plan.get("problems", []))
    return Planned(plan_words(clip.name, plan, looked) + doubt, bool(plan.get("feasible")), problems)


def generate_steps(resolve: Any, timeline: Any, clip: Clip, wish: Wish) -> Steps:
    """Check, render where needed, create the job; returns its `Record`, which is beside the frames to come.

    Raises `BridgeError`; nothing is left behind then.
    """
    project, looked = _looked(resolve, timeline, clip, wish)
    if not looked.is_ready:
        settings_of(project, timeline, clip, wish, None)
    yield from _check_engine(wish)
    shot = shot_name(clip)
    template = output_template(clip, folder=wish.output, project_name=text(project, "GetName"))
    place: Place
    place = yield Work(lambda: reserve_version(template))
    created = ""
    try:
        ready: Handover
        ready = yield from render(resolve, timeline, clip, wish, looked, folder=Path(place.folder), name=shot)
        job = job_for(project, timeline, clip, wish, ready, output=place.path, shot=shot)
        answer = yield Ask("job.create", {"job": job, "request_id": str(uuid.uuid4())}, PLAN_SECONDS)
        created = str(answer["id"])
        yield  # pressed while the answer was on its way, Cancel counts here
        record = _record(project, timeline, clip, wish, ready, place, shot, answer)
        yield Work(lambda: save(record))
        return record
    except Exception:
        if created:
            with contextlib.suppress(BridgeError):
                yield Ask("job.cancel", {"job_id": created}, _QUICK_SECONDS)
        else:
            for folder in ("plate", "matte"):
                shutil.rmtree(str(Path(place.folder) / folder), ignore_errors=True)
        give_back_version(place)
        raise


def cancel_steps(record: Record) -> Steps:
    """Ask the job to stop; finished frames are kept."""
    yield Ask("job.cancel", {"job_id": record.job_id}, _QUICK_SECONDS)


def retry_steps(record: Record) -> Steps:
    """Go on with a job that failed or was cancelled; returns its `Record`."""
    known = yield Ask("job.get", {"job_id": record.job_id, "brief": True}, _QUICK_SECONDS)
    state = str(known.get("state", ""))
    if state in ("failed", "cancelled"):
        yield Ask("job.retry", {"job_id": record.job_id}, _QUICK_SECONDS)
        state = "queued"
    return replace(record, state=state)


class Follower:
    """Follows the job of a run; all callbacks come on Resolve's thread, through the queue."""

    def __init__(self, bridge: Bridge, record: Record, *, changed: Callable[[Follower], None]) -> None:
        self.record = record
        self.progress = 0.0
        """0 to 1."""
        self.seconds_left: float | None = None
        self.message = ""
        self.problems: tuple[Problem, ...] = ()
        self.warnings: list[str] = []
        self.lost = False
        """Whether the service does not answer at the moment."""
        self.ended = record.state not in RUNNING
        self._changed = changed
        self._bridge = bridge
        self._watch = None if self.ended else bridge.watch(
            record.job_id, on_event=self._on_event, on_state=self._on_state
        )  # fmt: skip

    def stop(self) -> None:
        """Follow no longer; the job goes on."""
        if self._watch is not None:
            self._watch.stop()

    def words(self) -> str:
        """What went wrong, or how far it is."""
        if self.problems:
            return problem_words(self.problems)
        return "The service does not answer; the job is safe." if self.lost else self.message

    def _on_event(self, event: dict[str, Any]) -> None:
        if "step_progress" in event:
            step = event["step_progress"]
            self.progress = float(step.get("job", 0.0))
            self.seconds_left = step.get("seconds_left")
            self.message = str(step.get("message", ""))
        elif "warning" in event:
            words = str(event["warning"].get("message", ""))
            if words and words not in self.warnings:
                self.warnings.append(words)
        elif "state_changed" in event:
            change = event["state_changed"]
            self.record = replace(self.record, state=str(change.get("state", "running")))
            error = change.get("error")
            self.problems = (Problem.from_plain(error),) if error else ()
        self._changed(self)

    def _on_state(self, state: str, problems: tuple[Problem, ...]) -> None:
        self.lost = state == "lost"
        if state == "failed":
            self.problems = problems
            self.record = replace(self.record, state="failed")
        if state in ("ended", "failed"):
            if state == "ended" and self.record.state in RUNNING:  # it ended before the watch began
                self._bridge.call(
                    "job.get", {"job_id": self.record.job_id, "brief": True}, on_result=self._known, on_error=self._gone
                )
                return
            self.ended = True
        self._changed(self)

    def _known(self, job: dict[str, Any]) -> None:
        self.record = replace(self.record, state=str(job.get("state", "failed")))
        error = job.get("error")
        self.problems = (Problem.from_plain(error),) if error else ()
        self.ended = True
        self._changed(self)

    def _gone(self, error: BridgeError) -> None:
        self.record, self.problems, self.ended = replace(self.record, state="failed"), error.problems, True
        self._changed(self)


def _looked(resolve: Any, timeline: Any, clip: Clip, wish: Wish) -> tuple[Any, Handover]:
    wish.check()
    project = current_project(resolve)
    looked = look(project, timeline, clip, wish)
    if looked.matte is not None or not wish.needs_matte or not looked.is_ready:
        return project, looked
    raise refuse("INVALID_JOB", f"Nothing says what of '{clip.name}' is to be replaced.",
                 "Draw a window and connect it to an alpha output, or name a matte.", field="matte")  # fmt: skip


def _check_engine(wish: Wish) -> Steps:
    """Refuse what no engine does before Resolve renders for it."""
    answer = yield Ask("engine.list", {}, _QUICK_SECONDS)
    engines = {str(engine["name"]): engine for engine in answer.get("engines", [])}
    name = wish.engine or "plate"
    engine = engines.get(name)
    if engine is None:
        raise refuse("UNKNOWN_ENGINE", f"There is no engine called {name}.",
                     "There are: {}.".format(", ".join(sorted(engines)) or "none"), field="engine")  # fmt: skip
    if wish.job_task not in engine.get("tasks", []):
        able = sorted(one for one, facts in engines.items() if wish.job_task in facts.get("tasks", []))
        raise refuse(
            "INVALID_JOB",
            f"The engine {name} does not do {wish.job_task}.",
            "Choose another engine: {}.".format(", ".join(able)) if able else "No engine that is installed does it.",
            field="engine",
        )
    if wish.prompt and "prompt" not in engine.get("controls", []):
        able = sorted(
            one for one, facts in engines.items()
            if "prompt" in facts.get("controls", []) and wish.job_task in facts.get("tasks", [])
        )  # fmt: skip
        raise refuse(
            "UNSUPPORTED_CONTROL",
            f"The engine {name} does not follow words.",
            "Choose another engine: {}.".format(", ".join(able))
            if able
            else "No engine that is installed follows them.",
            field="prompt",
        )


def _record(
    project: Any, timeline: Any, clip: Clip, wish: Wish, pixels: Handover, place: Place, shot: str, job: dict[str, Any]
) -> Record:
    timing, media = clip.timing, clip.media
    graded = wish.pixels == "graded"
    frames = str(job.get("plan", {}).get("frames", "")) or f"{pixels.first}-{pixels.last}"
    properties = carried(media.properties)
    if graded:
        _, space = colour_of_render(project)
        properties = {"Input Color Space": space} if space else {}
    first = frames_from_text(frames)[0]
    if first > pixels.begins:
        raise refuse("FRAME_RANGE", f"The engine would make frames {frames}, and the clip begins at {pixels.begins}.",
                     "Report this: a job of the plugin's should have all frames of its clip.")  # fmt: skip
    return Record(
        job_id=str(job["id"]),
        version=place.name,
        path=place.path,
        shot=shot,
        task=wish.task,
        pixels=wish.pixels,
        place=wish.placed_as(),
        project_id=unique_id(project),
        project_name=text(project, "GetName"),
        timeline_id=unique_id(timeline),
        timeline_name=text(timeline, "GetName"),
        item_id=clip.unique_id,
        item_name=clip.name,
        track=clip.track,
        record_start=timing.record_start,
        record_end=timing.record_end,
        timeline_rate=str(timing.timeline_rate),
        clip_rate=str(timing.clip_rate),
        speed="1" if graded else str(timing.speed),
        plate_path=pixels.path,
        plate_first=pixels.first,
        plate_last=pixels.last,
        begins=pixels.begins,
        source_start=timing.source_start,
        count=pixels.count,
        media_id=media.unique_id,
        media_name=media.name,
        media_first=pixels.begins - timing.source_start,
        media_start_timecode=media.start_timecode,
        carried=properties,
        frames=frames,
        state=str(job.get("state", "queued")),
    )
