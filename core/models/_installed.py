"""What the installed libraries know, without importing them: diffusers and torch take seconds and gigabytes."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

INSTALL = "install Overscan with its extra `models` (`pip install '.[models]'` in its folder)"
_LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "ftfy")


@cache
def missing_packages() -> str:
    """Why no model can run here, and what to do; empty where all libraries are installed."""
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    return f"{', '.join(missing)} not installed: {INSTALL}"


@cache
def _diffusers() -> Path | None:
    found = importlib.util.find_spec("diffusers")
    return Path(found.origin).parent if found and found.origin else None


@cache
def pipeline_classes(module: str) -> frozenset[str]:
    """Classes of a module of diffusers' pipelines, some of which have components of their own, e.g. ``ltx2``.

    None where there is no such module, and without diffusers.
    """
    folder = _diffusers()
    if folder is None or not module.isidentifier() or not (folder / "pipelines" / module / "__init__.py").is_file():
        return frozenset()
    sources = (path.read_text(encoding="utf-8") for path in (folder / "pipelines" / module).glob("*.py"))
    return frozenset(name for text in sources for name in re.findall(r"^class ([A-Za-z_]\w*)", text, re.MULTILINE))


@cache
def _classes() -> frozenset[str]:
    folder = _diffusers()
    text = "" if folder is None else (folder / "__init__.py").read_text(encoding="utf-8")
    return frozenset(re.findall(r'"([A-Z][A-Za-z0-9_]*)"', text))


def knows_class(name: str) -> bool:
    """Whether the installed diffusers has that class; without diffusers any may be one."""
    return name in _classes() or _diffusers() is None
