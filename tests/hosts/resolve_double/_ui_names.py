"""The elements of UIManager: attributes, methods and events, by data/ui_elements.txt. There is no progress bar."""

from __future__ import annotations

from . import _lists

_NAMES = _lists.words("ui_elements.txt")


def _of(what: str) -> dict[str, set[str]]:
    return {heading.split()[0]: names for heading, names in _NAMES.items() if heading.endswith(" " + what)}


COMMON = _NAMES["common attributes"]
ATTRIBUTES = {name: names for name, names in _of("attributes").items() if name != "common"}
METHODS = _of("methods")
EVENTS = _of("events")
DEFAULTS = {
    "Text": "",
    "Enabled": True,
    "Visible": True,
    "Hidden": False,
    "Checked": False,
    "CurrentIndex": -1,
    "Value": 0,
    "Minimum": 0,
    "Maximum": 99,
    "CurrentText": "",
    "ReadOnly": False,
    "PlaceholderText": "",
    "ToolTip": "",
    "Interval": 0,
    "SingleShot": False,
    "HTML": "",
    "PlainText": "",
    "WindowTitle": "",
    "ColumnCount": 1,
    "Weight": 1,
    "Checkable": False,
    "Selected": False,
}
