"""Runs the self-check of an installed plugin in a double of its host, as the host's own Python runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from command_line import Cli, share_kernels
from interpreters import python

HERE = Path(__file__).parent
TRACES = HERE / "traces"
LIMIT_SECONDS = 200

sys.path[:0] = [str(HERE.parents[1])] if str(HERE.parents[1]) not in sys.path else []  # for `tests.hosts`


class Checked:
    """What a self-check left."""

    def __init__(self, folder: Path, code: int, said: str) -> None:
        self.folder, self.code, self.said = folder / "report", code, said
        self.report = json.loads((self.folder / "report.json").read_text())
        self.traces = [json.loads(line) for line in (self.folder / "traces.jsonl").read_text().splitlines()]

    @property
    def state(self) -> dict:
        """What it left changed in the host, where the double says so."""
        return json.loads((self.folder.parent / "state.json").read_text())


class Runs(dict):
    """Self-checks by a name of what they run in, each made when it is first asked for."""

    def __init__(self, run: Callable[[str], Checked]) -> None:
        super().__init__()
        self._run = run

    def __missing__(self, name: str) -> Checked:
        self[name] = self._run(name)
        return self[name]


@contextmanager
def short_home() -> Iterator[Path]:
    """A home whose service all self-checks of a file share. Its path is short: Unix sockets want that."""
    with tempfile.TemporaryDirectory(prefix="os-") as folder:
        home = Path(folder) / "home"
        share_kernels(home)
        yield home
        Cli(home=home, cwd=home).stop_service()


def selfcheck(
    plugin: str,
    *,
    version: str,
    script: str,
    words: Sequence[str],
    home: Path,
    folder: Path,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Checked:
    """Install `plugin` into `folder`, and run its self-check by a Python `version`.

    `script` starts the double, with `words` before the self-check's path; `options` are more of ``overscan install``.
    """
    interpreter = python(version)
    command = Cli(home=home, cwd=folder, environment={"HOME": str(folder), "OVERSCAN_COMMAND": ""})
    installed = command("install", plugin, "--into", "plugin", *options)
    assert installed.code == 0, installed.err
    before = _files(folder / "plugin")
    checks = folder / "plugin" / "python" / f"overscan_{plugin}" / "_selfcheck.py"
    done = subprocess.run(
        [str(interpreter), str(HERE / script), *words, str(checks), "--into", str(folder / "report")],
        cwd=folder,
        # A host's environment, which must not reach the bridge.
        env={
            **os.environ, "OVERSCAN_HOME": str(home), "OVERSCAN_IDLE_EXIT": "60", "HOME": str(folder),
            "OVERSCAN_PICTURE_PYTHON": sys.executable, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1",
            **(environment or {}),
        },
        capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False,
    )  # fmt: skip
    assert (folder / "report" / "report.json").exists(), f"{done.stdout}\n{done.stderr}"
    assert _files(folder / "plugin") == before, "nothing is ever written into the plugin's folder"
    return Checked(folder, done.returncode, done.stdout + done.stderr)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
