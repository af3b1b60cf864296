"""One job with its receipt, and copies of it for tests to tamper with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from delivering import FRAMES, Delivered, deliver
from filming import pan

from overscan.core.jobs import Extend, Margins


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    root = tmp_path_factory.mktemp("made")
    plate = pan(root / "p", size=(96, 64), frames=FRAMES)
    return deliver(root, Extend(margins=Margins(left=12, right=12)), plate)


@pytest.fixture
def done(_made: Delivered) -> Delivered:
    """The result as it was delivered, by the paths that its receipt names; whatever a test does to it is undone."""
    kept = _made.root.with_name(f"{_made.root.name}-kept")
    if not kept.exists():
        shutil.copytree(_made.root, kept)
    else:
        shutil.rmtree(_made.root)
        shutil.copytree(kept, _made.root)
    return _made


@pytest.fixture
def flip() -> Callable[[Path, int], None]:
    """Turns over one bit of a file."""

    def one(path: Path, bit: int) -> None:
        data = bytearray(path.read_bytes())
        data[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(data)

    return one
