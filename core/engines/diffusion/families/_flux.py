"""FLUX.1 Fill: a transformer that sees the matte and the picture without what is under it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
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
)
from overscan.core.engines.diffusion.runtime import (
    LatentPreview,
    Need,
    listen,
    load_pipeline,
    noise,
    painting,
    video_need,
)
from overscan.core.jobs import ParameterValue, Task

if TYPE_CHECKING:
    from overscan.core.engines.diffusion._keyframe_engine import KeyframeEngine
    from overscan.core.engines.diffusion.runtime import Device, ModelFacts
    from overscan.core.jobs import Job
    from overscan.core.models import ModelFolder

_PIPELINES = ("FluxFillPipeline",)
_CARD = FamilyCard(
    name="flux-fill",
    title="FLUX.1 Fill: paints key frames, which the plate's motion carries through the shot",
    version="0.1.0",
    pipelines=_PIPELINES,
    tasks=(Task.EXTEND, Task.INPAINT),
    controls=(*KEYFRAME_CONTROLS, "strength"),
    lattice=Lattice(size=16, frames_max=1, pixels=1024 * 1024),
    defaults=Defaults(steps=30, guidance=30.0),
    matte=MatteUse.NATIVE,
    rights_card="flux1-fill",
)


def engine() -> KeyframeEngine:
    """The engine of this family."""
    from overscan.core.engines.diffusion._keyframe_engine import KeyframeEngine

    return KeyframeEngine(family=FluxFill())


class FluxFill(StillFamily):
    """Key frames by FLUX.1 Fill, whose guidance is distilled: there is no negative prompt."""

    card = _CARD
    patch = 2

    def estimate(self, facts: ModelFacts, *, frames: int, width: int, height: int, steps: int, job: Job) -> Need:
        """What one key frame takes."""
        del job
        scale = autoencoder_scale(facts.config("vae"))
        return video_need(
            facts,
            frames=frames,
            width=width,
            height=height,
            steps=steps,
            passes=1,
            scale=scale,
            scale_time=1,
            patch=(1, 2, 2),
            extra_tokens=512,
        )

    def load(self, folder: ModelFolder, device: Device, *, parameters: Mapping[str, ParameterValue]) -> Any:
        """The pipeline."""
        return load_pipeline(folder, classes=_PIPELINES, device=device, parameters=parameters, cls=_float_fill)

    def unread(self, pipeline: Any, words: str) -> int:
        """T5 reads all that counts; CLIP, which reads less, gives no more than a summary."""
        return pieces_beyond(pipeline.tokenizer_2, words)

    def paint(self, pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
        """Paint one key frame."""
        picture, matte = one_picture(request)
        height, width = picture.shape[-2:]
        unknown = (matte > 0).float()
        taken = steps_taken(request.steps, request.strength)
        with painting(pipeline):
            clean = encoded(pipeline, picture)
            masked = encoded(pipeline, (picture - 0.5) * (1 - unknown) + 0.5)
            preview = LatentPreview(latents=clean[0], picture=request.video[0])

            def unpacked(packed: Any) -> Any:
                return pipeline._unpack_latents(packed, height, width, pipeline.vae_scale_factor)

            with pipeline.given(clean=clean, masked=masked):
                packed = pipeline(
                    prompt=request.prompt,
                    image=picture,
                    mask_image=unknown,
                    height=height,
                    width=width,
                    strength=1.0 if taken == request.steps else (taken - 0.25) / request.steps,  # it rounds up
                    num_inference_steps=request.steps,
                    guidance_scale=request.guidance,
                    generator=noise(request.seed),
                    callback_on_step_end=listen(
                        hook,
                        total=taken,
                        preview=lambda _, tensors: preview.picture(unpacked(tensors["latents"])[0]),
                    ),
                    output_type="latent",
                ).images
            return as_painted(decoded(pipeline, unpacked(packed)))


@cache
def _float_fill() -> type[Any]:
    """The pipeline with latents of our own: it would encode pictures in the transformer's precision."""
    from contextlib import contextmanager

    from diffusers import FluxFillPipeline

    class FloatFluxFillPipeline(FluxFillPipeline):  # type: ignore[misc]
        """`FluxFillPipeline` that is given the latents of its pictures."""

        _clean: Any = None
        _masked: Any = None

        @contextmanager
        def given(self, *, clean: Any, masked: Any) -> Any:
            """Inside, these are the latents of the picture, and of the picture without what is to be painted."""
            self._clean, self._masked = clean, masked
            try:
                yield
            finally:
                self._clean = self._masked = None

        def _encode_vae_image(self, image: Any, generator: Any) -> Any:
            del generator
            return self._clean.to(image.dtype)

        def prepare_mask_latents(self, mask: Any, masked_image: Any, *arguments: Any, **named: Any) -> Any:
            del masked_image
            # Latents are taken as such, and normalised once more: this undoes it.
            config = self.vae.config
            plain = self._masked / config.scaling_factor + config.shift_factor
            return super().prepare_mask_latents(mask, plain, *arguments, **named)

    return FloatFluxFillPipeline
