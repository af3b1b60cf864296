"""Stable Diffusion XL: inpainting models (a U-Net that sees the matte) and plain ones (known latents are put back)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
from overscan.core.engines.diffusion.families._keyframes import (
    KEYFRAME_CONTROLS,
    StillFamily,
    as_painted,
    autoencoder_scale,
    decoded,
    encoded,
    one_picture,
    pieces_beyond,
    steps_taken,
    whole_cells,
)
from overscan.core.engines.diffusion.runtime import (
    LatentPreview,
    Need,
    PartNeed,
    listen,
    load_pipeline,
    noise,
    painting,
    video_need,
)
from overscan.core.jobs import ParameterValue, Task

if TYPE_CHECKING:
    from overscan.core.engines.diffusion._keyframe_engine import KeyframeEngine
    from overscan.core.engines.diffusion.runtime import ComponentFacts, Device, ModelFacts
    from overscan.core.jobs import Job
    from overscan.core.models import ModelFolder

_PIPELINES = ("StableDiffusionXLInpaintPipeline", "StableDiffusionXLPipeline")
NEGATIVE_PROMPT = (
    "text, watermark, logo, signature, border, frame, collage, blurry, low quality, jpeg artifacts, distorted, "
    "oversaturated, painting, cartoon, 3d render"
)
_CARD = FamilyCard(
    name="sdxl-inpaint",
    title="Stable Diffusion XL: paints key frames, which the plate's motion carries through the shot",
    version="0.1.0",
    pipelines=_PIPELINES,
    tasks=(Task.EXTEND, Task.INPAINT),
    controls=(*KEYFRAME_CONTROLS, "negative_prompt", "strength"),
    lattice=Lattice(size=8, frames_max=1, pixels=1024 * 1024),
    defaults=Defaults(steps=30, guidance=7.5, negative_prompt=NEGATIVE_PROMPT),
    matte=MatteUse.NATIVE,
    rights_card="sdxl-inpaint",
)


def engine() -> KeyframeEngine:
    """The engine of this family."""
    from overscan.core.engines.diffusion._keyframe_engine import KeyframeEngine

    return KeyframeEngine(family=SdxlInpaint())


class SdxlInpaint(StillFamily):
    """Key frames by Stable Diffusion XL.

    A U-Net of 9 channels sees the matte and the picture without what is under it; one of 4 is that of a plain model,
    whose latents are replaced outside of the matte after each step.
    """

    card = _CARD

    def estimate(self, facts: ModelFacts, *, frames: int, width: int, height: int, steps: int, job: Job) -> Need:
        """What one key frame takes."""
        del job
        scale = autoencoder_scale(facts.config("vae"))
        plain = video_need(
            facts, frames=frames, width=width, height=height, steps=steps, scale=scale, scale_time=1, transformers=()
        )
        latents = width * height // scale**2
        parts = tuple(
            _unet(facts.components[part.name], latents=latents, calls=2 * steps) if part.name == "unet" else part
            for part in plain.parts
        )
        return replace(plain, parts=parts)

    def load(self, folder: ModelFolder, device: Device, *, parameters: Mapping[str, ParameterValue]) -> Any:
        """The pipeline, the inpainting one for plain models too."""
        return load_pipeline(
            folder, classes=_PIPELINES, device=device, parameters=parameters, cls=_inpaint_class, prepare=_unmarked
        )

    def unread(self, pipeline: Any, words: str) -> int:
        """CLIP reads 77 pieces."""
        readers = (pipeline.tokenizer, pipeline.tokenizer_2)
        return max(pieces_beyond(reader, words) for reader in readers if reader is not None)

    def paint(self, pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
        """Paint one key frame."""
        picture, matte = one_picture(request)
        height, width = picture.shape[-2:]
        taken = steps_taken(request.steps, request.strength)
        with painting(pipeline):
            unknown = whole_cells(matte, pipeline.vae_scale_factor)
            clean = encoded(pipeline, picture)
            # What is under the matte is the middle grey that the model was trained with: 0 of -1 to 1.
            masked = encoded(pipeline, (picture - 0.5) * (1 - unknown) + 0.5)
            preview = LatentPreview(latents=clean[0], picture=request.video[0])
            latents = pipeline(
                prompt=request.prompt,
                # None: the model was trained with zeros in place of empty words.
                negative_prompt=request.negative_prompt or None,
                image=clean,
                mask_image=unknown,
                masked_image_latents=masked,
                height=height,
                width=width,
                strength=min(1.0, (taken + 0.25) / request.steps),  # the pipeline rounds down
                num_inference_steps=request.steps,
                guidance_scale=request.guidance,
                generator=noise(request.seed),
                callback_on_step_end=listen(
                    hook,
                    total=taken,
                    preview=lambda _, tensors: preview.picture(tensors["latents"][0]),
                ),
                output_type="latent",
            ).images
            return as_painted(decoded(pipeline, latents))


def _inpaint_class() -> type[Any]:
    from diffusers import StableDiffusionXLInpaintPipeline

    found: type[Any] = StableDiffusionXLInpaintPipeline
    return found


def _unmarked(pipeline: Any) -> None:
    """No watermark in plates: it is drawn into 8 bits. Receipts say what a model made."""
    pipeline.watermark = None


def _unet(component: ComponentFacts, *, latents: int, calls: int) -> PartNeed:
    first = int((component.config.get("block_out_channels") or (320,))[0])
    return PartNeed(
        name=component.name,
        parameters=component.parameters,
        # Of both passes of a step, which go through together.
        activation=2 * latents * first * 128,
        # Most weights work on a quarter or a sixteenth of the latents' places.
        operations=2.0 * component.parameters * latents / 14 * calls,
        calls=calls // 2,
    )
