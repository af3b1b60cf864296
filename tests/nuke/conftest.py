"""The plugin in the double of Nuke, with a real bridge, a real service and real files."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
import pytest
from command_line import Cli, share_kernels

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from tests.hosts.nuke_double import double  # noqa: E402
from tests.nuke.nuke_case import forget_plugin  # noqa: E402

GREY_ENGINE = ROOT / "tests" / "cli" / "plugin" / "grey_engine.py"
WAIT_SECONDS = 90.0


@pytest.fixture(scope="session")
def overscan_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment of Nuke: a home that the tests share, and an engine whose pace they set."""
    folder = tmp_path_factory.mktemp("engine")
    shutil.copy(GREY_ENGINE, folder)
    info = folder / "grey_engine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: grey-engine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[overscan.engines]\ngrey = grey_engine:GreyEngine\n")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    # The bridge is started without the host's PYTHONPATH, so that the command has to bring it along.
    command = ["env", f"PYTHONPATH={path}", f"GREY_MENDED={folder / 'mended'}", sys.executable, "-m", "overscan.cli"]
    with tempfile.TemporaryDirectory(prefix="on-") as short:  # Unix sockets want short paths
        home = Path(short) / "home"
        share_kernels(home)
        yield {
            "OVERSCAN_HOME": str(home),
            "OVERSCAN_IDLE_EXIT": "60",
            "OVERSCAN_COMMAND": json.dumps([*command, "bridge"]),
            "GREY_MENDED": str(folder / "mended"),
        }
        Cli(home=home, cwd=home).stop_service()


@dataclass
class Nuke:
    """A Nuke with the plugin, in a folder of the test's own."""

    folder: Path
    nuke: Any

    def write_plate(
        self, name: str = "plate", frames: Sequence[int] = range(1001, 1005), *, channels: str = "RGBA", **more: Any
    ) -> str:
        """Write EXR frames with values that clamping or rounding would show; returns the pattern."""
        return str(write_frames(self.folder / "plates", name, frames, tuple(channels), **more))

    def read(self, pattern: str, frames: Sequence[int] = range(1001, 1005), **knobs: Any) -> Any:
        """A Read as Nuke makes it when a sequence is dropped into the graph."""
        node = self.nuke.nodes.Read()
        node["file"].setValue(pattern)
        for knob, value in (("first", frames[0]), ("last", frames[-1])):
            node[knob].setValue(value)
            node["orig" + knob].setValue(value)
        for knob, value in knobs.items():
            node[knob].setValue(value)
        return node

    def make(self, kind: str, plate: Any, **knobs: Any) -> Any:
        """An Overscan node that the grey engine carries out."""
        import overscan_nuke

        for selected in self.nuke.selectedNodes():
            selected.setSelected(False)
        node = overscan_nuke.create(kind)
        node.setInput(0, plate)
        node["overscan_engine"].setValue("grey")
        node["overscan_range"].setValue("input")
        if kind == "extend":
            node["overscan_target"].setValue("margins")
            knobs = {"left": 6, "right": 4, "top": 3, "bottom": 2, **knobs}
        for knob, value in knobs.items():
            node["overscan_" + knob].setValue(value)
        return node

    def press(self, node: Any, button: str) -> None:
        double.press(node, f"overscan_{button}_button")

    def until(self, condition: Callable[[], object], *, seconds: float = WAIT_SECONDS) -> None:
        double.pump(until=condition, limit_seconds=seconds)

    def progress(self, node: Any) -> str:
        return str(node["overscan_progress"].value())

    def generate(self, node: Any, *, ending: str = "Done") -> str:
        """Press Generate and wait for what comes of it; returns the version's name."""
        before = node["overscan_versions"].value()
        self.press(node, "generate")
        self.until(
            lambda: (
                (node["overscan_versions"].value() != before and f": {ending}" in self.progress(node))
                or "Not started" in self.progress(node)
            )
        )
        assert f": {ending}" in self.progress(node), self.progress(node)
        return str(node["overscan_version"].value())

    def picture(self, node: Any, frame: int, *, channels: str = "all", name: str = "look") -> dict[str, np.ndarray]:
        """What the graph shows, by EXR channel, rows from the top; NaN is as it is in the file."""
        path = self.folder / f"{name}-{time.monotonic_ns()}.exr"
        write = self.nuke.nodes.Write()
        write.setInput(0, node)
        for knob, value in (("file", str(path)), ("file_type", "exr"), ("raw", True), ("channels", channels)):
            write[knob].setValue(value)
        write["datatype"].setValue("32 bit float")
        self.nuke.execute(write, frame, frame)
        self.nuke.delete(write)
        return read_frame(path)


@pytest.fixture
def nuke(overscan_environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nuke]:
    """A Nuke with a window, whose script is saved."""
    for name, value in overscan_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OVERSCAN_NUKE_PREFERENCES", str(tmp_path / "preferences.json"))
    monkeypatch.setenv("OVERSCAN_NUKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OCIO", raising=False)
    forget_plugin()
    module = double.install(version="15.1v3", gui=True)
    import overscan_nuke

    overscan_nuke.register()
    module.scriptSaveAs(str(tmp_path / "shot010_v003.nk"), overwrite=1)
    module.root()["first_frame"].setValue(1001)
    module.root()["last_frame"].setValue(1004)
    try:
        yield Nuke(tmp_path, module)
    finally:
        from overscan_nuke import _session

        _session.close()
        double.uninstall()
        forget_plugin()


def write_frames(
    folder: Path,
    name: str,
    frames: Sequence[int],
    channels: Sequence[str],
    *,
    size: tuple[int, int] = (40, 30),
    border: int = 0,
    aspect: float = 1.0,
    depth: str = "half",
    seed: int = 0,
) -> Path:
    """EXR frames with NaN, infinities and negative values; the data window is the format and a `border` around it."""
    folder.mkdir(parents=True, exist_ok=True)
    width, height = size
    for frame in frames:
        random = np.random.default_rng(abs(frame) + seed)
        shape = (height + 2 * border, width + 2 * border, len(channels))
        pixels = random.normal(0.5, 2.0, shape).astype(np.float32)
        pixels[3, :3, 0] = np.nan, np.inf, -np.inf
        for index, channel in enumerate(channels):
            if channel == "A" or "." in channel:
                pixels[..., index] = 0
                pixels[height // 3 : height // 2, width // 3 : width // 2, index] = 1
        spec = OpenImageIO.ImageSpec(shape[1], shape[0], shape[2], depth)
        spec.x = spec.y = -border
        spec.full_width, spec.full_height = width, height
        spec.channelnames = tuple(channels)
        spec["compression"] = "zip"
        spec["PixelAspectRatio"] = aspect
        path = str(folder / f"{name}.%04d.exr") % frame
        writer = OpenImageIO.ImageOutput.create(path)
        assert writer.open(path, spec), writer.geterror()
        assert writer.write_image(pixels)
        writer.close()
    return folder / f"{name}.%04d.exr"


def read_frame(path: Path | str) -> dict[str, np.ndarray]:
    """Channels of an EXR file inside its format, as 32-bit float, rows from the top."""
    reader = OpenImageIO.ImageInput.open(str(path))
    assert reader, OpenImageIO.geterror()
    found: dict[str, np.ndarray] = {}
    part = 0
    while reader.seek_subimage(part, 0):
        spec = reader.spec()
        pixels = reader.read_image(part, 0, 0, spec.nchannels, "float")
        canvas = np.zeros((spec.full_height, spec.full_width, spec.nchannels), np.float32)
        top, left = spec.y - spec.full_y, spec.x - spec.full_x
        rows = slice(max(top, 0), min(top + spec.height, spec.full_height))
        columns = slice(max(left, 0), min(left + spec.width, spec.full_width))
        canvas[rows, columns] = pixels[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        found.update({name: canvas[..., index] for index, name in enumerate(spec.channelnames)})
        part += 1
    reader.close()
    return found


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two float images are equal to the last bit, NaN included."""
    return one.shape == other.shape and bool((one.view(np.uint32) == other.view(np.uint32)).all())
