"""LTX-2: as LTX-Video, and makes sound with the pictures.

The pipeline takes a clip at the beginning and pictures at any frame, but no matte: what is known inside a frame is put
back at every step (`_latent_replacement`). Prompts go to the model as they are written: nothing is added to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from overscan.core.engines.diffusion._family import (
    Defaults,
    FamilyCard,
    Lattice,
    MatteUse,
    Painted,
    PaintRequest,
    StepHook,
)
from overscan.core.engines.diffusion.families._loras import (
    DISTILLED,
    Equipped,
    missing_peft,
    read_loras,
    switch_on,
)
from overscan.core.engines.diffusion.families._ltx2_denoise import (
    DISTILLED_STEPS,
    GUIDANCE_PARAMETERS,
    LEFT_OUT,
    PIPELINES,
    decoded,
    denoise,
    need,
    sound_of,
    sound_refusals,
)
from overscan.core.engines.diffusion.families._ltx2_load import load_equipped
from overscan.core.engines.diffusion.families._ltx_lattice import fitted
from overscan.core.engines.diffusion.families._ltx_schedule import (
    NEGATIVE_PROMPT,
    SCHEDULE,
    is_distilled,
    schedule_refusals,
)
from overscan.core.engines.diffusion.runtime import Device, ModelFacts, Need, painting
from overscan.core.engines.diffusion.runtime._libraries import diffusers_library
from overscan.core.errors import ErrorRecord, OverscanError
from overscan.core.jobs import Job, ParameterValue, Task

if TYPE_CHECKING:
    from overscan.core.engines.diffusion import DiffusionEngine
    from overscan.core.models import ModelFolder

LATTICE = Lattice(size=32, frames=8, offset=1, frames_max=121, pixels=768 * 512)
DEFAULTS = Defaults(steps=30, guidance=3.0, negative_prompt=NEGATIVE_PROMPT, overlap=17)
CONTROLS = (
    "prompt",
    "negative_prompt",
    "seed",
    "steps",
    "guidance",
    "strength",
    "frame_rate",
    "keyframes",
    "parameters",
)

CARD = FamilyCard(
    name="ltx-2",
    title="LTX-2: fills mattes and margins, goes on from given frames and key frames, with sound if asked.",
    version="1",
    pipelines=PIPELINES,
    tasks=(Task.EXTEND, Task.INPAINT, Task.CONTINUE, Task.INTERPOLATE),
    controls=CONTROLS,
    lattice=LATTICE,
    defaults=DEFAULTS,
    matte=MatteUse.LATENT,
    sound=True,
    rights_card="ltx-2",
    parameters=(SCHEDULE, *GUIDANCE_PARAMETERS),
)


class Ltx2:
    """The family."""

    card = CARD

    def lattice(self, facts: ModelFacts | None) -> Lattice:
        """Sizes and lengths."""
        return fitted(self.card.lattice, facts)

    def refusals(self, job: Job, folder: ModelFolder | None) -> list[ErrorRecord]:
        """What a distilled model has no use for, and sound that cannot be made."""
        found = schedule_refusals(job, steps=DISTILLED_STEPS, guidance=self.card.defaults.guidance)
        found += sound_refusals(job)
        if folder is None:
            return found
        try:
            loras = read_loras(folder, kinds=(DISTILLED,))
        except OverscanError as error:
            return [*found, error.record]
        peft = missing_peft() if loras else None
        return [*found, *([peft] if peft else [])]

    def estimate(self, facts: ModelFacts, *, frames: int, width: int, height: int, steps: int, job: Job) -> Need:
        """What one window takes."""
        return need(
            facts,
            frames=frames,
            width=width,
            height=height,
            steps=steps,
            job=job,
            defaults=self.card.defaults.guidance,
        )

    def load(self, folder: ModelFolder, device: Device, *, parameters: Mapping[str, ParameterValue]) -> Any:
        """The pipeline with conditions, whatever the folder's index names, and a LoRA that distils it, if there is."""
        return load_equipped(
            folder, device, parameters=parameters, kinds=(DISTILLED,), cls=_condition_pipeline, left_out=LEFT_OUT
        )

    def paint(self, pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
        """Paint one window. The pictures are the same with sound and without."""
        return _paint(pipeline, request, hook)


def engine() -> DiffusionEngine:
    """The engine ``ltx-2``."""
    from overscan.core.engines.diffusion import DiffusionEngine

    return DiffusionEngine(family=Ltx2())


def _condition_pipeline() -> type[Any]:
    found: type[Any] = diffusers_library().LTX2ConditionPipeline
    return found


def _paint(loaded: Equipped, request: PaintRequest, hook: StepHook) -> Painted:
    pipeline = loaded.pipeline
    with painting(pipeline):
        switch_on(pipeline, loaded.loras if is_distilled(request.parameters) else ())
        made = denoise(pipeline, request, hook)
        return Painted(
            video=decoded(pipeline, made.video), sound=sound_of(pipeline, made.sound) if request.sound else None
        )
