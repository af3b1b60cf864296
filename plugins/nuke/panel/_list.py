"""The list of jobs: a model over the board, and rows that paint themselves."""

from __future__ import annotations

from typing import Any

from overscan_nuke.panel import _style as style
from overscan_nuke.panel._board import Board
from overscan_nuke.panel._job import JobEntry
from overscan_nuke.panel._qt import Qt, QtCore, QtGui, QtWidgets

JOB_ROLE = int(Qt.ItemDataRole.UserRole) + 1
_PICTURES_KEPT = 400


class JobModel(QtCore.QAbstractListModel):  # type: ignore[misc]
    """The jobs of a board that pass the filters, newest first."""

    def __init__(self, board: Board, *, artist: str, parent: Any = None) -> None:
        super().__init__(parent)
        self._board = board
        self._artist = artist
        self._mine = True
        self._words: tuple[str, ...] = ()
        self._ids: list[str] = []

    def rowCount(self, parent: Any = None) -> int:  # noqa: N802
        """How many jobs are shown."""
        return 0 if parent is not None and parent.isValid() else len(self._ids)

    def data(self, index: Any, role: int = 0) -> Any:
        """The job under `JOB_ROLE`; its title for screen readers and type-ahead."""
        job = self._board.jobs.get(self._ids[index.row()]) if index.isValid() else None
        if job is None:
            return None
        if role == JOB_ROLE:
            return job
        if role == Qt.ItemDataRole.DisplayRole:
            return job.title
        if role == Qt.ItemDataRole.AccessibleDescriptionRole:
            return f"{job.status()}. {job.doing()}"
        return None

    def show_only(self, *, mine: bool, text: str) -> None:
        """Filter by owner, and by words that all have to be in the title, the plate, the task, the artist or state."""
        self._mine, self._words = mine, tuple(text.lower().split())
        self.reload()

    def reload(self) -> None:
        """Take over which jobs there are. Rows that stay keep the selection."""
        wanted = [job.id for job in self._board.jobs.values() if self._passes(job)]
        for row in reversed(range(len(self._ids))):
            if self._ids[row] not in wanted:
                self.beginRemoveRows(QtCore.QModelIndex(), row, row)
                del self._ids[row]
                self.endRemoveRows()
        for row, job_id in enumerate(wanted):
            if row < len(self._ids) and self._ids[row] == job_id:
                continue
            if job_id in self._ids:  # the order changed: rare enough to start over
                self.beginResetModel()
                self._ids = wanted
                self.endResetModel()
                return
            self.beginInsertRows(QtCore.QModelIndex(), row, row)
            self._ids.insert(row, job_id)
            self.endInsertRows()

    def job_changed(self, job_id: str) -> None:
        """Have the job's row painted anew."""
        if job_id in self._ids:
            index = self.index(self._ids.index(job_id), 0)
            self.dataChanged.emit(index, index)

    def row_of(self, job_id: str) -> Any:
        """Index of the job's row; invalid where it is not shown."""
        return self.index(self._ids.index(job_id), 0) if job_id in self._ids else QtCore.QModelIndex()

    def _passes(self, job: JobEntry) -> bool:
        if self._mine and job.artist != self._artist:
            return False
        if not self._words:
            return True
        said = " ".join((job.title, job.task, job.doing(), job.artist, job.status(), job.output, job.id)).lower()
        return all(word in said for word in self._words)


class Pictures:
    """Decoded previews, so that painting decodes nothing."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, Any]] = {}

    def of(self, job: JobEntry) -> Any:
        """The job's picture as a QPixmap; None where there is none that can be read."""
        data, picture = self._kept.get(job.id, (b"", None))
        if job.preview and data is not job.preview:
            picture = QtGui.QPixmap()
            if not picture.loadFromData(job.preview):
                picture = None
            if len(self._kept) > _PICTURES_KEPT:
                self._kept.clear()
            self._kept[job.id] = (job.preview, picture)
        return picture


class JobRows(QtWidgets.QStyledItemDelegate):  # type: ignore[misc]
    """Paints a job: picture, name, what it is doing, progress, where it stands."""

    def __init__(self, pictures: Pictures, parent: Any = None) -> None:
        super().__init__(parent)
        self._pictures = pictures

    def sizeHint(self, option: Any, _index: Any) -> Any:  # noqa: N802
        """Two lines of text with room for the bar."""
        return QtCore.QSize(240, 2 * QtGui.QFontMetrics(option.font).height() + 24)

    def paint(self, painter: Any, option: Any, index: Any) -> None:
        """Paint one row."""
        job = index.data(JOB_ROLE)
        if job is None:
            return
        painter.save()
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform)
        chosen = bool(option.state & QtWidgets.QStyle.StateFlag.State_Selected)
        under = bool(option.state & QtWidgets.QStyle.StateFlag.State_MouseOver)
        ground = style.SELECTED if chosen else style.HOVER if under else style.ROW
        painter.fillRect(option.rect, style.colour(ground))
        painter.fillRect(option.rect.adjusted(0, option.rect.height() - 1, 0, 0), style.colour(style.LINE))
        mark = QtCore.QRect(option.rect.left(), option.rect.top(), 3, option.rect.height() - 1)
        painter.fillRect(mark, style.colour(style.STATE_COLOURS.get(job.state, style.DIM)))
        inner = option.rect.adjusted(11, 7, -10, -7)
        box = QtCore.QRect(inner.left(), inner.top(), inner.height() * 16 // 9, inner.height())
        self._picture(painter, box, job)
        self._text(painter, option.font, inner.adjusted(box.width() + 10, 0, 0, 0), job)
        painter.restore()

    def _picture(self, painter: Any, box: Any, job: JobEntry) -> None:
        painter.fillRect(box, style.colour(style.LINE))
        picture = self._pictures.of(job)
        if picture is not None:
            size = picture.size().scaled(box.size(), Qt.AspectRatioMode.KeepAspectRatio)
            left = box.left() + (box.width() - size.width()) // 2
            top = box.top() + (box.height() - size.height()) // 2
            painter.drawPixmap(QtCore.QRect(QtCore.QPoint(left, top), size), picture)
            return
        painter.setPen(style.colour(style.FAINT))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), job.task[:1].upper() or "·")

    def _text(self, painter: Any, font: Any, area: Any, job: JobEntry) -> None:
        bold = QtGui.QFont(font)
        bold.setBold(True)
        line = QtGui.QFontMetrics(font).height()
        status = job.status()
        width = QtGui.QFontMetrics(font).horizontalAdvance(status) + 2
        right, middle = Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignVCenter
        painter.setPen(style.colour(style.BAD if job.state == "failed" else style.DIM))
        painter.setFont(font)
        first = QtCore.QRect(area.left(), area.top(), area.width(), line)
        painter.drawText(first, int(right | middle), status)
        painter.setPen(style.colour(style.TEXT))
        painter.setFont(bold)
        room = area.width() - width - 12
        title = QtGui.QFontMetrics(bold).elidedText(job.title, Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(first, int(Qt.AlignmentFlag.AlignLeft | middle), title)
        painter.setFont(font)
        used = QtGui.QFontMetrics(bold).horizontalAdvance(title) + 10
        if room - used > 30:
            painter.setPen(style.colour(style.FAINT))
            whose = QtGui.QFontMetrics(font).elidedText(job.shot, Qt.TextElideMode.ElideMiddle, room - used)
            painter.drawText(first.adjusted(used, 0, 0, 0), int(Qt.AlignmentFlag.AlignLeft | middle), whose)
        painter.setPen(style.colour(style.BAD if job.trouble else style.DIM))
        doing = QtGui.QFontMetrics(font).elidedText(job.doing(), Qt.TextElideMode.ElideRight, area.width())
        second = QtCore.QRect(area.left(), area.top() + line + 1, area.width(), line)
        painter.drawText(second, int(Qt.AlignmentFlag.AlignLeft | middle), doing)
        if job.active or job.can_retry:
            bar = QtCore.QRectF(area.left(), area.bottom() - 3, area.width(), 4)
            paint_bar(painter, bar, job)


def paint_bar(painter: Any, bar: Any, job: JobEntry) -> None:
    """The job's progress as a thin bar."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(style.colour(style.LINE))
    painter.drawRoundedRect(bar, 2, 2)
    if job.progress > 0:
        done = QtCore.QRectF(bar.left(), bar.top(), max(bar.width() * min(job.progress, 1.0), 4.0), bar.height())
        painter.setBrush(style.colour(style.STATE_COLOURS.get(job.state, style.DIM)))
        painter.drawRoundedRect(done, 2, 2)
