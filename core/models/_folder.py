"""A model as a folder on disk: what it consists of, and every file that loading it reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INDEX = "model_index.json"
LORAS = "loras"
"""Subfolder of a model's folder with further weights that a job may add to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A model of the library, inspected and hashed when it was added."""

    name: str
    """In the library; what `Job.model` says."""
    path: Path
    """Its folder, absolute."""
    pipeline: str
    """Class name that ``model_index.json`` says, e.g. ``WanVACEPipeline``."""
    components: Mapping[str, tuple[str, str]]
    """Library and class of each component by its name; components that the model has not are left out."""
    variant: str = ""
    """What diffusers calls the variant, e.g. ``fp16``, where the folder has its weights in no other; else empty."""
    files: Mapping[str, Path]
    """Every file that loading may read, by its path inside the folder with forward slashes."""
    hashes: Mapping[str, str]
    """SHA-256 of each of `files`, when it was added."""
    sizes: Mapping[str, int]
    """Bytes of each of `files`."""
    others: tuple[str, ...] = ()
    """Files that lay in components' folders when it was added, and that loading does not read."""
    rights_card: str
    """Name of the rights card that it was added with."""
    source: str = ""
    """Where it came from, as far as was said: a repository and its revision."""
    added: str = ""
    """Day on which it was added, ISO 8601."""
    copied: bool = False
    """Whether the folder is the library's own copy."""

    @property
    def loras(self) -> Mapping[str, Path]:
        """Further weights in the subfolder ``loras`` by the file's name without its ending."""
        return {
            path.stem: path
            for name, path in self.files.items()
            if name.startswith(f"{LORAS}/") and name.endswith(".safetensors")
        }

    @property
    def bytes_of(self) -> Mapping[str, int]:
        """Bytes of the weights of each component that has any, as they lie on disk."""
        found: dict[str, int] = {}
        for name, size in self.sizes.items():
            component, slash, _ = name.partition("/")
            if slash and name.endswith(".safetensors") and component in self.components:
                found[component] = found.get(component, 0) + size
        return found

    def index(self) -> Mapping[str, Any]:
        """What ``model_index.json`` says, e.g. ``boundary_ratio`` of a Wan 2.2."""
        return self._read(INDEX)

    def config(self, component: str) -> Mapping[str, Any]:
        """What the component's ``config.json`` (or ``scheduler_config.json``) says; empty where it has none."""
        for name in (f"{component}/config.json", f"{component}/scheduler_config.json"):
            if name in self.files:
                return self._read(name)
        return {}

    def _read(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(self.files[name].read_text(encoding="utf-8"))
        return found
