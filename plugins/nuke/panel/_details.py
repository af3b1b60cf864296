"""The lower half of the panel: the chosen job, why it failed and what to do, and its buttons."""

from __future__ import annotations

from typing import Any

from overscan_nuke.panel import _style as style
from overscan_nuke.panel import _words as words
from overscan_nuke.panel._job import JobEntry
from overscan_nuke.panel._list import Pictures, paint_bar
from overscan_nuke.panel._qt import Qt, QtCore, QtGui, QtWidgets, Signal


class JobDetails(QtWidgets.QFrame):  # type: ignore[misc]
    """Everything about one job."""

    open_asked = Signal(str)
    cancel_asked = Signal(str)
    retry_asked = Signal(str)
    folder_asked = Signal(str)

    def __init__(self, pictures: Pictures, parent: Any = None) -> None:
        super().__init__(parent)
        self.setProperty("card", True)
        self._job: JobEntry | None = None
        self.picture = _Picture(pictures)
        self.title = _label(head=True)
        self.state = _label(dim=True)
        self.trouble = _label(bad=True)
        self.next_step = _label()
        self.warnings = _label(dim=True)
        self.facts = _label(dim=True)
        for label in (self.trouble, self.facts):  # they hold break marks, which nobody wants to copy
            label.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        self.bar = _Bar()
        self.open = _button("Open in graph", "Show the result in the node graph, as a double-click does", first=True)
        self.cancel = _button("Cancel", "Stop the job; finished frames stay")
        self.retry = _button("Retry", "Go on where it stopped; finished frames are kept", first=True)
        self.folder = _button("Show folder", "Open the folder of the frames")
        self.copy = _button("Copy report", "Copy what is known about the job, for a message to support")
        self._lay_out()
        self.open.clicked.connect(lambda: self._ask(self.open_asked))
        self.cancel.clicked.connect(lambda: self._ask(self.cancel_asked))
        self.retry.clicked.connect(lambda: self._ask(self.retry_asked))
        self.folder.clicked.connect(lambda: self._ask(self.folder_asked))
        self.copy.clicked.connect(self._copy)
        self.show_job(None)

    def show_job(self, job: JobEntry | None) -> None:
        """Show the job, or with None that none is chosen."""
        self._job = job
        self.setVisible(job is not None)
        if job is None:
            return
        self.picture.show_job(job)
        self.bar.show_job(job)
        _say(self.title, job.title)
        _say(self.state, "  ·  ".join(filter(None, (job.status(), self._frames(job), words.TASKS.get(job.task, "")))))
        _say(self.trouble, _breakable(words.problem_text(job.trouble)))
        _say(self.next_step, self._next_step(job))
        _say(self.warnings, _warnings(job))
        _say(self.facts, _breakable(_facts(job)))
        self.cancel.setVisible(job.active)
        self.retry.setVisible(job.can_retry)
        self.open.setVisible(not job.can_retry or job.frames_done > 0)
        self.open.setEnabled(job.frames_done > 0)
        _prefer(self.open, not job.can_retry)

    def report(self) -> str:
        """What is known about the job, as text."""
        job = self._job
        if job is None:
            return ""
        lines = [f"{job.title} ({job.id})", f"{job.status()}, {job.doing()}", _facts(job)]
        if job.trouble:
            lines += [f"{name}: {value}" for name, value in job.trouble.items() if value not in ("", None)]
        return "\n".join([*lines, *(str(warning.get("message", "")) for warning in job.warnings)])

    def _frames(self, job: JobEntry) -> str:
        return words.frames_word(job.frames_done, job.total)

    def _next_step(self, job: JobEntry) -> str:
        step = str(job.trouble.get("next_step", ""))
        if job.state == "failed" and not job.notice:
            kept = f"{job.frames_done} finished frames are kept" if job.frames_done else "nothing is lost"
            step = " ".join(filter(None, (step, f"Then press Retry: {kept}.")))
        return step

    def _lay_out(self) -> None:
        buttons = QtWidgets.QHBoxLayout()
        buttons.setSpacing(6)
        for button in (self.retry, self.open, self.cancel, self.folder):
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(self.copy)
        text = QtWidgets.QVBoxLayout()
        text.setSpacing(4)
        for widget in (self.title, self.state, self.bar, self.trouble, self.next_step, self.warnings, self.facts):
            text.addWidget(widget)
        text.addStretch(1)
        inner = QtWidgets.QWidget()
        inner.setLayout(text)
        text.setContentsMargins(0, 0, 4, 0)
        scroll = QtWidgets.QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inner)
        scroll.viewport().setAutoFillBackground(False)
        inner.setAutoFillBackground(False)
        upper = QtWidgets.QHBoxLayout()
        upper.setSpacing(12)
        upper.addWidget(self.picture, 0)
        upper.addWidget(scroll, 1)
        whole = QtWidgets.QVBoxLayout(self)
        whole.setContentsMargins(10, 10, 10, 10)
        whole.setSpacing(8)
        whole.addLayout(upper, 1)
        whole.addLayout(buttons)

    def _ask(self, signal: Any) -> None:
        if self._job is not None:
            signal.emit(self._job.id)

    def _copy(self) -> None:
        QtWidgets.QApplication.clipboard().setText(self.report())


class _Picture(QtWidgets.QWidget):  # type: ignore[misc]
    """The last preview, as large as fits."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__()
        self._pictures = pictures
        self._job: JobEntry | None = None
        self.setMinimumSize(160, 90)
        self.setMaximumWidth(320)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> Any:  # noqa: N802
        return QtCore.QSize(260, 146)

    def show_job(self, job: JobEntry) -> None:
        self._job = job
        frame = job.preview_frame
        self.setToolTip("" if frame is None else f"Frame {frame}")
        self.update()

    def paintEvent(self, _event: Any) -> None:  # noqa: N802
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform)
        picture = self._pictures.of(self._job) if self._job is not None else None
        size = QtCore.QSize(16, 9) if picture is None else picture.size()
        size = size.scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        box = QtCore.QRect(QtCore.QPoint((self.width() - size.width()) // 2, 0), size)
        painter.fillRect(box, style.colour(style.LINE))
        if picture is not None:
            painter.drawPixmap(box, picture)
        else:
            painter.setPen(style.colour(style.FAINT))
            waiting = self._job is not None and self._job.active
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), "No frame yet" if waiting else "No preview")
        painter.end()


class _Bar(QtWidgets.QWidget):  # type: ignore[misc]
    """Progress of the job."""

    def __init__(self) -> None:
        super().__init__()
        self._job: JobEntry | None = None
        self.setFixedHeight(6)

    def show_job(self, job: JobEntry) -> None:
        self._job = job
        self.setVisible(job.state != "succeeded")
        self.update()

    def paintEvent(self, _event: Any) -> None:  # noqa: N802
        if self._job is not None:
            painter = QtGui.QPainter(self)
            painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
            paint_bar(painter, QtCore.QRectF(0, 0, self.width(), 5), self._job)
            painter.end()


def _label(*, dim: bool = False, bad: bool = False, head: bool = False) -> Any:
    label = QtWidgets.QLabel()
    label.setWordWrap(True)
    # What others wrote is shown, never interpreted.
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    for name, wanted in (("dim", dim), ("bad", bad), ("head", head)):
        label.setProperty(name, wanted)
    return label


def _button(text: str, tip: str, *, first: bool = False) -> Any:
    button = QtWidgets.QPushButton(text)
    button.setToolTip(tip)
    button.setProperty("first", first)
    return button


def _prefer(button: Any, wanted: bool) -> None:
    """Make the button the one that stands out, or one of many."""
    if button.property("first") != wanted:
        button.setProperty("first", wanted)
        button.style().unpolish(button)
        button.style().polish(button)


def _say(label: Any, text: str) -> None:
    if label.text() != text:
        label.setText(text)
    label.setVisible(bool(text))


def _breakable(text: str) -> str:
    """The text with a mark of no width after each separator, so that lines may break within long paths."""
    return text.replace("/", "/\u200b").replace("\\", "\\\u200b")


def _warnings(job: JobEntry) -> str:
    lines = []
    for warning in job.warnings:
        frame = warning.get("frame")
        lines.append(f"Note: {warning.get('message', '')}" + ("" if frame is None else f" (frame {frame})"))
    return "\n".join(lines)


def _facts(job: JobEntry) -> str:
    lines = [job.output]
    if job.verification:
        lines.append(
            f"Checked: {job.verification.get('differing', 0):,} of {job.verification.get('samples', 0):,} samples "
            "outside the generated region differ from the plate."
        )
    who = ", ".join(filter(None, (job.artist, f"job {job.id}")))
    return "\n".join(filter(None, (*lines, who)))
