"""LTX-2 with in-context LoRAs: follows depth, poses, edges and tracks, and fills by a LoRA made for it.

A guide is a second video that the model reads along with the first; a LoRA in the folder's ``loras/`` taught it what
the video means. A guide without its LoRA would be noise to the model, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from overscan.core.engines._protocol import Parameter
from overscan.core.engines.diffusion._family import (
    FamilyCard,
    Floats,
    Lattice,
    MatteUse,
    Painted,
    PaintRequest,
    PassKind,
    StepHook,
)
from overscan.core.engines.diffusion.families._loras import (
    DISTILLED,
    FILL,
    MOVES,
    Equipped,
    Lora,
    missing_peft,
    read_loras,
    serving,
    switch_on,
)
from overscan.core.engines.diffusion.families._ltx2 import CONTROLS, DEFAULTS, LATTICE
from overscan.core.engines.diffusion.families._ltx2_denoise import (
    DISTILLED_STEPS,
    GUIDANCE_PARAMETERS,
    LEFT_OUT,
    PIPELINES,
    decoded,
    denoise,
    need,
    reference_tensor,
    sound_of,
    sound_refusals,
)
from overscan.core.engines.diffusion.families._ltx2_load import load_equipped
from overscan.core.engines.diffusion.families._ltx_lattice import fitted
from overscan.core.engines.diffusion.families._ltx_schedule import SCHEDULE, is_distilled, schedule_refusals
from overscan.core.engines.diffusion.runtime import Device, ModelFacts, Need, painting
from overscan.core.engines.diffusion.runtime._libraries import diffusers_library
from overscan.core.errors import ErrorRecord, OverscanError
from overscan.core.jobs import Job, ParameterValue, Task

if TYPE_CHECKING:
    from overscan.core.engines.diffusion import DiffusionEngine
    from overscan.core.models import ModelFolder

_PASSES = frozenset(
    {PassKind.DEPTH, PassKind.POSE, PassKind.EDGES, PassKind.TRACKS, PassKind.NORMALS, PassKind.SEGMENTATION}
)
_KINDS = (*(kind.value for kind in _PASSES), FILL, DISTILLED, *(f"move:{move}" for move in MOVES))
_GREEN = np.array([0x66 / 255, 1.0, 0.0], np.float32)
"""What the published LoRA for filling takes for a hole."""
_FILL = Parameter(
    name="fill",
    description="How mattes are filled: lora shows the model the hole (needs a LoRA made for it), replacement puts "
    "what is known back at every step; auto takes the LoRA where there is one that goes with the guides.",
    default="auto",
    choices=("auto", "lora", "replacement"),
)
_MOVE = Parameter(
    name="camera_lora",
    description="A camera move that a LoRA in the model's folder was trained on; how far it goes is the model's.",
    default="none",
    choices=("none", *MOVES),
)

CARD = FamilyCard(
    name="ltx-2-in-context",
    title="LTX-2 with in-context LoRAs: follows depth, poses, edges and tracks; fills mattes and margins.",
    version="1",
    pipelines=PIPELINES,
    tasks=(Task.EXTEND, Task.INPAINT, Task.CONTINUE, Task.INTERPOLATE),
    controls=(*CONTROLS, "passes", "trajectories", "camera", "camera_moves", "motion_transfer", "pose_transfer"),
    passes=_PASSES,
    # References of half the size must be on the lattice too.
    lattice=Lattice(
        size=64, frames=LATTICE.frames, offset=LATTICE.offset, frames_max=LATTICE.frames_max, pixels=LATTICE.pixels
    ),
    defaults=DEFAULTS,
    matte=MatteUse.LATENT,
    sound=True,
    rights_card="ltx-2",
    parameters=(SCHEDULE, *GUIDANCE_PARAMETERS, _FILL, _MOVE),
)


class Ltx2InContext:
    """The family."""

    card = CARD

    def lattice(self, facts: ModelFacts | None) -> Lattice:
        """Sizes and lengths."""
        return fitted(self.card.lattice, facts)

    def refusals(self, job: Job, folder: ModelFolder | None) -> list[ErrorRecord]:
        """Guides without their LoRA, LoRAs that do not go together, and what a distilled model has no use for."""
        found = schedule_refusals(job, steps=DISTILLED_STEPS, guidance=self.card.defaults.guidance)
        found += sound_refusals(job)
        if folder is None:
            return found
        try:
            loras = read_loras(folder, kinds=_KINDS)
        except OverscanError as error:
            return [*found, error.record]
        peft = missing_peft() if loras else None
        from overscan.core.engines.diffusion.guides import wanted_guides

        guides = {
            wanted.kind.value: f"controls.passes[{wanted.index}]"
            if wanted.origin.value == "pass"
            else f"controls.{wanted.origin.value}"
            for wanted in wanted_guides(job, card=self.card)
            if wanted.strength > 0
        }
        return [*found, *([peft] if peft else []), *_lora_refusals(job, guides, loras, folder)]

    def estimate(self, facts: ModelFacts, *, frames: int, width: int, height: int, steps: int, job: Job) -> Need:
        """What one window takes; a hole shown by a LoRA is a reference like the guides."""
        from overscan.core.engines.diffusion.guides import wanted_guides

        guides = len(wanted_guides(job, card=self.card))
        filled = job.kind in (Task.EXTEND, Task.INPAINT) and job.parameters.get(_FILL.name) != "replacement"
        return need(
            facts,
            frames=frames,
            width=width,
            height=height,
            steps=steps,
            job=job,
            more=guides + int(filled),
            defaults=self.card.defaults.guidance,
        )

    def load(self, folder: ModelFolder, device: Device, *, parameters: Mapping[str, ParameterValue]) -> Any:
        """The pipeline with every LoRA of the folder that the family knows what to do with."""
        return load_equipped(
            folder, device, parameters=parameters, kinds=_KINDS, cls=_in_context_pipeline, left_out=LEFT_OUT
        )

    def paint(self, pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
        """Paint one window."""
        return _paint(pipeline, request, hook)


def engine() -> DiffusionEngine:
    """The engine ``ltx-2-in-context``."""
    from overscan.core.engines.diffusion import DiffusionEngine

    return DiffusionEngine(family=Ltx2InContext())


def _in_context_pipeline() -> type[Any]:
    found: type[Any] = diffusers_library().LTX2InContextPipeline
    return found


def _paint(loaded: Equipped, request: PaintRequest, hook: StepHook) -> Painted:
    pipeline = loaded.pipeline
    guides = [guide for guide in request.guides if guide.strength > 0]
    wanted = {guide.kind.value: serving(loaded.loras, guide.kind.value) for guide in guides}
    chosen = {lora for lora in wanted.values() if lora is not None}
    downscale = max((lora.downscale for lora in chosen), default=1)
    shown = [(_smaller(guide.video, downscale), guide.strength) for guide in guides]
    fill = _fill_lora(loaded.loras, chosen, how=str(request.parameters.get(_FILL.name, _FILL.default)))
    if fill is not None and _has_matte(request):
        chosen.add(fill)
        downscale = fill.downscale
        shown.append((_smaller(_holed(request.video, request.matte), downscale), 1.0))
    chosen |= _others(loaded.loras, request.parameters)
    cells = pipeline.vae_spatial_compression_ratio * downscale
    frames, height, width, _ = request.video.shape
    with painting(pipeline):
        switch_on(pipeline, sorted(chosen, key=lambda lora: lora.name))
        made = denoise(
            pipeline,
            request,
            hook,
            references={"reference_conditions": _references(shown), "reference_downscale_factor": downscale},
            reference_tokens=len(shown)
            * ((frames - 1) // pipeline.vae_temporal_compression_ratio + 1)
            * (height // cells)
            * (width // cells),
        )
        return Painted(
            video=decoded(pipeline, made.video), sound=sound_of(pipeline, made.sound) if request.sound else None
        )


def _references(shown: Sequence[tuple[Floats, float]]) -> list[Any] | None:
    diffusers_library()
    from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition

    made = [LTX2ReferenceCondition(frames=reference_tensor(video), strength=strength) for video, strength in shown]
    return made or None


def _has_matte(request: PaintRequest) -> bool:
    """Whether there is anything to fill inside a frame that is known for the rest."""
    return request.task in (Task.EXTEND, Task.INPAINT)


def _holed(video: Floats, matte: Floats) -> Floats:
    return np.where(matte[..., np.newaxis] > 0, _GREEN, video).astype(np.float32)


def _smaller(video: Floats, factor: int) -> Floats:
    """The mean of each block of `factor` by `factor` samples."""
    if factor == 1:
        return video
    frames, height, width, channels = video.shape
    blocks = video.reshape(frames, height // factor, factor, width // factor, factor, channels)
    return np.ascontiguousarray(blocks.mean(axis=(2, 4)), np.float32)


def _fill_lora(loras: Sequence[Lora], guiding: set[Lora], *, how: str) -> Lora | None:
    """The LoRA to fill with, where there is one whose references are as large as the guides'."""
    fill = serving(loras, FILL) if how != "replacement" else None
    if fill is None or any(lora.downscale != fill.downscale for lora in guiding):
        return None
    return fill


def _others(loras: Sequence[Lora], parameters: Mapping[str, ParameterValue]) -> set[Lora]:
    """LoRAs that work without a reference."""
    move = parameters.get(_MOVE.name, _MOVE.default)
    kinds = [f"move:{move}"] if move != "none" else []
    kinds += [DISTILLED] if is_distilled(parameters) else []
    return {lora for lora in (serving(loras, kind) for kind in kinds) if lora is not None}


def _lora_refusals(
    job: Job, guides: Mapping[str, str], loras: Sequence[Lora], folder: ModelFolder
) -> list[ErrorRecord]:
    """`guides` are kinds of them, and the fields of the job that ask for each."""
    found = []
    guiding = set()
    for kind, field in guides.items():
        lora = serving(loras, kind)
        if lora is None:
            found.append(_lacking(folder, kind, field=field))
        else:
            guiding.add(lora)
    if len({lora.downscale for lora in guiding}) > 1:
        names = ", ".join(sorted(lora.name for lora in guiding))
        found.append(
            ErrorRecord(
                code="INVALID_JOB",
                message=f"The LoRAs for these guides take references of different sizes: {names}.",
                next_step="Use one of the guides, or LoRAs of the same reference size.",
                field="controls.passes",
            )
        )
    how = job.parameters.get(_FILL.name, _FILL.default)
    if how == "lora" and _fill_lora(loras, guiding, how="lora") is None:
        lacks = serving(loras, FILL) is None
        found.append(
            _lacking(folder, FILL, field="parameters.fill")
            if lacks
            else ErrorRecord(
                code="INVALID_JOB",
                message="The LoRA for filling takes references of another size than the guides' LoRA.",
                next_step="Set fill to replacement or auto, or leave the guides out.",
                field="parameters.fill",
            )
        )
    move = job.parameters.get(_MOVE.name, _MOVE.default)
    if move != "none" and serving(loras, f"move:{move}") is None:
        found.append(_lacking(folder, f"move:{move}", field=f"parameters.{_MOVE.name}"))
    return found


def _lacking(folder: ModelFolder, kind: str, *, field: str) -> ErrorRecord:
    return ErrorRecord(
        code="INVALID_JOB",
        message=f"The model '{folder.name}' has no LoRA for '{kind}' in its folder loras/: without it the model cannot "
        "read such pictures.",
        next_step=f"Put one into {folder.path / 'loras'} (loras.toml there says what a file of another name serves) "
        "and `overscan models add` the folder again, or leave the control out.",
        field=field,
        expected=f"a LoRA that serves {kind}",
    )
