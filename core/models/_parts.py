"""Which files of a component loading reads, by the rules of diffusers 0.42 and transformers 5."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from overscan.core.models._documents import is_plain_name

_BASES = ("diffusion_pytorch_model", "model")
"""Names of weights: of diffusers' own models, and of transformers'."""
_WITHOUT_WEIGHTS = ("Scheduler", "Tokenizer", "Processor", "FeatureExtractor")
READ = (".json", ".txt", ".model", ".jinja")
"""Endings of what loading reads in a component's folder besides its weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSet:
    """One set of weights of a component: a single file, or an index and its shards."""

    variant: str
    """E.g. ``fp16``; empty for the plain one."""
    name: str
    """The file, or the index."""

    @property
    def is_index(self) -> bool:
        """Whether `name` lists shards."""
        return self.name.endswith(".json")


def has_weights(class_name: str) -> bool:
    """Whether a component of that class is a network; else it is a scheduler, a tokenizer or the like."""
    return not any(word in class_name for word in _WITHOUT_WEIGHTS)


def weight_sets(names: Sequence[str], *, library: str) -> tuple[WeightSet, ...]:
    """The sets of weights among the file `names` of a component's folder that a loader may choose.

    A component of a pipeline's own module may be either library's.
    """
    bases = ("model",) if library == "transformers" else _BASES[:1] if library == "diffusers" else _BASES
    return tuple(found for name in sorted(names) for base in bases for found in _set(name, base))


def _set(name: str, base: str) -> Iterator[WeightSet]:
    # model.fp16.safetensors; model.safetensors.index.fp16.json, or …fp16.index.json, as diffusers once wrote it
    for shape in (r"(?:\.(\w+))?\.safetensors", r"\.safetensors(?:\.(\w+))?\.index(?:\.(\w+))?\.json"):
        found = re.fullmatch(re.escape(base) + shape, name)
        if found and not (len(found.groups()) == 2 and all(found.groups())):
            yield WeightSet(variant=next(filter(None, found.groups()), ""), name=name)


def shards_of(index: object) -> tuple[str, ...] | None:
    """The files that an index of shards names; None where it is none, or names anything but files beside it."""
    table = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(table, dict) or not table:
        return None
    names = set(table.values()) if all(isinstance(name, str) for name in table.values()) else set()
    if not names or not all(is_plain_name(name) and name.endswith(".safetensors") for name in names):
        return None
    return tuple(sorted(names))


def tensors_of(index: dict[str, dict[str, str]], *, shard: str) -> set[str]:
    """Tensors that an index has in one shard."""
    return {tensor for tensor, name in index["weight_map"].items() if name == shard}
