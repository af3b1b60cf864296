"""Tiny Wan pipelines: VACE (2.1 with one transformer, 2.2 with two), image-to-video in its three kinds."""

from __future__ import annotations

from pathlib import Path

from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanTransformer3DModel,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from transformers import CLIPVisionConfig, CLIPVisionModel, UMT5Config, UMT5EncoderModel

from . import seeded, tiny_tokenizer, vocabulary_size

_TEXT = 16
"""Width of the text encoder's states."""
_IMAGE = 12
"""Width of the image encoder's states."""
_ATTENTION = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "text_dim": _TEXT,
    "freq_dim": 16,
    "ffn_dim": 24,
    "num_layers": 2,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "rope_max_seq_len": 128,
}


def save_wan_vace(folder: Path, *, two_stages: bool = False) -> Path:
    """A folder as Wan2.1-VACE's, or with `two_stages` as Wan2.2-VACE-Fun's: a second transformer for low noise."""
    with seeded(1):
        first = _vace_transformer()
        second = _vace_transformer() if two_stages else None
        pipeline = WanVACEPipeline(
            tokenizer=tiny_tokenizer(),
            text_encoder=_text_encoder(),
            vae=_vae(),
            scheduler=_scheduler(),
            transformer=first,
            transformer_2=second,
            boundary_ratio=0.875 if two_stages else None,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_wan_i2v(folder: Path, *, kind: str = "2.1") -> Path:
    """A folder of the image-to-video pipeline.

    `kind` is ``2.1`` (image encoder, one transformer), ``flf`` (the same, trained for first and last frame), ``2.2``
    (no image encoder, two transformers), ``2.2-5b`` (no image encoder, a VAE of x16 and a time for every token).
    """
    with seeded(2):
        wide = kind == "2.2-5b"
        vae = _wide_vae() if wide else _vae()
        latent = vae.config.z_dim
        encodes = kind in ("2.1", "flf")
        inside = latent if wide else 2 * latent + vae.config.scale_factor_temporal
        sees = {"image_dim": _IMAGE, "added_kv_proj_dim": 24} if encodes else {}
        if kind == "flf":
            sees["pos_embed_seq_len"] = 2 * 5
        first = WanTransformer3DModel(**_ATTENTION, **sees, in_channels=inside, out_channels=latent)
        second = WanTransformer3DModel(**_ATTENTION, in_channels=inside, out_channels=latent) if kind == "2.2" else None
        pipeline = WanImageToVideoPipeline(
            tokenizer=tiny_tokenizer(),
            text_encoder=_text_encoder(),
            vae=vae,
            scheduler=_scheduler(),
            image_processor=_image_processor() if encodes else None,
            image_encoder=_image_encoder() if encodes else None,
            transformer=first,
            transformer_2=second,
            boundary_ratio=0.9 if kind == "2.2" else None,
            expand_timesteps=wide,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _vace_transformer() -> WanVACETransformer3DModel:
    # 2 x 16 channels of latents, and 64 of the matte: one per sample of an 8 x 8 block.
    return WanVACETransformer3DModel(
        **_ATTENTION, in_channels=16, out_channels=16, vace_layers=[0, 1], vace_in_channels=2 * 16 + 64
    )


def _vae() -> AutoencoderKLWan:
    return AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )


def _wide_vae() -> AutoencoderKLWan:
    return AutoencoderKLWan(
        base_dim=3,
        decoder_base_dim=3,
        z_dim=8,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.1 * at for at in range(8)],
        latents_std=[1.0 + 0.1 * at for at in range(8)],
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_temporal=4,
        scale_factor_spatial=16,
    )


def _scheduler() -> UniPCMultistepScheduler:
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
    )


def _euler() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(shift=7.0)


def _text_encoder() -> UMT5EncoderModel:
    config = UMT5Config(
        vocab_size=vocabulary_size(), d_model=_TEXT, d_kv=8, d_ff=24, num_layers=2, num_heads=2, dropout_rate=0.0
    )
    return UMT5EncoderModel(config).eval()


def _image_encoder() -> CLIPVisionModel:
    config = CLIPVisionConfig(
        hidden_size=_IMAGE, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=8, patch_size=4
    )
    return CLIPVisionModel(config).eval()


def _image_processor() -> object:
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})
