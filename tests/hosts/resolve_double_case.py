"""What the tests of the double share; it runs under every Python that Resolve has."""

from __future__ import annotations

import struct
import tempfile
import unittest
from pathlib import Path
from typing import Any, Sequence

from tests.hosts.resolve_double import double, user


class DoubleCase(unittest.TestCase):
    """A fresh double for every test, as `self.resolve`; rules that were broken fail the test at its end."""

    EDITION, VERSION, GUI = "studio", (21, 0, 0), True

    def setUp(self) -> None:
        self.resolve: Any = double.start(edition=self.EDITION, version=self.VERSION, gui=self.GUI)
        self.addCleanup(double.stop)
        self.options = double.session().options
        self.faults = double.session().faults
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def project(self, **more: Any) -> Any:
        """A new project."""
        return user.new_project(**more)

    def pool(self) -> Any:
        """The current project's media pool."""
        return self.resolve.GetProjectManager().GetCurrentProject().GetMediaPool()

    def plate(self, numbers: Sequence[int] = range(1001, 1101), *, name: str = "plate", **more: Any) -> str:
        """EXR files of a header each; returns the pattern."""
        for number in numbers:
            (self.folder / f"{name}.{number:04d}.exr").write_bytes(exr_header(**more))
        return str(self.folder / f"{name}.%04d.exr")

    def clip(self, length: int = 100, *, first: int = 1001, **more: Any) -> Any:
        """A sequence in the media pool, whose files need not be there."""
        return user.import_sequence(str(self.folder / "clip.%04d.exr"), first, first + length - 1, **more)

    def broken(self, call: Any, words: str) -> None:
        """`call` breaks a rule, with these words."""
        with self.assertRaises(double.Forbidden) as caught:
            call()
        self.assertIn(words, str(caught.exception))
        double.session().violations.clear()


def exr_header(
    *,
    size: tuple[int, int] = (64, 36),
    channels: str = "BGR",
    rate: tuple[int, int] | None = None,
    timecode: int | None = None,
) -> bytes:
    """An EXR file without pixels: enough for what the media pool reads."""

    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value

    box = struct.pack("<4i", 0, 0, size[0] - 1, size[1] - 1)
    listed = b"".join(channel.encode() + b"\0" + struct.pack("<iB3xii", 1, 0, 1, 1) for channel in channels) + b"\0"
    found = b"\x76\x2f\x31\x01" + struct.pack("<I", 2) + attribute("channels", "chlist", listed)
    found += attribute("displayWindow", "box2i", box)
    if rate is not None:
        found += attribute("framesPerSecond", "rational", struct.pack("<iI", *rate))
    if timecode is not None:
        found += attribute("timeCode", "timecode", struct.pack("<II", timecode, 0))
    return found + b"\0"
