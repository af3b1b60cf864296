"""What families of still pictures share: they paint key frames, and the plate engine's motion carries these on.

Pictures go into the autoencoder and come out of it here and not in diffusers' pipelines: in float32 whatever the
precision, and without the clamp to 0..1 that a pipeline ends with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from overscan.core.engines.diffusion._family import FamilyCard, Floats, Lattice, Painted, PaintRequest
from overscan.core.errors import ErrorRecord, InvalidJobError

if TYPE_CHECKING:
    from overscan.core.engines.diffusion.runtime import ModelFacts
    from overscan.core.jobs import Job
    from overscan.core.models import ModelFolder

KEYFRAME_CONTROLS = (
    "prompt",
    "seed",
    "steps",
    "guidance",
    "parameters",
    "source_frames",
    "movers",
    "never_copy",
    "clean_plates",
    "camera",
    "trajectories",
)
"""Controls that every family of stills honours: the model's, and those of the motion that carries its pictures."""


class StillFamily:
    """Base of the families that paint one picture at a time."""

    card: FamilyCard
    patch = 1
    """Latents that the denoiser takes as one, along a side."""

    def lattice(self, facts: ModelFacts | None) -> Lattice:
        """The card's, with the autoencoder's own scale."""
        if facts is None:
            return self.card.lattice
        return replace(self.card.lattice, size=autoencoder_scale(facts.config("vae")) * self.patch)

    def refusals(self, job: Job, folder: ModelFolder | None) -> list[ErrorRecord]:
        """What of the job the family cannot honour beyond what the card says."""
        del folder
        steps = self.card.defaults.steps if job.controls.steps is None else job.controls.steps
        strength = job.controls.strength
        if strength is None or "strength" not in self.card.controls or round(steps * strength) >= 1:
            return []
        return [
            InvalidJobError(
                f"a strength of {strength:g} leaves none of {steps} denoising steps to take.",
                next_step=f"Set strength to {1 / steps:.2g} or more, or ask for more steps.",
                field="controls.strength",
                expected=f"at least {1 / steps:.2g}",
                actual=f"{strength:g}",
            ).record
        ]

    def unread(self, pipeline: Any, words: str) -> int:
        """How many of the pieces of `words` that the model's reader knows lie beyond what it reads."""
        del pipeline, words
        return 0


def pieces_beyond(tokenizer: Any, words: str) -> int:
    """How many pieces of `words` a tokenizer leaves out for a model that reads no more than it says."""
    found = tokenizer(words, truncation=False, padding=False).input_ids
    return max(0, len(found) - int(tokenizer.model_max_length))


def steps_taken(steps: int, strength: float) -> int:
    """Denoising steps that are taken at a strength: the nearest whole number, at least one."""
    return max(1, min(steps, round(steps * strength)))


def autoencoder_scale(config: Mapping[str, Any]) -> int:
    """Samples of the picture for each latent, along a side, of an ``AutoencoderKL`` by its configuration."""
    return int(2 ** (len(config.get("block_out_channels", (0,) * 4)) - 1))


def one_picture(request: PaintRequest) -> tuple[Any, Any]:
    """The picture ``(1, 3, H, W)`` and the matte ``(1, 1, H, W)`` of a request for one, as float32 tensors."""
    import torch

    picture = torch.from_numpy(np.ascontiguousarray(request.video[0].transpose(2, 0, 1))).unsqueeze(0)
    matte = torch.from_numpy(np.ascontiguousarray(request.matte[0])).reshape(1, 1, *request.matte.shape[1:])
    return picture, matte


def whole_cells(matte: Any, cell: int) -> Any:
    """A matte ``(1, 1, H, W)`` that is 1 in every cell of `cell` x `cell` samples that anything is to be painted in.

    The denoiser knows no smaller places: a cell that counts as kept would be kept whole.
    """
    import torch

    height, width = matte.shape[-2:]
    pooled = torch.nn.functional.max_pool2d((matte > 0).float(), cell)
    return torch.nn.functional.interpolate(pooled, size=(height, width), mode="nearest")


def encoded(pipeline: Any, picture: Any) -> Any:
    """Latents ``(1, c, h, w)`` float32 of codes ``(1, 3, H, W)``, as the denoiser knows them."""
    vae = pipeline.vae
    scale, mean, deviation = _normal(vae, pipeline._execution_device)
    seen = (picture * 2 - 1).to(device=pipeline._execution_device, dtype=vae.dtype)
    latents = vae.encode(seen).latent_dist.mode().float()
    return (latents - mean) * scale / deviation


def decoded(pipeline: Any, latents: Any) -> Floats:
    """Codes ``(H, W, 3)`` of latents ``(1, c, h, w)`` of the denoiser, not limited."""
    vae = pipeline.vae
    scale, mean, deviation = _normal(vae, pipeline._execution_device)
    own = latents.to(pipeline._execution_device).float() * deviation / scale + mean
    picture = vae.decode(own.to(vae.dtype), return_dict=False)[0]
    pipeline.maybe_free_model_hooks()
    return as_codes(picture)


def as_codes(picture: Any) -> Floats:
    """Codes ``(H, W, 3)`` of what an autoencoder gives, ``(1, 3, H, W)`` of -1 to 1 and beyond."""
    codes: Floats = (picture[0].float() / 2 + 0.5).permute(1, 2, 0).cpu().contiguous().numpy()
    return codes


def _normal(vae: Any, device: Any) -> tuple[float, Any, Any]:
    """Scale, mean and deviation of latents, as the configuration gives them: plain numbers, one a channel, or none."""
    import torch

    config = vae.config
    mean = getattr(config, "latents_mean", None)
    deviation = getattr(config, "latents_std", None)
    if mean is not None and deviation is not None:
        shape = (1, -1, 1, 1)
        return (
            float(config.scaling_factor),
            torch.tensor(mean, device=device).view(shape),
            torch.tensor(deviation, device=device).view(shape),
        )
    return float(config.scaling_factor), float(getattr(config, "shift_factor", None) or 0.0), 1.0


def as_painted(codes: npt.NDArray[np.float32]) -> Painted:
    """One picture ``(H, W, 3)`` as what a family gives back."""
    return Painted(video=np.ascontiguousarray(codes[np.newaxis], np.float32))
