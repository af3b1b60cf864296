"""nuke.env."""

from __future__ import annotations

import os
from typing import Any, Iterator

from ._session import current
from ._surface import offered


def values(*, version: str, gui: bool) -> dict[str, Any]:
    """The entries that Nuke has and that say something about how it runs."""
    major, rest = version.split(".", 1)
    minor, release = rest.split("v", 1)
    return {
        "ExecutablePath": f"/usr/local/Nuke{version}/Nuke{major}.{minor}",
        "ExternalPython": False,
        "LINUX": True,
        "MACOS": False,
        "WIN32": False,
        "NukeLibraryPath": "",
        "NukeVersionDate": "Jan  1 2024",
        "NukeVersionMajor": int(major),
        "NukeVersionMinor": int(minor),
        "NukeVersionPhase": "",
        "NukeVersionPhaseNumber": 0,
        "NukeVersionRelease": int(release),
        "NukeVersionString": version,
        "PluginExtension": "so",
        "PluginsVerbose": False,
        "WidgetsVerbose": False,
        "assist": False,
        "gui": gui,
        "hiero": False,
        "hieroNuke": False,
        "indie": False,
        "interactive": gui,
        "nc": False,
        "nukex": False,
        "numCPUs": 2,
        "ple": False,
        "studio": False,
        "threads": 2,
        "pid": os.getpid(),
    }


@offered
class GlobalsEnvironment:
    """Read like a dictionary."""

    def get(self, key: str, default: Any = None) -> Any:
        return current().env.get(key, default)

    def keys(self) -> Any:
        return current().env.keys()

    def items(self) -> Any:
        return current().env.items()

    def values(self) -> Any:
        return current().env.values()

    def has_key(self, key: str) -> bool:
        return key in current().env

    def __getitem__(self, key: str) -> Any:
        current().enter("env")
        return current().env[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in {"threads", "gui"}:
            raise RuntimeError(f"nuke.env[{key!r}] cannot be set")
        current().env[key] = value

    def __contains__(self, key: object) -> bool:
        return key in current().env

    def __iter__(self) -> Iterator[str]:
        return iter(current().env)

    def __len__(self) -> int:
        return len(current().env)
