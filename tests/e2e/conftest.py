"""The whole of Overscan as a user runs it: commands, service, workers, the `plate` engine, files on real disks."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from command_line import Cli, share_kernels
from extending import OPTIONS
from pictures import write_pan


@pytest.fixture
def new_cli(tmp_path: Path) -> Iterator[Callable[..., Cli]]:
    """Makes command lines, each with a home of its own unless told; their services end with the test."""
    with ExitStack() as ends:

        def make(*, home: Path | None = None, **variables: str) -> Cli:
            if home is None:
                # Short, as Unix sockets want it.
                home = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="oe-"))) / "home"
            share_kernels(home)
            command = Cli(home=home, cwd=tmp_path, environment={"OVERSCAN_IDLE_EXIT": "60", **variables})
            ends.callback(command.stop_service)
            return command

        yield make


@pytest.fixture
def cli(new_cli: Callable[..., Cli]) -> Cli:
    """A command line with a home of its own."""
    return new_cli()


@pytest.fixture(scope="session")
def panning_plate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Pattern of a plate of 18 frames, 128x72, that pans by 5 samples a frame; NaN, Inf and negatives in it."""
    return write_pan(tmp_path_factory.mktemp("pan"), frames=range(1001, 1019), width=128, height=72, step=5)


@pytest.fixture(scope="session")
def whole(panning_plate: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the extended plate, rendered in one go by a service of its own."""
    folder = tmp_path_factory.mktemp("whole")
    with tempfile.TemporaryDirectory(prefix="oe-") as home:
        command = Cli(home=Path(home) / "home", cwd=folder, environment={"OVERSCAN_IDLE_EXIT": "60"})
        share_kernels(command.home)
        try:
            done = command("extend", panning_plate, "-o", "out.%04d.exr", *OPTIONS)
        finally:
            command.stop_service()
    assert done.code == 0, done.err
    return folder
