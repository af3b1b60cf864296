"""Pictures that steer a job's windows: key frames, references and guides, laid over the work area as the plate is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from overscan.core.colour import WideRange
from overscan.core.controls import Controls
from overscan.core.engines.diffusion._area import Area
from overscan.core.engines.diffusion._composite import limited
from overscan.core.engines.diffusion._family import FamilyCard, Guide, ReferenceStill, Still
from overscan.core.engines.diffusion._windows import PaintWindow, Slot
from overscan.core.jobs import ParameterValue
from overscan.core.shots import Shot

if TYPE_CHECKING:
    from overscan.core.engines.diffusion.guides import GuideFacts, GuideSet

_NO_FRAME = -(1 << 40)
"""Stands for slots that no frame of the result is painted in: no frame has this number."""


def is_steered(controls: Controls) -> bool:
    """Whether any guide is to be made."""
    return bool(
        controls.passes
        or controls.camera
        or controls.camera_moves
        or controls.trajectories
        or controls.motion_transfer
        or controls.pose_transfer
    )


class Steering:
    """The pictures of one job."""

    def __init__(
        self, *, shot: Shot, card: FamilyCard, facts: GuideFacts | None, parameters: Mapping[str, ParameterValue]
    ) -> None:
        """`facts` were measured over the shot; None where no guide is to be made."""
        self._shot = shot
        self._card = card
        self._facts = facts
        self._parameters = parameters

    def keyframes(self, window: PaintWindow, area: Area, wide: WideRange) -> tuple[Still, ...]:
        """Images that the window must go through."""
        if not self._shot.job.controls.keyframes:
            return ()
        from overscan.core.engines.diffusion.guides import read_keyframes

        # Only where a frame is painted: what is given already goes through them, or is the plate's own.
        frames = [
            slot.frame if slot.frame is not None and at >= window.taken else _NO_FRAME
            for at, slot in enumerate(window.slots)
        ]
        return read_keyframes(self._shot, frames=frames, area=area, encode=lambda light: limited(wide, light))

    def references(self, wide: WideRange) -> tuple[ReferenceStill, ...]:
        """Images that show what things look like."""
        if not self._shot.job.controls.references:
            return ()
        from overscan.core.engines.diffusion.guides import read_references

        return read_references(self._shot, encode=lambda light: limited(wide, light))

    def guides(self, window: PaintWindow, area: Area, wide: WideRange, *, turned: bool) -> tuple[Guide, ...]:
        """Guides of the window's slots, on the lattice; from the last slot on where time is `turned` round."""
        if self._set is None:
            return ()
        frames = self._frames(window)
        return self._set.make(
            frames=frames[::-1] if turned else frames, area=area, encode=lambda light: limited(wide, light)
        )

    @cached_property
    def _set(self) -> GuideSet | None:
        if self._facts is None:
            return None
        from overscan.core.engines.diffusion.guides import GuideSet

        return GuideSet.open(self._shot, card=self._card, facts=self._facts, parameters=self._parameters)

    def _frames(self, window: PaintWindow) -> list[int]:
        """The frame of the result that each slot goes by: its own, or the nearest in time where it has none."""
        numbers = [self._number(slot, window) for slot in window.slots]
        there = [at for at, number in enumerate(numbers) if number is not None]
        found = []
        for at in range(len(numbers)):
            number = numbers[min(there, key=lambda other: abs(other - at))]
            assert number is not None
            found.append(number)
        return found

    def _number(self, slot: Slot, window: PaintWindow) -> int | None:
        if slot.copies is not None:
            return self._number(window.slots[slot.copies], window)
        if slot.plate is None:
            return slot.frame
        return next((moment.frame for moment in self._shot.moments.values() if moment.plate == slot.plate), None)
