"""A third party's engine for the tests: it copies the plate, and misbehaves where its parameters say so."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

from overscan.core.engines import (
    Context,
    EngineCard,
    Estimate,
    Notice,
    Parameter,
    Plan,
    RightsCard,
    Step,
    TrainingData,
)
from overscan.core.errors import DiskFullError, ErrorRecord, OutputExistsError
from overscan.core.geometry import Window
from overscan.core.jobs import Job, Task

CARD = EngineCard(
    name="copycat",
    version="1.2.3",
    title="Copies the plate.",
    tasks=(Task.EXTEND,),
    controls=("seed", "prompt"),
    parameters=(
        Parameter(name="ledger", description="file to note every rendered frame in", default=""),
        Parameter(name="seconds", description="to sleep per frame", default=0.0, minimum=0.0, maximum=60.0, unit="s"),
        Parameter(name="chunk", description="frames per step", default=1, minimum=1),
        Parameter(name="crash_frame", description="frame that kills the worker", default=0),
        Parameter(name="crash_times", description="how often it does", default=99),
        Parameter(name="full_while", description="the disk is full while this file is there", default=""),
        Parameter(name="exit_frame", description="frame that calls sys.exit", default=0),
        Parameter(name="raise_frame", description="frame that raises ValueError", default=0),
        Parameter(name="tamper_frame", description="frame that is written wrong, the first time", default=0),
        Parameter(name="stubborn", description="never asks whether to stop", default=False),
        Parameter(name="mode", description="what planning does", default="good", choices=("good", "crash", "sleep")),
        Parameter(name="freeze_frame", description="frame at which the worker is stopped (SIGSTOP), once", default=0),
        Parameter(name="hang_frame", description="frame at which it waits for ever, once", default=0),
        Parameter(name="gil_frame", description="frame at which it sleeps with Python's lock, once", default=0),
        Parameter(name="hog", description="MiB that rendering a frame takes, unless it spares memory", default=0),
        Parameter(name="hog_spares", description="how frugal it must be to take nothing", default=1),
        Parameter(name="caches", description="needs what it has put into the cache", default=False),
        Parameter(name="circle", description="plan steps that wait for each other", default=False),
    ),
    rights=RightsCard(
        maker="Overscan's tests",
        licence="Apache-2.0",
        training_data=TrainingData.NONE,
        statement="There is no training.",
        commercial_use=True,
    ),
)


class Copycat:
    card = CARD

    def plan(self, job: Job) -> Plan:
        asked = _parameters(job)
        assert job.plate is not None
        if asked["mode"] == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if asked["mode"] == "sleep":
            time.sleep(60)
        frames = job.frames or job.plate.frames or ()
        problems = [
            ErrorRecord(code="MISSING_FRAMES", message=f"the frame {frame} is not there.", frame=frame, field="plate")
            for frame in frames
            if not Path(job.plate.path % frame).exists()
        ]
        if not job.output.overwrite and any(Path(job.output.path % frame).exists() for frame in frames):
            problems.append(OutputExistsError("the output is there.", field="output.path").record)
        chunk = int(asked["chunk"])
        parts = [frames[start : start + chunk] for start in range(0, len(frames), chunk)]
        weight = 0.9 / max(len(parts), 1)
        prepare = Step(
            id="prepare",
            kind="analyse",
            title="Look at the shot",
            weight=0.1,
            needs=("render-0",) if asked["circle"] else (),
        )
        renders = [
            Step(id=f"render-{number}", kind="render", title="Copy", frames=part, needs=("prepare",), weight=weight)
            for number, part in enumerate(parts)
        ]
        return Plan(
            problems=tuple(problems),
            warnings=(Notice(code="A_COPY", message="The result is a copy."),),
            steps=(prepare, *renders),
            frames=frames,
            display_window=Window(x=0, y=0, width=16, height=8),
            estimate=Estimate(memory_bytes=1 << 20, seconds=1.0, output_bytes=1 << 10, work_bytes=1 << 10),
            encoding="half, zip",
        )

    def run(self, step: Step, context: Context) -> None:
        asked = _parameters(context.job)
        if step.kind == "analyse":
            (context.work_folder / "prepared").write_text("yes")
            if asked["caches"]:
                (context.cache_folder / "copycat").mkdir(exist_ok=True)
                (context.cache_folder / "copycat" / context.work_folder.name).write_text("yes")
            return
        assert (context.work_folder / "prepared").read_text() == "yes"
        for index, frame in enumerate(step.frames):
            self._render(frame, step, context, asked)
            context.reporter.progress(fraction=(index + 1) / len(step.frames), message=f"copying frame {frame}")

    def _render(self, frame: int, step: Step, context: Context, asked: dict[str, object]) -> None:
        ledger = Path(str(asked["ledger"]))
        self._sleep(float(str(asked["seconds"])), context, stubborn=bool(asked["stubborn"]))
        if asked["caches"]:
            assert (context.cache_folder / "copycat" / context.work_folder.name).read_text() == "yes"
        if frame == asked["crash_frame"] and _noted(ledger, "crash") < int(str(asked["crash_times"])):
            _note(ledger, f"crash {frame}")
            os.kill(os.getpid(), signal.SIGSEGV)
        if frame == asked["freeze_frame"] and not _noted(ledger, "freeze"):
            _note(ledger, f"freeze {frame}")
            os.kill(os.getpid(), signal.SIGSTOP)
        if frame == asked["hang_frame"] and not _noted(ledger, "hang"):
            _note(ledger, f"hang {frame}")
            threading.Event().wait()
        if frame == asked["gil_frame"] and not _noted(ledger, "gil"):
            _note(ledger, f"gil {frame}")
            ctypes.PyDLL(None).sleep(600)
        if asked["hog"] and context.frugal < int(str(asked["hog_spares"])):
            _note(ledger, f"hog {frame} {context.frugal}")
            memory = bytearray(int(str(asked["hog"])) << 20)
            memory[::4096] = b"x" * len(memory[::4096])  # all of it, not only promised
        if asked["full_while"] and Path(str(asked["full_while"])).exists():
            raise DiskFullError(
                "no room left.", next_step="Free some space.", path=context.job.output.path, frame=frame
            )
        if frame == asked["exit_frame"]:
            sys.exit(1)
        if frame == asked["raise_frame"]:
            raise ValueError("a bug in the engine")
        assert context.job.plate is not None
        source = Path(context.job.plate.path % frame)
        target = Path(context.job.output.path % frame)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        if frame == asked["tamper_frame"] and not _noted(ledger, "tamper"):
            _note(ledger, f"tamper {frame}")
            source = Path(context.job.plate.path % (frame + 1))
        shutil.copyfile(source, beside)
        beside.replace(target)
        _note(ledger, f"frame {frame} {step.id} {os.getpid()}")
        context.reporter.warn(notice=Notice(code="COPIED", message="Frames were copied."))
        context.reporter.frame_finished(frame=frame, path=target, seconds=0.01)

    @staticmethod
    def _sleep(seconds: float, context: Context, *, stubborn: bool) -> None:
        end = time.monotonic() + seconds
        while True:
            if not stubborn:
                context.reporter.check_cancelled()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.05))


def _parameters(job: Job) -> dict[str, object]:
    return {parameter.name: parameter.default for parameter in CARD.parameters} | dict(job.parameters)


def _note(ledger: Path, line: str) -> None:
    if str(ledger) != ".":
        with ledger.open("a") as file:
            file.write(line + "\n")


def _noted(ledger: Path, word: str) -> int:
    return sum(line.startswith(word) for line in ledger.read_text().splitlines()) if ledger.is_file() else 0
