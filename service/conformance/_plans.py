"""Checks of engines and plans: what a service says before anything runs."""

from __future__ import annotations

from overscan.service.conformance._check import check, expect
from overscan.service.conformance._target import Target
from overscan.v1 import engine_service_pb2 as engine_pb
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.admin_service_pb2 import Role
from overscan.v1.engine_pb2 import Task


@check("engines.list", role=Role.ROLE_VIEWER)
def engines(target: Target) -> None:
    """Engines are listed by name, the embedded one among them, each with a rights card."""
    found = target.ask(target.engines.ListEngines, engine_pb.ListEnginesRequest()).engines
    names = [engine.name for engine in found]
    expect(names == sorted(set(names)), f"the names are not in order: {names}.")
    expect("plate" in names, "there is no engine called 'plate'.")
    for engine in found:
        if engine.available:
            expect(engine.version and engine.title and engine.tasks, f"'{engine.name}' does not say what it is.")
            expect(engine.HasField("rights"), f"'{engine.name}' has no rights card.")
        else:
            expect(engine.unavailable_reason, f"'{engine.name}' does not say why it is not available.")


@check("engines.by_task", role=Role.ROLE_VIEWER)
def by_task(target: Target) -> None:
    """Engines asked for by task are those that do it."""
    request = engine_pb.ListEnginesRequest()
    every = target.ask(target.engines.ListEngines, request).engines
    for task in (Task.TASK_EXTEND, Task.TASK_GENERATE):
        request = engine_pb.ListEnginesRequest(task=task)
        found = {engine.name for engine in target.ask(target.engines.ListEngines, request).engines}
        wanted = {engine.name for engine in every if task in engine.tasks}
        expect(found == wanted, f"for {Task.Name(task)}: {sorted(found)}, not {sorted(wanted)}.")


@check("engines.get", role=Role.ROLE_VIEWER)
def get_engine(target: Target) -> None:
    """GetEngine says of an engine what the list says."""
    listed = target.ask(target.engines.ListEngines, engine_pb.ListEnginesRequest()).engines
    for engine in listed:
        one = target.ask(target.engines.GetEngine, engine_pb.GetEngineRequest(name=engine.name)).engine
        expect(one == engine, f"'{engine.name}' is described in two ways.")


@check("plans.whole")
def whole(target: Target) -> None:
    """A plan says what will be done: frames, steps that need only each other, windows, and an estimate."""
    spec = target.spec()
    plan = target.ask(target.jobs.PlanJob, pb.PlanJobRequest(spec=spec)).plan
    expect(plan.feasible and not plan.problems, f"the plan has problems: {[one.message for one in plan.problems]}")
    numbers = [n for part in plan.frames.ranges for n in range(part.first, part.last + 1, part.step or 1)]
    expect(numbers == list(target.shot(3).numbers), f"the frames are {numbers}.")
    ids = [step.id for step in plan.steps]
    expect(ids and len(ids) == len(set(ids)), f"the steps' ids are {ids}.")
    expect(all(need in ids for step in plan.steps for need in step.needs), "a step needs one that is not there.")
    weight = sum(step.weight for step in plan.steps)
    expect(abs(weight - 1.0) < 0.01, f"the steps' weights add up to {weight:g}, not to 1.")
    expect(plan.display_window.width == 72, f"the display window is {plan.display_window.width} wide, not 72.")
    expect(plan.engine == "plate" and plan.engine_version, "the plan does not say whose it is.")
    expect(plan.estimate.memory_bytes > 0 and plan.estimate.output_bytes > 0, "the estimate is empty.")


@check("plans.run_nothing")
def run_nothing(target: Target) -> None:
    """Planning creates no job and gives the same plan again."""
    spec = target.spec()
    spec.labels.shot = "planned-only"
    first, second = (target.ask(target.jobs.PlanJob, pb.PlanJobRequest(spec=spec)).plan for _ in range(2))
    expect(first.steps == second.steps and first.frames == second.frames, "two plans of one job differ.")
    request = pb.ListJobsRequest()
    request.labels.show, request.labels.shot = target.show, "planned-only"
    expect(not target.ask(target.jobs.ListJobs, request).jobs, "a job was made of a plan.")
