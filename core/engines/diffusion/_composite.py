"""Brings what was painted to the plate's scale, as light: for the window that goes on from it, and for the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from overscan.core.colour import WideRange
from overscan.core.engines.diffusion._area import Area, cropped, resized
from overscan.core.engines.diffusion._family import Floats
from overscan.core.engines.diffusion._share import model_share
from overscan.core.engines.diffusion._store import Look, Store
from overscan.core.engines.diffusion._windows import PaintWindow
from overscan.core.geometry import Window
from overscan.core.jobs import ParameterValue
from overscan.core.results import Groundwork, SourceKind

Mask = npt.NDArray[np.bool_]

_BRIGHTEST = 65504.0
"""Of light that is made."""
_ALIKE = 1.0
"""Stops by which model and groundwork may differ where they show the same thing; its detail fades out up to there."""


class Compositor:
    """Frames of one job."""

    def __init__(self, *, store: Store, windows: Sequence[PaintWindow]) -> None:
        self._store = store
        self._showing: dict[int, list[tuple[PaintWindow, int]]] = {}
        for window in windows:
            for at, slot in enumerate(window.slots):
                if slot.frame is not None:
                    self._showing.setdefault(slot.frame, []).append((window, at))

    def windows_of(self, frame: int, *, up_to: int | None = None) -> list[tuple[PaintWindow, int]]:
        """The windows that show a frame, and where in them; none after the one with the index `up_to`."""
        found = self._showing.get(frame, [])
        return [(window, slot) for window, slot in found if up_to is None or window.index <= up_to]

    def painted(
        self,
        frame: int,
        light: Floats,
        have: Window,
        *,
        look: Look,
        ground: Groundwork | None,
        where: Mask | None = None,
        up_to: int | None = None,
    ) -> Floats:
        """``(height, width, channels)`` over `have`: `light`, and in the areas of the windows what was painted there.

        Where the frame is in two windows, the second fades in. `ground` is what detail is taken from. With `where`
        ``(height, width)``, nothing else is painted over.
        """
        result = light.copy()
        for window, slot in self.windows_of(frame, up_to=up_to):
            share = np.float32(window.share(slot))
            for number, area in enumerate(look.areas[window.index]):
                if share == 0:
                    continue
                inside = area.window.intersection(have)
                if inside is None:
                    continue
                wanted = np.ones(inside.shape, np.bool_) if where is None else where[inside.slices_in(have)]
                if not wanted.any():
                    continue
                codes = np.ascontiguousarray(self._store.window(window.index, number)[slot])
                large = area.at_plate(codes)
                some = large[inside.slices_in(area.window)][wanted]
                if ground is not None and area.scale < 1:
                    _add_detail(some, wanted, inside, area=area, wide=look.wide, ground=ground)
                made = made_light(some, look.wide, channels=light.shape[-1])
                there = result[inside.slices_in(have)]
                there[wanted] = made if share == 1 else there[wanted] * (1 - share) + made * share
        return result

    def as_painted(self, frame: int, area: Area, *, look: Look, up_to: int) -> Floats | None:
        """Codes of a frame over an area, just as one window painted them: a copy of a copy loses nothing then.

        None where no window, or more than one, has painted it, or not this very area.
        """
        found = self.windows_of(frame, up_to=up_to)
        if len(found) != 1:
            return None
        window, slot = found[0]
        areas = look.areas[window.index]
        if area not in areas:
            return None
        return np.array(self._store.window(window.index, areas.index(area))[slot], np.float32)

    def scale(self, frame: int, *, look: Look) -> float:
        """Of the coarsest area that shows a frame (`Area.scale`); 1 where none does."""
        scales = [area.scale for window, _ in self.windows_of(frame) for area in look.areas[window.index]]
        return min(scales, default=1.0)

    def share(self, frame: int, ground: Groundwork, *, look: Look, values: Mapping[str, ParameterValue]) -> Floats:
        """How much of each pixel of the frame's groundwork is the model's: nothing outside of areas."""
        share = model_share(ground, values=values, scale=self.scale(frame, look=look))
        covered = np.zeros(share.shape, np.bool_)
        for window, _ in self.windows_of(frame):
            for area in look.areas[window.index]:
                inside = area.window.intersection(ground.generated.window)
                if inside is not None:
                    covered[inside.slices_in(ground.generated.window)] = True
        share[~covered] = 0
        return share


def made_light(codes: Floats, wide: WideRange, *, channels: int) -> Floats:
    """Scene-linear light ``(…, channels)`` of a model's codes ``(…, 3)``, finite and within what a half holds."""
    light = np.nan_to_num(wide.decode(codes), nan=0.0, posinf=_BRIGHTEST, neginf=-_BRIGHTEST)
    return _of_channels(np.clip(light, -_BRIGHTEST, _BRIGHTEST, out=light), channels)


def _add_detail(
    painted: Floats, wanted: Mask, inside: Window, *, area: Area, wide: WideRange, ground: Groundwork
) -> None:
    """Add what the groundwork shows finer than the model's picture to codes ``(n, 3)`` of the places `wanted`.

    `wanted` is over the window `inside`. Of what was copied, as far as that is sure, and as far as the model has
    painted the same thing there.
    """
    own, crop = ground.generated, inside.slices_in(ground.generated.window)
    copied = (own.kind[crop][wanted] == SourceKind.COPIED) & (own.alpha[crop][wanted] > 0)
    if not copied.any():
        return
    # The groundwork as the model was shown it, and what that has lost.
    shown = area.at_plate(seen_codes(area, wide, own.light, own.window))[inside.slices_in(area.window)][wanted][copied]
    fine = limited(wide, own.light[crop][wanted][copied]) - shown
    differs = np.abs(shown - painted[copied]).max(axis=-1)
    alike = np.clip(1 - differs / np.float32(_ALIKE * wide.stop), 0, 1)
    painted[copied] += fine * (own.confidence[crop][wanted][copied] * alike)[:, np.newaxis]


def seen_codes(area: Area, wide: WideRange, light: Floats, have: Window) -> Floats:
    """What a model sees of `light` ``(h, w, 1 or 3)`` over `have`, in an area: codes ``(height, width, 3)``, 0 to 1."""
    part = cropped(light, have, area.window)
    if area.scale >= 1:
        # Between samples codes are gone along: a cubic in linear light rings round everything bright.
        codes = resized(limited(wide, part), width=area.width, height=area.height)
        return np.clip(codes, 0, 1, out=codes)
    within = np.nan_to_num(part, nan=0.0, posinf=wide.highest, neginf=wide.lowest).clip(wide.lowest, wide.highest)
    return limited(wide, resized(within.astype(np.float32), width=area.width, height=area.height))


def limited(wide: WideRange, light: Floats) -> Floats:
    """Codes of `light` ``(…, 1 or 3)`` as a model may see them: ``(…, 3)``, 0 to 1, finite; NaN is black."""
    finite = np.nan_to_num(light, nan=0.0, posinf=wide.highest, neginf=wide.lowest)
    codes = wide.encode(_of_channels(finite.clip(wide.lowest, wide.highest), 3))
    return np.clip(codes, 0, 1, out=codes)


def _of_channels(light: Floats, channels: int) -> Floats:
    if light.shape[-1] == channels:
        return light
    if channels == 1:
        # Rec. 709 luminance weights, on whatever primaries: a grey plate has no others.
        red, green, blue = (light[..., at] for at in range(3))
        weighed: Floats = np.float32(0.2126) * red + np.float32(0.7152) * green + np.float32(0.0722) * blue
        return weighed[..., np.newaxis]
    return np.repeat(light, channels, axis=-1)
