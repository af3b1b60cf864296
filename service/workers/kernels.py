"""Where compiled kernels are kept."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from overscan import core

KERNELS = "numba"
"""Folder of the cache with compiled code, which knows no plate."""


@lru_cache
def kernels_folder(cache: Path) -> Path:
    """The folder in a home's cache: apart for each state of the code, for numba does not notice that a kernel has
    changed which another module's kernel calls."""
    digest = hashlib.blake2b(digest_size=8)
    for source in sorted(Path(core.__path__[0]).rglob("*.py")):
        digest.update(source.read_bytes())
    return cache / KERNELS / digest.hexdigest()
