"""What a model folder says of itself, without loading it: configurations, and the headers of its weights."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overscan.core.errors import ModelError

if TYPE_CHECKING:
    from overscan.core.models import ModelFolder

_HEADER_MAX = 100_000_000
"""Bytes; the library of the format refuses longer headers too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentFacts:
    """One component of a pipeline."""

    name: str
    library: str
    class_name: str
    parameters: int
    """How many numbers its weights hold; 0 for tokenizers and schedulers."""
    bytes: int
    """Of its weights on disk."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Its configuration file, as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """One model."""

    name: str
    pipeline: str
    """Class name of the pipeline."""
    components: Mapping[str, ComponentFacts]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the index of the pipeline sets beside components, e.g. ``boundary_ratio``."""

    def config(self, component: str) -> Mapping[str, Any]:
        """The configuration of a component; empty where there is none."""
        found = self.components.get(component)
        return found.config if found is not None else {}


def model_facts(folder: ModelFolder) -> ModelFacts:
    """Read the small files of a model folder of the library; raises `ModelError` where they are no longer there."""
    try:
        return _facts(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"the files of the model '{folder.name}' cannot be read: {error}.",
            next_step=f"Put the folder back, or run `overscan models verify {folder.name}` to see what is missing.",
            path=folder.path,
            field="model",
        ) from error


def _facts(folder: ModelFolder) -> ModelFacts:
    index = folder.index()
    counts: dict[str, int] = {}
    for name, path in folder.files.items():
        component, slash, _ = name.partition("/")
        if slash and name.endswith(".safetensors") and component in folder.components:
            counts[component] = counts.get(component, 0) + _count(path)
    bytes_of = folder.bytes_of
    return ModelFacts(
        name=folder.name,
        pipeline=folder.pipeline,
        components={
            name: ComponentFacts(
                name=name,
                library=library,
                class_name=class_name,
                parameters=counts.get(name, 0),
                bytes=bytes_of.get(name, 0),
                config=folder.config(name),
            )
            for name, (library, class_name) in folder.components.items()
        },
        settings={
            name: value for name, value in index.items() if not name.startswith("_") and not isinstance(value, list)
        },
    )


def _count(path: Path) -> int:
    """Numbers in a safetensors file: its header has the shapes."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 0 < size <= _HEADER_MAX:
            raise ValueError(f"{path}: a safetensors header of {size} bytes.")
        header = json.loads(file.read(size))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
