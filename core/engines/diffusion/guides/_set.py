"""The guides of a job, made window by window."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from overscan.core.colour import display_encode
from overscan.core.engines.diffusion._area import Area
from overscan.core.engines.diffusion._family import FamilyCard, Floats, Guide, PassKind
from overscan.core.engines.diffusion._parameters import EDGES_FROM
from overscan.core.engines.diffusion.guides._camera import Camera, Encode
from overscan.core.engines.diffusion.guides._clip import Clip, clip_frames, covering
from overscan.core.engines.diffusion.guides._drawing import (
    TRAIL,
    depth_picture,
    edges_picture,
    flow_picture,
    normals_picture,
    tracks_picture,
)
from overscan.core.engines.diffusion.guides._facts import GuideFacts, opened_passes
from overscan.core.engines.diffusion.guides._images import Steering, as_colours, clean, over_area
from overscan.core.engines.diffusion.guides._tracks import Way, clip_tracks, given_tracks
from overscan.core.engines.diffusion.guides._wanted import Origin, Wanted, wanted_guides
from overscan.core.jobs import ParameterValue
from overscan.core.shots import Shot


@dataclass(frozen=True, kw_only=True)
class GuideSet:
    """Makes the guides of a job for any window of it. Holds no more of a shot than a few frames."""

    shot: Shot
    facts: GuideFacts
    edges_from: str
    wanted: tuple[Wanted, ...]
    passes: tuple[Steering, ...]
    """In the order of the job's."""
    camera: Camera = field(repr=False)

    @classmethod
    def open(
        cls, shot: Shot, *, card: FamilyCard, facts: GuideFacts, parameters: Mapping[str, ParameterValue]
    ) -> GuideSet:
        """The guides of the job of `shot` for a family; `parameters` are the engine's, defaults filled in."""
        return cls(
            shot=shot,
            facts=facts,
            edges_from=str(parameters.get(EDGES_FROM.name, EDGES_FROM.default)),
            wanted=wanted_guides(shot.job, card=card),
            passes=tuple(steering for _, steering in opened_passes(shot)),
            camera=Camera(shot=shot),
        )

    def make(self, *, frames: Sequence[int], area: Area, encode: Encode) -> tuple[Guide, ...]:
        """The guides of one window.

        `frames` are its frames by their numbers in the result, in the model's order of time (backwards, where time is
        turned round; numbers may come again, where a window is filled up). Pictures are
        ``(padded_height, padded_width)`` of `area`, 0 to 1. Raises the errors of reading.
        """
        made = []
        tracks: list[Wanted] = []
        for wanted in self.wanted:
            if wanted.kind is PassKind.TRACKS:
                tracks.append(wanted)
            else:
                pictures = self._pictures(wanted, frames, area, encode)
                made.append(self._guide(wanted, [area.filled_up(picture) for picture in pictures]))
        if tracks:  # all in one picture, as the model knows them
            pictures = self._tracks([wanted.origin for wanted in tracks], frames, area)
            made.append(self._guide(tracks[0], [area.filled_up(picture) for picture in pictures]))
        return tuple(made)

    def _guide(self, wanted: Wanted, pictures: list[Floats]) -> Guide:
        video = np.stack(pictures).astype(np.float32, copy=False)
        np.clip(video, 0.0, 1.0, out=video)
        certain = wanted.kind is PassKind.CAMERA and self.camera.is_certain
        return Guide(kind=wanted.kind, video=np.ascontiguousarray(video), strength=wanted.strength, certain=certain)

    def _pictures(self, wanted: Wanted, frames: Sequence[int], area: Area, encode: Encode) -> list[Floats]:
        if wanted.origin is Origin.PASS:
            steering = self.passes[wanted.index]
            if wanted.kind is PassKind.MOTION:
                pairs = itertools.pairwise((_before_first(frames), *frames))
                return [self._vectors(steering, before, frame, area) for before, frame in pairs]
            return self._each(frames, lambda frame: self._pass(steering, wanted.kind, steering.number(frame), area))
        if wanted.origin is Origin.POSE:
            steering = self._steering("pose_source")
            numbers = clip_frames(self.shot, steering)
            return self._each(frames, lambda frame: self._skeleton(steering, numbers.get(frame), area))
        if wanted.origin is Origin.MOTION:
            return self._clip_flow(frames, area)
        return self._each(frames, lambda frame: self.camera.seen(frame, area=area, encode=encode))

    @staticmethod
    def _each(frames: Sequence[int], picture: Callable[[int], Floats]) -> list[Floats]:
        once = lru_cache(None)(picture)
        return [once(frame) for frame in frames]

    def _pass(self, steering: Steering, kind: PassKind, number: int, area: Area) -> Floats:
        values, have = steering.read(number)
        display = steering.display_window
        if kind is PassKind.DEPTH:
            values = depth_picture(values[..., 0], near=self.facts.near, far=self.facts.far)
        elif kind is PassKind.NORMALS:
            values = normals_picture(values, encoded=self.facts.encoded_normals)
        elif kind is PassKind.EDGES and self.edges_from == "picture":
            # Edges are found at the size that the model sees, as those that it was trained with.
            codes = over_area(clean(as_colours(values)), have, display=display, shot=self.shot, area=area)
            return edges_picture(display_encode(codes) if steering.linear else codes)
        else:
            values = clean(values)
        nearest = kind is PassKind.SEGMENTATION  # a mean of two flat colours would be a third thing
        return as_colours(over_area(values, have, display=display, shot=self.shot, area=area, nearest=nearest))

    def _vectors(self, steering: Steering, before: int, frame: int, area: Area) -> Floats:
        """How the picture moved into `frame`. Vectors point to the next frame, so those of the frame before tell it."""
        if before == frame:  # a window filled up with a frame that stands
            return flow_picture(np.zeros((area.height, area.width, 2), np.float32), most=0.0)
        backwards = before > frame
        values, have = steering.read(steering.number(frame if backwards else before))
        sign = -1.0 if backwards else 1.0
        width = np.float32(steering.display_window.width)
        motion = clean(values) * np.array([sign, -sign], np.float32) / width  # renderers count upwards
        display = steering.display_window
        seen = over_area(np.ascontiguousarray(motion), have, display=display, shot=self.shot, area=area)
        return flow_picture(seen, most=self.facts.motion)

    def _steering(self, role: str) -> Steering:
        picture, images = next(entry for entry in self.shot.pictures if entry[0].role == role)
        return Steering.open(picture, images, kind=None)

    def _skeleton(self, steering: Steering, number: int | None, area: Area) -> Floats:
        if number is None:
            return np.zeros((area.height, area.width, 3), np.float32)
        values, _ = steering.read(number)
        return covering(clean(as_colours(values)), shot=self.shot, area=area)

    def _strength(self) -> float:
        transfer = self.shot.job.controls.motion_transfer
        return 1.0 if transfer is None else transfer.strength

    def _clip_flow(self, frames: Sequence[int], area: Area) -> list[Floats]:
        steering = self._steering("motion_source")
        clip, numbers = Clip(steering=steering), clip_frames(self.shot, steering)
        pictures = []
        for before, frame in itertools.pairwise((_before_first(frames), *frames)):
            one, other = numbers.get(before), numbers.get(frame)
            motion = np.zeros((area.height, area.width, 2), np.float32)
            if one is not None and other is not None and one != other:
                motion = covering(clip.motion(one, other), shot=self.shot, area=area) * np.float32(self._strength())
            pictures.append(flow_picture(motion, most=self.facts.clip_motion))
        if numbers.get(_before_first(frames)) is None and len(pictures) > 1:
            pictures[0] = pictures[1]  # as the published annotator has it: no motion leads into a clip's first frame
        return pictures

    def _tracks(self, origins: Sequence[Origin], frames: Sequence[int], area: Area) -> list[Floats]:
        """Trails that end at each frame; they begin before the window where what is drawn did."""
        order = _with_run_up(frames, sorted(self.shot.moments))
        start = len(order) - len(frames)
        ways = [way for origin in origins for way in self._ways(origin, order, start)]
        window = area.window
        scale = np.array([area.width / window.width, area.height / window.height])
        placed = [(way - (window.x - 0.5, window.y - 0.5)) * scale - 0.5 for way in ways]
        pictures = []
        for at in range(start, len(order)):
            first = max(0, at - TRAIL)
            ages = np.arange(at - first, -1, -1.0)
            trails = [np.c_[way[first : at + 1], ages] for way in placed]
            pictures.append(tracks_picture(trails, width=area.width, height=area.height))
        return pictures

    def _ways(self, origin: Origin, order: Sequence[int], start: int) -> list[Way]:
        moments = self.shot.moments
        if origin is Origin.TRACKS:
            times = [moments[frame].time for frame in order]
            return given_tracks(self.shot.job.controls.trajectories, times=times)
        if origin is Origin.MOTION:
            steering = self._steering("motion_source")
            clip, numbers = Clip(steering=steering), clip_frames(self.shot, steering)
            # From the window's beginning: a path from the clip's would take as long as the clip for each window.
            own = clip_tracks(self.shot, clip, numbers=numbers, frames=order[start:], strength=self._strength())
            return [np.concatenate([np.full((start, 2), np.nan), way]) for way in own]
        return self.camera.tracks(order)


def _before_first(frames: Sequence[int]) -> int:
    """The number before a window's first, counted as its first two do."""
    other = next((frame for frame in frames if frame != frames[0]), frames[0])
    return 2 * frames[0] - other


def _with_run_up(frames: Sequence[int], timeline: Sequence[int]) -> list[int]:
    """A window's frames behind those of the result that come before them, in the window's direction of time."""
    backwards = _before_first(frames) > frames[0]
    before = [frame for frame in timeline if (frame > frames[0] if backwards else frame < frames[0])]
    return [*(before[::-1] if backwards else before)[-TRAIL:], *frames]
