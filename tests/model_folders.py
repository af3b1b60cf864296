"""Writes model folders byte by byte, sound ones and malicious ones; no library that could load one takes part."""

from __future__ import annotations

import json
import math
import pickle
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CARD = "wan-vace"
PIPELINE = "WanVACEPipeline"
TENSORS = {"blocks.0.weight": (4, 4), "blocks.0.bias": (4,)}
INDEX = {
    "_class_name": PIPELINE,
    "_diffusers_version": "0.35.0",
    "boundary_ratio": None,
    "image_encoder": [None, None],
    "scheduler": ["diffusers", "UniPCMultistepScheduler"],
    "text_encoder": ["transformers", "UMT5EncoderModel"],
    "tokenizer": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "WanVACETransformer3DModel"],
    "vae": ["diffusers", "AutoencoderKLWan"],
}
TRANSFORMER = "transformer/diffusion_pytorch_model"


def write(path: Path, content: Any) -> Path:
    """Write bytes, text, or anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def weights(
    tensors: Mapping[str, Sequence[int]] = TENSORS,
    *,
    header: Mapping[str, Any] | None = None,
    length: int | None = None,
) -> bytes:
    """A safetensors file of BF16 tensors; `header` takes the place of what it would say, `length` of its length."""
    said, at = {}, 0
    for name, shape in tensors.items():
        size = 2 * math.prod(shape)
        said[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(said if header is None else header).encode()
    count = len(text) if length is None else length
    return count.to_bytes(8, "little") + text + bytes(range(at % 256))[: at % 256] + bytes(at - at % 256)


def sound(folder: Path, *, index: Mapping[str, Any] = INDEX) -> Path:
    """The folder of a small model, as the published ones are laid out."""
    write(folder / "model_index.json", index)
    write(folder / "scheduler/scheduler_config.json", {"_class_name": "UniPCMultistepScheduler", "flow_shift": 3.0})
    write(folder / "text_encoder/config.json", {"architectures": ["UMT5EncoderModel"], "vocab_size": 256384})
    write(folder / "text_encoder/model.safetensors", weights({"shared.weight": (8, 2)}))
    write(folder / "tokenizer/tokenizer.json", {"model": {"vocab": {"auto_map": 1, "a": 2}}})
    write(
        folder / "tokenizer/tokenizer_config.json",
        {"model_max_length": 10**30, "special_tokens_map_file": "/home/someone/special_tokens_map.json"},
    )
    write(folder / "tokenizer/special_tokens_map.json", {"eos_token": "</s>"})
    write(folder / "tokenizer/spiece.model", b"\n\x0e\n\x05<pad>\x15\x00\x00\x00\x00\x18\x03")
    write(folder / "transformer/config.json", {"_class_name": "WanVACETransformer3DModel", "num_layers": 30})
    write(folder / f"{TRANSFORMER}.safetensors", weights())
    write(folder / "vae/config.json", {"_class_name": "AutoencoderKLWan", "latents_mean": [0.1, -0.2]})
    write(folder / "vae/diffusion_pytorch_model.safetensors", weights({"conv.weight": (2, 2, 3)}))
    write(folder / "README.md", "# A model\n")
    write(folder / "LICENSE.txt", "Apache-2.0\n")
    write(folder / ".gitattributes", "*.safetensors filter=lfs\n")
    return folder


def shard(folder: Path, stem: str = TRANSFORMER, *, names: Mapping[str, str] | None = None) -> Path:
    """Put shards and their index in the place of a single file of weights."""
    (folder / f"{stem}.safetensors").unlink()
    base = Path(stem).name
    parts = [f"{base}-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for part, (tensor, shape) in zip(parts, TENSORS.items(), strict=True):
        write((folder / stem).with_name(part), weights({tensor: shape}))
    table = names or dict(zip(TENSORS, parts, strict=True))
    write(folder / f"{stem}.safetensors.index.json", {"metadata": {"total_size": 40}, "weight_map": table})
    return folder


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.marker, "the pickle ran"))


def bomb(marker: Path) -> bytes:
    """A pickle that writes `marker` when anybody loads it."""
    return pickle.dumps(Bomb(marker))


def zipped_bomb(path: Path, marker: Path) -> None:
    """A checkpoint as torch.save writes it, with such a pickle inside."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", bomb(marker))


def change(path: Path, **said: Any) -> None:
    """Have a JSON file say something else."""
    document = json.loads(path.read_text())
    document.update(said)
    write(path, document)


def hub_cache(source: Path, folder: Path) -> Path:
    """The layout of a hub's cache: a snapshot of links into blobs."""
    snapshot = folder / "models--x--y" / "snapshots" / "0123abcd"
    blobs = folder / "models--x--y" / "blobs"
    blobs.mkdir(parents=True)
    for number, path in enumerate(sorted(path for path in source.rglob("*") if path.is_file())):
        shutil.copyfile(path, blobs / f"{number:040x}")
        link = snapshot / path.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blobs / f"{number:040x}")
    return snapshot
