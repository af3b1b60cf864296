"""The panel: the queue of jobs, filters above, the chosen job below."""

from __future__ import annotations

from typing import Any, Callable

from overscan_nuke.panel import _style as style
from overscan_nuke.panel._board import Board
from overscan_nuke.panel._details import JobDetails
from overscan_nuke.panel._list import JOB_ROLE, JobModel, JobRows, Pictures
from overscan_nuke.panel._qt import Qt, QtCore, QtGui, QtWidgets

_TICK_MILLISECONDS = 1000


class QueuePanel(QtWidgets.QWidget):  # type: ignore[misc]
    """Shows what the service works on, and what came of it."""

    def __init__(
        self,
        *,
        bridge: Any,
        artist: str,
        open_result: Callable[[dict[str, Any]], object],
        open_preferences: Callable[[], object],
        parent: Any = None,
    ) -> None:
        """`open_result` gets a job in the plain form of ``job.list``; what it raises is shown with the job."""
        super().__init__(parent)
        self.setObjectName("overscan")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setStyleSheet(style.SHEET)
        self.setWindowTitle("Overscan")
        self._open_result = open_result
        self.board = Board(bridge, on_change=self._board_changed, on_job=self._job_changed)
        self.model = JobModel(self.board, artist=artist, parent=self)
        pictures = Pictures()
        self.details = JobDetails(pictures)
        self.view = _list_view(JobRows(pictures, self), self.model)
        self.empty = _Empty()
        self.mine, self.everyone = _side("Mine", "left"), _side("Everyone's", "right")
        self.search = QtWidgets.QLineEdit()
        self.search.setPlaceholderText("Find")
        self.search.setClearButtonEnabled(True)
        self.summary = QtWidgets.QLabel()
        self.summary.setProperty("dim", True)
        self.preferences = QtWidgets.QPushButton("Preferences…")
        self._lay_out()
        self.preferences.clicked.connect(lambda: open_preferences())
        self._connect()
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(_TICK_MILLISECONDS)
        self._timer.timeout.connect(self._tick)
        self._board_changed()

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Begin to ask for news."""
        super().showEvent(event)
        self._timer.start()
        self.board.refresh()

    def hideEvent(self, event: Any) -> None:  # noqa: N802
        """Ask no more: a panel that nobody sees costs nothing."""
        super().hideEvent(event)
        self._timer.stop()

    def shut_down(self) -> None:
        """Let go of everything before the panel is destroyed."""
        self._timer.stop()
        self.board.close()

    def choose(self, job_id: str) -> None:
        """Select the job's row."""
        self.view.setCurrentIndex(self.model.row_of(job_id))

    @property
    def chosen(self) -> str:
        """Id of the chosen job; empty where none is."""
        job = self.view.currentIndex().data(JOB_ROLE)
        return "" if job is None else str(job.id)

    def _lay_out(self) -> None:
        head = QtWidgets.QHBoxLayout()
        head.setSpacing(0)
        self.mine.setChecked(True)
        self._owner = QtWidgets.QButtonGroup(self)
        for button in (self.mine, self.everyone):
            self._owner.addButton(button)
            head.addWidget(button)
        head.addSpacing(8)
        self.search.setMinimumWidth(90)
        self.search.setMaximumWidth(260)
        head.addWidget(self.search, 1)
        head.addSpacing(10)
        head.addWidget(self.summary)
        head.addStretch(1)
        head.addWidget(self.preferences)
        self._stack = QtWidgets.QStackedWidget()
        self._stack.addWidget(self.view)
        self._stack.addWidget(self.empty)
        split = QtWidgets.QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self._stack)
        split.addWidget(self.details)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 1)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(7)
        split.setSizes([360, 250])
        whole = QtWidgets.QVBoxLayout(self)
        whole.setContentsMargins(8, 8, 8, 8)
        whole.setSpacing(8)
        whole.addLayout(head)
        whole.addWidget(split, 1)

    def _connect(self) -> None:
        for button in (self.mine, self.everyone):
            button.toggled.connect(self._filter)
        self.search.textChanged.connect(self._filter)
        self.view.selectionModel().currentChanged.connect(lambda *_: self._choice_changed())
        self.view.doubleClicked.connect(lambda _: self._open(self.chosen))
        self.view.customContextMenuRequested.connect(self._menu)
        self.model.modelReset.connect(self._choice_changed)
        self.details.open_asked.connect(self._open)
        self.details.cancel_asked.connect(self.board.cancel)
        self.details.retry_asked.connect(self.board.retry)
        self.details.folder_asked.connect(self._show_folder)
        self.empty.button.clicked.connect(self._help_out)

    def _tick(self) -> None:
        self.board.tick()
        self.view.viewport().update()  # times go on without news
        self._show_chosen()
        for row in self._rows_in_sight():
            job = row.data(JOB_ROLE)
            if job is not None:
                self.board.look(job.id)

    def _rows_in_sight(self) -> list[Any]:
        height = self.view.viewport().height()
        first = self.view.indexAt(QtCore.QPoint(4, 4))
        last = self.view.indexAt(QtCore.QPoint(4, height - 4))
        if not first.isValid():
            return []
        end = last.row() if last.isValid() else self.model.rowCount() - 1
        return [self.model.index(row, 0) for row in range(first.row(), end + 1)]

    def _filter(self, *_: Any) -> None:
        self.model.show_only(mine=self.mine.isChecked(), text=self.search.text())
        self._show_state()

    def _board_changed(self) -> None:
        self.model.reload()
        self._show_state()
        self._choice_changed()

    def _job_changed(self, job_id: str) -> None:
        self.model.job_changed(job_id)
        self._show_summary()
        if job_id == self.chosen:
            self._show_chosen()

    def _choice_changed(self) -> None:
        job_id = self.chosen
        if job_id:
            self.board.look(job_id)
        self._show_chosen()

    def _show_chosen(self) -> None:
        self.details.show_job(self.board.jobs.get(self.chosen))

    def _show_state(self) -> None:
        shown = self.model.rowCount() > 0
        self._stack.setCurrentWidget(self.view if shown else self.empty)
        if not shown:
            self.empty.say(*self._what_is_empty())
        self._show_summary()

    def _show_summary(self) -> None:
        states = [job.state for job in self.board.jobs.values()]
        running = sum(state in ("running", "verifying") for state in states)
        waiting = states.count("queued")
        parts = [f"{running} running" if running else "", f"{waiting} waiting" if waiting else ""]
        said = {"down": "service not running", "unreachable": "service cannot be reached", "starting": "starting …"}
        self.summary.setText("  ·  ".join(filter(None, (*parts, said.get(self.board.service, "")))))

    def _what_is_empty(self) -> tuple[str, str, str]:
        service = self.board.service
        if service in ("unknown", "starting"):
            return ("Starting the service …" if service == "starting" else "Looking for the service …"), "", ""
        if service == "unreachable":
            problem = self.board.problem
            message = "\n\n".join(filter(None, (problem.get("message", ""), problem.get("next_step", ""))))
            return "Overscan cannot be reached", message, "Try again"
        if self.board.jobs:
            if self.search.text():
                return "No job matches", "", "Show all"
            return "None of these jobs are yours", "", "Show everyone's"
        if service == "down":
            return (
                "The service is not running",
                "It starts by itself with the next job. Start it now to see the jobs of before.",
                "Start",
            )
        return "No jobs yet", "Make an Overscan node from a plate, and press Generate in its properties.", ""

    def _help_out(self) -> None:
        """What the button of an empty panel does."""
        if self.board.service in ("down", "unreachable") and not self.board.jobs:
            self.board.start_service()
        elif self.search.text():
            self.search.clear()
        else:
            self.everyone.setChecked(True)

    def _menu(self, place: Any) -> None:
        job = self.board.jobs.get(self.chosen)
        if job is None:
            return
        menu = QtWidgets.QMenu(self)
        for text, can, what in (
            ("Open in graph", job.frames_done > 0, lambda: self._open(job.id)),
            ("Show folder", bool(job.output), lambda: self._show_folder(job.id)),
            ("Cancel", job.active, lambda: self.board.cancel(job.id)),
            ("Retry", job.can_retry, lambda: self.board.retry(job.id)),
        ):
            action = menu.addAction(text)
            action.setEnabled(can)
            action.triggered.connect(what)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.view.viewport().mapToGlobal(place))

    def _open(self, job_id: str) -> None:
        job = self.board.jobs.get(job_id)
        if job is None or not job.frames_done:
            return
        try:
            self._open_result(dict(job.job))
            job.notice = {}
        except Exception as error:
            job.notice = {
                "message": str(getattr(error, "message", "") or error) or type(error).__name__,
                "next_step": str(getattr(error, "next_step", "")) or "Read the frames with a Read node.",
            }
        self._job_changed(job_id)

    def _show_folder(self, job_id: str) -> None:
        job = self.board.jobs.get(job_id)
        if job is not None and job.output:
            folder = job.output.replace("\\", "/").rpartition("/")[0]
            QtGui.QDesktopServices.openUrl(QtCore.QUrl.fromLocalFile(folder))


class _Empty(QtWidgets.QWidget):  # type: ignore[misc]
    """What stands in the place of the list while there is nothing to list."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.text = QtWidgets.QLabel(), QtWidgets.QLabel()
        self.head.setProperty("head", True)
        self.text.setProperty("dim", True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.button = QtWidgets.QPushButton()
        self.button.setProperty("first", True)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setSpacing(10)
        layout.addStretch(1)
        for label in (self.head, self.text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            layout.addWidget(label)
        row = QtWidgets.QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.button)
        row.addStretch(1)
        layout.addLayout(row)
        layout.addStretch(2)

    def say(self, head: str, text: str, button: str) -> None:
        """Say what is missing; a button only where it helps."""
        self.head.setText(head)
        self.text.setText(text)
        self.text.setVisible(bool(text))
        self.button.setText(button)
        self.button.setVisible(bool(button))


def _list_view(rows: Any, model: Any) -> Any:
    view = QtWidgets.QListView()
    view.setItemDelegate(rows)
    view.setModel(model)
    view.setUniformItemSizes(True)
    view.setMouseTracking(True)
    view.setVerticalScrollMode(QtWidgets.QAbstractItemView.ScrollMode.ScrollPerPixel)
    view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
    view.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
    view.setMinimumHeight(120)
    return view


def _side(text: str, side: str) -> Any:
    button = QtWidgets.QPushButton(text)
    button.setCheckable(True)
    button.setProperty("side", side)
    return button
