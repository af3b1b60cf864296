"""Overscan inside Nuke: nodes that extend, clean, continue and retime plates. Standard library and `nuke` alone.

This package is loaded by ``init.py`` of the folder that `overscan install nuke` lays down, and by the buttons of the
nodes. `nuke` is imported when something is done, so that the preferences can be read without it.
"""

from __future__ import annotations

from typing import Any

from overscan_nuke._kinds import KINDS

__all__ = ["KINDS", "create", "press", "register"]


def register() -> None:
    """Have Nuke tell Overscan of scripts and nodes that come and go; safe to call again."""
    from overscan_nuke._callbacks import register

    register()


def create(kind: str) -> Any:
    """Make an Overscan node (`kind` is one of `KINDS`), connected to the selected node; returns it."""
    from overscan_nuke._results import create

    return create(kind)


def press(action: str, node: Any) -> None:
    """What the buttons in a node do: ``plan``, ``generate``, ``cancel`` or ``retry``. Returns at once."""
    from overscan_nuke._buttons import press

    press(action, node)
