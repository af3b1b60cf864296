"""docs/errors.md has every error and warning that the sources know, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"[A-Z]+(?:_[A-Z]+)*")


def documented(section: str) -> set[str]:
    """Codes in the first column of a section's table."""
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    body = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([A-Z_]+)` \|", body, re.MULTILINE))


def trees(*folders: str) -> Iterator[ast.AST]:
    for folder in folders:
        for source in sorted((ROOT / folder).rglob("*.py")):
            yield ast.parse(source.read_text(encoding="utf-8"), filename=str(source))


def codes_in(node: ast.AST | None) -> set[str]:
    """Text in an expression that looks like a code: the two branches of a condition count both."""
    constants = (inner.value for inner in ast.walk(node or ast.Tuple(elts=[])) if isinstance(inner, ast.Constant))
    return {value for value in constants if isinstance(value, str) and CODE.fullmatch(value)}


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


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
