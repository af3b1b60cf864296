"""An engine for tests: fills with grey, as slowly as asked, and fails where asked. All else is the real thing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from overscan.core.engines import (
    Context,
    EngineCard,
    Estimate,
    Notice,
    Parameter,
    Plan,
    RightsCard,
    Step,
    TrainingData,
)
from overscan.core.errors import MismatchError
from overscan.core.jobs import Job, Task
from overscan.core.results import Composer, Generated, SourceKind, check_output, encoding
from overscan.core.shots import survey

GREY = 0.18


class GreyEngine:
    """One step a frame."""

    card = EngineCard(
        name="grey",
        version="1.0",
        title="Fills with middle grey.",
        tasks=(Task.EXTEND, Task.INPAINT),
        controls=("seed", "parameters"),
        parameters=(
            Parameter(name="pause", description="Time each frame takes at least", default=0.0, minimum=0.0, unit="s"),
            Parameter(name="fail_at", description="Frame to fail at", default=-1),
            Parameter(name="die_at", description="Frame to die at", default=-1),
            Parameter(name="mood", description="How", default="calm", choices=("calm", "wild")),
        ),
        rights=RightsCard(
            maker="the tests",
            licence="CC0-1.0",
            training_data=TrainingData.NONE,
            statement="Nothing was learned.",
            commercial_use=True,
        ),
    )

    def plan(self, job: Job) -> Plan:
        found = survey(job)
        if found.shot is None:
            return Plan(problems=tuple(found.problems))
        problems, warnings = check_output(found.shot)
        shot = found.shot
        frames = shot.render
        return Plan(
            problems=tuple(problems),
            warnings=(*found.warnings, *warnings, Notice(code="GREY", message="The fill is plain grey.")),
            steps=tuple(
                Step(
                    id=f"render-{frame}", kind="render", title=f"fill frame {frame}", frames=(frame,),
                    weight=1 / len(frames),
                )
                for frame in frames
            ),
            frames=frames,
            display_window=shot.layout.display_window,
            data_window=shot.layout.in_result(shot.coverage(frames[0])),
            plate_offset=shot.layout.offset,
            generated_fraction=0.5,
            estimate=Estimate(memory_bytes=10_000_000, seconds=1.0, output_bytes=1_000_000, work_bytes=1000),
            colour_space=shot.space.name,
            encoding=encoding(shot),
        )  # fmt: skip

    def run(self, step: Step, context: Context) -> None:
        shot = survey(context.job).shot
        assert shot is not None
        composer = Composer(shot=shot, work_folder=context.work_folder, attributes={})
        set_to = context.job.parameters
        for frame in step.frames:
            began = time.monotonic()
            context.reporter.progress(fraction=0.1, message=f"filling frame {frame} with grey")
            while time.monotonic() - began < float(set_to.get("pause", 0.0)):
                context.reporter.check_cancelled()
                time.sleep(0.02)
            if frame == set_to.get("die_at"):
                os._exit(3)
            if frame == set_to.get("fail_at") and not Path(os.environ["GREY_MENDED"]).exists():
                raise MismatchError("this frame was made to fail.", frame=frame, next_step="Mend it.")
            plate = shot.read(frame)
            window = shot.coverage(frame)
            alpha = np.ones(window.shape, np.float32)
            data_window = shot.data_window(frame)
            matte = shot.read_matte(frame)
            alpha[data_window.slices_in(window)] = 0.0 if matte is None else matte
            nowhere = np.full(window.shape, np.nan, np.float32)
            generated = Generated(
                window=window,
                light=np.full((*window.shape, len(shot.colours)), GREY, np.float32),
                alpha=alpha,
                confidence=np.ones(window.shape, np.float32),
                source_x=nowhere,
                source_y=nowhere,
                source_frame=nowhere,
                kind=np.full(window.shape, SourceKind.SYNTHESISED, np.uint8),
            )
            composer.write(plate, generated)
            path = composer.check(plate, generated).path
            context.reporter.frame_finished(frame=frame, path=path, seconds=time.monotonic() - began)
