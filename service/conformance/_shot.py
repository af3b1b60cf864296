"""The suite's own plate: a few small frames with all that a real one has and that is easily lost."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from overscan.core.geometry import Window
from overscan.core.plates import Channel, Part, PartHeader, Plane, PlateFrame, read_frame, write_frame
from overscan.v1.frame_service_pb2 import UploadFramesRequest
from overscan.v1.frames_pb2 import FrameRange, FrameSet

WIDTH, HEIGHT = 64, 48
FIRST = 1001
_NAMES = ("R", "G", "B")


class Shot:
    """A panning picture in half float, with values below 0, above 1, NaN and infinity."""

    def __init__(self, *, frames: int) -> None:
        self.numbers = tuple(range(FIRST, FIRST + frames))

    def frame_set(self) -> FrameSet:
        """Its frames, for the wire."""
        return FrameSet(ranges=[FrameRange(first=self.numbers[0], last=self.numbers[-1], step=1)])

    @cached_property
    def files(self) -> dict[int, bytes]:
        """The EXR file of each frame."""
        with tempfile.TemporaryDirectory() as folder:
            return {number: _write(number, Path(folder) / f"{number}.exr") for number in self.numbers}

    def write_to(self, folder: Path) -> Path:
        """Put the files into a folder, where they are not there yet; returns their pattern."""
        folder.mkdir(exist_ok=True)
        for number, data in self.files.items():
            path = folder / f"plate.{number:04d}.exr"
            if not path.exists():
                path.write_bytes(data)
        return folder / "plate.%04d.exr"

    def chunks(self, *, upload_id: str, chunk_bytes: int) -> Iterator[UploadFramesRequest]:
        """All files as an upload sends them."""
        for number, data in self.files.items():
            yield from chunks_of(data, upload_id=upload_id, frame=number, chunk_bytes=chunk_bytes)


def chunks_of(
    data: bytes, *, upload_id: str, frame: int, chunk_bytes: int, offset: int = 0
) -> Iterator[UploadFramesRequest]:
    """A file as an upload sends it, from `offset` on."""
    while True:
        piece = data[offset : offset + chunk_bytes]
        request = UploadFramesRequest(upload_id=upload_id, frame=frame, offset=offset, data=piece)
        offset += len(piece)
        if offset >= len(data):
            request.total_size = len(data)
            request.sha256 = hashlib.sha256(data).digest()
        yield request
        if offset >= len(data):
            return


def planes(data: bytes) -> dict[str, Plane]:
    """The channels of the first part of an EXR file, in its own sample type."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.exr"
        path.write_bytes(data)
        return dict(read_frame(path, number=0).parts[0].planes)


def _write(number: int, path: Path) -> bytes:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    wave = np.sin((columns + 2 * (number - FIRST)) / 5) * np.cos(rows / 7) + 0.4
    picture = {name: (wave * (1 + n / 3)).astype(np.float16) for n, name in enumerate(_NAMES)}
    for plane, value in zip(picture.values(), (np.nan, np.inf, -60000.0), strict=True):
        plane[HEIGHT // 2, WIDTH // 2] = value
    window = Window(x=0, y=0, width=WIDTH, height=HEIGHT)
    header = PartHeader(
        index=0,
        name="",
        view="",
        display_window=window,
        data_window=window,
        pixel_aspect=1.0,
        channels=tuple(Channel(name=name, dtype=np.dtype(np.float16)) for name in _NAMES),
        compression="zip",
        tile=None,
        bits=16,
        attributes={},
    )
    frame = PlateFrame(number=number, parts=(Part(header=header, planes=picture),), path=path, format_name="openexr")
    write_frame(frame, path=path, overwrite=False)
    return path.read_bytes()
