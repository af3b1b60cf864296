"""Small plates with known truth, written and read with OpenImageIO alone, and jobs run on them by the real engine.

Nothing here uses Overscan's own reading, writing or comparing: what is proven with it must not rest on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO as oiio

from overscan.core.engines import Context, Notice, Plan, Step, load_engine
from overscan.core.errors import ErrorRecord
from overscan.core.jobs import AnyTask, Inpaint, Job, MatteSource, OutputSpec, SequenceSource

TYPES = {np.float16: "half", np.float32: "float", np.uint32: "uint", np.uint16: "uint16", np.uint8: "uint8"}
EXTRAS = ("generated.A", "confidence.Y", "source.X", "source.Y", "source.frame", "source.kind")

Planes = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Image:
    """One part as OpenImageIO reads it."""

    name: str
    origin: tuple[int, int]
    """x and y of the data window."""
    display: tuple[int, int, int, int]
    """x, y, width and height."""
    planes: dict[str, np.ndarray]
    attributes: dict[str, object]
    tile: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Of the data window."""
        return next(iter(self.planes.values())).shape


def read(path: Path) -> list[Image]:
    """All parts of a file, samples in their own types."""
    hints = oiio.ImageSpec()
    hints.attribute("oiio:UnassociatedAlpha", 1)
    hints.attribute("oiio:RawColor", 1)
    file = oiio.ImageInput.open(str(path), hints)
    assert file is not None, f"{path}: {oiio.geterror()}"
    parts = []
    while file.seek_subimage(len(parts), 0):
        spec = file.spec()
        planes = {}
        for kind, run_of in itertools.groupby(range(spec.nchannels), key=lambda at: str(spec.channelformat(at))):
            channels = list(run_of)
            samples = file.read_image(len(parts), 0, channels[0], channels[-1] + 1, kind)
            assert samples is not None, file.geterror()
            for at in channels:
                planes[spec.channelnames[at]] = np.ascontiguousarray(samples[..., at - channels[0]])
        attributes = {attribute.name: attribute.value for attribute in spec.extra_attribs}
        parts.append(
            Image(
                name=str(attributes.get("oiio:subimagename", "")),
                origin=(spec.x, spec.y),
                display=(spec.full_x, spec.full_y, spec.full_width, spec.full_height),
                planes=planes,
                attributes=attributes,
                tile=(spec.tile_width, spec.tile_height),
            )
        )
    file.close()
    return parts


def write(
    path: Path,
    planes: Planes,
    *,
    origin: tuple[int, int] = (0, 0),
    display: tuple[int, int, int, int] | None = None,
    attributes: Mapping[str, object] | None = None,
    tile: tuple[int, int] | None = None,
) -> Path:
    """Write channels of one or several sample types as one part; the extension names the format."""
    height, width = next(iter(planes.values())).shape
    kinds = [TYPES[plane.dtype.type] for plane in planes.values()]
    spec = oiio.ImageSpec(width, height, len(planes), kinds[0])
    spec.channelnames = tuple(planes)
    if len(set(kinds)) > 1:
        spec.channelformats = tuple(oiio.TypeDesc(kind) for kind in kinds)
    spec.x, spec.y = origin
    shown = display or (*origin, width, height)
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = shown
    if tile:
        spec.tile_width, spec.tile_height = tile
    spec.attribute("oiio:UnassociatedAlpha", 1)
    for name, value in (attributes or {}).items():
        spec.attribute(name, *value) if isinstance(value, tuple) else spec.attribute(name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec), output.geterror()
    if len(set(kinds)) == 1:
        pixels = np.stack(list(planes.values()), axis=-1)
    else:
        # Python hands one type of samples over; every value used here survives the way through double.
        pixels = np.stack([plane.astype(np.float64) for plane in planes.values()], axis=-1)
    assert output.write_image(np.ascontiguousarray(pixels)), output.geterror()
    assert output.close(), output.geterror()
    return path


def write_parts(path: Path, parts: Mapping[str, Planes]) -> Path:
    """Write an EXR file of several parts, each of one sample type."""
    specs = []
    for name, planes in parts.items():
        height, width = next(iter(planes.values())).shape
        kind = TYPES[next(iter(planes.values())).dtype.type]
        spec = oiio.ImageSpec(width, height, len(planes), kind)
        spec.channelnames = tuple(planes)
        spec.attribute("oiio:subimagename", name)
        specs.append(spec)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), tuple(specs)), output.geterror()
    for index, (spec, planes) in enumerate(zip(specs, parts.values(), strict=True)):
        if index:
            assert output.open(str(path), spec, "AppendSubimage"), output.geterror()
        assert output.write_image(np.ascontiguousarray(np.stack(list(planes.values()), axis=-1))), output.geterror()
    assert output.close(), output.geterror()
    return path


def bits(plane: np.ndarray) -> np.ndarray:
    """The samples' bits, which tell NaNs and zeros apart."""
    return plane.view(f"u{plane.dtype.itemsize}")


def changed(
    plate: Path,
    result: Path,
    *,
    offset: tuple[int, int] = (0, 0),
    part: int = 0,
    painted: Iterable[str] = ("R", "G", "B"),
    replaced: np.ndarray | None = None,
) -> tuple[int, int]:
    """How many samples of all parts of a plate were compared with a result, and how many differ in any bit.

    Where `replaced` (over the data window of part number `part`) is true, the `painted` channels of that part are not
    compared. All else must be in the result, `offset` further, in the same sample type.
    """
    before, after = read(plate), read(result)
    compared = differing = 0
    for index, own in enumerate(before):
        other = after[index]
        x = own.origin[0] + offset[0] - other.origin[0]
        y = own.origin[1] + offset[1] - other.origin[1]
        height, width = own.shape
        assert x >= 0 and y >= 0 and y + height <= other.shape[0] and x + width <= other.shape[1], "plate cut off"
        for name, plane in own.planes.items():
            found = other.planes[name][y : y + height, x : x + width]
            assert found.dtype == plane.dtype, (name, found.dtype, plane.dtype)
            differs = bits(plane) != bits(found)
            if replaced is not None and index == part and name in painted:
                differs &= ~replaced
                compared -= int(replaced.sum())
            compared += plane.size
            differing += int(differs.sum())
    return compared, differing


def same_files(one: Path, other: Path) -> bool:
    """Whether two files agree in every sample of every part, bit for bit."""
    first, second = read(one), read(other)
    return len(first) == len(second) and all(
        list(a.planes) == list(b.planes)
        and a.origin == b.origin
        and all(
            a.planes[name].dtype == b.planes[name].dtype and np.array_equal(bits(a.planes[name]), bits(b.planes[name]))
            for name in a.planes
        )
        for a, b in zip(first, second, strict=True)
    )


def scene(height: int, width: int, *, seed: int = 7) -> np.ndarray:
    """A textured scene-linear picture ``(height, width, 3)`` float32, from below 0 to above 4."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    size, weight = 3, 1.0
    while size < max(height, width) / 3:
        coarse = rng.standard_normal((max(2, size * height // width), size, 3)).astype(np.float32)
        total += np.float32(weight) * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        size, weight = size * 2, weight * 0.75
    light = np.exp(total * np.float32(1.4)) * np.float32(0.3) - np.float32(0.03)
    return np.ascontiguousarray(light.astype(np.float32))


def pan(
    folder: Path,
    *,
    size: tuple[int, int] = (160, 96),
    step: tuple[float, float] = (3.0, 0.0),
    start: tuple[float, float] = (40.0, 30.0),
    frames: Sequence[int] = range(1001, 1009),
    dtype: type = np.float16,
    name: str = "plate",
    edit: Callable[[int, np.ndarray], np.ndarray] | None = None,
    picture: np.ndarray | None = None,
    **fields: object,
) -> str:
    """Write a pan over `scene`: frame n shows the picture from ``start + n * step`` on; return the pattern."""
    whole = scene(300, 460) if picture is None else picture
    for index, number in enumerate(frames):
        view = look(whole, start[0] + index * step[0], start[1] + index * step[1], size=size)
        if edit is not None:
            view = edit(index, view)
        write(folder / f"{name}.{number:04d}.exr", rgb(view, dtype), **fields)
    return str(folder / f"{name}.%04d.exr")


def look(picture: np.ndarray, x: float, y: float, *, size: tuple[int, int]) -> np.ndarray:
    """What a camera at `x`, `y` sees; cubic where that is between samples."""
    width, height = size
    if float(x).is_integer() and float(y).is_integer():
        return picture[int(y) : int(y) + height, int(x) : int(x) + width].copy()
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32) + x, np.arange(height, dtype=np.float32) + y)
    moved = cv2.remap(picture, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_CUBIC)
    return np.asarray(moved, np.float32)


def rgb(light: np.ndarray, dtype: type = np.float16) -> dict[str, np.ndarray]:
    """Planes R, G, B."""
    return {name: np.ascontiguousarray(light[..., at].astype(dtype)) for at, name in enumerate("RGB")}


def ellipse(
    size: tuple[int, int], *, centre: tuple[float, float], radii: tuple[float, float], soft: float = 4.0
) -> np.ndarray:
    """A matte ``(height, width)`` float32: 1 inside, falling to exactly 0 over `soft` samples."""
    width, height = size
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    away = np.hypot((x - centre[0]) / radii[0], (y - centre[1]) / radii[1])
    return np.clip((1 - away) * min(radii) / max(soft, 1e-6) + 0.5, 0, 1).astype(np.float32)


@dataclass
class Recorder:
    """A reporter that keeps everything."""

    warnings: list[Notice] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    fractions: list[float] = field(default_factory=list)

    def progress(self, *, fraction: float, message: str) -> None:
        assert message
        self.fractions.append(fraction)

    def frame_finished(self, *, frame: int, path: Path, seconds: float) -> None:
        assert path.is_file()
        assert seconds >= 0
        self.finished.append(frame)

    def warn(self, *, notice: Notice) -> None:
        self.warnings.append(notice)

    def check_cancelled(self) -> None:
        """Never cancelled."""

    @property
    def codes(self) -> set[str]:
        return {notice.code for notice in self.warnings}


@dataclass(frozen=True, kw_only=True)
class Run:
    """A job that was run."""

    job: Job
    plan: Plan
    recorder: Recorder
    work: Path

    def result(self, frame: int, part: int = 0) -> Image:
        """A part of a result frame."""
        return read(self.path(frame))[part]

    def extras(self, frame: int) -> dict[str, np.ndarray]:
        """The extra layers of a result frame, by short names: A, confidence, x, y, frame, kind."""
        planes = read(self.path(frame))[-1].planes
        return dict(zip(("A", "confidence", "x", "y", "frame", "kind"), (planes[name] for name in EXTRAS), strict=True))

    def light(self, frame: int) -> np.ndarray:
        """R, G and B of a result frame as float32."""
        planes = self.result(frame).planes
        return np.stack([planes[name].astype(np.float32) for name in "RGB"], axis=-1)

    def path(self, frame: int) -> Path:
        """File of a result frame."""
        path = self.job.output.path
        return Path(path % frame if "%" in path else path)


def make_job(task: AnyTask, plate: str, out: str, **fields: object) -> Job:
    """A job on the plate pattern `plate`; `source`, `output` hold further fields of those, the rest is the job's."""
    source = fields.pop("source", {})
    output = fields.pop("output", {})
    return Job(
        task=task,
        plate=SequenceSource(path=plate, **source),
        output=OutputSpec(path=out, **output),
        **fields,
    )


def inpaint(pattern: str, **fields: object) -> Inpaint:
    """The task of filling a matte."""
    return Inpaint(matte=MatteSource(sequence=SequenceSource(path=pattern), **fields))


def run(
    job: Job,
    folder: Path,
    *,
    cache: Path | None = None,
    order: Callable[[Plan], Iterable[Step]] | None = None,
    frugal: int = 0,
) -> Run:
    """Plan and run a job in this process; `order` may give the plan's steps in another order."""
    engine = load_engine(job.engine)
    plan = engine.plan(job)
    assert plan.feasible, [problem.message for problem in plan.problems]
    work, kept = folder / "work", cache or folder / "cache"
    work.mkdir(parents=True, exist_ok=True)
    kept.mkdir(parents=True, exist_ok=True)
    recorder = Recorder()
    context = Context(job=job, plan=plan, work_folder=work, cache_folder=kept, reporter=recorder, frugal=frugal)
    for step in order(plan) if order else plan.steps:
        engine.run(step, context)
    return Run(job=job, plan=plan, recorder=recorder, work=work)


def problems(job: Job) -> dict[str, ErrorRecord]:
    """What keeps a job from running, by code."""
    return {problem.code: problem for problem in load_engine("plate").plan(job).problems}
