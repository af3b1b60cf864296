"""Motion of a whole shot: measured once per pair of neighbouring frames, kept by content, shared by later jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np

from overscan.core.engines.plate._lattice import Array, Lattice
from overscan.core.engines.plate._npz import save_arrays
from overscan.core.engines.plate._proxy import LONGEST, THUMBNAIL, Mask, Proxy, Stretch, make_proxy, shot_window
from overscan.core.engines.plate._registration import Matrix, Motion, project, register
from overscan.core.plates import HashMemo
from overscan.core.shots import Shot

_VERSION = 2
"""Counts up whenever analysis would give other numbers, so that older cache entries are not used."""
_COARSER = 2
"""Flow is kept at half the proxy's resolution: DIS itself stops refining there."""
_UNREADABLE = (OSError, EOFError, KeyError, ValueError, BadZipFile)
"""What reading a file of the cache raises that is not there, was removed just now, or was cut off with the power."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Motion between a frame and the next."""

    forward: KeptMotion
    backward: KeptMotion


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

    def __init__(self, *, shot: Shot, stretch: Stretch, cache_folder: Path) -> None:
        self._shot = shot
        self._stretch = stretch
        self.window = shot_window(shot)
        self.fine = Lattice.over(self.window, longest=LONGEST)
        self.coarse = self.fine.coarser(_COARSER)
        self.thumbnails = Lattice.over(self.window, longest=THUMBNAIL)
        self._folder = cache_folder / "plate-motion"
        self._hashes = HashMemo(database=cache_folder / "hashes.sqlite")
        self._keys: dict[int, str] = {}

    def prepare(self, pairs: Sequence[int], *, threads: int) -> int:
        """Measure what is missing of these pairs (pair n is frames n and n + 1); return how many were measured."""
        missing = [pair for pair in pairs if not self._pair_path(pair).exists()]
        wanted = sorted({frame for pair in pairs for frame in (pair, pair + 1)})
        needed = {frame for pair in missing for frame in (pair, pair + 1)}
        needed |= {frame for frame in wanted if not self._thumbnail_path(frame).exists()}
        with ThreadPoolExecutor(threads) as pool:
            proxies = dict(zip(sorted(needed), pool.map(self._proxy, sorted(needed)), strict=True))
            for frame, proxy in proxies.items():
                self._keep_thumbnail(frame, proxy)
            list(pool.map(lambda pair: self._measure(pair, proxies[pair], proxies[pair + 1]), missing))
        return len(missing)

    def pair(self, pair: int) -> Pair:
        """Motion between frames `pair` and `pair` + 1, by index in the shot."""
        path = self._pair_path(pair)
        try:
            return _read_pair(path)
        except _UNREADABLE:
            path.unlink(missing_ok=True)
            self.prepare([pair], threads=1)
            return _read_pair(path)

    def thumbnail(self, frame: int) -> Thumbnail:
        """The thumbnail of a frame, by index in the shot."""
        path = self._thumbnail_path(frame)
        try:
            return _read_thumbnail(path)
        except _UNREADABLE:
            self._keep_thumbnail(frame, self._proxy(frame))
            return _read_thumbnail(path)

    def _proxy(self, frame: int) -> Proxy:
        return make_proxy(self._shot, self._shot.frames[frame], window=self.window, stretch=self._stretch)

    def _measure(self, pair: int, first: Proxy, second: Proxy) -> None:
        forward, backward = register(first.grey, second.grey, known_first=first.known, known_second=second.known)
        arrays = self._packed(forward, "forward") | self._packed(backward, "backward")
        save_arrays(self._pair_path(pair), arrays)

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
        padding = ((0, target.height * _COARSER - height), (0, target.width * _COARSER - width), (0, 0))
        blocks = np.pad(weighted, padding).reshape(target.height, _COARSER, target.width, _COARSER, 3)
        sums = blocks.sum(axis=(1, 3))
        counts = sums[..., 2]
        mean = sums[..., :2] / np.maximum(counts, 1)[..., np.newaxis]
        return {
            f"{name}_model": motion.model,
            f"{name}_facts": np.array([motion.inliers, motion.residual]),
            f"{name}_kind": np.array(motion.kind),
            f"{name}_detail": np.clip(mean, -60000, 60000).astype(np.float16),
            f"{name}_trusted": counts > 0,
        }

    def _pair_path(self, pair: int) -> Path:
        key = self._digest("pair", self._key(pair), self._key(pair + 1))
        return self._folder / key[:2] / f"{key}.npz"

    def _thumbnail_path(self, frame: int) -> Path:
        key = self._digest("thumbnail", self._key(frame))
        return self._folder / key[:2] / f"{key}.npz"

    def _key(self, frame: int) -> str:
        """What the analysis of one frame depends on."""
        if frame not in self._keys:
            shot = self._shot
            number = shot.frames[frame]
            matte = shot.matte
            self._keys[frame] = self._digest(
                self._hashes.hash(shot.path(number)),
                "" if matte is None else self._hashes.hash(matte.sequence.path(matte.number(number))),
                "" if matte is None else f"{matte.part} {matte.channel} {matte.shift}",
                f"{shot.part} {shot.colours} {shot.space.name} {shot.transform.linear_name}",
                f"{shot.data_window(number)} {self.window} {self._stretch}",
            )
        return self._keys[frame]

    @staticmethod
    def _digest(*parts: str) -> str:
        text = json.dumps([_VERSION, cv2.__version__, *parts])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _read_pair(path: Path) -> Pair:
    with np.load(path) as kept:
        return Pair(forward=_unpacked(kept, "forward"), backward=_unpacked(kept, "backward"))


def _read_thumbnail(path: Path) -> Thumbnail:
    with np.load(path) as kept:
        return Thumbnail(pixels=kept["pixels"].astype(np.float32), known=kept["known"])


def _unpacked(kept: np.lib.npyio.NpzFile, name: str) -> KeptMotion:
    inliers, residual = kept[f"{name}_facts"]
    return KeptMotion(
        model=kept[f"{name}_model"],
        kind=str(kept[f"{name}_kind"]),
        inliers=float(inliers),
        residual=float(residual),
        detail=kept[f"{name}_detail"].astype(np.float32),
        trusted=kept[f"{name}_trusted"],
    )
