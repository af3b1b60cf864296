"""What checking a result finds, item by item."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(str, Enum):
    """What became of an item."""

    INTACT = "intact"
    """It is what the receipt says, byte for byte."""
    RESAVED = "re-saved"
    """Other bytes, the same samples: some tool wrote the frame again."""
    CHANGED = "changed"
    MISSING = "missing"
    UNKNOWN = "unknown"
    """Nothing here tells."""


class Subject(str, Enum):
    """What an item is."""

    RECEIPT = "receipt"
    SIGNATURE = "signature"
    """Of the receipt, or of a frame."""
    CARD = "card"
    POLICY = "policy"
    LOCK = "lock"
    INPUT = "input"
    FRAME = "frame"
    EXTRAS = "extras"
    """The sidecar with a frame's extra layers, or another file beside the frames, e.g. sound."""
    SOURCES = "sources"
    """Whether the source layers tell where copied pixels come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One item, and what became of it."""

    subject: Subject
    state: State
    detail: str
    """In one plain sentence."""
    path: str = ""
    frame: int | None = None
    count: int = 1
    """How many items of the same kind and state it stands for."""

    @property
    def bad(self) -> bool:
        """Whether a result with this finding is not what its receipt says."""
        return self.state in (State.CHANGED, State.MISSING)
