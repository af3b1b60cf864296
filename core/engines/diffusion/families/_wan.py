"""What Wan's families share: their shape, their text, the beginning from what is there, and a look at latents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from overscan.core.engines._protocol import Parameter
from overscan.core.engines.diffusion._family import Floats, Lattice
from overscan.core.engines.diffusion.runtime import (
    LatentPreview,
    ModelFacts,
    decode_unlimited,
    video_array,
    video_tensor,
)
from overscan.core.errors import ErrorRecord
from overscan.core.jobs import Job

if TYPE_CHECKING:
    from overscan.core.models import ModelFolder

NEGATIVE_PROMPT = (
    "subtitles, captions, text, logo, watermark, blurred details, low quality, worst quality, compression artefacts, "
    "flicker, still picture, deformed, disfigured, misshapen limbs, fused fingers, extra fingers, poorly drawn hands, "
    "poorly drawn faces, painting, cartoon, walking backwards"
)
"""The makers' own, without its words on brightness and grey: a log code is grey, and the plate's light is meant."""
FRAMES_AT_ONCE = 4
"""What the autoencoder has in flight at a time."""
SMALL, LARGE = 832 * 480, 1280 * 720
SHIFT = Parameter(
    name="flow_shift",
    description="Where denoising spends its steps: more for large pictures. 0 is what the model's folder says.",
    default=0.0,
    minimum=0.0,
    maximum=20.0,
)
PIECES_MAX = 512
"""Of a text, that the pipelines give to the reader (`max_sequence_length`)."""
_LARGE_SHIFT = 5.0
"""Folders of models for 720 lines come with this shift, those for 480 with 3."""


def wan_lattice(card: Lattice, facts: ModelFacts | None, *, scale: int, scale_time: int) -> Lattice:
    """The lattice of a model with these scales of its autoencoder."""
    if facts is None:
        return card
    shift = float(facts.config("scheduler").get("flow_shift") or facts.config("scheduler").get("shift") or 0)
    return replace(
        card,
        size=scale * patch_of(facts)[1],
        frames=scale_time,
        pixels=LARGE if shift >= _LARGE_SHIFT else SMALL,
    )


def lora_refusals(folder: ModelFolder | None) -> list[ErrorRecord]:
    """What to say of a folder with LoRAs, which these families do not add."""
    if folder is None or not folder.loras:
        return []
    return [
        ErrorRecord(
            code="INVALID_JOB",
            message=f"the model '{folder.name}' has LoRAs, which Wan's engines leave out: {', '.join(folder.loras)}.",
            next_step="Take them out of the folder, or merge them into its weights, and add it to the library again.",
            field="model",
            path=str(folder.path),
        )
    ]


def strength_refusals(job: Job, *, steps: int) -> list[ErrorRecord]:
    """What to say of a strength that leaves no denoising step; `steps` are those of the job or of the family."""
    steps = job.controls.steps or steps
    strength = job.controls.strength
    if strength is None or round(steps * strength) >= 1:
        return []
    return [
        ErrorRecord(
            code="INVALID_JOB",
            message=f"a strength of {strength:g} leaves none of {steps} denoising steps to take.",
            next_step=f"Set strength to {1 / steps:.2g} or more, or ask for more steps.",
            field="controls.strength",
            expected=f"at least {1 / steps:.2g}",
            actual=f"{strength:g}",
        )
    ]


def patch_of(facts: ModelFacts) -> Sequence[int]:
    """The transformer's patch: frames, rows, columns."""
    config = facts.config("transformer") or facts.config("transformer_2")
    return tuple(int(side) for side in config.get("patch_size", (1, 2, 2)))


def clean_latents(pipeline: Any, frames: Floats, *, stills: Sequence[Floats] = ()) -> Any:
    """``(1, C, t, h, w)`` float32 latents of `frames`, ``(T, H, W, 3)`` codes, each of `stills` before them."""
    import torch

    vae = pipeline.vae
    device = pipeline._execution_device
    mean, spread = _normal(vae, device)
    made = []
    for clip in (*(still[np.newaxis] for still in stills), frames):
        codes = video_tensor(clip).transpose(1, 2) * 2 - 1
        found = vae.encode(codes.to(device=device, dtype=vae.dtype)).latent_dist.mode()
        made.append((found.float() - mean) / spread)
    return torch.cat(made, dim=2)


def decoded(pipeline: Any, latents: Any) -> Floats:
    """Codes ``(T, H, W, 3)`` of a pipeline's `latents` ``(1, C, t, h, w)``, not limited as the pipeline would."""
    mean, spread = _normal(pipeline.vae, pipeline._execution_device)
    own = latents.to(pipeline._execution_device).float() * spread + mean
    made = decode_unlimited(pipeline.vae, own).float() / 2 + 0.5
    pipeline.maybe_free_model_hooks()
    return video_array(made.transpose(1, 2))


def _normal(vae: Any, device: Any) -> tuple[Any, Any]:
    """Mean and spread of the latents' channels."""
    import torch

    shape = (1, vae.config.z_dim, 1, 1, 1)
    return (
        torch.tensor(vae.config.latents_mean, dtype=torch.float32, device=device).view(shape),
        torch.tensor(vae.config.latents_std, dtype=torch.float32, device=device).view(shape),
    )


def begun_latents(pipeline: Any, clean: Any, *, generator: Any, steps: int) -> Any:
    """`clean` latents with the noise that the (shortened) schedule begins with."""
    from diffusers.utils.torch_utils import randn_tensor

    pipeline.scheduler.set_timesteps(steps, device=clean.device)
    sigma = float(pipeline.scheduler.sigmas[0])
    fresh = randn_tensor(clean.shape, generator=generator, device=clean.device, dtype=clean.dtype)
    return (1 - sigma) * clean + sigma * fresh


@contextmanager
def shifted(pipeline: Any, shift: float) -> Iterator[None]:
    """Inside, the scheduler of `pipeline` has another flow shift; 0 leaves it."""
    own = pipeline.scheduler
    if shift > 0:
        name = "flow_shift" if "flow_shift" in own.config else "shift"
        pipeline.scheduler = type(own).from_config(own.config, **{name: shift})
    try:
        yield
    finally:
        pipeline.scheduler = own


class WanPreview:
    """Shows the latent frame in the middle of what is painted."""

    def __init__(self, pipeline: Any, frames: Floats, *, painted: Sequence[int], before: int = 0) -> None:
        """`frames` are the window's, `painted` the indices of those to paint; `before` latent frames come first."""
        self._map = LatentPreview(latents=clean_latents(pipeline, frames[:1])[0, :, 0], picture=frames[0])
        middle = painted[len(painted) // 2] if painted else 0
        self._at = before + -(-middle // pipeline.vae_scale_factor_temporal)

    def __call__(self, pipeline: Any, tensors: Mapping[str, Any]) -> Floats:
        """Codes ``(h, w, 3)``: what the model expects the end to be where the scheduler knows, else the latents."""
        latents = _expected(pipeline.scheduler, tensors["latents"])
        return self._map.picture(latents[0, :, self._at])


def _expected(scheduler: Any, latents: Any) -> Any:
    outputs = getattr(scheduler, "model_outputs", None)
    known = outputs[-1] if outputs and scheduler.config.get("predict_x0", False) else None
    return latents if known is None or known.shape != latents.shape else known
