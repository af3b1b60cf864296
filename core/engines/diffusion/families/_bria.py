"""Bria's FIBO editors (FIBO Edit, FIBO 2): they see the picture with its unknown part greyed out.

Of Bria's pipelines in diffusers these two take a matte: what is under it is made grey before the picture is encoded,
and the whole picture comes back. FIBO and Bria 3 (`BriaFiboPipeline`, `BriaPipeline`) make pictures of words alone.
The pipelines turn the picture into 8 bits on the way; here it goes past that, as floats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

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
    as_codes,
    as_painted,
    one_picture,
)
from overscan.core.engines.diffusion.runtime import (
    LatentPreview,
    Need,
    decode_unlimited,
    listen,
    load_pipeline,
    noise,
    painting,
    video_need,
)
from overscan.core.errors import ErrorRecord, ModelsNotInstalledError
from overscan.core.jobs import ParameterValue, Task

if TYPE_CHECKING:
    from overscan.core.engines.diffusion._family import Floats
    from overscan.core.engines.diffusion._keyframe_engine import KeyframeEngine
    from overscan.core.engines.diffusion.runtime import ComponentFacts, Device, ModelFacts
    from overscan.core.jobs import Job
    from overscan.core.models import ModelFolder

_EDIT, _FIBO2 = "BriaFiboEditPipeline", "BriaFibo2Pipeline"
_GREY = 128 / 255
"""Code of what is unknown, as the models were trained with."""
_INSTRUCTION = "Fill the grey area with what continues the picture around it, in the same light and perspective."
"""What the models are told where the job has no prompt: they edit by instruction."""
_TOKENS_OF_WORDS = 1024
_SIZE = 16

_CARD = FamilyCard(
    name="bria",
    title="Bria FIBO: paints key frames, which the plate's motion carries through the shot",
    version="0.1.0",
    pipelines=(_EDIT, _FIBO2),
    tasks=(Task.EXTEND, Task.INPAINT),
    controls=(*KEYFRAME_CONTROLS, "negative_prompt"),
    lattice=Lattice(size=_SIZE, frames_max=1, pixels=1024 * 1024),
    defaults=Defaults(steps=30, guidance=5.0),
    matte=MatteUse.NATIVE,
    rights_card="bria-fibo",
)


def engine() -> KeyframeEngine:
    """The engine of this family."""
    from overscan.core.engines.diffusion._keyframe_engine import KeyframeEngine

    return KeyframeEngine(family=BriaFibo())


class BriaFibo(StillFamily):
    """Key frames by FIBO Edit or FIBO 2, by an instruction: words, or JSON with an ``edit_instruction``."""

    card = _CARD

    def lattice(self, facts: ModelFacts | None) -> Lattice:
        """The card's: both encode 16 x 16 samples as one."""
        del facts
        return self.card.lattice

    def refusals(self, job: Job, folder: ModelFolder | None) -> list[ErrorRecord]:
        """FIBO 2 needs a library more than the others."""
        found = super().refusals(job, folder)
        if folder is None or folder.pipeline != _FIBO2 or find_spec("torchvision") is not None:
            return found
        missing = ModelsNotInstalledError(
            f"the model '{folder.name}' cannot run here: FIBO 2 reads with torchvision, which is not installed.",
            next_step="Install the torchvision that belongs to the installed torch, as pytorch.org says, or use FIBO "
            "Edit.",
            field="model",
            actual=folder.name,
        )
        return [*found, missing.record]

    def estimate(self, facts: ModelFacts, *, frames: int, width: int, height: int, steps: int, job: Job) -> Need:
        """What one key frame takes; the picture that is edited stands beside the one that is made."""
        del job
        components = {name: _as_others_say(component) for name, component in facts.components.items()}
        return video_need(
            replace(facts, components=components),
            frames=frames,
            width=width,
            height=height,
            steps=steps,
            scale=_SIZE,
            scale_time=1,
            extra_tokens=width * height // _SIZE**2 + _TOKENS_OF_WORDS,
        )

    def load(self, folder: ModelFolder, device: Device, *, parameters: Mapping[str, ParameterValue]) -> Any:
        """The pipeline."""
        return load_pipeline(folder, classes=_CARD.pipelines, device=device, parameters=parameters)

    def paint(self, pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
        """Paint one key frame."""
        picture, matte = one_picture(request)
        unknown = (matte > 0).float()
        greyed = picture * (1 - unknown) + _GREY * unknown
        is_edit = type(pipeline).__name__ == _EDIT
        with painting(pipeline), _floats(pipeline, greyed, fibo2=not is_edit) as placeholder:
            call = {
                "prompt": instruction(request.prompt),
                "negative_prompt": request.negative_prompt or None,
                "image": placeholder,
                "height": picture.shape[-2],
                "width": picture.shape[-1],
                "num_inference_steps": request.steps,
                "guidance_scale": request.guidance,
                "generator": noise(request.seed),
            }
            if is_edit:
                return as_painted(_edited(pipeline, call, request, hook))
            return as_painted(_made(pipeline, call, request, hook))


def instruction(prompt: str) -> str:
    """A prompt as the models take it: JSON with an ``edit_instruction``."""
    try:
        given = json.loads(prompt)
    except ValueError:
        given = None
    if isinstance(given, dict) and "edit_instruction" in given:
        return prompt
    return json.dumps({"edit_instruction": prompt.strip() or _INSTRUCTION}, ensure_ascii=False)


def _made(pipeline: Any, call: Mapping[str, Any], request: PaintRequest, hook: StepHook) -> Floats:
    """Codes ``(H, W, 3)`` of FIBO 2, which decodes by itself, in its autoencoder's precision."""
    picture, _ = one_picture(request)
    clean = pipeline.prepare_image_latents([picture * 2 - 1], 1, pipeline._execution_device, pipeline.vae.dtype)[0]
    preview = LatentPreview(latents=clean[0], picture=request.video[0])
    made = pipeline(
        **call,
        render_text_images=False,
        callback_on_step_end=listen(
            hook, total=request.steps, preview=lambda _, tensors: preview.picture(tensors["latents"][0])
        ),
        output_type="pt",
    ).images
    return as_codes(made)


def _edited(pipeline: Any, call: Mapping[str, Any], request: PaintRequest, hook: StepHook) -> Floats:
    """Codes ``(H, W, 3)`` of FIBO Edit, which ends with latents: its autoencoder stays in float32."""
    height, width = request.video.shape[1:3]
    vae = pipeline.vae

    def unpacked(packed: Any) -> Any:
        return pipeline._unpack_latents_no_patch(packed, height, width, pipeline.vae_scale_factor)

    clean = _encoded(pipeline, request)
    preview = LatentPreview(latents=clean[0], picture=request.video[0])
    packed = pipeline(
        **call,
        callback_on_step_end=listen(
            hook, total=request.steps, preview=lambda _, tensors: preview.picture(unpacked(tensors["latents"])[0])
        ),
        output_type="latent",
    ).images
    latents = unpacked(packed.to(pipeline._execution_device).float()).unsqueeze(2)
    mean, deviation = _normal(vae, latents)
    made = decode_unlimited(vae, latents * deviation + mean).squeeze(2)
    pipeline.maybe_free_model_hooks()
    return as_codes(made)


def _encoded(pipeline: Any, request: PaintRequest) -> Any:
    """Latents ``(1, c, h, w)`` of the picture with the guess under the matte, for previews."""
    picture, _ = one_picture(request)
    vae = pipeline.vae
    seen = (picture * 2 - 1).unsqueeze(2).to(device=pipeline._execution_device, dtype=vae.dtype)
    latents = vae.encode(seen).latent_dist.mode().float()
    mean, deviation = _normal(vae, latents)
    return ((latents - mean) / deviation).squeeze(2)


def _normal(vae: Any, latents: Any) -> tuple[Any, Any]:
    import torch

    shape = (1, -1, 1, 1, 1)
    config = vae.config
    return tuple(
        torch.tensor(values, device=latents.device, dtype=latents.dtype).view(shape)
        for values in (config.latents_mean, config.latents_std)
    )


@contextmanager
def _floats(pipeline: Any, picture: Any, *, fibo2: bool) -> Iterator[Any]:
    """Inside, `picture` ``(1, 3, H, W)`` of codes is what the pipeline encodes; gives a stand-in to call it with.

    The stand-in is the picture in 8 bits: what FIBO 2's reader of pictures sees.
    """
    from PIL import Image

    own = pipeline.image_processor
    codes = picture[0].permute(1, 2, 0).numpy()
    stand_in = Image.fromarray(np.rint(codes.clip(0, 1) * 255).astype(np.uint8))
    pipeline.image_processor = _FloatProcessor(picture, fibo2=fibo2)
    try:
        yield stand_in
    finally:
        pipeline.image_processor = own


class _FloatProcessor:
    """In place of an image processor of diffusers': hands over a picture of floats, and takes one without limits."""

    def __init__(self, picture: Any, *, fibo2: bool) -> None:
        self._picture = picture * 2 - 1
        self._fibo2 = fibo2

    def preprocess(self, image: Any, *, height: int, width: int, **named: Any) -> Any:
        """The picture of floats; for FIBO 2 in a list, beside the 8 bits that its reader sees."""
        import torch

        picture = self._picture
        if picture.shape[-2:] != (height, width):
            picture = torch.nn.functional.interpolate(picture, size=(height, width), mode="bicubic", antialias=True)
        if not self._fibo2:
            return picture
        seen = image[0].copy()
        seen.thumbnail((named["text_encoder_image_size"],) * 2)
        return [picture], [seen]

    def postprocess(self, image: Any, *, output_type: str) -> Any:
        """The autoencoder's own values, -1 to 1 and beyond."""
        del output_type
        return image


def _as_others_say(component: ComponentFacts) -> ComponentFacts:
    """FIBO 2's transformer has its sizes under names of its own."""
    config = component.config
    if "n_heads" not in config:
        return component
    heads, width = int(config["n_heads"]), int(config["dim"])
    sizes = {"num_attention_heads": heads, "attention_head_dim": width // heads, "num_layers": config["n_layers"]}
    return replace(component, config={**config, **sizes})
