"""Compares a result with its plate, sample by sample, bit by bit."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overscan.core.errors import PlateChangedError
from overscan.core.geometry import Window
from overscan.core.plates import Part, Plane, PlateFrame, same_parts, same_samples
from overscan.core.shots import Stamp
from overscan.core.shots._samples import as_type
from overscan.core.temporaries import written_beside

Mask = npt.NDArray[np.bool_]

CHECKS = "checks"
"""Folder of a job's work folder that holds the records of frames checked when they were written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCheck:
    """What comparing one frame found."""

    frame: int
    path: Path
    samples: int
    """Samples compared: all channels of all parts of the plate, outside the generated region."""
    differing: int
    first_difference: str = ""
    """In plain words; empty where none."""
    total: int = 0
    """Frames to compare in all, for progress; 0 where unknown."""


def keep_check(folder: Path, check: FrameCheck, *, inputs: Stamp) -> None:
    """Keep the record of a check in `folder`, with what tells whether the result or its `inputs` change later."""
    record = asdict(check) | {"path": str(check.path), "files": _files(check.path, inputs)}
    with written_beside(folder / f"{check.frame}.json") as temporary:
        temporary.write_text(json.dumps(record))


def kept_check(folder: Path, frame: int, path: Path, *, inputs: Stamp) -> FrameCheck | None:
    """The record that `keep_check` kept; None where there is none, or where result or inputs are other files now."""
    try:
        record = json.loads((folder / f"{frame}.json").read_text())
        if record.pop("files") != _files(path, inputs):
            return None
        return FrameCheck(**(record | {"path": path}))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _files(result: Path, inputs: Stamp) -> list[list[str | int]]:
    """The result and its inputs, by what changes when somebody writes them."""
    status = result.stat()
    files: list[list[str | int]] = [[str(result), status.st_size, status.st_mtime_ns]]
    return files + [list(entry) for entry in inputs]


def compare(
    *,
    plate: PlateFrame,
    result: PlateFrame,
    offset: tuple[int, int],
    part: int,
    painted: tuple[str, ...],
    generated: Mask | None,
    window: Window,
) -> FrameCheck:
    """Compare every sample of `plate` with the one at its place in `result`.

    `painted` are the channels of part number `part` that may differ where `generated` is true; `generated` covers
    `window` of the plate's pixel space, None is false everywhere. Where the result has another sample type, the
    plate's samples are converted first. NaNs are compared by their bits. Raises `PlateChangedError` where a part, a
    channel or an area of the plate is missing in the result.
    """
    samples = differing = 0
    first = ""
    for index, own in enumerate(plate.parts):
        if index >= len(result.parts):
            raise _gone(f"part {index} ('{own.header.name}')", result)
        other = result.parts[index]
        there = other.header.data_window.moved(-offset[0], -offset[1])
        common = own.header.data_window.intersection(there)
        if common is None or (result.format_name == "openexr" and common != own.header.data_window):
            raise _gone(f"the data window {own.header.data_window} of part {index}", result)
        may_differ = generated is not None and own.header.index == part
        if not may_differ and there == own.header.data_window and same_parts(own, other):
            samples += sum(plane.size for plane in own.planes.values())
            continue
        for name, plane in own.planes.items():
            if name not in other.planes:
                raise _gone(f"channel {name} of part {index}", result)
            mask = None
            if may_differ and generated is not None and name in painted:
                mask = generated[common.slices_in(window)]
            count, wrong, where = _planes(own, plane, other.planes[name], common, there, mask)
            samples += count
            differing += wrong
            if where and not first:
                x, y = where
                first = f"frame {plate.number}, part {index}, channel {name} at {x}, {y} of the plate"
    return FrameCheck(
        frame=plate.number, path=result.path, samples=samples, differing=differing, first_difference=first
    )


def _planes(
    own: Part, plane: Plane, found: Plane, common: Window, there: Window, mask: Mask | None
) -> tuple[int, int, tuple[int, int] | None]:
    expected = as_type(plane[common.slices_in(own.header.data_window)], bits=own.header.bits, dtype=found.dtype)
    actual = found[common.slices_in(there)]
    if mask is None and same_samples(expected, actual):
        return expected.size, 0, None
    kind = f"u{found.dtype.itemsize}"
    differs = expected.view(kind) != actual.view(kind)
    count = expected.size
    if mask is not None:
        differs &= ~mask
        count -= int(np.count_nonzero(mask))
    wrong = int(np.count_nonzero(differs))
    if not wrong:
        return count, 0, None
    row, column = (int(value) for value in np.unravel_index(int(np.argmax(differs)), differs.shape))
    return count, wrong, (common.x + column, common.y + row)


def _gone(what: str, result: PlateFrame) -> PlateChangedError:
    return PlateChangedError(
        f"{what} of the plate is missing in the result.",
        next_step="Render the frame again.",
        path=result.path,
        frame=result.number,
    )
