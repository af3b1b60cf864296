"""`overscan engines`: what can be asked for, and where it comes from."""

from __future__ import annotations

from overscan.cli._report import Outcome, Report
from overscan.cli._words import columns
from overscan.client import connect, enum_word, to_plain
from overscan.v1.engine_pb2 import Engine, Limits, Parameter, Task
from overscan.v1.rights_pb2 import RightsCard, TrainingDataClass


def list_engines(*, report: Report) -> Outcome:
    """List the engines of the service that runs here."""
    with connect() as client:
        engines = client.engines()
    for index, engine in enumerate(engines):
        report.record("engine", to_plain(engine, defaults=True))
        report.say(("\n" if index else "") + _card(engine))
    if not engines:
        report.say("No engine is installed. Run `overscan doctor`.")
    return Outcome(facts={"count": len(engines)})


def _card(engine: Engine) -> str:
    name = f"{engine.name} {engine.version}".rstrip()
    if not engine.available:
        return f"{name}: cannot run here\n  {engine.unavailable_reason}"
    lines = [f"{name}: {engine.title}"]
    tasks = ", ".join(enum_word(Task.DESCRIPTOR, task) for task in engine.tasks)
    rows: list[tuple[str, ...]] = [("tasks", tasks or "none"), ("controls", ", ".join(engine.controls) or "none")]
    limits = _limits(engine.limits)
    if limits:
        rows.append(("limits", limits))
    rows.append(("rights", _rights(engine.rights)))
    lines.append(columns(rows, indent="  "))
    if engine.parameters:
        lines.append("  parameters, for --set NAME=VALUE:")
        table = [(parameter.name, _range(parameter), parameter.description) for parameter in engine.parameters]
        lines.append(columns([*table], indent="    "))
    return "\n".join(lines)


def _rights(card: RightsCard) -> str:
    training = enum_word(TrainingDataClass.DESCRIPTOR, getattr(card.training_data, "class"))
    use = "commercial use allowed" if card.commercial_use.allowed else "no commercial use"
    return f"{card.maker}; {card.licence.id}; training data: {training.replace('_', ' ')}; {use}"


def _limits(limits: Limits) -> str:
    parts = []
    if limits.size_multiple > 1:
        parts.append(f"works in sizes of {limits.size_multiple}n")
    if limits.frames_multiple > 1:
        parts.append(f"works in {limits.frames_multiple}n+{limits.frames_offset} frames")
    if limits.max_frames:
        parts.append(f"at most {limits.max_frames} frames at once")
    if limits.max_pixels:
        parts.append(f"at most {limits.max_pixels:,} samples per frame")
    return ", ".join(parts)


def _range(parameter: Parameter) -> str:
    default = to_plain(parameter.default_value)
    parts = [f"{str(default).lower() if isinstance(default, bool) else default}"]
    if parameter.choices:
        parts.append(f"of {'|'.join(parameter.choices)}")
    if parameter.HasField("minimum") or parameter.HasField("maximum"):
        low = f"{parameter.minimum:g}" if parameter.HasField("minimum") else "…"
        high = f"{parameter.maximum:g}" if parameter.HasField("maximum") else "…"
        parts.append(f"({low} to {high})")
    return " ".join([*parts, parameter.unit]).rstrip()
