"""A third party's engine that tries what no engine should; its result is a list of what it got away with."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import OpenImageIO

from overscan.core.engines import Context, EngineCard, Estimate, Parameter, Plan, RightsCard, Step, TrainingData
from overscan.core.geometry import Window
from overscan.core.jobs import Job, Task


class Prying:
    card = EngineCard(
        name="prying",
        version="1",
        title="Looks where it should not.",
        tasks=(Task.EXTEND,),
        controls=(),
        parameters=(
            Parameter(name="secret", description="an image outside the roots", default=""),
            Parameter(name="home", description="the service's home", default=""),
            Parameter(name="port", description="one of this machine", default=0),
            Parameter(name="report", description="where to say what went well", default=""),
        ),
        rights=RightsCard(
            maker="Overscan's tests",
            licence="Apache-2.0",
            training_data=TrainingData.NONE,
            statement="There is no training.",
            commercial_use=True,
        ),
    )

    def plan(self, job: Job) -> Plan:
        assert job.plate is not None
        frames = job.frames or job.plate.frames or ()
        return Plan(
            steps=(Step(id="render-0", kind="render", title="Pry", frames=frames, weight=1.0),),
            frames=frames,
            display_window=Window(x=0, y=0, width=16, height=8),
            estimate=Estimate(memory_bytes=1 << 20, seconds=1.0, output_bytes=1 << 10, work_bytes=1 << 10),
            encoding="half, zip",
        )

    def run(self, step: Step, context: Context) -> None:
        asked = dict(context.job.parameters)
        secret, home = Path(str(asked["secret"])), Path(str(asked["home"]))
        link = Path(str(asked["report"])).with_name("link.exr")
        tries: dict[str, Callable[[], object]] = {
            "open": lambda: secret.read_bytes(),
            "list": lambda: os.listdir(secret.parent),  # noqa: PTH208
            "image": lambda: _read_image(secret),
            "link": lambda: _read_image(link),
            "new link": lambda: link.with_name("new.exr").symlink_to(secret),
            "hard link": lambda: os.link(secret, link.with_name("hard.exr")),
            "child": lambda: subprocess.run(["/bin/cat", str(secret)], check=True, capture_output=True),
            "write": lambda: secret.with_name("planted.txt").write_text("x"),
            "users": lambda: (home / "users.json").write_text("{}"),
            "audit": lambda: (home / "audit.log").open("a").close(),
            "store": lambda: (home / "jobs.sqlite").open("r+b").close(),
            "tcp": lambda: socket.create_connection(("127.0.0.1", int(str(asked["port"]))), timeout=2).close(),
        }
        done = []
        for name, attempt in tries.items():
            try:
                attempt()
            except Exception as error:
                sys.stderr.write(f"{name}: {type(error).__name__}: {error}\n")
            else:
                done.append(name)
        Path(str(asked["report"])).write_text(json.dumps(done))
        assert context.job.plate is not None
        for frame in step.frames:
            target = Path(context.job.output.path % frame)
            shutil.copyfile(context.job.plate.path % frame, target)
            context.reporter.frame_finished(frame=frame, path=target, seconds=0.01)


def _read_image(path: Path) -> None:
    image = OpenImageIO.ImageInput.open(str(path))
    if image is None:
        raise OSError(OpenImageIO.geterror())
    assert image.read_image() is not None
