"""Makes docs/images/nuke_*.png: the panel on a real service, with real jobs on the example plate, under Xvfb.

xvfb-run -s "-screen 0 1600x1200x24" .venv/bin/python docs/images/make_nuke_panel.py docs/images

Needs PySide6 (`pip install 'PySide6-Essentials>=6.8,<6.9'`) and two to three minutes. The stand-in for Nuke's graph is
that no result is opened; everything else is what runs in Nuke.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_SCALE_FACTOR", "1.5")

from overscan_host import Bridge, CallbackQueue
from overscan_nuke.panel._preferences_page import PreferencesPage
from overscan_nuke.panel._qt import Qt, QtCore, QtWidgets
from overscan_nuke.panel._queue import QueuePanel

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FIRST, LAST = 1001, 1012


class Waker(QtCore.QObject):
    """Has the queue drained on the main thread."""

    woken = QtCore.Signal()


class Studio:
    """A bridge, a service in a home of its own, and jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.application = QtWidgets.QApplication([])
        self.application.setStyle("Fusion")
        self.waker = Waker()
        kernels = os.environ.get("NUMBA_CACHE_DIR")
        if kernels:  # spares minutes of compiling
            (folder / "home" / "cache").mkdir(parents=True)
            (folder / "home" / "cache" / "numba").symlink_to(kernels)
        queue = CallbackQueue(wake=self.waker.woken.emit)
        self.waker.woken.connect(lambda: queue.drain(), Qt.ConnectionType.QueuedConnection)
        self.bridge = Bridge(
            command=[sys.executable, "-m", "overscan.cli", "bridge"],
            host="docs", host_version="1", plugin_version="0.1.0", queue=queue,
            environment={**os.environ, "OVERSCAN_HOME": str(folder / "home")},
        )  # fmt: skip

    def job(self, node: str, shot: str, frames: str, *, version: int = 1, **more: object) -> str:
        """Create a job; returns its id."""
        plate = self.folder / shot / "plate"
        if not plate.exists():
            plate.mkdir(parents=True)
            for number in range(FIRST, LAST + 1):
                shutil.copy(EXAMPLES / "plate" / f"plate.{number}.exr", plate)
        task = {"inpaint": {"matte": {"sequence": {"path": str(EXAMPLES / "matte" / "matte.%04d.exr")}}}}
        if node.startswith("Extend"):
            task = {"extend": {"format": "1728x720"}}
        name = self.folder / shot / "overscan" / node / f"v{version:03d}" / f"{node}.%04d.exr"
        job = {
            "plate": {"path": str(plate / "plate.%04d.exr")}, **task, "frames": frames,
            "controls": {"parameters": {"quality": "preview"}}, "output": {"path": str(name)},
            "labels": {"artist": "anna", "shot": shot}, **more,
        }  # fmt: skip
        return str(
            self.bridge.request("job.create", {"job": job, "request_id": str(uuid.uuid4())}, timeout_seconds=300)["id"]
        )

    def until(self, condition: Callable[[], object], *, seconds: float = 600.0) -> None:
        """Run the event loop until something is so."""
        give_up = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > give_up:
                raise TimeoutError("it did not come to pass")
            self.application.processEvents()
            time.sleep(0.01)
        for _ in range(20):
            self.application.processEvents()
            time.sleep(0.01)


def main(out: Path) -> None:
    """Make all pictures."""
    with tempfile.TemporaryDirectory(prefix="odp-") as short:
        studio = Studio(Path(short) / "show")
        panel = QueuePanel(
            bridge=studio.bridge, artist="anna", open_result=lambda _: None, open_preferences=lambda: None
        )
        panel.resize(660, 640)
        panel.show()
        studio.until(lambda: panel.board.service == "down")
        panel.grab().save(str(out / "nuke_panel_start.png"))
        try:
            _jobs(studio, panel, out)
        finally:
            panel.shut_down()
            panel.close()
            studio.bridge.close()
            home = studio.folder / "home"
            _stop_service(home)
    page = PreferencesPage(path=Path(short) / "overscan.json")
    page.show()
    studio.until(lambda: "plates" in page.cache_size.text())
    page.grab().save(str(out / "nuke_preferences.png"))
    page.close()


def _stop_service(home: Path) -> None:
    with contextlib.suppress(OSError, ValueError, KeyError):
        os.kill(json.loads((home / "service.json").read_text())["pid"], signal.SIGTERM)
        time.sleep(1.0)


def _jobs(studio: Studio, panel: QueuePanel, out: Path) -> None:
    def state(job_id: str) -> str:
        job = panel.board.jobs.get(job_id)
        return job.state if job is not None else ""

    def frames(job_id: str) -> int:
        job = panel.board.jobs.get(job_id)
        return job.frames_done if job is not None else 0

    done = studio.job("Extend1", "sh010", "1004-1005", version=3)
    panel.board.refresh()
    studio.until(lambda: state(done) == "succeeded")
    clean = studio.job("Inpaint1", "sh020", "1004-1004")
    panel.board.refresh()
    studio.until(lambda: state(clean) == "succeeded")
    broken = studio.job("Extend2", "sh030", "1001-1012")
    panel.board.refresh()
    studio.until(lambda: frames(broken) >= 2)
    # Somebody clears the plate away while the job runs.
    for frame in range(1007, LAST + 1):
        (studio.folder / "sh030" / "plate" / f"plate.{frame}.exr").unlink()
    studio.until(lambda: state(broken) == "failed")
    panel.choose(broken)
    running = studio.job("Extend1", "sh010", "1001-1012", version=4)
    waiting = studio.job("Inpaint1", "sh020", "1001-1012", version=2)
    panel.board.refresh()
    studio.until(lambda: frames(running) >= 3 and panel.board.jobs[running].seconds_left is not None)
    panel.choose(running)
    studio.until(lambda: bool(panel.board.jobs[done].preview))
    panel.grab().save(str(out / "nuke_panel.png"))
    panel.choose(broken)
    studio.until(lambda: True)
    panel.grab().save(str(out / "nuke_panel_failed.png"))
    for job in (running, waiting):
        panel.board.cancel(job)
    studio.until(lambda: all(state(job) == "cancelled" for job in (running, waiting)))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
