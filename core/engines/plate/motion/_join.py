"""Joins the frames of a shot into one camera path: links between keyframes, and the adjustment of all frames."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._npz import save_arrays
from overscan.core.engines.plate.motion._bundle import Tie, adjust, broken, common_points
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._given_path import path_from_camera, path_from_tracks
from overscan.core.engines.plate.motion._links import Numbers, Wanted, chained, keyframes, wanted_links
from overscan.core.engines.plate.motion._models import (
    KINDS,
    PARAMETERS,
    Matrix,
    distances,
    inverse,
    project,
    within_kind,
)
from overscan.core.engines.plate.motion._motion import UNREADABLE, MotionStore, PairFacts
from overscan.core.engines.plate.motion._proxy import Mask, Proxy
from overscan.core.engines.plate.motion._registration import Link, register_link
from overscan.core.shots import Shot

_CHAIN_WEIGHT = 0.03
"""What a chain of pairs counts against a link that was measured directly."""
_DRIFT = 0.1
"""By how many proxy samples a frame the chain of pairs may be off from a link: one that is off by more has followed
what moves by itself, or another plane."""
_SURE = 0.5
"""Part of the vectors that must agree with a link where the chain is broken and tells nothing."""
_ADJUSTMENTS = 4
"""How often links that contradict the others are taken out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tied:
    """A link between keyframes, by index in the shot."""

    first: int
    second: int
    link: Link


def join(shot: Shot, store: MotionStore, *, threads: int, tick: Callable[[], None]) -> CameraPath:
    """The camera path of the whole shot: given by the artist, from the cache, or measured.

    Measuring needs the motion of all pairs of neighbours, and makes up for those that are missing. `tick` is called
    at least once a second or so and may raise to stop. The result depends on the shot alone, not on the frames that
    are rendered or on `threads`.
    """
    controls = shot.job.controls
    if controls.camera is not None:
        displays = [shot.header(frame).display_window for frame in shot.frames]
        return path_from_camera(controls.camera, frames=shot.frames, displays=displays, lattice=store.fine)
    if controls.trajectories:
        return path_from_tracks(controls.trajectories, frames=shot.frames, lattice=store.fine)
    kept = store.entry("path", frames=range(len(shot.frames)))
    try:
        return CameraPath.load(kept)
    except UNREADABLE:
        path = _joined(store, threads=threads, tick=tick)
        path.save(kept)
        return path


def _joined(store: MotionStore, *, threads: int, tick: Callable[[], None]) -> CameraPath:
    shape, count = store.fine.shape, len(store.frames)
    pairs = _read_pairs(store, threads=threads, tick=tick)
    matrices, runs = chained([pair.model if pair.fits else None for pair in pairs])
    keys = keyframes(count)
    wanted = wanted_links(keys, matrices=matrices, runs=runs, shape=shape)
    measured = _measure(store, wanted, threads=threads, tick=tick)
    tied = [
        _Tied(first=want.first, second=want.second, link=link)
        for want, link in zip(wanted, measured, strict=True)
        if link.holds and _is_likely(want, link, runs, shape)
    ]
    solved = np.repeat(np.eye(3)[np.newaxis], count, axis=0)
    segments, kinds = _segments(runs, tied), []
    for segment in range(int(segments.max()) + 1):
        tick()
        frames = np.flatnonzero(segments == segment)
        own = [tie for tie in tied if segments[tie.first] == segment]
        kinds.append(_kind(pairs, own, frames, runs))
        if PARAMETERS[kinds[-1]]:
            _solve(
                solved,
                frames,
                keys=keys,
                tied=own,
                pairs=pairs,
                matrices=matrices,
                runs=runs,
                kind=kinds[-1],
                shape=shape,
            )
    return CameraPath(lattice=store.fine, matrices=solved, segments=segments, kinds=tuple(kinds))


def _read_pairs(store: MotionStore, *, threads: int, tick: Callable[[], None]) -> list[PairFacts]:
    """What is known of all pairs of neighbours; those that are missing are measured."""
    count = len(store.frames) - 1
    for start in range(0, count, threads):
        tick()
        store.prepare(range(start, min(count, start + threads)), threads=threads)
    return [store.facts(pair) for pair in range(count)]


def _measure(store: MotionStore, wanted: list[Wanted], *, threads: int, tick: Callable[[], None]) -> list[Link]:
    """Every link, from the cache or measured, in the order that they are wanted."""
    masks = {frame: store.movers(frame) for want in wanted for frame in (want.first, want.second)}
    paths = [_entry(store, want, masks) for want in wanted]
    links: dict[int, Link] = {}
    missing = []
    for index, path in enumerate(paths):
        try:
            links[index] = _read_link(path)
        except UNREADABLE:
            missing.append(index)
    proxies: dict[int, Proxy] = {}

    def measured(index: int) -> Link:
        link = _link(wanted[index], proxies, masks, store.fine.shape)
        _keep_link(paths[index], link)
        return link

    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(missing), threads):
            tick()
            some = missing[start : start + threads]
            absent = [frame for frame in _frames_of(wanted, some) if frame not in proxies]
            proxies.update(zip(absent, pool.map(lambda frame: _slim(store.proxy(frame)), absent), strict=True))
            links.update(zip(some, pool.map(measured, some), strict=True))
            later = _frames_of(wanted, missing[start + threads :])
            for frame in proxies.keys() - set(later):
                del proxies[frame]
    return [links[index] for index in range(len(wanted))]


def _is_likely(want: Wanted, link: Link, runs: Numbers, shape: tuple[int, int]) -> bool:
    if runs[want.first] != runs[want.second]:
        return link.inliers >= _SURE
    points = common_points(want.guess, shape)
    off = distances(link.model, points, project(want.guess, points))
    return bool(np.median(off) < 1 + _DRIFT * (want.second - want.first))


def _frames_of(wanted: list[Wanted], some: list[int]) -> list[int]:
    return sorted({frame for index in some for frame in (wanted[index].first, wanted[index].second)})


def _slim(proxy: Proxy) -> Proxy:
    """Without what links do not look at: a long shot's keyframes are held together."""
    return replace(proxy, thumbnail=np.zeros((0, 0, 0), np.float32), thumbnail_known=np.zeros((0, 0), np.bool_))


def _link(wanted: Wanted, proxies: dict[int, Proxy], masks: dict[int, Mask], shape: tuple[int, int]) -> Link:
    use = [proxies[frame].background & ~_finer(masks[frame], shape) for frame in (wanted.first, wanted.second)]
    return register_link(
        proxies[wanted.first], proxies[wanted.second], guess=wanted.guess, use_first=use[0], use_second=use[1]
    )


def _finer(mask: Mask, shape: tuple[int, int]) -> Mask:
    grown = np.repeat(np.repeat(mask, 2, axis=0), 2, axis=1)
    return grown[: shape[0], : shape[1]]


def _segments(runs: Numbers, tied: list[_Tied]) -> Numbers:
    """Number of the segment of each frame: runs that links join are one."""
    parent = list(range(int(runs.max()) + 1))

    def root(run: int) -> int:
        while parent[run] != run:
            run = parent[run]
        return run

    for tie in tied:
        one, other = sorted((root(int(runs[tie.first])), root(int(runs[tie.second]))))
        parent[other] = one
    _, numbers = np.unique([root(int(run)) for run in runs], return_inverse=True)
    return np.asarray(numbers, np.int32)


def _kind(pairs: list[PairFacts], tied: list[_Tied], frames: npt.NDArray[np.intp], runs: Numbers) -> str:
    """What the camera does: the richer of what all links and what all pairs of the `frames` give evidence of.

    Over many frames a motion shows that is too small to see from one frame to the next; but fast ones leave few links.
    """
    inner = [frame for frame in frames if frame + 1 < len(runs) and runs[frame] == runs[frame + 1]]
    evidence = ([pairs[frame].scores for frame in inner], [tie.link.scores for tie in tied])
    return KINDS[max((int(np.argmin(np.sum(scores, axis=0))) for scores in evidence if scores), default=0)]


def _solve(
    solved: Matrix,
    frames: npt.NDArray[np.intp],
    *,
    keys: list[int],
    tied: list[_Tied],
    pairs: list[PairFacts],
    matrices: Matrix,
    runs: Numbers,
    kind: str,
    shape: tuple[int, int],
) -> None:
    """Fill `solved` for the `frames` of one segment: keyframes first, then what lies between them."""
    models = [_of_kind(pair, kind, shape) if pair.fits else None for pair in pairs]
    own = [frame for frame in keys if frame in set(frames.tolist())]
    if not own:
        own = [int(frames[0])]
    anchors = _solve_keyframes(own, tied=tied, matrices=matrices, runs=runs, kind=kind, shape=shape)
    solved[own] = anchors
    for run in np.unique(runs[frames]):
        members = np.flatnonzero(runs == run)
        inside = [frame for frame in own if runs[frame] == run]
        if not inside:
            # A run that holds no keyframe hangs on nothing, and is a segment by itself.
            continue
        for frame in range(inside[0] - 1, int(members[0]) - 1, -1):
            solved[frame] = solved[frame + 1] @ _of(models, frame)
        for frame in range(inside[-1] + 1, int(members[-1]) + 1):
            solved[frame] = solved[frame - 1] @ inverse(_of(models, frame - 1))
        for first, last in itertools.pairwise(inside):
            _solve_between(solved, first, last, models=models, kind=kind, shape=shape)


def _solve_keyframes(
    own: list[int], *, tied: list[_Tied], matrices: Matrix, runs: Numbers, kind: str, shape: tuple[int, int]
) -> Matrix:
    """Matrices of the keyframes `own` of one segment, the first being the reference."""
    place = {frame: at for at, frame in enumerate(own)}
    chains = [
        Tie(
            first=place[first],
            second=place[second],
            model=np.linalg.inv(matrices[second]) @ matrices[first],
            weight=_CHAIN_WEIGHT,
        )
        for first, second in itertools.pairwise(own)
        if runs[first] == runs[second]
    ]
    links = [
        Tie(
            first=place[tie.first],
            second=place[tie.second],
            model=_of_kind(tie.link, kind, shape),
            weight=tie.link.inliers,
        )
        for tie in tied
    ]
    fixed = np.zeros(len(own), np.bool_)
    fixed[0] = True
    result = np.stack([np.eye(3)] * len(own))
    for _ in range(_ADJUSTMENTS):
        start = _spread(len(own), [*links, *chains], kind=kind, shape=shape)
        result, off = adjust(start, ties=[*links, *chains], fixed=fixed, kind=kind, shape=shape)
        bad = broken(off)[: len(links)]
        kept = [link for link, out in zip(links, bad, strict=True) if not out]
        if len(kept) == len(links) or not _connected(len(own), [*kept, *chains]):
            break
        links = kept
    return result


def _spread(count: int, ties: list[Tie], *, kind: str, shape: tuple[int, int]) -> Matrix:
    """A first guess of all matrices, from the ties that join nearest places, starting at the first."""
    guess: dict[int, Matrix] = {0: np.eye(3)}
    ordered = sorted(ties, key=lambda tie: (abs(tie.second - tie.first), tie.first))
    while len(guess) < count:
        for tie in ordered:
            model = within_kind(tie.model, kind=kind, shape=shape)
            if tie.first in guess and tie.second not in guess:
                guess[tie.second] = guess[tie.first] @ np.linalg.inv(model)
                break
            if tie.second in guess and tie.first not in guess:
                guess[tie.first] = guess[tie.second] @ model
                break
        else:
            raise AssertionError("the keyframes of a segment are joined")
    return np.stack([guess[place] for place in range(count)])


def _connected(count: int, ties: list[Tie]) -> bool:
    reached = {0}
    while True:
        more = {place for tie in ties if reached & {tie.first, tie.second} for place in (tie.first, tie.second)}
        if more <= reached:
            return len(reached) == count
        reached |= more


def _solve_between(
    solved: Matrix, first: int, last: int, *, models: list[Matrix | None], kind: str, shape: tuple[int, int]
) -> None:
    """Fill the frames between two keyframes of one run by the pairs between them."""
    if last - first < 2:
        return
    guess = solved[first : last + 1].copy()
    for place in range(1, last - first):
        guess[place] = guess[place - 1] @ inverse(_of(models, first + place - 1))
    ties = [Tie(first=place, second=place + 1, model=_of(models, first + place)) for place in range(last - first)]
    fixed = np.zeros(len(guess), np.bool_)
    fixed[[0, -1]] = True
    solved[first : last + 1], _ = adjust(guess, ties=ties, fixed=fixed, kind=kind, shape=shape)


def _of_kind(measured: PairFacts | Link, kind: str, shape: tuple[int, int]) -> Matrix:
    """What was measured as the camera moves: by itself a rich motion often passes for a poorer one."""
    if PARAMETERS[kind] > PARAMETERS[measured.kind]:
        return np.asarray(measured.models[KINDS.index(kind)])
    return within_kind(measured.model, kind=kind, shape=shape)


def _of(models: list[Matrix | None], pair: int) -> Matrix:
    model = models[pair]
    assert model is not None, "a run has no break"
    return model


def _entry(store: MotionStore, wanted: Wanted, masks: dict[int, Mask]) -> Path:
    movers = "".join(np.packbits(masks[frame]).tobytes().hex() for frame in (wanted.first, wanted.second))
    return store.entry("link", wanted.guess.tobytes().hex(), movers, frames=(wanted.first, wanted.second))


def _keep_link(path: Path, link: Link) -> None:
    facts = np.array([link.inliers, link.residual])
    save_arrays(
        path,
        {
            "model": link.model,
            "kind": np.array(link.kind),
            "facts": facts,
            "scores": link.scores,
            "models": link.models,
        },
    )


def _read_link(path: Path) -> Link:
    with np.load(path) as kept:
        inliers, residual = (float(value) for value in kept["facts"])
        return Link(
            model=kept["model"],
            kind=str(kept["kind"]),
            inliers=inliers,
            residual=residual,
            scores=kept["scores"],
            models=kept["models"],
        )
