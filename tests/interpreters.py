"""Real Pythons of the versions that hosts have, and tests run in them with nothing installed."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import pytest

VERSIONS = ("3.7", "3.9", "3.10", "3.11", "3.13", "3.14")
"""Those of Nuke 13 to 17 and Resolve, the oldest and the newest supported among them."""

LIMIT_SECONDS = 240


def python(version: str) -> Path:
    """A real interpreter of this version; skips the test where there is none."""
    found = _find(version)
    if found is None:
        pytest.skip(
            f"no Python {version} here: install it (`pyenv install {version}`, or the system's python{version} on PATH)"
        )
    return found


@lru_cache
def _find(version: str) -> Path | None:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True)
    on_path = shutil.which(f"python{version}")
    if on_path:
        candidates.insert(0, Path(on_path))
    for candidate in candidates:
        command = [str(candidate), "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.stdout.strip() == version:  # a shim of pyenv may be there for a version that is not
            return candidate
    return None


def lay_down(folder: Path, *packages: str) -> Path:
    """Copy packages into `folder` as an installed plugin has them, and nothing else."""
    for name in packages:
        source = Path(str(importlib.import_module(name).__file__)).parent
        shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run_unittests(
    version: str,
    *,
    laid_down: Path,
    modules: Sequence[Path],
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    also: Sequence[Path] = (),
) -> str:
    """Run the test files `modules` with `version`, in one process, and return what they said.

    They see the standard library, `laid_down` and `also`: neither an installed package nor anything of this process.
    """
    system = ("PATH", "HOME", "TMPDIR", "TEMP", "SYSTEMROOT", "LANG")
    plain = {name: os.environ[name] for name in system if name in os.environ}
    folders = dict.fromkeys(str(module.parent) for module in modules)
    plain.update(PYTHONPATH=os.pathsep.join([str(laid_down), *folders, *map(str, also)]), PYTHONNOUSERSITE="1")
    plain.update(PYTHONDONTWRITEBYTECODE="1")
    for module in modules:
        assert module.is_file(), module
    command = [str(python(version)), "-W", "error::ResourceWarning", "-m", "unittest", "-v"]
    done = subprocess.run(
        [*command, *(module.stem for module in modules)],
        cwd=cwd,
        env={**plain, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, f"with Python {version}:\n{said}"
    return said
