"""Rights cards: where an engine or a model comes from, and what may be done with what it makes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from enum import Enum


class TrainingData(str, Enum):
    """What a model learned from, as its maker says."""

    NONE = "none"
    OWN = "own"
    PUBLIC_DOMAIN = "public-domain"
    OPEN_LICENCE = "open-licence"
    LICENSED = "licensed"
    MIXED = "mixed"
    UNDISCLOSED = "undisclosed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """One file of a model, known by its content."""

    name: str
    """Path inside the model folder, with forward slashes."""
    sha256: str
    """Lower-case hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Something the maker said, word for word."""

    about: str
    """What it is about, e.g. ``licence`` or ``training data``."""
    words: str
    source: str
    """Where they said so: an address, or a repository and a path."""
    date: str
    """Day on which it was read there, ISO 8601."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsCard:
    """Where an engine or model comes from, and what may be done with what it makes.

    A card repeats what the maker said and what a named reviewer found. An empty text means that nothing was said.
    """

    maker: str
    licence: str
    """SPDX identifier, or ``LicenseRef-…``."""
    training_data: TrainingData
    statement: str
    """What the maker says about training data."""
    commercial_use: bool
    """Whether the licence allows it at all; False also where that is not known."""
    evidence: str = ""
    """Where the maker said so."""
    statement_date: str = ""
    """Day on which that was read, ISO 8601."""
    name: str = ""
    """The card's own name; empty on an engine's own card, which goes by the engine's name."""
    version: str = ""
    """Version of the model; empty on an engine's own card, which has the engine's version."""
    weights: tuple[WeightFile, ...] = ()
    """Files the card is about. None for an engine without weights, and where their hashes are not known: such a card
    says what its maker says of the model, and cannot tell whether a file is that model."""
    licence_text_sha256: str = ""
    """Of the licence's text, for ``LicenseRef-…``."""
    licence_url: str = ""
    attribution: str = ""
    """What must be said in credits, empty for nothing."""
    revenue_threshold_usd: int = 0
    """Yearly revenue in US dollars from which a paid licence is needed; 0 for no threshold."""
    territories: tuple[str, ...] = ()
    """ISO 3166 codes where it may be used; empty for everywhere."""
    consent: str = ""
    """What the maker says about the consent of people in the training data."""
    likeness: str = ""
    """What the maker says about likenesses of people in results."""
    indemnity: str = ""
    reviewer: str = ""
    """Who checked this card."""
    reviewed_on: str = ""
    """Day of the check, ISO 8601."""
    expires_on: str = ""
    """Day from which the card counts no more, ISO 8601; empty for never."""
    quotes: tuple[Quote, ...] = ()
    """The maker's words on everything but training data, which has fields of its own."""


def card_content(card: RightsCard) -> dict[str, object]:
    """`card` as plain JSON-ready data, without what is empty, so that fields of later versions leave it as it is."""
    content: dict[str, object] = {}
    for entry in fields(card):
        value = getattr(card, entry.name)
        if isinstance(value, Enum):
            content[entry.name] = value.value
        elif isinstance(value, tuple):
            if value:
                content[entry.name] = [item if isinstance(item, str) else _plain(item) for item in value]
        elif isinstance(value, bool) or value not in ("", 0):
            content[entry.name] = value
    return content


def card_digest(card: RightsCard) -> str:
    """SHA-256, hexadecimal, of the canonical JSON of `card`: sorted keys, no spaces, UTF-8, nothing empty."""
    text = json.dumps(card_content(card), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(item: WeightFile | Quote) -> dict[str, str]:
    return {entry.name: getattr(item, entry.name) for entry in fields(item)}
