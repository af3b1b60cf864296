"""The frames of a shot that have anything to paint."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from overscan.core.engines._protocol import Reporter, Step
from overscan.core.shots import Shot


def frames_to_paint(shot: Shot, *, step: Step, reporter: Reporter, threads: int) -> list[int]:
    """Numbers of the shot's frames in which anything is missing, whether they are rendered or not; reads all mattes."""
    matte = shot.matte
    if matte is None:
        return [frame for frame in shot.frames if shot.coverage(frame) != shot.data_window(frame)]
    painted = []
    with ThreadPoolExecutor(threads) as pool:
        for position, (frame, covered) in enumerate(zip(shot.frames, pool.map(matte.covers, shot.frames), strict=True)):
            reporter.check_cancelled()
            reporter.progress(fraction=position / len(shot.frames), message=step.title)
            if covered:
                painted.append(frame)
    return painted
