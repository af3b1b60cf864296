"""How much of each pixel of a frame of groundwork a model paints anew."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.diffusion._family import Floats
from overscan.core.engines.diffusion._parameters import CONFIDENCE, REPAINT
from overscan.core.jobs import ParameterValue
from overscan.core.results import Groundwork, Sketch, SourceKind

_SOFT = 3.0
"""Samples over which a model's share rises to 1, at least."""
_UNSURE = 4.0
"""Standard deviation, in samples, of the window in which most copied pixels must be unsure: specks are left alone."""


def model_share(ground: Groundwork, *, values: Mapping[str, ParameterValue], scale: float) -> Floats:
    """``(height, width)`` over the frame's window: 1 = the model's alone, 0 = as it is; soft inwards.

    `scale` is the work area's: the coarser the model's picture, the softer its edge.
    """
    own = ground.generated
    painted = own.alpha > 0
    region = painted if values[REPAINT.name] == "all" else painted & (own.kind == SourceKind.SYNTHESISED)
    if values[REPAINT.name] != "all":
        copied = painted & (own.kind == SourceKind.COPIED)
        unsure = copied & (own.confidence < np.float32(values[CONFIDENCE.name]))
        if unsure.any():
            most = cv2.GaussianBlur(unsure.astype(np.float32), (0, 0), _UNSURE)
            near = cv2.GaussianBlur(copied.astype(np.float32), (0, 0), _UNSURE)
            region = region | (copied & (most > 0.5 * near))
    if not region.any():
        return np.zeros(own.window.shape, np.float32)
    # The picture's own edge is no edge to be soft at.
    padded = np.pad(region.astype(np.uint8), 1, constant_values=1)
    inwards = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5), np.float32)[1:-1, 1:-1]
    share: Floats = np.where(region, np.clip(inwards / max(_SOFT, _SOFT / scale), 0, 1), 0).astype(np.float32)
    return share


def cells_to_paint(sketch: Sketch, values: Mapping[str, ParameterValue]) -> npt.NDArray[np.bool_]:
    """Cells of a sketch in which the model may paint: at least those in which `model_share` is above 0."""
    if values[REPAINT.name] == "all":
        return sketch.generated
    return sketch.unseen | (sketch.confidence < np.float32(values[CONFIDENCE.name]))
