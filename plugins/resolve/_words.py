"""Plans, progress and results in plain words."""

from __future__ import annotations

from typing import Any, Iterable

from overscan_host import BridgeError, Problem
from overscan_resolve._handover import Handover
from overscan_resolve._record import Record

_STATES = {
    "queued": "waiting for its turn",
    "running": "running",
    "verifying": "checking that the plate was kept",
    "succeeded": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "placed": "in the timeline",
    "imported": "in its bin, and nowhere else",
}


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def plan_words(name: str, plan: dict[str, Any], looked: Handover) -> str:
    """What will happen to a clip, or everything that stands in its way."""
    if not plan.get("feasible"):
        problems = [Problem.from_plain(problem) for problem in plan.get("problems", [])]
        return f"{name}: this cannot run yet.\n" + problem_words(problems)
    window = plan.get("display_window", {})
    lines = [
        "{}: {} makes frames {} at {}x{}, in about {}.".format(
            name, plan.get("engine", "the engine"), plan.get("frames", "?"), window.get("width", "?"),
            window.get("height", "?"), duration(float(plan.get("estimate", {}).get("seconds", 0.0))),
        )
    ]  # fmt: skip
    part = float(plan.get("generated_fraction", 0.0))
    if part:
        lines.append(f"About {100 * part:.0f} % of each picture is generated; the rest stays the plate, bit by bit.")
    lines.append("The plate is used as it is on disk." if not looked.reasons else "Resolve rendered the plate.")
    lines.extend(str(notice.get("message", "")) for notice in plan.get("warnings", []))
    return "\n".join(line for line in lines if line)


def to_render_words(name: str, looked: Handover) -> str:
    """What Resolve has to do before the engine can be asked."""
    return "{}: first Resolve renders {} frame{}: {}.".format(
        name, looked.frames_to_render, "" if looked.frames_to_render == 1 else "s", "; ".join(looked.reasons)
    )


def record_words(record: Record, *, message: str = "", seconds_left: float | None = None, progress: float = 0.0) -> str:
    """Where a run stands."""
    words = f"{record.shot} {record.version}: {_STATES.get(record.state, record.state)}"
    if record.state in ("queued", "running", "verifying"):
        words += f", {100 * progress:.0f} %"
        words += f", {duration(seconds_left)} left" if seconds_left is not None else ""
    if record.state == "placed":
        words += " as {}".format(record.placed.get("as", "?"))
    words += "." + (f" {message}" if message else "")
    notes = [str(note) for note in record.placed.get("notes", [])]
    return "\n".join([words, *notes])


def problem_words(problems: Iterable[Problem]) -> str:
    """One paragraph per problem: what is wrong and what to do."""
    return "\n".join(str(problem) for problem in problems)


def error_words(error: BaseException) -> str:
    """An error for the artist."""
    if isinstance(error, BridgeError):
        return problem_words(error.problems)
    return f"Something inside Overscan went wrong ({type(error).__name__}: {error}). Please report it."
