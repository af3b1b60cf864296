"""Files made to take the service down: refused before anything is allocated, or contained in a worker."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import OpenImageIO
import psutil
import pytest
from serving import Service, running_services

from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.engine_service_pb2 import ListEnginesRequest
from overscan.v1.geometry_pb2 import Size
from overscan.v1.job_pb2 import JobSpec

SECONDS_MAX = 20.0
"""For one plan on a busy machine of two cores; most take a tenth of a second."""


@pytest.fixture(scope="module")
def service(engine_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes pictures of up to 50 million pixels."""
    with running_services(engine_path, tmp_path_factory.mktemp("bombed")) as run:
        service = run(
            *("--workers", "1", "--set", "pixels_max=50000000", "--set", "inspector_memory_max=3000000000"),
            *("--set", "inspector_idle_seconds_max=600"),
        )
        service.engines.ListEngines(ListEnginesRequest(), timeout=60)  # has it start its inspector
        yield service


def attribute(name: str, kind: str, data: bytes) -> bytes:
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<I", len(data)) + data


def channel(name: str) -> bytes:
    return name.encode() + b"\0" + struct.pack("<iIii", 1, 0, 1, 1)


def exr(
    path: Path,
    *,
    width: int = 16,
    height: int = 8,
    channels: bytes = channel("B") + channel("G") + channel("R"),
    extra: bytes = b"",
    compression: int = 3,
    chunks: bytes | None = None,
) -> None:
    """An EXR with this header, whatever follows it."""
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    header = b"".join(
        (
            struct.pack("<II", 20000630, 2),
            attribute("channels", "chlist", channels + b"\0"),
            attribute("compression", "compression", bytes([compression])),
            attribute("dataWindow", "box2i", window),
            attribute("displayWindow", "box2i", window),
            attribute("lineOrder", "lineOrder", b"\0"),
            attribute("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
            attribute("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
            attribute("screenWindowWidth", "float", struct.pack("<f", 1.0)),
            extra,
            b"\0",
        )
    )
    if chunks is None:
        chunks = struct.pack("<Q", len(header) + 8) + b"\0" * 64
    path.write_bytes(header + chunks)


def png(path: Path, width: int, height: int, *, rows: int = 40) -> None:
    """A PNG that claims that size, with so many rows of 0."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pack = zlib.compressobj(1)
    row = bytes(1 + 3 * width)
    data = b"".join(pack.compress(row) for _ in range(rows)) + pack.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def tiff(path: Path, width: int, height: int) -> None:
    """A TIFF that claims that size, with one strip of a few bytes."""
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    entries += [(278, 4, height), (279, 4, 64)]
    body = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *entry[:2], 1, entry[2]) for entry in entries
    )
    path.write_bytes(b"II*\0" + struct.pack("<I", 80) + bytes(72) + body + struct.pack("<I", 0))


def many_attributes(path: Path) -> None:
    exr(path, extra=b"".join(attribute(f"a{number}", "int", b"\0\0\0\0") for number in range(1_000_000)))


def many_channels(path: Path) -> None:
    exr(path, channels=b"".join(channel(f"c{number:07}") for number in range(1_000_000)))


def zip_bomb(path: Path) -> None:
    """One chunk of 16 lines that unpacks to a thousand times what they hold."""
    packed = zlib.compress(bytes(200_000_000), 9)
    header_free = struct.pack("<iI", 0, len(packed)) + packed
    exr(path)
    size = path.stat().st_size - 8 - 64
    exr(path, chunks=struct.pack("<Q", size + 8) + header_free)


BOMBS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a billion pixels": (".exr", lambda path: exr(path, width=32768, height=32768), "50000000"),
    "a width of 2^31": (".exr", lambda path: exr(path, width=2**31 - 1, height=2), "claims"),
    "pixels no file could hold": (".exr", lambda path: exr(path, width=7000, height=7000), "cannot hold"),
    "a million attributes": (".exr", many_attributes, "65536 attributes"),
    "a million channels": (".exr", many_channels, "1024 channels"),
    "an attribute of 4 GiB": (
        ".exr",
        lambda path: exr(path, extra=b"big\0string\0" + struct.pack("<I", 2**32 - 1)),
        "inside the header",
    ),
    "a chunk that unpacks to 200 MB": (".exr", zip_bomb, ""),
    "a PNG of 10^10 pixels": (".png", lambda path: png(path, 100_000, 100_000), "limit"),
    "a sound PNG of 64 million pixels": (".png", lambda path: png(path, 8000, 8000, rows=8000), "limit is 50000000"),
    "a PNG of fewer rows than it claims": (".png", lambda path: png(path, 5000, 5000), ""),
    "a TIFF of 4*10^9 pixels": (".tif", lambda path: tiff(path, 65535, 65535), "claims a 4095 MB image"),
    "a text": (".exr", lambda path: path.write_text("no picture"), ""),
    "a film": (".mov", lambda path: path.write_bytes(b"\0\0\0\x14ftypqt  " + bytes(5000)), ""),
}


@pytest.mark.parametrize("name", list(BOMBS))
def test_a_bomb_is_refused_with_the_limit_it_breaks(service: Service, tmp_path: Path, name: str) -> None:
    suffix, make, word = BOMBS[name]
    path = tmp_path / f"plate.1001{suffix}"
    make(path)
    spec = JobSpec(engine="plate")
    spec.plate.path = str(path)
    spec.extend.format.size.CopyFrom(Size(width=64, height=64))
    spec.output.path = str(tmp_path / "out.%04d.exr")
    inspector = next(child for child in service.workers() if "inspector" in " ".join(child.cmdline()))
    begun = time.monotonic()
    try:
        planned = service.jobs.PlanJob(pb.PlanJobRequest(spec=spec), timeout=60).plan
        said = [problem.message for problem in planned.problems]
        if not said:  # a header that is in order; what follows it is found out when it is read
            job = service.finish(service.create(spec).id)
            said = [job.error.message]
    except grpc.RpcError as error:
        said = [error.details()]
    assert time.monotonic() - begun < SECONDS_MAX
    assert said
    assert said[0]
    assert word in " ".join(said)
    assert "Traceback" not in " ".join(said)
    assert psutil.Process(service.process.pid).memory_info().rss < 300 << 20
    if word:
        assert inspector.is_running()  # it was refused, not survived
        assert inspector.memory_info().rss < 900 << 20
    service.jobs.ListJobs(pb.ListJobsRequest(), timeout=10)


def test_a_sound_picture_of_many_pixels_is_taken(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "plate.1001.exr"
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output.open(str(path), OpenImageIO.ImageSpec(7000, 7000, 1, "half"))
    assert output.write_image(np.random.default_rng(1).random((7000, 7000, 1), np.float32))
    output.close()
    spec = JobSpec(engine="plate")
    spec.plate.path = str(path)
    spec.plate.color_space = "ACEScg"
    spec.extend.format.size.CopyFrom(Size(width=7004, height=7000))
    spec.output.path = str(tmp_path / "out.%04d.exr")
    planned = service.jobs.PlanJob(pb.PlanJobRequest(spec=spec), timeout=60).plan
    assert not [problem for problem in planned.problems if problem.code == "UNREADABLE_IMAGE"]


def test_an_inspector_that_takes_too_much_memory_ends_and_another_goes_on(
    start: Callable[..., Service], make_spec: Callable[..., JobSpec]
) -> None:
    service = start("--set", "inspector_memory_max=60000000")  # too little for anything
    with pytest.raises(grpc.RpcError) as refusal:
        service.jobs.PlanJob(pb.PlanJobRequest(spec=make_spec()), timeout=60)
    assert refusal.value.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED)
    service.jobs.ListJobs(pb.ListJobsRequest(), timeout=10)
