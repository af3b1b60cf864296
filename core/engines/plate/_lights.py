"""Reads the frames that light is brought from: each once, and one ahead of the one that is looked at."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from overscan.core.plates import PlateFrame, read_frame
from overscan.core.shots import Light, Shot

KEPT_BYTES = 640 << 20
"""Samples of frames that are kept in memory, in the file's own types: half of what they are as light."""


class Lights:
    """Frames of one shot, by index. Those looked at last are kept: steps that follow each other look at the same."""

    def __init__(self, shot: Shot, *, at_once: int, kept_bytes: int = KEPT_BYTES) -> None:
        """`at_once` frames are looked at by turns; of their own samples, `kept_bytes` are kept."""
        self._shot = shot
        self._kept_bytes = kept_bytes
        self._at_once = at_once
        self._frames: OrderedDict[int, PlateFrame] = OrderedDict()
        self._lights: OrderedDict[int, Future[Light]] = OrderedDict()
        # One thread: only it touches the frames.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="overscan-lights")

    def __getitem__(self, frame: int) -> Light:
        """Light of a frame over its data window. Raises the errors of reading."""
        return self._asked(frame).result()

    def ask(self, frame: int) -> None:
        """Have a frame read that will be looked at next."""
        self._asked(frame)

    def kept_first(self, frames: Iterable[int]) -> list[int]:
        """Frames in the order that has the fewest of them read anew."""
        kept = self._reader.submit(lambda: set(self._frames)).result()
        return sorted(frames, key=lambda frame: (frame not in kept, frame))

    def plate(self, frame: int) -> PlateFrame:
        """A plate frame with all its parts."""
        kept = self._reader.submit(self._frames.get, frame).result()
        number = self._shot.frames[frame]
        whole = kept is not None and len(kept.parts) == len(self._shot.headers[number])
        return kept if kept is not None and whole else self._shot.read(number)

    def let_go(self) -> None:
        """Forget all light; the frames' own samples stay."""
        self._lights.clear()

    def _asked(self, frame: int) -> Future[Light]:
        if frame not in self._lights:
            while len(self._lights) >= self._at_once:
                self._lights.popitem(last=False)
            self._lights[frame] = self._reader.submit(self._read, frame)
        self._lights.move_to_end(frame)
        return self._lights[frame]

    def _read(self, frame: int) -> Light:
        if frame not in self._frames:
            number = self._shot.frames[frame]
            self._frames[frame] = read_frame(self._shot.path(number), number=number, parts=(self._shot.part,))
        self._frames.move_to_end(frame)
        own = self._frames[frame]
        while len(self._frames) > 1 and sum(map(_size, self._frames.values())) > self._kept_bytes:
            self._frames.popitem(last=False)
        part = own.parts[0]
        return self._shot.light(part.planes, bits=part.header.bits)


def _size(frame: PlateFrame) -> int:
    return sum(plane.nbytes for part in frame.parts for plane in part.planes.values())
