"""What the panel says about a job, in words: states, times, names. No Qt in here."""

from __future__ import annotations

import re
from typing import Any, Mapping

STATES = {
    "queued": "Waiting",
    "running": "Running",
    "verifying": "Checking",
    "succeeded": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
"""The service's states as an artist reads them."""

TASKS = {
    "extend": "Extend",
    "inpaint": "Inpaint",
    "continue": "Continue",
    "interpolate": "Interpolate",
    "generate": "Generate",
}

ENDED = frozenset({"succeeded", "failed", "cancelled"})

_FRAME_PATTERN = re.compile(r"[._-]?(%0?\d*d|#+|@+|\$F\d*)")
_VERSION = re.compile(r"(?:^|[/\\._-])(v\d{2,})(?=[/\\._-]|$)")


def state_word(state: str) -> str:
    """``Waiting``, ``Running`` …; what a newer service says is shown as it is."""
    return STATES.get(state, state.capitalize())


def task_of(spec: Mapping[str, Any]) -> str:
    """The task of a job, e.g. ``extend``; empty where it is one that is not known here."""
    return next((task for task in TASKS if task in spec), "")


def title_of(spec: Mapping[str, Any]) -> str:
    """Name for a job: the name its frames have, with the version their path has: ``Extend1 v003``."""
    path = str(spec.get("output", {}).get("path", ""))
    name = path.replace("\\", "/").rpartition("/")[2]
    stem = _FRAME_PATTERN.sub("", name.rpartition(".")[0]) or name or "job"
    versions = _VERSION.findall(path)
    return f"{stem} {versions[-1]}" if versions and versions[-1] not in stem else stem


def shot_of(spec: Mapping[str, Any]) -> str:
    """What tells jobs of the same name apart: the shot, else the plate's name without frame number and ending."""
    shot = str(spec.get("labels", {}).get("shot", ""))
    return shot or _FRAME_PATTERN.sub("", plate_name(spec).rpartition(".")[0])


def plate_name(spec: Mapping[str, Any]) -> str:
    """File name of the plate's frames; empty for jobs without a plate."""
    return str(spec.get("plate", {}).get("path", "")).replace("\\", "/").rpartition("/")[2]


def frames_word(done: int, total: int) -> str:
    """``12 of 100 frames``, ``1 frame``."""
    if not total:
        return ""
    if done >= total:
        return f"{total} frame" if total == 1 else f"{total} frames"
    return f"{done} of {total} frames"


def problem_text(problem: Mapping[str, Any], *, short: bool = False) -> str:
    """What is wrong and where: frame and file stand before the message, unless it names them; one line if `short`."""
    message = str(problem.get("message", ""))
    frame, path = problem.get("frame"), str(problem.get("path") or "")
    name = path.replace("\\", "/").rpartition("/")[2]
    where = [f"frame {frame}"] if isinstance(frame, int) and str(frame) not in message + name else []
    if path and path not in message and name not in message:
        where.append(name if short else path)
    text = ": ".join(filter(None, (", ".join(where), message)))
    text = text[:1].upper() + text[1:] if text[:1].islower() and not (where and where[0] in (name, path)) else text
    return text.splitlines()[0] if short and text else text


def time_left(seconds: float | None) -> str:
    """``3 min left``; empty while it is not known. Coarse on purpose: an estimate that ticks is no better."""
    if seconds is None:
        return ""
    if seconds < 5:
        return "a moment left"
    if seconds < 55:
        return f"{5 * round(seconds / 5)} s left"
    if seconds < 90:
        return "1 min left"
    if seconds < 3600:
        return f"{round(seconds / 60)} min left"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min left"


def ago(seconds: float) -> str:
    """``just now``, ``5 min ago``, ``2 h ago``, ``3 days ago``."""
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h ago"
    days = int(seconds // 86400)
    return "yesterday" if days == 1 else f"{days} days ago"


def size_word(count: int) -> str:
    """Bytes in decimal units, as file managers have them: ``70.8 MB``."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{count} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def count_frames(text: str) -> int:
    """How many frames a range such as ``1001-1100x2,1200`` or ``-5--1`` holds; what cannot be read counts 0."""
    total = 0
    for part in text.split(","):
        match = re.match(r"^\s*(-?\d+)(?:-(-?\d+)(?:x(\d+))?)?\s*$", part)
        if match:
            first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
            total += (last - first) // max(step, 1) + 1 if last >= first else 0
    return total
