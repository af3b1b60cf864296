"""What keeps a job from running, and what a plan says of one that can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filming import make_job, pan, write
from running import planned, run_engine
from stub import LATTICE, StubFamily, stub_engine

from overscan.core.colour import Curve
from overscan.core.controls import (
    CameraMove,
    CameraMoveKind,
    ControlPass,
    ControlPassKind,
    Controls,
    Keyframe,
    Reference,
    ReferenceKind,
    Transfer,
)
from overscan.core.engines.diffusion import DiffusionEngine
from overscan.core.errors import ErrorRecord
from overscan.core.jobs import AnyTask, Continue, Extend, Generate, Interpolate, Job, Margins
from overscan.core.media import ImageSource, MatteSource, SequenceSource

TAIL = Continue(tail=6)
MARGIN = Extend(margins=Margins(right=20))


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pan(tmp_path_factory.mktemp("p"), size=(91, 67), frames=range(1, 13))


def _job(plate: str, tmp_path: Path, task: AnyTask, **fields: object) -> Job:
    return make_job(task, plate, str(tmp_path / "o/o.%d.exr"), **fields)


def _problems(engine: DiffusionEngine, job: Job) -> dict[str, ErrorRecord]:
    return {problem.field: problem for problem in engine.plan(job).problems}


def _sequence(plate: str) -> SequenceSource:
    return SequenceSource(path=plate)


@pytest.mark.parametrize(
    ("task", "controls"),
    [
        (TAIL, {"negative_prompt": "blur"}),
        (TAIL, {"negative_prompt": ""}),
        (TAIL, {"guidance": 3.0}),
        (TAIL, {"strength": 0.5}),
        (TAIL, {"frame_rate": 25.0}),
        (TAIL, {"camera_moves": (CameraMove(kind=CameraMoveKind.PAN, amount=3.0),)}),
        (TAIL, {"clean_plates": ("plate",)}),
        (TAIL, {"movers": "plate"}),
        (MARGIN, {"strength": 0.5}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else type(value).__name__,
)
def test_every_control_that_is_not_honoured_is_refused(tmp_path, plate, task, controls):
    if "clean_plates" in controls:
        controls = {"clean_plates": (SequenceSource(path=plate % 1),)}
    if "movers" in controls:
        write(tmp_path / "m.exr", {"A": np.zeros((67, 91), np.float32)})
        controls = {"movers": MatteSource(sequence=SequenceSource(path=str(tmp_path / "m.exr")))}
    job = _job(plate, tmp_path, task, controls=Controls(**controls))
    refused = _problems(stub_engine(), job)[f"controls.{next(iter(controls))}"]
    assert next(iter(controls)) in refused.message
    assert refused.next_step
    assert _problems(stub_engine(), _job(plate, tmp_path, task)) == {}


def test_pictures_that_are_not_honoured_are_refused_all_at_once(tmp_path, plate):
    image = ImageSource(sequence=SequenceSource(path=plate % 1))
    controls = Controls(
        keyframes=(Keyframe(frame=14, image=image),),
        references=(Reference(image=image, kind=ReferenceKind.STYLE),),
        passes=(ControlPass(kind=ControlPassKind.DEPTH, sequence=_sequence(plate)),),
        motion_transfer=Transfer(source=_sequence(plate)),
        pose_transfer=Transfer(source=_sequence(plate)),
    )
    found = _problems(stub_engine(), _job(plate, tmp_path, TAIL, controls=controls))
    for name in ("keyframes", "references", "passes", "motion_transfer", "pose_transfer"):
        assert any(field.startswith(f"controls.{name}") for field in found), name


def test_what_the_ground_follows_is_taken_for_an_extension(tmp_path, plate):
    controls = Controls(source_frames=(1, 2, 3, 4), prompt="a wall")
    assert stub_engine().plan(_job(plate, tmp_path, MARGIN, controls=controls)).feasible
    assert not stub_engine().plan(_job(plate, tmp_path, TAIL, controls=controls)).feasible


def test_a_task_that_the_family_does_not_do(tmp_path, plate):
    engine = stub_engine(tasks=(TAIL_KIND,))
    assert "does not do 'extend'" in _problems(engine, _job(plate, tmp_path, MARGIN))["task"].message
    generate = Generate(size=(64, 64), frames=(1, 2), frame_rate=24.0)
    assert "task" in _problems(engine, _job(plate, tmp_path, generate))


TAIL_KIND = _job("p", Path("/"), TAIL).kind


@pytest.mark.parametrize(
    ("name", "value"), [("exposure", "bright"), ("exposure", "9"), ("exposure", "nan"), ("curve", "logc3")]
)
def test_values_that_cannot_be(tmp_path, plate, name, value):
    engine = stub_engine(curve=Curve.ACESCCT)
    problem = _problems(engine, _job(plate, tmp_path, TAIL, parameters={name: value}))[f"parameters.{name}"]
    assert problem.actual == value


def test_times_on_no_grid_are_refused(tmp_path, plate):
    job = _job(plate, tmp_path, Interpolate(times=(1.0, 1.123, 2.0)))
    assert "no grid" in _problems(stub_engine(), job)["interpolate"].message


def test_windows_that_are_cut_are_told(tmp_path, plate):
    parameters = {"window": 8, "overlap": 7}
    plan = planned(stub_engine(), _job(plate, tmp_path, TAIL, parameters=parameters))
    said = {notice.code: notice.message for notice in plan.warnings}
    assert "5 frames and not 8" in said["WINDOW_SHORTENED"]
    assert "1 frames and not 7" in said["OVERLAP_SHORTENED"]


def test_a_plan_says_what_comes(tmp_path, plate):
    plan = planned(stub_engine(), _job(plate, tmp_path, MARGIN))
    assert plan.frames == tuple(range(1, 13))
    assert plan.display_window is not None
    assert plan.display_window.width == 111
    assert 0.1 < plan.generated_fraction < 0.3
    assert plan.estimate.memory_bytes > 0
    kinds = {step.kind for step in plan.steps}
    assert {"look", "paint", "finish"} <= kinds
    assert any(kind.startswith("ground-") for kind in kinds)
    new = planned(stub_engine(), _job(plate, tmp_path, Continue(head=2, tail=3)))
    assert new.new_frames == (-1, 0, 13, 14, 15)
    assert new.frames == tuple(range(-1, 16))
    # Both ends are painted on their own.
    painted = [step for step in new.steps if step.kind == "paint"]
    assert [step.needs for step in painted] == [("look",), ("look",)]


@pytest.mark.parametrize("window", [1, 4])
def test_a_window_too_short_to_go_on_from_anything_is_refused(tmp_path, plate, window):
    """The lattice leaves one frame of either, which is the given one."""
    problems = _problems(stub_engine(), _job(plate, tmp_path, TAIL, parameters={"window": window}))
    assert problems["parameters.window"].expected == "at least 5"
    assert not _problems(stub_engine(), _job(plate, tmp_path, TAIL, parameters={"window": 5}))


def test_a_range_far_from_its_neighbours_is_told(tmp_path, plate):
    plan = planned(stub_engine(), _job(plate, tmp_path, MARGIN, frames=(2, 5, 9)))
    assert "FRAMES_APART" in {notice.code for notice in plan.warnings}


@pytest.mark.parametrize("task", [TAIL, MARGIN], ids=["continue", "extend"])
def test_a_plate_of_every_second_frame_is_told(tmp_path, plate, task):
    twos = pan(tmp_path / "twos", size=(91, 67), frames=range(1, 13, 2))
    said = {
        name: [notice.code for notice in planned(stub_engine(), _job(own, tmp_path, task)).warnings]
        for name, own in (("every", plate), ("second", twos))
    }
    assert "FRAMES_APART" in said["second"]
    assert "FRAMES_APART" not in said["every"]


def test_requests_say_what_the_job_says(tmp_path, plate):
    engine = stub_engine(
        controls=("prompt", "negative_prompt", "steps", "guidance", "strength", "frame_rate", "seed"), backwards=True
    )
    controls = Controls(prompt="rain", steps=2, guidance=4.5, strength=0.75, frame_rate=30.0, negative_prompt="")
    job = _job(plate, tmp_path, Continue(head=3), controls=controls, seed=9, parameters={"grain": False})
    run_engine(engine, job, tmp_path)
    assert isinstance(engine.family, StubFamily)
    (request,) = engine.family.requests
    assert (request.prompt, request.negative_prompt, request.steps) == ("rain", "", 2)
    assert (request.guidance, request.strength, request.frame_rate) == (4.5, 0.75, 30.0)
    # Time is not turned round for a model that can be given its end.
    assert request.given == (False, False, False, True, True)
    assert request.parameters["window"] == 0
    assert "grain" in request.parameters
    turned = stub_engine(backwards=False)
    other = _job(plate, tmp_path, Continue(head=3), parameters={"grain": False}, output={"overwrite": True})
    run_engine(turned, other, tmp_path / "t")
    assert isinstance(turned.family, StubFamily)
    assert turned.family.requests[0].given == (True, True, False, False, False)
    assert np.array_equal(turned.family.requests[0].video[:2], request.video[:-3:-1])


def test_a_model_that_goes_on_from_one_frame_is_given_one(tmp_path, plate):
    engine = stub_engine(given_most=1, overlap=4)
    run_engine(engine, _job(plate, tmp_path, Continue(tail=20), parameters={"grain": False}), tmp_path)
    assert isinstance(engine.family, StubFamily)
    assert len(engine.family.requests) == 3
    assert all(request.given[:2] == (True, False) for request in engine.family.requests)
    assert all(len(request.given) <= LATTICE.frames_max for request in engine.family.requests)
