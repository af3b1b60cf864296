"""nuke.Undo: what would be undone is recorded in the session; nothing is taken back."""

from __future__ import annotations

from typing import Any

from ._session import current
from ._surface import offered


@offered
class Undo:
    """Undo as a context: `with nuke.Undo():` makes one entry of what happens inside."""

    def __init__(self, *args: Any) -> None:
        self._start = 0

    @classmethod
    def disable(cls) -> None:
        current().undo_disabled += 1

    @classmethod
    def enable(cls) -> None:
        current().undo_disabled = max(0, current().undo_disabled - 1)

    @classmethod
    def disabled(cls) -> bool:
        return current().undo_disabled > 0

    @classmethod
    def begin(cls, name: str = "") -> None:
        current().undo.append(f"begin {name}")

    @classmethod
    def name(cls, name: str) -> None:
        pass

    @classmethod
    def end(cls) -> None:
        _close(len(current().undo))

    @classmethod
    def undoSize(cls) -> int:
        return len(current().undo)

    def __enter__(self) -> Any:
        current().enter("Undo")
        current().undo.append("begin")
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        _close(len(current().undo))


def _close(end: int) -> None:
    """Make one entry of everything since the last begin."""
    undo = current().undo
    for place in range(end - 1, -1, -1):
        if undo[place].startswith("begin"):
            inside = undo[place + 1 :]
            undo[place:] = [f"{undo[place][6:]}: {len(inside)} changes"] if inside else []
            return
