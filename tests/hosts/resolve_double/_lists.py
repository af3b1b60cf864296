"""The lists in data/*.txt: `#` is a remark, a line without a leading space a heading, the others are what it holds."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent / "data"


def sections(name: str) -> list[tuple[str, list[str]]]:
    """Headings and their lines, in order."""
    found: list[tuple[str, list[str]]] = []
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith(" "):
            found[-1][1].append(line.strip())
        else:
            found.append((line, []))
    return found


def words(name: str) -> dict[str, set[str]]:
    """Headings and the words of their lines."""
    return {heading: {word for line in lines for word in line.split()} for heading, lines in sections(name)}
