"""Puts `benchmarks/` on the path, as its scripts find each other, and `filming`."""

from __future__ import annotations

import sys
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS.parent / "benchmarks"), str(_TESTS / "core")]
