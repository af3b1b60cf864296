"""A small photographic plate, its truth beyond the frame, a matte, and job files; `README.md` says whose they are.

plate/plate.####.exr    1280x720, half, ACEScg, frames 1001-1032
truth/truth.####.exr    the same camera at 1728x720; the plate is its centre
matte/matte.####.exr    where the eagle is in the plate, soft at the edge
"""

from __future__ import annotations

from pathlib import Path


def folder() -> Path:
    """The folder these files are in."""
    return Path(__file__).resolve().parent
