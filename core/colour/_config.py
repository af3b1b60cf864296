"""The OpenColorIO configuration in force."""

from __future__ import annotations

import difflib
import os
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import PyOpenColorIO as ocio

from overscan.core.errors import ColourSpaceError

BUILT_IN = "ocio://studio-config-v5.0.0_aces-v2.1_ocio-v2.6"
"""Pinned rather than ``-latest``, so that an update of the library does not change the pictures."""

LISTING = "`python -m overscan.core.colour` lists them"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourConfig:
    """A loaded OpenColorIO configuration. Nobody changes it, and many may share it; not picklable: send `source` to
    another process."""

    source: str
    """File path or ``ocio://`` name it was loaded from."""
    chosen: bool
    """True where the user or ``$OCIO`` chose it, False where it is the built-in fallback. Only a chosen
    configuration's file rules say anything about the project's files."""
    handle: Any = field(repr=False)
    """The ``PyOpenColorIO.Config``."""

    def canonical(self, *, name: str) -> str:
        """The configuration's own name of a colour space given by name, alias, role or interop ID, else ``""``."""
        space = self.handle.getColorSpace(name) or self.handle.findColorSpaceForID(name)
        return str(space.getName()) if space else ""

    def near_matches(self, *, name: str) -> tuple[str, ...]:
        """Up to four canonical names whose name, alias or role looks like `name`, the nearest first."""
        spellings: dict[str, str] = {}
        for space in self.handle.getColorSpaces():
            for spelling in (space.getName(), *space.getAliases()):
                spellings.setdefault(spelling.lower(), space.getName())
        for role, space_name in self.handle.getRoles():
            spellings.setdefault(role.lower(), space_name)
        near = difflib.get_close_matches(name.lower(), spellings, n=12, cutoff=0.5)
        return tuple(dict.fromkeys(spellings[spelling] for spelling in near))[:4]


def load_config(*, path: str = "") -> ColourConfig:
    """Load the configuration at `path`, else the one ``$OCIO`` names, else the built-in ACES studio configuration.

    `path` is a ``.ocio`` or ``.ocioz`` file or an ``ocio://`` name. Raises `ColourSpaceError` where it cannot be
    loaded.
    """
    from_environment = os.environ.get("OCIO", "")
    source = path or from_environment or BUILT_IN
    try:
        handle = _read(source, _state(source))
    except (ocio.Exception, ocio.ExceptionMissingFile) as error:
        origin = "" if path else " (from $OCIO)"
        there = source.startswith("ocio://") or Path(source).is_file()
        reason = " ".join(str(error).split()) if there else "there is no such file."
        raise ColourSpaceError(
            f"the OpenColorIO configuration {source}{origin} cannot be loaded: {reason}",
            next_step="Correct the path, or leave it and $OCIO unset to use the built-in ACES studio configuration.",
            path=source,
            field="colour.config",
        ) from error
    return ColourConfig(source=source, chosen=bool(path or from_environment), handle=handle)


@lru_cache(maxsize=4)
def _read(source: str, state: Hashable) -> Any:  # noqa: ARG001
    """The configuration as it is in `state`. Reading one takes as long as all else that a plan looks at."""
    return ocio.Config.CreateFromFile(source)


def _state(source: str) -> Hashable:
    """What a configuration may depend on; a built-in one on nothing."""
    if source.startswith("ocio://"):
        return None
    try:
        file = Path(source).stat()
    except OSError:
        return None
    return file.st_mtime_ns, file.st_size, file.st_ino, tuple(sorted(os.environ.items()))
