"""A family of stills without a model, and its engine, for whole jobs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from overscan.core.engines.diffusion._family import Defaults, FamilyCard, Lattice, MatteUse, Painted, PaintRequest
from overscan.core.engines.diffusion.families._keyframes import KEYFRAME_CONTROLS, StillFamily
from overscan.core.errors import CancelledError
from overscan.core.jobs import Task

CARD = FamilyCard(
    name="still-stub",
    title="A stub",
    version="1",
    pipelines=(),
    tasks=(Task.EXTEND, Task.INPAINT),
    controls=(*KEYFRAME_CONTROLS, "strength"),
    lattice=Lattice(size=8, frames_max=1, pixels=128 * 128),
    defaults=Defaults(steps=2, guidance=5.0, negative_prompt="text"),
    matte=MatteUse.NATIVE,
    rights_card="sdxl-inpaint",
)


@dataclass
class StillStub(StillFamily):
    """Paints stripes whose phase is the picture's own; the picture itself comes back changed as `cast` says."""

    card = CARD
    cast: float = 0.0
    """Codes that it adds to all it was shown, and to what it paints."""
    asked: list[PaintRequest] = field(default_factory=list)
    stops_at: int | None = None

    def paint(self, pipeline, request, hook):
        assert pipeline is None  # what has no pipelines is not loaded
        if len(self.asked) == self.stops_at:
            raise CancelledError("stopped.")
        self.asked.append(request)
        for step in range(request.steps):
            hook.step(index=step + 1, total=request.steps, preview=lambda: request.video[0, ::8, ::8])
        rows, columns = np.mgrid[: request.video.shape[1], : request.video.shape[2]]
        stripes = 0.45 + 0.1 * np.cos(columns * 2 * np.pi / 16) + 0.05 * np.cos(rows * 2 * np.pi / 16)
        painted = np.where(request.matte[0] > 0, stripes, 0)[..., np.newaxis] + np.zeros(3)
        known = request.video[0] * (1 - request.matte[0][..., np.newaxis])
        return Painted(video=np.ascontiguousarray((painted + known + self.cast)[np.newaxis], np.float32))
