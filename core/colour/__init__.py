"""Colour: which space a plate is in, and how to get from it to scene-linear light and back.

Nothing here guesses in silence: a space is named by the user, tagged in the file, ruled by the project's
OpenColorIO configuration or fixed by the file format's own standard, and `ColourSpace.origin` says which.

``python -m overscan.core.colour`` lists the spaces of the active configuration.
"""

from overscan.core.colour._config import ColourConfig, load_config
from overscan.core.colour._curves import acescct, acescct_to_linear, analysis_proxy, display_encode, gain_log2
from overscan.core.colour._resolve import ColourSpace, Origin, resolve_space
from overscan.core.colour._transform import LinearTransform, to_display
from overscan.core.colour._wide_range import EXPOSURE_LIMIT, Curve, WideRange, fitting_exposure

__all__ = [
    "EXPOSURE_LIMIT",
    "ColourConfig",
    "ColourSpace",
    "Curve",
    "LinearTransform",
    "Origin",
    "WideRange",
    "acescct",
    "acescct_to_linear",
    "analysis_proxy",
    "display_encode",
    "fitting_exposure",
    "gain_log2",
    "load_config",
    "resolve_space",
    "to_display",
]
