"""Motion across the gap between two frames, both ways, and what a moment inside the gap sees of each.

Bidirectional flow is splatted to the moment (softmax splatting, Niklaus & Liu 2020) with weights that fall with the
difference between what a sample looks like and what it moves to. Across a wide gap the plane's motion comes first and
the flow measures what is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._pyramid import membrane
from overscan.core.engines.plate.motion._models import DENSE, Matrix, project
from overscan.core.engines.plate.motion._proxy import Mask, Proxy
from overscan.core.engines.plate.motion._registration import register
from overscan.core.engines.plate.time._splat import splat

_WIDE = 16.0
"""Mean motion of the plane, in proxy samples, from which on it is taken away before the flow is measured."""
_STEEPNESS = 20.0
"""How quickly a sample that looks otherwise where it arrives loses weight; mismatch runs from 0 to 1."""
_MISMATCH = 0.05
"""Mismatch at which a view weighs a third of one without."""
_COVERED = 0.3
"""Least coverage of a sample that motion reaches."""
_LEAST_SHARE = np.float32(1e-6)

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Motion from each sample of one frame to another frame."""

    vectors: Array
    """``(height, width, 2)`` float32, in proxy samples."""
    mismatch: Array
    """``(height, width)`` float32: how differently the sample looks there, 0 to 1."""
    known: Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Motion between two frames, both ways."""

    onward: Stream
    back: Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a moment sees of the two frames round it. All on the proxy's lattice, vectors in its samples."""

    to_first: Array
    """From each sample of the moment to its place in the first frame, ``(height, width, 2)`` float32."""
    to_second: Array
    share: Array
    """How much the second frame weighs, 0 to 1."""
    mismatch: Array
    """Of what is seen, 0 to 1."""


def measure_gap(first: Proxy, second: Proxy) -> Gap:
    """Motion between two frames, however far they are apart in time."""
    there, back = register(first, second)
    onward, backward = there.flow, back.flow
    if there.kind != DENSE and _size(there.model, first.grey.shape) > _WIDE:
        onward = _behind_plane(first.grey, second.grey, there.model)
        backward = _behind_plane(second.grey, first.grey, back.model)
    return Gap(
        onward=_stream(first, second, onward, there.model),
        back=_stream(second, first, backward, back.model),
    )


def view(gap: Gap, *, time: float) -> View:
    """What is seen at `time` in the gap, 0 at the first frame and 1 at the second."""
    first, covered_first = _arrived(gap.onward, time)
    second, covered_second = _arrived(gap.back, 1 - time)
    weights = [
        np.float32(near) * np.minimum(covered, 1) ** 2 * np.exp(-arrived[..., 2] / _MISMATCH) + _LEAST_SHARE
        for near, covered, arrived in ((1 - time, covered_first, first), (time, covered_second, second))
    ]
    share = weights[1] / (weights[0] + weights[1])
    return View(
        to_first=first[..., :2] * np.float32(-time),
        to_second=second[..., :2] * np.float32(time - 1),
        share=share,
        mismatch=first[..., 2] * (1 - share) + second[..., 2] * share,
    )


def _arrived(stream: Stream, part: float) -> tuple[Array, Array]:
    """Vectors and mismatch of what has gone `part` of its way, ``(height, width, 3)``, and its coverage."""
    x, y = _nodes(stream.mismatch.shape)
    gone = np.float32(part) * stream.vectors
    # What is not known goes nowhere.
    x = np.where(stream.known, x + gone[..., 0], np.float32(-9))
    values = np.concatenate([stream.vectors, stream.mismatch[..., np.newaxis]], axis=-1)
    means, coverage = splat(
        values, x=x, y=y + gone[..., 1], log_weight=-_STEEPNESS * stream.mismatch, shape=stream.mismatch.shape
    )
    return membrane(means, coverage > _COVERED), coverage


def _stream(here: Proxy, there: Proxy, flow: Array, model: Matrix) -> Stream:
    x, y = _nodes(here.grey.shape)
    plane = (project(model, np.stack([x, y], axis=-1)) - np.stack([x, y], axis=-1)).astype(np.float32)
    # Flow knows nothing of what leaves the picture: there the plane's motion holds, and what it differs by at the edge.
    stays = _inside(x + plane[..., 0], y + plane[..., 1], here.grey.shape) & here.known
    vectors = plane + membrane(flow - plane, stays) if stays.any() else flow
    to_x, to_y = x + vectors[..., 0], y + vectors[..., 1]
    found = cv2.remap(there.grey.astype(np.float32), to_x, to_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    mismatch = cv2.blur(np.abs(found - here.grey.astype(np.float32)) / np.float32(255), (3, 3))
    seen = _inside(to_x, to_y, here.grey.shape)
    # What has left looks like nothing that is seen: it is as good as the rest.
    usual = float(np.median(mismatch[seen])) if seen.any() else 0.0
    return Stream(vectors=vectors, mismatch=np.where(seen, mismatch, np.float32(usual)), known=here.known)


def _behind_plane(first: Grey, second: Grey, model: Matrix) -> Array:
    """Flow from the first to the second picture by way of the plane's motion `model`."""
    height, width = first.shape
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(second, model, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)
    rest = np.zeros((height, width, 2), np.float32)
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    rest = np.asarray(engine.calc(first, np.asarray(warped, np.uint8), rest), np.float32)
    nodes = np.stack(_nodes(first.shape), axis=-1)
    return (project(model, nodes + rest) - nodes).astype(np.float32)


def _size(model: Matrix, shape: tuple[int, ...]) -> float:
    nodes = np.stack(_nodes(shape), axis=-1)[::8, ::8]
    return float(np.linalg.norm(project(model, nodes) - nodes, axis=-1).mean())


def _inside(x: Array, y: Array, shape: tuple[int, ...]) -> Mask:
    inside: Mask = (x >= 0) & (y >= 0) & (x <= shape[1] - 1) & (y <= shape[0] - 1)
    return inside


def _nodes(shape: tuple[int, ...]) -> tuple[Array, Array]:
    columns, rows = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    return columns, rows
