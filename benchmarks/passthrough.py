"""What a job costs that changes nothing: the whole of Overscan against bare OpenImageIO.

Reads and writes the same frames with OpenImageIO alone, then runs `overscan inpaint` with a matte that is zero
everywhere and no extras; the command's own start, planning, reading the matte and checking promise 1 included. "cold"
starts the private service and its workers too, "warm" finds them running. Rounds alternate, so that a noisy machine
hurts all; the figures are ratios of medians. The bar: "warm" takes at most 1.25 times as long; else the exit code is 1.

    python benchmarks/passthrough.py --frames 48 --size 1920x1080 --compression zip
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO as oiio
from frame_files import read_exr, write_exr

from overscan.examples import folder as examples

BAR = 1.25
"""Longest that a passthrough job takes on a running service, in times of OpenImageIO's own read and write."""


def make_plate(folder: Path, *, frames: int, width: int, height: int, compression: str) -> None:
    """Frames of the example plate, scaled up, half RGBA, with fine grain so that they compress like a real plate."""
    stills = sorted((examples() / "plate").glob("*.exr"))
    random = np.random.default_rng(1)
    for number in range(frames):
        light = cv2.resize(read_exr(stills[number % len(stills)]), (width, height), interpolation=cv2.INTER_CUBIC)
        light = light + random.normal(0, 0.002, light.shape)
        pixels = np.concatenate([light, np.ones((height, width, 1))], axis=-1).astype(np.float16)
        write_exr(folder / f"plate.{1001 + number}.exr", pixels, names=("R", "G", "B", "A"), compression=compression)


def make_matte(folder: Path, *, frames: int, width: int, height: int) -> None:
    """A matte of zeros."""
    for number in range(frames):
        write_exr(folder / f"matte.{1001 + number}.exr", np.zeros((height, width, 1), np.float16), names=("A",))


def bare(plate: Path, out: Path) -> float:
    """Seconds to read and write all frames with OpenImageIO."""
    out.mkdir()
    start = time.monotonic()
    for path in sorted(plate.glob("*.exr")):
        source = oiio.ImageInput.open(str(path))
        spec = source.spec()
        pixels = source.read_image(0, 0, 0, spec.nchannels, oiio.HALF)
        source.close()
        output = oiio.ImageOutput.create(str(out / path.name))
        output.open(str(out / path.name), spec)
        output.write_image(pixels)
        output.close()
    return time.monotonic() - start


def whole(plate: Path, matte: Path, out: Path, home: Path) -> float:
    """Seconds of `overscan inpaint`, from the shell's point of view."""
    command = [
        sys.executable, "-m", "overscan.cli", "inpaint", str(plate / "plate.%04d.exr"),
        "--matte", str(matte / "matte.%04d.exr"), "-o", str(out / "out.%04d.exr"), "--extras", "none", "--json",
    ]  # fmt: skip
    start = time.monotonic()
    done = subprocess.run(command, env=os.environ | {"OVERSCAN_HOME": str(home)}, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    return time.monotonic() - start


def main() -> int:
    """Print the figures, and fail where the bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--compression", default="zip")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    width, height = (int(word) for word in arguments.size.split("x"))
    # The last private services end by themselves, a little later.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place)
        plate, matte = folder / "plate", folder / "matte"
        make_plate(plate, frames=arguments.frames, width=width, height=height, compression=arguments.compression)
        make_matte(matte, frames=arguments.frames, width=width, height=height)
        times: dict[str, list[float]] = {"openimageio": [], "cold": [], "warm": []}
        for number in range(arguments.rounds):
            times["openimageio"].append(bare(plate, folder / f"bare{number}"))
            home = folder / "homes" / str(number)  # a new service each round
            for kind in ("cold", "warm"):
                times[kind].append(whole(plate, matte, folder / f"{kind}{number}", home))
            for done in folder.glob(f"*[a-z]{number}"):
                shutil.rmtree(done)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratios = {name: round(medians[name] / medians["openimageio"], 3) for name in ("cold", "warm")}
    missed = ratios["warm"] > BAR
    result = vars(arguments) | {"seconds": times, "ratios": ratios, "bar": BAR, "missed": missed}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
