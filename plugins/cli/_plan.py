"""A plan in the words of people who did not write the engine."""

from __future__ import annotations

from overscan.cli._words import columns, duration, plural, size
from overscan.client import count_frames, frames_to_text
from overscan.v1.geometry_pb2 import Window
from overscan.v1.plan_pb2 import Plan

_STEPS_SHOWN = 12


def plan_sentences(plan: Plan, *, indent: str = "  ") -> str:
    """What will happen, one fact a line."""
    rows: list[tuple[str, ...]] = [("engine", f"{plan.engine} {plan.engine_version}".strip())]
    if not plan.steps:  # it depends on jobs that are not done
        return "\n".join([columns([*rows, *_policy(plan)], indent=indent), *_warnings(plan, indent)])
    rows.append(("frames", f"{count_frames(plan.frames)} ({frames_to_text(plan.frames)})"))
    new = count_frames(plan.new_frames)
    if new:
        rows.append(("new frames", f"{new} ({frames_to_text(plan.new_frames)})"))
    if plan.HasField("display_window"):
        rows.append(("format", _window(plan.display_window)))
    if plan.HasField("data_window") and plan.data_window != plan.display_window:
        rows.append(("data window", _window(plan.data_window)))
    rows.append(("plate", f"moves by {plan.plate_offset.x},{plan.plate_offset.y} in the result"))
    if plan.color_space:
        rows.append(("colour space", plan.color_space))
    if plan.encoding:
        rows.append(("written as", plan.encoding))
    if not new:
        rows.append(("generated", f"about {plan.generated_fraction:.1%} of each frame"))
    estimate = plan.estimate
    rows.append(("takes", f"about {duration(estimate.seconds)} and {size(estimate.memory_bytes)} of memory"))
    rows.append(("disk", f"{size(estimate.output_bytes)}, and {size(estimate.work_bytes)} while it runs"))
    rows += _policy(plan)
    lines = [columns(rows, indent=indent), f"{indent}{plural(len(plan.steps), 'step')}:"]
    lines += [
        f"{indent}  {step.title}" + (f" ({frames_to_text(step.frames)})" if step.frames.ranges else "")
        for step in plan.steps[:_STEPS_SHOWN]
    ]
    if len(plan.steps) > _STEPS_SHOWN:
        lines.append(f"{indent}  and {len(plan.steps) - _STEPS_SHOWN} more")
    return "\n".join([*lines, *_warnings(plan, indent)])


def _policy(plan: Plan) -> list[tuple[str, ...]]:
    if not plan.HasField("decision"):
        return []
    policy = f" ({plan.decision.policy})" if plan.decision.policy else ""
    verdict = "allowed" if plan.decision.allowed else "not allowed"
    return [("policy", f"{verdict}{policy}: {plan.decision.reason} {plan.decision.remedy}".rstrip(": "))]


def _warnings(plan: Plan, indent: str) -> list[str]:
    return [f"{indent}warning: {notice.message}" for notice in plan.warnings]


def _window(window: Window) -> str:
    return f"{window.width}x{window.height}{window.x:+d}{window.y:+d}"
