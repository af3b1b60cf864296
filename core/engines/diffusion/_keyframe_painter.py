"""Paints what is missing in key frames with a family of stills, in parts that the model can see at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.colour import display_encode
from overscan.core.engines._protocol import Notice, Reporter
from overscan.core.engines.diffusion._area import Area, areas_round, boxes_of
from overscan.core.engines.diffusion._composite import made_light, seen_codes
from overscan.core.engines.diffusion._family import Family, Floats, Lattice, PaintRequest
from overscan.core.engines.diffusion._joints import matched
from overscan.core.engines.diffusion._model import Chosen
from overscan.core.engines.diffusion._painter import LEAST_SHARE, check_painted
from overscan.core.engines.diffusion._parameters import pixels_of, steps_of
from overscan.core.engines.diffusion._store import Look
from overscan.core.engines.diffusion.families._keyframes import StillFamily
from overscan.core.engines.diffusion.runtime import step_hook
from overscan.core.geometry import Window
from overscan.core.jobs import Job

if TYPE_CHECKING:
    from overscan.core.engines.plate import Unpainted

_CELL = 8
"""Samples along the side of the cells by which parts are told apart."""
_SOFT = 3.0
"""Samples over which what is painted rises to its full share, inwards."""
_COARSE = 0.75
"""Samples of the model's for each of the plate's below which what was painted is gone over once more, in parts."""
_AGAIN = 0.4
"""Strength of that: what is there stays, and gets its detail."""
_BEGIN = 0.3
"""Part of the step's work that is done before the first stroke: finding out what is missing."""

_BROAD = 12.0
"""Samples, the standard deviation of what counts as broad light where detail is painted."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """One call of the model."""

    area: Area
    missing: Mask
    """``(height, width)`` over the area's window: what is to be painted."""
    strength: float
    number: int
    """Of the key frame's, from 0; seeds the noise."""
    whole: Area | None = None
    """What this goes over a part of once more; None where it is painted for the first time."""


class KeyPainter:
    """Paints key frames of one job; a `Painter` of the plate engine."""

    def __init__(self, *, job: Job, family: Family, chosen: Chosen, look: Look, reporter: Reporter, title: str) -> None:
        self._job = job
        self._family = family
        self._chosen = chosen
        self._look = look
        self._reporter = reporter
        self._title = title

    def paint(self, key: Unpainted, *, tick: Callable[[], None]) -> Floats:
        """The light of a key frame, completed, ``(height, width, channels)``."""
        light = np.array(key.light, np.float32)
        strokes = list(self._strokes(key))
        for stroke in strokes:
            tick()
            begin = _BEGIN + (1 - _BEGIN) * stroke.number / len(strokes)
            end = _BEGIN + (1 - _BEGIN) * (stroke.number + 1) / len(strokes)
            self._put(stroke, key, light, begin=begin, end=end)
        return light

    def _strokes(self, key: Unpainted) -> Iterator[Stroke]:
        """The calls of the model that complete a key frame, in order; each goes on from those before."""
        lattice, parameters = self._chosen.lattice, self._look.parameters
        asked = 1.0 if self._job.controls.strength is None else self._job.controls.strength
        boxes = boxes_of(_cells(key.missing), cell=_CELL, canvas=key.window)
        pixels, aspect = pixels_of(parameters, lattice), self._look.aspect
        number = 0
        for area in areas_round(boxes, within=key.window, lattice=lattice, pixels=pixels, aspect=aspect):
            missing = key.missing[area.window.slices_in(key.window)]
            yield Stroke(area=area, missing=missing, strength=asked, number=number)
            number += 1
            if area.scale >= _COARSE or not parameters.get("detail", False):
                continue
            for part in parts_of(area.window, lattice=lattice, pixels=pixels, aspect=aspect):
                again = missing[part.window.slices_in(area.window)]
                if again.any():
                    strength = min(asked, _AGAIN)
                    yield Stroke(area=part, missing=again, strength=strength, number=number, whole=area)
                    number += 1

    def _put(self, stroke: Stroke, key: Unpainted, light: Floats, *, begin: float, end: float) -> None:
        """Paint a part of a key frame into its `light`."""
        area, wide = stroke.area, self._look.wide
        request = self._request(stroke, key, light)
        hook = step_hook(
            self._reporter,
            begin=begin,
            end=end,
            message=self._title,
            frame=key.frame,
            shown=lambda codes: display_encode(wide.decode(codes)),
        )
        pipeline = self._pipeline()
        self._say_unread(pipeline, request)
        painted = self._family.paint(pipeline, request, hook)
        check_painted(painted, request)
        video = np.nan_to_num(np.array(painted.video, np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        share = _share(stroke.missing, scale=area.scale)
        if stroke.whole is None:
            tick = self._reporter.check_cancelled
            video = matched(video, shown=request.video, matte=request.matte, given=0, tick=tick)
        else:
            video[0] = _broadly_as(request.video[0], video[0], request.matte[0])
            share *= _fade(area.window, stroke.whole.window)
        codes = np.ascontiguousarray(video[0, : area.height, : area.width])
        made = made_light(area.at_plate(codes), wide, channels=light.shape[-1])
        where, share = area.window.slices_in(key.window), share[..., np.newaxis]
        # What is not painted may hold NaN, which no share of 0 takes away.
        light[where] = np.where(share > 0, light[where] * (1 - share) + made * share, light[where])

    def _request(self, stroke: Stroke, key: Unpainted, light: Floats) -> PaintRequest:
        area, card, controls = stroke.area, self._family.card, self._job.controls
        codes = seen_codes(area, self._look.wide, light, key.window)
        missing = area.seen(stroke.missing.astype(np.float32), area.window) > LEAST_SHARE
        # What lies next to the border is painted too, so that the model's own edge is not the result's.
        matte = cv2.dilate(missing.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)
        negative = controls.negative_prompt
        return PaintRequest(
            video=area.filled_up(codes)[np.newaxis],
            matte=area.filled_up(matte)[np.newaxis],
            given=(False,),
            task=self._job.kind,
            prompt=controls.prompt,
            negative_prompt=card.defaults.negative_prompt if negative is None else negative,
            steps=steps_of(self._job, card),
            guidance=card.defaults.guidance if controls.guidance is None else controls.guidance,
            strength=stroke.strength,
            seed=_seed(self._job.seed, key.frame, stroke.number),
            frame_rate=24.0,  # of no meaning for a still
            parameters=dict(self._look.parameters),
        )

    def _say_unread(self, pipeline: Any, request: PaintRequest) -> None:
        for what, words in (("prompt", request.prompt), ("negative prompt", request.negative_prompt)):
            beyond = self._family.unread(pipeline, words) if isinstance(self._family, StillFamily) else 0
            if beyond:
                self._reporter.warn(
                    notice=Notice(
                        code="PROMPT_CUT_OFF",
                        message=f"The last {beyond} words or parts of words of the {what} are not read: it is longer "
                        f"than the models of '{self._family.card.name}' take. Put what matters first, or say it "
                        "shorter.",
                    )
                )

    def _pipeline(self) -> Any:
        if self._chosen.folder is None or self._chosen.device is None:
            return None
        parameters = self._chosen.placed(self._look.parameters)
        return self._family.load(self._chosen.folder, self._chosen.device, parameters=parameters)


def parts_of(window: Window, *, lattice: Lattice, pixels: int, aspect: float = 1.0) -> tuple[Area, ...]:
    """Areas at the plate's own scale that cover `window`, each of about `pixels`, overlapping by a quarter.

    Unsqueezed where the plate's pixels have another `aspect`; not resampled where they have none.
    """
    side = max(4 * lattice.size, int(pixels**0.5) // lattice.size * lattice.size)
    return tuple(
        _unscaled(Window(x=x, y=y, width=width, height=height), lattice=lattice, aspect=aspect)
        for y, height in _spread(window.y, window.height, side)
        for x, width in _spread(window.x, window.width, max(1, round(side / aspect)))
    )


def _unscaled(window: Window, *, lattice: Lattice, aspect: float) -> Area:
    width, height = max(1, round(window.width * aspect)), window.height
    return Area(
        window=window,
        width=width,
        height=height,
        padded_width=width + -width % lattice.size,
        padded_height=height + -height % lattice.size,
    )


def _spread(start: int, length: int, side: int) -> list[tuple[int, int]]:
    """Places and lengths of parts of `side` along an axis, the last one ending with it."""
    if length <= side:
        return [(start, length)]
    count = 1 + -(-(length - side) // (3 * side // 4))
    return [(start + round(at * (length - side) / (count - 1)), side) for at in range(count)]


def _cells(mask: Mask) -> Mask:
    height, width = mask.shape
    padded = np.pad(mask, ((0, -height % _CELL), (0, -width % _CELL)))
    blocks = padded.reshape(padded.shape[0] // _CELL, _CELL, padded.shape[1] // _CELL, _CELL)
    return np.asarray(blocks.any(axis=(1, 3)), np.bool_)


def _broadly_as(shown: Floats, painted: Floats, matte: Floats) -> Floats:
    """`painted` ``(h, w, 3)`` with the broad light of what was `shown` under the `matte`: only its detail is new."""
    both = np.concatenate([(shown - painted) * matte[..., np.newaxis], matte[..., np.newaxis]], axis=-1)
    blurred = np.asarray(cv2.GaussianBlur(both, (0, 0), _BROAD, borderType=cv2.BORDER_REFLECT), np.float32)
    offset = blurred[..., :3] / np.maximum(blurred[..., 3:], np.float32(1e-3))
    return (painted + offset).astype(np.float32, copy=False)


def _fade(part: Window, whole: Window) -> Floats:
    """``(height, width)``: how a part that others come before, to the left and above, takes over from them."""
    down, across = (
        np.clip((np.arange(length, dtype=np.float32) + 0.5) / max(1, length // 4), 0, 1)
        if inner
        else np.ones(length, np.float32)
        for length, inner in ((part.height, part.y > whole.y), (part.width, part.x > whole.x))
    )
    return np.outer(down, across).astype(np.float32)


def _share(missing: Mask, *, scale: float) -> Floats:
    """``(height, width)``: the model's share, soft inwards; the picture's own edge is none to be soft at."""
    padded = np.pad(missing.astype(np.uint8), 1, constant_values=1)
    inwards = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5), np.float32)[1:-1, 1:-1]
    share: Floats = np.where(missing, np.clip(inwards / max(_SOFT, _SOFT / scale), 0, 1), np.float32(0))
    return share


def _seed(seed: int, frame: int, stroke: int) -> int:
    """A seed for each frame and stroke: the same noise in all would show as a pattern that repeats."""
    return (seed + 0x9E3779B97F4A7C15 * (frame * 1024 + stroke)) & 0x7FFF_FFFF_FFFF_FFFF
