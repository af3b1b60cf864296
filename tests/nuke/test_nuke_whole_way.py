"""Whole ways in the double: the bundled plate with the real engine, and processes killed under a running node."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
import psutil
import pytest
from conftest import Nuke, read_frame, same_bits

from tests.hosts.nuke_double import double

log = logging.getLogger(__name__)
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plate" / "plate.%04d.exr"


def bridge() -> Any:
    from overscan_nuke import _session

    return _session.bridge()


def running(nuke: Nuke, node: Any) -> None:
    """Press Generate, and wait until the first frame is there."""
    nuke.press(node, "generate")
    nuke.until(lambda: "there" in nuke.progress(node) or "Not started" in nuke.progress(node))
    assert "there" in nuke.progress(node), nuke.progress(node)


def service_id() -> int:
    return int(bridge().request("service.status", {})["pid"])


def gone(process_id: int) -> bool:
    try:
        return psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def of_this_home() -> list[psutil.Process]:
    """Every process that works for the tests' home."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("OVERSCAN_HOME") == os.environ["OVERSCAN_HOME"] and process.pid != os.getpid():
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def small_plate(folder: Path, frames: range) -> str:
    """Every eighth sample of the bundled plate: a real shot, small enough for a test."""
    for frame in frames:
        pixels = OpenImageIO.ImageBuf(str(EXAMPLE) % frame).get_pixels(OpenImageIO.HALF)[::8, ::8]
        spec = OpenImageIO.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], OpenImageIO.HALF)
        writer = OpenImageIO.ImageOutput.create(str(folder / f"small.{frame:04d}.exr"))
        assert writer.open(str(folder / f"small.{frame:04d}.exr"), spec) and writer.write_image(pixels)
        writer.close()
    return str(folder / "small.%04d.exr")


@pytest.mark.slow
def test_a_real_plate_goes_through_the_real_engine_and_back(nuke: Nuke) -> None:
    frames = range(1001, 1005)
    pattern = small_plate(nuke.folder, frames)
    read = nuke.read(pattern, frames)
    node = nuke.make("extend", read, left=8, right=8, top=0, bottom=0)
    node["overscan_engine"].setValue("plate")
    nuke.press(node, "plan")
    nuke.until(lambda: "makes frames" in node["overscan_plan"].value() or "cannot" in node["overscan_plan"].value())
    assert "plate makes frames 1001-1004" in node["overscan_plan"].value(), node["overscan_plan"].value()

    begun = time.perf_counter()
    nuke.press(node, "generate")
    nuke.until(lambda: "%" in nuke.progress(node) or "Not started" in nuke.progress(node))
    waited = time.perf_counter() - begun
    # Its first run compiles kernels.
    nuke.until(lambda: ": Done" in nuke.progress(node) or "Not started" in nuke.progress(node), seconds=270)
    assert ": Done" in nuke.progress(node), nuke.progress(node)
    # Measured, and judged only where a call that waits for another process would show.
    own = double.longest_block().own_seconds
    log.info("Generate to first progress %.2f s; longest stay on the main thread %.1f ms", waited, 1000 * own)
    assert own < 0.5, double.longest_block()

    assert (node.width(), node.height()) == (read.width() + 16, read.height())
    for frame in frames:
        plate = read_frame(pattern % frame)
        shown = nuke.picture(node, frame)
        for channel in "RGB":
            assert same_bits(np.ascontiguousarray(shown[channel][:, 8:-8]), plate[channel]), (frame, channel)
        assert np.isfinite(shown["R"]).all()
        assert shown["R"][:, :8].any()


@pytest.mark.parametrize("victim", ["bridge", "service"])
def test_what_is_killed_under_a_running_node_is_said_and_the_run_comes_to_its_end(nuke: Nuke, victim: str) -> None:
    node = nuke.make("extend", nuke.read(nuke.write_plate()), parameters="pause=1.0")
    running(nuke, node)
    killed = bridge().process_id if victim == "bridge" else service_id()
    os.kill(killed, signal.SIGKILL)
    said: list[str] = []

    def ended() -> bool:
        words = nuke.progress(node)
        if not said or said[-1] != words:
            said.append(words)
        return ": Done" in words or "Retry" in words

    nuke.until(ended)
    if ": Done" not in nuke.progress(node):
        nuke.press(node, "retry")
        nuke.until(lambda: ": Done" in nuke.progress(node))
    assert gone(killed)
    result = Path(node["overscan_result"].value()).parent
    assert len(list(result.glob("*.exr"))) == 4, said
    assert [line for line in said if "%" not in line], f"nothing was said of the kill: {said}"


def test_closing_nuke_leaves_no_bridge_behind(nuke: Nuke) -> None:
    node = nuke.make("extend", nuke.read(nuke.write_plate()))
    nuke.generate(node)
    before = bridge().process_id
    from overscan_nuke import _session

    _session.close()
    assert gone(before)
    assert [process.cmdline() for process in of_this_home() if "bridge" in process.cmdline()] == []
