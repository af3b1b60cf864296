"""Which colour space a plate is in, and how we know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import PyOpenColorIO as ocio

from overscan.core.colour._config import LISTING, ColourConfig
from overscan.core.errors import ColourSpaceError


class Origin(str, Enum):
    """How a plate's colour space is known, the strongest first."""

    NAMED = "named"
    """The user named it."""
    FILE = "file"
    """The file's own metadata identify it."""
    FILE_RULE = "file-rule"
    """A file rule of the project's OpenColorIO configuration matches the path."""
    FORMAT = "format"
    """The standard of the file format fixes it, at least in part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourSpace:
    """The colour space of a plate."""

    name: str
    """Canonical name in the configuration; empty for scene-linear light of unknown primaries."""
    origin: Origin
    is_scene_linear: bool
    """Whether samples are proportional to scene light."""
    interop_id: str = ""
    """Colour interop ID by which files are tagged with the space, empty where the configuration gives none."""
    is_data: bool = False
    """Whether the space is marked as data (depth, normals …), on which no colour work is possible."""
    note: str = ""
    """What a user should know about how the space was found, in one sentence; empty where nothing is doubtful."""


_SRGB_SPELLINGS = ("srgb_rec709_scene", "srgb_tx", "sRGB - Texture", "Utility - sRGB - Texture", "sRGB")

_CHROMATICITIES: Mapping[str, tuple[float, ...]] = {
    # Red, green, blue and white x, y, by colour interop ID: ITU-R BT.709 and BT.2020, SMPTE EG 432-1 with a D65
    # white, Adobe RGB (1998), SMPTE ST 2065-1 (AP0), Academy S-2014-004 (AP1).
    "lin_rec709_scene": (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    "lin_rec2020_scene": (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290),
    "lin_p3d65_scene": (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290),
    "lin_adobergb_scene": (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290),
    "lin_ap0_scene": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.0770, 0.32168, 0.33767),
    "lin_ap1_scene": (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767),
}
_TOLERANCE = 5e-4
"""Of chromaticities: rounding to four digits passes, AP0 and its siblings stay apart."""


def resolve_space(
    config: ColourConfig, *, name: str, attributes: Mapping[str, Any], path: str, format_name: str
) -> ColourSpace:
    """Find the colour space of a plate.

    In this order: the `name` the user gave (a name, alias, role or interop ID of the configuration; empty for
    none) · the file's metadata (`attributes` as OpenImageIO gives them) · a file rule other than the default one,
    of a configuration that was chosen rather than built in · the standard of the file format (`format_name` as
    OpenImageIO has it): OpenEXR and Radiance are scene-linear, PNG and JPEG sRGB.

    OpenImageIO's own ``oiio:ColorSpace`` is believed only where the file carries what it was derived from, for it
    also holds guesses.

    Raises `ColourSpaceError` where `name` is unknown or the encoding cannot be known.
    """
    if name:
        return _named(config, name=name, path=path)
    readers = {"openexr": _from_exr, "png": _from_png, "jpeg": _from_jpeg, "tiff": _from_tiff}
    reader = readers.get(format_name)
    found = reader(config, attributes, path) if reader else None
    return found or _from_file_rule(config, path) or _from_format(config, attributes, path, format_name)


def _named(config: ColourConfig, *, name: str, path: str) -> ColourSpace:
    canonical = config.canonical(name=name)
    if not canonical:
        near = config.near_matches(name=name)
        hint = f"Nearest: {', '.join(near)}; {LISTING} all." if near else f"Name one that it has: {LISTING}."
        raise ColourSpaceError(
            f"'{name}' is no colour space of the OpenColorIO configuration {config.source}.",
            next_step=hint,
            path=path,
            field="colour.space",
            expected="a colour space, alias or role",
            actual=name,
        )
    return _space(config, canonical, Origin.NAMED)


def _space(config: ColourConfig, canonical: str, origin: Origin, note: str = "") -> ColourSpace:
    space = config.handle.getColorSpace(canonical)
    is_data = bool(space.isData())
    linear = bool(config.handle.isColorSpaceLinear(canonical, ocio.REFERENCE_SPACE_SCENE))
    return ColourSpace(
        name=canonical,
        origin=origin,
        is_scene_linear=linear and not is_data,
        interop_id=str(getattr(space, "getInteropID", str)()),
        is_data=is_data,
        note=note,
    )


def _linear_unknown_primaries(origin: Origin, because: str) -> ColourSpace:
    return ColourSpace(
        name="",
        origin=origin,
        is_scene_linear=True,
        note=f"{because} Taken as scene-linear light of unknown primaries, which changes no result of engines that "
        "only need linear light; name the colour space to have it known.",
    )


def _from_exr(config: ColourConfig, attributes: Mapping[str, Any], path: str) -> ColourSpace | None:
    interop = str(attributes.get("colorInteropID", ""))
    if interop and interop != "unknown":
        canonical = config.canonical(name=interop)
        if canonical:
            return _space(config, canonical, Origin.FILE)
        # An interop ID begins with its encoding, after the namespace if any: lin_ap1_scene, studio:lin_house_scene.
        if not interop.rpartition(":")[2].startswith("lin_"):
            raise _unknown(
                path, f"is tagged '{interop}' (colorInteropID), which {config.source} does not have", actual=interop
            )
        return _linear_unknown_primaries(
            Origin.FILE, f"The file is tagged '{interop}' (colorInteropID), which {config.source} does not have."
        )
    values = attributes.get("chromaticities")
    chromaticities = tuple(float(value) for value in values) if values is not None else ()
    interop = _identify(chromaticities)
    if int(attributes.get("acesImageContainerFlag", 0) or 0) == 1 and (
        not chromaticities or interop == "lin_ap0_scene"
    ):
        interop = "lin_ap0_scene"  # SMPTE ST 2065-4 allows nothing else
    canonical = config.canonical(name=interop) if interop else ""
    return _space(config, canonical, Origin.FILE) if canonical else None


def _identify(chromaticities: tuple[float, ...]) -> str:
    """The interop ID of linear light with these primaries and white, empty where none of the table has them."""
    if len(chromaticities) != 8:
        return ""
    for interop, known in _CHROMATICITIES.items():
        if all(abs(a - b) <= _TOLERANCE for a, b in zip(chromaticities, known, strict=True)):
            return interop
    return ""


def _from_png(config: ColourConfig, attributes: Mapping[str, Any], path: str) -> ColourSpace | None:
    _refuse_foreign_profile(attributes, path)
    # OpenImageIO says sRGB for a PNG without tags as well, but anything else only on a gAMA or cICP chunk.
    tagged = str(attributes.get("oiio:ColorSpace", ""))
    if tagged in ("", "srgb_rec709_scene"):
        return None
    canonical = config.canonical(name=tagged)
    if not canonical:
        raise _unknown(path, f"is tagged '{tagged}', which {config.source} does not have", actual=tagged)
    return _space(config, canonical, Origin.FILE)


def _from_jpeg(config: ColourConfig, attributes: Mapping[str, Any], path: str) -> ColourSpace | None:
    _refuse_foreign_profile(attributes, path)
    if _exif_colour_space(attributes) == 1:
        return _srgb(config, path, Origin.FILE)
    if _exif_colour_space(attributes) == 0xFFFF and "ICCProfile" not in attributes:
        raise _unknown(path, "says in its EXIF data that it is not sRGB, and not what it is")
    return None


def _from_tiff(config: ColourConfig, attributes: Mapping[str, Any], path: str) -> ColourSpace | None:
    _refuse_foreign_profile(attributes, path)
    if "ICCProfile" in attributes or _exif_colour_space(attributes) == 1:
        return _srgb(config, path, Origin.FILE)
    return None


def _exif_colour_space(attributes: Mapping[str, Any]) -> int:
    return int(attributes.get("Exif:ColorSpace", 0) or 0)


def _refuse_foreign_profile(attributes: Mapping[str, Any], path: str) -> None:
    """Raise where the file carries an ICC profile of anything but sRGB: OpenColorIO has no space to put it in."""
    if "ICCProfile" not in attributes:
        return
    description = str(attributes.get("ICCProfile:profile_description", "")) or "without a description"
    if "srgb" not in description.lower():
        raise _unknown(path, f"carries the ICC profile '{description}'", actual=description)


def _from_file_rule(config: ColourConfig, path: str) -> ColourSpace | None:
    # The built-in configuration calls every EXR ACES2065-1: a default of the library, not knowledge about this shot.
    if not config.chosen or config.handle.filepathOnlyMatchesDefaultRule(path):
        return None
    name, rule = config.handle.getColorSpaceFromFilepath(path)
    canonical = config.canonical(name=name)
    if not canonical:
        return None
    rule_name = config.handle.getFileRules().getName(rule)
    note = f"'{canonical}' comes from the file rule '{rule_name}' of {config.source}; the file itself is not tagged."
    return _space(config, canonical, Origin.FILE_RULE, note)


def _from_format(config: ColourConfig, attributes: Mapping[str, Any], path: str, format_name: str) -> ColourSpace:
    if format_name == "openexr":
        if attributes.get("chromaticities") is not None:
            return _linear_unknown_primaries(
                Origin.FORMAT, f"The file's chromaticities are those of no space that {config.source} has."
            )
        return _linear_unknown_primaries(Origin.FORMAT, "The EXR file does not say its colour space.")
    if format_name == "hdr":
        return _linear_unknown_primaries(Origin.FORMAT, "The Radiance file does not say its primaries.")
    if format_name in ("png", "jpeg"):
        return _srgb(
            config,
            path,
            Origin.FORMAT,
            note=f"The {format_name.upper()} file has no other tag, so it is taken as sRGB, as its standard has it.",
        )
    transfer = str(attributes.get("dpx:Transfer", ""))
    claim = f" (its header says '{transfer}', which DPX writers seldom set truly)" if transfer else ""
    raise _unknown(path, f"does not say its encoding{claim}, and {format_name} files come in many", actual=transfer)


def _srgb(config: ColourConfig, path: str, origin: Origin, note: str = "") -> ColourSpace:
    for spelling in _SRGB_SPELLINGS:
        canonical = config.canonical(name=spelling)
        if canonical:
            return _space(config, canonical, origin, note)
    raise _unknown(path, f"is sRGB, for which {config.source} has no space", expected="an sRGB texture space")


def _unknown(path: str, what: str, *, expected: str = "a known colour space", actual: str = "") -> ColourSpaceError:
    return ColourSpaceError(
        f"the colour space of {path} cannot be known: it {what}.",
        next_step=f"Name the space with --colorspace NAME; {LISTING}.",
        path=path,
        field="colour.space",
        expected=expected,
        actual=actual,
    )
