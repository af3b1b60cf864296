"""What a policy can say, and what counts as narrower."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from overscan.core.rights._card import TrainingData

LEVELS = ("studio", "show", "shot")
"""From the widest to the narrowest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one policy. The values here are those of the default policy."""

    training_data: tuple[str, ...] = (
        TrainingData.NONE.value,
        TrainingData.OWN.value,
        TrainingData.PUBLIC_DOMAIN.value,
        TrainingData.OPEN_LICENCE.value,
        TrainingData.LICENSED.value,
    )
    """Classes of training data that need no approval."""
    never: tuple[str, ...] = ()
    """Classes of training data that no approval lets in."""
    engines: tuple[str, ...] | None = None
    """Engines that may run; None for any."""
    licences: tuple[str, ...] | None = None
    """Licences that need no approval; None for any."""
    commercial: bool = True
    """Whether results must be usable commercially."""
    revenue_usd: int | None = None
    """Yearly revenue of the production in US dollars; None where nobody said, which passes no threshold."""
    territories: tuple[str, ...] | None = None
    """ISO 3166 codes of where results must be usable; None for everywhere."""
    uses: tuple[str, ...] = ("temp", "final")
    """What results may be for."""
    pinned: bool = True
    """Whether weights must be known by their hashes: from a card, an approval or the show's lock."""
    consent: bool = False
    """Whether a model's maker must say that people in its training data have consented."""
    required_approvals: tuple[str, ...] = ()
    """Roles that must each have approved any engine or model that has learned from data."""
    may_approve: tuple[str, ...] = ("studio", "show")
    """Levels whose files may hold approvals."""
    known_shows_only: bool = False
    """Whether a job must name a show that has a policy."""
    registered_assets: bool = False
    """Whether reference images and the like must be in the clearance ledger."""
    network: str = "never"
    """Whether engines may use the network: never is all that this version knows."""
    retention_days: int | None = None
    """Longest that work folders of jobs that have ended are kept; None for as long as it takes to retry them."""


DEFAULT_RULES = Rules()
"""Of the policy that holds where there is no file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleKind:
    """How a rule is written and what narrows it."""

    is_valid: Callable[[object], bool]
    expected: str
    """In words, for errors."""
    narrows: Callable[[Any, Any], bool]
    """Whether the second value, of a lower level, allows no more than the first."""
    how: str
    """How a lower level may change it, for errors."""


def _texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) and item for item in value)


def _among(*words: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, tuple) and all(item in words for item in value)


def _fewer(above: Any, below: Any) -> bool:
    if below is None or above is None:
        return above is None
    return bool(set(below) <= set(above))


def _more(above: Any, below: Any) -> bool:
    return bool(set(below) >= set(above))


def _places(above: Any, below: Any) -> bool:
    if below is None:
        return True
    return above is not None and _more(above, below)


def _at_least(above: Any, below: Any) -> bool:
    if above is None or below is None:
        return below is None
    return bool(below >= above)


def _at_most(above: Any, below: Any) -> bool:
    return bool(above is None or (below is not None and below <= above))


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _tighter(above: Any, below: Any) -> bool:
    return bool(below) or not above


_CLASSES = _among(*(member.value for member in TrainingData))
_CLASS_WORDS = "a list of " + ", ".join(f'"{member.value}"' for member in TrainingData)
_REMOVE = "it may only leave out what is listed there"
_ADD = "it may only add to what is listed there"
_FLAG = RuleKind(
    is_valid=lambda value: isinstance(value, bool),
    expected="true or false",
    narrows=_tighter,
    how="it may only change from false to true",
)

KINDS: dict[str, RuleKind] = {
    "training_data": RuleKind(is_valid=_CLASSES, expected=_CLASS_WORDS, narrows=_fewer, how=_REMOVE),
    "never": RuleKind(is_valid=_CLASSES, expected=_CLASS_WORDS, narrows=_more, how=_ADD),
    "engines": RuleKind(is_valid=_texts, expected="a list of engine names", narrows=_fewer, how=_REMOVE),
    "licences": RuleKind(is_valid=_texts, expected="a list of licences, e.g. MIT", narrows=_fewer, how=_REMOVE),
    "commercial": _FLAG,
    "revenue_usd": RuleKind(
        is_valid=_number,
        expected="US dollars, a whole number",
        narrows=_at_least,
        how="it may only be higher, and is said by the highest level",
    ),
    "territories": RuleKind(is_valid=_texts, expected="a list of ISO 3166 codes", narrows=_places, how=_ADD),
    "uses": RuleKind(
        is_valid=_among("temp", "final"), expected='a list of "temp" and "final"', narrows=_fewer, how=_REMOVE
    ),
    "pinned": _FLAG,
    "consent": _FLAG,
    "required_approvals": RuleKind(is_valid=_texts, expected="a list of roles", narrows=_more, how=_ADD),
    "may_approve": RuleKind(
        is_valid=_among(*LEVELS), expected='a list of "studio", "show" and "shot"', narrows=_fewer, how=_REMOVE
    ),
    "known_shows_only": _FLAG,
    "registered_assets": _FLAG,
    "network": RuleKind(
        is_valid=lambda value: value == "never",
        expected='"never"',
        narrows=lambda above, below: above == below,
        how="it stays as it is",
    ),
    "retention_days": RuleKind(
        is_valid=_number, expected="days, a whole number", narrows=_at_most, how="it may only be lower"
    ),
}
"""Every rule by its name in `Rules` and in the files."""
