"""A family without weights, which paints by a rule that tests can check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from overscan.core.engines.diffusion import (
    Defaults,
    DiffusionEngine,
    FamilyCard,
    Lattice,
    MatteUse,
    Painted,
    PaintRequest,
    StepHook,
)
from overscan.core.errors import ErrorRecord
from overscan.core.jobs import Job, Task

Rule = Callable[[PaintRequest], np.ndarray]

LATTICE = Lattice(size=16, frames=4, offset=1, frames_max=9, pixels=96 * 64)
CARD = FamilyCard(
    name="stub",
    title="Paints by a rule",
    version="1",
    pipelines=(),
    tasks=(Task.EXTEND, Task.INPAINT, Task.CONTINUE, Task.INTERPOLATE),
    controls=("prompt", "steps", "seed"),
    lattice=LATTICE,
    defaults=Defaults(steps=3, guidance=1.0, overlap=2),
    matte=MatteUse.NATIVE,
    rights_card="",
)


def noisy(request: PaintRequest) -> np.ndarray:
    """Known pixels as they are, noise by the seed where is painted."""
    noise = np.random.default_rng(request.seed).random(request.video.shape, np.float32)
    matte = request.matte[..., np.newaxis]
    return request.video * (1 - matte) + (0.3 + 0.4 * noise) * matte


@dataclass
class StubFamily:
    """Counts and keeps what it is asked for."""

    card: FamilyCard = CARD
    rule: Rule = noisy
    requests: list[PaintRequest] = field(default_factory=list)

    def lattice(self, facts: Any) -> Lattice:
        assert facts is None
        return self.card.lattice

    def refusals(self, job: Job, folder: Any) -> list[ErrorRecord]:
        del job
        assert folder is None
        return []

    def estimate(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a family without weights has nothing to estimate")

    def load(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a family without weights loads nothing")

    def paint(self, pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
        assert pipeline is None
        _check_request(request, self.card.lattice)
        self.requests.append(request)
        for step in range(request.steps):
            hook.step(index=step + 1, total=request.steps, preview=lambda: request.video[0])
        return Painted(video=np.asarray(self.rule(request), np.float32))


def _check_request(request: PaintRequest, lattice: Lattice) -> None:
    """What every family may rely on."""
    frames, height, width = request.matte.shape
    assert request.video.shape == (frames, height, width, 3)
    for pixels in (request.video, request.matte, *(guide.video for guide in request.guides)):
        assert pixels.dtype == np.float32
        assert pixels.flags.c_contiguous
        assert np.isfinite(pixels).all()
    assert request.video.min() >= 0
    assert request.video.max() <= 1
    assert set(np.unique(request.matte)) <= {0.0, 1.0}
    assert width % lattice.size == 0
    assert height % lattice.size == 0
    assert (frames - lattice.offset) % lattice.frames == 0
    assert frames <= lattice.frames_max
    assert len(request.given) == frames
    for at, given in enumerate(request.given):
        assert not given or not request.matte[at].any()


def stub_engine(rule: Rule = noisy, **changes: Any) -> DiffusionEngine:
    """An engine round a stub; `changes` are fields of its card, and its lattice's."""
    lattice_fields = {name: changes.pop(name) for name in list(changes) if name in Lattice.__dataclass_fields__}
    overlap = changes.pop("overlap", CARD.defaults.overlap)
    card = replace(
        CARD,
        lattice=replace(LATTICE, **lattice_fields),
        defaults=replace(CARD.defaults, overlap=overlap),
        **changes,
    )
    return DiffusionEngine(family=StubFamily(card=card, rule=rule))
