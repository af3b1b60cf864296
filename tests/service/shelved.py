"""A third party's engine for the tests that takes its models from the library, and notes where it ran."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from overscan.core.engines import Context, EngineCard, Estimate, ModelFiles, Parameter, Plan, RightsCard, Step
from overscan.core.engines import TrainingData as Training
from overscan.core.geometry import Window
from overscan.core.jobs import Job, Task
from overscan.core.models import chosen_model, model_files

NOTED = ("CUDA_VISIBLE_DEVICES", "OVERSCAN_MODEL_MEMORY", "DIFFUSERS_DISABLE_REMOTE_CODE", "HF_HUB_OFFLINE")


@dataclass(frozen=True)
class FamilyCard:
    name: str = "shelved"
    pipelines: tuple[str, ...] = ("WanVACEPipeline",)
    rights_card: str = "wan-vace"


@dataclass(frozen=True)
class Family:
    card: FamilyCard = FamilyCard()


CARD = EngineCard(
    name="shelved",
    version="1.0",
    title="Copies the plate, with a model of the library at hand.",
    tasks=(Task.EXTEND,),
    controls=("seed",),
    parameters=(
        Parameter(name="ledger", description="file to note in what it did", default=""),
        Parameter(name="gate", description="rendering waits for this file", default=""),
    ),
    rights=RightsCard(
        maker="Overscan's tests", licence="MIT", training_data=Training.NONE, statement="", commercial_use=True
    ),
)


class Shelved:
    card = CARD
    family = Family()

    def unavailable(self) -> str:
        return ""

    def model(self, job: Job) -> ModelFiles | None:
        return model_files(job=job, family=self.family.card)

    def plan(self, job: Job) -> Plan:
        assert job.plate is not None
        frames = job.frames or job.plate.frames or ()
        weights = sum(chosen_model(job=job, family=self.family.card).bytes_of.values())
        return Plan(
            steps=tuple(
                Step(id=f"paint-{frame}", kind="paint", title="Paint", frames=(frame,), weight=1 / len(frames))
                for frame in frames
            ),
            frames=frames,
            display_window=Window(x=0, y=0, width=16, height=8),
            estimate=Estimate(memory_bytes=weights, seconds=1.0, output_bytes=1 << 10, work_bytes=1 << 10),
            encoding="half, zip",
        )

    def run(self, step: Step, context: Context) -> None:
        job = context.job
        (frame,) = step.frames
        with Path(str(job.parameters["ledger"])).open("a") as file:
            file.write(f"{frame} {os.getpid()} {' '.join(os.environ.get(name, '-') or 'none' for name in NOTED)}\n")
        half_made = np.zeros((500, 1000, 3), np.float32)
        half_made[:, :500] = 7.0, 0.0, np.nan
        context.reporter.preview(frame=frame, picture=half_made)
        gate = str(job.parameters.get("gate", ""))
        while gate and not Path(gate).exists():
            context.reporter.check_cancelled()
            time.sleep(0.02)
        for path in self.model(job).files.values():
            path.read_bytes()
        target = Path(job.output.path % frame)
        shutil.copyfile(job.plate.path % frame, target)
        context.reporter.frame_finished(frame=frame, path=target, seconds=0.01)


class Unavailable(Shelved):
    card = replace(CARD, name="unavailable")

    def unavailable(self) -> str:
        return "torch not installed: pip install '.[models]'"
