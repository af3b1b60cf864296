"""What a step takes less of where it ran out of memory."""

from __future__ import annotations


def spared(amount: int, *, frugal: int, least: int = 1) -> int:
    """`amount` of threads, frames or bytes as a step may have it: all, half, or as little as works (`least`).

    `frugal` is the context's. Nothing that goes by this number may change a bit of the result.
    """
    return amount if frugal <= 0 else max(least, amount // 2) if frugal == 1 else least
