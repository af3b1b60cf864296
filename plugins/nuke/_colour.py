"""What a Read says about colour, in the words of the service."""

from __future__ import annotations

import os
import re
from typing import Any

_OF_NUKE = {
    "ACES - ACEScg": "ACEScg",
    "ACES - ACES2065-1": "ACES2065-1",
    "ACES - ACEScc": "ACEScc",
    "ACES - ACEScct": "ACEScct",
    "Utility - Linear - sRGB": "Linear Rec.709 (sRGB)",
    "Utility - Linear - Rec.709": "Linear Rec.709 (sRGB)",
    "Utility - sRGB - Texture": "sRGB - Texture",
}
"""Names in the older ACES configurations that come with Nuke, and in the one that the service has built in."""

_SCENE_LINEAR = ("", "linear", "scene_linear", "default", "compositing_linear", "rendering")


def colour_name(value: str) -> str:
    """The colour space that a knob's value names, for the service; empty for "scene-linear, whichever primaries".

    Knobs show ``default (ACES - ACEScg)``, ``scene_linear (ACES - ACEScg)``, ``ACES/ACES - ACEScg`` or ``linear``.
    Where $OCIO names the configuration, host and service have the same, and the name is handed on as it is.
    """
    inner = re.fullmatch(r"\s*[\w ]+\((.*)\)\s*", value)
    name = (inner[1] if inner else value).split("/")[-1].strip()
    if name.lower() in _SCENE_LINEAR:
        return ""
    return name if os.environ.get("OCIO") else _OF_NUKE.get(name, name)


def working_space(root: Any) -> str:
    """The colour space of pixels in the graph; empty where all that is known is that it is scene-linear."""
    knobs = root.knobs()
    if "colorManagement" not in knobs or str(root["colorManagement"].value()).lower() != "ocio":
        return ""
    name = colour_name(str(root["workingSpaceLUT"].value())) if "workingSpaceLUT" in knobs else ""
    # A name that only Nuke's own configuration has would stop a job that needs no more than linear light.
    return name if os.environ.get("OCIO") or name in _OF_NUKE.values() else ""
