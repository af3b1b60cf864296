"""The ledger keeps what it was told, says what was changed behind its back, and takes nothing that says too little."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from overscan.core.ledger import (
    Answer,
    Asset,
    AssetFile,
    AssetKind,
    Consent,
    Ledger,
    LedgerError,
    Question,
    Revocation,
    Statement,
    asset_ids,
    ledger_path,
    read_ledger,
)

FILE = AssetFile(path="/stock/wall.exr", bytes=10, sha256="1" * 64)
ASSET = Asset(
    id="wall-1",
    kind=AssetKind.REFERENCE,
    author="Jane Roe",
    licence="CC-BY-4.0",
    people=("A. Person", "B. Person"),
    consent=Consent.GIVEN,
    consent_evidence="release 7",
    shows=("alpha",),
    uses=("temp",),
    files=(FILE,),
    entered_by="Kim",
    entered_on="2026-11-01",
)
REVOCATION = Revocation(by="Kim", on="2026-11-20", reason="withdrawn by its author")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(home=tmp_path)
    ledger.enter(ASSET)
    return ledger


def test_there_is_nothing_where_there_is_no_ledger(tmp_path: Path) -> None:
    assert not read_ledger(home=tmp_path).assets
    assert asset_ids(sha256s=["1" * 64], home=tmp_path) == ()
    assert not ledger_path(home=tmp_path).exists(), "reading makes no file"


def test_an_asset_comes_back_as_it_was_entered(ledger: Ledger, tmp_path: Path) -> None:
    assert read_ledger(home=tmp_path).assets == {"wall-1": ASSET}
    assert asset_ids(sha256s=["1" * 64, "2" * 64], home=tmp_path) == ("wall-1",)


def test_an_update_changes_facts_and_keeps_older_files(ledger: Ledger, tmp_path: Path) -> None:
    newer = AssetFile(path="/stock/wall.exr", bytes=11, sha256="2" * 64)
    ledger.revoke("wall-1", revocation=REVOCATION)
    changed = replace(ASSET, licence="CC0-1.0", files=(newer,), entered_by="Lee", entered_on="2026-11-21")
    found = ledger.enter(changed, update=True)
    assert found.licence == "CC0-1.0"
    assert found.files == (FILE, newer)
    assert found.entered_on == "2026-11-01"
    assert found.revocation == REVOCATION, "an update clears nobody"
    assert asset_ids(sha256s=["1" * 64], home=tmp_path) == ("wall-1",)


def test_a_revocation_is_taken_back_and_both_stay_on_record(ledger: Ledger, tmp_path: Path) -> None:
    ledger.revoke("wall-1", revocation=REVOCATION)
    assert read_ledger(home=tmp_path).assets["wall-1"].revocation == REVOCATION
    ledger.restore("wall-1", by="Kim", on="2026-11-22", reason="it was another one")
    assert read_ledger(home=tmp_path).assets["wall-1"].revocation is None
    with sqlite3.connect(ledger_path(home=tmp_path)) as connection:
        entries = [row[0] for row in connection.execute("SELECT entry FROM entries ORDER BY number")]
    assert len(entries) == 3
    assert "withdrawn by its author" in entries[1]
    with pytest.raises(LedgerError, match="is not revoked"):
        ledger.restore("wall-1", by="Kim", on="2026-11-22", reason="again")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "../wall"}, "id"),
        ({"id": ""}, "id"),
        ({"author": " "}, "author"),
        ({"licence": ""}, "licence"),
        ({"entered_by": ""}, "entered_by"),
        ({"consent_evidence": ""}, "consent_evidence"),
    ],
)
def test_what_says_too_little_is_not_entered(change: dict[str, str], field: str, tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as caught:
        Ledger(home=tmp_path).enter(replace(ASSET, **change))
    assert caught.value.record.field == field
    assert not read_ledger(home=tmp_path).assets


def test_an_asset_is_entered_once_and_only_known_ones_change(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="already"):
        ledger.enter(ASSET)
    with pytest.raises(LedgerError, match="no asset 'other'"):
        ledger.enter(replace(ASSET, id="other"), update=True)
    with pytest.raises(LedgerError, match="no asset 'other'"):
        ledger.revoke("other", revocation=REVOCATION)
    with pytest.raises(LedgerError):
        ledger.revoke("wall-1", revocation=replace(REVOCATION, reason=""))
    assert read_ledger(home=tmp_path).assets == {"wall-1": ASSET}


def test_statements_need_a_name_and_evidence(ledger: Ledger, tmp_path: Path) -> None:
    statement = Statement(
        question=Question.SECURED, answer=Answer.YES, by="Kim", on="2026-11-20", evidence="audit 7", show="alpha"
    )
    ledger.state(statement)
    for wrong in ({"by": ""}, {"evidence": " "}, {"show": "", "shot": "010"}):
        with pytest.raises(LedgerError):
            ledger.state(replace(statement, **wrong))
    assert read_ledger(home=tmp_path).statements == (statement,)


def test_a_flipped_bit_is_found_wherever_it_is_and_no_entry_is_added(ledger: Ledger, tmp_path: Path) -> None:
    ledger.revoke("wall-1", revocation=REVOCATION)
    path = ledger_path(home=tmp_path)
    sound = path.read_bytes()
    for word in (b"CC-BY-4.0", b"Jane Roe", b"2026-11-20"):
        at = sound.index(word)
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        with pytest.raises(LedgerError, match=r"changed outside Overscan, or is damaged, at entry [12]") as caught:
            read_ledger(home=tmp_path)
        assert caught.value.record.path == str(path)
        with pytest.raises(LedgerError):
            ledger.revoke("wall-1", revocation=REVOCATION)
    path.write_bytes(sound)
    assert read_ledger(home=tmp_path).assets["wall-1"].revocation == REVOCATION


def test_an_entry_that_was_taken_out_is_missed(ledger: Ledger, tmp_path: Path) -> None:
    ledger.revoke("wall-1", revocation=REVOCATION)
    ledger.enter(replace(ASSET, id="wall-2"))
    with sqlite3.connect(ledger_path(home=tmp_path)) as connection:
        connection.execute("DELETE FROM entries WHERE number = 2")
    with pytest.raises(LedgerError, match="at entry 2"):
        read_ledger(home=tmp_path)


def test_what_is_no_ledger_is_an_error(tmp_path: Path) -> None:
    ledger_path(home=tmp_path).write_bytes(b"no database at all" * 100)
    with pytest.raises(LedgerError, match="cannot be read"):
        read_ledger(home=tmp_path)


WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from overscan.core.ledger import Asset, AssetKind, Ledger
asset = Asset(id="x", kind=AssetKind.OTHER, author="A", licence="CC0-1.0", entered_by="K")
for number in range(8):
    Ledger(home=Path(sys.argv[1])).enter(replace(asset, id=f"{sys.argv[2]}-{number}"))
"""


def test_processes_that_enter_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name]) for name in "abc"]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    assert len(read_ledger(home=tmp_path).assets) == 24
