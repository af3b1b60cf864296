"""Makes docs/images/resolve_*.png: the windows in the double of Resolve, on a real service and the example plate.

QT_QPA_PLATFORM=offscreen .venv/bin/python docs/images/make_resolve_windows.py docs/images

Needs PySide6 (`pip install 'PySide6-Essentials>=6.8,<6.9'`) and one to three minutes. Resolve's UIManager makes Qt's
own widgets of the tree that a script gives it; here the same tree is drawn, with colours like Resolve's. It has not
been compared with a real Resolve.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_SCALE_FACTOR", "1.5")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from PySide6 import QtGui, QtWidgets  # noqa: E402

from overscan_resolve import launch  # noqa: E402
from tests.hosts.resolve_double import double, user  # noqa: E402

PLATE = ROOT / "examples" / "plate" / "plate.%04d.exr"
STYLE = """
QWidget { background: #28282e; color: #c9c9cd; font-size: 12px }
QLineEdit, QTextEdit, QComboBox, QSpinBox, QTreeWidget { background: #1f1f24; border: 1px solid #121216; padding: 3px }
QPushButton { background: #3a3a42; border: 1px solid #18181c; border-radius: 3px; padding: 5px 12px }
QPushButton:disabled, QLineEdit:disabled, QComboBox:disabled { color: #66666c }
QHeaderView::section { background: #2f2f36; border: none; padding: 4px }
"""


def drawn(element: Any) -> QtWidgets.QWidget:
    """The widget that UIManager makes of an element, with what is in it."""
    kind = element._kind
    if kind in ("VGroup", "HGroup", "Window"):
        box = QtWidgets.QWidget()
        layout = QtWidgets.QHBoxLayout(box) if kind == "HGroup" else QtWidgets.QVBoxLayout(box)
        if kind != "Window":
            layout.setContentsMargins(0, 0, 0, 0)
        for child in element._children:
            layout.addWidget(drawn(child), round(10 * float(child._values.get("Weight", 1))))
        return box
    made: Any
    if kind == "Label":
        made = QtWidgets.QLabel(str(element._read("Text") or ""))
        made.setWordWrap(bool(element._values.get("WordWrap")))
        made.setMinimumWidth(int((element._values.get("MinimumSize") or [0])[0]))
    elif kind == "Button":
        made = QtWidgets.QPushButton(str(element._read("Text") or ""))
    elif kind == "LineEdit":
        made = QtWidgets.QLineEdit(str(element._read("Text") or ""))
        made.setPlaceholderText(str(element._values.get("PlaceholderText", "")))
    elif kind == "CheckBox":
        made = QtWidgets.QCheckBox(str(element._read("Text") or ""))
        made.setChecked(bool(element._read("Checked")))
    elif kind == "SpinBox":
        made = QtWidgets.QSpinBox()
        made.setMaximum(int(element._values.get("Maximum", 99)))
        made.setValue(int(element._read("Value") or 0))
    elif kind == "ComboBox":
        made = QtWidgets.QComboBox()
        made.addItems(element._items)
        made.setCurrentIndex(int(element._values.get("CurrentIndex", 0)))
    elif kind == "TextEdit":
        made = QtWidgets.QTextEdit()
        made.setPlainText(str(element._read("PlainText") or ""))
        if not element._values.get("Weight", 1):
            made.setMaximumHeight(70)
    elif kind == "Tree":
        made = QtWidgets.QTreeWidget()
        made.setRootIsDecorated(False)
        made.setHeaderLabels(element._headers)
        for item in element._items:
            line = [str(item.Text[column]) for column in sorted(item.Text.values)]
            row = QtWidgets.QTreeWidgetItem(made, line)
            row.setSelected(bool(item._values.get("Selected")))
        for column in range(len(element._headers)):
            made.resizeColumnToContents(column)
    else:
        raise SystemExit(f"no way to draw ui.{kind}")
    made.setEnabled(bool(element._values.get("Enabled", True)))
    return made


def keep(name: str, path: Path) -> None:
    """Draw a window that is open into a file."""
    window = user.window(name)
    frame = QtWidgets.QWidget()
    frame.setStyleSheet(STYLE)
    layout = QtWidgets.QVBoxLayout(frame)
    title = QtWidgets.QLabel(str(window._values.get("WindowTitle", "")))
    title.setStyleSheet("color: #e6e6ea; font-weight: bold")
    layout.addWidget(title)
    for child in window._children:
        layout.addWidget(drawn(child), 1)
    frame.resize(*window._values["Geometry"][2:])
    QtWidgets.QApplication.processEvents()
    if not frame.grab().save(str(path)):
        raise SystemExit(f"{path} cannot be written")
    sys.stdout.write(f"{path}\n")


class Person:
    """Does one thing after another, each as soon as the window says something."""

    def __init__(self, window: str, *steps: tuple[str, Callable[[], None]]) -> None:
        self._window, self._steps = window, list(steps)
        self._go()

    def _go(self) -> None:
        if self._steps:
            words, act = self._steps.pop(0)

            def done() -> None:
                act()
                self._go()

            user.when(lambda: words in self._said(), done)

    def _said(self) -> str:
        return "\n".join(user.says(self._window, held._values["ID"])
                         for held in user.window(self._window)._below()
                         if held._kind in ("TextEdit", "Tree"))  # fmt: skip


def main(folder: Path) -> None:
    """Make the pictures."""
    from overscan_resolve._queue_window import WINDOW as QUEUE
    from overscan_resolve._task_window import WINDOW as TASK
    from tests.hosts.resolve_double import _ui

    _ui.LOOP_SECONDS = 300.0
    application = QtWidgets.QApplication([])
    application.setStyle("Fusion")
    application.setFont(QtGui.QFont("DejaVu Sans"))
    resolve = double.start()
    user.new_project("Show", rate="24", size=(2048, 858), colorSpaceInput="ACEScg")
    user.new_timeline("Reel 1")
    media = user.import_sequence(str(PLATE), 1001, 1012, rate="24", timecode="01:00:00:00")
    user.place(media, source=(2, 8))
    resolve.OpenPage("edit")
    found = {"resolve": resolve, "fusion": resolve.Fusion(), "bmd": double.bmd()}
    Person(
        TASK,
        ("", lambda: user.type_text(TASK, "size", "1520x636")),
        ("", lambda: user.click(TASK, "plan")),
        ("makes frames", lambda: (keep(TASK, folder / "resolve_plan.png"), user.click(TASK, "generate"))),
        ("in the timeline as take", lambda: user.close_window(TASK)),
    )
    launch.run("extend", found)
    Person(QUEUE, ("done", lambda: (keep(QUEUE, folder / "resolve_queue.png"), user.close_window(QUEUE))))
    launch.run("queue", found)
    double.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="oi-") as scratch:
        os.environ["OVERSCAN_HOME"] = str(Path(scratch) / "home")
        os.environ["OVERSCAN_IDLE_EXIT"] = "30"
        kernels = os.environ.get("NUMBA_CACHE_DIR")
        if kernels:  # spares minutes of compiling
            (Path(scratch) / "home" / "cache").mkdir(parents=True)
            (Path(scratch) / "home" / "cache" / "numba").symlink_to(kernels)
        os.environ.setdefault("OVERSCAN_COMMAND", json.dumps([sys.executable, "-m", "overscan.cli", "bridge"]))
        os.environ["OVERSCAN_RESOLVE_OUTPUT"] = str(Path(scratch) / "results")
        main(Path(sys.argv[1]))
