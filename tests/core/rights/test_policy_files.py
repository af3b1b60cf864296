"""Policies: which files count, and that each level may only narrow."""

from __future__ import annotations

from pathlib import Path

import pytest

from overscan.core.errors import PolicyFileError
from overscan.core.rights import Rules, load_policy, policy_root, shots, shows
from overscan.core.rights._rules import KINDS


def put(root: Path, place: str, text: str = "") -> Path:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_files_the_default_holds(tmp_path: Path) -> None:
    policy = load_policy(root=tmp_path / "none", show="s", shot="010")
    assert (policy.name, policy.show, policy.shot, policy.files) == ("default", "", "", ())
    assert policy.rules == Rules()
    assert policy.rules.training_data == ("none", "own", "public-domain", "open-licence", "licensed")
    assert len(policy.sha256) == 64


def test_levels_are_joined_and_named(tmp_path: Path) -> None:
    put(tmp_path, "studio.toml", 'name = "Acme"\nuses = ["temp", "final"]\nrevenue_usd = 5\n')
    put(tmp_path, "shows/s/show.toml", "consent = true\n")
    put(tmp_path, "shows/s/shots/010.toml", 'uses = ["temp"]\n')
    studio, show, shot = (
        load_policy(root=tmp_path, show=show, shot=shot) for show, shot in (("", ""), ("s", ""), ("s", "010"))
    )
    assert [policy.name for policy in (studio, show, shot)] == ["Acme", "show s", "shot 010"]
    assert [file.level for file in shot.files] == ["studio", "show", "shot"]
    assert shot.rules.revenue_usd == 5
    assert shot.rules.consent
    assert shot.rules.uses == ("temp",)
    assert show.rules.uses == ("temp", "final")
    assert not studio.rules.consent
    assert len({policy.sha256 for policy in (studio, show, shot)}) == 3
    assert load_policy(root=tmp_path, show="s", shot="020").rules == show.rules
    assert load_policy(root=tmp_path, show="other").rules == studio.rules
    assert shows(root=tmp_path) == ("s",)
    assert shots(root=tmp_path, show="s") == ("010",)


def test_the_hash_is_of_the_files_as_they_are(tmp_path: Path) -> None:
    path = put(tmp_path, "studio.toml", "consent = true\n")
    before = load_policy(root=tmp_path)
    path.write_text("consent = true \n")
    after = load_policy(root=tmp_path)
    assert before.rules == after.rules
    assert before.sha256 != after.sha256


WIDER = {
    "training_data": ('["none"]', '["none", "licensed"]'),
    "never": ('["undisclosed", "mixed"]', '["undisclosed"]'),
    "engines": ('["plate"]', '["plate", "wan"]'),
    "licences": ('["MIT"]', '["MIT", "Apache-2.0"]'),
    "commercial": ("true", "false"),
    "revenue_usd": ("10", "9"),
    "territories": ('["US", "FR"]', '["US"]'),
    "uses": ('["temp"]', '["final"]'),
    "pinned": ("true", "false"),
    "consent": ("true", "false"),
    "required_approvals": ('["legal", "vfx"]', '["legal"]'),
    "may_approve": ('["studio"]', '["studio", "show"]'),
    "known_shows_only": ("true", "false"),
    "registered_assets": ("true", "false"),
    "retention_days": ("30", "31"),
}
"""Of each rule that can be widened: a value, and one that allows more."""


def test_every_rule_is_tried() -> None:
    assert {*WIDER, "network"} == set(KINDS) == set(Rules.__dataclass_fields__)


@pytest.mark.parametrize("name", WIDER)
def test_a_show_may_narrow_and_not_widen(name: str, tmp_path: Path) -> None:
    narrow, wide = WIDER[name]
    studio = put(tmp_path, "studio.toml", f"{name} = {wide}\n")
    show = put(tmp_path, "shows/s/show.toml", f"{name} = {narrow}\n")
    if name == "uses":  # two lists of which neither contains the other
        studio.write_text('uses = ["temp", "final"]\n')
    load_policy(root=tmp_path, show="s")
    studio.write_text(f"{name} = {narrow}\n")
    show.write_text(f"{name} = {wide}\n")
    load_policy(root=tmp_path)
    with pytest.raises(PolicyFileError) as caught:
        load_policy(root=tmp_path, show="s")
    record = caught.value.record
    assert (record.field, record.path) == (name, str(show))
    assert str(studio) in record.message
    assert str(show) in record.message


@pytest.mark.parametrize(
    ("name", "value"),
    [("revenue_usd", "5"), ("territories", '["US"]'), ("training_data", '["undisclosed"]'), ("commercial", "false")],
)
def test_a_show_may_not_widen_what_the_studio_left_out(name: str, value: str, tmp_path: Path) -> None:
    put(tmp_path, "studio.toml")
    put(tmp_path, "shows/s/show.toml", f"{name} = {value}\n")
    with pytest.raises(PolicyFileError, match=f"{name}.*allows more than"):
        load_policy(root=tmp_path, show="s")


def test_a_shot_is_held_against_its_show(tmp_path: Path) -> None:
    put(tmp_path, "studio.toml", "retention_days = 90\n")
    show = put(tmp_path, "shows/s/show.toml", "retention_days = 30\n")
    put(tmp_path, "shows/s/shots/010.toml", "retention_days = 60\n")
    with pytest.raises(PolicyFileError) as caught:
        load_policy(root=tmp_path, show="s", shot="010")
    assert str(show) in caught.value.record.message


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("trainning_data = []", "trainning_data"),
        ('training_data = ["nonsense"]', "training_data"),
        ('training_data = "none"', "training_data"),
        ("training_data = [[]]", "training_data"),
        ("revenue_usd = -1", "revenue_usd"),
        ("revenue_usd = true", "revenue_usd"),
        ("pinned = 1", "pinned"),
        ('network = "always"', "network"),
        ("approvals = 3", "approvals"),
        ("[[approvals]]\ncard = 'c'", "approvals[0].card_sha256"),
        ("[[approvals]]\ncard = 'c'\ncard_sha256 = 'abc'", "approvals[0].card_sha256"),
        (f"[[approvals]]\ncard = 'c'\ncard_sha256 = '{'0' * 64}'\nby = 'J'\non = 'soon'", "approvals[0].on"),
        (f"[[approvals]]\ncard = 'c'\ncard_sha256 = '{'0' * 64}'\nby = 'J'\nsince = 3", "approvals[0].since"),
    ],
)
def test_what_is_no_rule_is_an_error(text: str, field: str, tmp_path: Path) -> None:
    path = put(tmp_path, "studio.toml", text + "\n")
    with pytest.raises(PolicyFileError) as caught:
        load_policy(root=tmp_path)
    assert (caught.value.record.field, caught.value.record.path) == (field, str(path))


@pytest.mark.parametrize("text", ["[", "a = 1\na = 2\n", "\xff", "x" * 5_000_000])
def test_what_is_no_toml_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "studio.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(PolicyFileError):
        load_policy(root=tmp_path)


def test_what_is_there_and_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "studio.toml").mkdir()
    with pytest.raises(PolicyFileError, match="cannot be read"):
        load_policy(root=tmp_path)


@pytest.mark.parametrize("name", ["../s", "a/b", "..", ".hidden", "a\\b", "a\0b", "x" * 300])
def test_a_name_that_is_no_folder_is_refused_where_there_are_shows(name: str, tmp_path: Path) -> None:
    assert load_policy(root=tmp_path, show=name).name == "default"
    put(tmp_path, "shows/s/show.toml")
    with pytest.raises(PolicyFileError) as caught:
        load_policy(root=tmp_path, show=name)
    assert caught.value.record.field == "labels.show"


def test_names_are_compared_without_case(tmp_path: Path) -> None:
    put(tmp_path, "shows/Große Show/show.toml", "consent = true\n")
    assert load_policy(root=tmp_path, show="GROSSE SHOW ").rules.consent
    put(tmp_path, "shows/große show/show.toml")
    with pytest.raises(PolicyFileError, match="differ in case or spelling only"):
        load_policy(root=tmp_path, show="große show")


def test_an_accent_is_the_same_however_unicode_spells_it(tmp_path: Path) -> None:
    put(tmp_path, "shows/Re\u0301veil/show.toml", "consent = true\n")
    assert load_policy(root=tmp_path, show="R\u00c9VEIL").rules.consent


def test_approvals_belong_to_their_level(tmp_path: Path) -> None:
    text = f"[[approvals]]\ncard = 'c'\ncard_sha256 = '{'0' * 64}'\nby = 'J'\non = 2026-01-01\nallows = ['licence']\n"
    put(tmp_path, "studio.toml", text)
    put(tmp_path, "shows/s/show.toml", text)
    put(tmp_path, "shows/t/show.toml")
    assert [item.level for item in load_policy(root=tmp_path, show="s").approvals] == ["studio", "show"]
    assert [item.level for item in load_policy(root=tmp_path, show="t").approvals] == ["studio"]
    put(tmp_path, "studio.toml", 'may_approve = ["studio"]\n' + text)
    with pytest.raises(PolicyFileError, match="a show may not approve anything"):
        load_policy(root=tmp_path, show="s")


def test_the_root_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OVERSCAN_HOME", str(tmp_path))
    monkeypatch.delenv("OVERSCAN_POLICY_ROOT", raising=False)
    assert policy_root() == tmp_path / "policies"
    named = tmp_path / "studio"
    monkeypatch.setenv("OVERSCAN_POLICY_ROOT", str(named))
    with pytest.raises(PolicyFileError, match="is not there"):  # a disk that is not mounted lets nothing in
        policy_root()
    named.mkdir()
    assert policy_root() == named
