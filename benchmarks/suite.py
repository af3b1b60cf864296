"""What all suites share: their settings, work spread over processes, and the rows of one case."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from engine_run import EngineRun
from evaluate import WHOLE, Clip, Figures, measure
from fills import fills
from record import OVERSCAN, Row
from sheet import write_sheet

from overscan.core.jobs import ParameterValue

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Case = TypeVar("Case")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run was asked for."""

    data: Path
    """Folder with davis-dev, hdr-stills and intel."""
    davis: Path
    """Folder with JPEGImages/<clip> and Annotations/<clip>."""
    clips: tuple[str, ...] = ()
    """The cases wanted, by name; all where empty."""
    quick: bool = False
    processes: int = 2
    perceptual: bool = True
    """Whether FLIP and ColorVideoVDP are taken where they are installed."""
    baselines: bool = True
    sheets: Path | None = None
    """Folder for contact sheets."""
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    """Of the engine."""

    @property
    def threads(self) -> int:
        """For the engine in one case: the cases share the cores."""
        return max(1, (os.cpu_count() or 1) // self.processes)

    def wants(self, name: str) -> bool:
        """Whether a case was asked for."""
        return not self.clips or name in self.clips


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the engine did with a case."""

    run: EngineRun
    frames: Sequence[Pixels] = field(default=(), repr=False)
    """As the clip's truth; empty where there was a problem."""
    samples_changed: int = 0


def say(text: str) -> None:
    """Progress, for people."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def over_cases(work: Callable[[Case, Settings], list[Row]], cases: Sequence[Case], settings: Settings) -> list[Row]:
    """`work` on each of `cases`, a few processes at a time; the rows in the cases' order."""
    if settings.processes == 1 or len(cases) == 1:
        return [row for case in cases for row in work(case, settings)]
    with ProcessPoolExecutor(
        settings.processes, mp_context=get_context("spawn"), initializer=_share_cores, initargs=(settings.threads,)
    ) as pool:
        pending = [pool.submit(work, case, settings) for case in cases]
        return [row for future in pending for row in future.result()]


def _share_cores(threads: int) -> None:
    cv2.setNumThreads(threads)
    # Read by torch and FLIP when they are imported, which is later.
    os.environ["OMP_NUM_THREADS"] = str(threads)


def rows_of_case(
    *,
    suite: str,
    case: str,
    clip: Clip,
    outcome: Outcome,
    others: Mapping[str, Sequence[Pixels] | None],
    settings: Settings,
    perceptual_regions: bool = True,
) -> list[Row]:
    """One row for each method and region; writes the case's contact sheet where sheets are wanted.

    `others`: what the baselines made, None for one that is not installed.
    """
    count = sum(bool(mask.any()) for mask in clip.generated)
    rows = []
    for method, frames in {OVERSCAN: outcome.frames, **others}.items():
        row = Row(suite=suite, case=case, method=method, region=WHOLE, frames=count)
        if not frames:
            note = outcome.run.problem if method == OVERSCAN else "not installed"
            rows.append(replace(row, note=note))
            continue
        found = measure(frames, clip, perceptual=settings.perceptual and perceptual_regions)
        for region, figures in found.items():
            if figures == Figures():
                continue
            note = ""
            if method == OVERSCAN:
                run = outcome.run
                figures = replace(
                    figures,
                    samples_changed=outcome.samples_changed,
                    seconds_per_frame=run.seconds / len(run.frames),
                    peak_mib=run.peak_mib,
                )
                note = f"warned {', '.join(run.warnings)}" if run.warnings else ""
            rows.append(replace(row, region=region, figures=figures, note=note))
    if settings.sheets is not None:
        shown = {"truth": clip.truth, OVERSCAN: outcome.frames, **others}
        write_sheet(
            settings.sheets / f"{suite}-{'-'.join(re.findall('[a-z0-9.]+', case))}.jpg", clip=clip, frames=shown
        )
    return rows


def filled_frames(clip: Clip, *, settings: Settings) -> dict[str, list[Pixels] | None]:
    """What the per-frame fills make of a clip; they are given black where there is something to generate."""
    if not settings.baselines:
        return {}
    made: dict[str, list[Pixels] | None] = {}
    for name, fill in fills(scene_linear=clip.scene_linear).items():
        made[name] = None
        if fill is not None:
            made[name] = [
                fill(np.where(hole[..., None], np.float32(0), frame), hole) if hole.any() else frame
                for frame, hole in zip(clip.truth, clip.generated, strict=True)
            ]
    return made
