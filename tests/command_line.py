"""Real `overscan` commands as processes of their own, with a home of their own, and EXR files for them to work on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import OpenImageIO
import psutil

from overscan.service.workers.kernels import kernels_folder

LIMIT_SECONDS = 120


def share_kernels(home: Path) -> None:
    """Let the workers of a new home use the kernels that the tests, and other homes' workers, have compiled."""
    kernels = Path(os.environ["NUMBA_CACHE_DIR"]).resolve()
    kernels.mkdir(parents=True, exist_ok=True)
    link = kernels_folder(home / "cache")
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(kernels)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict]:
        """The JSON lines of stdout; anything else there is a failure."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict:
        """The last line, which must be the only summary."""
        lines = self.lines
        assert [line["type"] for line in lines].count("summary") == 1
        assert lines[-1]["type"] == "summary"
        return lines[-1]


@dataclass(kw_only=True)
class Cli:
    """The command line of one home folder."""

    home: Path
    cwd: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, **options) -> subprocess.Popen:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "overscan.cli", *arguments],
            cwd=self.cwd,
            env={**os.environ, **self.environment, "OVERSCAN_HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(self, *arguments: str) -> Result:
        """Run a command to its end."""
        return self.finish(self.start(*arguments))

    def finish(self, process: subprocess.Popen, *, seconds: float = LIMIT_SECONDS) -> Result:
        """Wait for a command."""
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Result(code=process.returncode, out=out, err=err)

    @property
    def announced(self) -> dict | None:
        """What service.json says."""
        try:
            return json.loads((self.home / "service.json").read_text())
        except OSError:
            return None

    def stop_service(self) -> None:
        """End the service, if there is one, and wait until it has gone."""
        announced = self.announced
        if announced is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(announced["pid"], signal.SIGTERM)
        self.eventually(lambda: not self.alive(announced["pid"]))

    @contextlib.contextmanager
    def service_stopped(self) -> Iterator[None]:
        """The service and its workers stand still."""
        service = psutil.Process(self.announced["pid"])
        processes = [service, *service.children(recursive=True)]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    @staticmethod
    def alive(pid: int) -> bool:
        """Whether a process runs; one that has ended and was not waited for yet does not."""
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    @staticmethod
    def eventually(condition: Callable[[], bool], *, seconds: float = 30) -> None:
        """Wait until something is so."""
        give_up = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < give_up, "it did not come to pass"
            time.sleep(0.05)

    @staticmethod
    def write_frames(
        folder: Path,
        *,
        name: str = "plate",
        frames: Sequence[int] = range(1001, 1005),
        width: int = 32,
        height: int = 24,
        channels: Sequence[str] = ("R", "G", "B"),
        matte: bool = False,
    ) -> Path:
        """Write EXR frames with values that clamping would show; returns the %04d pattern."""
        folder.mkdir(parents=True, exist_ok=True)
        for frame in frames:
            random = np.random.default_rng(abs(frame))
            pixels = random.normal(0.5, 2.0, (height, width, len(channels))).astype(np.float16)
            if matte:
                pixels = np.zeros((height, width, len(channels)), np.float16)
                pixels[height // 4 : height // 2, width // 4 : width // 2] = 1
            else:
                pixels[0, :3, 0] = np.nan, np.inf, -np.inf
            spec = OpenImageIO.ImageSpec(width, height, len(channels), "half")
            spec.channelnames = tuple(channels)
            spec["compression"] = "zip"
            number = f"{'-' if frame < 0 else ''}{abs(frame):0{3 if frame < 0 else 4}d}"
            writer = OpenImageIO.ImageOutput.create(str(folder / f"{name}.{number}.exr"))
            assert writer.open(str(folder / f"{name}.{number}.exr"), spec)
            assert writer.write_image(pixels)
            writer.close()
        return folder / f"{name}.%04d.exr"
