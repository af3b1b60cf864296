"""Motion of a whole shot: measured once per pair of neighbouring frames, kept by content, shared by later jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import cv2
import numpy as np

from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate._npz import save_arrays
from overscan.core.engines.plate.motion._models import DENSE, Matrix, project
from overscan.core.engines.plate.motion._movers import find_movers
from overscan.core.engines.plate.motion._planes import Planes
from overscan.core.engines.plate.motion._proxy import (
    COARSER,
    LONGEST,
    THUMBNAIL,
    Mask,
    Proxy,
    Stretch,
    make_proxy,
    read_movers,
    shot_window,
)
from overscan.core.engines.plate.motion._registration import Motion, register
from overscan.core.plates import HashMemo
from overscan.core.shots import Matte, Shot

_VERSION = 3
"""Counts up whenever analysis would give other numbers, so that older cache entries are not used."""
_MASKS_KEPT = 64
"""Masks of movers that are kept in memory, of some 0.1 MB each."""
UNREADABLE = (OSError, EOFError, KeyError, ValueError, BadZipFile)
"""What reading a file of the cache raises that is not there, was removed just now, or was cut off with the power."""

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMotion:
    """`Motion` as it is kept: the model, and what the flow adds to it at half resolution."""

    model: Matrix
    kind: str
    inliers: float
    residual: float
    detail: Array
    """Flow minus model, ``(height, width, 2)`` in proxy samples on the coarser lattice; 0 where not trusted."""
    trusted: Mask
    planes: Planes = field(default_factory=Planes.none)
    frames: tuple[int, int] | None = None
    """From which frame to which it goes, by index in the shot; None where it belongs to no two frames of the shot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Motion between a frame and the next."""

    forward: KeptMotion
    backward: KeptMotion


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFacts:
    """What is known of a pair without its fields: little enough to read for a long shot."""

    model: Matrix
    """From the first to the second frame, in proxy samples."""
    kind: str
    """One of `KINDS`, or `DENSE` where no plane fits there or back."""
    scores: Matrix
    """``(5,)``: how badly each of `KINDS` explains the pair, see `fit_models`."""
    models: Matrix
    """``(5, 3, 3)``: the best model of each of `KINDS`."""
    planes: int
    """How many planes it has, the first included; 0 where none fits."""

    @property
    def fits(self) -> bool:
        """Whether a plane explains it."""
        return self.kind != DENSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A small log-shaped picture of a frame, for trying out motion."""

    pixels: Array
    known: Mask


class MotionStore:
    """Pairs and thumbnails of one shot by frame index, from the cache or measured.

    The cache is content-addressed: a pair is found again as long as the bytes of both frames, of their mattes and
    the way they are looked at are the same.
    """

    def __init__(self, *, shot: Shot, stretch: Stretch, cache_folder: Path, longest: int = LONGEST) -> None:
        """`longest` is how many samples the longer side of the pictures has that motion is measured on."""
        self._shot = shot
        self._stretch = stretch
        self.window = shot_window(shot)
        self.fine = Lattice.over(self.window, longest=longest)
        self.coarse = self.fine.coarser(COARSER)
        self.thumbnails = Lattice.over(self.window, longest=THUMBNAIL)
        self._folder = cache_folder / "plate-motion"
        self._hashes = HashMemo(database=cache_folder / "hashes.sqlite")
        self._keys: dict[int, str] = {}
        self._movers = lru_cache(maxsize=_MASKS_KEPT)(self._find_movers)

    @property
    def frames(self) -> tuple[int, ...]:
        """Frame numbers of the shot."""
        return self._shot.frames

    def prepare(self, pairs: Sequence[int], *, threads: int) -> int:
        """Measure what is missing of these pairs (pair n is frames n and n + 1); return how many were measured."""
        missing = [pair for pair in pairs if not self._pair_path(pair).exists()]
        wanted = sorted({frame for pair in pairs for frame in (pair, pair + 1)})
        needed = {frame for pair in missing for frame in (pair, pair + 1)}
        needed |= {frame for frame in wanted if not self._thumbnail_path(frame).exists()}
        with ThreadPoolExecutor(threads) as pool:
            proxies = dict(zip(sorted(needed), pool.map(self.proxy, sorted(needed)), strict=True))
            for frame, proxy in proxies.items():
                self._keep_thumbnail(frame, proxy)
            list(pool.map(lambda pair: self._measure(pair, proxies[pair], proxies[pair + 1]), missing))
        return len(missing)

    def pair(self, pair: int) -> Pair:
        """Motion between frames `pair` and `pair` + 1, by index in the shot."""
        return self._read(pair, _read_pair)

    def facts(self, pair: int) -> PairFacts:
        """What is known of `pair`; much faster than reading it all."""
        return self._read(pair, _read_facts)

    def _read(self, pair: int, read: Callable[[Path, int], _Read]) -> _Read:
        path = self._pair_path(pair)
        try:
            return read(path, pair)
        except UNREADABLE:
            path.unlink(missing_ok=True)
            self.prepare([pair], threads=1)
            return read(path, pair)

    def thumbnail(self, frame: int) -> Thumbnail:
        """The thumbnail of a frame, by index in the shot."""
        path = self._thumbnail_path(frame)
        try:
            return _read_thumbnail(path)
        except UNREADABLE:
            self._keep_thumbnail(frame, self.proxy(frame))
            return _read_thumbnail(path)

    def movers(self, frame: int) -> Mask:
        """What moves by itself in a frame, by index, on `coarse`: found by its motion, or said by the artist.

        The mask is shared: do not write to it.
        """
        return self._movers(frame)

    def entry(self, *parts: str, frames: Sequence[int]) -> Path:
        """Where the cache keeps what follows from `parts` and from all that `frames`, by index, look like."""
        key = self._digest(*parts, *(self._key(frame) for frame in frames))
        return self._folder / key[:2] / f"{key}.npz"

    def proxy(self, frame: int) -> Proxy:
        """What analysis looks at of a frame, by index; made anew each time."""
        return make_proxy(
            self._shot, self._shot.frames[frame], window=self.window, stretch=self._stretch, fine=self.fine
        )

    def _measure(self, pair: int, first: Proxy, second: Proxy) -> None:
        forward, backward = register(first, second)
        arrays = self._packed(forward, "forward") | self._packed(backward, "backward")
        save_arrays(self._pair_path(pair), arrays)

    def _find_movers(self, frame: int) -> Mask:
        neighbours = []
        if frame + 1 < len(self._shot.frames):
            neighbours.append(self.pair(frame).forward)
        if frame > 0:
            neighbours.append(self.pair(frame - 1).backward)
        found = find_movers(neighbours, shape=self.coarse.shape, proxy_width=self.fine.width)
        if self._shot.movers is not None:
            found |= read_movers(self._shot, self._shot.frames[frame], window=self.window, lattice=self.coarse)
        found.flags.writeable = False
        return found

    def _keep_thumbnail(self, frame: int, proxy: Proxy) -> None:
        arrays = {"pixels": proxy.thumbnail.astype(np.float16), "known": proxy.thumbnail_known}
        save_arrays(self._thumbnail_path(frame), arrays)

    def _packed(self, motion: Motion, name: str) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
        height, width = motion.trusted.shape
        columns, rows = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
        nodes = np.stack([columns, rows], axis=-1)
        detail = motion.flow - (project(motion.model, nodes) - nodes)
        weighted = np.concatenate([detail, np.ones((height, width, 1))], axis=-1) * motion.trusted[..., np.newaxis]
        target = self.coarse
        padding = ((0, target.height * COARSER - height), (0, target.width * COARSER - width), (0, 0))
        blocks = np.pad(weighted, padding).reshape(target.height, COARSER, target.width, COARSER, 3)
        sums = blocks.sum(axis=(1, 3))
        counts = sums[..., 2]
        mean = sums[..., :2] / np.maximum(counts, 1)[..., np.newaxis]
        return {
            f"{name}_model": motion.model,
            f"{name}_facts": np.array([motion.inliers, motion.residual]),
            f"{name}_kind": np.array(motion.kind),
            f"{name}_detail": np.clip(mean, -60000, 60000).astype(np.float16),
            f"{name}_trusted": counts > 0,
            f"{name}_planes": motion.planes.models,
            f"{name}_labels": motion.planes.labels,
            f"{name}_scores": motion.scores,
            f"{name}_models": motion.models,
        }

    def _pair_path(self, pair: int) -> Path:
        return self.entry("pair", frames=(pair, pair + 1))

    def _thumbnail_path(self, frame: int) -> Path:
        return self.entry("thumbnail", frames=(frame,))

    def _key(self, frame: int) -> str:
        """What the analysis of one frame depends on."""
        if frame not in self._keys:
            shot = self._shot
            number = shot.frames[frame]
            self._keys[frame] = self._digest(
                self._hashes.hash(shot.path(number)),
                *self._matte_key(shot.matte, number),
                *self._matte_key(shot.movers, number),
                f"{shot.part} {shot.colours} {shot.space.name} {shot.transform.linear_name}",
                f"{shot.data_window(number)} {self.window} {self._stretch} {self.fine}",
            )
        return self._keys[frame]

    def _matte_key(self, matte: Matte | None, number: int) -> tuple[str, str]:
        if matte is None:
            return ("", "")
        path = matte.sequence.path(matte.number(number))
        return (self._hashes.hash(path), f"{matte.part} {matte.channel} {matte.shift}")

    @staticmethod
    def _digest(*parts: str) -> str:
        text = json.dumps([_VERSION, cv2.__version__, *parts])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _read_pair(path: Path, first: int) -> Pair:
    with np.load(path) as kept:
        return Pair(
            forward=_unpacked(kept, "forward", frames=(first, first + 1)),
            backward=_unpacked(kept, "backward", frames=(first + 1, first)),
        )


def _read_facts(path: Path, _: int) -> PairFacts:
    with np.load(path) as kept:
        fits = DENSE not in (str(kept["forward_kind"]), str(kept["backward_kind"]))
        return PairFacts(
            model=kept["forward_model"],
            kind=str(kept["forward_kind"]) if fits else DENSE,
            models=kept["forward_models"],
            scores=kept["forward_scores"],
            planes=1 + len(kept["forward_planes"]) if fits else 0,
        )


def _read_thumbnail(path: Path) -> Thumbnail:
    with np.load(path) as kept:
        return Thumbnail(pixels=kept["pixels"].astype(np.float32), known=kept["known"])


def _unpacked(kept: np.lib.npyio.NpzFile, name: str, *, frames: tuple[int, int]) -> KeptMotion:
    inliers, residual = kept[f"{name}_facts"]
    return KeptMotion(
        model=kept[f"{name}_model"],
        kind=str(kept[f"{name}_kind"]),
        inliers=float(inliers),
        residual=float(residual),
        detail=kept[f"{name}_detail"].astype(np.float32),
        trusted=kept[f"{name}_trusted"],
        planes=Planes(models=kept[f"{name}_planes"], labels=kept[f"{name}_labels"]),
        frames=frames,
    )
