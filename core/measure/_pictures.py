"""Pictures for people: the contact sheet, and the frames of the before/after movie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.errors import OutputNotWritableError

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Rgb8 = npt.NDArray[np.uint8]

_TILE_WIDTH = 600
_GAP = 10
_HEAD = 40
_PAPER = (24, 24, 26)
_INK = (225, 225, 225)
_MOVIE_SIDE = 1920

_KINDS: tuple[tuple[float, str, tuple[int, int, int]], ...] = (
    (1.0, "copied from other frames", (70, 190, 120)),
    (2.0, "synthesised", (240, 170, 60)),
    (3.0, "made by a model", (215, 90, 200)),
)


def sheet_row(*, frame: int, result: Pixels, truth: Pixels, generated: Mask, kind: Pixels) -> Rgb8:
    """One row of the contact sheet: plate, result, truth and where each pixel comes from.

    `result`, `truth`: ``(height, width, 3)`` float32 display-encoded 0..1; `generated`, `kind` (source.kind):
    ``(height, width)``. Returns uint8 RGB, as wide as every row.
    """
    tiles = [
        _tile(np.where(generated[..., None], np.float32(0.0), result)),
        _tile(result),
        _tile(truth),
        _tile(_kind_map(result, generated, kind)),
    ]
    _text(tiles[0], f"{frame}", (10, 26), 0.6)
    gap = np.full((tiles[0].shape[0], _GAP, 3), _PAPER, dtype=np.uint8)
    row = np.hstack([piece for tile in tiles for piece in (gap, tile)] + [gap])
    return np.vstack([row, np.full((_GAP, row.shape[1], 3), _PAPER, dtype=np.uint8)])


def contact_sheet(rows: Sequence[Rgb8]) -> Rgb8:
    """The rows that `sheet_row` made, below the names of their columns; uint8 RGB."""
    return np.vstack([_heads(), *rows])


def before_after(result: Pixels, generated: Mask) -> Rgb8:
    """A movie frame: the plate alone and the result, one above the other (side by side where they are upright).

    `result`: ``(height, width, 3)`` float32 display-encoded; `generated`: ``(height, width)``. Returns uint8 RGB with
    even sides of at most 1920.
    """
    plate = np.where(generated[..., None], np.float32(0.0), result)
    wide = result.shape[1] >= result.shape[0]
    both = np.concatenate([plate, result], axis=0 if wide else 1)
    scale = min(1.0, _MOVIE_SIDE / max(both.shape[:2]))
    height, width = (max(2, int(side * scale) // 2 * 2) for side in both.shape[:2])
    picture = _bytes(cv2.resize(both, (width, height), interpolation=cv2.INTER_AREA))
    _text(picture, "plate", (16, 34), 0.8)
    _text(picture, "result", (16, height // 2 + 34) if wide else (width // 2 + 16, 34), 0.8)
    return picture


def write_png(path: Path, picture: Rgb8) -> None:
    """Write a PNG, whole or not at all."""
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    beside = path.with_name(f".{path.name}.tmp")
    try:
        beside.write_bytes(encoded.tobytes())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OutputNotWritableError(
            f"the contact sheet cannot be written: {error.strerror}.",
            next_step="Choose a folder that can be written, on a disk with room.",
            path=path,
        ) from error
    if not done:
        raise OutputNotWritableError("the contact sheet cannot be encoded.", path=path)


def _heads() -> Rgb8:
    width = 4 * _TILE_WIDTH + 5 * _GAP
    band = np.full((_HEAD, width, 3), _PAPER, dtype=np.uint8)
    for at, title in enumerate(("plate", "result", "truth")):
        _text(band, title, (_GAP + at * (_TILE_WIDTH + _GAP), 27), 0.6)
    left = _GAP + 3 * (_TILE_WIDTH + _GAP)
    for _, title, colour in _KINDS:
        cv2.rectangle(band, (left, 14), (left + 14, 28), colour, cv2.FILLED)
        _text(band, title, (left + 20, 26), 0.45)
        left += 220 if len(title) > 16 else 150
    return band


def _kind_map(result: Pixels, generated: Mask, kind: Pixels) -> Pixels:
    """The result in grey, each generated pixel tinted by where it comes from."""
    grey = result.mean(axis=2, keepdims=True)
    tinted = np.repeat(0.15 + 0.6 * grey, 3, axis=2)
    for value, _, colour in _KINDS:
        paint = np.asarray(colour, dtype=np.float32) / 255.0
        tinted = np.where((generated & (kind == value))[..., None], 0.75 * paint + 0.35 * (grey - 0.3), tinted)
    return np.asarray(np.clip(tinted, 0.0, 1.0), dtype=np.float32)


def _tile(picture: Pixels) -> Rgb8:
    height = max(1, round(picture.shape[0] * _TILE_WIDTH / picture.shape[1]))
    shrinks = picture.shape[1] > _TILE_WIDTH
    small = cv2.resize(picture, (_TILE_WIDTH, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return _bytes(small)


def _bytes(picture: npt.NDArray[Any]) -> Rgb8:
    return np.ascontiguousarray(np.clip(np.round(picture * 255.0), 0, 255).astype(np.uint8))


def _text(picture: Rgb8, text: str, at: tuple[int, int], size: float) -> None:
    # A shadow of the same weight: thicker letters are also wider.
    for dx, dy in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
        shadow = (at[0] + dx, at[1] + dy)
        cv2.putText(picture, text, shadow, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)
