"""Render jobs: what they will write, worked out from the timeline, and the process that writes it.

The process (tests.hosts.resolve_double.picture) is started for one job and reads it as JSON from its input: for every
file the layers to put over each other. It writes a line for every file it has written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from . import _retime, _time
from ._item_api import DEFAULTS
from ._model import Item, Project, RenderState, Thing, Timeline
from ._session import current

ROOT = Path(__file__).resolve().parents[3]
PYTHON = "OVERSCAN_PICTURE_PYTHON"  # a Python with numpy and OpenImageIO; the double itself runs without

SUFFIXES = {"exr": "exr", "tif": "tif", "dpx": "dpx", "mov": "mov", "mp4": "mp4"}


class Job(Thing):
    """One entry of the render queue: the settings as they were when it was added."""

    def __init__(self, project: Project, timeline: Timeline, state: RenderState) -> None:
        super().__init__(project)
        self.project, self.timeline, self.state = project, timeline, state
        self.number = len(project.jobs) + 1
        self.status = "Ready"
        self.error = ""
        self.written: list[str] = []
        self.wanted = 0
        self.took = 0
        self.process: Any = None
        self.started = 0.0

    def marks(self) -> tuple[int, int]:
        """First and last record frame. Marks before the timeline's start are moved to it, in silence."""
        first, last = self.timeline.start, max(self.timeline.start, self.timeline.end - 1)
        if self.state.settings.get("SelectAllFrames", False):
            return first, last
        low = self.state.settings.get("MarkIn", first)
        high = self.state.settings.get("MarkOut", last)
        low, high = (min(max(mark, first), last) for mark in (low, high))
        return low, max(low, high)

    def size(self) -> tuple[int, int]:
        """Width and height of what it writes."""
        width, height = self.timeline.size
        return self.state.settings.get("FormatWidth", width), self.state.settings.get("FormatHeight", height)

    def progress(self) -> int:
        """Completion in percent."""
        if self.status == "Complete":
            return 100
        return min(99, 100 * len(self.written) // max(1, self.wanted))


def layer(item: Item, frame: int) -> dict[str, Any] | None:
    """What an item adds to a record frame of its timeline; None where it is offline."""
    inside = frame - item.start
    shown = {**DEFAULTS, **item.properties}
    found: dict[str, Any] = {"gain": item.gain, "window": item.window, "properties": shown}
    if item.media is None:
        return {**found, "fill": [0.5, 0.5, 0.5, 1.0] if item.kind == "generator" else [0.0, 0.0, 0.0, 0.0]}
    source = _retime.source_frame(item, inside)
    if item.media.timeline is not None:
        inner = item.media.timeline
        return {**found, "canvas": canvas(inner, inner.start + source)}
    path = item.media.file_of(source)
    number = item.media.first + source
    if item.media.gone or number in item.media.missing or not os.path.isfile(path):
        return None
    mode = {0: "project", 1: "crop", 2: "fit", 3: "fill", 4: "stretch"}[int(shown["Scaling"])]
    return {**found, "path": path, "scaling": mode}


def canvas(timeline: Timeline, frame: int) -> dict[str, Any]:
    """A record frame as layers, bottom first. ValueError where a file is missing."""
    layers = []
    for track in timeline.tracks["video"]:
        for item in track.items:
            if track.enabled and item.enabled and item.kind != "transition" and item.start <= frame < item.end:
                found = layer(item, frame)
                if found is None:
                    code = _time.timecode(frame, timeline.rate, timeline.drop)
                    raise ValueError(f"Full resolution media not found at {code}")
                layers.append(found)
    behaviour = {**timeline.project.settings, **timeline.settings}["timelineInputResMismatchBehavior"]
    return {"size": list(timeline.size), "layers": layers, "mismatch": behaviour}


def file_names(job: Job) -> list[tuple[int, str]]:
    """Record frame and file of everything that the job writes."""
    first, last = job.marks()
    settings = job.state.settings
    suffix = SUFFIXES[job.state.format]
    name = settings.get("CustomName") or job.timeline.name
    folder = settings["TargetDir"]
    if suffix in {"mov", "mp4"}:
        return [(first, os.path.join(folder, f"{name}.{suffix}"))]
    start = settings.get("ClipStartFrame")
    numbers = [(frame, frame if start is None else start + frame - first) for frame in range(first, last + 1)]
    return [(frame, os.path.join(folder, f"{name}_{number:08d}.{suffix}")) for frame, number in numbers]


def begin(job: Job) -> None:
    """Start writing."""
    faults = current().faults
    kind, after = faults.render, faults.render_after
    faults.render, faults.render_after = "", 1
    job.started = time.monotonic()
    job.status = "Rendering"
    try:
        names = file_names(job)
        frames = [{"file": name, "canvas": canvas(job.timeline, frame)} for frame, name in names]
    except ValueError as problem:
        job.status, job.error = "Failed", str(problem)
        return
    job.wanted = len(frames)
    settings = job.state.settings
    order = {
        "frames": frames[:-1] if kind == "short" else frames,
        "size": list(job.size()),
        "codec": job.state.codec,
        "alpha": bool(settings.get("ExportAlpha")),
        "straight": settings.get("AlphaMode", 0) == 1,
        "video": settings.get("ExportVideo", True),
        "pause": 0.2 if kind == "slow" else 0.0,
        "stop": {"kind": kind, "after": after} if kind in {"fail", "hang", "cancel"} else None,
        "timecode": [_time.timecode(frame, job.timeline.rate, job.timeline.drop) for frame, _ in names],
        "rate": [job.timeline.rate.numerator, job.timeline.rate.denominator],
    }
    os.makedirs(settings["TargetDir"], exist_ok=True)
    job.process = _Process(job, order)


def _python() -> str:
    chosen = os.environ.get(PYTHON)
    ours = ROOT / ".venv" / "bin" / "python"
    return chosen or (str(ours) if ours.exists() else sys.executable)


class _Process:
    """The process that writes a job's files, read by a thread that touches nothing but the job's own words."""

    def __init__(self, job: Job, order: dict[str, Any]) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
        self.job = job
        self.process = subprocess.Popen(
            [_python(), "-m", "tests.hosts.resolve_double.picture"],
            cwd=str(ROOT),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            universal_newlines=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order))
        self.process.stdin.close()
        self.reader = threading.Thread(target=self._read, name="render", daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        ended = {"status": "Failed", "error": "The render process ended"}
        for line in self.process.stdout:
            said = json.loads(line)
            if "file" in said:
                self.job.written.append(said["file"])
            else:
                ended = said
        self.process.stdout.close()
        self.process.wait()
        if self.job.status == "Rendering":
            self.job.error = ended.get("error", "")
            self.job.took = int(1000 * (time.monotonic() - self.job.started))
            self.job.status = ended["status"]

    def stop(self) -> None:
        """End it, as Cancel in the render queue does."""
        if self.job.status == "Rendering":
            self.job.status = "Cancelled"
        if self.process.poll() is None:
            self.process.kill()
        self.reader.join(20)


def stop(job: Job) -> None:
    """Cancel a job that runs."""
    if job.process is not None:
        job.process.stop()


def running(project: Project) -> list[Job]:
    """The jobs that are being written."""
    return [job for job in project.jobs if job.status == "Rendering"]


def still(timeline: Timeline, path: str) -> bool:
    """Write the frame under the playhead, 16 bits or float as the name wants it, and wait for it."""
    try:
        picture = canvas(timeline, timeline.playhead)
    except ValueError:
        return False
    order = {
        "frames": [{"file": path, "canvas": picture}],
        "size": list(timeline.size),
        "codec": "RGB16",
        "video": True,
    }
    done = subprocess.run(
        [_python(), "-m", "tests.hosts.resolve_double.picture"],
        cwd=str(ROOT), input=json.dumps(order), stdout=subprocess.PIPE, text=True, check=False,
        env={name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}},
    )  # fmt: skip
    return done.returncode == 0 and os.path.isfile(path)
