"""LTX-Video: extends, inpaints, continues and interpolates; given frames and key frames are its conditions.

The pipeline takes pictures at any frame and a clip at the beginning, but no matte: what is known inside a frame is put
back at every step (`_latent_replacement`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from overscan.core.engines._protocol import Parameter
from overscan.core.engines.diffusion._family import (
    Defaults,
    FamilyCard,
    Floats,
    Lattice,
    MatteUse,
    Painted,
    PaintRequest,
    StepHook,
)
from overscan.core.engines.diffusion.families._given_frames import Conditions, conditions_of, stills_most
from overscan.core.engines.diffusion.families._latent_replacement import (
    decode,
    denormalised,
    encode,
    known_latents,
    latent_matte,
)
from overscan.core.engines.diffusion.families._latent_sight import latent_sight
from overscan.core.engines.diffusion.families._ltx_lattice import fitted, latent_size
from overscan.core.engines.diffusion.families._ltx_schedule import (
    NEGATIVE_PROMPT,
    SCHEDULE,
    is_distilled,
    late_steps,
    schedule_refusals,
    unshifted,
)
from overscan.core.engines.diffusion.families._words import require_read
from overscan.core.engines.diffusion.runtime import (
    Device,
    ModelFacts,
    Need,
    listen,
    load_pipeline,
    noise,
    painting,
    video_need,
)
from overscan.core.engines.diffusion.runtime._libraries import diffusers_library, torch_library
from overscan.core.errors import ErrorRecord
from overscan.core.jobs import Job, ParameterValue, Task

if TYPE_CHECKING:
    from overscan.core.engines.diffusion import DiffusionEngine
    from overscan.core.models import ModelFolder

_PIPELINES = ("LTXConditionPipeline", "LTXPipeline", "LTXImageToVideoPipeline")
_DISTILLED = (1000.0, 993.0, 987.0, 981.0, 975.0, 909.0, 725.0, 0.03)
"""Times that the distilled models were published with."""
_DECODE_TIME, _DECODE_NOISE = 0.05, 0.025
"""As published, for decoders that denoise a last time (0.9.1 and later)."""

CARD = FamilyCard(
    name="ltx",
    title="LTX-Video: fills mattes and margins, goes on from given frames and key frames.",
    version="1",
    pipelines=_PIPELINES,
    tasks=(Task.EXTEND, Task.INPAINT, Task.CONTINUE, Task.INTERPOLATE),
    controls=(
        "prompt",
        "negative_prompt",
        "seed",
        "steps",
        "guidance",
        "strength",
        "frame_rate",
        "keyframes",
        "parameters",
    ),
    lattice=Lattice(size=32, frames=8, offset=1, frames_max=161, pixels=1216 * 704),
    defaults=Defaults(steps=40, guidance=3.0, negative_prompt=NEGATIVE_PROMPT, overlap=17),
    matte=MatteUse.LATENT,
    rights_card="ltx-video",
    parameters=(
        SCHEDULE,
        Parameter(
            name="condition_noise",
            description="Noise on given frames while they are gone by: more lets the motion move on more freely.",
            default=0.025,
            minimum=0.0,
            maximum=1.0,
        ),
    ),
)
_PIECES_MAX = 256
"""Of a text, that the pipeline gives to the reader (`max_sequence_length`)."""


class Ltx:
    """The family."""

    card = CARD

    def lattice(self, facts: ModelFacts | None) -> Lattice:
        """Sizes and lengths."""
        return fitted(self.card.lattice, facts)

    def refusals(self, job: Job, folder: ModelFolder | None) -> list[ErrorRecord]:  # noqa: ARG002
        """What a distilled model has no use for."""
        return schedule_refusals(job, steps=len(_DISTILLED), guidance=self.card.defaults.guidance)

    def estimate(self, facts: ModelFacts, *, frames: int, width: int, height: int, steps: int, job: Job) -> Need:
        """What one window takes."""
        distilled = is_distilled(job.parameters)
        time, size = latent_size(facts)
        return video_need(
            facts,
            frames=frames,
            width=width,
            height=height,
            steps=len(_DISTILLED) if distilled else steps,
            passes=1 if distilled else 2,
            scale=size,
            scale_time=time,
            # Pictures at frames come on top as tokens: those of a latent frame each.
            extra_tokens=stills_most(job) * (width // size) * (height // size),
        )

    def load(self, folder: ModelFolder, device: Device, *, parameters: Mapping[str, ParameterValue]) -> Any:
        """The pipeline with conditions, whatever the folder's index names: all of the family have the same parts."""
        return load_pipeline(folder, classes=_PIPELINES, device=device, parameters=parameters, cls=_condition_pipeline)

    def paint(self, pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
        """Paint one window."""
        with painting(pipeline):
            return _paint(pipeline, request, hook)


def engine() -> DiffusionEngine:
    """The engine ``ltx``."""
    from overscan.core.engines.diffusion import DiffusionEngine

    return DiffusionEngine(family=Ltx())


def _condition_pipeline() -> type[Any]:
    found: type[Any] = diffusers_library().LTXConditionPipeline
    return found


def _paint(pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
    require_read(pipeline, request, most=_PIECES_MAX)
    frames, height, width, _ = request.video.shape
    time, size = pipeline.vae_temporal_compression_ratio, pipeline.vae_spatial_compression_ratio
    clean = encode(pipeline, request.video)
    shown = conditions_of(request, time=time)
    conditions = _conditions(request, shown)
    known = known_latents(
        pipeline,
        clean=clean,
        paint=latent_matte(request.matte, time=time, size=size),
        seed=request.seed,
        given=shown.held,
    )
    # What a condition holds at the first frame is in the window's own latents; the others come before them.
    first = shown.added * (clean.shape[3] * clean.shape[4]) // pipeline.transformer_spatial_patch_size**2
    distilled = is_distilled(request.parameters)
    steps = len(_DISTILLED) if distilled else request.steps
    taken = late_steps(steps, request.strength) if request.strength < 1 else steps
    generator = noise(request.seed)
    late: dict[str, Any] = {}
    if taken < steps:
        # The pipeline takes the whole part of steps times strength.
        late = {"latents": clean.float(), "denoise_strength": (taken + 0.5) / steps}
    with unshifted(pipeline) as own:
        latents = pipeline(
            conditions=conditions or None,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            height=height,
            width=width,
            num_frames=frames,
            frame_rate=request.frame_rate,
            num_inference_steps=steps,
            timesteps=list(_DISTILLED) if distilled else _shifted(own, steps=steps, tokens=_tokens(pipeline, clean)),
            guidance_scale=1.0 if distilled else request.guidance,
            image_cond_noise_scale=float(request.parameters.get("condition_noise", 0.025)),
            generator=generator,
            output_type="latent",
            callback_on_step_end=listen(
                hook,
                total=taken,
                preview=latent_sight(pipeline, clean=clean, video=request.video, first=first),
                change=None if known is None else known.change(first=first),
            ),
            **late,
        ).frames
    return Painted(video=_decoded(pipeline, latents, generator))


def _shifted(scheduler: Any, *, steps: int, tokens: int) -> list[float] | None:
    """The times of a model whose schedule depends on the length of the sequence (LTX-Video to 0.9.1); else None.

    The pipeline with conditions knows the later models' schedule only, and refuses such a scheduler.
    """
    config = scheduler.config
    if not config.get("use_dynamic_shifting") or steps == 1:
        return None
    diffusers_library()
    from diffusers.pipelines.ltx.pipeline_ltx import calculate_shift

    shift = calculate_shift(
        tokens, config.base_image_seq_len, config.max_image_seq_len, config.base_shift, config.max_shift
    )
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1.0 / steps, steps), mu=shift)
    times: list[float] = scheduler.timesteps.tolist()
    return times


def _tokens(pipeline: Any, clean: Any) -> int:
    _, _, count, height, width = clean.shape
    patches = pipeline.transformer_temporal_patch_size * pipeline.transformer_spatial_patch_size**2
    return int(count * height * width // patches)


def _conditions(request: PaintRequest, shown: Conditions) -> list[Any]:
    torch = torch_library()
    condition = _condition_class()
    made: list[Any] = []
    if shown.clip is not None:
        pictures = torch.from_numpy(np.ascontiguousarray(request.video[: shown.clip.stop].transpose(0, 3, 1, 2)))
        made.append(condition(video=pictures.clamp(0, 1), frame_index=0))
    for at, image, strength in shown.stills:
        picture = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[np.newaxis])).clamp(0, 1)
        made.append(condition(image=picture, frame_index=at, strength=strength))
    return made


def _condition_class() -> Any:
    diffusers_library()
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    return LTXVideoCondition


def _decoded(pipeline: Any, latents: Any, generator: Any) -> Floats:
    latents = denormalised(pipeline, latents)
    if not pipeline.vae.config.timestep_conditioning:
        return decode(pipeline, latents)
    torch = torch_library()
    grain = torch.randn(latents.shape, generator=generator, dtype=torch.float32).to(latents)
    return decode(pipeline, (1 - _DECODE_NOISE) * latents + _DECODE_NOISE * grain, timestep=_DECODE_TIME)
