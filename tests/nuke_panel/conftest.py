"""A real Qt with a screen of its own, a real bridge and a real service, and the panel on them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Cli, share_kernels

GREY_ENGINE = Path(__file__).parents[1] / "cli" / "plugin" / "grey_engine.py"
SCREEN = "1600x1200x24"
WAIT_SECONDS = 60.0


_SHOWN: list[str] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say on what the panel was shown."""
    for what in _SHOWN:
        terminalreporter.write_line(f"The panel was shown with {what}.")


@pytest.fixture(scope="session")
def platform() -> Iterator[str]:
    """Where windows are shown: a screen that is there, one that Xvfb makes, or Qt's own without any."""
    if importlib.util.find_spec("PySide6") is None:
        pytest.skip("needs PySide6: pip install 'PySide6-Essentials>=6.8,<6.9'")
    if os.environ.get("QT_QPA_PLATFORM") or os.environ.get("DISPLAY") or sys.platform != "linux":
        yield os.environ.get("QT_QPA_PLATFORM", "the screen that is there")
        return
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        yield "offscreen (apt-get install xvfb for a real screen)"
        return
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [xvfb, "-displayfd", str(writing), "-screen", "0", SCREEN, "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as stream:
        number = stream.readline().strip()
    assert number, "Xvfb did not start"
    os.environ["DISPLAY"] = f":{number}"
    yield f"Xvfb :{number}"
    del os.environ["DISPLAY"]
    process.terminate()
    process.wait()


@pytest.fixture(scope="session")
def qt(platform: str) -> Iterator[Any]:
    """The application."""
    from overscan_nuke.panel._qt import BINDING, QtCore, QtWidgets

    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    application.setStyle("Fusion")
    _SHOWN.append(f"{BINDING} {QtCore.qVersion()} on {platform}")
    yield application


class Screen:
    """The event loop, and how long one turn of it took."""

    def __init__(self, application: Any) -> None:
        from overscan_host import CallbackQueue
        from overscan_nuke.panel._qt import QtCore

        class Waker(QtCore.QObject):
            woken = QtCore.Signal()

        self._application = application
        self._waker = Waker()
        self.queue = CallbackQueue(wake=self._waker.woken.emit)
        self._waker.woken.connect(lambda: self.queue.drain(), QtCore.Qt.ConnectionType.QueuedConnection)

    def settle(self) -> None:
        for _ in range(5):
            self._application.processEvents()

    def until(self, condition: Callable[[], object], *, seconds: float = WAIT_SECONDS) -> None:
        """Run the event loop until something is so."""
        give_up = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < give_up, "it did not come to pass"
            self._application.processEvents()
            time.sleep(0.005)
        self.settle()


@pytest.fixture
def screen(qt: Any) -> Screen:
    return Screen(qt)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment of bridges and commands: a home that the tests share, and the engine whose pace they set."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copy(GREY_ENGINE, folder)
    info = folder / "grey_engine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: grey-engine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[overscan.engines]\ngrey = grey_engine:GreyEngine\n")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory(prefix="op-") as short:  # Unix sockets want short paths
        home = Path(short) / "home"
        share_kernels(home)
        yield {
            **os.environ,
            "PYTHONPATH": path,
            "GREY_MENDED": str(folder / "mended"),
            "OVERSCAN_IDLE_EXIT": "60",
            "OVERSCAN_HOME": str(home),
        }
        Cli(home=home, cwd=home).stop_service()


@pytest.fixture
def bridge(screen: Screen, environment: dict[str, str]) -> Iterator[Any]:
    """The host's half on a real bridge."""
    from overscan_host import Bridge

    made = Bridge(
        command=[sys.executable, "-m", "overscan.cli", "bridge"],
        host="tests",
        host_version="1",
        plugin_version="0.1.0",
        queue=screen.queue,
        environment=environment,
    )
    yield made
    made.close()


@pytest.fixture
def plate(tmp_path: Path) -> str:
    """A plate of four frames."""
    return str(Cli.write_frames(tmp_path))


@pytest.fixture
def job_for(plate: str, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Makes jobs: the name of the node, parameters of the grey engine, and who asks."""

    def make(name: str, *, artist: str = "anna", task: str = "extend", **parameters: Any) -> dict[str, Any]:
        return {
            "plate": {"path": plate},
            task: {"format": "48x24"},
            "engine": "grey",
            "controls": {"parameters": parameters},
            "output": {"path": str(tmp_path / "overscan" / name / "v001" / f"{name}.%04d.exr")},
            "labels": {"artist": artist, "shot": "sh010"},
        }

    return make


@pytest.fixture
def shots() -> Path | None:
    """Folder for pictures to look at, if somebody wants them: ``$OVERSCAN_SHOTS``."""
    folder = os.environ.get("OVERSCAN_SHOTS")
    return Path(folder) if folder else None
