"""Peak memory and time of an extension, for shots of several lengths: memory must not grow with the shot.

A pan over the example's wide truth, enlarged, with grain; 1920x1080 half, extended by 192 samples on either side. Each
length runs in a process of its own, which reports its own peak.

    python benchmarks/memory.py --frames 24 240
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO as oiio
from engine_run import run_job

from overscan.core.jobs import Extend, ExtrasMode, Job, OutputSpec, SequenceSource
from overscan.examples import folder as examples

WIDTH, HEIGHT, SIDE = 1920, 1080, 192
STEP = 6.3
"""Samples a frame; the pan turns round at the ends of the picture."""


def make_plate(folder: Path, frames: int) -> None:
    """Write the frames of the pan."""
    folder.mkdir()
    still = oiio.ImageBuf(str(sorted((examples() / "truth").glob("*.exr"))[16])).get_pixels(oiio.FLOAT)[..., :3]
    scale = HEIGHT * 1.2 / still.shape[0]
    wide = cv2.resize(still, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    room = wide.shape[1] - WIDTH - 1
    random = np.random.default_rng(2)
    spec = oiio.ImageSpec(WIDTH, HEIGHT, 3, oiio.HALF)
    spec.attribute("compression", "zip")
    for number in range(frames):
        x = abs((number * STEP + room) % (2 * room) - room)
        shift = np.array([[1, 0, -x], [0, 1, -40.5]], np.float64)
        light = cv2.warpAffine(wide, shift, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
        light = (light + random.normal(0, 0.002, light.shape)).astype(np.float16)
        output = oiio.ImageOutput.create("out.exr")
        output.open(str(folder / f"plate.{1001 + number}.exr"), spec)
        output.write_image(light)
        output.close()


def peak_and_seconds(frames: int) -> tuple[float, float]:
    """Peak resident memory in MiB, and seconds a frame, of a job of so many frames in this process."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_plate(folder / "plate", frames)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        job = Job(
            task=Extend(size=(WIDTH + 2 * SIDE, HEIGHT)),
            plate=SequenceSource(path=str(folder / "plate" / "plate.%04d.exr")),
            output=OutputSpec(path=str(folder / "out" / "out.%04d.exr"), extras=ExtrasMode.PART),
        )
        start = time.monotonic()
        run_job(job, folder=folder)
        seconds = (time.monotonic() - start) / frames
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if peak <= before:
            raise SystemExit("making the plate took more memory than the job: the peak says nothing")
    return peak, seconds


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[24, 240])
    lengths = parser.parse_args().frames
    figures = {}
    for frames in lengths:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            peak, seconds = pool.apply(peak_and_seconds, (frames,))
        figures[frames] = {"peak_mib": round(peak), "seconds_per_frame": round(seconds, 2)}
    figures["ratio"] = round(figures[lengths[-1]]["peak_mib"] / figures[lengths[0]]["peak_mib"], 3)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
