"""A Resolve of the double with a sequence in a timeline, for tests that need nothing but the standard library."""

from __future__ import annotations

import os
import shutil
import struct
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from tests.hosts.resolve_double import double, user  # noqa: E402


def write_exr(path: Path, *, width: int = 16, height: int = 9, value: float = 0.5) -> None:
    """A half RGB file, not compressed."""
    channels = b"".join(name + b"\0" + struct.pack("<iB3xii", 1, 0, 1, 1) for name in (b"B", b"G", b"R")) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    head = struct.pack("<ii", 20000630, 2)
    for name, kind, data in (
        (b"channels", b"chlist", channels),
        (b"compression", b"compression", b"\0"),
        (b"dataWindow", b"box2i", window),
        (b"displayWindow", b"box2i", window),
        (b"lineOrder", b"lineOrder", b"\0"),
        (b"pixelAspectRatio", b"float", struct.pack("<f", 1.0)),
        (b"screenWindowCenter", b"v2f", struct.pack("<2f", 0.0, 0.0)),
        (b"screenWindowWidth", b"float", struct.pack("<f", 1.0)),
    ):
        head += name + b"\0" + kind + b"\0" + struct.pack("<i", len(data)) + data
    head += b"\0"
    row = struct.pack("<e", value) * width * 3
    first = len(head) + 8 * height
    offsets = b"".join(struct.pack("<Q", first + y * (8 + len(row))) for y in range(height))
    lines = b"".join(struct.pack("<ii", y, len(row)) + row for y in range(height))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + offsets + lines)


def write_sequence(pattern: str, first: int, last: int, **more: Any) -> str:
    """Files of a pattern, and the pattern again."""
    model = Path(pattern % first)
    if not model.exists():
        write_exr(model, **more)
    for number in range(first + 1, last + 1):
        path = Path(pattern % number)
        if not path.exists():
            os.link(str(model), str(path))
    return pattern


class ResolveCase(unittest.TestCase):
    """Each test has a Studio with a project `Show`, a timeline `Edit` at 24, and no clip yet."""

    version = (21, 0, 0)

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ort-"))
        self.addCleanup(shutil.rmtree, str(self.folder), ignore_errors=True)
        self.resolve = double.start(version=self.version)
        self.addCleanup(double.stop)
        user.new_project(rate="24")
        self.timeline = user.new_timeline("Edit")

    @property
    def project(self) -> Any:
        return self.resolve.GetProjectManager().GetCurrentProject()

    def sequence(
        self, name: str = "plate", first: int = 1001, last: int = 1100, *, rate: str = "24", width: int = 16,
        height: int = 9, **properties: Any,
    ) -> Any:  # fmt: skip
        """A sequence of EXR files in the media pool."""
        pattern = str(self.folder / name / f"{name}.%04d.exr")
        write_sequence(pattern, first, last, width=width, height=height)
        return user.import_sequence(pattern, first, last, rate=rate, timecode="00:00:10:00", **properties)

    def clip(self, item: Any, *, track: int = 1, known: bool = True) -> Any:
        """What the plugin reads of an item."""
        from overscan_resolve import read_clip, retimes_of

        retimes = retimes_of(self.resolve, self.timeline) if known else {}
        return read_clip(self.timeline, item, track=track, retime=retimes.get((track, item.GetStart())))

    def refused(self, code: str, *words: str) -> Any:
        """A context whose body must be refused with a code and these words."""
        return _Refused(self, code, words)


class _Refused:
    def __init__(self, case: unittest.TestCase, code: str, words: tuple[str, ...]) -> None:
        self._case, self._code, self._words = case, code, words

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        from overscan_host import BridgeError

        self._case.assertIsNotNone(error, "nothing was refused")
        if not isinstance(error, BridgeError):
            return False
        self._case.assertEqual(error.code, self._code, str(error))
        for word in self._words:
            self._case.assertIn(word, str(error))
        self._case.assertTrue(error.next_step, "it does not say what to do")
        return True
