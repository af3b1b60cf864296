"""Commands in README and docs are ones that the command line takes, and the quick ones do what is said of them."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from command_line import Cli

from overscan.cli._app import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").glob("*.*"))]
SCRATCH = "/tmp/overscan"
"""Where the README's commands write."""

COMMANDS = typer.main.get_command(app)


def fenced(page: Path) -> list[list[str]]:
    """Arguments of every `overscan` command in a page's shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [called(shlex.split(line, comments=True)) for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words and words[0].rpartition("/")[2] == "overscan"]


def called(words: list[str]) -> list[str]:
    """The command itself, without who runs it, where, and with which variables."""
    for before in (["sudo", "-u", "overscan"], ["podman", "exec", "overscan"]):
        if words[:3] == before:
            words = words[3:]
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    return words


def mentioned(page: Path) -> list[list[str]]:
    """Arguments of every `overscan` command in a page's running text, which may leave some out."""
    found = re.findall(r"`overscan ([a-z-][^`…]*)", page.read_text(encoding="utf-8"))
    return [shlex.split(text.replace("\n", " ")) for text in found]


def command_of(words: list[str]) -> tuple[typer.main.TyperCommand, list[str]]:
    """The command that `words` name, and what is left of them."""
    command, rest = COMMANDS, list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"there is no command '{' '.join(words)}'"
        command = command.commands[rest.pop(0)]
    return command, rest


def test_there_are_commands_to_check() -> None:
    assert len(fenced(ROOT / "README.md")) >= 10
    assert sum(len(mentioned(page)) for page in PAGES) >= 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_are_taken(page: Path) -> None:
    for words in fenced(page):
        command, rest = command_of(words)
        # Parses names, values and what is missing, and runs nothing; raises for what the command line would refuse.
        command.make_context(" ".join(words), rest).close()
    for words in mentioned(page):
        command, rest = command_of(words)
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        unknown = {word for word in rest if word.startswith("-")} - options
        assert not unknown, f"`overscan {' '.join(words)}` has {unknown}"


@pytest.fixture(scope="module")
def cli() -> Iterator[Cli]:
    with tempfile.TemporaryDirectory(prefix="od-") as folder:
        command = Cli(home=Path(folder) / "home", cwd=ROOT, environment={"OVERSCAN_IDLE_EXIT": "60"})
        yield command
        command.stop_service()


def quick(words: list[str]) -> bool:
    return words[0] in ("plan", "doctor", "config") or words == ["jobs", "list"] or "--dry-run" in words


@pytest.mark.parametrize("words", [*filter(quick, fenced(ROOT / "README.md"))], ids=" ".join)
def test_quick_commands_of_the_readme_work(words: list[str], cli: Cli, tmp_path: Path) -> None:
    result = cli(*(word.replace(SCRATCH, str(tmp_path)) for word in words))
    assert result.code == 0, result.err
    if words[0] in ("plan", "extend"):
        assert result.out.startswith("This job can run.")
    assert not list(tmp_path.iterdir()), "it only asked"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text) if page.suffix == ".md" else ():
        assert "://" in link or (page.parent / link).exists(), link


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^make (\S+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert targets == {"demo", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
