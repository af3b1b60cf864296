"""Shows the panel and the page with whichever Qt this Python has, in a process of its own: PICTURE FOLDER.

The bridge here answers from memory: what is tried is Qt, in Pythons that have nothing of Overscan's.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from overscan_nuke.panel import _style as style
from overscan_nuke.panel._preferences_page import PreferencesPage
from overscan_nuke.panel._qt import BINDING, QtCore, QtGui, QtWidgets
from overscan_nuke.panel._queue import QueuePanel


class Answers:
    """A bridge that knows two jobs."""

    def __init__(self) -> None:
        self.on_event: dict[str, Any] = {}
        self.asked: list[tuple[str, Any]] = []

    def call(self, method: str, params: Any, *, on_result: Any, **_: Any) -> None:
        self.asked.append((method, params))
        answers = {
            "service.status": {"address": "here"},
            "job.list": {"jobs": [job("one", "running"), job("two", "failed")]},
        }
        on_result(answers.get(method, job(params.get("job_id", ""), "queued")))

    def watch(self, job_id: str, *, on_event: Any, **_: Any) -> Any:
        self.on_event[job_id] = on_event
        return self

    def stop(self) -> None:
        pass


def job(name: str, state: str) -> dict[str, Any]:
    return {
        "id": name, "state": state, "progress": 0.5, "plan": {"frames": "1001-1010"},
        "spec": {"extend": {}, "output": {"path": f"/o/v001/{name}.%04d.exr"}, "labels": {"artist": "anna"}},
        "error": {"code": "X", "message": "It went wrong.", "next_step": "Mend it."} if state == "failed" else {},
    }  # fmt: skip


def main(folder: Path) -> None:
    application = QtWidgets.QApplication([])
    application.setStyle("Fusion")
    bridge = Answers()
    panel = QueuePanel(bridge=bridge, artist="anna", open_result=print, open_preferences=print)
    panel.resize(620, 600)
    panel.show()
    application.processEvents()
    assert panel.model.rowCount() == 2
    panel.choose("two")
    application.processEvents()
    assert panel.details.trouble.text() == "It went wrong."
    panel.details.retry.click()
    assert bridge.asked[-1] == ("job.retry", {"job_id": "two"})
    bridge.on_event["one"]({"number": 1, "step_progress": {"job": 0.75, "message": "paints", "seconds_left": 61.0}})
    application.processEvents()
    image, accent, count = panel.grab().toImage(), QtGui.QColor(style.ACCENT), 0
    for y in range(0, image.height(), 2):
        count += sum(image.pixelColor(x, y) == accent for x in range(0, image.width(), 2))
    assert count > 20, "the bar of the running job"
    assert panel.grab().save(str(folder / f"{BINDING}.png"))
    panel.everyone.setChecked(True)
    panel.search.setText("nothing like it")
    assert panel.empty.button.text() == "Show all"
    panel.shut_down()
    panel.close()
    page = PreferencesPage(path=folder / "overscan.json")
    page.show()
    application.processEvents()
    page.output_template.setText("/x/{node}.exr")
    assert not page.save.isEnabled()
    page.reload()
    page.save.click()
    assert (folder / "overscan.json").exists()
    sys.stdout.write(f"{BINDING} {QtCore.qVersion()}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
