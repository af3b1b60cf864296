"""Core's plans, problems and engine cards to and from the wire."""

from __future__ import annotations

from dataclasses import replace

from google.protobuf.struct_pb2 import Value

from overscan.core import engines
from overscan.core.errors import ErrorRecord
from overscan.core.geometry import Window
from overscan.core.jobs import ParameterValue, Task
from overscan.service.wire.convert_rights import card_to_wire, decision_from_wire, decision_to_wire
from overscan.service.wire.frame_sets import read_frames, write_frames
from overscan.service.workers.messages import EngineEntry
from overscan.v1 import engine_pb2, geometry_pb2, plan_pb2

_TASKS = {
    Task.EXTEND: engine_pb2.Task.TASK_EXTEND,
    Task.INPAINT: engine_pb2.Task.TASK_INPAINT,
    Task.CONTINUE: engine_pb2.Task.TASK_CONTINUE,
    Task.INTERPOLATE: engine_pb2.Task.TASK_INTERPOLATE,
    Task.GENERATE: engine_pb2.Task.TASK_GENERATE,
}
_PARAMETER_TYPES = {
    bool: engine_pb2.ParameterType.PARAMETER_TYPE_BOOL,
    int: engine_pb2.ParameterType.PARAMETER_TYPE_INT,
    float: engine_pb2.ParameterType.PARAMETER_TYPE_FLOAT,
    str: engine_pb2.ParameterType.PARAMETER_TYPE_STRING,
}


def problem_to_wire(record: ErrorRecord) -> plan_pb2.Problem:
    """A problem for the wire, whose frame numbers have 32 bits."""
    if record.frame is not None and not -(2**31) <= record.frame < 2**31:
        record = replace(record, frame=None)
    return plan_pb2.Problem(**record.to_dict())  # type: ignore[arg-type]


def problem_from_wire(problem: plan_pb2.Problem) -> ErrorRecord:
    """A problem from the wire."""
    return ErrorRecord(
        code=problem.code,
        message=problem.message,
        next_step=problem.next_step,
        path=problem.path,
        frame=problem.frame if problem.HasField("frame") else None,
        field=problem.field,
        expected=problem.expected,
        actual=problem.actual,
    )


def notice_to_wire(notice: engines.Notice) -> plan_pb2.Notice:
    """A notice for the wire."""
    return plan_pb2.Notice(code=notice.code, message=notice.message, frame=notice.frame)


def plan_to_wire(plan: engines.Plan, *, engine: str, version: str) -> plan_pb2.Plan:
    """An engine's plan for the wire and the store."""
    wire = plan_pb2.Plan(
        feasible=plan.feasible,
        problems=[problem_to_wire(record) for record in plan.problems],
        warnings=[notice_to_wire(notice) for notice in plan.warnings],
        engine=engine,
        engine_version=version,
        steps=[
            plan_pb2.Step(
                id=step.id,
                kind=step.kind,
                title=step.title,
                frames=write_frames(step.frames),
                needs=step.needs,
                weight=step.weight,
            )
            for step in plan.steps
        ],
        frames=write_frames(plan.frames),
        new_frames=write_frames(plan.new_frames),
        plate_offset=geometry_pb2.Offset(x=plan.plate_offset[0], y=plan.plate_offset[1]),
        generated_fraction=plan.generated_fraction,
        estimate=plan_pb2.Estimate(
            memory_bytes=plan.estimate.memory_bytes,
            seconds=plan.estimate.seconds,
            output_bytes=plan.estimate.output_bytes,
            work_bytes=plan.estimate.work_bytes,
        ),
        color_space=plan.colour_space,
        encoding=plan.encoding,
    )
    if plan.display_window is not None:
        wire.display_window.CopyFrom(_window_to_wire(plan.display_window))
    if plan.data_window is not None:
        wire.data_window.CopyFrom(_window_to_wire(plan.data_window))
    if plan.decision is not None:
        wire.decision.CopyFrom(decision_to_wire(plan.decision))
    return wire


def without_steps(plan: plan_pb2.Plan) -> bytes:
    """A plan for the store, less its steps: there may be tens of thousands, and few ask for them."""
    slim = plan_pb2.Plan()
    slim.CopyFrom(plan)
    slim.ClearField("steps")
    return slim.SerializeToString()


def plan_from_wire(wire: plan_pb2.Plan) -> engines.Plan:
    """A stored plan as its engine made it."""
    return engines.Plan(
        problems=tuple(problem_from_wire(problem) for problem in wire.problems),
        warnings=tuple(
            engines.Notice(code=item.code, message=item.message, frame=item.frame if item.HasField("frame") else None)
            for item in wire.warnings
        ),
        steps=tuple(
            engines.Step(
                id=step.id,
                kind=step.kind,
                title=step.title,
                frames=read_frames(step.frames, field="frames") or (),
                needs=tuple(step.needs),
                weight=step.weight,
            )
            for step in wire.steps
        ),
        frames=read_frames(wire.frames, field="frames") or (),
        new_frames=read_frames(wire.new_frames, field="new_frames") or (),
        display_window=_window_from_wire(wire.display_window) if wire.HasField("display_window") else None,
        data_window=_window_from_wire(wire.data_window) if wire.HasField("data_window") else None,
        plate_offset=(wire.plate_offset.x, wire.plate_offset.y),
        generated_fraction=wire.generated_fraction,
        estimate=engines.Estimate(
            memory_bytes=wire.estimate.memory_bytes,
            seconds=wire.estimate.seconds,
            output_bytes=wire.estimate.output_bytes,
            work_bytes=wire.estimate.work_bytes,
        ),
        colour_space=wire.color_space,
        encoding=wire.encoding,
        decision=decision_from_wire(wire.decision) if wire.HasField("decision") else None,
        engine_version=wire.engine_version,
    )


def engine_to_wire(entry: EngineEntry) -> engine_pb2.Engine:
    """An installed engine for the wire."""
    card = entry.card
    if card is None:
        return engine_pb2.Engine(name=entry.name, available=False, unavailable_reason=entry.reason)
    return engine_pb2.Engine(
        name=entry.name,
        version=card.version,
        title=card.title,
        tasks=[_TASKS[task] for task in card.tasks],
        controls=card.controls,
        parameters=[_parameter_to_wire(parameter) for parameter in card.parameters],
        limits=engine_pb2.Limits(
            size_multiple=card.limits.size_multiple,
            frames_multiple=card.limits.frames_multiple,
            frames_offset=card.limits.frames_offset,
            max_frames=card.limits.max_frames or 0,
            max_pixels=card.limits.max_pixels or 0,
        ),
        rights=card_to_wire(card.rights, version=card.version),
        available=not entry.reason,
        unavailable_reason=entry.reason,
    )


def task_from_wire(task: engine_pb2.Task.ValueType) -> Task | None:
    """The task; None for unspecified. Raises KeyError for one that core does not know."""
    if task == engine_pb2.Task.TASK_UNSPECIFIED:
        return None
    return {number: name for name, number in _TASKS.items()}[task]


def _parameter_to_wire(parameter: engines.Parameter) -> engine_pb2.Parameter:
    choice = engine_pb2.ParameterType.PARAMETER_TYPE_CHOICE
    return engine_pb2.Parameter(
        name=parameter.name,
        description=parameter.description,
        type=choice if parameter.choices else _PARAMETER_TYPES[type(parameter.default)],
        default_value=_value(parameter.default),
        minimum=parameter.minimum,
        maximum=parameter.maximum,
        choices=parameter.choices,
        unit=parameter.unit,
    )


def _value(value: ParameterValue) -> Value:
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, str):
        return Value(string_value=value)
    return Value(number_value=value)


def _window_to_wire(window: Window) -> geometry_pb2.Window:
    return geometry_pb2.Window(x=window.x, y=window.y, width=window.width, height=window.height)


def _window_from_wire(window: geometry_pb2.Window) -> Window:
    return Window(x=window.x, y=window.y, width=window.width, height=window.height)
