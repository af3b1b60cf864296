"""What the LTX-2 families share: schedule, guidance, given frames, the call itself, and decoding pictures and sound."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from overscan.core.engines._protocol import Parameter
from overscan.core.engines.diffusion._family import Floats, PaintRequest, Sound, StepHook
from overscan.core.engines.diffusion.families._given_frames import Conditions, conditions_of, stills_most
from overscan.core.engines.diffusion.families._latent_replacement import (
    decode,
    denormalised,
    encode,
    known_latents,
    latent_matte,
)
from overscan.core.engines.diffusion.families._latent_sight import latent_sight
from overscan.core.engines.diffusion.families._ltx_lattice import latent_size
from overscan.core.engines.diffusion.families._ltx_schedule import is_distilled, tail, unshifted
from overscan.core.engines.diffusion.families._words import require_read
from overscan.core.engines.diffusion.runtime import ModelFacts, Need, listen, noise, video_need
from overscan.core.engines.diffusion.runtime._libraries import diffusers_library, torch_library
from overscan.core.errors import ErrorRecord
from overscan.core.jobs import Job, ParameterValue, Task

PIPELINES = (
    "LTX2Pipeline",
    "LTX2ConditionPipeline",
    "LTX2ImageToVideoPipeline",
    "LTX2InContextPipeline",
    "LTX2HDRPipeline",
)
"""All have the same parts, so that a published folder serves every LTX-2 family, whatever its index names."""
FLOAT32 = ("vae", "audio_vae", "vocoder")
LEFT_OUT = ("processor", "prompt_enhancer", "duration_head")
"""Parts that some folders have for writing prompts anew and for choosing a length: neither is wanted."""
DISTILLED_STEPS = 8
_GUIDED_BLOCK = {False: 29, True: 28}
"""Transformer block that spatio-temporal guidance leaves out, as published: of LTX-2.0, and of what came later."""
_STG = Parameter(
    name="stg",
    description="Spatio-temporal guidance: steadier movement. 0 saves a quarter of the time.",
    default=1.0,
    minimum=0.0,
    maximum=4.0,
)
_MODALITY = Parameter(
    name="modality_guidance",
    description="How strongly pictures and sound keep to each other; 1 is off and saves a quarter of the time.",
    default=3.0,
    minimum=1.0,
    maximum=8.0,
)
GUIDANCE_PARAMETERS = (_STG, _MODALITY)


def sound_refusals(job: Job) -> list[ErrorRecord]:
    """Sound that cannot be made, or not where it should go."""
    if not job.parameters.get("sound"):
        return []
    found = []
    strength = job.controls.strength
    if strength is not None and strength < 1:
        found.append(
            _no_sound(
                f"Sound is made from nothing, and strength {strength:g} starts from what is there",
                then="Set strength to 1, or leave sound off.",
                field="controls.strength",
            )
        )
    if job.kind is Task.INTERPOLATE:
        found.append(
            _no_sound(
                "Frames between two others are slower than the sound that would be made with them",
                then="Leave sound off.",
                field="parameters.sound",
            )
        )
    from overscan.core.engines.diffusion._sound import SUFFIX
    from overscan.core.results import beside_path

    path = beside_path(job.output.path, suffix=SUFFIX)
    if path.exists() and not job.output.overwrite:
        found.append(
            ErrorRecord(
                code="OUTPUT_EXISTS",
                message=f"'{path.name}' is there already, and the sound would go there.",
                next_step="Set overwrite, choose another output, or leave sound off.",
                path=str(path),
                field="output.path",
            )
        )
    return found


def _no_sound(why: str, *, then: str, field: str) -> ErrorRecord:
    return ErrorRecord(code="INVALID_JOB", message=f"{why}.", next_step=then, field=field)


def passes(parameters: Mapping[str, ParameterValue], *, guidance: float) -> int:
    """How often the transformer is gone through in one step."""
    if is_distilled(parameters):
        return 1
    stg = float(parameters.get(_STG.name, _STG.default))
    modality = float(parameters.get(_MODALITY.name, _MODALITY.default))
    return 1 + int(guidance > 1) + int(stg > 0) + int(modality > 1)


def need(
    facts: ModelFacts, *, frames: int, width: int, height: int, steps: int, job: Job, more: int = 0, defaults: float
) -> Need:
    """What one window takes; `more` are references as large as the window, `defaults` the guidance by default."""
    time, size = latent_size(facts)
    cells = (width // size) * (height // size)
    guidance = defaults if job.controls.guidance is None else job.controls.guidance
    wanted = {name: component for name, component in facts.components.items() if name not in LEFT_OUT}
    return video_need(
        replace(facts, components=wanted),
        frames=frames,
        width=width,
        height=height,
        steps=DISTILLED_STEPS if is_distilled(job.parameters) else steps,
        passes=passes(job.parameters, guidance=guidance),
        scale=size,
        scale_time=time,
        extra_tokens=cells * (stills_most(job) + more * ((frames - 1) // time + 1)),
    )


_PIECES_MAX = 1024
"""Of a text, that the pipelines give to the reader (`max_sequence_length`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denoised:
    """Latents of a window as the VAEs have them."""

    video: Any = field(repr=False)
    sound: Any = field(repr=False)
    """None from a pipeline that has none."""


def denoise(
    pipeline: Any,
    request: PaintRequest,
    hook: StepHook,
    *,
    references: Mapping[str, Any] | None = None,
    reference_tokens: int = 0,
) -> Denoised:
    """Run a pipeline that takes conditions; `references` are further arguments, which add so many tokens."""
    require_read(pipeline, request, most=_PIECES_MAX)
    frames, height, width, _ = request.video.shape
    clean = encode(pipeline, request.video)
    time = pipeline.vae_temporal_compression_ratio
    shown = conditions_of(request, time=time)
    conditions = _conditions(request, shown, time=time)
    known = known_latents(
        pipeline,
        clean=clean,
        paint=latent_matte(request.matte, time=time, size=pipeline.vae_spatial_compression_ratio),
        seed=request.seed,
        given=shown.held,
    )
    cells = clean.shape[3] * clean.shape[4]
    with schedule(pipeline, request):
        start = starting(
            pipeline,
            request,
            clean=clean,
            tokens=(clean.shape[2] + shown.added) * cells + reference_tokens,
            sound=True,
        )
        video, sound = pipeline(
            conditions=conditions or None,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            height=height,
            width=width,
            num_frames=frames,
            frame_rate=heard_rate(pipeline, request),
            generator=noise(request.seed),
            enable_prompt_enhancement=False,
            output_type="latent",
            return_dict=False,
            callback_on_step_end=listen(
                hook,
                total=start["num_inference_steps"],
                preview=latent_sight(pipeline, clean=clean, video=request.video),
                change=None if known is None else known.change(first=0),
            ),
            **start,
            **_guidance(pipeline, request),
            **(references or {}),
        )
    return Denoised(video=video, sound=sound)


def schedule(pipeline: Any, request: PaintRequest) -> AbstractContextManager[Any]:
    """The surroundings of a pipeline's call in which its scheduler keeps to the times that `starting` gives it."""
    return unshifted(pipeline) if is_distilled(request.parameters) or request.steps == 1 else nullcontext()


def starting(pipeline: Any, request: PaintRequest, *, clean: Any, tokens: int, sound: bool) -> dict[str, Any]:
    """The pipeline's arguments that say where denoising starts from and how it goes on.

    `tokens` is the length of the whole sequence, which the schedule of some models depends on.
    """
    sigmas = _sigmas(request)
    if request.strength >= 1:
        return {"sigmas": sigmas, "num_inference_steps": len(sigmas)}
    sigmas = tail(sigmas, request.strength)
    arguments = {
        "sigmas": sigmas,
        "num_inference_steps": len(sigmas),
        "noise_scale": _first_sigma(pipeline.scheduler, sigmas, tokens=tokens),
        "latents": denormalised(pipeline, clean),
    }
    return arguments | ({"audio_latents": _mean_sound(pipeline, request)} if sound else {})


def decoded(pipeline: Any, latents: Any) -> Floats:
    """Codes of a window's latents."""
    return decode(pipeline, latents, timestep=0.0 if pipeline.vae.config.timestep_conditioning else None)


def sound_of(pipeline: Any, latents: Any) -> Sound:
    """The sound of a window's latents, as the vocoder makes it."""
    vae = pipeline.audio_vae
    spectra = vae.decode(latents.to(device=pipeline._execution_device, dtype=vae.dtype), return_dict=False)[0]
    waves = pipeline.vocoder(spectra.to(pipeline.vocoder.dtype))[0]
    samples: Floats = np.ascontiguousarray(waves.float().cpu().numpy(), np.float32)
    pipeline.maybe_free_model_hooks()
    return Sound(samples=samples, rate=int(pipeline.vocoder.config.output_sampling_rate))


def heard_rate(pipeline: Any, request: PaintRequest) -> float:
    """The rate to run a window at: the request's, unless the window is over before a single latent of sound.

    The models have no pictures without sound. Such a window is a single frame, or a few at hundreds a second.
    """
    return min(request.frame_rate, len(request.video) * _latents_a_second(pipeline))


def _latents_a_second(pipeline: Any) -> float:
    """Of sound."""
    rate = pipeline.audio_sampling_rate / pipeline.audio_hop_length / pipeline.audio_vae_temporal_compression_ratio
    return float(rate)


def newer(pipeline: Any) -> bool:
    """Whether the transformer is of LTX-2.3 or later: words modulate its cross-attention."""
    return bool(pipeline.transformer.config.cross_attn_mod)


def _sigmas(request: PaintRequest) -> list[float]:
    if not is_distilled(request.parameters):
        return [float(sigma) for sigma in np.linspace(1.0, 1.0 / request.steps, request.steps)]
    diffusers_library()
    from diffusers.pipelines.ltx2.utils import DISTILLED_SIGMA_VALUES

    return [float(sigma) for sigma in DISTILLED_SIGMA_VALUES]


def _first_sigma(scheduler: Any, sigmas: list[float], *, tokens: int) -> float:
    """How much noise the first step expects, once the scheduler has shifted the schedule as the pipeline will."""
    diffusers_library()
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import calculate_shift

    tried = copy.deepcopy(scheduler)
    config = tried.config
    shift = calculate_shift(
        tokens,
        config.get("base_image_seq_len", 1024),
        config.get("max_image_seq_len", 4096),
        config.get("base_shift", 0.95),
        config.get("max_shift", 2.05),
    )
    tried.set_timesteps(sigmas=sigmas, mu=shift)
    return float(tried.sigmas[0])


def _mean_sound(pipeline: Any, request: PaintRequest) -> Any:
    """Latents of no particular sound, as a start; the pictures go by it a little, and nothing else hears it."""
    length = round(len(request.video) / heard_rate(pipeline, request) * _latents_a_second(pipeline))
    bins = pipeline.audio_mel_bins // pipeline.audio_vae_mel_compression_ratio
    mean = pipeline.audio_vae.latents_mean.float()
    return pipeline._unpack_audio_latents(mean.expand(1, length, -1), length, num_mel_bins=bins)


def _guidance(pipeline: Any, request: PaintRequest) -> dict[str, Any]:
    later = newer(pipeline)
    if is_distilled(request.parameters):
        return {
            "guidance_scale": 1.0,
            "audio_guidance_scale": 1.0,
            "stg_scale": 0.0,
            "audio_stg_scale": 0.0,
            "modality_scale": 1.0,
            "audio_modality_scale": 1.0,
            "guidance_rescale": 0.0,
            "audio_guidance_rescale": 0.0,
            "spatio_temporal_guidance_blocks": None,
            "use_cross_timestep": later,
        }
    stg = float(request.parameters.get(_STG.name, _STG.default))
    modality = float(request.parameters.get(_MODALITY.name, _MODALITY.default))
    block = min(_GUIDED_BLOCK[later], pipeline.transformer.config.num_layers - 1)
    # Without guidance of the words for pictures there is none for sound either: it would cost the pass all the same.
    return {
        "guidance_scale": request.guidance,
        "audio_guidance_scale": 7.0 if request.guidance > 1 else 1.0,
        "stg_scale": stg,
        "audio_stg_scale": stg,
        "modality_scale": modality,
        "audio_modality_scale": modality,
        "guidance_rescale": 0.7,
        "audio_guidance_rescale": 0.7,
        "spatio_temporal_guidance_blocks": [block] if stg > 0 else None,
        "use_cross_timestep": later,
    }


def _conditions(request: PaintRequest, shown: Conditions, *, time: int) -> list[Any]:
    diffusers_library()
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

    made: list[Any] = []
    if shown.clip is not None:
        made.append(LTX2VideoCondition(frames=_levels(request.video[: shown.clip.stop]), index=0, crf=0))
    for at, image, strength in shown.stills:
        made.append(
            LTX2VideoCondition(
                frames=_levels(image[np.newaxis]),
                index=_latent_place(at, time=time),
                strength=strength,
                # What was trained on was compressed; ours are not made worse for that.
                crf=0,
            )
        )
    return made


def _latent_place(frame: int, *, time: int) -> float:
    """Where the pipeline's index, which counts latent frames, has a frame: it turns it back into
    ``(index - 1) * time + 1``, so that fractions stand for the frames between."""
    return 0 if frame == 0 else (frame - 1) / time + 1


def _levels(pictures: Floats) -> Floats:
    """Codes as the conditions want them: 0 to 255, though in floats."""
    return np.ascontiguousarray(pictures * np.float32(255.0), np.float32)


def reference_tensor(pictures: Floats) -> Any:
    """Codes as references want them: a tensor ``(T, 3, H, W)``, 0 to 1."""
    torch = torch_library()
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)).clamp(0, 1)
