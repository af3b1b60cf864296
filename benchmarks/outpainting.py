"""Outpainting on real clips, by the protocol of M3DDM and MOTIA (Table 1).

256x256, black bars left and right of 0.25 and 0.66 of the width in all, the known part replaced by the truth before
measuring. Prints PSNR a clip next to OpenCV's Telea on single frames, and stores the table as JSON.

    python benchmarks/outpainting.py ../shared/data/davis-dev
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from engine_run import run_job

from overscan.core.jobs import Extend, ExtrasMode, Job, OutputSpec, SequenceSource
from overscan.core.measure import high_frequency_ratio, psnr, ssim, telea_per_frame

SIZE = 256
RATIOS = (0.25, 0.66)

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One clip at one ratio; means over its frames."""

    clip: str
    ratio: float
    frames: int
    psnr_overscan: float
    psnr_telea: float
    ssim_overscan: float
    ssim_telea: float
    high_frequency_overscan: float
    high_frequency_telea: float
    seconds_per_frame: float


def read_clip(folder: Path) -> list[Picture]:
    """All frames, 256x256 BGR."""
    frames = []
    for path in sorted(folder.glob("*.jpg")) or sorted(folder.glob("*.png")):
        picture = cv2.imread(str(path))
        frames.append(np.asarray(cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8))
    return frames


def extend(frames: list[Picture], bar: int, folder: Path, parameters: dict[str, str]) -> tuple[list[Picture], float]:
    """Cut the bars off, extend the plate again with the engine, and read the result; seconds a frame."""
    plate, out = folder / "plate", folder / "out"
    plate.mkdir()
    for number, frame in enumerate(frames, 1001):
        cv2.imwrite(str(plate / f"p.{number}.png"), frame[:, bar : SIZE - bar])
    job = Job(
        task=Extend(size=(SIZE, SIZE), place=(bar, 0)),
        plate=SequenceSource(path=str(plate / "p.%04d.png")),
        output=OutputSpec(path=str(out / "o.%04d.png"), extras=ExtrasMode.NONE),
        parameters=parameters,
    )
    start = time.monotonic()
    run_job(job, folder=folder)
    seconds = (time.monotonic() - start) / len(frames)
    results = [cv2.imread(str(out / f"o.{number}.png")) for number in range(1001, 1001 + len(frames))]
    return [np.asarray(result, np.uint8) for result in results], seconds


def measure(clip: Path, ratio: float, parameters: dict[str, str]) -> Row:
    """One row of the table."""
    frames = read_clip(clip)
    bar = round(SIZE * ratio / 2)
    hole = np.ones((SIZE, SIZE), np.bool_)
    hole[:, bar : SIZE - bar] = False
    with tempfile.TemporaryDirectory() as folder:
        results, seconds = extend(frames, bar, Path(folder), parameters)
    scores = []
    for frame, result in zip(frames, results, strict=True):
        if not np.array_equal(frame[~hole], result[~hole]):
            raise SystemExit(f"{clip.name}: the plate was changed")
        truth = frame.astype(np.float32) / 255
        row = []
        for picture in (result, telea_per_frame(frame, hole)):
            own = picture.astype(np.float32) / 255
            row += [psnr(own, truth), ssim(own, truth), high_frequency_ratio(own, truth, mask=hole)]
        scores.append(row)
    mean = np.mean(scores, axis=0)
    return Row(
        clip=clip.name,
        ratio=ratio,
        frames=len(frames),
        psnr_overscan=float(mean[0]),
        ssim_overscan=float(mean[1]),
        high_frequency_overscan=float(mean[2]),
        psnr_telea=float(mean[3]),
        ssim_telea=float(mean[4]),
        high_frequency_telea=float(mean[5]),
        seconds_per_frame=seconds,
    )


def table(rows: list[Row]) -> str:
    """The table as Markdown."""
    lines = [
        "| clip | ratio | PSNR | Telea | gain | SSIM | Telea | detail | Telea | s/frame |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.clip} | {row.ratio} | {row.psnr_overscan:.2f} | {row.psnr_telea:.2f} "
            f"| {row.psnr_overscan - row.psnr_telea:+.2f} | {row.ssim_overscan:.3f} | {row.ssim_telea:.3f} "
            f"| {row.high_frequency_overscan:.2f} | {row.high_frequency_telea:.2f} | {row.seconds_per_frame:.2f} |"
        )
    names = (
        "psnr_overscan", "psnr_telea", "ssim_overscan", "ssim_telea", "high_frequency_overscan", "high_frequency_telea",
    )  # fmt: skip
    mean = {name: float(np.mean([getattr(row, name) for row in rows])) for name in names}
    lines.append(
        f"| **mean** | both | **{mean['psnr_overscan']:.2f}** | **{mean['psnr_telea']:.2f}** "
        f"| **{mean['psnr_overscan'] - mean['psnr_telea']:+.2f}** | {mean['ssim_overscan']:.3f} "
        f"| {mean['ssim_telea']:.3f} | {mean['high_frequency_overscan']:.2f} | {mean['high_frequency_telea']:.2f} | |"
    )
    by_clip: dict[str, list[float]] = {}
    for row in rows:
        by_clip.setdefault(row.clip, []).append(row.psnr_overscan - row.psnr_telea)
    worst = min(by_clip, key=lambda name: float(np.mean(by_clip[name])))
    lines.append(f"\nWorst clip, mean of its ratios: {worst}, {np.mean(by_clip[worst]):+.2f} dB against Telea.")
    single = min(rows, key=lambda row: row.psnr_overscan - row.psnr_telea)
    lines.append(
        f"Worst clip and ratio: {single.clip} at {single.ratio}, {single.psnr_overscan - single.psnr_telea:+.2f} dB."
    )
    return "\n".join(lines)


def main() -> int:
    """Print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with JPEGImages/<clip>/*.jpg")
    parser.add_argument("--clips", nargs="*", help="only these clips")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--copy", default="auto", choices=("auto", "always", "never"), help="the engine's parameter")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/outpainting.json"))
    arguments = parser.parse_args()
    clips = [
        clip
        for clip in sorted((arguments.data / "JPEGImages").iterdir())
        if clip.is_dir() and (not arguments.clips or clip.name in arguments.clips)
    ]
    # One thread a process: the processes share the cores.
    os.environ["NUMBA_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        pending = [pool.submit(measure, clip, ratio, {"copy": arguments.copy}) for clip in clips for ratio in RATIOS]
        rows = [future.result() for future in pending]
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({"copy": arguments.copy, "rows": [asdict(row) for row in rows]}, indent=1))
    sys.stdout.write(table(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
