"""Colours and measures of the panel: Nuke's own greys, and one colour for each thing that matters."""

from __future__ import annotations

from overscan_nuke.panel._qt import QtGui

WINDOW, BASE, ROW, LINE = "#323232", "#262626", "#2b2b2b", "#1d1d1d"
SELECTED, HOVER = "#43413c", "#303030"
TEXT, DIM, FAINT = "#d6d6d6", "#9a9a9a", "#6d6d6d"
ACCENT, GOOD, BAD, CALM, WARN = "#f0952a", "#6fae5c", "#e0604c", "#5f8fb4", "#d8b13f"

STATE_COLOURS = {
    "queued": FAINT,
    "running": ACCENT,
    "verifying": CALM,
    "succeeded": GOOD,
    "failed": BAD,
    "cancelled": DIM,
}

SHEET = f"""
#overscan {{ background: {WINDOW}; color: {TEXT}; }}
#overscan QLabel {{ color: {TEXT}; background: transparent; }}
#overscan QLabel[dim="true"] {{ color: {DIM}; }}
#overscan QLabel[bad="true"] {{ color: {BAD}; }}
#overscan QLabel[head="true"] {{ font-weight: bold; }}
#overscan QListView {{ background: {BASE}; border: 1px solid {LINE}; outline: 0; }}
#overscan QFrame[card="true"] {{ background: {ROW}; border: 1px solid {LINE}; border-radius: 3px; }}
#overscan QLineEdit, #overscan QComboBox, #overscan QPlainTextEdit {{
  background: {BASE}; color: {TEXT}; border: 1px solid {LINE}; border-radius: 3px; padding: 3px 6px;
  selection-background-color: {ACCENT}; selection-color: #1b1b1b; }}
#overscan QLineEdit:focus {{ border-color: {ACCENT}; }}
#overscan QLineEdit[bad="true"] {{ border-color: {BAD}; }}
#overscan QComboBox QAbstractItemView {{ background: {BASE}; color: {TEXT}; selection-background-color: {SELECTED}; }}
#overscan QPushButton {{
  background: #4a4a4a; color: {TEXT}; border: 1px solid {LINE}; border-radius: 3px; padding: 4px 12px; }}
#overscan QPushButton:hover {{ background: #565656; }}
#overscan QPushButton:pressed {{ background: #3a3a3a; }}
#overscan QPushButton:focus {{ border-color: {ACCENT}; }}
#overscan QPushButton:disabled {{ color: {FAINT}; background: #3a3a3a; }}
#overscan QPushButton[first="true"] {{ background: {ACCENT}; color: #1b1b1b; border-color: #8a5518; }}
#overscan QPushButton[first="true"]:hover {{ background: #ffa944; }}
#overscan QPushButton[first="true"]:disabled {{ background: #5b4a35; color: {FAINT}; }}
#overscan QPushButton[side="left"] {{ border-top-right-radius: 0; border-bottom-right-radius: 0; border-right: 0; }}
#overscan QPushButton[side="right"] {{ border-top-left-radius: 0; border-bottom-left-radius: 0; }}
#overscan QPushButton:checked {{ background: {SELECTED}; color: {ACCENT}; }}
#overscan QSplitter::handle {{ background: {WINDOW}; }}
#overscan QScrollBar:vertical {{ background: {BASE}; width: 10px; margin: 0; }}
#overscan QScrollBar::handle:vertical {{ background: #4a4a4a; min-height: 24px; border-radius: 4px; margin: 1px; }}
#overscan QScrollBar::add-line:vertical, #overscan QScrollBar::sub-line:vertical {{ height: 0; }}
#overscan QScrollArea {{ background: transparent; border: 0; }}
#overscan QToolTip {{ background: {BASE}; color: {TEXT}; border: 1px solid {LINE}; }}
"""


def colour(name: str) -> object:
    """A QColor of one of the colours above."""
    return QtGui.QColor(name)
