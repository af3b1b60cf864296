"""The queue panel and the preferences page. Only these functions load Qt; Nuke without a window never does."""

from __future__ import annotations

from typing import Any

_windows: dict[str, Any] = {}
"""Qt deletes windows that nobody holds."""


class _SessionBridge:
    """The bridge of this Nuke whenever it is needed, so that a panel that opens without one can say why."""

    def call(self, method: str, params: Any, *, on_result: Any, on_error: Any) -> None:
        from overscan_host import BridgeError
        from overscan_nuke import _session

        try:
            bridge = _session.bridge()
        except BridgeError as error:
            on_error(error)
        else:
            bridge.call(method, params, on_result=on_result, on_error=on_error)

    def watch(self, job_id: str, **what: Any) -> Any:
        from overscan_nuke import _session

        return _session.bridge().watch(job_id, **what)


def queue_panel() -> Any:
    """The panel, a QWidget, on the bridge and the graph of this Nuke: for a pane."""
    from overscan_nuke import _results
    from overscan_nuke._preferences import user_name
    from overscan_nuke.panel._queue import QueuePanel

    panel = QueuePanel(
        bridge=_SessionBridge(),
        artist=user_name(),
        open_result=_results.open_result,
        open_preferences=show_preferences,
    )
    panel.destroyed.connect(panel.board.close)
    return panel


def show_queue() -> None:
    """Open the queue in a pane beside the properties, as Nuke's own panels open."""
    import nukescripts  # type: ignore[import-not-found]

    import nuke
    from overscan_nuke._menu import PANEL_ID

    pane = nuke.getPaneFor("Properties.1") or nuke.getPaneFor("DAG.1")
    nukescripts.restorePanel(PANEL_ID).addToPane(pane)


def show_preferences() -> Any:
    """Open the preferences page, a QWidget, in a window of its own."""
    from overscan_nuke.panel._preferences_page import PreferencesPage

    page = _windows.get("preferences")
    if page is None:
        page = _windows["preferences"] = PreferencesPage()
    else:
        page.reload()
    page.show()
    page.raise_()
    return page
