"""A picture: float32 channels over a box, in a format."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]
Format = tuple[int, int, int, int, int, int, float]


class PictureError(Exception):
    """What Nuke says of a node that makes no picture."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """`box` is (x, y, r, t) with y upwards from the format's corner; planes are (t - y, r - x), the top row first."""

    format: Format
    box: Box
    channels: dict[str, Plane] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    header: dict[str, tuple[Any, Any]] = field(default_factory=dict)  # of the file it came from: type and value

    def on(self, box: Box) -> Image:
        """The same picture over another box, black where there was none."""
        if box == self.box:
            return self
        x, y, r, t = box
        made: dict[str, Plane] = {}
        left, right = max(x, self.box[0]), min(r, self.box[2])
        low, high = max(y, self.box[1]), min(t, self.box[3])
        for name, plane in self.channels.items():
            fresh = np.zeros((max(0, t - y), max(0, r - x)), np.float32)
            if left < right and low < high:
                fresh[t - high : t - low, left - x : right - x] = plane[
                    self.box[3] - high : self.box[3] - low, left - self.box[0] : right - self.box[0]
                ]
            made[name] = fresh
        return replace(self, box=box, channels=made)

    def channel(self, name: str) -> Plane:
        """One channel; black where the picture has none of that name."""
        if name in self.channels:
            return self.channels[name]
        return np.zeros((self.box[3] - self.box[1], self.box[2] - self.box[0]), np.float32)

    def with_channels(self, planes: dict[str, Plane]) -> Image:
        """With these channels in place of, or beside, its own."""
        return replace(self, channels={**self.channels, **planes})

    def moved(self, right: int, up: int) -> Image:
        """Shifted by whole pixels."""
        x, y, r, t = self.box
        return replace(self, box=(x + right, y + up, r + right, t + up))


def union(first: Box, second: Box) -> Box:
    """The smallest box around both."""
    return min(first[0], second[0]), min(first[1], second[1]), max(first[2], second[2]), max(first[3], second[3])


def intersection(first: Box, second: Box) -> Box:
    """What both have in common, perhaps nothing."""
    x, y = max(first[0], second[0]), max(first[1], second[1])
    return x, y, max(x, min(first[2], second[2])), max(y, min(first[3], second[3]))


LAYERS = {
    "rgb": ("rgba.red", "rgba.green", "rgba.blue"),
    "rgba": ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha"),
    "alpha": ("rgba.alpha",),
    "depth": ("depth.Z",),
    "none": (),
}
_SHORT = {"red": "rgba.red", "green": "rgba.green", "blue": "rgba.blue", "alpha": "rgba.alpha", "a": "rgba.alpha"}


def named(mask: str, known: list[str]) -> list[str]:
    """The channels that a knob's words mean, among those a picture has; channels named in full count in any case."""
    if mask.strip() == "all":
        return list(known)
    found: list[str] = []
    words = mask.split()
    if (
        len(words) == 1
    ):  # a single channel may stand with a minus, which marks it in lists only: maskChannel -rgba.alpha
        words = [words[0].lstrip("-")]
    for word in words:
        if word.startswith("-") or word == "none":
            continue
        if word in LAYERS:
            found += LAYERS[word]
        elif "." in word:
            found.append(word)
        elif word in _SHORT:
            found.append(_SHORT[word])
        else:
            found += [name for name in known if name.split(".")[0] == word]
    return list(dict.fromkeys(found))
