"""`overscan report` on jobs that a real service ran."""

from __future__ import annotations

import csv
from pathlib import Path

from command_line import Cli, share_kernels


def test_a_show_is_reported_on(own_cli: Cli, tmp_path: Path) -> None:
    cli = own_cli
    share_kernels(cli.home)
    plate = Cli.write_frames(tmp_path / "plate", width=48, height=32)
    empty = cli("report", "alpha")
    assert empty.code == 2
    assert "no receipts yet" in empty.err
    assert "[REPORT]" in empty.err
    for shot in ("010", "020"):
        (tmp_path / shot).mkdir()
        out = ("-o", str(tmp_path / shot / "o.%04d.exr"))
        made = cli(
            "extend", str(plate), "--format", "64x32", "--set", "fill=smooth", "--show", "alpha", "--shot", shot, *out
        )
        assert made.code == 0, made.err
    stated = cli(
        "rights", "state", "performer", "no", "--by", "Kim", "--evidence", "Nobody is in it.", "--show", "alpha"
    )
    assert "stated for alpha: performer: no, by Kim" in stated.out
    result = cli("report", "alpha", "--html", "pages", "--csv", "table.csv")
    assert result.code == 0, result.err
    assert "Is a performer replaced? No, as stated." in result.out
    assert "Is it run in a secured environment? Unknown." in result.out
    assert f"Written: {tmp_path / 'pages' / 'index.html'}" in result.out
    assert "alpha 020" in (tmp_path / "pages" / "index.html").read_text(encoding="utf-8")
    with (tmp_path / "table.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["shot"], row["engine"], row["decision"]) for row in rows] == [
        ("010", "plate", "allowed"),
        ("020", "plate", "allowed"),
    ]
    assert all(abs(float(row["plate"]) - 0.75) < 1e-6 for row in rows), "48 of 64 columns are the plate's"
    facts = cli("report", "alpha/010", "--json")
    assert facts.summary["jobs"] == 1
    (line,) = [line for line in facts.lines if line["type"] == "report"]
    assert line["kind"] == "shot"
    assert line["warnings"] == []
    refused = cli("report", "alpha", "--html", str(tmp_path / "plate"))
    assert refused.code == 2
    assert "not empty" in refused.err
