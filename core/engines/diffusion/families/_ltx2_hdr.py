"""LTX-2 with its HDR LoRA: rebuilds highlights that the camera clipped, where a matte marks them.

The model sees the frames as a display shows them, limited at white, and makes the same frames with their whole range:
it adds light, not content. So this is for mattes over blown-out windows, skies and lamps. It cannot extend a frame or
remove anything, for it paints again what it is shown, and says so by taking no other task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from overscan.core.colour import Curve, WideRange
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
from overscan.core.engines.diffusion.families._latent_replacement import encode, known_latents, latent_matte
from overscan.core.engines.diffusion.families._latent_sight import latent_sight
from overscan.core.engines.diffusion.families._loras import (
    DISTILLED,
    HDR,
    Lora,
    header_of,
    missing_peft,
    read_loras,
    serving,
    switch_on,
)
from overscan.core.engines.diffusion.families._ltx2 import LATTICE
from overscan.core.engines.diffusion.families._ltx2_denoise import (
    DISTILLED_STEPS,
    PIPELINES,
    decoded,
    heard_rate,
    need,
    newer,
    reference_tensor,
    schedule,
    starting,
)
from overscan.core.engines.diffusion.families._ltx2_load import load_equipped
from overscan.core.engines.diffusion.families._ltx_lattice import fitted
from overscan.core.engines.diffusion.families._ltx_schedule import (
    NEGATIVE_PROMPT,
    SCHEDULE,
    is_distilled,
    schedule_refusals,
)
from overscan.core.engines.diffusion.runtime import Device, ModelFacts, Need, listen, noise, painting
from overscan.core.engines.diffusion.runtime._libraries import diffusers_library
from overscan.core.errors import ErrorRecord, OverscanError
from overscan.core.jobs import Job, ParameterValue, Task

if TYPE_CHECKING:
    from overscan.core.engines.diffusion import DiffusionEngine
    from overscan.core.models import ModelFolder

_REPAINT = Parameter(
    name="repaint",
    description="What of the matte the model makes anew: all of it.",
    default="all",
    choices=("all",),
)
_DISTILLED_BY_DEFAULT = replace(SCHEDULE, default="distilled")
_WHITE = Parameter(
    name="white",
    description="Scene-linear light that the camera clipped at, after the exposure: the model sees it as white, and "
    "what it rebuilds lies above.",
    default=1.0,
    minimum=0.01,
    maximum=50.0,
)
_WORDS = ("video_context", "audio_context")
"""Tensors of the file that comes with the published LoRA: the words it was trained with, read beforehand."""

CARD = FamilyCard(
    name="ltx-2-hdr",
    title="LTX-2 HDR: rebuilds highlights that the camera clipped, under a matte.",
    version="1",
    pipelines=PIPELINES,
    tasks=(Task.INPAINT,),
    controls=("prompt", "negative_prompt", "seed", "steps", "guidance", "strength", "frame_rate", "parameters"),
    lattice=Lattice(
        size=64, frames=LATTICE.frames, offset=LATTICE.offset, frames_max=LATTICE.frames_max, pixels=LATTICE.pixels
    ),
    defaults=Defaults(steps=DISTILLED_STEPS, guidance=1.0, negative_prompt=NEGATIVE_PROMPT, overlap=17),
    matte=MatteUse.LATENT,
    sees_plate=True,
    curve=Curve.LOGC3,
    rights_card="ltx-2",
    parameters=(_REPAINT, _DISTILLED_BY_DEFAULT, _WHITE),
)


@dataclass(slots=True, kw_only=True)
class _Loaded:
    pipeline: Any = field(repr=False)
    hdr: Lora
    distilled: Lora | None
    words: Mapping[str, Any] | None = field(repr=False)
    """The words that came with the LoRA; None where the folder has none."""


class Ltx2Hdr:
    """The family."""

    card = CARD

    def lattice(self, facts: ModelFacts | None) -> Lattice:
        """Sizes and lengths."""
        return fitted(self.card.lattice, facts)

    def refusals(self, job: Job, folder: ModelFolder | None) -> list[ErrorRecord]:
        """A folder without the LoRA, and what a distilled model has no use for."""
        found = schedule_refusals(job, default="distilled", steps=DISTILLED_STEPS, guidance=self.card.defaults.guidance)
        if folder is None:
            return found
        try:
            loras = read_loras(folder, kinds=(HDR, DISTILLED))
        except OverscanError as error:
            return [*found, error.record]
        peft = missing_peft()
        if serving(loras, HDR) is None:
            found.append(
                ErrorRecord(
                    code="INVALID_JOB",
                    message=f"The model '{folder.name}' has no HDR LoRA in its folder loras/: without it LTX-2 knows "
                    "no light above white.",
                    next_step=f"Put LTX-2's IC-LoRA-HDR into {folder.path / 'loras'} and `overscan models add` the "
                    "folder again.",
                    field="engine.model",
                    expected="a LoRA that serves hdr",
                )
            )
        return [*found, *([peft] if peft else [])]

    def estimate(self, facts: ModelFacts, *, frames: int, width: int, height: int, steps: int, job: Job) -> Need:
        """What one window takes: the display picture is a reference as large as the window."""
        values = {SCHEDULE.name: "distilled"} | dict(job.parameters)
        return need(
            facts,
            frames=frames,
            width=width,
            height=height,
            steps=steps,
            job=replace(job, parameters={**values, "stg": 0.0, "modality_guidance": 1.0}),
            more=1,
            defaults=self.card.defaults.guidance,
        )

    def load(self, folder: ModelFolder, device: Device, *, parameters: Mapping[str, ParameterValue]) -> Any:
        """The HDR pipeline with its LoRA."""
        found = load_equipped(folder, device, parameters=parameters, kinds=(HDR, DISTILLED), cls=_hdr_pipeline)
        hdr = serving(found.loras, HDR)
        if hdr is None:
            raise OverscanError(f"The model '{folder.name}' has no HDR LoRA any more.", path=folder.path)
        return _Loaded(
            pipeline=found.pipeline, hdr=hdr, distilled=serving(found.loras, DISTILLED), words=_words(folder)
        )

    def paint(self, pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
        """Paint one window."""
        return _paint(pipeline, request, hook)


def engine() -> DiffusionEngine:
    """The engine ``ltx-2-hdr``."""
    from overscan.core.engines.diffusion import DiffusionEngine

    return DiffusionEngine(family=Ltx2Hdr())


def _hdr_pipeline() -> type[Any]:
    found: type[Any] = diffusers_library().LTX2HDRPipeline
    return found


def _words(folder: ModelFolder) -> Mapping[str, Any] | None:
    """Tensors of the first file in loras/ that holds words and no LoRA."""
    path = next((path for _, path in sorted(folder.loras.items()) if header_of(path).keys() >= set(_WORDS)), None)
    if path is None:
        return None
    diffusers_library()
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in _WORDS}


def _paint(loaded: _Loaded, request: PaintRequest, hook: StepHook) -> Painted:
    pipeline, hdr = loaded.pipeline, loaded.hdr
    white = float(request.parameters.get(_WHITE.name, _WHITE.default))
    distilled = is_distilled(request.parameters, default="distilled")
    request = replace(
        request,
        # The model's own light has its white at 1.
        video=_exposed(request.video, 1.0 / white),
        parameters={**request.parameters, SCHEDULE.name: "distilled" if distilled else "standard"},
    )
    loras = [hdr] + ([loaded.distilled] if distilled and loaded.distilled is not None else [])
    with painting(pipeline):
        switch_on(pipeline, loras)
        clean = encode(pipeline, request.video)
        latents = _denoised(pipeline, request, hook, clean=clean, downscale=hdr.downscale, words=loaded.words)
        return Painted(video=_exposed(decoded(pipeline, latents), white))


def _denoised(
    pipeline: Any,
    request: PaintRequest,
    hook: StepHook,
    *,
    clean: Any,
    downscale: int,
    words: Mapping[str, Any] | None,
) -> Any:
    from diffusers.pipelines.ltx2.pipeline_ltx2_hdr_lora import LTX2HDRReferenceCondition

    frames, height, width, _ = request.video.shape
    count, rows, columns = clean.shape[2:]
    known = known_latents(
        pipeline,
        clean=clean,
        paint=latent_matte(
            request.matte,
            time=pipeline.vae_temporal_compression_ratio,
            size=pipeline.vae_spatial_compression_ratio,
        ),
        seed=request.seed,
    )
    tokens = count * rows * columns + count * (rows // downscale) * (columns // downscale)
    guidance = 1.0 if is_distilled(request.parameters) else request.guidance
    # Words that a job sets are heard; else those that the LoRA was trained with.
    said: dict[str, Any] = {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
    if words is not None and not request.prompt and guidance <= 1:
        said = {"connector_video_embeds": words[_WORDS[0]], "connector_audio_embeds": words[_WORDS[1]]}
    with schedule(pipeline, request):
        start = starting(pipeline, request, clean=clean, tokens=tokens, sound=False)
        return pipeline(
            reference_conditions=[LTX2HDRReferenceCondition(frames=reference_tensor(_display(request.video)))],
            reference_downscale_factor=downscale,
            height=height,
            width=width,
            num_frames=frames,
            frame_rate=heard_rate(pipeline, request),
            generator=noise(request.seed),
            guidance_scale=guidance,
            use_cross_timestep=newer(pipeline),
            output_type="latent",
            return_dict=False,
            callback_on_step_end=listen(
                hook,
                total=start["num_inference_steps"],
                preview=latent_sight(pipeline, clean=clean, video=request.video),
                change=None if known is None else known.change(first=0),
            ),
            **start,
            **said,
        )[0]


def _exposed(codes: Floats, gain: float) -> Floats:
    """Codes of light `gain` times as bright."""
    if gain == 1.0:
        return codes
    curve = WideRange(curve=Curve.LOGC3)
    return curve.encode(curve.decode(codes) * np.float32(gain))


def _display(codes: Floats) -> Floats:
    """The frames as a display shows them: light limited to 0..1, in the code of sRGB (IEC 61966-2-1)."""
    light = np.clip(WideRange(curve=Curve.LOGC3).decode(codes), 0.0, 1.0)
    curved = 1.055 * np.power(light, 1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, curved).astype(np.float32)
