"""Rights cards: what ships, and that nothing in them is guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from overscan.core.engines import load_engine
from overscan.core.errors import PolicyFileError
from overscan.core.jobs import Use
from overscan.core.rights import (
    RightsCard,
    TrainingData,
    WeightFile,
    card_content,
    card_digest,
    cards_of,
    decide,
    load_cards,
    load_policy,
)

NOWHERE = Path("/nowhere")
SHIPPED = load_cards(root=NOWHERE)
CARD = RightsCard(
    maker="M", licence="MIT", training_data=TrainingData.LICENSED, statement="s", commercial_use=True, name="c"
)


def test_every_family_of_the_model_work_has_a_card() -> None:
    assert set(SHIPPED) == {
        "wan-vace", "wan-i2v", "ltx-video", "ltx-2", "sdxl-inpaint", "flux1-fill", "bria-2.3-inpaint", "bria-fibo",
    }  # fmt: skip
    assert all(entry.shipped and entry.path.stem == name for name, entry in SHIPPED.items())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_card_says_who_said_what_and_when(name: str) -> None:
    card = SHIPPED[name].card
    assert card.statement
    assert card.evidence
    assert date.fromisoformat(card.statement_date)
    assert card.reviewer
    assert date.fromisoformat(card.reviewed_on) < date.fromisoformat(card.expires_on)
    assert card.quotes
    assert all(quote.words and quote.source and date.fromisoformat(quote.date) for quote in card.quotes)
    assert any("licence" in quote.about or "commercial" in quote.about for quote in card.quotes)
    if card.statement == "statement not found":
        assert card.training_data is TrainingData.UNDISCLOSED


@pytest.mark.parametrize("name", SHIPPED)
def test_the_default_policy_lets_no_shipped_model_in_by_itself(name: str) -> None:
    decision = decide(
        policy=load_policy(root=NOWHERE),
        card=SHIPPED[name].card,
        engine=None,
        weights={"unet.safetensors": "0" * 64},
        use=Use.TEMP,
        today=date(2026, 11, 24),
    )
    assert not decision.allowed
    assert decision.remedy


def test_the_plate_engine_has_learned_nothing() -> None:
    card = load_engine("plate").card.rights
    assert card.training_data is TrainingData.NONE
    assert not card.weights
    assert "No training data, plate pixels only" in card.statement


def test_a_digest_is_of_what_a_card_says() -> None:
    assert card_digest(CARD) == card_digest(replace(CARD))
    assert card_digest(CARD) != card_digest(replace(CARD, statement="t"))
    assert card_digest(CARD) != card_digest(replace(CARD, commercial_use=False))
    assert card_digest(CARD) != card_digest(replace(CARD, weights=(WeightFile(name="a", sha256="0"),)))
    content = card_content(CARD)
    assert content["training_data"] == "licensed"
    assert "indemnity" not in content, "what is empty is left out, so that new fields change no digest"
    assert card_content(replace(CARD, commercial_use=False))["commercial_use"] is False


def studio_card(root: Path, name: str, text: str = "") -> Path:
    path = root / "cards" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'name = "{name}"\nmaker = "M"\n[licence]\nid = "MIT"\n[commercial_use]\nallowed = true\n'
        '[training_data]\nclass = "own"\n[review]\nreviewer = "J"\nreviewed_on = 2026-01-01\n' + text
    )
    return path


def test_a_studio_adds_cards(tmp_path: Path) -> None:
    path = studio_card(tmp_path, "ours", f'[weights]\n"b" = "{"1" * 64}"\n"a" = "{"0" * 64}"\n')
    entry = load_cards(root=tmp_path)["ours"]
    assert (entry.shipped, entry.path) == (False, path)
    assert [file.name for file in entry.card.weights] == ["a", "b"]
    assert "wan-vace" in load_cards(root=tmp_path)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("reviewer = ", "# "), "review.reviewer"),
        (("reviewed_on = ", "# "), "review.reviewed_on"),
        (('class = "own"', 'class = "fine"'), "training_data.class"),
        (("allowed = true", 'allowed = "yes"'), "commercial_use.allowed"),
        (("[licence]", "[license]"), "license"),
        (('maker = "M"', 'maker = ""'), "maker"),
        (('name = "ours"', 'name = "ltx-2"'), "name"),
    ],
)
def test_a_card_that_is_wrong_says_where(change: tuple[str, str], field: str, tmp_path: Path) -> None:
    path = studio_card(tmp_path, "ours")
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(PolicyFileError) as caught:
        load_cards(root=tmp_path)
    assert (caught.value.record.field, caught.value.record.path) == (field, str(path))


def test_a_hash_says_what_a_file_is_and_a_name_does_not(tmp_path: Path) -> None:
    studio_card(tmp_path, "one", f'[weights]\n"a" = "{"0" * 64}"\n')
    studio_card(tmp_path, "two", f'[weights]\n"z" = "{"0" * 64}"\n')
    cards = load_cards(root=tmp_path)
    known, unknown = {"x": "0" * 64, "y": "f" * 64}, {"x": "f" * 64}
    assert [card.name for card in cards_of(name="wan-vace", weights=known, cards=cards)] == ["one", "two"]
    assert [card.name for card in cards_of(name="wan-vace", weights=unknown, cards=cards)] == ["wan-vace"]
    assert cards_of(name="nobody", weights=unknown, cards=cards) == ()


def test_a_shared_part_makes_no_model_another(tmp_path: Path) -> None:
    text, config = {"text/model.safetensors": "a" * 64}, {"text/config.json": "c" * 64}
    first = {"net/model.safetensors": "1" * 64, **text, **config}
    second = {"net/model.safetensors": "2" * 64, **text, **config}
    third = {"net/model.safetensors": "3" * 64, **config}
    for name, files in (("first", first), ("second", second), ("third", third)):
        studio_card(tmp_path, name, "[weights]\n" + "".join(f'"{file}" = "{files[file]}"\n' for file in files))
    cards = load_cards(root=tmp_path)

    def named(weights: dict[str, str]) -> list[str]:
        return [card.name for card in cards_of(name="wan-vace", weights=weights, cards=cards)]

    assert named(first) == ["first"], "the text encoder is that of both"
    assert named(second) == ["second"]
    assert named({**first, "net/model.safetensors": "9" * 64}) == ["first", "second"], "it is neither, and may be both"
    assert named({"net/model.safetensors": "9" * 64, **config}) == ["wan-vace"], "a config says nothing"
    assert named({**first, "more/model.safetensors": "2" * 64}) == ["first", "second"], "it is made of both"
