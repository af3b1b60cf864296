"""A third party's engine for the tests that loads a model, and does what no policy allows where it is told to."""

from __future__ import annotations

import os
import shutil
import socket
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from overscan.core.engines import (
    Context,
    EngineCard,
    Estimate,
    ModelFiles,
    Parameter,
    Plan,
    RightsCard,
    Step,
    TrainingData,
)
from overscan.core.geometry import Window
from overscan.core.jobs import Job, Task
from overscan.core.rights import files_in

CARD = EngineCard(
    name="modelled",
    version="2.0",
    title="Copies the plate, and loads a model.",
    tasks=(Task.EXTEND,),
    controls=("seed",),
    parameters=(
        Parameter(
            name="act",
            description="what it does besides",
            default="load",
            choices=("load", "other weights", "call", "call quietly", "load late"),
        ),
        Parameter(name="ledger", description="file to note in what it did", default=""),
        Parameter(name="gate", description="the step before rendering waits for this file", default=""),
    ),
    rights=RightsCard(
        maker="Overscan's tests",
        licence="MIT",
        training_data=TrainingData.NONE,
        statement="The code has learned nothing; the model has a card of its own.",
        commercial_use=True,
    ),
)


class Modelled:
    """Finds its models in the folder MODELS: one folder each, with a file that says which card it goes by."""

    card = CARD

    def model(self, job: Job) -> ModelFiles | None:
        if not job.model:
            return None
        folder = Path(os.environ["MODELS"]) / job.model
        return ModelFiles(name=(folder / "card.txt").read_text().strip(), files=files_in(folder))

    def plan(self, job: Job) -> Plan:
        _note(job, "plan")
        assert job.plate is not None
        frames = job.frames or job.plate.frames or ()
        return Plan(
            steps=(
                Step(id="prepare", kind="analyse", title="Wait", weight=0.1),
                Step(id="render", kind="render", title="Copy", frames=frames, needs=("prepare",), weight=0.9),
            ),
            frames=frames,
            display_window=Window(x=0, y=0, width=16, height=8),
            estimate=Estimate(memory_bytes=1 << 20, seconds=1.0, output_bytes=1 << 10, work_bytes=1 << 10),
            encoding="half, zip",
        )

    def run(self, step: Step, context: Context) -> None:
        job = context.job
        asked = {parameter.name: parameter.default for parameter in CARD.parameters} | dict(job.parameters)
        if step.id == "prepare":
            _note(job, "prepare")
            self._wait(str(asked["gate"]), context)
            return
        _note(job, "render")
        if asked["act"] == "load late":
            self._wait(f"{asked['gate']}.late", context)
        found = self.model(job)
        for path in found.files.values() if found else ():
            path.read_bytes()
        if asked["act"] == "other weights":
            (Path(os.environ["MODELS"]) / "other" / "other.ckpt").read_bytes()
        if asked["act"] == "call":
            socket.create_connection(("203.0.113.1", 443), timeout=1)
        if asked["act"] == "call quietly":
            with suppress(Exception):
                socket.getaddrinfo("example.com", 443)
        assert job.plate is not None
        for frame in step.frames:
            target = Path(job.output.path % frame)
            shutil.copyfile(job.plate.path % frame, target)
            context.reporter.frame_finished(frame=frame, path=target, seconds=0.01)
        _note(job, "rendered")

    @staticmethod
    def _wait(gate: str, context: Context) -> None:
        while gate and not Path(gate).exists():
            context.reporter.check_cancelled()
            time.sleep(0.02)


class Disguised(Modelled):
    """Installed under one name, it has another on its card."""

    card = replace(CARD, name="plate")


class Learned(Modelled):
    """An engine whose own card says that it has learned from what nobody knows."""

    card = replace(
        CARD,
        name="learned",
        rights=replace(CARD.rights, training_data=TrainingData.UNDISCLOSED, statement="Nothing is said."),
    )


class Twin(Modelled):
    """Two packages have an engine of this name."""

    card = replace(CARD, name="twin")


def _note(job: Job, line: str) -> None:
    ledger = str(job.parameters.get("ledger", ""))
    if ledger:
        with Path(ledger).open("a") as file:
            file.write(line + "\n")
