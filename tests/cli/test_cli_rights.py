"""`overscan rights`, and the jobs that the ledger lets in or not, by real commands and a real service."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Cli, share_kernels

ENTER = ("rights", "add", "wall", "--by", "Kim", "--author", "Jane Roe", "--licence", "CC-BY-4.0")


@pytest.fixture
def cli(own_cli: Cli) -> Iterator[Cli]:
    share_kernels(own_cli.home)
    return own_cli


def test_an_asset_is_entered_changed_revoked_and_restored(cli: Cli, tmp_path: Path) -> None:
    Cli.write_frames(tmp_path / "stock", name="wall")
    entered = cli(*ENTER, "stock/wall.%04d.exr", "--person", "A. Person")
    assert entered.code == 0, entered.err
    assert "4 files: not cleared" in entered.out
    assert "shows A. Person, and no consent is on record" in entered.out
    update = ("rights", "add", "wall", "--update", "--by", "Kim")
    given = cli(
        *update, "--consent", "given", "--consent-evidence", "release 7", "--expires", "2999-01-01", "--show", "a"
    )
    assert given.code == 0, given.err
    assert "wall, reference by Jane Roe, CC-BY-4.0, 4 files: cleared for a until 2999-01-01" in given.out
    revoked = cli("rights", "revoke", "wall", "--by", "Kim", "--reason", "withdrawn", "--json")
    assert revoked.code == 0
    assert revoked.summary["cleared"] is False
    listed = cli("rights", "list", "--json")
    (line,) = [line for line in listed.lines if line["type"] == "asset"]
    assert line["revocation"]["reason"] == "withdrawn"
    assert len(line["files"]) == 4
    assert (listed.summary["count"], listed.summary["cleared"]) == (1, 0)
    restored = cli("rights", "revoke", "wall", "--undo", "--by", "Kim", "--reason", "another wall")
    assert "Restored: wall" in restored.out
    assert "cleared for a until" in cli("rights", "list").out
    everywhere = cli(*update, "--show", "")
    assert "cleared until 2999-01-01" in everywhere.out


def test_what_is_wrong_is_said(cli: Cli, tmp_path: Path) -> None:
    Cli.write_frames(tmp_path, name="wall")
    for arguments, code, says in (
        ((*ENTER, "gone.%04d.exr"), 3, "[MISSING_FRAMES]"),
        (ENTER, 8, "needs its files"),
        ((*ENTER, "wall.%04d.exr", "--expires", "soon"), 8, "'soon' is no day"),
        (("rights", "revoke", "other", "--by", "Kim", "--reason", "x"), 8, "no asset 'other'"),
        (("rights", "trace", "other"), 8, "[LEDGER]"),
        (("rights", "add", "wall", "--update", "--by", "Kim", "wall.%04d.exr"), 8, "'author' is missing"),
        (("rights", "state", "temporary", "yes", "--by", "K", "--evidence", "e"), 2, "temporary"),
    ):
        result = cli(*arguments)
        assert (result.code, says in result.err) == (code, True), (arguments, result.err)
    assert "There is no asset" in cli("rights", "list").out


def test_jobs_with_revoked_assets_are_refused_and_what_was_made_is_traced(cli: Cli, tmp_path: Path) -> None:
    plate = Cli.write_frames(tmp_path / "plate", width=64, height=48)
    Cli.write_frames(tmp_path / "stock", name="wall", frames=[1], width=64, height=48)
    wall = tmp_path / "stock" / "wall.0001.exr"
    assert cli(*ENTER, str(wall)).code == 0
    job = ("extend", str(plate), "--format", "80x48", "--show", "alpha", "--shot", "010", "--set", "fill=smooth")
    out = ("-o", str(tmp_path / "out" / "o.%04d.exr"))
    (tmp_path / "out").mkdir()
    made = cli(*job, "--clean-plate", str(wall), *out)
    assert made.code == 0, made.err
    (receipt,) = (cli.home / "receipts").glob("*.json")
    assert json.loads(receipt.read_text())["assets"] == ["wall"]
    assert cli("rights", "revoke", "wall", "--by", "Kim", "--reason", "withdrawn").code == 0
    renamed = tmp_path / "innocent.exr"
    wall.rename(renamed)
    refused = cli(*job, "--clean-plate", str(renamed), "--dry-run", *out, "--overwrite")
    assert refused.code == 8, refused.err
    assert "The asset 'wall' (of Jane Roe) was revoked on" in refused.err
    assert "by Kim: withdrawn." in refused.err
    assert "[POLICY]" in refused.err
    assert cli(*job, "--clean-plate", str(renamed), "--detach", *out, "--overwrite").code == 8
    assert cli(*job, "--dry-run", *out, "--overwrite").code == 0, "without it the job may run"
    traced = cli("rights", "trace", "wall")
    assert "alpha 010: extend, temp" in traced.out
    assert "4 frames of 4 (1001-1004), 4 still there" in traced.out
    assert "To be made again without it: 4 frames of 1 job." in traced.out
    facts = cli("rights", "trace", "wall", "--json")
    assert (facts.summary["jobs"], facts.summary["frames"], facts.summary["cleared"]) == (1, 4, False)

    policies = cli.home / "policies"
    policies.mkdir()
    (policies / "studio.toml").write_text("registered_assets = true\n")
    other = Cli.write_frames(tmp_path / "stock", name="new", frames=[1], width=64, height=48)
    unknown = cli(*job, "--clean-plate", str(other), "--dry-run", *out, "--overwrite")
    assert unknown.code == 8
    assert "is in no ledger" in unknown.err

    with sqlite3.connect(cli.home / "ledger.sqlite") as connection:
        connection.execute("UPDATE entries SET entry = replace(entry, 'withdrawn', 'never mind')")
    broken = cli(*job, "--dry-run", *out, "--overwrite")
    assert broken.code == 8
    assert "the clearance ledger was changed outside Overscan" in broken.err
