"""Contact sheets: a few frames of a case, the plate, the truth and what each method made side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from evaluate import Clip
from frame_files import write_codes

from overscan.core.colour import display_encode

Pixels = npt.NDArray[np.float32]

_FRAMES = 3
_TILE_WIDTH = 480
_GAP = 6
_HEAD = 26
_BRIGHT = 0.8
"""Light that the 95th percentile of a scene-linear truth is shown at."""


def write_sheet(path: Path, *, clip: Clip, frames: Mapping[str, Sequence[Pixels] | None]) -> None:
    """Write a JPEG or PNG with a row for the first, the middle and the last frame that has something generated.

    `frames`: by title, as long as the clip; what is None or empty is left out.
    """
    judged = [at for at, mask in enumerate(clip.generated) if mask.any()]
    chosen = sorted({judged[round(place)] for place in np.linspace(0, len(judged) - 1, _FRAMES)})
    gain = 1.0
    if clip.scene_linear:
        gain = _BRIGHT / max(1e-3, float(np.percentile(np.stack([clip.truth[at] for at in chosen]), 95)))
    plates = [
        np.where(mask[..., None], np.float32(0), frame) for mask, frame in zip(clip.generated, clip.truth, strict=True)
    ]
    columns = {"plate": plates, **{title: made for title, made in frames.items() if made}}
    rows = [_heads(list(columns))]
    for at in chosen:
        rows.append(_spaced([_tile(made[at], gain, scene_linear=clip.scene_linear) for made in columns.values()]))
    write_codes(path, np.vstack(rows))


def _tile(frame: Pixels, gain: float, *, scene_linear: bool) -> npt.NDArray[np.uint8]:
    shown = display_encode(frame * np.float32(gain)) if scene_linear else np.clip(frame, 0, 1)
    height = round(frame.shape[0] * _TILE_WIDTH / frame.shape[1])
    way = cv2.INTER_AREA if frame.shape[1] > _TILE_WIDTH else cv2.INTER_CUBIC
    small = cv2.resize(shown, (_TILE_WIDTH, height), interpolation=way)
    return np.clip(np.round(small * 255), 0, 255).astype(np.uint8)


def _spaced(tiles: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    height = tiles[0].shape[0]
    gap = np.full((height, _GAP, 3), 24, np.uint8)
    row = np.hstack([piece for tile in tiles for piece in (gap, tile)])
    return np.vstack([row, np.full((_GAP, row.shape[1], 3), 24, np.uint8)])


def _heads(titles: Sequence[str]) -> npt.NDArray[np.uint8]:
    head = np.full((_HEAD, len(titles) * (_TILE_WIDTH + _GAP), 3), 24, np.uint8)
    for at, title in enumerate(titles):
        place = (_GAP + at * (_TILE_WIDTH + _GAP), 18)
        cv2.putText(head, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (225, 225, 225), 1, cv2.LINE_AA)
    return head
