"""docs/controls.md says of every engine what it takes: the table is compared with the engines' cards."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from overscan.v1.controls_pb2 import Controls

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "controls.md").read_text(encoding="utf-8")
_ENTRY = re.compile(r'^([\w.-]+) = "(overscan\.core\.engines[\w.]+):(\w+)"$', re.MULTILINE)
_TOLD_ONCE = {"parameters", "seed"}
"""Controls that every engine takes."""


def engines() -> dict[str, SimpleNamespace]:
    """Cards by name, of the engines of this repository, whatever is installed."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = {}
    for name, module, attribute in _ENTRY.findall(text):
        engine = getattr(importlib.import_module(module), attribute)()
        family = getattr(engine, "family", None)
        card = getattr(family, "card", None)
        found[name] = SimpleNamespace(
            controls=set(engine.card.controls) - _TOLD_ONCE,
            passes={kind.value for kind in card.passes} if card else set(),
            references={kind.value for kind in card.references} if card else set(),
        )
    return found


def table() -> tuple[list[str], dict[str, list[str]]]:
    """Engines of the heading, and the cells of each row by its first."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")
    ]
    start = next(at for at, cells in enumerate(lines) if cells[0] == "control")
    rows: dict[str, list[str]] = {}
    for cells in lines[start + 2 :]:
        if len(cells) != len(lines[start]):
            break
        rows[cells[0].strip("`")] = cells[1:]
    return [name.strip("`") for name in lines[start][1:]], rows


def test_every_engine_has_a_column_and_every_control_a_row() -> None:
    names, rows = table()
    assert names == list(engines())
    assert set(rows) == {field.name for field in Controls.DESCRIPTOR.fields} - _TOLD_ONCE


@pytest.mark.parametrize("name", list(engines()))
def test_the_table_says_what_the_card_says(name: str) -> None:
    names, rows = table()
    card = engines()[name]
    cells = {control: row[names.index(name)] for control, row in rows.items()}
    assert {control for control, cell in cells.items() if cell} == card.controls
    kinds = card.passes - {"camera", "tracks"}
    assert set(filter(None, re.split(r",\s*", cells["passes"]))) == (kinds if "passes" in card.controls else set())
    assert set(filter(None, re.split(r",\s*", cells["references"]))) == card.references


def test_every_option_of_the_page_is_told_of_with_its_field() -> None:
    fields = {f"controls.{field.name}" for field in Controls.DESCRIPTOR.fields} - {"controls.parameters"}
    assert {field for field in fields if f"`{field}`" not in PAGE} == set()
