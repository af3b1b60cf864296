"""JobSpec, as it comes over the wire, to core's `Job`. Finds every problem that needs neither files nor an engine."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import replace

from overscan.core import jobs
from overscan.core.controls import Controls
from overscan.core.errors import OverscanError
from overscan.service._errors import PlanRefusedError
from overscan.service.security.roots import NamedPath
from overscan.service.transfers.places import Places
from overscan.service.wire.spec_controls import read_controls
from overscan.service.wire.spec_media import MediaReader
from overscan.v1.geometry_pb2 import Margins, Size
from overscan.v1.job_pb2 import JobSpec, Use
from overscan.v1.output_pb2 import ExtrasMode, SampleType
from overscan.v1.task_pb2 import ExtendTask, GenerateTask, InterpolateTask

DEFAULT_ENGINE = "plate"

_EXTRAS = {
    ExtrasMode.EXTRAS_MODE_UNSPECIFIED: jobs.ExtrasMode.PART,
    ExtrasMode.EXTRAS_MODE_PART: jobs.ExtrasMode.PART,
    ExtrasMode.EXTRAS_MODE_LAYERS: jobs.ExtrasMode.LAYERS,
    ExtrasMode.EXTRAS_MODE_SIDECAR: jobs.ExtrasMode.SIDECAR,
    ExtrasMode.EXTRAS_MODE_NONE: jobs.ExtrasMode.NONE,
}
_SAMPLE_TYPES = {
    SampleType.SAMPLE_TYPE_UNSPECIFIED: None,
    SampleType.SAMPLE_TYPE_HALF: jobs.SampleType.HALF,
    SampleType.SAMPLE_TYPE_FLOAT: jobs.SampleType.FLOAT,
}
_NAMES = {"movers": "movers matte", "never_copy": "never-copy matte"}
"""Roles of pictures whose names do not say what they are."""
_USES = {Use.USE_UNSPECIFIED: jobs.Use.TEMP, Use.USE_TEMP: jobs.Use.TEMP, Use.USE_FINAL: jobs.Use.FINAL}


def to_job(
    spec: JobSpec,
    *,
    parameters: Mapping[str, jobs.ParameterValue],
    places: Places | None = None,
    job_id: str = "",
) -> jobs.Job:
    """The job of a spec that `read_spec` has read before, with the engine's `parameters` as they were checked."""
    return replace(read_spec(spec, places=places, job_id=job_id)[0], parameters=dict(parameters))


def read_spec(
    spec: JobSpec, *, places: Places | None = None, job_id: str = "", user: str | None = None
) -> tuple[jobs.Job, tuple[NamedPath, ...]]:
    """The job that `spec` asks for, without the engine's parameters, and the paths that it names.

    `places` say where uploads lie, and where the service keeps the result of `job_id`, which is empty while a job is
    only planned; uploads must be those of `user`, or anybody's for None. Raises `PlanRefusedError` with every problem
    found.
    """
    reader = _Reader(places=places, user=user)
    job = reader.job(spec, job_id)
    if reader.problems or job is None:
        raise PlanRefusedError(problems=reader.problems)
    return job, tuple(reader.paths)


def output_key(path: str) -> str:
    """An output pattern in one spelling, so that two jobs that write the same files are seen."""
    text = re.sub(r"%0?\d*d|#+|@+", "#", os.path.normpath(path))
    return os.path.normcase(text)


class _Reader(MediaReader):
    """Reads a spec and collects what is wrong with it."""

    def job(self, spec: JobSpec, job_id: str) -> jobs.Job | None:
        task = self.task(spec)
        generates = isinstance(task, jobs.Generate)
        plate = None
        if spec.HasField("plate"):
            plate = self.sequence(spec.plate, "plate")
            if generates:
                self.bad("plate", "a job that generates frames from nothing has no plate.", "Leave the plate out.")
        elif task is not None and not generates:
            self.bad("plate", "the job has no plate.", "Give the path pattern of the plate.")
        frames = self.frames(spec.frames, "frames")
        steering = read_controls(spec.controls, self)
        output = self.output(spec, job_id)
        use = _USES.get(spec.use)
        if use is None:
            self.bad("use", f"the use {spec.use} is unknown.", "Use temp or final.")
        self.not_over_inputs(spec, steering)
        if task is None or use is None or self.problems:
            return None
        return jobs.Job(
            task=task,
            output=output,
            plate=plate,
            frames=frames,
            engine=spec.engine or DEFAULT_ENGINE,
            model=spec.model,
            seed=spec.controls.seed,
            controls=steering,
            labels=jobs.Labels(
                show=spec.labels.show,
                sequence=spec.labels.sequence,
                shot=spec.labels.shot,
                artist=spec.labels.artist,
            ),
            use=use,
        )

    def task(self, spec: JobSpec) -> jobs.AnyTask | None:
        kind = spec.WhichOneof("task")
        if kind == "extend":
            return self.extend(spec.extend)
        if kind == "inpaint":
            return jobs.Inpaint(matte=self.matte(spec.inpaint.matte, "inpaint.matte"))
        if kind == "continue":
            task = getattr(spec, "continue")
            if not task.head and not task.tail:
                self.bad("continue", "the job asks for no frames.", "Give head or tail, in frames.")
            return jobs.Continue(head=task.head, tail=task.tail)
        if kind == "interpolate":
            return self.interpolate(spec.interpolate)
        if kind == "generate":
            return self.generate(spec.generate)
        self.bad("task", "the job does not say what to do.", "Set extend, inpaint, continue, interpolate or generate.")
        return None

    def extend(self, task: ExtendTask) -> jobs.Extend:
        target = task.WhichOneof("target")
        if target == "format":
            size = self.size(task.format.size, "extend.format.size")
            place = (task.format.place.x, task.format.place.y) if task.format.HasField("place") else None
            return jobs.Extend(size=size, place=place)
        if target == "margins":
            return jobs.Extend(margins=_margins(task.margins))
        if target == "overscan":
            return jobs.Extend(overscan=_margins(task.overscan))
        self.bad("extend", "the job does not say how far to extend.", "Set format, margins or overscan.")
        return jobs.Extend()

    def interpolate(self, task: InterpolateTask) -> jobs.Interpolate:
        target = task.WhichOneof("target")
        if target == "between" and task.between > 0:
            return jobs.Interpolate(between=task.between)
        if target == "times" and task.times.frames:
            times = tuple(task.times.frames)
            if not all(math.isfinite(time) for time in times):
                self.bad("interpolate.times", "a position in time is not a number.", "Give frame numbers like 1001.5.")
            return jobs.Interpolate(times=times)
        self.bad("interpolate", "the job asks for no in-betweens.", "Set between (at least 1) or times.")
        return jobs.Interpolate()

    def generate(self, task: GenerateTask) -> jobs.Generate:
        frames = self.frames(task.frames, "generate.frames")
        if frames is None and task.frames.ByteSize() == 0:
            self.bad("generate.frames", "the job asks for no frames.", "Give the frames to make, e.g. 1001-1100.")
        if not task.frame_rate > 0 or not math.isfinite(task.frame_rate):
            self.bad("generate.frame_rate", "the frame rate must be above 0.", "Give it in frames per second, e.g. 24.")
        return jobs.Generate(
            size=self.size(task.size, "generate.size"),
            frames=frames or (),
            frame_rate=task.frame_rate,
            pixel_aspect=self.pixel_aspect(task.pixel_aspect, "generate.pixel_aspect") or 1.0,
            colour_space=task.color_space,
        )

    def output(self, spec: JobSpec, job_id: str) -> jobs.OutputSpec:
        output, path = spec.output, spec.output.path
        if path or self.places is None:
            self.path(path, "output.path", "Give the pattern of the result, e.g. /shots/out.%04d.exr.", writes=True)
        else:
            try:
                path = self.places.output(spec, job_id=job_id)
            except OverscanError as error:
                self.add(error)
        extras = _EXTRAS.get(output.extras)
        if extras is None:
            self.bad("output.extras", f"the place {output.extras} for extra layers is unknown.", "Update the service.")
        if output.sample_type not in _SAMPLE_TYPES:
            self.bad("output.sample_type", f"the sample type {output.sample_type} is unknown.", "Use half or float.")
        return jobs.OutputSpec(
            path=path,
            sample_type=_SAMPLE_TYPES.get(output.sample_type),
            compression=output.compression,
            extras=extras or jobs.ExtrasMode.PART,
            overwrite=output.overwrite,
        )

    def not_over_inputs(self, spec: JobSpec, steering: Controls) -> None:
        """The result must never land on anything that the job reads, with `overwrite` or without."""
        inputs = [
            ("plate", spec.plate.path),
            ("matte", spec.inpaint.matte.sequence.path),
            *(
                (_NAMES.get(given.role, given.role.replace("_", " ")), given.source.path)
                for given in steering.pictures()
            ),
        ]
        for name, path in inputs:
            if path and spec.output.path and output_key(path) == output_key(spec.output.path):
                self.bad("output.path", f"the result would be written over the {name}.", "Give another output path.")

    def size(self, size: Size, field: str) -> tuple[int, int]:
        if not size.width or not size.height:
            self.bad(
                field,
                f"the size {size.width}x{size.height} has no samples.",
                "Give width and height, e.g. 2880x1080.",
                actual=f"{size.width}x{size.height}",
            )
        return (size.width, size.height)


def _margins(margins: Margins) -> jobs.Margins:
    return jobs.Margins(left=margins.left, right=margins.right, top=margins.top, bottom=margins.bottom)
