"""Single images that steer: keyframes that the result goes through, and references of what things look like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from overscan.core.colour import load_config
from overscan.core.controls import Picture
from overscan.core.engines.diffusion._area import Area, resized
from overscan.core.engines.diffusion._family import Floats, ReferenceStill, Still
from overscan.core.engines.diffusion.guides._camera import Encode
from overscan.core.engines.diffusion.guides._images import as_colours, clean, over_area
from overscan.core.plates import Sequence as Images
from overscan.core.shots import CleanPlate, Light, Shot

_LONGEST = 1024
"""Longer side of reference images: image encoders look at no more."""


def read_keyframes(shot: Shot, *, frames: Sequence[int], area: Area, encode: Encode) -> tuple[Still, ...]:
    """The keyframes of a job that lie in a window, over its `area`, filled up to the lattice.

    `frames` are the window's by their numbers in the result; where one comes again, as in filling up, the keyframe
    stands at its first place. Raises the errors of reading and of colour spaces.
    """
    found = []
    for keyframe, (picture, images) in zip(shot.job.controls.keyframes, _of_role(shot, "keyframe"), strict=True):
        if keyframe.frame not in frames:
            continue
        opened = _opened(shot, picture, images)
        light = clean(opened.read_light())
        display = opened.header.display_window
        seen = over_area(light, opened.data_window, display=display, shot=shot, area=area)
        codes = np.ascontiguousarray(area.filled_up(_encoded(seen, encode)))
        found.append(Still(index=frames.index(keyframe.frame), image=codes, strength=keyframe.strength))
    return tuple(found)


def read_references(shot: Shot, *, encode: Encode, longest: int = _LONGEST) -> tuple[ReferenceStill, ...]:
    """The references of a job, each in its own shape and at most `longest` samples on its longer side.

    Raises the errors of reading and of colour spaces.
    """
    found = []
    for reference, (picture, images) in zip(shot.job.controls.references, _of_role(shot, "reference"), strict=True):
        light = clean(_opened(shot, picture, images).read_light())
        height, width = light.shape[:2]
        scale = min(1.0, longest / max(height, width))
        small = resized(light, width=max(1, round(width * scale)), height=max(1, round(height * scale)))
        found.append(ReferenceStill(image=_encoded(small, encode), kind=reference.kind, strength=reference.strength))
    return tuple(found)


def check_still(shot: Shot, picture: Picture, images: Images) -> CleanPlate:
    """Open one image and say what its file is. Raises the errors of reading and of colour spaces."""
    return _opened(shot, picture, images)


def _of_role(shot: Shot, role: str) -> Iterator[tuple[Picture, Images]]:
    return (entry for entry in shot.pictures if entry[0].role == role)


def _opened(shot: Shot, picture: Picture, images: Images) -> CleanPlate:
    # A clean plate is just this: an image of its own colour space, in the plate's linear light.
    return CleanPlate.open(
        picture.source,
        sequence=images,
        frame=images.frames[0],
        config=load_config(),
        linear=shot.transform.linear_name,
        colours=len(shot.colours),
    )


def _encoded(light: Light, encode: Encode) -> Floats:
    return np.ascontiguousarray(encode(as_colours(light)), np.float32)
