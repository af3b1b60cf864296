"""docs/errors.md has every error and warning that the sources know, and no other, and says of each what is so."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import grpc
import pytest

from overscan.cli._exit import exit_code_of
from overscan.core.errors import ErrorRecord
from overscan.service._errors import status_code
from overscan_host.exit_codes import exit_code

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"[A-Z]+(?:_[A-Z]+)*")


@dataclass(frozen=True)
class Row:
    """A row of the table of errors."""

    code: str
    cause: str
    cure: str
    status: str
    exit: str


def section(name: str) -> str:
    """The text of a section."""
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    return text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def documented(name: str) -> set[str]:
    """Codes in the first column of a section's table."""
    return set(re.findall(r"^\| `([A-Z_]+)` \|", section(name), re.MULTILINE))


def rows() -> list[Row]:
    """The table of errors; a line that is no row of five cells fails the test."""
    lines = [line for line in section("Codes").splitlines() if line.startswith("| `")]
    return [
        Row(*(cell.strip(" `") if not n else cell.strip() for n, cell in enumerate(cells)))
        for cells in map(_cells, lines)
    ]


def _cells(line: str) -> list[str]:
    return re.split(r"(?<!\\)\|", line)[1:-1]


@cache
def trees(*folders: str) -> tuple[ast.AST, ...]:
    """The syntax trees of all sources in folders."""
    sources = [source for folder in folders for source in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(ast.parse(source.read_text(encoding="utf-8"), filename=str(source)) for source in sources)


def codes_in(node: ast.AST | None) -> set[str]:
    """Text in an expression that looks like a code: the two branches of a condition count both."""
    constants = (inner.value for inner in ast.walk(node or ast.Tuple(elts=[])) if isinstance(inner, ast.Constant))
    return {value for value in constants if isinstance(value, str) and CODE.fullmatch(value)}


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@cache
def raised(*folders: str) -> tuple[set[str], set[str]]:
    """Codes of errors and of notices that the sources make."""
    errors: set[str] = set()
    notices: set[str] = set()
    for tree in trees(*folders):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for line in node.body:
                    if isinstance(line, ast.Assign) and any(getattr(name, "id", "") == "code" for name in line.targets):
                        errors |= codes_in(line.value)
            elif isinstance(node, ast.Call):
                found = notices if called(node) == "Notice" else errors
                for keyword in node.keywords:
                    if keyword.arg == "code":
                        found |= codes_in(keyword.value)
                if called(node) == "make_problem" and node.args:
                    errors |= codes_in(node.args[0])
    return errors, notices


def test_every_error_that_is_raised_is_documented() -> None:
    errors, _ = raised("core", "service", "plugins")
    assert {"MISSING_FRAMES", "OUT_OF_MEMORY", "STEP_FAILED", "WORKER_LOST", "JOB_FILE"} <= errors
    assert errors <= documented("Codes")


def test_every_warning_that_is_given_is_documented_and_no_other() -> None:
    _, notices = raised("core", "service", "plugins")
    assert "COLOUR_SPACE_ASSUMED" in notices
    assert notices == documented("Warnings")


def test_no_documented_error_is_unknown_to_the_sources() -> None:
    known = {code for tree in trees("core", "service", "plugins") for code in codes_in(tree)}
    assert documented("Codes") <= known


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.code)
def test_every_row_has_cause_cure_status_and_exit_code_as_they_are(row: Row) -> None:
    assert len(row.cause.split()) >= 3, "says too little of the cause"
    assert len(row.cure.split()) >= 3 or row.cure.startswith("`"), "says too little of what to do"
    assert row.exit == str(int(exit_code_of(row.code)))
    assert row.exit == str(exit_code(row.code)), "the hosts' table says otherwise"
    errors, _ = raised("core", "service")
    if row.code in errors:
        assert row.status == status_code(ErrorRecord(code=row.code, message="")).name
    else:
        assert row.status == "–", "the service never sends it"


def test_no_error_stands_in_the_table_twice() -> None:
    codes = [row.code for row in rows()]
    assert len(codes) == len(set(codes)) > 40


def test_every_status_that_the_service_sets_is_of_an_error_it_has() -> None:
    from overscan.service import _errors

    errors, _ = raised("core", "service")
    assert set(_errors._STATUS) <= errors
    assert all(isinstance(status, grpc.StatusCode) for status in _errors._STATUS.values())


def test_every_warning_says_more_than_its_name() -> None:
    for line in section("Warnings").splitlines():
        if line.startswith("| `"):
            code, text = _cells(line)
            assert len(text.split()) >= 6, code


def test_errors_that_are_made_otherwise_are_gathered_too() -> None:
    """The gathering reads class attributes and literal `code=`: an error class that hides its code is a hole in it."""
    for tree in trees("core", "service", "plugins"):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any(
                getattr(base, "id", "") == "OverscanError" for base in node.bases
            ):
                own = [
                    line
                    for line in node.body
                    if isinstance(line, ast.Assign) and any(getattr(name, "id", "") == "code" for name in line.targets)
                ]
                assert own, f"{node.name} has no code of its own"
