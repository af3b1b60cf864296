"""Fixtures that every folder of tests shares."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The team's test plates, which a user's clone does not have."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the team's test plates in {folder}")
    return folder
