"""The queue: the jobs of this machine's service, what they are doing, and results that wait to be brought in."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Mapping

from overscan_host import BridgeError, Problem
from overscan_resolve._asking import unique_id
from overscan_resolve._loop import Fields, Loop
from overscan_resolve._record import Record, load
from overscan_resolve._restore import current_project
from overscan_resolve._return import bring_back
from overscan_resolve._run import RUNNING
from overscan_resolve._session import Session
from overscan_resolve._wish import TASKS
from overscan_resolve._words import error_words, problem_words, record_words

WINDOW = "OverscanQueue"
_COLUMNS = ("Clip", "Task", "State", "Progress", "In Resolve", "Job")
_EVERY_SECONDS = 2.0
_MOST = 100
_STATES = {
    "queued": "waiting", "running": "running", "verifying": "checking", "succeeded": "done", "failed": "failed",
    "cancelled": "cancelled",
}  # fmt: skip
_NUMBER = re.compile(r"[._-]?(%0?\d*d|#+)")


@dataclass
class Line:
    """A job, as it is shown."""

    job: Mapping[str, Any]
    record: Record | None
    """None where it was not made from Resolve."""
    seen_running: bool = False
    problem: str = ""
    """Why the result could not be brought in."""
    values: tuple[str, ...] = field(default=())

    @property
    def state(self) -> str:
        """As the service has it."""
        return str(self.job.get("state", ""))


class QueueWindow:
    """One window; it starts nothing by being looked at."""

    def __init__(self, resolve: Any, ui: Any, dispatcher: Any) -> None:
        self._resolve = resolve
        self._session = Session(resolve)
        self._lines: dict[str, Line] = {}
        self._rows: dict[str, Any] = {}
        self._asking = False
        self._asked = 0.0
        self._window = self._build(ui, dispatcher)
        self.fields = Fields(self._window)
        self._tree = self.fields["jobs"]
        self._tree.SetHeaderLabels(list(_COLUMNS))
        self._loop = Loop(ui, dispatcher, self._session, tick=self._turn)

    def run(self) -> None:
        """Show it until it is closed."""
        self._loop.run(self._window)

    def _build(self, ui: Any, dispatcher: Any) -> Any:
        window = dispatcher.AddWindow(
            {"ID": WINDOW, "WindowTitle": "Overscan - Queue", "Geometry": [220, 140, 760, 460]},
            [ui.VGroup([
                ui.Tree({"ID": "jobs", "ColumnCount": len(_COLUMNS), "RootIsDecorated": False, "Weight": 1}),
                ui.TextEdit({"ID": "words", "ReadOnly": True, "Weight": 0}),
                ui.CheckBox({"ID": "auto", "Text": "Bring results in as they are done", "Checked": True, "Weight": 0}),
                ui.HGroup({"Weight": 0}, [
                    ui.Button({"ID": "place", "Text": "Bring in"}), ui.Button({"ID": "cancel", "Text": "Cancel"}),
                    ui.Button({"ID": "retry", "Text": "Retry"}), ui.Button({"ID": "close", "Text": "Close"}),
                ]),
            ])],
        )  # fmt: skip
        window.On.place.Clicked = lambda _: self._bring_in_chosen()
        window.On.cancel.Clicked = lambda _: self._tell("job.cancel")
        window.On.retry.Clicked = lambda _: self._tell("job.retry")
        window.On.close.Clicked = lambda _: self._loop.end()
        window.On.jobs.CurrentItemChanged = lambda _: self._show_chosen()
        window.On[WINDOW].Close = lambda _: self._loop.end()
        return window

    def _turn(self) -> None:
        if not self._asking and time.monotonic() - self._asked >= _EVERY_SECONDS:
            self._asking, self._asked = True, time.monotonic()
            try:
                self._session.bridge.call("service.status", {}, on_result=self._hear_status, on_error=self._not_heard)
            except BridgeError as error:  # no helper is installed
                self._not_heard(error)
        chosen = self._chosen()
        state = chosen.state if chosen is not None else ""
        self.fields.enable(
            cancel=state in RUNNING,
            retry=state in ("failed", "cancelled"),
            place=chosen is not None and chosen.record is not None and state == "succeeded",
        )

    def _hear_status(self, status: Mapping[str, Any]) -> None:
        if not status.get("running"):
            self._asking = False
            if not self._lines:
                self._say("No service runs, so nothing is going on. The first job starts one.")
            return
        self._session.bridge.call("job.list", {"limit": _MOST}, on_result=self._hear, on_error=self._not_heard)

    def _hear(self, answer: Mapping[str, Any]) -> None:
        self._asking = False
        for job in reversed(answer.get("jobs", [])):
            self._take_in(str(job.get("id", "")), job)
        if not self._lines:
            self._say("No jobs yet.")
        self._bring_in_finished()
        self._show_chosen()

    def _take_in(self, job_id: str, job: Mapping[str, Any]) -> None:
        line = self._lines.get(job_id)
        if line is None:
            line = self._lines[job_id] = Line(job, _record_of(job))
        line.job = job
        line.seen_running = line.seen_running or line.state in RUNNING
        values = _values(line)
        if values != line.values:
            line.values = values
            item = self._rows.get(job_id)
            if item is None:
                item = self._rows[job_id] = self._tree.NewItem()
                self._tree.AddTopLevelItem(item)
            for column, value in enumerate(values):
                item.Text[column] = value

    def _bring_in_finished(self) -> None:
        if not self.fields["auto"].Checked:
            return
        try:
            project_id = unique_id(current_project(self._resolve))
        except BridgeError:
            return
        for job_id, line in self._lines.items():
            record = line.record
            waits = line.seen_running and line.state == "succeeded" and not line.problem
            if waits and record is not None and record.state != "placed" and record.project_id == project_id:
                self._bring_in(job_id, line)

    def _bring_in_chosen(self) -> None:
        line = self._chosen()
        if line is not None:
            self._bring_in(str(line.job.get("id", "")), line)
            self._show_chosen()

    def _bring_in(self, job_id: str, line: Line) -> None:
        assert line.record is not None
        try:
            record = load(line.record.folder)  # another window may have brought it in meanwhile
            if record.state == "placed" and not line.problem:
                line.record = record
                return
            line.record = bring_back(self._resolve, replace(record, state="succeeded"))
            line.problem = ""
        except BridgeError as error:
            line.problem = error_words(error)
        self._take_in(job_id, line.job)

    def _tell(self, method: str) -> None:
        line = self._chosen()
        if line is not None:
            self._say("One moment ...")
            self._session.bridge.call(
                method, {"job_id": str(line.job.get("id", ""))}, on_result=self._told, on_error=self._not_heard
            )

    def _told(self, job: Mapping[str, Any]) -> None:
        self._asked = 0.0  # ask again at once
        self._take_in(str(job.get("id", "")), job)
        self._show_chosen()

    def _chosen(self) -> Line | None:
        item = self._tree.CurrentItem()
        return None if item is None else self._lines.get(str(item.Text[len(_COLUMNS) - 1]))

    def _show_chosen(self) -> None:
        line = self._chosen()
        if line is not None:
            self._say(_words(line))

    def _not_heard(self, error: BridgeError) -> None:
        self._asking = False
        self._say(error_words(error))

    def _say(self, words: str) -> None:
        self.fields.say("words", words)


def _record_of(job: Mapping[str, Any]) -> Record | None:
    path = str(job.get("spec", {}).get("output", {}).get("path", ""))
    if not path:
        return None
    try:
        return load(Path(path).parent)
    except BridgeError:
        return None


def _values(line: Line) -> tuple[str, ...]:
    spec, record = line.job.get("spec", {}), line.record
    name = str(spec.get("output", {}).get("path", "")).replace("\\", "/").rpartition("/")[2]
    clip = f"{record.shot} {record.version}" if record is not None else _NUMBER.sub("", name.rpartition(".")[0])
    known = (*TASKS, "interpolate", "generate")
    task = record.task if record is not None else next((one for one in known if one in spec), "")
    progress = "" if line.state not in RUNNING else f"{100 * float(line.job.get('progress', 0.0)):.0f} %"
    placed = str(record.placed.get("as", "")) if record is not None and record.state == "placed" else ""
    if line.problem:
        placed = "could not"
    return clip, task, _STATES.get(line.state, line.state), progress, placed, str(line.job.get("id", ""))


def _words(line: Line) -> str:
    lines = []
    if line.problem:
        lines.append(line.problem)
    error = line.job.get("error")
    if line.state == "failed" and isinstance(error, dict):
        lines.append(problem_words([Problem.from_plain(error)]))
    if line.record is not None:
        state = line.record.state if line.record.state == "placed" else line.state
        lines.append(record_words(replace(line.record, state=state), progress=float(line.job.get("progress", 0.0))))
        lines.append(line.record.path)
    else:
        lines.append(
            "This job was not made from Resolve: {}".format(line.job.get("spec", {}).get("output", {}).get("path", ""))
        )
    return "\n".join(line for line in lines if line)
