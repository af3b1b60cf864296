"""The camera of a shot, as a host hands it over."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.controls import Camera, CameraSample
from overscan.core.errors import FrameRangeError, InvalidJobError, MismatchError, OverscanError
from overscan.core.frames import format_frames
from overscan.core.plates import PartHeader

_FIELD = "controls.camera"
_SHEAR = 1e-3
"""Largest cosine between two axes, and largest difference of their lengths, that rounding in a text file explains."""

_SHAPE = 0.01
"""Part by which a film back may differ in shape from the format: published sizes are rounded to a tenth of a mm."""


def check_camera(camera: Camera, *, frames: tuple[int, ...]) -> Iterator[OverscanError]:
    """What keeps `camera` from being the camera of a shot with these `frames`."""
    samples = camera.samples
    if not samples:
        yield InvalidJobError(
            "the camera has no samples.",
            next_step="Export at least the first and the last frame of the shot.",
            field=_FIELD,
        )
        return
    for sample in samples:
        try:
            _check_sample(sample)
        except OverscanError as error:
            yield error
    numbers = [sample.frame for sample in samples]
    again = sorted({one for one, other in itertools.pairwise(sorted(numbers)) if one == other})
    if again:
        yield InvalidJobError(
            f"the camera has more than one sample at {format_frames(again)}.",
            next_step="Keep one sample a frame.",
            frame=again[0],
            field=f"{_FIELD}.samples",
        )
    first, last = min(numbers), max(numbers)
    outside = [frame for frame in frames if not first <= frame <= last]
    if outside:
        yield MismatchError(
            f"the camera has no samples for frames {format_frames(outside)}: it goes from {first} to {last}.",
            next_step="Export the camera over the whole shot, in the plate's frame numbers. A locked-off camera takes "
            "one sample at its first and one at its last frame.",
            frame=outside[0],
            field=f"{_FIELD}.samples",
            expected=format_frames(frames),
            actual=f"{first}-{last}",
        )


def misshapen_frame(camera: Camera, plate: PartHeader) -> CameraSample | None:
    """The first sample whose film back has not the shape of the plate's format, with or without its squeeze."""
    shape = plate.display_window.width / plate.display_window.height
    for sample in camera.samples:
        film_back = sample.horizontal_aperture_mm / sample.vertical_aperture_mm
        if all(abs(film_back / (shape * squeeze) - 1) > _SHAPE for squeeze in (1.0, plate.pixel_aspect)):
            return sample
    return None


def camera_at(camera: Camera, *, frame: float) -> CameraSample:
    """The camera at a frame or between two, of a camera that `check_camera` has nothing against.

    Position, focal length and film back are interpolated linearly, the rotation at constant speed about one axis. The
    matrix has lost any scale, which no picture shows. `frame` of the answer is the frame before. Raises
    `FrameRangeError` outside of the camera's frames.
    """
    samples = camera.samples
    numbers = [sample.frame for sample in samples]
    if not numbers[0] <= frame <= numbers[-1]:
        raise FrameRangeError(
            f"the camera goes from {numbers[0]} to {numbers[-1]}, and not to {frame:g}.",
            next_step="Export the camera over more frames.",
            field=_FIELD,
            expected=f"{numbers[0]}-{numbers[-1]}",
            actual=f"{frame:g}",
        )
    place = bisect.bisect_right(numbers, frame) - 1
    one, other = samples[place], samples[min(place + 1, len(samples) - 1)]
    share = (frame - one.frame) / (other.frame - one.frame) if other.frame > one.frame else 0.0

    def between(start: float, end: float) -> float:
        return start + share * (end - start)

    matrix = np.eye(4)
    start, end = _rotation(one), _rotation(other)
    turn, _ = cv2.Rodrigues(start.T @ end)
    matrix[:3, :3] = start @ cv2.Rodrigues(turn * share)[0]
    matrix[:3, 3] = [between(one.matrix[at], other.matrix[at]) for at in (3, 7, 11)]
    return CameraSample(
        frame=one.frame,
        matrix=tuple(float(value) for value in matrix.ravel()),
        focal_length_mm=between(one.focal_length_mm, other.focal_length_mm),
        horizontal_aperture_mm=between(one.horizontal_aperture_mm, other.horizontal_aperture_mm),
        vertical_aperture_mm=between(one.vertical_aperture_mm, other.vertical_aperture_mm),
    )


def _rotation(sample: CameraSample) -> npt.NDArray[np.float64]:
    """The rotation nearest to the matrix's axes, freed of scale and rounding."""
    left, _, right = np.linalg.svd(np.reshape(sample.matrix, (4, 4))[:3, :3])
    rotation: npt.NDArray[np.float64] = left @ right
    return rotation


def _check_sample(sample: CameraSample) -> None:
    lengths = {
        "focal length": sample.focal_length_mm,
        "film back's width": sample.horizontal_aperture_mm,
        "film back's height": sample.vertical_aperture_mm,
    }
    for name, value in lengths.items():
        if not 0 < value < np.inf:
            raise _wrong(sample, f"its {name} is {value:g} mm", "Give it in millimetres, above 0.")
    if len(sample.matrix) != 16:
        raise _wrong(sample, f"its matrix has {len(sample.matrix)} values", "Give 16 values, row by row.")
    matrix = np.reshape(np.asarray(sample.matrix, np.float64), (4, 4))
    if not np.isfinite(matrix).all():
        raise _wrong(sample, "its matrix has values that are no numbers", "Export the camera anew.")
    if not np.allclose(matrix[3], (0, 0, 0, 1), atol=1e-9):
        raise _wrong(
            sample,
            f"the last row of its matrix is {', '.join(f'{value:g}' for value in matrix[3])}, not 0, 0, 0, 1",
            "Write the matrix row by row, with the position in the last column.",
        )
    axes = matrix[:3, :3]
    sizes = np.linalg.norm(axes, axis=0)
    if not sizes.min() > 0 or sizes.max() - sizes.min() > _SHEAR * sizes.max():
        raise _wrong(
            sample,
            f"the axes of its matrix are {', '.join(f'{size:g}' for size in sizes)} long",
            "Export the camera without any scale but a uniform one.",
        )
    cosines = (axes / sizes).T @ (axes / sizes) - np.eye(3)
    if np.abs(cosines).max() > _SHEAR or np.linalg.det(axes) <= 0:
        raise _wrong(
            sample,
            "its matrix is sheared or mirrored",
            "Export the camera's own world matrix, without its parents' scale.",
        )


def _wrong(sample: CameraSample, what: str, next_step: str) -> InvalidJobError:
    return InvalidJobError(
        f"the camera cannot be used at frame {sample.frame}: {what}.",
        next_step=next_step,
        frame=sample.frame,
        field=f"{_FIELD}.samples",
    )
