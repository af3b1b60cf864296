"""What painting a window takes: numbers held, numbers in flight, operations. Estimates, from configurations alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from overscan.core.engines.diffusion.runtime._facts import ComponentFacts, ModelFacts

TILE = 256
"""Side of the tiles that diffusers' autoencoders work in when they tile, in samples."""
_TEXT_TOKENS = 512
_IN_FLIGHT, _KEPT = 17, 5
"""Numbers in flight in an autoencoder for each sample, frame and channel of its first level, and those that wait for
the next frames. Measured with Wan's (96 channels, 4 frames) on a CPU: 6100 a sample encoding, 8000 decoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartNeed:
    """What one component needs for one window."""

    name: str
    parameters: int
    """Numbers of its weights."""
    activation: int
    """Numbers in flight while it runs, at the most."""
    tiled_activation: int | None = None
    """The same where it works in tiles; None where it cannot."""
    operations: float
    """Floating-point operations, of all its calls."""
    calls: int = 1
    """How often its weights are gone through."""
    float32: bool = False
    """Whether it is kept in float32 whatever the precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one window needs."""

    parts: tuple[PartNeed, ...]
    pixels: int
    """Width times height times frames of the window; what is in flight grows with it."""


def video_need(
    facts: ModelFacts,
    *,
    frames: int,
    width: int,
    height: int,
    steps: int,
    passes: int = 2,
    scale: int,
    scale_time: int,
    patch: Sequence[int] = (1, 1, 1),
    transformers: Sequence[str] = ("transformer", "transformer_2"),
    extra_tokens: int = 0,
    encodes: int = 2,
    frames_at_once: int | None = None,
    float32: Sequence[str] = (),
) -> Need:
    """The need of a pipeline of text encoders, transformers over latents and an autoencoder.

    `passes` are the evaluations of a step (2 with guidance); `scale` and `scale_time` the autoencoder's, `patch` the
    transformer's in frames, rows and columns. `extra_tokens` come on top (references). The autoencoder encodes the
    window `encodes` times, and has `frames_at_once` in flight (None: all). Several transformers share the steps.
    Text and image encoders named in `float32` stay in it, as autoencoders do.
    """
    latent_frames = math.ceil(max(frames - 1, 0) / scale_time) + 1
    tokens = extra_tokens + math.ceil(latent_frames / patch[0]) * math.ceil(height / scale / patch[1]) * math.ceil(
        width / scale / patch[2]
    )
    painting = [facts.components[name] for name in transformers if name in facts.components]
    parts = []
    for component in facts.components.values():
        if component.parameters == 0:
            continue
        if component in painting:
            parts.append(_transformer(component, tokens=tokens, calls=math.ceil(steps * passes / len(painting))))
        elif component.name == "vae":
            parts.append(_autoencoder(component, frames, width, height, encodes, frames_at_once))
        else:
            parts.append(_reader(component, calls=passes, float32=component.name in float32))
    return Need(parts=tuple(parts), pixels=frames * width * height)


def _transformer(component: ComponentFacts, *, tokens: int, calls: int) -> PartNeed:
    config = component.config
    heads = int(config.get("num_attention_heads", 1) or 1)
    width = heads * int(config.get("attention_head_dim", 64) or 64)
    inner = int(config.get("ffn_dim", 0) or 4 * width)
    layers = int(config.get("num_layers", 1) or 1) + int(config.get("num_single_layers", 0) or 0)
    layers += len(config.get("vace_layers", ()) or ())
    # Weights are gone through once for each token, queries meet keys and weights meet values in each layer.
    each = 2.0 * component.parameters * tokens + 4.0 * float(tokens) ** 2 * width * layers
    # States, a float32 copy for the norm, queries, keys and values before and after rotation, and the feed-forward's
    # inside twice; a hint of the states for each layer that is steered from beside.
    hints = len(config.get("vace_layers", ()) or ())
    return PartNeed(
        name=component.name,
        parameters=component.parameters,
        activation=tokens * (width * (14 + hints) + 2 * inner),
        operations=each * calls,
        calls=calls,
    )


def _autoencoder(
    component: ComponentFacts, frames: int, width: int, height: int, encodes: int, frames_at_once: int | None
) -> PartNeed:
    config = component.config
    base = _base_width(config)
    inside = int(config.get("patch_size", 1) or 1) ** 2
    at_once = min(frames, frames_at_once or frames)
    through = 6 * width * height * frames  # the picture itself: in, out, and out once more while it is put together

    def flight(area: int) -> int:
        return area * base * (_IN_FLIGHT * at_once + _KEPT) // inside

    # At full size about seven convolutions of 3x3x3, and as much again at all coarser ones; decoding is one more pass.
    # Measured with Wan's: 0.7 of this encoding, 1.2 decoding.
    operations = 2.0 * 27 * base**2 * 16 / inside * width * height * frames * (1 + encodes)
    return PartNeed(
        name=component.name,
        parameters=component.parameters,
        activation=flight(width * height) + through,
        tiled_activation=min(flight(TILE * TILE), flight(width * height)) + through,
        operations=operations,
        float32=True,
    )


def _base_width(config: Any) -> int:
    found = config.get("decoder_base_dim") or config.get("base_dim")
    if found:
        return int(found)
    blocks = config.get("decoder_block_out_channels") or config.get("block_out_channels") or (128,)
    return int(blocks[0])


def _reader(component: ComponentFacts, *, calls: int, float32: bool) -> PartNeed:
    config = component.config
    width = int(config.get("d_model") or config.get("hidden_size") or 1024)
    return PartNeed(
        name=component.name,
        parameters=component.parameters,
        activation=_TEXT_TOKENS * width * 24,
        operations=2.0 * component.parameters * _TEXT_TOKENS * calls,
        calls=calls,
        float32=float32,
    )
