"""Plans, progress and problems in plain words."""

from __future__ import annotations

from typing import Any, Iterable

from overscan_host import BridgeError, Problem
from overscan_nuke._state import Version

_STATES = {
    "queued": "Waiting for its turn",
    "running": "Running",
    "verifying": "Checking that the plate was kept",
    "succeeded": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "lost": "Out of sight",
    "unknown": "Made by another machine's Overscan",
}


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """``1.5 GB``."""
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def plan_words(plan: dict[str, Any], *, by_path: bool) -> str:
    """What will happen, how long it takes, or everything that stands in its way."""
    if not plan.get("feasible"):
        problems = [Problem.from_plain(problem) for problem in plan.get("problems", [])]
        return "This cannot run yet:\n" + problem_words(problems)
    estimate = plan.get("estimate", {})
    lines = []
    window = plan.get("display_window", {})
    lines.append(
        "{} makes frames {} at {}x{}.".format(
            plan.get("engine", "The engine"),
            plan.get("frames", "?"),
            window.get("width", "?"),
            window.get("height", "?"),
        )
    )
    part = plan.get("generated_fraction", 0.0)
    if part:
        lines.append(f"About {100 * part:.0f} % of each picture is generated; the rest stays the plate, bit by bit.")
    if plan.get("new_frames"):
        lines.append("New frames: {}.".format(plan["new_frames"]))
    lines.append(
        "It takes about {} on this machine, {} of memory and {} on disk.".format(
            duration(estimate.get("seconds", 0.0)),
            size(estimate.get("memory_bytes", 0)),
            size(estimate.get("output_bytes", 0)),
        )
    )
    lines.append(
        "The plate is used as it is on disk." if by_path else "The plate is in the cache, rendered from the graph."
    )
    lines.extend(notice.get("message", "") for notice in plan.get("warnings", []))
    return "\n".join(line for line in lines if line)


def to_render_words(frames: int, reasons: Iterable[str]) -> str:
    """What Nuke has to do before the engine can be asked."""
    return (
        "First Nuke renders {} frame{} to the cache: {}.\nFrames that are there are not rendered again. Generate does "
        "this by itself; what the engine then makes of it is planned once they are there.".format(
            frames, "" if frames == 1 else "s", "; ".join(reasons)
        )
    )


def problem_words(problems: Iterable[Problem]) -> str:
    """One paragraph per problem: what is wrong and what to do."""
    return "\n".join(str(problem) for problem in problems)


def error_words(error: BaseException) -> str:
    """An error for the artist."""
    if isinstance(error, BridgeError):
        return problem_words(error.problems)
    return f"Something inside Overscan went wrong ({type(error).__name__}: {error}). Please report it."


def progress_words(version: Version, *, message: str = "", seconds_left: float | None = None) -> str:
    """Where a version stands."""
    state = version.state
    words = "{}: {}".format(version.name, _STATES.get(state, state or "nothing is known"))
    if state in ("queued", "running", "verifying"):
        words += f", {100 * version.progress:.0f} %"
        if seconds_left is not None:
            words += f", {duration(seconds_left)} left"
        done = max((len(job.done) for job in version.jobs), default=0)
        words += ", {} frame{} there".format(done, "" if done == 1 else "s") if done else ""
        words += ".\n" + message if message else "."
    elif state == "failed":
        words += ".\n" + (version.error or "No reason is known.")
        words += "\nPress Retry to go on; finished frames are kept."
    elif state == "lost":
        words += f".\n{version.error}\nPress Retry to see how it stands; the job may well have gone on."
    elif state == "cancelled":
        words += ". Finished frames are kept; press Retry to go on."
    else:
        words += "."
    if version.warnings:
        words += "\n" + "\n".join(version.warnings)
    return words
