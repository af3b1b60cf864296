"""How long the Nuke plugin keeps Nuke's window waiting, and how soon a run shows progress.

    python benchmarks/nuke_window.py

In the double of Nuke (tests/hosts), with a real bridge, a real service and the real engine; no Nuke is needed. What
Nuke itself takes, such as rendering a plate to the cache, is not counted.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import OpenImageIO

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.hosts.nuke_double import double  # noqa: E402

FRAMES = range(1001, 1901)
"""A long shot, which is planned; the runs make few frames of it."""
MADE = "1001-1004"
NODES = 200
"""Nodes between plate and node, all of which the cache's key has to look at."""
WAIT_SECONDS = 300.0
EXAMPLE = ROOT / "examples" / "plate" / "plate.1001.exr"


def main() -> None:
    """Measure, and print one line per figure."""
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="ow-") as short:
        folder = Path(short)
        path = os.environ.get("PYTHONPATH", "")
        command = ["env", f"PYTHONPATH={path}", sys.executable, "-m", "overscan.cli", "bridge"]
        os.environ.update(
            OVERSCAN_HOME=str(folder / "home"),
            OVERSCAN_IDLE_EXIT="60",
            OVERSCAN_COMMAND=json.dumps(command),
            OVERSCAN_NUKE_PREFERENCES=str(folder / "preferences.json"),
            OVERSCAN_NUKE_CACHE=str(folder / "cache"),
        )
        _measure(folder)


def _measure(folder: Path) -> None:
    nuke = double.install(version="15.1v3", gui=True)
    import overscan_nuke
    from overscan_nuke import _session

    overscan_nuke.register()
    nuke.scriptSaveAs(str(folder / "shot_v001.nk"), overwrite=1)
    _write_plate(folder)
    read = nuke.nodes.Read()
    for knob, value in (
        ("file", f"{folder}/plate.%04d.exr"), ("first", FRAMES[0]), ("last", FRAMES[-1]),
        ("origfirst", FRAMES[0]), ("origlast", FRAMES[-1]),
    ):  # fmt: skip
        read[knob].setValue(value)
    camera = nuke.nodes.Camera2()
    try:
        for what, nodes, shot in (
            ("the first run of a service", 0, MADE),
            ("a run with a service that is warm", 0, MADE),
            ("a plan of 900 frames with a camera", 0, ""),
            ("a plan of 900 frames behind 200 nodes", NODES, ""),
        ):
            top = read
            for _ in range(nodes):
                grade = nuke.nodes.Grade()
                grade.setInput(0, top)
                top = grade
            double.session().blocks.clear()
            node = overscan_nuke.create("extend")
            node.setInput(0, top)
            if not shot:
                node.setInput(3, camera)
            for knob, value in (("target", "margins"), ("left", 8), ("right", 8), ("quality", "preview"),
                                ("range", "custom"), ("frames", MADE), ("plate_frames", shot)):  # fmt: skip
                node[f"overscan_{knob}"].setValue(value)
            double.press(node, "overscan_plan_button")
            planned = node["overscan_plan"]
            double.pump(until=lambda: "Planning" not in planned.value(), limit_seconds=WAIT_SECONDS)  # noqa: B023
            waited = 0.0
            if shot:
                progress = node["overscan_progress"]
                begun = time.perf_counter()
                double.press(node, "overscan_generate_button")
                double.pump(until=lambda: _ended(progress.value(), ": Running"), limit_seconds=WAIT_SECONDS)  # noqa: B023
                waited = time.perf_counter() - begun
                double.pump(until=lambda: _ended(progress.value(), ": Done"), limit_seconds=WAIT_SECONDS)  # noqa: B023
            longest = double.longest_block()
            shown = f", Generate to first progress {waited:.2f} s" if waited else ""
            own = f"longest stay on the main thread {1000 * longest.own_seconds:.0f} ms"
            sys.stdout.write(f"{what}: {own}{shown}\n")
    finally:
        _session.close()
        double.uninstall()


def _write_plate(folder: Path) -> None:
    """Every eighth sample of the bundled plate's first frame, under 900 names."""
    pixels = OpenImageIO.ImageBuf(str(EXAMPLE)).get_pixels(OpenImageIO.HALF)[::8, ::8]
    spec = OpenImageIO.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], OpenImageIO.HALF)
    first = folder / f"plate.{FRAMES[0]}.exr"
    writer = OpenImageIO.ImageOutput.create(str(first))
    if not (writer.open(str(first), spec) and writer.write_image(pixels)):
        raise SystemExit(writer.geterror())
    writer.close()
    for frame in FRAMES[1:]:
        shutil.copy(first, folder / f"plate.{frame}.exr")


def _ended(words: str, wanted: str) -> bool:
    if "Not started" in words or ": Failed" in words:
        raise SystemExit(words)
    return wanted in words


if __name__ == "__main__":
    main()
