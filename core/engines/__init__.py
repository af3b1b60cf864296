"""Engines: what they promise, and where to find them."""

from overscan.core.engines._protocol import (
    ConditionalEngine,
    Context,
    Engine,
    EngineCard,
    Estimate,
    Limits,
    ModelEngine,
    Notice,
    Parameter,
    Plan,
    PreviewReporter,
    Reporter,
    Step,
)
from overscan.core.engines._registry import InstalledEngine, installed_engines, load_engine
from overscan.core.rights import ModelFiles, RightsCard, TrainingData

__all__ = [
    "ConditionalEngine",
    "Context",
    "Engine",
    "EngineCard",
    "Estimate",
    "InstalledEngine",
    "Limits",
    "ModelEngine",
    "ModelFiles",
    "Notice",
    "Parameter",
    "Plan",
    "PreviewReporter",
    "Reporter",
    "RightsCard",
    "Step",
    "TrainingData",
    "installed_engines",
    "load_engine",
]
