"""What the engines that are installed say of themselves: third-party code, all of it."""

from __future__ import annotations

import logging

from overscan.core.engines import EngineCard
from overscan.service.workers import messages

_LOG = logging.getLogger(__name__)


def entry_of(name: str, found: object) -> messages.EngineEntry:
    """An engine's card, or why there is none: a card is third-party code too."""
    engine = getattr(found, "engine", None)
    if engine is None:
        return messages.EngineEntry(name=name, card=None, reason=str(getattr(found, "reason", "")))
    try:
        card = messages.plain(engine.card)
    except Exception as error:
        _LOG.exception("an engine fails where it is only asked about itself")
        return messages.EngineEntry(name=name, card=None, reason=f"{type(error).__name__}: {error}")
    if not isinstance(card, EngineCard):
        return messages.EngineEntry(name=name, card=None, reason=f"its card is a {type(card).__name__}")
    return messages.EngineEntry(name=name, card=card, reason=_unavailable(engine))


def _unavailable(engine: object) -> str:
    """Why an engine that loads cannot run here; empty where it can."""
    ask = getattr(engine, "unavailable", None)
    try:
        return str(ask()) if callable(ask) else ""
    except Exception as error:
        _LOG.exception("an engine fails where it is only asked about itself")
        return f"{type(error).__name__}: {error}"
