"""From a plate's colour space to scene-linear light and back, and to a picture for people."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import PyOpenColorIO as ocio

from overscan.core.colour._config import LISTING, ColourConfig
from overscan.core.colour._curves import Pixels, display_encode
from overscan.core.colour._resolve import ColourSpace
from overscan.core.errors import ColourSpaceError


class LinearTransform:
    """Between the colour space of a plate and scene-linear light, without losing values below 0 or above 1.

    The linear side keeps the plate's own primaries where the configuration has such a space, and is the
    configuration's ``scene_linear`` role otherwise (`linear_name` says which). A scene-linear plate is handed
    through untouched.
    """

    def __init__(self, *, config: ColourConfig, space: ColourSpace, linear: str = "") -> None:
        """`linear` names a scene-linear space to go to in place of the plate's own, such as another plate's
        `linear_name`; it changes nothing for light of unknown primaries.

        Raises `ColourSpaceError` for a data space, and where the configuration knows no way to linear light.
        """
        if space.is_data:
            raise ColourSpaceError(
                f"'{space.name}' is a data space: its values are no colours and cannot be brought to linear light.",
                next_step=f"Name the colour space of the plate with --colorspace NAME; {LISTING}.",
                field="colour.space",
                actual=space.name,
            )
        self.linear_name = space.name
        self._forward: Any = None
        self._inverse: Any = None
        if space.is_scene_linear and (not space.name or linear in ("", space.name)):
            return
        self.linear_name = linear or _linear_sibling(config, space.name)
        try:
            self._forward = _processor(config, space.name, self.linear_name)
            self._inverse = _processor(config, self.linear_name, space.name)
        except (ocio.Exception, ocio.ExceptionMissingFile) as error:
            raise ColourSpaceError(
                f"{config.source} has no way between '{space.name}' and linear light: {' '.join(str(error).split())}",
                next_step=f"Name another colour space with --colorspace NAME; {LISTING}.",
                field="colour.space",
                actual=space.name,
            ) from error

    @property
    def is_identity(self) -> bool:
        """Whether the plate is scene-linear already."""
        return self._forward is None

    def to_linear(self, pixels: Pixels) -> Pixels:
        """Scene-linear light of plate samples ``(height, width, 3)`` float32; the same array where identity.

        Integer samples come in divided by their largest value, as OpenImageIO reads them. NaN stays NaN.
        """
        return _apply(self._forward, pixels)

    def from_linear(self, pixels: Pixels) -> Pixels:
        """Plate samples of scene-linear light ``(height, width, 3)`` float32; the same array where identity."""
        return _apply(self._inverse, pixels)


def to_display(config: ColourConfig, pixels: Pixels, space: ColourSpace) -> Pixels:
    """A picture of plate samples for the configuration's default display and view.

    `pixels` are ``(height, width, 3)`` float32 in `space`; returns float32 0..1 of that shape, display-encoded
    (NaN is black). Light of unknown primaries is shown as if they were Rec. 709's: good enough to look at, never
    used for a result. Data spaces are shown as they are, clipped.
    """
    clean = np.nan_to_num(pixels.astype(np.float32), nan=0.0, posinf=65504.0, neginf=0.0)
    if space.is_data:
        return np.clip(clean, 0.0, 1.0)
    source = space.name or config.canonical(name="lin_rec709_scene")
    if not source:
        return display_encode(clean)
    view = ocio.DisplayViewTransform()
    view.setSrc(source)
    view.setDisplay(config.handle.getDefaultDisplay())
    view.setView(config.handle.getDefaultView(config.handle.getDefaultDisplay()))
    shown = np.ascontiguousarray(clean)
    config.handle.getProcessor(view).getDefaultCPUProcessor().applyRGB(shown)
    return np.clip(np.nan_to_num(shown, nan=0.0), 0.0, 1.0)


def _linear_sibling(config: ColourConfig, name: str) -> str:
    """The linear space with the primaries of `name`, by colour interop IDs (``arrilogc4_awg4_scene`` has
    ``lin_awg4_scene``), else the ``scene_linear`` role."""
    space = config.handle.getColorSpace(name)
    identifiers = (getattr(space, "getInteropID", str)(), *space.getAliases())
    for identifier in identifiers:
        namespace, colon, plain = identifier.rpartition(":")
        words = plain.split("_")
        if len(words) == 3 and words[2] in ("scene", "display"):
            for prefix in (namespace + colon, ""):
                sibling = config.canonical(name=f"{prefix}lin_{words[1]}_scene")
                if sibling and config.handle.isColorSpaceLinear(sibling, ocio.REFERENCE_SPACE_SCENE):
                    return sibling
    working = config.canonical(name=ocio.ROLE_SCENE_LINEAR)
    if not working:
        raise ColourSpaceError(
            f"'{name}' is not linear, and {config.source} has no scene_linear role to bring it to.",
            next_step="Use a configuration that has one, or hand in a scene-linear plate.",
            field="colour.config",
            expected="the role scene_linear",
        )
    return working


def _processor(config: ColourConfig, source: str, target: str) -> Any:
    # Lossless: the default takes short cuts through fast logarithms, worth 1e-5 of error.
    return config.handle.getProcessor(source, target).getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS)


def _apply(processor: Any, pixels: Pixels) -> Pixels:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.float32:
        raise ValueError(f"expected (height, width, 3) float32, got {pixels.shape} {pixels.dtype}")
    if processor is None:
        return pixels
    result: npt.NDArray[np.float32] = np.array(pixels, dtype=np.float32, order="C", copy=True)
    processor.applyRGB(result)
    result[np.isnan(pixels)] = np.nan
    return result
