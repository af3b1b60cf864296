"""What Overscan adds to Nuke when it starts: callbacks in every mode; menus and the panel where there is a window."""

from __future__ import annotations

import nuke
import overscan_nuke
from overscan_nuke._kinds import kind_named

PANEL_ID = "uk.overscan.queue"
"""Stored in saved layouts: never change it."""

_PANEL = "__import__('overscan_nuke.panel', fromlist=['queue_panel']).queue_panel"


def start() -> None:
    """For init.py: have saved scripts come to life, with a window or without."""
    overscan_nuke.register()


def add_menus() -> None:
    """For menu.py: the nodes, the queue and the preferences."""
    nodes = nuke.menu("Nodes").addMenu("Overscan")
    bar = nuke.menu("Nuke").addMenu("Overscan")
    for kind in overscan_nuke.KINDS:
        command = f"import overscan_nuke; overscan_nuke.create({kind!r})"
        for menu in (nodes, bar):
            menu.addCommand(kind_named(kind).title, command)
    bar.addSeparator()
    bar.addCommand("Queue", "from overscan_nuke import panel; panel.show_queue()")
    bar.addCommand("Preferences…", "from overscan_nuke import panel; panel.show_preferences()")
    _register_panel()


def _register_panel() -> None:
    """List the queue among Nuke's panes, for every layout; made only when somebody opens it."""
    import nukescripts  # type: ignore[import-not-found]

    nukescripts.panels.registerWidgetAsPanel(_PANEL, "Overscan", PANEL_ID)
