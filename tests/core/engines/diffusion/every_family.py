"""What every installed family of models is tried with: its tiny model, a plate as films have them, jobs, a worker."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import tiny
from filming import Recorder, Run, ellipse, inpaint, look, make_job, rgb, scene, write
from running import context_of, planned
from safetensors.torch import load_file, save_file
from tiny._ltx import save_hdr_words, save_lora, save_ltx2
from tiny._stills import save_fibo_edit, save_sdxl
from tiny._wan import save_wan_i2v

from overscan.core.controls import Controls
from overscan.core.engines import Plan, Step
from overscan.core.engines.diffusion import FamilyCard, Lattice, Painted, PaintRequest, StepHook
from overscan.core.errors import CancelledError
from overscan.core.jobs import AnyTask, Continue, Extend, Interpolate, Job, Margins, Task
from overscan.core.models import library

_GROUP = "overscan.engines"
_HIGHEST, _LOWEST = 60.0, -0.25
_STEP, _START = (2.0, 0.5), (8.0, 8.0)
_VIVID = 8.0
MARGINS = Margins(left=9, right=21, top=5)


def _ltx2_with_loras(folder: Path) -> Path:
    loras = save_ltx2(folder) / "loras"
    for seed, name in enumerate(("union-control", "motion-track-control", "hdr")):
        save_lora(loras / f"ltx-2.3-22b-ic-lora-{name}.safetensors", seed=seed)
    save_hdr_words(loras / "ltx-2.3-22b-ic-lora-hdr-words.safetensors")
    return folder


_SAVERS: dict[str, Callable[[Path], Path]] = {
    "wan-i2v": lambda folder: save_wan_i2v(folder, kind="2.2"),  # given a first frame, or a first and a last one
    "ltx-2": save_ltx2,
    "ltx-2-in-context": _ltx2_with_loras,
    "ltx-2-hdr": _ltx2_with_loras,
    "bria": save_fibo_edit,
    "sdxl-inpaint": save_sdxl,
}
"""Tiny models of engines whose name says too little; another's is ``save_its_name`` in one of the modules of tiny/."""


def engine_of(name: str) -> Any:
    """An engine as a process that has just been started gets it."""
    (entry,) = entry_points(group=_GROUP, name=name)
    return entry.load()()


def model_engines() -> tuple[str, ...]:
    """Names of the installed engines that run a family of models; reads cards only."""
    names = sorted(entry.name for entry in entry_points(group=_GROUP))
    return tuple(name for name in names if hasattr(engine_of(name), "family"))


def card_of(name: str) -> FamilyCard:
    """What the family of an engine claims."""
    card = engine_of(name).family.card
    assert isinstance(card, FamilyCard)
    return card


def add_models(root: Path) -> None:
    """A tiny model for each engine, in the library of `OVERSCAN_HOME`, under the engine's name."""
    for name in model_engines():
        folder = _saver(name)(root / name)
        _make_vivid(folder)
        library().add(folder, name=name, card=card_of(name).rights_card)


def _make_vivid(folder: Path) -> None:
    """Let the autoencoder's decoder go far beyond 0 to 1, as that of a trained model does where the light is strong."""
    (file,) = (folder / "vae").glob("*.safetensors")
    tensors = load_file(file)
    last = [name for name in tensors if name.startswith("decoder.conv_out.")]
    assert last, "the decoder ends in another layer"
    save_file({name: tensor * (_VIVID if name in last else 1) for name, tensor in tensors.items()}, file)


def _saver(name: str) -> Callable[[Path], Path]:
    if name in _SAVERS:
        return _SAVERS[name]
    wanted = f"save_{name.replace('-', '_')}"
    for module in pkgutil.iter_modules(tiny.__path__):
        found = getattr(importlib.import_module(f"tiny.{module.name}"), wanted, None)
        if found is not None:
            return found
    raise AssertionError(f"no module of tiny/ has `{wanted}`: every engine is tried with a tiny model of its own")


@dataclass(frozen=True, kw_only=True)
class Footage:
    """A plate: an odd size, an odd length from 1001 on, layers beside the picture, light from below 0 up to 60."""

    size: tuple[int, int]
    frames: range
    folder: Path
    origin: tuple[int, int] = (-4, -3)

    @property
    def display(self) -> tuple[int, int, int, int]:
        """Smaller than the data window on all sides."""
        return (0, 0, self.size[0] - 10, self.size[1] - 8)

    @property
    def is_long(self) -> bool:
        return len(self.frames) > 20

    @property
    def plate(self) -> str:
        return str(self.folder / "plate.%04d.exr")

    @property
    def matte(self) -> str:
        """Stays in the middle of the frame while the plate goes past below it: some of it is seen in other frames."""
        return str(self.folder / "matte.%04d.exr")

    def matte_at(self) -> np.ndarray:
        width, height = self.size
        return ellipse(self.size, centre=(width * 0.45, height * 0.5), radii=(width * 0.18, height * 0.22))

    def film(self) -> Footage:
        """Write it."""
        width, height = self.size
        picture = np.clip(scene(height + 40, width + 80) * 12 - 0.2, _LOWEST, _HIGHEST)
        picture[10::24, 6::31] = _HIGHEST
        picture[18::24, 20::31] = _LOWEST
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        distance = (columns + rows * 7) / 3
        distance[3, 4:7] = (np.nan, np.inf, -np.inf)
        matte = {"A": self.matte_at().astype(np.float16)}
        for index, number in enumerate(self.frames):
            view = look(picture, _START[0] + index * _STEP[0], _START[1] + index * _STEP[1], size=self.size)
            planes = {
                **rgb(np.clip(view, _LOWEST, _HIGHEST)),
                "A": (columns / width).astype(np.float16),
                "depth.Z": distance + np.float32(index),
                "id.X": (rows * width + columns + index * 70_000).astype(np.uint32),
            }
            write(Path(self.plate % number), planes, origin=self.origin, display=self.display)
            write(Path(self.matte % number), matte, origin=self.origin, display=self.display)
        return self

    def job(self, name: str, task: Task, out: Path, **fields: Any) -> Job:
        """A job that an engine does on it quickly, in windows of which there is more than one."""
        card = card_of(name)
        gaps = {"source": {"frames": tuple(self.frames)[:3]}} if task is Task.INTERPOLATE and not self.is_long else {}
        job = make_job(
            self.task(task),
            self.plate,
            str(out / "out.%04d.exr"),
            **{
                **gaps,
                "engine": name,
                "model": name,
                "seed": 5,
                "parameters": quick_parameters(name, card.lattice, scale=max(1, self.size[0] // 150)),
                "controls": Controls(prompt="a stone wall", steps=2),
                **fields,
            },
        )
        if job.controls.steps is None:
            return job
        refused = {problem.field for problem in engine_of(name).plan(job).problems}
        # A model that is distilled has a number of its own.
        return replace(job, controls=replace(job.controls, steps=None)) if "controls.steps" in refused else job

    def task(self, task: Task) -> AnyTask:
        return {
            Task.EXTEND: Extend(margins=MARGINS),
            Task.INPAINT: inpaint(self.matte),
            Task.CONTINUE: Continue(head=5, tail=12) if self.is_long else Continue(head=3, tail=5),
            Task.INTERPOLATE: Interpolate(between=1),
        }[task]


def quick_parameters(name: str, lattice: Lattice, *, scale: int = 1) -> dict[str, Any]:
    """The smallest windows that an engine has, on a picture of `scale` times the smallest that makes sense."""
    known = {parameter.name for parameter in engine_of(name).card.parameters}
    wanted = {
        "work_pixels": max(lattice.size**2, 48 * 48) * scale,
        "window": lattice.frames + lattice.offset,
        "overlap": 1,
    }
    return {parameter: value for parameter, value in wanted.items() if parameter in known}


@dataclass
class Listener(Recorder):
    """Counts the denoising steps of each step of a job; stops the job after the first one of `stop_in`."""

    stop_in: str = ""
    step: str = ""
    finished_steps: list[str] = field(default_factory=list)
    denoised: Counter[str] = field(default_factory=Counter)
    stopped: bool = False
    painted: list[np.ndarray] = field(default_factory=list)
    """Codes that the family handed back of what it was asked to paint, by window."""

    def progress(self, *, fraction: float, message: str) -> None:
        super().progress(fraction=fraction, message=message)
        if "denoising step" in message:
            self.denoised[self.step] += 1
            self.stopped = self.stopped or self.step == self.stop_in

    def check_cancelled(self) -> None:
        if self.stopped:
            raise CancelledError("stopped.")


class Watched:
    """A family, whose windows a listener sees."""

    def __init__(self, family: Any, heard: Listener) -> None:
        self._family, self._heard = family, heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._family, name)

    def paint(self, pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
        painted: Painted = self._family.paint(pipeline, request, hook)
        self._heard.painted.append(painted.video[request.matte > 0])
        return painted


def work(
    job: Job,
    folder: Path,
    heard: Listener,
    *,
    plan: Plan | None = None,
    cache: Path | None = None,
    order: Callable[[Plan], Iterable[Step]] = lambda plan: plan.steps,
    each_alone: bool = False,
) -> Run:
    """Plan and run a job, or take up one that has a plan; `each_alone` gives every step to a new engine."""
    engine = engine_of(job.engine)
    engine.family = Watched(engine.family, heard)
    plan = plan or planned(engine, job)
    context = context_of(job, plan, folder, cache=cache, reporter=heard)
    for step in order(plan):
        heard.step = step.id
        (engine_of(job.engine) if each_alone else engine).run(step, context)
        heard.finished_steps.append(step.id)
    return Run(job=job, plan=plan, recorder=heard, work=context.work_folder)


def last_first(plan: Plan) -> Iterator[Step]:
    """The steps in another order that their needs allow: as late ones as can be before early ones."""
    left, done = list(plan.steps), set()
    while left:
        step = next(step for step in reversed(left) if set(step.needs) <= done)
        left.remove(step)
        done.add(step.id)
        yield step
