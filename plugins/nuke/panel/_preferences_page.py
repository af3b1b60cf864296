"""The preferences page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from overscan_nuke import _preferences as preferences
from overscan_nuke.panel import _cache as cache
from overscan_nuke.panel import _style as style
from overscan_nuke.panel._qt import Qt, QtCore, QtWidgets, Signal
from overscan_nuke.panel._words import size_word

_DAY_SECONDS = 86400.0

_EXTRAS_TEXTS = {
    "layers": "Layers of the result",
    "part": "A second part of the same EXR",
    "none": "Not written",
}
_QUALITY_TEXTS = {"final": "Final", "preview": "Preview: quicker, to judge a shot by"}


class PreferencesPage(QtWidgets.QWidget):  # type: ignore[misc]
    """Edits the preferences file. Says at once what cannot be; writes with Save only."""

    saved = Signal()
    closed = Signal()
    _counted = Signal(object, bool)

    def __init__(self, *, path: Path | None = None, on_saved: Callable[[], object] | None = None, parent: Any = None):
        super().__init__(parent)
        self.setObjectName("overscan")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setStyleSheet(style.SHEET)
        self.setWindowTitle("Overscan Preferences")
        self._path = path or preferences.preferences_path()
        self.output_template = QtWidgets.QLineEdit()
        self.extras = _choice(_EXTRAS_TEXTS)
        self.quality = _choice(_QUALITY_TEXTS)
        self.cache_folder = QtWidgets.QLineEdit()
        self.command = QtWidgets.QLineEdit()
        self.command.setPlaceholderText("As installed")
        self.example = _note()
        self.cache_size = _note()
        self.purge_old = QtWidgets.QPushButton("Remove older than a week")
        self.purge_all = QtWidgets.QPushButton("Remove all")
        self.problem = _note(bad=True)
        self.save = QtWidgets.QPushButton("Save")
        self.save.setProperty("first", True)
        self.cancel = QtWidgets.QPushButton("Close")
        self._lay_out()
        self._counted.connect(self._show_size)
        for field in (self.output_template, self.cache_folder):
            field.textChanged.connect(self._check)
        self.cache_folder.editingFinished.connect(self.count_cache)
        self.purge_old.clicked.connect(lambda: self._purge(7 * _DAY_SECONDS))
        self.purge_all.clicked.connect(lambda: self._purge(0.0))
        self.save.clicked.connect(self._save)
        self.cancel.clicked.connect(self._close)
        if on_saved is not None:
            self.saved.connect(lambda: on_saved())
        self.reload()

    def reload(self) -> None:
        """Show what the file says."""
        kept = preferences.load_preferences(self._path)
        self._unknown = kept.unknown
        self.output_template.setText(kept.output_template)
        self.extras.setCurrentIndex(self.extras.findData(kept.extras))
        self.quality.setCurrentIndex(self.quality.findData(kept.quality))
        self.cache_folder.setText(kept.cache_folder)
        self.cache_folder.setPlaceholderText(str(preferences.default_cache_folder()))
        self.command.setText(kept.command)
        self._check()
        _show(self.problem, kept.note or self.problem.text())
        self.count_cache()

    def edited(self) -> preferences.Preferences:
        """The preferences as they stand in the fields."""
        return preferences.Preferences(
            output_template=self.output_template.text().strip(),
            extras=str(self.extras.currentData()),
            quality=str(self.quality.currentData()),
            cache_folder=self.cache_folder.text().strip(),
            command=self.command.text().strip(),
            unknown=self._unknown,
        )

    def count_cache(self) -> None:
        """Count what lies in the cache, on a thread: network drives are slow."""
        folder = self.edited().cache
        _show(self.cache_size, "Counting …")
        cache.on_a_thread(lambda: cache.measure(folder), lambda found: self._counted.emit(found, False))

    def _purge(self, older_than_seconds: float) -> None:
        folder = self.edited().cache
        for button in (self.purge_old, self.purge_all):
            button.setEnabled(False)
        _show(self.cache_size, "Removing …")
        cache.on_a_thread(
            lambda: cache.purge(folder, older_than_seconds=older_than_seconds),
            lambda found: self._counted.emit(found, True),
        )

    def _show_size(self, found: Any, purged: bool) -> None:
        if purged and isinstance(found, cache.CacheSize):
            self._purged = f"Removed {size_word(found.size)}. "
            self.count_cache()
            return
        if isinstance(found, cache.CacheSize):
            plates = "1 plate" if found.entries == 1 else f"{found.entries} plates"
            said = f"{getattr(self, '_purged', '')}{plates}, {size_word(found.size)}. Results are not in here."
            self._purged = ""
        else:
            said = f"The folder cannot be read: {found}."
        _show(self.cache_size, said)
        some = isinstance(found, cache.CacheSize) and found.entries > 0
        for button in (self.purge_old, self.purge_all):
            button.setEnabled(some)

    def _check(self) -> None:
        edited = self.edited()
        problems = edited.problems()
        for name in ("output_template", "cache_folder"):
            field = getattr(self, name)
            field.setProperty("bad", name in problems)
            field.style().unpolish(field)
            field.style().polish(field)
        _show(self.problem, "\n".join(problems.values()))
        self.save.setEnabled(not problems)
        words = {"script_folder": "/show/shot", "script": "comp_v012", "node": "Extend1", "version": "v001"}
        words["user"] = preferences.user_name()
        good = "output_template" not in problems
        _show(self.example, "e.g. " + edited.output_template.format(**words) if good else "")

    def _save(self) -> None:
        try:
            preferences.save_preferences(self.edited(), self._path)
        except preferences.PreferencesError as error:
            _show(self.problem, str(error))
            return
        self.saved.emit()
        self._close()

    def _close(self) -> None:
        self.closed.emit()
        self.window().close()

    def _lay_out(self) -> None:
        form = QtWidgets.QFormLayout()
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(8)
        known = ", ".join(f"{{{word}}}" for word in preferences.TEMPLATE_WORDS)
        self.output_template.setToolTip(f"May hold {known}")
        self.output_template.setMinimumWidth(420)
        form.addRow("Results go to", self.output_template)
        form.addRow("", self.example)
        form.addRow("Layers about a result", self.extras)
        form.addRow("Quality of new nodes", self.quality)
        form.addRow("Cache of plates", self.cache_folder)
        row = QtWidgets.QHBoxLayout()
        row.addWidget(self.cache_size, 1)
        row.addWidget(self.purge_old)
        row.addWidget(self.purge_all)
        form.addRow("", row)
        self.command.setToolTip("What starts the bridge, as on a command line; counts from the next start of Nuke on")
        form.addRow("Overscan command", self.command)
        buttons = QtWidgets.QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.save)
        whole = QtWidgets.QVBoxLayout(self)
        whole.setContentsMargins(16, 16, 16, 12)
        whole.setSpacing(14)
        whole.addLayout(form)
        whole.addStretch(1)
        whole.addWidget(self.problem)
        whole.addLayout(buttons)

    def sizeHint(self) -> Any:  # noqa: N802
        """Wide enough for a path."""
        return QtCore.QSize(720, 360)


def _choice(texts: dict[str, str]) -> Any:
    box = QtWidgets.QComboBox()
    for value, text in texts.items():
        box.addItem(text, value)
    return box


def _note(*, bad: bool = False) -> Any:
    label = QtWidgets.QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("bad" if bad else "dim", True)
    return label


def _show(label: Any, text: str) -> None:
    label.setText(text)
    label.setVisible(bool(text))
