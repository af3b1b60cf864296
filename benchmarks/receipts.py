"""What receipts cost: the part of an `extend` job's time that goes into digests, hashes, signatures and the receipt.

    python benchmarks/receipts.py [--frames 48] [--quality final] [--folder DIR]

Runs one job at 1920x1080 as a worker does, with the witness beside it, and counts processor seconds, so that the
figures hold on a busy machine too; the share of the wall time is at most the share of processor time where all
processors are busy, and less where one is free.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenImageIO as oiio
from suite import say

from overscan.core.engines import Context, load_engine
from overscan.core.jobs import Extend, Job, Margins, OutputSpec, SequenceSource
from overscan.core.orders import KeySource, ReceiptOrder
from overscan.core.receipts import Notary, Witness, deliver_receipt
from overscan.core.receipts import _make as making
from overscan.core.results import _stamp as stamping

SIZE = (1920, 1080)
MARGIN = 160
"""Samples added on the left and on the right: 14 % of the result is generated."""


class Meter:
    """Adds up the processor time of calls, whatever thread makes them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call`, metered."""

        def metered(*arguments: Any, **fields: Any) -> Any:
            begun = time.thread_time()
            try:
                return call(*arguments, **fields)
            finally:
                with self._lock:
                    self.seconds[name] = self.seconds.get(name, 0.0) + time.thread_time() - begun

        return metered


class Reporter:
    """Hands finished frames to the witness, as a worker does."""

    def __init__(self, finished: Callable[[int, Path], None]) -> None:
        self._finished = finished

    def progress(self, *, fraction: float, message: str) -> None:
        """Nobody watches."""

    def frame_finished(self, *, frame: int, path: Path, seconds: float) -> None:
        """Have it taken down."""
        del seconds
        self._finished(frame, Path(path))

    def warn(self, *, notice: object) -> None:
        """Nobody listens."""

    def check_cancelled(self) -> None:
        """Nobody stops it."""


def write_plate(folder: Path, frames: int) -> str:
    """A pan over a noise picture with grain: as hard to compress as a filmed one."""
    random = np.random.default_rng(1)
    width, height = SIZE[0] + 8 * frames, SIZE[1]
    whole = np.zeros((height, width, 3), np.float32)
    for octave in range(2, 9):
        coarse = random.standard_normal((max(2, height >> octave), max(2, width >> octave), 3)).astype(np.float32)
        whole += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(
            0.15 * 1.3 ** (octave - 4)
        )
    whole = np.exp(whole) * np.float32(0.2)
    for index in range(frames):
        view = whole[:, 8 * index : 8 * index + SIZE[0]]
        view = view + np.sqrt(4e-6 + 2e-4 * view) * random.standard_normal(view.shape, np.float32)
        spec = oiio.ImageSpec(*SIZE, 3, "half")
        spec.attribute("compression", "zip")
        output = oiio.ImageOutput.create(str(folder / f"plate.{1001 + index}.exr"))
        output.open(str(folder / f"plate.{1001 + index}.exr"), spec)
        output.write_image(np.ascontiguousarray(view))
        output.close()
    return str(folder / "plate.%04d.exr")


def measure(folder: Path, *, frames: int, quality: str, receipts: bool) -> dict[str, float]:
    """Run the job, with or without `receipts`; processor seconds by part, and of the whole process."""
    (folder / "p").mkdir(parents=True)
    plate = write_plate(folder / "p", frames)
    job = Job(
        task=Extend(margins=Margins(left=MARGIN, right=MARGIN)),
        plate=SequenceSource(path=plate, colour_space="lin_rec709_scene"),
        output=OutputSpec(path=str(folder / "o/o.%04d.exr")),
        parameters={"quality": quality},
    )
    work, cache = folder / "work", folder / "cache"
    for made in (work, cache):
        made.mkdir()
    meter = Meter()
    stamping.facts_of = meter.around("digests in the header", stamping.facts_of)
    Notary.sign_beside = meter.around("signatures", Notary.sign_beside)  # type: ignore[method-assign]
    making.record = meter.around("hashes of frames", making.record)
    making.sha256_of = meter.around("hashes of the plate", making.sha256_of)
    keys = KeySource(folder=folder / "keys")
    witness = Witness(keys=keys)

    def finished(frame: int, path: Path) -> None:
        if receipts:
            witness.offer(job=job, decision=None, work_folder=work, cache_folder=cache, frame=frame, path=path)

    if not receipts:
        stamping.facts_of = lambda part: {}  # noqa: ARG005
    engine = load_engine("plate")
    plan = engine.plan(job)
    assert plan.feasible, plan.problems
    context = Context(job=job, plan=plan, work_folder=work, cache_folder=cache, reporter=Reporter(finished))  # type: ignore[arg-type]
    began, processor = time.monotonic(), time.process_time()
    for step in plan.steps:
        engine.run(step, context)
    rendered = time.monotonic()
    witness.wait()
    beside = sum(meter.seconds.values())
    order = ReceiptOrder(
        job_id="0" * 32, spec="{}", created="", started="", decision=None, home=folder, archive=folder, keys=keys
    )
    before = time.process_time()
    if receipts:
        deliver_receipt(job=job, order=order, work_folder=work, cache_folder=cache, tick=lambda: None)
    meter.seconds["the receipt itself"] = time.process_time() - before - (sum(meter.seconds.values()) - beside)
    total = time.process_time() - processor
    return {
        **meter.seconds,
        "processor seconds of the job": total,
        "wall seconds of the job": time.monotonic() - began,
        "wall seconds after the last frame": time.monotonic() - rendered,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--quality", default="final", choices=("preview", "final"))
    parser.add_argument("--without", action="store_true", help="the same job without any of it, to compare with")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found = measure(
            Path(folder) / "run", frames=arguments.frames, quality=arguments.quality, receipts=not arguments.without
        )
    total = found["processor seconds of the job"]
    for name, seconds in found.items():
        part = f"{seconds / total:7.2%}" if "of the job" not in name and "wall" not in name else " " * 7
        say(f"{name:36} {seconds:8.2f} s {part}  {1000 * seconds / arguments.frames:8.1f} ms a frame")
    receipts = sum(seconds for name, seconds in found.items() if "the job" not in name and "wall" not in name)
    signing = found.get("signatures", 0.0)
    say(f"{'receipts and hashing, all of it':36} {receipts:8.2f} s {receipts / total:7.2%}")
    say(f"{'the same without signatures':36} {receipts - signing:8.2f} s {(receipts - signing) / total:7.2%}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
