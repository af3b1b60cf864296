"""What `preview` leaves out of `final`."""

from __future__ import annotations

from dataclasses import dataclass

from overscan.core.engines.plate._engine import GRAIN, QUALITY, parameter
from overscan.core.engines.plate.light._seam import SEAM_CELLS
from overscan.core.jobs import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How much is done."""

    analysis: int
    """Samples along the longer side of the picture that motion is measured on."""
    imagined: int
    """Samples along the longer side of the picture that what no frame shows is searched in."""
    rounds: int
    """Rounds of that search on each of its levels."""
    sources: int
    """Frames that a pixel is at most averaged over, where they agree."""
    pitch: int
    """Pixels to either side of a block that one source is found for."""
    seam_cells: int
    """Cells along the longer side of the picture that steps of light at the region's edge are evened out on."""
    grain: bool
    """Whether grain is measured and added."""


def quality_of(job: Job) -> Quality:
    """What a job asks for."""
    grain = bool(parameter(job, GRAIN))
    if parameter(job, QUALITY) == "preview":
        return Quality(analysis=480, imagined=256, rounds=2, sources=1, pitch=2, seam_cells=240, grain=False)
    sources = 3 if grain else 1
    return Quality(analysis=960, imagined=640, rounds=4, sources=sources, pitch=1, seam_cells=SEAM_CELLS, grain=grain)
