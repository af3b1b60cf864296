"""A camera of the graph, read frame by frame."""

from __future__ import annotations

import math
from typing import Any, Generator

from overscan_nuke import _knobs
from overscan_nuke._refusals import refuse

_PASSES = ("Dot", "NoOp")
_PLAIN = {"win_translate": 0.0, "win_scale": 1.0, "winroll": 0.0}
"""Knobs that move the picture within the frame; a job's camera has no such thing, so they must be as here."""
_READ = {"world_matrix", "focal", "haperture", "projection_mode", *_PLAIN}


def camera_node(node: Any, index: int | None) -> Any:
    """The camera named by the knob, or connected at the input; None for none.

    Raises `RefusalError` where there is something else.
    """
    name = _knobs.text(node, "camera")
    found: Any = None
    if name:
        found = _knobs.named_node(node, name)
        if found is None:
            raise refuse(
                "INVALID_JOB", f"There is no node called {name} for the camera.",
                "Correct the name, or clear it.", field="camera",
            )  # fmt: skip
    elif index is not None:
        found = node.input(index)
        while found is not None and (found.Class() in _PASSES or found.Class() == "Input"):
            found = found.parent().input(int(found["number"].value())) if found.Class() == "Input" else found.input(0)
    if found is not None and not set(found.knobs()) >= _READ:
        raise refuse(
            "INVALID_JOB", f"{found.name()} is a {found.Class()}, not a Camera.",
            "Connect or name a Camera node.", field="camera",
        )  # fmt: skip
    return found


def camera_samples(
    camera: Any, *, frames: list[int], offset: int, format_size: tuple[int, int], pixel_aspect: float
) -> Generator[None, None, dict[str, Any]]:
    """The job's camera, a sample for each of `frames` (numbers in the script); yields between frames.

    Nuke fills the width of the format with the horizontal aperture and lets the format's shape decide the height, so
    that is what is handed over as vertical aperture.
    """
    if str(camera["projection_mode"].value()) != "perspective":
        raise refuse(
            "UNSUPPORTED", "{} projects as '{}'; only perspective can be used.".format(
                camera.name(), camera["projection_mode"].value()),
            "Set its projection to perspective, or disconnect it.", field="camera",
        )  # fmt: skip
    width, height = format_size
    shape = height / (width * pixel_aspect)
    samples = []
    for frame in frames:
        for name, plain in _PLAIN.items():
            values = [camera[name].getValueAt(frame, index) for index in range(2 if name != "winroll" else 1)]
            if any(abs(value - plain) > 1e-9 for value in values):
                raise refuse(
                    "UNSUPPORTED",
                    f"{camera.name()} has its window moved ({name} at frame {frame}); a job's camera cannot say that.",
                    f"Set {name} to {plain:g}, or disconnect the camera.", field="camera",
                )  # fmt: skip
        matrix = [float(camera["world_matrix"].getValueAt(frame, index)) for index in range(16)]
        focal, aperture = float(camera["focal"].getValueAt(frame)), float(camera["haperture"].getValueAt(frame))
        if not all(map(math.isfinite, [*matrix, focal, aperture])):
            raise refuse(
                "INVALID_JOB", f"{camera.name()} has values at frame {frame} that are no numbers.",
                "Look at its curves and expressions there.", field="camera",
            )  # fmt: skip
        samples.append(
            {
                "frame": frame - offset,
                "matrix": matrix,
                "focal_length_mm": focal,
                "horizontal_aperture_mm": aperture,
                "vertical_aperture_mm": aperture * shape,
            }
        )
        yield
    return {"samples": samples}
