"""The `plate` engine: no learned weights; everything it paints comes from the plate itself.

Reading order: `_engine` (card, plan, steps) → `_analysis` (motion between frames, once per shot) → `_holdout` (where
that motion can be trusted) → `_render` (gather, fill, compose). The pipeline is S0 to S5 of Irani 1995 (mosaics),
Granados 2012 (background inpainting by homographies) and Gao 2020 (FGVC: chains of sub-pixel addresses).
"""

from overscan.core.engines.plate._engine import PlateEngine
from overscan.core.engines.plate._groundwork import GroundLayer

__all__ = ["GroundLayer", "PlateEngine"]
