"""The `plate` engine: no learned weights; everything it paints comes from the plate itself.

Reading order: `_engine` (card, plan, steps) → `_session` (carries steps out) → `motion/` (between frames, once per
shot) → `_holdout` (where that can be trusted) → `_find`, `_imagine` (where light comes from) → `_render` (light, grain,
frames). The pipeline is S0 to S9 of Irani 1995 (mosaics), Granados 2012 (background inpainting by homographies) and
Gao 2020 (FGVC: chains of sub-pixel addresses).
"""

import os

# OpenMP reads this when the first kernel runs: threads that wait by spinning take the time of those that write.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from overscan.core.engines.plate._engine import PlateEngine
from overscan.core.engines.plate._groundwork import GroundLayer, ground_grain, read_ground_sketch
from overscan.core.engines.plate._key_layer import KeyLayer
from overscan.core.engines.plate._painter import Painter, Unpainted

__all__ = [
    "GroundLayer",
    "KeyLayer",
    "Painter",
    "PlateEngine",
    "Unpainted",
    "ground_grain",
    "read_ground_sketch",
]
