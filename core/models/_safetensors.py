"""Reads the header of a safetensors file, and believes none of it.

The format is eight bytes of length, that much JSON, and the samples: https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from overscan.core.errors import ModelError
from overscan.core.models._documents import parse

_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    "F4": 4,
}
_HEADER_BYTES_MAX = 100_000_000
"""What the format's own reader allows."""
_METADATA = "__metadata__"
_DIMENSIONS_MAX = 16
_NUMBER_MAX = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor of a file."""

    dtype: str
    """As the file has it, e.g. ``BF16``."""
    shape: tuple[int, ...]
    bytes: int


def read_tensors(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a safetensors file by name, without its samples.

    Raises `ModelError` where the header is none, contradicts itself, or does not fit the file's length.
    """
    try:
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            size = int.from_bytes(file.read(8), "little")
            if length < 8 or size > length - 8:
                raise _wrong(path, f"its header claims {size:,} bytes, and the file has {length:,}")
            if size > _HEADER_BYTES_MAX:
                raise _wrong(path, f"its header claims {size:,} bytes")
            raw = file.read(size)
    except OSError as error:
        raise ModelError(
            f"'{path.name}' cannot be read: {error.strerror or error}.", next_step="Check the folder.", path=path
        ) from None
    if raw[:1] != b"{":
        raise _wrong(path, "it has no safetensors header")
    header = parse(raw, path=path)
    if not isinstance(header, dict):
        raise _wrong(path, "its header is no object")
    tensors: dict[str, Tensor] = {}
    spans: list[tuple[int, int, str]] = []
    for name, facts in header.items():
        if name == _METADATA:
            if not isinstance(facts, dict) or not all(isinstance(value, str) for value in facts.values()):
                raise _wrong(path, "its metadata are no texts")
            continue
        tensor, begin = _tensor(path, name, facts)
        tensors[name] = tensor
        spans.append((begin, begin + tensor.bytes, name))
    at = 0
    for begin, end, name in sorted(spans):
        if begin != at:
            overlaps = "overlaps the one before" if begin < at else "leaves a gap after the one before"
            raise _wrong(path, f"its tensor '{name[:80]}' {overlaps}")
        at = end
    if at != length - 8 - size:
        raise _wrong(path, f"its tensors take {at:,} bytes, and there are {length - 8 - size:,}")
    return tensors


def _tensor(path: Path, name: str, facts: object) -> tuple[Tensor, int]:
    """A tensor of a header, and where it begins."""
    shown = name[:80]
    if not isinstance(facts, dict) or set(facts) != {"dtype", "shape", "data_offsets"}:
        raise _wrong(path, f"what it says of the tensor '{shown}' is not what a header says")
    dtype, shape, offsets = facts["dtype"], facts["shape"], facts["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _wrong(path, f"its tensor '{shown}' is of the unknown type {json.dumps(dtype)[:40]}")
    if not _whole(shape) or not _whole(offsets) or len(offsets) != 2:
        raise _wrong(path, f"shape or place of its tensor '{shown}' are no whole numbers")
    begin, end = offsets
    bits = prod(shape) * _BITS[dtype]
    if bits % 8 or end - begin != bits // 8:
        raise _wrong(path, f"its tensor '{shown}' of shape {shape} has {end - begin:,} bytes")
    return Tensor(dtype=dtype, shape=tuple(shape), bytes=end - begin), begin


def _whole(value: object) -> bool:
    """Whether it is a short list of numbers that a file could have: multiplying others could take for ever."""
    return (
        isinstance(value, list)
        and len(value) <= _DIMENSIONS_MAX
        and all(isinstance(item, int) and not isinstance(item, bool) and 0 <= item < _NUMBER_MAX for item in value)
    )


def _wrong(path: Path, what: str) -> ModelError:
    return ModelError(
        f"'{path.name}' is not the safetensors file that it seems to be: {what}.",
        next_step="Get the file again from where the model was published.",
        path=path,
    )
