"""The kinds of Overscan nodes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What one kind of node is called and connects to."""

    name: str
    """Also the task of its jobs."""
    title: str
    """In menus and on the panel."""
    inputs: tuple[str, ...]
    """Names of the inputs, by number. New ones are only ever added at the end: scripts store the numbers."""

    @property
    def class_name(self) -> str:
        """Beginning of the names of its nodes, e.g. ``Extend``."""
        return self.name.capitalize()


_KINDS = (
    Kind("extend", "Overscan Extend", ("plate", "movers", "references", "camera")),
    Kind("inpaint", "Overscan Inpaint", ("plate", "matte", "movers", "references", "camera")),
    Kind("continue", "Overscan Continue", ("plate", "movers", "references", "camera")),
    Kind("interpolate", "Overscan Interpolate", ("plate", "movers", "references", "camera")),
    Kind("generate", "Overscan Generate", ("references", "camera")),
)

KINDS: tuple[str, ...] = tuple(kind.name for kind in _KINDS)


def kind_named(name: str) -> Kind:
    """The kind; KeyError for an unknown name."""
    return {kind.name: kind for kind in _KINDS}[name]
