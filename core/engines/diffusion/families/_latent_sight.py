"""A look at the middle of a window while its latents are denoised, for pipelines whose latents are rows of tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from overscan.core.engines.diffusion._family import Floats
from overscan.core.engines.diffusion.runtime import LatentPreview


def latent_sight(
    pipeline: Any, *, clean: Any, video: Floats, first: int = 0
) -> Callable[[Any, Mapping[str, Any]], Floats]:
    """A preview for `runtime.listen`: the window's middle latent frame as a small picture of codes.

    `clean` is ``(1, c, f, h, w)``, the latents of `video` ``(T, H, W, 3)``; the tokens of the window begin at `first`
    in the sequence. Nothing is computed before a picture is wanted.
    """
    _, _, count, height, width = clean.shape
    middle = count // 2
    patches = (pipeline.transformer_spatial_patch_size, pipeline.transformer_temporal_patch_size)
    tokens = (count // patches[1]) * (height // patches[0]) * (width // patches[0])

    def sight(running: Any, tensors: Mapping[str, Any]) -> Floats:
        time = (len(video) - 1) // max(count - 1, 1)
        frame = max(0, (middle - 1) * time + 1 + time // 2) if middle else 0
        fitted = LatentPreview(latents=clean[0, :, middle], picture=video[min(frame, len(video) - 1)])
        own = tensors["latents"][:, first : first + tokens]
        latents = running._unpack_latents(own, count, height, width, *patches)
        return fitted.picture(latents[0, :, middle])

    return sight
