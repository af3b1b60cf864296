"""Jobs in the plain form of job files, as far as they are the same for every host."""

from __future__ import annotations

from typing import Any, Mapping

TASKS = ("extend", "inpaint", "continue", "interpolate", "generate")


def build_job(
    *,
    task: str,
    settings: Mapping[str, Any],
    output: Mapping[str, Any],
    plate: Mapping[str, Any] | None = None,
    frames: str = "",
    engine: str = "",
    model: str = "",
    controls: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    use: str = "",
    priority: int = 0,
) -> dict[str, Any]:
    """A job for ``job.plan`` and ``job.create``.

    Names and forms are those of job files (examples/, docs/controls.md): `settings` is what stands under the task's
    name, e.g. ``{"format": {"size": "2880x1080", "place": "480,0"}}``; `plate` is ``{"path": …, "frames": "1001-1100",
    "color_space": …}``; `output` is ``{"path": …, "extras": "part"}``. What is empty or None is left out, at every
    level, so that it means "as the plate has it". Raises ValueError for an unknown task.
    """
    if task not in TASKS:
        raise ValueError("'{}' is no task; there are {}".format(task, ", ".join(TASKS)))
    job: dict[str, Any] = {}
    for name, value in (
        ("plate", plate),
        (task, settings),
        ("frames", frames),
        ("engine", engine),
        ("model", model),
        ("controls", controls),
        ("output", output),
        ("labels", labels),
        ("use", use),
        ("priority", priority or None),
    ):
        said = _said(value)
        if said not in (None, "", {}, []) or name == task:
            job[name] = said
    return job


def _said(value: Any) -> Any:
    if isinstance(value, Mapping):
        pairs = ((name, _said(item)) for name, item in value.items())
        return {str(name): item for name, item in pairs if item is not None and item != "" and item != {}}
    if isinstance(value, (list, tuple)):
        return [_said(item) for item in value]
    return value
