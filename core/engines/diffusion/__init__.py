"""Engines that drive diffusion models: one for each family, all by the same plan. Importing this imports no torch.

Reading order: `_family` (what a family is) → `_engine` (card, plan, steps) → `_steps`, `_sequence`, `_windows` (how a
job is cut) → `_session` → `_looking`, `_area` (what part of the picture, in what code) → `_painter`, `_joints` (a
window) → `_composite`, `_finisher` (result frames). docs/decisions/0017 says why. Families of stills have an engine of
their own: `_keyframe_engine` → `_keyframe_steps` → `_keyframe_painter`, round the plate engine's (docs/decisions/0019).
"""

from overscan.core.engines.diffusion._engine import DiffusionEngine
from overscan.core.engines.diffusion._family import (
    Defaults,
    Family,
    FamilyCard,
    Guide,
    Lattice,
    MatteUse,
    Painted,
    PaintRequest,
    PassKind,
    ReferenceStill,
    Sound,
    StepHook,
    Still,
)

__all__ = [
    "Defaults",
    "DiffusionEngine",
    "Family",
    "FamilyCard",
    "Guide",
    "Lattice",
    "MatteUse",
    "PaintRequest",
    "Painted",
    "PassKind",
    "ReferenceStill",
    "Sound",
    "StepHook",
    "Still",
]
