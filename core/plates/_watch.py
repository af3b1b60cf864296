"""Lets whoever runs a step look at every file that is read for it, before and after."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol


class ReadWatch(Protocol):
    """Hears of every reading of an image in this process, from any thread."""

    def reading(self, path: Path, *, pixels: bool) -> AbstractContextManager[None]:
        """Entered before a file is read and left afterwards; may raise either time. `pixels`: more than its header."""


_watch: ReadWatch | None = None


def watch_reads(watch: ReadWatch | None) -> None:
    """Have `watch` hear of all readings of this process from now on, and no other; None has nobody hear of them.

    There is no end to it, for engines read ahead in threads of their own.
    """
    global _watch
    _watch = watch


def reading(path: Path, *, pixels: bool) -> AbstractContextManager[None]:
    """Tell the watch, if any."""
    watch = _watch
    return nullcontext() if watch is None else watch.reading(path, pixels=pixels)
