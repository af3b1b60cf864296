"""HDR-FLIP and ColorVideoVDP, where their packages are installed. Both are weight-free models of the eye.

FLIP: Andersson 2020 and 2021, `flip-evaluator`. ColorVideoVDP: Mantiuk 2024, `cvvdp`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]

WHITE_NITS = 100.0
"""Luminance of scene-linear 1.0 on the display that ColorVideoVDP assumes; the display clips at 1500."""
FRAME_RATE = 24.0

PACKAGES = {"flip_evaluator": "flip-evaluator", "pycvvdp": "cvvdp", "patchmatch": "pypatchmatch"}
"""Optional packages: the module's name and the package's."""


def has(module: str) -> bool:
    """Whether an optional module can be imported."""
    return importlib.util.find_spec(module) is not None


def flip_map(result: Pixels, truth: Pixels, *, scene_linear: bool) -> Pixels | None:
    """FLIP of each pixel, ``(height, width)``, 0 (equal) to 1; None without its package.

    Scene-linear light is judged by HDR-FLIP at the exposures that it chooses from the truth, negative light as
    black; display-encoded frames by LDR-FLIP.
    """
    if not has("flip_evaluator"):
        return None
    import flip_evaluator

    pictures = [np.ascontiguousarray(np.maximum(picture, 0.0), np.float32) for picture in (truth, result)]
    error, _, _ = flip_evaluator.evaluate(*pictures, "HDR" if scene_linear else "LDR", True, False, False, {})
    return np.asarray(error, np.float32)[..., 0]


def jod(result: Sequence[Pixels], truth: Sequence[Pixels], *, scene_linear: bool) -> float | None:
    """ColorVideoVDP of a clip in just-objectionable differences: 10 is equal; None without its package."""
    if not has("pycvvdp"):
        return None
    import torch

    _let_torchvision_load()
    import pycvvdp

    scale = WHITE_NITS if scene_linear else 1.0
    clips = [np.stack(clip) * np.float32(scale) for clip in (result, truth)]
    display = "standard_hdr_linear" if scene_linear else "standard_fhd"
    metric = pycvvdp.cvvdp(display_name=display, heatmap=None, device=torch.device("cpu"), quiet=True)
    with contextlib.redirect_stderr(io.StringIO()):
        value, _ = metric.predict(*clips, dim_order="FHWC", frames_per_second=FRAME_RATE)
    return float(value)


_declared: list[object] = []


def _let_torchvision_load() -> None:
    """Let torchvision be imported next to a CPU build of torch.

    ColorVideoVDP takes a Gaussian blur from torchvision, whose build in the package index wants CUDA's libraries: its
    compiled operators do not load, and its import stops at their absence. It is content where two are declared.
    """
    if _declared:
        return
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        from torch.library import Library

        library = Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)  # what it declares lives as long as it does
