"""Image files that no program would write: EXR files mutated by their structure, others by their bytes.

A file that takes our own EXR reader to lines it has not been to before is kept, and mutated further.
"""

from __future__ import annotations

import contextlib
import random
import struct
import sys
import tempfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import OpenImageIO as oiio

from overscan.core.errors import OverscanError
from overscan.core.plates import _exr

WIDTH, HEIGHT = 24, 16
_INTS = (0, 1, -1, 2, 7, 255, 256, 65535, 65536, 2**20, 2**30, 2**31 - 1, -(2**31), -(2**31) + 1, 30000)
_FLOATS = (0.0, -1.0, 1e-38, 1e38, float("nan"), float("inf"), 2.0)
_KINDS = ("none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa:45", "dwab:45")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """Where an attribute of a header lies in a file."""

    name: bytes
    kind: bytes
    begin: int
    size_at: int
    data_at: int
    size: int


@cache
def base_files() -> dict[str, bytes]:
    """Sound files of all kinds, by name."""
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in _KINDS:
            files[kind] = _write(Path(folder) / "a.exr", compression=kind, format_="half")
        files["float"] = _write(Path(folder) / "b.exr", compression="zip", format_="float")
        files["alpha"] = _write(Path(folder) / "c.exr", compression="zip", format_="half", channels=4)
        files["tiled"] = _write(Path(folder) / "d.exr", compression="zip", format_="half", tile=8)
        files["negative"] = _write(Path(folder) / "e.exr", compression="piz", format_="half", origin=(-5, -3))
        files["parts"] = _write_parts(Path(folder) / "f.exr")
        for name, format_ in (
            ("png", "uint8"),
            ("png", "uint16"),
            ("tif", "uint16"),
            ("tif", "float"),
            ("dpx", "uint16"),
        ):
            files[f"{format_}.{name}"] = _write(Path(folder) / f"g.{name}", compression="", format_=format_)
        files["uint8.jpg"] = _write(Path(folder) / "g.jpg", compression="", format_="uint8")
    return files


@cache
def zero_matte() -> bytes:
    """A matte that replaces nothing."""
    with tempfile.TemporaryDirectory() as folder:
        return _write(Path(folder) / "m.exr", compression="zip", format_="half", channels=1, zero=True)


def _write(
    path: Path,
    *,
    compression: str,
    format_: str,
    channels: int = 3,
    tile: int = 0,
    origin: tuple[int, int] = (0, 0),
    zero: bool = False,
) -> bytes:
    spec = oiio.ImageSpec(WIDTH, HEIGHT, channels, format_)
    if compression:
        spec.attribute("compression", compression)
    spec.x, spec.y = origin
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = 0, 0, WIDTH, HEIGHT
    spec.tile_width = spec.tile_height = tile
    pixels = np.zeros((HEIGHT, WIDTH, channels)) if zero else np.random.default_rng(7).random((HEIGHT, WIDTH, channels))
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec), oiio.geterror()
    assert output.write_image(pixels.astype(np.float32)), output.geterror()
    output.close()
    return path.read_bytes()


def _write_parts(path: Path) -> bytes:
    specs = []
    for name in ("first", "second"):
        spec = oiio.ImageSpec(WIDTH, HEIGHT, 3, "half")
        spec.attribute("compression", "zip")
        spec.attribute("oiio:subimagename", name)
        specs.append(spec)
    pixels = np.random.default_rng(9).random((HEIGHT, WIDTH, 3)).astype(np.float32)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), tuple(specs))
    assert output.write_image(pixels)
    assert output.open(str(path), specs[1], "AppendSubimage")
    assert output.write_image(pixels)
    output.close()
    return path.read_bytes()


def attributes(data: bytes) -> tuple[list[Attribute], int]:
    """The attributes of the first header, as far as they make sense, and where it ends."""
    found: list[Attribute] = []
    at = 8
    with contextlib.suppress(ValueError, struct.error):
        while at < len(data) and data[at]:
            name_end = data.index(b"\0", at)
            kind_end = data.index(b"\0", name_end + 1)
            (size,) = struct.unpack_from("<i", data, kind_end + 1)
            if not 0 <= size <= len(data):
                break
            found.append(
                Attribute(
                    name=data[at:name_end],
                    kind=data[name_end + 1 : kind_end],
                    begin=at,
                    size_at=kind_end + 1,
                    data_at=kind_end + 5,
                    size=size,
                )
            )
            at = kind_end + 5 + size
    return found, at + 1


def mutate_exr(dice: random.Random, data: bytes) -> bytes:
    """Change the structure of an EXR file."""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        data = _mutate_once(dice, data)
    return data


def _mutate_once(dice: random.Random, data: bytes) -> bytes:
    every, header_end = attributes(data)
    if not every or dice.random() < 0.15:
        return mutate_bytes(dice, data, until=len(data))
    one = dice.choice(every)
    what = dice.randrange(14)
    if what in (0, 1, 2):  # a value
        return _value(dice, data, one)
    if what == 3:  # what an attribute claims to take
        return _put(data, one.size_at, struct.pack("<i", dice.choice((*_INTS, one.size + 1, one.size - 1))))
    if what == 4:  # one less
        return data[: one.begin] + data[one.data_at + one.size :]
    if what == 5:  # one twice
        whole = data[one.begin : one.data_at + one.size]
        return data[: one.begin] + whole * dice.choice((2, 2, 500)) + data[one.begin :][len(whole) :]
    if what == 6:  # one more
        name = dice.choice((b"tiles", b"name", b"type", b"view", b"chunkCount", b"x" * 300, b"\xff\xfe", b"comments"))
        kind = dice.choice((b"string", b"box2i", b"int", b"tiledesc", b"preview", b"stringvector", b"nosuch", b""))
        value = dice.randbytes(dice.choice((0, 4, 9, 16, 5000)))
        more = name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value
        return data[: one.begin] + more + data[one.begin :]
    if what in (7, 8):  # the table of chunks
        at = header_end + 8 * dice.randrange(4)
        offset = dice.choice((0, 1, header_end, len(data), len(data) - 1, 2**63, 2**64 - 1, dice.randrange(len(data))))
        return _put(data, at, struct.pack("<Q", offset))
    if what in (9, 10):  # the head of a chunk, found by the table
        with contextlib.suppress(struct.error):
            (offset,) = struct.unpack_from("<Q", data, header_end)
            if offset < len(data) - 8:
                return _put(data, offset + 4 * dice.randrange(3), struct.pack("<i", dice.choice(_INTS)))
        return data
    if what == 11:  # version and flags
        return _put(data, 4, struct.pack("<I", 2 | dice.choice((0x200, 0x400, 0x800, 0x1000, 0x1A00, 0, 1, 2**31))))
    if what == 12:  # samples
        return mutate_bytes(dice, data, since=min(header_end, len(data) - 1), until=len(data))
    return data[: dice.randrange(len(data))]  # cut off


def _value(dice: random.Random, data: bytes, one: Attribute) -> bytes:
    at = one.data_at
    if one.kind == b"box2i":
        return _put(data, at + 4 * dice.randrange(4), struct.pack("<i", dice.choice(_INTS)))
    if one.kind == b"float":
        return _put(data, at, struct.pack("<f", dice.choice(_FLOATS)))
    if one.kind == b"chlist" and one.size > 18:
        return _channels(dice, data, one)
    if one.kind in (b"compression", b"lineOrder"):
        return _put(data, at, bytes([dice.choice((*range(16), 255))]))
    if one.kind == b"tiledesc":
        return _put(data, at + 4 * dice.randrange(2), struct.pack("<i", dice.choice(_INTS)))
    if one.size:
        return _put(data, at + dice.randrange(one.size), dice.randbytes(dice.choice((1, 4))))
    return data


def _channels(dice: random.Random, data: bytes, one: Attribute) -> bytes:
    """Type, sampling or name of a channel, or thousands of them."""
    what = dice.randrange(5)
    if what == 0:  # thousands
        entry = b"".join(b"c%05d\0" % n + struct.pack("<iBxxxii", 1, 0, 1, 1) for n in range(dice.choice((50, 2000))))
        value = entry + b"\0"
        return data[: one.size_at] + struct.pack("<i", len(value)) + value + data[one.data_at + one.size :]
    if what == 1:
        return _put(data, one.data_at, dice.choice((b"\0", b"/", b"\xff", b"R", b".")))
    at = one.data_at + 2 + 4 * dice.choice((0, 2, 3))
    return _put(data, at, struct.pack("<i", dice.choice(_INTS)))


def _put(data: bytes, at: int, piece: bytes) -> bytes:
    return data[:at] + piece + data[at + len(piece) :]


def mutate_bytes(dice: random.Random, data: bytes, *, since: int = 0, until: int) -> bytes:
    """Flip bits, put in extreme numbers, cut off, put in more."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 2, 8, 40))):
        at = dice.randrange(since, max(min(until, len(out)), since + 1))
        what = dice.randrange(5)
        if what == 0:
            out[at : at + 1] = bytes([out[at] ^ (1 << dice.randrange(8))]) if at < len(out) else b""
        elif what == 1:
            out[at : at + 4] = struct.pack(dice.choice(("<i", ">i")), dice.choice(_INTS))
        elif what == 2:
            out[at : at + 2] = dice.randbytes(2)
        elif what == 3 and dice.random() < 0.2:
            del out[at:]
        elif what == 4 and dice.random() < 0.3:
            out[at:at] = dice.randbytes(dice.choice((1, 3, 100)))
        if not out:
            return b"\0"
    return bytes(out)


def mend_png(data: bytes) -> bytes:
    """The same file with the checks of its chunks set right, so that a reader looks further."""
    out, at = bytearray(data[:8]), 8
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        body = data[at + 4 : at + 8 + length]
        if len(body) < 4 + length:
            break
        out += struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return bytes(out + data[at:])


class Corpus:
    """Files to mutate: the sound ones, and those that led our reader where it had not been."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()
        self.exr = [data for name, data in base_files().items() if "." not in name]
        self.other = {name: data for name, data in base_files().items() if "." in name}
        self._scratch = tempfile.TemporaryDirectory()
        for data in self.exr:
            self.visit(data)

    @property
    def steps(self) -> int:
        """Different steps from line to line of our reader that were seen."""
        return len(self._seen)

    def visit(self, data: bytes) -> bool:
        """Read a file with our reader of containers; whether that took a step that none before took."""
        path = Path(self._scratch.name) / "one.exr"
        path.write_bytes(data)
        seen: set[tuple[int, int]] = set()
        last = 0

        def trace(frame: FrameType, event: str, _argument: object) -> Any:
            nonlocal last
            if frame.f_code.co_filename != _exr.__file__:
                return None
            if event == "line":
                seen.add((last, frame.f_lineno))
                last = frame.f_lineno
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            with contextlib.suppress(OverscanError):
                _exr.read_layout(path)
        finally:
            sys.settrace(before)
        new = seen - self._seen
        self._seen |= seen
        return bool(new)

    def make(self, *, seed: int, count: int) -> list[tuple[str, bytes]]:
        """So many mutated files, each with its extension. The same seed gives the same files."""
        made = []
        for number in range(count):
            dice = random.Random(f"{seed}:{number}")
            if dice.random() < 0.85:
                data = mutate_exr(dice, dice.choice(self.exr))
                if self.visit(data):
                    self.exr.append(data)
                made.append(("exr", data))
            else:
                name = dice.choice(sorted(self.other))
                data = mutate_bytes(dice, self.other[name], until=dice.choice((200, 10**9)))
                if name.endswith("png") and dice.random() < 0.7:
                    data = mend_png(data)
                made.append((name.rpartition(".")[2], data))
        return made
