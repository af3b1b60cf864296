"""Tiny pipelines of still pictures: SDXL (inpainting and plain), FLUX.1 Fill, Bria's FIBO editors."""

from __future__ import annotations

from pathlib import Path

from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    BriaFibo2Pipeline,
    BriaFibo2Transformer2DModel,
    BriaFiboEditPipeline,
    BriaFiboTransformer2DModel,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxFillPipeline,
    FluxTransformer2DModel,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    BatchFeature,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SmolLM3Config,
    SmolLM3ForCausalLM,
    T5Config,
    T5EncoderModel,
)

from . import seeded, tiny_tokenizer, vocabulary_size
from ._wan import _wide_vae

_TEXT = 16
"""Width of the text encoders' states."""


def save_sdxl(folder: Path, *, inpaint: bool = True) -> Path:
    """A folder as that of SDXL inpainting 0.1, or as that of SDXL base."""
    with seeded(11):
        parts = {
            "vae": _vae(latents=4, shift=None),
            "text_encoder": _clip(CLIPTextModel),
            "text_encoder_2": _clip(CLIPTextModelWithProjection),
            "tokenizer": tiny_tokenizer(length=77),
            "tokenizer_2": tiny_tokenizer(length=77),
            "unet": UNet2DConditionModel(
                sample_size=8,
                in_channels=9 if inpaint else 4,
                out_channels=4,
                block_out_channels=(4, 8),
                layers_per_block=1,
                norm_num_groups=2,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                attention_head_dim=(2, 4),
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=4,
                transformer_layers_per_block=(1, 1),
                projection_class_embeddings_input_dim=6 * 4 + _TEXT,
                cross_attention_dim=2 * _TEXT,
            ),
            "scheduler": EulerDiscreteScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading"
            ),
        }
        kind = StableDiffusionXLInpaintPipeline if inpaint else StableDiffusionXLPipeline
        pipeline = kind(**parts)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_flux_fill(folder: Path) -> Path:
    """A folder as that of FLUX.1 Fill."""
    with seeded(12):
        pipeline = FluxFillPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=_vae(latents=4, shift=0.1159),
            text_encoder=_clip(CLIPTextModel),
            tokenizer=tiny_tokenizer(length=77),
            text_encoder_2=_t5(),
            tokenizer_2=tiny_tokenizer(),
            transformer=FluxTransformer2DModel(
                patch_size=1,
                # Packed latents, packed latents without what is under the matte, and the matte's samples.
                in_channels=4 * 4 + 4 * 4 + 4 * 64,
                out_channels=4 * 4,
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=_TEXT,
                pooled_projection_dim=_TEXT,
                guidance_embeds=True,
                axes_dims_rope=(4, 6, 6),
            ),
        )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _vae(*, latents: int, shift: float | None) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4, 4, 8, 8),
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=latents,
        layers_per_block=1,
        norm_num_groups=2,
        scaling_factor=0.13025 if shift is None else 0.3611,
        shift_factor=shift,
        sample_size=64,
        use_quant_conv=shift is None,
        use_post_quant_conv=shift is None,
    )


def _clip(kind: type) -> object:
    config = CLIPTextConfig(
        vocab_size=vocabulary_size(),
        hidden_size=_TEXT,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=_TEXT,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
    )
    return kind(config).eval()


def _t5() -> T5EncoderModel:
    config = T5Config(
        vocab_size=vocabulary_size(), d_model=_TEXT, d_kv=8, d_ff=24, num_layers=2, num_heads=2, dropout_rate=0.0
    )
    return T5EncoderModel(config).eval()


def save_fibo_edit(folder: Path) -> Path:
    """A folder as that of FIBO Edit; of 4 MB, for the pipeline counts on the number of words that its reader knows."""
    width = 8
    with seeded(13):
        pipeline = BriaFiboEditPipeline(
            transformer=BriaFiboTransformer2DModel(
                in_channels=8,
                num_layers=1,
                num_single_layers=2,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=2 * width,
                text_encoder_dim=width,
                axes_dims_rope=[4, 6, 6],
            ),
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=_wide_vae(),
            text_encoder=SmolLM3ForCausalLM(
                SmolLM3Config(
                    vocab_size=128256,
                    hidden_size=width,
                    intermediate_size=24,
                    num_hidden_layers=3,
                    num_attention_heads=2,
                    num_key_value_heads=1,
                    pad_token_id=0,
                    bos_token_id=2,
                    eos_token_id=1,
                )
            ).eval(),
            tokenizer=tiny_tokenizer(),
        )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def tiny_fibo_2() -> BriaFibo2Pipeline:
    """The pipeline of FIBO 2 in memory. Its reader's own processor wants torchvision: `_Reader` takes its place."""
    width = 8
    reader = _Reader()
    with seeded(14):
        text = {
            "vocab_size": len(reader.tokenizer),
            "hidden_size": width,
            "intermediate_size": 12,
            "num_hidden_layers": 36,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]},
        }
        seeing = {
            "depth": 2,
            "hidden_size": 8,
            "intermediate_size": 12,
            "num_heads": 2,
            "patch_size": 4,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": width,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        }
        tokens = {
            f"{name}_token_id": reader.tokenizer.convert_tokens_to_ids(f"<|{mark}|>")
            for name, mark in {
                "image": "image_pad",
                "video": "video_pad",
                "vision_start": "vision_start",
                "vision_end": "vision_end",
            }.items()
        }
        return BriaFibo2Pipeline(
            transformer=BriaFibo2Transformer2DModel(
                in_channels=4,
                dim=32,
                n_layers=6,
                n_refiner_layers=1,
                n_heads=2,
                cap_feat_dim=3 * width,
                injection_layer_ids=(0, 1, 2, 3, 4),
                perceiver_num_layers=1,
                min_num_gist_tokens=8,
                max_num_gist_tokens=16,
                gist_step=4,
                gist_min_text_len=4,
                gist_max_text_len=64,
                axes_dims=(4, 6, 6),
                axes_lens=(128, 64, 64),
            ),
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=AutoencoderKLFlux2(
                block_out_channels=(4, 4, 8, 8), latent_channels=4, layers_per_block=1, norm_num_groups=2
            ),
            text_encoder=Qwen3VLForConditionalGeneration(
                Qwen3VLConfig(text_config=text, vision_config=seeing, **tokens)
            ).eval(),
            processor=reader,
        )


class _Reader:
    """What the pipeline asks of ``Qwen3VLProcessor``: tokens, and patches of the pictures."""

    def __init__(self) -> None:
        self.tokenizer = tiny_tokenizer()
        marks = ("image_pad", "video_pad", "vision_start", "vision_end", "im_start", "im_end")
        self.tokenizer.add_special_tokens({"additional_special_tokens": [f"<|{mark}|>" for mark in marks]})
        self.pictures: list[object] = []

    def __call__(self, *, text, images, padding, max_length, truncation, return_tensors):
        processor = Qwen2VLImageProcessorPil(
            patch_size=4, temporal_patch_size=2, merge_size=2, size={"shortest_edge": 64, "longest_edge": 4096}
        )
        found = {}
        if images:
            self.pictures += images
            found = dict(processor(images=images, return_tensors=return_tensors))
            counts = (found["image_grid_thw"].prod(dim=-1) // 4).tolist()
            for count in counts:
                text = [line.replace("<|image_pad|>", "<|seen|>" * count, 1) for line in text]
            text = [line.replace("<|seen|>", "<|image_pad|>") for line in text]
        tokens = self.tokenizer(
            text, padding=padding, max_length=max_length, truncation=truncation, return_tensors=return_tensors
        )
        ids = tokens["input_ids"]
        kinds = (ids == self.tokenizer.convert_tokens_to_ids("<|image_pad|>")).int()
        return BatchFeature(
            {"input_ids": ids, "attention_mask": tokens["attention_mask"], "mm_token_type_ids": kinds, **found}
        )
