"""Tiny LTX pipelines: LTX-Video with its T5, LTX-2 (2.0 and 2.3) with Gemma, sound and LoRAs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    AutoencoderKLLTXVideo,
    FlowMatchEulerDiscreteScheduler,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
    LTXConditionPipeline,
    LTXPipeline,
    LTXVideoTransformer3DModel,
)
from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder
from safetensors.torch import save_file
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    SiglipVisionConfig,
    T5Config,
    T5EncoderModel,
)

from . import seeded, tiny_tokenizer, vocabulary_size

_LATENT = 8
"""Channels of a video's latents."""
_TEXT = 16
"""Width of the text encoders' states."""
_WIDE = 16
"""Width of the video transformers."""
_HEARD = 8
"""Width of the sound's half of the LTX-2 transformer."""


def save_ltx(folder: Path, *, timestep_conditioning: bool = False, shifting: bool = False) -> Path:
    """A folder as LTX-Video's; `timestep_conditioning` as from 0.9.1 on, where the decoder denoises a last time.

    `shifting` has the scheduler and the index of the models up to 0.9.1.
    """
    with seeded(3):
        pipeline = (LTXPipeline if shifting else LTXConditionPipeline)(
            scheduler=_shifting() if shifting else FlowMatchEulerDiscreteScheduler(),
            vae=_video_vae(timestep_conditioning=timestep_conditioning),
            text_encoder=_t5(),
            tokenizer=tiny_tokenizer(length=128),
            transformer=LTXVideoTransformer3DModel(
                in_channels=_LATENT,
                out_channels=_LATENT,
                num_attention_heads=2,
                attention_head_dim=_WIDE // 2,
                cross_attention_dim=_WIDE,
                num_layers=1,
                caption_channels=_TEXT,
            ),
        )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_ltx2(folder: Path, *, version: str = "2.3", distilled: bool = False) -> Path:
    """A folder as LTX-2's: `version` 2.0 or 2.3; `distilled` has the scheduler of a distilled one, without shifting."""
    newer = version == "2.3"
    with seeded(4):
        pipeline = LTX2Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler() if distilled else _shifting(),
            vae=_video_vae_2(),
            audio_vae=_audio_vae(),
            text_encoder=_gemma(),
            tokenizer=_left(tiny_tokenizer(length=1024)),
            connectors=_connectors(newer=newer),
            transformer=_transformer_2(newer=newer),
            vocoder=_vocoder(),
        )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _shifting() -> FlowMatchEulerDiscreteScheduler:
    """As published with the models that are not distilled."""
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        shift_terminal=0.1,
    )


def save_lora(path: Path, *, seed: int = 0, metadata: Mapping[str, str] | None = None, scale: float = 0.5) -> Path:
    """A LoRA of rank 2 for the tiny LTX-2's attention, named as the published ones name their weights."""
    with seeded(100 + seed):
        tensors = {}
        for layer in ("to_q", "to_v"):
            at = f"diffusion_model.transformer_blocks.0.attn1.{layer}"
            tensors[f"{at}.lora_A.weight"] = torch.randn(2, _WIDE) * scale
            tensors[f"{at}.lora_B.weight"] = torch.randn(_WIDE, 2) * scale
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata=dict(metadata or {}))
    return path


def save_hdr_words(path: Path) -> Path:
    """The words that come with the HDR LoRA: made by the connectors beforehand."""
    with seeded(120):
        tensors = {"video_context": torch.randn(1, 8, _WIDE), "audio_context": torch.randn(1, 8, _HEARD)}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def _video_vae(*, timestep_conditioning: bool) -> AutoencoderKLLTXVideo:
    vae = AutoencoderKLLTXVideo(
        latent_channels=_LATENT,
        block_out_channels=(4, 4, 4, 4),
        decoder_block_out_channels=(4, 4, 4, 4),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        timestep_conditioning=timestep_conditioning,
    )
    _spread(vae)
    return vae


def _video_vae_2() -> AutoencoderKLLTX2Video:
    vae = AutoencoderKLLTX2Video(
        latent_channels=_LATENT,
        block_out_channels=(4, 8, 16, 32),
        decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )
    _spread(vae)
    return vae


def _spread(vae: torch.nn.Module) -> None:
    """Statistics of the latents that are not 0 and 1, so that forgetting them shows."""
    vae.latents_mean.copy_(torch.linspace(-0.2, 0.3, _LATENT))
    vae.latents_std.copy_(torch.linspace(0.5, 1.5, _LATENT))


def _t5() -> T5EncoderModel:
    config = T5Config(
        vocab_size=vocabulary_size(), d_model=_TEXT, d_kv=8, d_ff=24, num_layers=1, num_heads=2, dropout_rate=0.0
    )
    return T5EncoderModel(config).eval()


def _gemma() -> Gemma3ForConditionalGeneration:
    config = Gemma3Config(
        text_config=Gemma3TextConfig(
            vocab_size=vocabulary_size(),
            hidden_size=_TEXT,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            sliding_window=64,
        ),
        vision_config=SiglipVisionConfig(
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=16,
            patch_size=8,
        ),
        mm_tokens_per_image=4,
        boi_token_index=0,
        eoi_token_index=0,
        image_token_index=0,
    )
    return Gemma3ForConditionalGeneration(config).eval()


def _left(tokenizer: object) -> object:
    tokenizer.padding_side = "left"
    return tokenizer


def _connectors(*, newer: bool) -> LTX2TextConnectors:
    return LTX2TextConnectors(
        caption_channels=_TEXT,
        text_proj_in_factor=3,
        video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=(_WIDE if newer else _TEXT) // 2,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=128,
        audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=(_HEARD if newer else _TEXT) // 2,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=128,
        rope_double_precision=False,
        rope_type="split",
        per_modality_projections=newer,
        video_hidden_dim=_WIDE,
        audio_hidden_dim=_HEARD,
        proj_bias=newer,
    )


def _transformer_2(*, newer: bool) -> LTX2VideoTransformer3DModel:
    return LTX2VideoTransformer3DModel(
        in_channels=_LATENT,
        out_channels=_LATENT,
        num_attention_heads=2,
        attention_head_dim=_WIDE // 2,
        cross_attention_dim=_WIDE,
        audio_in_channels=8,
        audio_out_channels=8,
        audio_num_attention_heads=2,
        audio_attention_head_dim=_HEARD // 2,
        audio_cross_attention_dim=_HEARD,
        num_layers=1,
        caption_channels=_TEXT,
        rope_double_precision=False,
        rope_type="split",
        gated_attn=newer,
        audio_gated_attn=newer,
        cross_attn_mod=newer,
        audio_cross_attn_mod=newer,
        use_prompt_embeddings=not newer,
        perturbed_attn=newer,
    )


def _audio_vae() -> AutoencoderKLLTX2Audio:
    return AutoencoderKLLTX2Audio(
        # As many as channels times bins of the latents: the statistics of the latents are counted by it.
        base_channels=8,
        ch_mult=(1, 1, 1),
        num_res_blocks=1,
        resolution=32,
        latent_channels=2,
        mel_bins=16,
    )


def _vocoder() -> LTX2Vocoder:
    return LTX2Vocoder(in_channels=2 * 16, hidden_channels=32, resnet_kernel_sizes=[3], resnet_dilations=[[1, 3]])
