"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

# Before anything imports numba: all tests, and the processes they start, share what was compiled.
os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".pytest_cache" / "numba"))

# Tests of full disks that stay full must not wait two minutes for room.
os.environ.setdefault("OVERSCAN_RETRY_SECONDS", "1")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several tests run at once: libraries that start a thread for every core in each of them wait for each other. That
    # kernels give the same bits in one thread and in two has a test of its own (test_engine_same_bits).
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")

# What importing all tests makes, a model library among it, stays: to look through it each time for what nobody needs
# any more would take a third of a second.
gc.disable()


def pytest_collection_finish() -> None:
    """From now on, clear away what tests leave, and that alone."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Clear away the rest at the end, or OpenImageIO calls it leaked."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The team's test plates, which a user's clone does not have."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the team's test plates in {folder}")
    return folder


@pytest.fixture
def small_disk() -> Iterator[Callable[..., Path]]:
    """Makes file systems of a few MB, for root on Linux; `again` changes the size of one, or makes it read-only."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs root on Linux, to mount file systems")
    with ExitStack() as ends:

        def mount(options: str, *, again: Path | None = None) -> Path:
            where = again or Path(tempfile.mkdtemp(prefix="od-"))
            how = f"remount,{options}" if again else options
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(where)], capture_output=True, text=True, check=False
            )
            if again is None:
                ends.callback(where.rmdir)
                if done.returncode == 0:
                    ends.callback(subprocess.run, ["umount", "--lazy", str(where)], check=True)
            if done.returncode != 0:
                pytest.skip(f"may not mount file systems here: {done.stderr.strip()}")
            return where

        yield mount
