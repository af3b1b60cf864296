"""What one engine leaves for another to go on from: its frames before they are composed, and what nobody has seen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.geometry import Window
from overscan.core.plates import Channel, Part, PartHeader, PlateFrame, read_frame, write_frame
from overscan.core.results._compare import FrameCheck, keep_check, kept_check
from overscan.core.results._compose import Generated, Map
from overscan.core.results._extras import EXTRA_CHANNELS, SourceKind
from overscan.core.results._sketch import Sketch, sketch_of
from overscan.core.shots import Light, Shot

_NEVER_SEEN = "never_seen.A"
_SOFT = 3
"""Samples over which the matte of what nobody has seen rises to 1, inwards."""
_KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Groundwork:
    """One frame as an engine would have handed it in."""

    frame: int
    """Its number in the result."""
    generated: Generated
    """All of it. Unlike an engine's own, its light is the plate's where alpha is 0 (0 beyond the plate's samples), and
    the fill's where alpha is between 0 and 1: composing mixes the two."""
    never_seen: Map = field(repr=False)
    """``(height, width)`` of the same window: 1 where no frame and no clean plate shows what was painted, 0 where one
    does and where the plate is kept; in between over the outermost samples of what nobody has seen."""

    def repainted(self, light: Light, *, confidence: float) -> Generated:
        """What to compose where a model has painted `light` over the frame: its own only where nobody has seen any.

        `light` is ``(height, width, channels)`` scene-linear over the whole window, read and finite where `never_seen`
        is above 0; there the receipt says that a model made it, as sure as `confidence`, 0 to 1.
        """
        own, share = self.generated, self.never_seen[..., np.newaxis]
        theirs = share[..., 0] > 0
        nowhere = np.float32(np.nan)
        with np.errstate(invalid="ignore", over="ignore"):
            mixed = own.light * (1 - share) + light * share
        return replace(
            own,
            light=np.where(theirs[..., np.newaxis], mixed, own.light).astype(np.float32, copy=False),
            confidence=np.where(theirs, np.float32(confidence), own.confidence),
            source_x=np.where(theirs, nowhere, own.source_x),
            source_y=np.where(theirs, nowhere, own.source_y),
            source_frame=np.where(theirs, nowhere, own.source_frame),
            kind=np.where(theirs, np.uint8(SourceKind.MODEL), own.kind),
        )


class GroundworkStore:
    """Takes frames in place of a `Composer`, and keeps each as one EXR file of 32-bit floats in a folder.

    Channels: R, G, B (or Y), the result's extra layers, and `never_seen.A`; the data window lies in the plate's pixel
    space.
    """

    def __init__(self, *, shot: Shot, folder: Path) -> None:
        self._shot = shot
        self._folder = folder

    def write(self, plate: PlateFrame, generated: Generated | None) -> None:
        """Keep one frame, atomically; None is a frame that nothing is missing in. `check` follows."""
        number = plate.number
        part = next(part for part in plate.parts if part.header.index == self._shot.part)
        own = self._shot.light(part.planes, bits=part.header.bits)
        made = _complete(generated, own, part.header.data_window, cover=self._shot.coverage(number))
        names = ("R", "G", "B") if own.shape[-1] == 3 else ("Y",)
        planes = {name: made.light[..., at] for at, name in enumerate(names)}
        layers: tuple[npt.NDArray[np.generic], ...] = (
            made.alpha,
            made.confidence,
            made.source_x,
            made.source_y,
            made.source_frame,
            made.kind,
        )
        planes |= {name: plane.astype(np.float32) for name, plane in zip(EXTRA_CHANNELS, layers, strict=True)}
        planes[_NEVER_SEEN] = _never_seen(made)
        header = PartHeader(
            index=0,
            name="",
            view="",
            display_window=part.header.display_window,
            data_window=made.window,
            pixel_aspect=part.header.pixel_aspect,
            channels=tuple(Channel(name=name, dtype=np.dtype(np.float32)) for name in planes),
            compression="zip",
            tile=None,
            bits=32,
            attributes={},
        )
        frame = PlateFrame(
            path=_path(self._folder, number),
            number=number,
            format_name="openexr",
            parts=(Part(header=header, planes=planes),),
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        write_frame(frame, path=frame.path, overwrite=True, owner=f"groundwork-{number}")
        sketch_of(made, never_seen=planes[_NEVER_SEEN]).save(_sketch_path(self._folder, number))

    def check(self, plate: PlateFrame, generated: Generated | None) -> FrameCheck:
        """Keep the record that a frame was written whole, for `kept`; nothing is compared: nothing was composed."""
        del generated
        check = FrameCheck(frame=plate.number, path=_path(self._folder, plate.number), samples=0, differing=0)
        keep_check(self._folder / _KEPT, check, inputs=self._shot.made_from(plate.number))
        return check

    def kept(self, frame: int) -> FrameCheck | None:
        """The record of a frame that was written already, from files that are still the same."""
        inputs = self._shot.made_from(frame)
        if not _sketch_path(self._folder, frame).exists():
            return None
        return kept_check(self._folder / _KEPT, frame, _path(self._folder, frame), inputs=inputs)


def read_groundwork(folder: Path, *, frame: int) -> Groundwork:
    """A frame that a `GroundworkStore` keeps in `folder`; raises the errors of reading."""
    (part,) = read_frame(_path(folder, frame), number=frame).parts
    planes = part.planes
    names = ("R", "G", "B") if "R" in planes else ("Y",)
    alpha, confidence, x, y, source, kind = (np.ascontiguousarray(planes[name]) for name in EXTRA_CHANNELS)
    return Groundwork(
        frame=frame,
        generated=Generated(
            window=part.header.data_window,
            light=np.stack([planes[name] for name in names], axis=-1),
            alpha=alpha,
            confidence=confidence,
            source_x=x,
            source_y=y,
            source_frame=source,
            kind=kind.astype(np.uint8),
        ),
        never_seen=np.ascontiguousarray(planes[_NEVER_SEEN]),
    )


def read_sketch(folder: Path, *, frame: int) -> Sketch:
    """The sketch of a frame that a `GroundworkStore` keeps in `folder`: what there is to paint, without its pixels."""
    return Sketch.load(_sketch_path(folder, frame))


def _complete(generated: Generated | None, own: Light, have: Window, *, cover: Window) -> Generated:
    """What was generated with the plate's own light where it stays."""
    window = cover if generated is None else generated.window
    light = np.zeros((*window.shape, own.shape[-1]), np.float32)
    light[have.slices_in(window)] = own
    if generated is not None:
        painted = (generated.alpha > 0)[..., np.newaxis]
        return replace(generated, light=np.where(painted, generated.light, light))
    nowhere = np.full(window.shape, np.nan, np.float32)
    return Generated(
        window=window,
        light=light,
        alpha=np.zeros(window.shape, np.float32),
        confidence=np.ones(window.shape, np.float32),
        source_x=nowhere,
        source_y=nowhere,
        source_frame=nowhere,
        kind=np.zeros(window.shape, np.uint8),
    )


def _never_seen(made: Generated) -> Map:
    unseen = (made.alpha > 0) & (made.kind == SourceKind.SYNTHESISED)
    # Padded with what counts as unseen: the picture's own edge is no edge to be soft at.
    padded = np.pad(unseen.astype(np.uint8), 1, constant_values=1)
    inwards = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5), np.float32)[1:-1, 1:-1]
    soft: Map = np.where(unseen, np.clip(inwards / np.float32(_SOFT), 0, 1), np.float32(0))
    return soft


def _path(folder: Path, frame: int) -> Path:
    return folder / f"groundwork.{frame}.exr"


def _sketch_path(folder: Path, frame: int) -> Path:
    return folder / f"sketch.{frame}.npz"
