"""Where folders lie on Windows, macOS and Linux: turns a client's paths into the service's, and back."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable
from enum import Enum
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from overscan.service._errors import UnmappedPathError

_WINDOWS_PATH = re.compile(r"[A-Za-z]:([\\/]|$)|\\\\[^\\]|//[^/]")


class Platform(str, Enum):
    """An operating system, by the way it writes paths."""

    WINDOWS = "windows"
    MACOS = "macos"
    LINUX = "linux"


HERE = {"win32": Platform.WINDOWS, "darwin": Platform.MACOS}.get(sys.platform, Platform.LINUX)
"""The system that this process runs on."""


class PathMapping(BaseModel):
    """One folder, as each system names it; empty where a system does not see it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    windows: str = ""
    macos: str = ""
    linux: str = ""

    @model_validator(mode="after")
    def _makes_sense(self) -> PathMapping:
        if self.windows and not _WINDOWS_PATH.match(self.windows):
            raise ValueError(f"'{self.windows}' is no folder on Windows; write it like S:\\show or \\\\server\\show")
        for folder in (self.macos, self.linux):
            if folder and not folder.startswith("/"):
                raise ValueError(f"'{folder}' is no absolute folder")
        if sum(map(bool, (self.windows, self.macos, self.linux))) < 2:
            raise ValueError("a path map needs a folder on two systems at least")
        return self

    def folder(self, platform: Platform) -> str:
        """The folder on one system."""
        return str(getattr(self, platform.value))


class PathMap:
    """All mappings of a service. The longest folder that a path lies in counts; parts of names never do."""

    def __init__(self, mappings: Iterable[PathMapping] = (), *, here: Platform = HERE) -> None:
        self._mappings = tuple(mappings)
        self._here = here

    def inward(self, path: str, platform: Platform | None, *, field: str = "") -> str:
        """The service's name for what a client on `platform` calls `path`; None is the service's own system.

        Raises `UnmappedPathError` for a path that could not be one here.
        """
        if platform in (None, self._here) or not path:
            return path
        found = self._moved(path, platform, self._here)
        if found is not None:
            return found
        if platform is Platform.WINDOWS and _WINDOWS_PATH.match(path):
            raise UnmappedPathError(
                f"the service, on another system, does not know where '{path}' is.",
                next_step="Have the folder added to its path_maps, or send the frames with --transfer always.",
                path=path,
                field=field,
            )
        return path

    def outward(self, path: str, platform: Platform | None) -> str:
        """What a client on `platform` calls the service's `path`; the same where it does not see it."""
        if platform in (None, self._here) or not path:
            return path
        return self._moved(path, self._here, platform) or path

    def _moved(self, path: str, source: Platform, target: Platform) -> str | None:
        parts = _parts(path, source)
        if parts is None:
            return None
        best: tuple[int, str] | None = None
        for mapping in self._mappings:
            folder = _parts(mapping.folder(source), source)
            onto = mapping.folder(target)
            if not onto or folder is None or len(folder) > len(parts) or (best and best[0] >= len(folder)):
                continue
            if all(_same(one, other, source) for one, other in zip(folder, parts, strict=False)):
                best = (len(folder), onto)
        if best is None:
            return None
        return _joined(best[1], parts[best[0] :], target)


def _parts(path: str, platform: Platform) -> list[str] | None:
    """The root and the names of an absolute path; None for any other."""
    if platform is not Platform.WINDOWS:
        return ["/", *(part for part in path.split("/") if part)] if path.startswith("/") else None
    text = path.replace("\\", "/")
    for prefix, plain in (("//?/UNC/", "//"), ("//?/", "")):  # paths longer than 260 letters
        if text[: len(prefix)].upper() == prefix:
            text = plain + text[len(prefix) :]
            break
    if not _WINDOWS_PATH.match(text):
        return None
    if text.startswith("//"):
        return ["//", *(part for part in text.split("/") if part)]
    return [text[:2], *(part for part in text[2:].split("/") if part)]


def _same(one: str, other: str, platform: Platform) -> bool:
    """Whether two names are one: Windows and macOS do not tell cases apart, macOS composes accents as it likes."""
    if platform is Platform.LINUX:
        return one == other
    return unicodedata.normalize("NFC", one).casefold() == unicodedata.normalize("NFC", other).casefold()


def _joined(folder: str, names: list[str], platform: Platform) -> str:
    if platform is not Platform.WINDOWS:
        return "/".join([folder.rstrip("/"), *names]) or "/"
    text = "\\".join([folder.replace("/", "\\").rstrip("\\"), *names])
    return f"{text}\\" if text.endswith(":") else text


def platform_of(metadata: Iterable[Any] | None) -> Platform | None:
    """The system that a caller says it is on; None where it says nothing that we know."""
    for key, value in metadata or ():
        if key == "overscan-platform" and value in {platform.value for platform in Platform}:
            return Platform(value)
    return None
