"""OpenEXR as far as the self-check needs it."""

from __future__ import annotations

from overscan_host.exr import FLOAT, HALF, ExrError, Picture, read, write

__all__ = ["FLOAT", "HALF", "ExrError", "Picture", "read", "write"]
