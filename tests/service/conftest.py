"""A real service process with a third party's engine, and a real plate."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import OpenImageIO
import pytest

from overscan.v1.frames_pb2 import FrameRange, FrameSet
from overscan.v1.geometry_pb2 import Size
from overscan.v1.job_pb2 import JobSpec

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from serving import FIRST, LAST, Service, running_services  # noqa: E402


@pytest.fixture(scope="session")
def engine_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PYTHONPATH on which the test's engine is installed."""
    folder = tmp_path_factory.mktemp("third-party")
    (folder / "copycat.py").write_text((HERE / "copycat.py").read_text())
    (folder / "broken_engine.py").write_text("raise RuntimeError('no device')\n")
    info = folder / "copycat-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: copycat\nVersion: 1.2.3\n")
    (info / "entry_points.txt").write_text(
        "[overscan.engines]\ncopycat = copycat:Copycat\nbroken = broken_engine:Engine\n"
    )
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH", "")])])


@pytest.fixture(scope="session")
def plate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path pattern of a small half-float EXR plate, every frame another picture."""
    folder = tmp_path_factory.mktemp("plate")
    for frame in range(FIRST, LAST + 2):
        spec = OpenImageIO.ImageSpec(16, 8, 3, "half")
        spec.attribute("compression", "zip")
        pixels = np.random.default_rng(frame).normal(1.0, 2.0, (8, 16, 3)).astype(np.float32)
        output = OpenImageIO.ImageOutput.create(str(folder / f"plate.{frame:04d}.exr"))
        assert output.open(str(folder / f"plate.{frame:04d}.exr"), spec)
        assert output.write_image(pixels)
        output.close()
    return str(folder / "plate.%04d.exr")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Where the engine notes what it does."""
    return tmp_path / "ledger"


@pytest.fixture
def make_spec(plate: str, tmp_path: Path, ledger: Path) -> Callable[..., JobSpec]:
    """A job for the test's engine: frames 1001 to `last`, with parameters."""

    def make(*, last: int = 1004, name: str = "out", **parameters: object) -> JobSpec:
        frames = FrameSet(ranges=[FrameRange(first=FIRST, last=last, step=1)])
        spec = JobSpec(engine="copycat")
        spec.plate.path = plate
        spec.plate.frames.CopyFrom(frames)
        spec.extend.format.size.CopyFrom(Size(width=16, height=8))
        spec.output.path = str(tmp_path / f"{name}.%04d.exr")
        for key, value in {"ledger": str(ledger), **parameters}.items():
            if isinstance(value, bool):
                spec.controls.parameters[key].bool_value = value
            elif isinstance(value, str):
                spec.controls.parameters[key].string_value = value
            else:
                spec.controls.parameters[key].number_value = float(str(value))
        return spec

    return make


@pytest.fixture
def start(engine_path: str, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts services, and ends them with the test."""
    with running_services(engine_path, tmp_path) as run:
        yield run


@pytest.fixture
def service(start: Callable[..., Service]) -> Service:
    """A running service."""
    return start()


@pytest.fixture(scope="module")
def shared_service(engine_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for tests that leave nothing behind in it."""
    with running_services(engine_path, tmp_path_factory.mktemp("shared")) as run:
        yield run()


def mount_fuse(where: Path) -> int:
    """Mount a file system whose server we are over a folder. While what this returns is open, every access hangs."""
    try:
        channel = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"needs FUSE: {error}")
    options = f"fd={channel},rootmode=40000,user_id=0,group_id=0"
    library = ctypes.CDLL(None, use_errno=True)
    if library.mount(b"dead", os.fsencode(where), b"fuse", 0, options.encode()) != 0:
        reason = os.strerror(ctypes.get_errno())
        os.close(channel)
        pytest.skip(f"may not mount FUSE here: {reason}")
    return channel


@pytest.fixture(scope="module")
def hung_share() -> Iterator[Callable[[Path], None]]:
    """Mounts a file system whose server does not answer over a folder: every access hangs."""
    mounted: dict[Path, int] = {}
    yield lambda where: mounted.update({where: mount_fuse(where)})
    for where, channel in mounted.items():
        os.close(channel)  # whoever hangs is told that there is no server
        subprocess.run(["umount", "--lazy", str(where)], check=False)


@pytest.fixture
def dead_share() -> Callable[[Path], None]:
    """Mounts a file system whose server has died over a folder: every access fails with ENOTCONN."""

    return lambda where: os.close(mount_fuse(where))


@pytest.fixture
def memory_group() -> Iterator[Callable[[int], Callable[[int], None]]]:
    """Makes a control group with so many bytes of memory, and returns what puts a process into it."""
    made: list[Path] = []

    def make(limit: int) -> Callable[[int], None]:
        groups = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
        root, limit_file = Path("/sys/fs/cgroup"), "memory.max"
        if "memory" in groups:
            root, limit_file = root / "memory", "memory.limit_in_bytes"
        folder = root / groups.get("memory", groups.get("", "/")).lstrip("/") / f"overscan-test-{os.getpid()}"
        try:
            folder.mkdir()
            made.append(folder)
            (folder / limit_file).write_text(str(limit))
        except OSError as error:
            pytest.skip(f"may not make control groups here: {error}")
        return lambda pid: (folder / "cgroup.procs").write_text(str(pid)) and None

    yield make
    for folder in made:
        for pid in (folder / "cgroup.procs").read_text().split():
            (folder.parent / "cgroup.procs").write_text(pid)
        folder.rmdir()
