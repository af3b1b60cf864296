"""The rights cards of models: those that ship with Overscan, and the studio's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from overscan.core.errors import PolicyFileError
from overscan.core.rights._card import Quote, RightsCard, TrainingData, WeightFile
from overscan.core.rights._toml import Table, read_toml

_SHIPPED = Path(__file__).parent / "cards"
UNKNOWN_FILES = {"any file": ""}
"""Stands for the files of a model whose hashes nobody has given."""
_WEIGHTS = ".safetensors"
_SECTIONS = ("licence", "commercial_use", "training_data", "people", "review")
_FIELDS = ("name", "maker", "version", "note", "weights", "quotes", *_SECTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFile:
    """A card and where it was read."""

    card: RightsCard
    path: Path
    sha256: str
    """Of the file's bytes."""
    shipped: bool
    """Whether it came with Overscan; else it is the studio's own."""


def shipped_cards() -> Mapping[str, CardFile]:
    """The cards that come with Overscan, by name."""
    return _shipped()


def load_cards(*, root: Path) -> Mapping[str, CardFile]:
    """All cards of models by name: the shipped ones, and ``cards/*.toml`` under the policies' `root`.

    Raises `PolicyFileError` for a card that cannot be read, that takes another card's name, or that names nobody
    who reviewed it.
    """
    found = dict(_shipped())
    for path in sorted((root / "cards").glob("*.toml")):
        entry = _read(path, shipped=False)
        other = found.get(entry.card.name)
        if other is not None:
            raise PolicyFileError(
                f"{path}: the name '{entry.card.name}' is taken by the card {other.path}.",
                next_step="Give the card a name of its own; engines and approvals name cards.",
                path=path,
                field="name",
                actual=entry.card.name,
            )
        found[entry.card.name] = entry
    return found


def cards_of(*, name: str, weights: Mapping[str, str], cards: Mapping[str, CardFile]) -> tuple[RightsCard, ...]:
    """The cards of a model that goes by `name` and has these `weights` (SHA-256 by file); none where there is none.

    What a file is, its hash says: every card that knows any weights among them counts, whatever the model is called,
    and where several do, all of them. Models share parts, though, a text encoder for instance: a card does not count
    where another knows all the files that it knows, and more. A vocabulary or a config, which is the same in many
    models, says nothing. Only what no card knows by hash goes by its name.
    """
    hashes = set(weights.values())
    telling = {sha256 for file, sha256 in weights.items() if file.endswith(_WEIGHTS)} or hashes
    known = [(entry.card, {file.sha256 for file in entry.card.weights} & hashes) for entry in cards.values()]
    known = [(card, files) for card, files in known if files & telling]
    counting = tuple(card for card, files in known if not any(files < others for _, others in known))
    if counting:
        return counting
    return (cards[name].card,) if name in cards else ()


@cache
def _shipped() -> Mapping[str, CardFile]:
    entries = [_read(path, shipped=True) for path in sorted(_SHIPPED.glob("*.toml"))]
    return {entry.card.name: entry for entry in entries}


def _read(path: Path, *, shipped: bool) -> CardFile:
    file = read_toml(path)
    return CardFile(card=read_card(file.whole), path=path, sha256=file.sha256, shipped=shipped)


def read_card(whole: Table) -> RightsCard:
    """The card in a file. Raises `PolicyFileError`."""
    whole.only(_FIELDS)
    whole.text("note")
    licence, commercial, training, people, review = (whole.table(name) for name in _SECTIONS)
    licence.only(("id", "text_sha256", "url", "attribution"))
    commercial.only(("allowed", "revenue_threshold_usd", "territories"))
    training.only(("class", "statement", "evidence", "date"))
    people.only(("consent", "likeness", "indemnity"))
    review.only(("reviewer", "reviewed_on", "expires_on"))
    try:
        learned = TrainingData(training.text("class", needed=True))
    except ValueError:
        classes = ", ".join(member.value for member in TrainingData)
        raise training.wrong("class", "there is no such class", f"one of {classes}") from None
    return RightsCard(
        name=whole.text("name", needed=True),
        maker=whole.text("maker", needed=True),
        version=whole.text("version"),
        licence=licence.text("id"),
        licence_text_sha256=licence.sha256("text_sha256"),
        licence_url=licence.text("url"),
        attribution=licence.text("attribution"),
        commercial_use=commercial.flag("allowed"),
        revenue_threshold_usd=commercial.whole("revenue_threshold_usd"),
        territories=commercial.texts("territories"),
        training_data=learned,
        statement=training.text("statement"),
        evidence=training.text("evidence"),
        statement_date=training.day("date"),
        consent=people.text("consent"),
        likeness=people.text("likeness"),
        indemnity=people.text("indemnity"),
        reviewer=review.text("reviewer", needed=True),
        reviewed_on=review.day("reviewed_on", needed=True),
        expires_on=review.day("expires_on"),
        weights=tuple(WeightFile(name=name, sha256=sha256) for name, sha256 in sorted(whole.hashes("weights").items())),
        quotes=tuple(_quote(table) for table in whole.tables("quotes")),
    )


def _quote(table: Table) -> Quote:
    table.only(("about", "words", "source", "date"))
    return Quote(
        about=table.text("about", needed=True),
        words=table.text("words", needed=True),
        source=table.text("source", needed=True),
        date=table.day("date", needed=True),
    )
