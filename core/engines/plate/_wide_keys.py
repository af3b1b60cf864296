"""How much wider than themselves key frames are painted: as wide as the frames round them will want to see.

A camera that shakes sees between two key frames what neither of them covers. What is imagined from the plate may be
filled smoothly there; of what a painter paints, one picture has to hold all of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._keys import KEY_EVERY
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._models import project
from overscan.core.engines.plate.motion._proxy import Mask
from overscan.core.geometry import Window
from overscan.core.shots import Shot
from overscan.core.temporaries import written_beside

WIDEST = 0.25
"""How far a key frame is painted beyond what it covers, at most, as a part of the plate's sides."""
_STEP = 8
"""Along a side of a frame, pixels that are looked at."""


def wide_windows(
    *, shot: Shot, path: CameraPath, keys: Sequence[int], painted: Sequence[int], tick: Callable[[], None]
) -> Mapping[int, Window]:
    """What is painted of each key frame, in the plate's pixel space; frames by index, all in order.

    At least what the frame covers, and of what is missing in the `painted` frames up to the key frames before and
    after it whatever the camera's `path` takes there. `tick` is called once a frame that is looked at.
    """
    stretches = path.stretches()
    found = {key: shot.coverage(shot.frames[key]) for key in keys}
    reach = {}
    for at, key in enumerate(keys):
        first = max(keys[at - 1] if at else 0, key - KEY_EVERY)
        last = min(keys[at + 1] if at + 1 < len(keys) else key, key + KEY_EVERY)
        reach[key] = range(first, last + 1) if stretches[key] >= 0 else range(0)
    for frame in painted:
        near = [key for key in keys if frame in reach[key] and key != frame and stretches[key] == stretches[frame]]
        if not near:
            continue
        tick()
        # A matte is read once, whichever key frames its frame lies between.
        missing = _missing(shot, frame)
        for key in near:
            model = path.in_plate(first=frame, second=key)
            box = None if model is None else _box(project(model, missing), _limit(shot, key))
            found[key] = found[key] if box is None else found[key].union(box)
    return found


def keep_windows(windows: Mapping[int, Window], file: Path) -> None:
    """Keep what `wide_windows` found, atomically: every matte was read for it."""
    found = {key: (own.x, own.y, own.width, own.height) for key, own in windows.items()}
    with written_beside(file) as temporary:
        temporary.write_text(json.dumps(found))


def kept_windows(file: Path) -> Mapping[int, Window]:
    """What `keep_windows` kept."""
    found = json.loads(file.read_text())
    return {int(key): Window(x=x, y=y, width=width, height=height) for key, (x, y, width, height) in found.items()}


def _limit(shot: Shot, key: int) -> Window:
    """The most that is painted of a key frame, by index."""
    window = shot.data_window(shot.frames[key])
    across, down = round(WIDEST * window.width), round(WIDEST * window.height)
    return shot.coverage(shot.frames[key]).grown(left=across, right=across, top=down, bottom=down)


def _missing(shot: Shot, frame: int) -> npt.NDArray[np.float64]:
    """Places in a frame, by index, at which something is missing, ``(count, 2)``; not all of them."""
    number = shot.frames[frame]
    have, cover = shot.data_window(number), shot.coverage(number)
    missing: Mask = np.ones(cover.shape, np.bool_)
    inside = have.intersection(cover)
    if inside is not None:
        matte = shot.read_matte(number)
        missing[inside.slices_in(cover)] = False if matte is None else matte[inside.slices_in(have)] > 0
    # The corners and edges count to the sample; between them, some are enough.
    rows, columns = (np.unique(np.append(np.arange(0, size, _STEP), size - 1)) for size in cover.shape)
    down, across = np.nonzero(missing[np.ix_(rows, columns)])
    return np.stack([columns[across] + cover.x, rows[down] + cover.y], axis=-1).astype(np.float64)


def _box(points: npt.NDArray[np.float64], limit: Window) -> Window | None:
    """The smallest window that holds those points that lie in `limit`."""
    x, y = points[:, 0], points[:, 1]
    inside = (x >= limit.x) & (x <= limit.right - 1) & (y >= limit.y) & (y <= limit.bottom - 1)
    if not inside.any():
        return None
    left, top = int(np.floor(x[inside].min())), int(np.floor(y[inside].min()))
    right, bottom = int(np.ceil(x[inside].max())) + 1, int(np.ceil(y[inside].max())) + 1
    return Window(x=left, y=top, width=right - left, height=bottom - top)
