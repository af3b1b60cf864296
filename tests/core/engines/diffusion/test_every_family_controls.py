"""Every control there is, for every installed engine that runs a model and every task: taken, or refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra `models`")

from every_family import Footage, add_models, card_of, engine_of, model_engines
from filming import write

from overscan.core.controls import (
    Camera,
    CameraMove,
    CameraMoveKind,
    CameraSample,
    ControlPass,
    ControlPassKind,
    Controls,
    Keyframe,
    PointTrajectory,
    Reference,
    ReferenceKind,
    TrajectoryPoint,
    Transfer,
)
from overscan.core.engines import Plan
from overscan.core.errors import ErrorRecord
from overscan.core.jobs import MatteSource, SequenceSource, Task
from overscan.core.media import ImageSource

NAMES = tuple(field.name for field in fields(Controls))
CASES = [
    pytest.param(name, task, id=f"{name}-{task.value}") for name in model_engines() for task in card_of(name).tasks
]


@pytest.fixture(scope="module", autouse=True)
def _models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root = tmp_path_factory.mktemp("every-control")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVERSCAN_HOME", str(root / "home"))
        add_models(root)
        yield


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    return Footage(size=(77, 51), frames=range(1001, 1012), folder=tmp_path_factory.mktemp("plate")).film()


class Tried:
    """An engine that is asked for plans of one task with one control or another."""

    def __init__(self, engine: str, task: Task, shot: Footage, folder: Path) -> None:
        self.engine, self.task, self.shot, self.folder = engine, task, shot, folder
        self.card = card_of(engine)
        self._refused: dict[str, list[list[ErrorRecord]]] = {}
        self.plain = self.plan()
        assert self.plain.feasible, [problem.message for problem in self.plain.problems]

    def plan(self, **controls: Any) -> Plan:
        fields = {"controls": Controls(**controls), "parameters": {}}
        if any(parameter.name == "schedule" for parameter in self.card.parameters):
            fields["parameters"] = {"schedule": "standard"}  # a distilled one takes no steps, guidance and the like
        job = self.shot.job(self.engine, self.task, self.folder / "out", **fields)
        return engine_of(self.engine).plan(job)

    def refusals(self, name: str) -> list[list[ErrorRecord]]:
        """The problems that each value of a control makes: all of that control, and saying what to do."""
        if name not in self._refused:
            # Without guidance a model hears no negative prompt, and says so.
            beside = {"guidance": 2.0} if name == "negative_prompt" and "guidance" in self.card.controls else {}
            self._refused[name] = [list(self.plan(**{name: value}, **beside).problems) for value in self.values(name)]
        for problem in (problem for problems in self._refused[name] for problem in problems):
            assert problem.field.partition("[")[0].split(".")[:2] == ["controls", name], problem
            assert problem.message
            assert problem.next_step
        return self._refused[name]

    def values(self, name: str) -> list[Any]:
        """Values of a control that are in order; of kinds, every one that the family says it takes, or else one."""
        frames, width, height = self.plain.frames, *self._format()
        made = self.plain.new_frames or frames
        if name in ("passes", "motion_transfer", "pose_transfer"):
            kinds = [kind for kind in ControlPassKind if kind.value in {own.value for own in self.card.passes}]
            if name == "passes":
                return [(self._pass(kind),) for kind in kinds or [ControlPassKind.DEPTH]]
            kind = ControlPassKind.POSE if name == "pose_transfer" else ControlPassKind.EDGES
            return [Transfer(source=self._pass(kind).sequence, strength=1.0)]
        if name == "references":
            kinds = sorted(self.card.references) or [ReferenceKind.SUBJECT]
            return [(Reference(image=self._still("reference"), kind=kind),) for kind in kinds]
        one = self.shot.plate % self.shot.frames[0]
        matte = MatteSource(sequence=SequenceSource(path=self.shot.matte))
        camera = tuple(
            CameraSample(
                frame=frame,
                matrix=tuple(float(value) for value in np.eye(4).ravel()),
                focal_length_mm=35.0 + index * 0.1,
                horizontal_aperture_mm=36.0,
                vertical_aperture_mm=36.0 * height / width,
            )
            for index, frame in enumerate(sorted({*frames, *self.shot.frames}))
        )
        tracks = tuple(
            PointTrajectory(
                name=f"t{number}",
                points=tuple(
                    TrajectoryPoint(frame=frame, x=8.0 + 9 * (number % 7) - 2 * at, y=6.0 + 11 * (number // 7) - at / 2)
                    for at, frame in enumerate(sorted({*frames, *self.shot.frames}))
                ),
            )
            for number in range(21)
        )
        return [
            {
                "prompt": "a stone wall",
                "negative_prompt": "text",
                "steps": 3,
                "guidance": 2.0,
                "strength": 0.5,
                "frame_rate": 25.0,
                "keyframes": (Keyframe(frame=made[len(made) // 2], image=self._still("key")),),
                "source_frames": tuple(self.shot.frames)[1:9],
                "movers": matte,
                "never_copy": matte,
                "clean_plates": (SequenceSource(path=one),),
                "camera": Camera(samples=camera),
                "camera_moves": (CameraMove(kind=CameraMoveKind.PAN, amount=4.0),),
                "trajectories": tracks,
            }[name]
        ]

    def _format(self) -> tuple[int, int]:
        shown = self.plain.display_window
        assert shown is not None
        return shown.width, shown.height

    def _still(self, name: str) -> ImageSource:
        return ImageSource(sequence=SequenceSource(path=self._film(name, (0,), "RGB")))

    def _pass(self, kind: ControlPassKind) -> ControlPass:
        channels = "Z" if kind is ControlPassKind.DEPTH else "RGB"
        pattern = self._film(kind.value, self.plain.frames, channels)
        return ControlPass(kind=kind, sequence=SequenceSource(path=pattern))

    def _film(self, name: str, frames: tuple[int, ...], channels: str) -> str:
        """Images of the result's format that any kind may be: thin lines of full colours on black, or distances."""
        width, height = self._format()
        for frame in frames:
            lines = np.zeros((height, width), np.float32)
            lines[:: height // 4] = 1
            planes = {channel: lines if channel == "R" else np.zeros_like(lines) for channel in channels}
            if name == "depth":
                planes = {"Z": np.linspace(3, 9, width, dtype=np.float32) + np.zeros_like(lines)}
            elif name == "normals":
                planes["B"], planes["R"] = np.ones_like(lines), np.zeros_like(lines)
            write(self.folder / name / f"{name}.{frame:04d}.exr", planes)
        number = "%04d" if len(frames) > 1 else f"{frames[0]:04d}"
        return str(self.folder / name / f"{name}.{number}.exr")


@pytest.fixture(scope="module")
def tried(shot: Footage, tmp_path_factory: pytest.TempPathFactory) -> Any:
    kept: dict[tuple[str, Task], Tried] = {}

    def tried(engine: str, task: Task) -> Tried:
        if (engine, task) not in kept:
            kept[engine, task] = Tried(engine, task, shot, tmp_path_factory.mktemp("control"))
        return kept[engine, task]

    return tried


@pytest.mark.parametrize(("engine", "task"), CASES)
def test_a_control_that_the_card_does_not_list_is_refused_by_its_name(engine: str, task: Task, tried: Any) -> None:
    asked = tried(engine, task)
    listed = engine_of(engine).card.controls
    unlisted = [name for name in NAMES if name not in listed]
    assert unlisted
    for name in unlisted:
        for problems in asked.refusals(name):
            assert any(name in problem.message for problem in problems), (name, problems)


@pytest.mark.parametrize(("engine", "task"), CASES)
def test_a_control_that_the_card_lists_is_taken_or_what_is_missing_is_said(engine: str, task: Task, tried: Any) -> None:
    asked = tried(engine, task)
    for name in engine_of(engine).card.controls:
        if name in NAMES:
            asked.refusals(name)  # looks at each of them


@pytest.mark.parametrize("engine", model_engines())
def test_every_control_that_a_card_lists_is_taken_for_some_task(engine: str, tried: Any) -> None:
    listed = set(engine_of(engine).card.controls)
    assert listed - {"seed", "parameters"} <= set(NAMES)
    never: dict[str, list[ErrorRecord]] = {}
    for name in sorted(listed & set(NAMES)):
        found = []
        for task in card_of(engine).tasks:
            refused = tried(engine, task).refusals(name)
            if not all(refused):
                break
            found += [problem for problems in refused for problem in problems]
        else:
            never[name] = found
    assert not never
