"""Finds engines through the entry-point group ``overscan.engines``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points

from overscan.core.engines._protocol import Engine
from overscan.core.errors import UnknownEngineError

GROUP = "overscan.engines"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledEngine:
    """An engine that is installed, whether or not it loads."""

    name: str
    engine: Engine | None
    """None where loading failed."""
    reason: str = ""
    """Why loading failed."""


@cache
def installed_engines() -> tuple[InstalledEngine, ...]:
    """All installed engines by name. One that fails to load is listed with its reason and hides no other."""
    found = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            engine = entry.load()()
            if isinstance(engine, Engine):
                found.append(InstalledEngine(name=entry.name, engine=engine))
            else:
                found.append(InstalledEngine(name=entry.name, engine=None, reason="it has no card, plan and run"))
        except Exception as error:  # a third party's import may raise anything
            found.append(InstalledEngine(name=entry.name, engine=None, reason=f"{type(error).__name__}: {error}"))
    return tuple(found)


def load_engine(name: str) -> Engine:
    """The engine called `name`; raises `UnknownEngineError` where there is none or it does not load."""
    engines = installed_engines()
    for entry in engines:
        if entry.name == name:
            if entry.engine is None:
                raise UnknownEngineError(
                    f"the engine '{name}' is installed but does not load: {entry.reason}",
                    next_step="Run `overscan doctor`.",
                    field="engine",
                )
            return entry.engine
    raise UnknownEngineError(
        f"there is no engine called '{name}'.",
        next_step=f"Installed engines: {', '.join(entry.name for entry in engines) or 'none'}.",
        field="engine",
        actual=name,
    )
