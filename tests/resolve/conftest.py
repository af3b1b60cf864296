"""The plugin in the double of Resolve, with a real bridge, a real service and real files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from tests.hosts.resolve_double import double, user  # noqa: E402
from tests.nuke.conftest import overscan_environment, read_frame, same_bits, write_frames  # noqa: E402

__all__ = ["overscan_environment"]


@dataclass
class Resolve:
    """A Resolve Studio with a project `Show` and a timeline `Edit` at 24 frames per second."""

    folder: Path
    resolve: Any
    timeline: Any

    def sequence(
        self, name: str = "plate", frames: Sequence[int] = range(1001, 1013), *, size: tuple[int, int] = (40, 30),
        rate: str = "24", **properties: Any,
    ) -> Any:  # fmt: skip
        """EXR frames with values that clamping or rounding would show, in the media pool."""
        pattern = write_frames(self.folder / "plates" / name, name, frames, "RGB", size=size)
        return user.import_sequence(
            str(pattern), frames[0], frames[-1], rate=rate, timecode="00:00:10:00", **properties
        )

    def matte(self, frames: Sequence[int] = range(1001, 1013), *, size: tuple[int, int] = (40, 30)) -> str:
        """A matte whose middle is 1, as a file for each frame."""
        return str(write_frames(self.folder / "mattes", "matte", frames, "A", size=size))

    def run(self, *arguments: str) -> int:
        """A command of ``overscan resolve``, with this Resolve."""
        from overscan_resolve._batch import main

        return main([*arguments], resolve=self.resolve)


@pytest.fixture
def resolve(overscan_environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolve]:
    for name, value in overscan_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OVERSCAN_RESOLVE_OUTPUT", str(tmp_path / "results"))
    monkeypatch.delenv("OCIO", raising=False)
    started = double.start()
    user.new_project("Show", rate="24", size=(64, 36), colorSpaceInput="ACEScg")
    yield Resolve(tmp_path, started, user.new_timeline("Edit"))
    double.stop()


def same_outside(plate: Path | str, result: Path | str, matte: Path | str) -> bool:
    """Whether every sample that the matte keeps is the plate's, to the bit."""
    before, after, replaced = read_frame(plate), read_frame(result), read_frame(matte)["A"] > 0
    return all(
        same_bits(np.ascontiguousarray(before[name][~replaced]), np.ascontiguousarray(after[name][~replaced]))
        for name in "RGB"
    )
