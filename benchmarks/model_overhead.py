"""What Overscan adds to a diffusion model: a paint step of a job against the bare diffusers call in it.

Builds a pipeline of random weights in the architecture of a family, enters it in a library of its own, and plans and
runs a job that continues a plate by one window. The arguments of the pipeline's call are caught, and the same call is
made bare, on the same tensors, with the same number of steps. Rounds alternate, so that a noisy machine hurts both.
What is judged is the part of the paint step that is not diffusers' own, the previews and the listening between its
steps included; the ratio of the medians says the same where the machine is quiet. A paint step reads frames, brings
them to the model's size and code, calls the pipeline, matches what comes back, and keeps it; what comes before and
after windows (looking at the shot, composing frames) is listed beside.

    python benchmarks/model_overhead.py --device cpu
    python benchmarks/model_overhead.py --size 1.3B --width 832 --height 480 --frames 81 --steps 30 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from frame_files import write_exr
from suite import say

from overscan.core.controls import Controls
from overscan.core.engines import Context, Notice
from overscan.core.engines.diffusion import DiffusionEngine, runtime
from overscan.core.engines.diffusion.families._wan_i2v import WanI2v
from overscan.core.engines.diffusion.families._wan_vace import WanVace
from overscan.core.jobs import Continue, Job, OutputSpec, SequenceSource
from overscan.core.models import library

LIMIT = 0.05
"""Part of the bare call's time that may be added."""
TINY = Path(__file__).resolve().parents[1] / "tests" / "core" / "engines" / "diffusion"
"""The tests' tokenizers and text encoders, which nothing here depends on the size of."""
FAMILIES: dict[str, Any] = {"wan-vace": WanVace(), "wan-i2v": WanI2v()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Sizes of the parts that take time."""

    heads: int
    head: int
    inside: int
    layers: int
    beside: tuple[int, ...]
    """Layers of VACE that are steered from beside."""
    base: int
    """Channels of the autoencoder's first level."""
    levels: tuple[int, ...]


SIZES = {
    "tiny": Architecture(heads=2, head=12, inside=24, layers=2, beside=(0, 1), base=3, levels=(1, 1, 1, 1)),
    "mid": Architecture(heads=6, head=64, inside=1536, layers=6, beside=(0, 3), base=8, levels=(1, 2, 4, 4)),
    "1.3B": Architecture(
        heads=12, head=128, inside=8960, layers=30, beside=tuple(range(0, 30, 2)), base=96, levels=(1, 2, 4, 4)
    ),
    "14B": Architecture(
        heads=40, head=128, inside=13824, layers=40, beside=tuple(range(0, 40, 5)), base=96, levels=(1, 2, 4, 4)
    ),
}
"""``1.3B`` and ``14B`` are those of Wan2.1-VACE and Wan2.1-I2V; text encoders are small in all."""


class _Reporter:
    """Takes everything, previews too."""

    def __init__(self) -> None:
        self.previews = 0

    def progress(self, *, fraction: float, message: str) -> None:
        """Not wanted."""

    def frame_finished(self, *, frame: int, path: Path, seconds: float) -> None:
        """Not wanted."""

    def warn(self, *, notice: Notice) -> None:
        """Not wanted."""

    def check_cancelled(self) -> None:
        """Never."""

    def preview(self, *, frame: int, picture: np.ndarray) -> None:
        """Counted."""
        del frame, picture
        self.previews += 1


def save_model(folder: Path, *, family: str, size: str, half: bool) -> Path:
    """A model folder of a family in an architecture, random weights."""
    import torch
    from diffusers import (
        AutoencoderKLWan,
        WanImageToVideoPipeline,
        WanTransformer3DModel,
        WanVACEPipeline,
        WanVACETransformer3DModel,
    )

    sys.path.insert(0, str(TINY))
    from tiny import _wan as tiny
    from tiny import tiny_tokenizer

    built = SIZES[size]
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16 if half else torch.float32)
    shape = {
        "num_attention_heads": built.heads,
        "attention_head_dim": built.head,
        "ffn_dim": built.inside,
        "num_layers": built.layers,
        "text_dim": tiny._TEXT,
    }
    parts = {"tokenizer": tiny_tokenizer(), "text_encoder": tiny._text_encoder(), "scheduler": tiny._scheduler()}
    if family == "wan-vace":
        transformer = WanVACETransformer3DModel(**shape, in_channels=16, vace_layers=list(built.beside))
        kind = WanVACEPipeline
    else:
        transformer = WanTransformer3DModel(**shape, in_channels=36, out_channels=16)
        kind = WanImageToVideoPipeline
    torch.set_default_dtype(torch.float32)
    vae = AutoencoderKLWan(base_dim=built.base, dim_mult=list(built.levels))
    kind(**parts, transformer=transformer, vae=vae).save_pretrained(folder, safe_serialization=True)
    return folder


def write_plate(folder: Path, *, frames: int, width: int, height: int) -> str:
    """A moving picture of smooth noise, half, light from 0 to about 8."""
    random = np.random.default_rng(1)
    large = cv2.resize(
        random.random((24, 40, 3), np.float32), (width + 4 * frames, height), interpolation=cv2.INTER_CUBIC
    )
    for number in range(frames):
        light = np.exp2(6 * large[:, 4 * number : 4 * number + width] - 3)
        write_exr(folder / f"plate.{1001 + number}.exr", light.astype(np.float16), names=("R", "G", "B"))
    return str(folder / "plate.%04d.exr")


class Catcher:
    """Keeps the arguments of the last call of a pipeline's class, and the time that was diffusers' own in it."""

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}
        self.pipeline: Any = None
        self.seconds = 0.0
        """Of the last call, without what listens to its steps, and of the decoding that we ask for after it."""
        self._calling = False

    @contextmanager
    def watching(self, kind: type[Any], device: str) -> Iterator[None]:
        """Inside, calls of the class are caught."""
        from diffusers import AutoencoderKLWan

        own, own_decode = kind.__call__, AutoencoderKLWan.decode

        def decode(*passed: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            made = own_decode(*passed, **named)
            synchronize(device)
            if not self._calling:
                self.seconds += time.perf_counter() - begun
            return made

        def call(pipeline: Any, **named: Any) -> Any:
            self.arguments, self.pipeline = named, pipeline
            listener = named.get("callback_on_step_end")
            listening = 0.0

            def listen(*passed: Any) -> Any:
                nonlocal listening
                synchronize(device)
                begun = time.perf_counter()
                heard = listener(*passed)
                synchronize(device)
                listening += time.perf_counter() - begun
                return heard

            begun = time.perf_counter()
            self._calling = True
            try:
                made = own(pipeline, **(named | {"callback_on_step_end": listen} if listener else named))
            finally:
                self._calling = False
            synchronize(device)
            self.seconds = time.perf_counter() - begun - listening
            return made

        kind.__call__, AutoencoderKLWan.decode = call, decode
        try:
            yield
        finally:
            kind.__call__, AutoencoderKLWan.decode = own, own_decode

    def again(self) -> Any:
        """The same call, with nothing that listens to it, and with the pipeline's own decoding."""
        named = {name: value for name, value in self.arguments.items() if name != "callback_on_step_end"}
        return self.pipeline(**{**named, "generator": runtime.noise(0), "output_type": "pt"})


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()


def timed(device: str, work: Callable[..., Any], *arguments: Any) -> tuple[float, float]:
    """Seconds, until the device is done too, and the processors' seconds, which other programs disturb less."""
    import torch

    torch.set_num_threads(int(runtime.surroundings()["threads"]))  # numba sets it to its own
    begun, processors = time.perf_counter(), time.process_time()
    work(*arguments)
    synchronize(device)
    return time.perf_counter() - begun, time.process_time() - processors


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Build, plan, run, and measure in rounds."""
    family = FAMILIES[arguments.family]
    device = runtime.devices()[0]
    os.environ["OVERSCAN_HOME"] = str(folder / "home")
    save_model(folder / "model", family=arguments.family, size=arguments.size, half=device.bfloat16)
    library().add(folder / "model", name="random", card=family.card.rights_card)
    overlap = 1 if arguments.family == "wan-i2v" else 5
    plate = write_plate(folder / "plate", frames=8, width=arguments.width, height=arguments.height)
    job = Job(
        task=Continue(tail=arguments.frames - overlap),
        plate=SequenceSource(path=plate, colour_space="ACEScg"),
        output=OutputSpec(path=str(folder / "out" / "out.%04d.exr"), overwrite=True),
        engine=arguments.family,
        model="random",
        parameters={
            "work_pixels": arguments.width * arguments.height,
            "window": arguments.frames,
            "overlap": overlap,
            "tiling": "off",
        },
        controls=Controls(prompt="a wall of stone", steps=arguments.steps),
    )
    engine = DiffusionEngine(family=family)
    plan = engine.plan(job)
    if not plan.feasible:
        raise SystemExit("\n".join(f"{problem.message} {problem.next_step}" for problem in plan.problems))
    reporter = _Reporter()
    (folder / "cache").mkdir()

    def context(name: str) -> Context:
        work = folder / name
        work.mkdir()
        return Context(job=job, plan=plan, work_folder=work, cache_folder=folder / "cache", reporter=reporter)

    painting = [step for step in plan.steps if step.kind == "paint"]
    if len(painting) != 1:
        raise SystemExit(f"the job has {len(painting)} windows, and the measure needs one")
    others: dict[str, float] = {}
    ours, bare, added = [], [], []
    catcher = Catcher()
    with catcher.watching(_class_of(family), device.name):
        for number in range(arguments.rounds + 1):  # the first warms up: loading, kernels, memory
            here = context(f"work-{number}")
            engine = DiffusionEngine(family=family)
            for step in plan.steps:
                if step.kind == "paint":
                    ours.append(timed(device.name, engine.run, step, here))
                    added.append(ours[-1][0] / catcher.seconds - 1)
                    bare.append(timed(device.name, catcher.again))
                elif number == 0 or step.id in painting[0].needs:
                    others[step.kind], _ = timed(device.name, engine.run, step, here)
            say(
                f"round {number}: paint step {ours[-1][0]:.2f} s, of it added {added[-1]:.2%}, bare {bare[-1][0]:.2f} s"
            )
    kept = catcher.arguments
    shape = kept["num_frames"], kept["height"], kept["width"]
    wall, processors = (
        tuple(statistics.median(pair[at] for pair in pairs[1:]) for pairs in (ours, bare)) for at in range(2)
    )
    return {
        "family": arguments.family,
        "size": arguments.size,
        "device": device.title,
        "window": "x".join(map(str, shape)),
        "steps": arguments.steps,
        "rounds": arguments.rounds,
        "paint step, s": wall[0],
        "bare call, s": wall[1],
        "added": statistics.median(added[1:]),
        "ratio of medians": wall[0] / wall[1],
        "ratio, processors": processors[0] / processors[1],
        "estimated, s": plan.estimate.seconds,
        "estimated, GiB": plan.estimate.memory_bytes / 1024**3,
        "previews": reporter.previews,
        "other steps, s": others,
        **runtime.surroundings(),
    }


def _class_of(family: Any) -> type[Any]:
    import diffusers

    kind: type[Any] = getattr(diffusers, family.card.pipelines[0])
    return kind


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="wan-vace", choices=tuple(FAMILIES))
    parser.add_argument("--size", default="mid", choices=tuple(SIZES))
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--height", type=int, default=160)
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--device", default="auto", choices=("auto", "cpu"), help="auto: the first CUDA device, else CPU"
    )
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    arguments = parser.parse_args()
    if arguments.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found = measure(Path(folder), arguments)
    for name, value in found.items():
        say(f"{name:16} {value}")
    met = found["added"] <= LIMIT
    say(f"Overscan adds {found['added']:.2%} to the call; at most {LIMIT:.0%}: {'met' if met else 'NOT MET'}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
