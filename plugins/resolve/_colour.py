"""Colour spaces as Resolve calls them, in the words of the service; what is not known is asked for, never guessed."""

from __future__ import annotations

import os
from typing import Any, Mapping

from overscan_resolve._asking import text

_NAMES = {
    "acescg": "ACEScg",
    "aces2065-1": "ACES2065-1",
    "acescct": "ACEScct",
    "acescc": "ACEScc",
    "aces cct": "ACEScct",
    "aces cc": "ACEScc",
    "aces (ap0)": "ACES2065-1",
    "aces (ap1)": "ACEScg",
    "linear rec.709": "Linear Rec.709 (sRGB)",
    "rec.709 linear": "Linear Rec.709 (sRGB)",
    "rec.709 (linear)": "Linear Rec.709 (sRGB)",
    "linear rec.2020": "Linear Rec.2020",
    "rec.2020 linear": "Linear Rec.2020",
    "p3-d65 linear": "Linear P3-D65",
    "srgb": "sRGB Encoded Rec.709 (sRGB)",
    "rec.709 gamma 2.2": "Gamma 2.2 Encoded Rec.709",
    "rec.709 gamma 2.4": "Gamma 2.4 Encoded Rec.709",
    "rec.709 (scene)": "Camera Rec.709",
    "rec.709-a": "Camera Rec.709",
    "davinci wg/intermediate": "DaVinci Intermediate WideGamut",
    "davinci wide gamut/davinci intermediate": "DaVinci Intermediate WideGamut",
    "davinci wide gamut intermediate": "DaVinci Intermediate WideGamut",
    "davinci wg/linear": "Linear DaVinci WideGamut",
    "davinci wide gamut linear": "Linear DaVinci WideGamut",
    "arri logc3": "ARRI LogC3 (EI800)",
    "arri log c": "ARRI LogC3 (EI800)",
    "arri alexa": "ARRI LogC3 (EI800)",
    "arri logc": "ARRI LogC3 (EI800)",
    "arri wide gamut 3/logc3": "ARRI LogC3 (EI800)",
    "arri logc4": "ARRI LogC4",
    "arri wide gamut 4/logc4": "ARRI LogC4",
    "sony s-gamut3/s-log3": "S-Log3 S-Gamut3",
    "s-gamut3/s-log3": "S-Log3 S-Gamut3",
    "sony s-gamut3.cine/s-log3": "S-Log3 S-Gamut3.Cine",
    "s-gamut3.cine/s-log3": "S-Log3 S-Gamut3.Cine",
    "red wide gamut/log3g10": "Log3G10 REDWideGamutRGB",
    "redwidegamutrgb/log3g10": "Log3G10 REDWideGamutRGB",
    "panasonic v-gamut/v-log": "V-Log V-Gamut",
    "v-gamut/v-log": "V-Log V-Gamut",
    "blackmagic design film wide gamut gen 5": "BMDFilm WideGamut Gen5",
    "blackmagic design wide gamut gen 4/5": "BMDFilm WideGamut Gen5",
    "canon cinema gamut/canon log 2": "CanonLog2 CinemaGamut D55",
    "canon cinema gamut/canon log 3": "CanonLog3 CinemaGamut D55",
    "apple log": "Apple Log",
    "dji d-gamut/d-log": "D-Log D-Gamut",
}
"""By lower-case name in Resolve's menus; the names on the right are those of the service's built-in configuration."""

_AS_PROJECT = ("", "project", "same as project", "default", "auto")

_CARRIED = (
    "Input Color Space", "Input Gamma", "IDT", "Data Level", "Alpha mode", "PAR", "Input Sizing Preset", "Input LUT",
    "H-FLIP", "V-FLIP",
)  # fmt: skip
"""Clip properties that decide how a clip looks."""


def service_name(name: str) -> str:
    """The service's name for a colour space of Resolve; empty where it is not known.

    With $OCIO the studio's own configuration decides, which may have Resolve's names.
    """
    found = _NAMES.get(" ".join(name.lower().split()), "")
    return found or (name.strip() if os.environ.get("OCIO") and name.strip().lower() not in _AS_PROJECT else "")


def colour_of_media(project: Any, properties: Mapping[str, str]) -> tuple[str, str]:
    """The service's name for a clip's colour space, and the name that Resolve has; either may be empty.

    The clip's own counts before the project's input colour space. What only says "linear" is left to the file.
    """
    said = properties.get("Input Color Space", "").strip()
    if said.lower() in _AS_PROJECT:
        said = properties.get("IDT", "").strip()
    if said.lower() in _AS_PROJECT or said.lower() == "no input transform":
        said = _of_project(project, "colorSpaceInput", "colorAcesIDT")
    return service_name(said), said


def colour_of_render(project: Any) -> tuple[str, str]:
    """What a render of the timeline is encoded in: the service's name and Resolve's."""
    said = _of_project(project, "colorSpaceOutput", "colorAcesODT")
    return service_name(said), said


def carried(properties: Mapping[str, str]) -> dict[str, str]:
    """Of a clip's properties, those that its replacement must have to look the same."""
    return {name: properties[name] for name in _CARRIED if properties.get(name, "").strip()}


def _of_project(project: Any, managed: str, aces: str) -> str:
    mode = text(project, "GetSetting", "colorScienceMode").lower()
    if "aces" in mode:
        return text(project, "GetSetting", aces).strip()
    if "managed" in mode:
        return text(project, "GetSetting", managed).strip()
    return ""
