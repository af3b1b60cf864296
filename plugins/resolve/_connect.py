"""To a running Resolve Studio from a script outside of it."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from overscan_host import refuse

_INSIDE = "/Applications/DaVinci Resolve/DaVinci Resolve.app/Contents/Libraries/Fusion/fusionscript.so"
_PLACES = {
    "linux": ("/opt/resolve/Developer/Scripting", "/opt/resolve/libs/Fusion/fusionscript.so"),
    "darwin": ("/Library/Application Support/Blackmagic Design/DaVinci Resolve/Developer/Scripting", _INSIDE),
    "win32": (
        r"%PROGRAMDATA%\Blackmagic Design\DaVinci Resolve\Support\Developer\Scripting",
        r"%PROGRAMFILES%\Blackmagic Design\DaVinci Resolve\fusionscript.dll",
    ),
}


def script_places() -> tuple[Path, Path]:
    """The folder of Resolve's scripting API and its library: as the environment has them, else where they belong."""
    folder, library = _PLACES.get(sys.platform, _PLACES["linux"])
    return (
        Path(os.environ.get("RESOLVE_SCRIPT_API") or os.path.expandvars(folder)),
        Path(os.environ.get("RESOLVE_SCRIPT_LIB") or os.path.expandvars(library)),
    )


def connect() -> Any:
    """The object `resolve` of the Resolve that runs here. Raises `RefusalError`.

    Loading the library of another version, or into the wrong Python, can end the process: `overscan resolve` tries it
    in a process of its own first.
    """
    folder, library = script_places()
    os.environ.setdefault("RESOLVE_SCRIPT_API", str(folder))
    os.environ.setdefault("RESOLVE_SCRIPT_LIB", str(library))
    modules = str(folder / "Modules")
    if modules not in sys.path:
        sys.path.append(modules)
    try:
        module = importlib.import_module("DaVinciResolveScript")
        resolve = module.scriptapp("Resolve")
    except (ImportError, OSError, AttributeError) as problem:
        raise refuse(
            "UNSUPPORTED",
            f"Resolve's scripting library cannot be loaded ({problem}); it was looked for in {folder} and {library}.",
            "Install DaVinci Resolve Studio, or set RESOLVE_SCRIPT_API and RESOLVE_SCRIPT_LIB to where it has them.",
            path=str(library),
        ) from problem
    if resolve is None:
        raise refuse(
            "SERVICE_UNREACHABLE",
            "No Resolve answers.",
            "Start DaVinci Resolve Studio (`-nogui` for one without a window) as the same user, and allow scripts: "
            "Preferences, System, General, External scripting using: Local. The free edition answers no scripts.",
        )
    return resolve
