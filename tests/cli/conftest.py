"""Real commands against a real service with real EXR files, and an engine whose pace the test sets."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Cli, share_kernels

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="session")
def engine_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment in which the grey engine is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copy(PLUGIN / "grey_engine.py", folder)
    info = folder / "grey_engine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: grey-engine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[overscan.engines]\ngrey = grey_engine:GreyEngine\n")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "GREY_MENDED": str(folder / "mended"), "OVERSCAN_IDLE_EXIT": "60"}


@pytest.fixture(scope="session")
def shared_home() -> Iterator[Path]:
    """A home whose service many tests share. Its path is short: Unix sockets want that."""
    with tempfile.TemporaryDirectory(prefix="oc-") as folder:
        home = Path(folder) / "home"
        share_kernels(home)
        yield home
        Cli(home=home, cwd=home).stop_service()


@pytest.fixture
def cli(shared_home: Path, engine_environment: dict[str, str], tmp_path: Path) -> Cli:
    """Commands in the test's own folder, on the shared service."""
    return Cli(home=shared_home, cwd=tmp_path, environment=engine_environment)


@pytest.fixture
def own_cli(engine_environment: dict[str, str], tmp_path: Path) -> Iterator[Cli]:
    """Commands with a home of their own, where no service runs yet."""
    command = Cli(home=tmp_path / "home", cwd=tmp_path, environment=dict(engine_environment))
    yield command
    command.stop_service()


@pytest.fixture
def plate(tmp_path: Path) -> str:
    """A plate of four frames beside the command; its pattern, relative."""
    Cli.write_frames(tmp_path)
    return "plate.%04d.exr"
