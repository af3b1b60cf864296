"""Sizes and lengths of LTX models, as their autoencoder's configuration has them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from overscan.core.engines.diffusion._family import Lattice
from overscan.core.engines.diffusion.runtime import ModelFacts

PUBLISHED = (8, 32)
"""Frames and samples a side of one latent, in all models published so far."""


def latent_size(facts: ModelFacts | None) -> tuple[int, int]:
    """Frames and samples a side that one latent of a model stands for."""
    config = {} if facts is None else facts.config("vae")
    time, size = config.get("temporal_compression_ratio"), config.get("spatial_compression_ratio")
    halvings = _halvings(config)
    if halvings is not None:
        time = time or int(config.get("patch_size_t", 1)) * 2**halvings
        size = size or int(config.get("patch_size", 4)) * 2**halvings
    return int(time or PUBLISHED[0]), int(size or PUBLISHED[1])


def fitted(lattice: Lattice, facts: ModelFacts | None) -> Lattice:
    """The lattice of a folder; that of the card for what was published so far."""
    time, size = latent_size(facts)
    if (time, size) == PUBLISHED:
        return lattice
    steps = max(1, (lattice.frames_max - 1) // time)
    return replace(lattice, size=math.lcm(lattice.size, size), frames=time, offset=1, frames_max=steps * time + 1)


def _halvings(config: Any) -> int | None:
    scaling = config.get("spatio_temporal_scaling")
    return sum(map(bool, scaling)) if isinstance(scaling, list | tuple) else None
