"""A window's loop: events of the window, and news of the helper, in turns on one thread."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Mapping

from overscan_resolve._session import Session

TICK_MILLISECONDS = 50
_TIMER = "OverscanTimer"


class Loop:
    """Runs one window until it is closed. Everything of Resolve's is called from here: no other thread touches it."""

    def __init__(self, ui: Any, dispatcher: Any, session: Session, *, tick: Callable[[], None]) -> None:
        """`tick` is called some 20 times a second, after what came from the helper."""
        self._dispatcher = dispatcher
        self._session = session
        self._tick = tick
        self._timer = ui.Timer({"ID": _TIMER, "Interval": TICK_MILLISECONDS, "SingleShot": False})
        dispatcher.On.Timeout = self._turn

    def run(self, window: Any) -> None:
        """Show the window, and return when `end` was called."""
        window.Show()
        self._timer.Start()
        try:
            self._dispatcher.RunLoop()
        finally:
            self._timer.Stop()
            window.Hide()
            self._session.close()

    def end(self) -> None:
        """Have `run` return."""
        self._dispatcher.ExitLoop()

    def _turn(self, event: Mapping[str, Any]) -> None:
        del event
        self._session.queue.drain()
        self._tick()


class Fields:
    """The elements of a window by their IDs."""

    def __init__(self, window: Any) -> None:
        self._items = window.GetItems()

    def __getitem__(self, name: str) -> Any:
        return self._items[name]

    def __contains__(self, name: str) -> bool:
        return name in self._items

    def text(self, name: str) -> str:
        """What stands in a field."""
        return str(self._items[name].Text or "").strip()

    def number(self, name: str) -> int:
        """The value of a number field; 0 where the window has none of that name."""
        return int(self._items[name].Value) if name in self._items else 0

    def place(self, name: str) -> int:
        """Which entry of a menu is chosen, from 0."""
        return int(self._items[name].CurrentIndex)

    def enable(self, **wanted: bool) -> None:
        """Enable or grey out elements; what is so already is not touched."""
        for name, enabled in wanted.items():
            if name in self._items and bool(self._items[name].Enabled) != enabled:
                self._items[name].Enabled = enabled

    def say(self, name: str, words: str) -> None:
        """Put words into a label or a text box; unchanged words are not written again."""
        with contextlib.suppress(KeyError):
            if self._items[name].Text != words:
                self._items[name].Text = words


def row(ui: Any, label: str, *elements: Any) -> Any:
    """A label and what belongs to it, side by side."""
    return ui.HGroup({"Weight": 0}, [ui.Label({"Text": label, "MinimumSize": [110, 0], "Weight": 0}), *elements])


def menu(fields: Fields, name: str, entries: list[str]) -> None:
    """Fill a menu; the chosen entry stays chosen where it is still there."""
    box = fields[name]
    before = str(box.CurrentText or "")
    box.Clear()
    box.AddItems(entries)
    box.CurrentIndex = entries.index(before) if before in entries else 0
