"""Paints under a matte with a pipeline that takes none: what is known is put back at every denoising step.

After each step the latents outside the matte are set to the known ones, with as much noise as the next step expects;
after the last step with none. The model so paints into surroundings that are right at every level of noise (Lugmayr
2022, RePaint, without its repetitions; for rectified flow, where latents are ``(1 - sigma) * clean + sigma * noise``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from overscan.core.engines.diffusion._family import Floats
from overscan.core.engines.diffusion.runtime._libraries import torch_library

_KNOWN_NOISE = 0x6B6E6F776E
"""Mixed into the seed, so that the known latents' noise is not that of the painted ones."""


def latent_matte(matte: Floats, *, time: int, size: int) -> npt.NDArray[np.bool_]:
    """Which latents to paint, ``(f, h, w)``: those of which any sample is.

    `matte` is ``(T, H, W)``, above 0 to paint, with T = `time` * k + 1 and H, W multiples of `size`. The first latent
    stands for the first frame alone, each further one for the next `time` frames, as causal video VAEs have it.
    """
    frames, height, width = matte.shape
    if (frames - 1) % time or height % size or width % size:
        raise ValueError(f"A matte of {frames} frames of {width}x{height} is not on the lattice {time}k+1, x{size}.")
    painted: npt.NDArray[np.bool_] = np.asarray(matte > 0)
    blocks = painted.reshape(frames, height // size, size, width // size, size)
    cells: npt.NDArray[np.bool_] = np.asarray(blocks.any(axis=(2, 4)))
    later = cells[1:].reshape((frames - 1) // time, time, *cells.shape[1:]).any(axis=1)
    return np.concatenate([cells[:1], later])


def next_sigma(scheduler: Any, timestep: Any) -> float:
    """How much noise the step after the one at `timestep` expects: 0 after the last."""
    now = float(timestep) / scheduler.config.num_train_timesteps
    return max((sigma for sigma in scheduler.sigmas.tolist() if sigma < now - 1e-6), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLatents:
    """The latents of a window that must stay what they are, in the order that the transformer has them."""

    clean: Any = field(repr=False)
    """Tensor ``(1, n, c)``: the latents of the whole window, normalised, one row a token."""
    keep: Any = field(repr=False)
    """Boolean tensor ``(1, n, 1)``."""
    noise: Any = field(repr=False)
    """Tensor as `clean`: the same noise at every step, as on one path of the flow."""

    def put_back(self, latents: Any, *, sigma: float, first: int) -> Any:
        """`latents` of a step, ``(1, m, c)`` with this window's own from token `first` on, with the known ones in."""
        torch = torch_library()
        last = first + self.clean.shape[1]
        own = latents[:, first:last]
        known = ((1.0 - sigma) * self.clean + sigma * self.noise).to(own)
        mended = torch.where(self.keep.to(own.device), known, own)
        return torch.cat([latents[:, :first], mended, latents[:, last:]], dim=1)

    def change(self, *, first: int) -> Any:
        """What `runtime.listen` calls after each step."""

        def change(pipeline: Any, _index: int, timestep: Any, tensors: Mapping[str, Any]) -> Mapping[str, Any]:
            sigma = next_sigma(pipeline.scheduler, timestep)
            return {"latents": self.put_back(tensors["latents"], sigma=sigma, first=first)}

        return change


def known_latents(
    pipeline: Any, *, clean: Any, paint: npt.NDArray[np.bool_], seed: int, given: int = 0
) -> KnownLatents | None:
    """The known latents of a window, or None where all are to be painted.

    `clean` is ``(1, c, f, h, w)``, normalised; `paint` ``(f, h, w)`` from `latent_matte`. The first `given` latent
    frames are left to the pipeline, which holds them by conditions.
    """
    keep = ~paint
    keep[:given] = False
    if not keep.any():
        return None
    torch = torch_library()
    patches = {
        "patch_size": pipeline.transformer_spatial_patch_size,
        "patch_size_t": pipeline.transformer_temporal_patch_size,
    }
    packed = pipeline._pack_latents(clean, **patches)
    mask = torch.from_numpy(keep[np.newaxis, np.newaxis].astype(np.float32))
    generator = torch.Generator(device="cpu").manual_seed((seed ^ _KNOWN_NOISE) & 0xFFFF_FFFF_FFFF_FFFF)
    return KnownLatents(
        clean=packed,
        # A token that holds more than one latent is kept where all of them are.
        keep=pipeline._pack_latents(mask, **patches).amin(dim=-1, keepdim=True) > 0.5,
        noise=torch.randn(packed.shape, generator=generator, dtype=torch.float32).to(packed.device),
    )


def encode(pipeline: Any, video: Floats) -> Any:
    """The normalised latents ``(1, c, f, h, w)`` of codes ``(T, H, W, 3)``; the mean of what the VAE says."""
    torch = torch_library()
    vae = pipeline.vae
    device = pipeline._execution_device
    samples = torch.from_numpy(np.ascontiguousarray(video.transpose(3, 0, 1, 2)[np.newaxis] * 2.0 - 1.0, np.float32))
    latents = vae.encode(samples.to(device=device, dtype=vae.dtype)).latent_dist.mode().float()
    # Else the autoencoder would stay on the device while the transformer works.
    pipeline.maybe_free_model_hooks()
    return pipeline._normalize_latents(latents, vae.latents_mean, vae.latents_std, vae.config.scaling_factor)


def denormalised(pipeline: Any, latents: Any) -> Any:
    """Latents as the VAE has them, from those of the denoising loop."""
    vae = pipeline.vae
    return pipeline._denormalize_latents(latents, vae.latents_mean, vae.latents_std, vae.config.scaling_factor)


def decode(pipeline: Any, latents: Any, *, timestep: float | None = None) -> Floats:
    """Codes ``(T, H, W, 3)`` of latents as the VAE has them, unclamped: what is above white stays there.

    The pipelines' own decoding limits to 0..1. `timestep` is for decoders that denoise a last time.
    """
    torch = torch_library()
    vae = pipeline.vae
    latents = latents.to(device=pipeline._execution_device, dtype=vae.dtype)
    time = None if timestep is None else torch.tensor([timestep], device=latents.device, dtype=latents.dtype)
    rows, columns = latents.shape[-2:]
    # Some decoders mirror at the edges of the picture, which takes two latents a side at least.
    more = (2 if rows == 1 else 1, 2 if columns == 1 else 1)
    samples = vae.decode(latents.repeat(1, 1, 1, *more), time, return_dict=False)[0]
    samples = samples[..., : samples.shape[-2] // more[0], : samples.shape[-1] // more[1]]
    array: Floats = samples[0].float().cpu().permute(1, 2, 3, 0).contiguous().numpy()
    pipeline.maybe_free_model_hooks()
    return array * np.float32(0.5) + np.float32(0.5)
