"""The pictures that a synthesis copies from, one below the other, at every level of a pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._pyramid import membrane

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int32]

TEXTURES = 2
"""Features that a level's pictures have besides their own channels."""

_COARSEST = 24
"""Least length of the shorter side of the coarsest level, in pixels."""
_LEAST_CENTRES = 64
"""Fewest patches that a coarser level has to offer."""
_TEXTURE = 2.0
"""What a texture feature counts against a colour of a picture of three channels."""
_TEXTURE_SIZE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of the atlas; picture 0 is the one that is completed."""

    pixels: Array
    """``(height, width, channels)`` float32, log-shaped (about 0 to 1, may exceed), finite; any number of channels,
    the same for all pictures."""
    usable: Mask
    """``(height, width)``: what may be copied from."""
    met: Mask | None = None
    """Of picture 0, what the fill has to meet, if more than what may be copied from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level of the pyramid. Channels are the pictures' and two texture features (Newson 2014)."""

    target: Array
    """Picture 0, smooth in the hole; ``(height, width, channels + 2)``."""
    hole: Bytes
    anchor: Bytes
    """1 where picture 0 is to be met and not hole."""
    atlas: Array
    """All pictures, one below the other, picture 0 on top."""
    tops: Numbers
    """The atlas's row at which each picture begins."""
    top_of: Numbers
    """For each row of the atlas, the row at which its picture begins."""
    valid: Bytes
    """1 where the atlas has a whole usable patch around."""
    centres: Numbers
    """``(n, 2)``: those pixels, rows and columns."""

    def picture_at(self, rows: Numbers) -> Numbers:
        """Number of the picture that each row of the atlas belongs to."""
        return (np.searchsorted(self.tops, rows, side="right") - 1).astype(np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """A picture at one level, with its texture."""

    pixels: Array
    known: Mask
    usable: Mask
    met: Mask


def levels_of(pictures: Sequence[Picture], *, hole: Mask, patch: int) -> list[Level]:
    """The pyramid from fine to coarse, each level half as large; empty if no patch is usable in full.

    A coarser pixel is hole if any of its four is, and usable if all are. Levels end at a shorter side of 24 pixels,
    or before there are too few patches to choose from.
    """
    sheets = [
        _with_texture(picture, known=~hole if index == 0 else picture.usable) for index, picture in enumerate(pictures)
    ]
    levels: list[Level] = []
    while True:
        level = _stacked(sheets, patch)
        if len(level.centres) < (_LEAST_CENTRES if levels else 1):
            return levels
        levels.append(level)
        if min(level.hole.shape) < 2 * _COARSEST:
            return levels
        sheets = [_halved(sheet) for sheet in sheets]


def _with_texture(picture: Picture, *, known: Mask) -> _Sheet:
    """Adds the mean size of the differences to the next pixel below and to the right, of the channels' mean."""
    size = (_TEXTURE_SIZE, _TEXTURE_SIZE)
    channels = picture.pixels.shape[-1]
    grey = np.where(known, picture.pixels.mean(axis=-1), 0)
    features = []
    for axis in (0, 1):
        both = known & np.roll(known, -1, axis)
        both[(-1, slice(None)) if axis == 0 else (slice(None), -1)] = False
        size_of_step = np.where(both, np.abs(np.roll(grey, -1, axis) - grey), 0).astype(np.float32)
        count = cv2.boxFilter(both.astype(np.float32), -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
        total = cv2.boxFilter(size_of_step, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
        features.append(total / np.maximum(count, 1))
    texture = np.stack(features, axis=-1) * (_TEXTURE * (channels / 3) ** 0.5)
    pixels = np.concatenate([picture.pixels, texture.astype(np.float32)], axis=-1)
    met = picture.usable if picture.met is None else picture.met
    return _Sheet(
        pixels=np.where(known[..., np.newaxis], pixels, 0), known=known, usable=picture.usable & known, met=met & known
    )


def _halved(sheet: _Sheet) -> _Sheet:
    height, width = sheet.known.shape
    edges = ((0, height % 2), (0, width % 2))
    pixels = np.pad(sheet.pixels, (*edges, (0, 0)), mode="edge")
    known, usable, met = (np.pad(mask, edges, mode="edge") for mask in (sheet.known, sheet.usable, sheet.met))
    mean = (pixels[0::2, 0::2] + pixels[1::2, 0::2] + pixels[0::2, 1::2] + pixels[1::2, 1::2]) * np.float32(0.25)
    return _Sheet(pixels=mean, known=_all_of_four(known), usable=_all_of_four(usable), met=_all_of_four(met))


def _all_of_four(mask: Mask) -> Mask:
    whole: Mask = mask[0::2, 0::2] & mask[1::2, 0::2] & mask[0::2, 1::2] & mask[1::2, 1::2]
    return whole


def _stacked(sheets: Sequence[_Sheet], patch: int) -> Level:
    width = max(sheet.known.shape[1] for sheet in sheets)
    tops = np.cumsum([0] + [len(sheet.known) for sheet in sheets]).astype(np.int32)
    atlas = np.zeros((tops[-1], width, sheets[0].pixels.shape[-1]), np.float32)
    valid = np.zeros((tops[-1], width), np.uint8)
    for top, sheet in zip(tops, sheets, strict=False):
        place = (slice(top, top + len(sheet.known)), slice(0, sheet.known.shape[1]))
        atlas[place] = sheet.pixels
        valid[place] = cv2.erode(sheet.usable.astype(np.uint8), np.ones((patch, patch), np.uint8), borderValue=0)
    first = sheets[0]
    return Level(
        target=np.ascontiguousarray(membrane(first.pixels, first.known)),
        hole=(~first.known).astype(np.uint8),
        anchor=first.met.astype(np.uint8),
        atlas=atlas,
        tops=tops[:-1],
        top_of=np.repeat(tops[:-1], np.diff(tops)),
        valid=valid,
        centres=np.argwhere(valid).astype(np.int32),
    )
