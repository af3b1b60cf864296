"""What the buttons do: plan, generate, cancel, retry; the same in the window and in batch."""

from __future__ import annotations

import contextlib
import datetime
import uuid
from dataclasses import dataclass, replace
from typing import Any

import nuke
from overscan_host import BridgeError, Place, at_version, frames_to_text, give_back_version, reserve_version
from overscan_nuke import _inside, _knobs, _outputs
from overscan_nuke._preferences import load_preferences
from overscan_nuke._reads import FileSource
from overscan_nuke._refusals import refuse
from overscan_nuke._request import Request, put_together
from overscan_nuke._state import RUNNING, Version, ViewJob, frames_done, remember, shown_version, versions_of
from overscan_nuke._steps import Ask, Steps, Work
from overscan_nuke._words import plan_words, to_render_words

PLAN_SECONDS = 600.0
"""Planning reads the headers of a whole shot, perhaps over a slow network drive."""

_QUICK_SECONDS = 60.0
_STOPPED = ("failed", "cancelled", "lost")


@dataclass(frozen=True)
class Planned:
    """What `plan_steps` found."""

    words: str
    """For the artist."""
    feasible: bool | None
    """None where the plate must be rendered before the engine can say."""


def plan_steps(node: Any) -> Steps:
    """Say what Generate would do; returns a `Planned`. Raises `BridgeError` (`RefusalError` included)."""
    request: Request
    request = yield from put_together(node, load_preferences(), render=False)
    yield from _check_engine(node, request)
    if request.unrendered:
        return Planned(to_render_words(request.unrendered, request.rendered), None)
    template = _outputs.output_template(node, load_preferences(), views=len(request.jobs))
    words, feasible = [], True
    for view, job in request.jobs.items():
        planned = dict(job, output=_output(at_version(template, "v999"), view, request))
        plan = yield Ask("job.plan", {"job": planned}, PLAN_SECONDS)
        feasible = feasible and bool(plan.get("feasible"))
        by_path = request.plate is None or isinstance(request.plate.source, FileSource)
        text = plan_words(plan, by_path=by_path)
        words.append(f"{view}: {text}" if view else text)
    return Planned("\n".join(words), feasible)


def generate_steps(node: Any) -> Steps:
    """Check, hand over, create; returns the new `Version`, which has its jobs and is remembered in the node."""
    running = [version for version in versions_of(node) if version.is_running]
    if running:
        raise refuse(
            "OUTPUT_IN_USE",
            f"{running[-1].name} is still running.",
            "Wait for it, or press Cancel first. Another node can run at the same time.",
        )
    preferences = load_preferences()
    several = len(nuke.views())
    _outputs.output_template(node, preferences, views=several)  # before minutes are spent on rendering
    looked: Request
    looked = yield from put_together(node, preferences, render=False)
    yield from _check_engine(node, looked)
    request: Request = looked
    if looked.unrendered:
        request = yield from put_together(node, preferences, render=True)
    template = _outputs.output_template(node, preferences, views=len(request.jobs))
    taken = _outputs.taken_numbers([version.name for version in versions_of(node)])
    place: Place
    place = yield Work(lambda: reserve_version(template, taken=taken))
    version = Version(name=place.name, path=place.path, made=_now())
    created: list[str] = []
    try:
        for view, job in request.jobs.items():
            wanted = dict(job, output=_output(place.path, view, request))
            answer = yield Ask("job.create", {"job": wanted, "request_id": str(uuid.uuid4())}, PLAN_SECONDS)
            created.append(str(answer["id"]))
            version = _with_answer(version, view, answer, request)
        yield  # pressed while the last answer was on its way, Cancel counts here
    except Exception:
        for job_id in created:  # the views of a run are made together or not at all
            with contextlib.suppress(BridgeError):
                yield Ask("job.cancel", {"job_id": job_id}, _QUICK_SECONDS)
        yield Work(lambda: give_back_version(place))
        raise
    remember(node, version)
    _inside.choose(node, version.name)
    return version


def create_again(node: Any, version: Version, view: str, frames: str) -> Steps:
    """A job for some `frames` (numbers in the files) of one view of a version that exists; returns it as created.

    Frames that are there are not touched.
    """
    request: Request
    request = yield from put_together(node, load_preferences(), render=True)
    yield from _check_engine(node, request)
    if view not in request.jobs:
        raise refuse("INVALID_JOB", "The node does not make the view {} any more.".format(view or "main"),
                     "Make a new version.", field="views")  # fmt: skip
    job = dict(request.jobs[view], frames=frames, output=_output(version.path, view, request))
    return (yield Ask("job.create", {"job": job, "request_id": str(uuid.uuid4())}, PLAN_SECONDS))


def cancel_steps(node: Any) -> Steps:
    """Ask the running jobs of the node to stop."""
    for version in versions_of(node):
        for job in version.jobs:
            if job.state in RUNNING:
                yield Ask("job.cancel", {"job_id": job.job_id}, _QUICK_SECONDS)


def retry_steps(node: Any) -> Steps:
    """Go on with the shown version's jobs that failed, were cancelled or lost sight of; returns the `Version`."""
    version = shown_version(node)
    stopped = [job for job in version.jobs if job.state in _STOPPED] if version is not None else []
    if version is None or not stopped:
        raise refuse("INVALID_JOB", "The version that is shown has not failed.",
                     "Press Generate for a new version, or choose the version to go on with.")  # fmt: skip
    for job in stopped:
        known = yield Ask("job.get", {"job_id": job.job_id}, _QUICK_SECONDS)
        state = str(known.get("state", ""))
        if state in ("failed", "cancelled"):
            yield Ask("job.retry", {"job_id": job.job_id}, _QUICK_SECONDS)
            state = "queued"
        version = version.with_job(replace(job, state=state, done=frames_done(known, job.done)))
    version = replace(version, error="")
    remember(node, version)
    return version


def _check_engine(node: Any, request: Request) -> Steps:
    """Refuse what no engine does before a plate is rendered for it."""
    answer = yield Ask("engine.list", {}, _QUICK_SECONDS)
    engines = {str(engine["name"]): engine for engine in answer.get("engines", [])}
    kind = _knobs.kind_of(node).name
    name = _knobs.text(node, "engine") or "plate"
    engine = engines.get(name)
    if engine is None:
        raise refuse("UNKNOWN_ENGINE", f"There is no engine called {name}.",
                     "There are: {}.".format(", ".join(sorted(engines)) or "none"), field="engine")  # fmt: skip
    if kind not in engine.get("tasks", []):
        able = sorted(one for one, facts in engines.items() if kind in facts.get("tasks", []))
        raise refuse(
            "INVALID_JOB",
            f"The engine {name} does not do {kind}.",
            "Choose another engine: {}.".format(", ".join(able)) if able else "No engine that is installed does it.",
            field="engine",
        )
    taken = set(engine.get("controls", []))
    for job in request.jobs.values():
        extra = sorted(set(job.get("controls", {})) - taken)
        if extra:
            raise refuse(
                "UNSUPPORTED_CONTROL",
                "The engine {} does not follow: {}.".format(name, ", ".join(extra).replace("_", " ")),
                "Clear these knobs or disconnect these inputs, or choose another engine.",
                field=extra[0],
            )


def _output(path: str, view: str, request: Request) -> dict[str, Any]:
    own = path.replace("%V", view).replace("%v", view[:1]) if view else path
    return {"path": own, "extras": request.extras}


def _with_answer(version: Version, view: str, job: dict[str, Any], request: Request) -> Version:
    plan = job.get("plan", {})
    window = plan.get("display_window", {})
    across, down = (int(part) for part in str(plan.get("plate_offset") or "0,0").split(","))
    size = (int(window.get("width", 0)), int(window.get("height", 0)))
    plate = request.plate
    jobs = (*version.jobs, ViewJob(job_id=str(job["id"]), view=view, state=str(job.get("state", "queued"))))
    if plate is None:
        frames = str(plan.get("frames", ""))
        return replace(version, frames=frames, jobs=jobs, size=size, colour={"raw": False})
    # Nuke counts up from the lower edge; the job's offset counts down from the upper one.
    shift = (
        across - int(window.get("x", 0)),
        size[1] - plate.shape.height - down + int(window.get("y", 0)),
    )
    return replace(
        version,
        frames=str(plan.get("frames", "")) or frames_to_text(frame - plate.offset for frame in plate.shot),
        offset=plate.offset,
        jobs=jobs,
        colour=plate.colour,
        size=size,
        pixel_aspect=plate.shape.pixel_aspect,
        shift=shift,
        plate_size=(plate.shape.width, plate.shape.height),
    )


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
