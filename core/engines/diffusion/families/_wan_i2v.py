"""Wan image-to-video: goes on from a frame, or from one frame to another. Whole frames only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from overscan.core.engines.diffusion import runtime
from overscan.core.engines.diffusion._family import (
    Defaults,
    FamilyCard,
    Lattice,
    MatteUse,
    Painted,
    PaintRequest,
    StepHook,
)
from overscan.core.engines.diffusion.families import _wan as wan
from overscan.core.engines.diffusion.families._words import require_read
from overscan.core.errors import ErrorRecord, InvalidJobError
from overscan.core.jobs import Job, ParameterValue, Task

if TYPE_CHECKING:
    from overscan.core.engines.diffusion import DiffusionEngine
    from overscan.core.models import ModelFolder

_FLOAT32 = ("vae", "image_encoder")
_LONG, _LONG_PIXELS = 121, 1280 * 704
"""Frames and area that the small model of Wan 2.2, with a time for every token, was trained on."""
_BOTH_WAYS = "WanPipeline"
"""What the index of Wan2.2-TI2V-5B says, a model from text or from a frame; others that say it know no frames."""
_CARD = FamilyCard(
    name="wan-i2v",
    title="Wan image-to-video: continues a shot from its last or first frame, and fills gaps between two.",
    version="1",
    pipelines=("WanImageToVideoPipeline", _BOTH_WAYS),
    tasks=(Task.CONTINUE, Task.INTERPOLATE),
    controls=("seed", "parameters", "prompt", "negative_prompt", "steps", "guidance", "strength"),
    lattice=Lattice(size=16, frames=4, offset=1, frames_max=81, pixels=wan.SMALL),
    defaults=Defaults(steps=40, guidance=5.0, negative_prompt=wan.NEGATIVE_PROMPT, overlap=1),
    matte=MatteUse.NONE,
    given_most=1,
    backwards=False,
    rights_card="wan-i2v",
    parameters=(wan.SHIFT,),
)


def engine() -> DiffusionEngine:
    """The engine ``wan-i2v``."""
    from overscan.core.engines.diffusion import DiffusionEngine

    return DiffusionEngine(family=WanI2v())


class WanI2v:
    """The family of `WanImageToVideoPipeline`: Wan2.1-I2V, Wan2.1-FLF2V, Wan2.2-I2V and Wan2.2-TI2V-5B."""

    @property
    def card(self) -> FamilyCard:
        """What it is and can do."""
        return _CARD

    def lattice(self, facts: runtime.ModelFacts | None) -> Lattice:
        """The sizes and lengths of one model."""
        scale, scale_time = _scales(facts)
        found = wan.wan_lattice(_CARD.lattice, facts, scale=scale, scale_time=scale_time)
        if facts is not None and facts.settings.get("expand_timesteps"):
            return replace(found, frames_max=_LONG, pixels=_LONG_PIXELS)
        return found

    def refusals(self, job: Job, folder: ModelFolder | None) -> list[ErrorRecord]:
        """Frames at the ends of a window that the model was not trained to be given."""
        weak = wan.strength_refusals(job, steps=_CARD.defaults.steps)
        if folder is None or folder.loras:
            return weak + wan.lora_refusals(folder)
        if folder.pipeline == _BOTH_WAYS and not folder.index().get("expand_timesteps"):
            return [
                *weak,
                ErrorRecord(
                    code="INVALID_JOB",
                    message=f"the model '{folder.name}' makes video from text alone, and cannot be given a frame.",
                    next_step="Use an image-to-video model, e.g. Wan2.2-I2V-A14B or Wan2.2-TI2V-5B.",
                    field="model",
                    actual=folder.name,
                ),
            ]
        trained = _ends(folder.index(), folder.config("transformer"))
        last = job.kind is Task.INTERPOLATE
        if trained[last]:
            return weak
        wants, knows = ("a first and a last frame", "a first frame only") if last else ("a first frame", "both")
        others = "Wan2.1-FLF2V, Wan2.2-I2V-A14B" if last else "Wan2.1-I2V, Wan2.2-I2V-A14B, Wan2.2-TI2V-5B"
        return [
            *weak,
            ErrorRecord(
                code="INVALID_JOB",
                message=f"the task gives {wants}, and the model '{folder.name}' was trained to be given {knows}.",
                next_step=f"Use another model ({others}), or the engine wan-vace.",
                field="model",
                actual=folder.name,
            ),
        ]

    def estimate(
        self, facts: runtime.ModelFacts, *, frames: int, width: int, height: int, steps: int, job: Job
    ) -> runtime.Need:
        """Seconds and bytes that one window takes."""
        scale, scale_time = _scales(facts)
        guidance = job.controls.guidance
        return runtime.video_need(
            facts,
            frames=frames,
            width=width,
            height=height,
            steps=steps,
            passes=1 if guidance is not None and guidance <= 1 else 2,
            scale=scale,
            scale_time=scale_time,
            patch=wan.patch_of(facts),
            encodes=1,
            frames_at_once=wan.FRAMES_AT_ONCE,
            float32=_FLOAT32,
        )

    def load(self, folder: ModelFolder, device: runtime.Device, *, parameters: Mapping[str, ParameterValue]) -> Any:
        """The pipeline, ready to paint."""
        return runtime.load_pipeline(
            folder, classes=_CARD.pipelines, device=device, parameters=parameters, float32=_FLOAT32, cls=_float_pipeline
        )

    def paint(self, pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
        """Paint one window: its first frame is given, and its last may be."""
        frames, height, width = request.matte.shape
        given = [index for index, known in enumerate(request.given) if known]
        reaches = len(given) == 2 and given[1] == frames - 1
        if not given or given[0] != 0 or (len(given) > 1 and not reaches):
            raise InvalidJobError(f"Wan image-to-video is given frame 0, and may be given the last, not {given}.")
        if not _ends(pipeline.config, pipeline.transformer.config)[reaches]:
            raise InvalidJobError(f"this model was not trained to be given frames {given} of {frames}.", field="model")
        require_read(pipeline, request, most=wan.PIECES_MAX)
        stills = runtime.video_tensor(request.video[given])[0]
        generator = runtime.noise(request.seed)
        with (
            runtime.painting(pipeline),
            wan.shifted(pipeline, float(request.parameters.get(wan.SHIFT.name, 0.0))),
            runtime.late_start(pipeline.scheduler, steps=request.steps, strength=request.strength) as steps,
        ):
            painted = [index for index in range(frames) if index not in given]
            preview = wan.WanPreview(pipeline, request.video, painted=painted)
            latents = None
            if steps < request.steps:
                clean = wan.clean_latents(pipeline, request.video)
                latents = wan.begun_latents(pipeline, clean, generator=generator, steps=request.steps)
            made = pipeline(
                image=stills[:1],
                last_image=stills[1:] if reaches else None,
                prompt=request.prompt,
                negative_prompt=request.negative_prompt,
                height=height,
                width=width,
                num_frames=frames,
                num_inference_steps=request.steps,
                guidance_scale=request.guidance,
                generator=generator,
                latents=latents,
                output_type="latent",
                callback_on_step_end=runtime.listen(hook, total=steps, preview=preview),
            ).frames
            video = wan.decoded(pipeline, made)
        return Painted(video=video)


def _ends(settings: Mapping[str, Any], transformer: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether a model goes on from a first frame alone, and whether from a first to a last one.

    A model with an image encoder was trained for one of the two: room for the positions of two images says which. The
    models of Wan 2.2 see frames as latents, and go both ways; but the small one has a place for the first alone.
    """
    if settings.get("expand_timesteps"):
        return True, False
    if transformer.get("image_dim") is None:
        return True, True
    both = transformer.get("pos_embed_seq_len") is not None
    return not both, both


def _scales(facts: runtime.ModelFacts | None) -> tuple[int, int]:
    """The autoencoder's scale in samples and in frames, as its configuration says."""
    config = facts.config("vae") if facts is not None else {}
    return int(config.get("scale_factor_spatial") or 8), int(config.get("scale_factor_temporal") or 4)


@cache
def _float_pipeline() -> type[Any]:
    """The pipeline's class with an image encoder that is shown floats.

    transformers' image processors read tensors as 0 to 255 and work in 8 bits; ours do the same resampling, crop and
    normalisation in floats, on the CPU, where the bits do not depend on the device.
    """
    import torch
    from diffusers import WanImageToVideoPipeline

    class FloatImageToVideoPipeline(WanImageToVideoPipeline):  # type: ignore[misc]
        def encode_image(self, image: Any, device: Any = None) -> Any:
            pictures = torch.cat(list(image)) if isinstance(image, list) else image
            shown = _shown(pictures.float().cpu(), self.image_processor)
            encoder = self.image_encoder
            seen = encoder(
                pixel_values=shown.to(device=self._execution_device, dtype=encoder.dtype), output_hidden_states=True
            )
            return seen.hidden_states[-2].to(device or self._execution_device)

    return FloatImageToVideoPipeline


def _shown(pictures: Any, processor: Any) -> Any:
    """``(n, 3, H, W)`` of 0 to 1 as an image processor's settings say, without 8 bits."""
    import torch

    size, crop = dict(processor.size), dict(processor.crop_size or {})
    if processor.do_resize:
        shortest = size.get("shortest_edge")
        if shortest:
            short = min(pictures.shape[-2:])
            target = tuple(shortest * side // short for side in pictures.shape[-2:])  # rounded down, as theirs
        else:
            target = (size["height"], size["width"])
        pictures = torch.nn.functional.interpolate(pictures, size=target, mode="bicubic", antialias=True).clamp(0, 1)
    if processor.do_center_crop:
        top, left = (pictures.shape[-2] - crop["height"]) // 2, (pictures.shape[-1] - crop["width"]) // 2
        pictures = pictures[..., top : top + crop["height"], left : left + crop["width"]]
    if processor.do_normalize:
        mean, spread = (torch.tensor(one).view(1, 3, 1, 1) for one in (processor.image_mean, processor.image_std))
        pictures = (pictures - mean) / spread
    return pictures
