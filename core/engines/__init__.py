"""Engines: what they promise, and where to find them."""

from overscan.core.engines._protocol import (
    Context,
    Engine,
    EngineCard,
    Estimate,
    Limits,
    Notice,
    Parameter,
    Plan,
    Reporter,
    RightsCard,
    Step,
    TrainingData,
)
from overscan.core.engines._registry import InstalledEngine, installed_engines, load_engine

__all__ = [
    "Context",
    "Engine",
    "EngineCard",
    "Estimate",
    "InstalledEngine",
    "Limits",
    "Notice",
    "Parameter",
    "Plan",
    "Reporter",
    "RightsCard",
    "Step",
    "TrainingData",
    "installed_engines",
    "load_engine",
]
