"""What no frame shows: imagined in key frames, each only what no earlier one has, and followed from there (S7).

Every pixel that is imagined gets an address in the plate, like a copied one, so that its light is fetched at full
resolution: all its detail and grain are the plate's, and its receipt names the place. A key frame also keeps the
addresses of what it copies, so that these outlive the search range. What is imagined from moving water runs on with
the plate's frames (see `_running`), and is found with patches in space and time (Newson 2014).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from overscan.core.engines.plate._address_map import Addresses, AddressMap, load_map, save_map
from overscan.core.engines.plate._clean_plates import CleanPlates
from overscan.core.engines.plate._dynamic import Dynamics, carried
from overscan.core.engines.plate._find import Finder
from overscan.core.engines.plate._gain import painted_gain
from overscan.core.engines.plate._key_pictures import KeyPictures
from overscan.core.engines.plate._keys import KEY_EVERY, key_frames, shot_keys
from overscan.core.engines.plate._lattice import Array
from overscan.core.engines.plate._pictures import Pictures
from overscan.core.engines.plate._running import Runner, Runs
from overscan.core.engines.plate._trace import NOWHERE, Found, Numbers, Target, Visible
from overscan.core.engines.plate.light._exposure import Exposure
from overscan.core.engines.plate.motion._camera import CameraPath
from overscan.core.engines.plate.motion._proxy import Mask
from overscan.core.engines.plate.motion._settle import settle
from overscan.core.engines.plate.synthesis._synthesis import Picture, synthesise
from overscan.core.geometry import Window
from overscan.core.results import SourceKind
from overscan.core.shots import Shot

Nodes = npt.NDArray[np.intp]

_OTHERS = (-2 * KEY_EVERY, 2 * KEY_EVERY)
"""Distances of the frames that are also taken from: far enough to show something else."""
_LEAST_AREA = 0.01
"""Part of the picture that must move like water before patches reach through time."""
_MASKS_KEPT = 512

Paint = Callable[[int, Callable[[], None]], int]
"""Completes a key frame, by index, whose map has everything but what is to be painted, and calls the second argument
now and then; the number of the source that the picture is."""


class Imagination:
    """The key frames of one shot."""

    def __init__(
        self,
        *,
        shot: Shot,
        finder: Finder,
        pictures: Pictures,
        thumbnails: Pictures,
        exposure: Exposure | None,
        path: CameraPath | None,
        painted: Callable[[int], bool],
        folder: Path,
        seed: int,
        rounds: int,
        clean: CleanPlates | None = None,
        paint: Paint | None = None,
        wide: Mapping[int, Window] | None = None,
    ) -> None:
        """`painted` says of a frame number whether anything is missing in it. Without a `path` nothing runs.

        Maps are kept in `folder`; `rounds` is how thoroughly is searched. What `clean` plates show is not imagined.
        With `paint`, key frames are painted by it in place of being imagined; `wide` says how much of each, where that
        is more than what it covers.
        """
        self._paint = paint
        self._clean = clean
        self._shot = shot
        self._finder = finder
        self._pictures = pictures
        self._camera = path
        self._folder = folder
        self._seed = seed
        self._rounds = rounds
        self._painted = [index for index, frame in enumerate(shot.frames) if painted(frame)]
        self._grid = key_frames(len(shot.frames))
        self._stretches = np.zeros(len(shot.frames), np.int32) if path is None else path.stretches()
        self._keys = shot_keys(len(shot.frames), stretches=self._stretches.tolist(), painted=self._painted)
        self._wide = dict(wide or {})
        self._maps: dict[int, AddressMap] = {}
        self._thumbnails = thumbnails
        self._may_show = lru_cache(maxsize=_MASKS_KEPT)(self._showable)
        self._dynamics: Dynamics | None = None
        self._runner: Runner | None = None
        count = len(shot.frames)
        if path is not None:
            self._runner = Runner(path=path, lattice=thumbnails.lattice, usable=self._may_show, frames=count)
            self._dynamics = Dynamics(
                thumbnails=thumbnails, path=path, exposure=exposure, moved=finder.moved, frames=count
            )
        self._key_pictures = KeyPictures(
            pictures=pictures, exposure=exposure, path=path, runner=self._runner, frames=count
        )

    def imagine(self, keys: Sequence[int], *, tick: Callable[[], None]) -> None:
        """Make the maps of these of the shot's `key_frames`, and of what more are needed before each.

        All in order; those before the first must exist.
        """
        earlier = [key for key in self._grid if key < keys[0]]
        keys = [key for key in self._keys if (not earlier or key > earlier[-1]) and key <= keys[-1]]
        targets = {key: self._target(key) for key in keys if key in self._painted and self._stretches[key] >= 0}
        targets = {key: target for key, target in targets.items() if len(target.x)}
        found = self._finder.find(list(targets.values()), tick=tick) if targets else []
        sources = dict(zip(targets, found, strict=True))
        for key in keys:
            made = AddressMap.empty(self._pictures.lattice, channels=len(self._shot.colours))
            if key in targets:
                target, source = targets[key], sources[key]
                rows, columns = self._nodes(target)
                seen = source.found.frame != NOWHERE
                where = (rows[seen], columns[seen])
                made.frame[where] = source.found.frame[seen]
                made.x[where], made.y[where] = source.found.x[seen], source.found.y[seen]
                made.kind[where] = SourceKind.COPIED
                unseen = ~seen if self._clean is None else ~seen & (self._clean.find(target) == NOWHERE)
                self._inherit(key, made, rows[unseen], columns[unseen], target, unseen, tick=tick)
                if self._paint is None:
                    self._synthesise(key, made, rows[unseen], columns[unseen], tick=tick)
                else:
                    self._maps = {key: made}  # what is to be painted is told by what the map has not
                    made.set_painted(rows[unseen], columns[unseen], paint=partial(self._paint, key, tick))
            save_map(made, self._path(key))
            self._maps = {key: made}

    def follow(self, targets: Sequence[Target], *, tick: Callable[[], None]) -> list[Addresses]:
        """Addresses for pixels that no frame shows: from the key frame before, else from the one after."""
        results = [self._at_key(target) for target in targets]
        strays: list[tuple[Target, Addresses, Nodes, Found, Mask]] = []
        for direction in (-1, 1):
            open_ones = [
                (target, result, missing)
                for target, result in zip(targets, results, strict=True)
                if (missing := np.flatnonzero(result.frame == NOWHERE)).size and target.frame not in self._keys
            ]
            if not open_ones:
                break
            wanted = [
                Target(frame=target.frame, x=target.x[missing], y=target.y[missing]) for target, _, missing in open_ones
            ]
            walked = self._to_keys(wanted, direction=direction, reach=KEY_EVERY, tick=tick)
            for (target, result, missing), one, found in zip(open_ones, wanted, walked, strict=True):
                on_path = self._on_path(one, found)
                self._take(target, result, missing, found, on_path)
                strays.append((target, result, missing, found, ~on_path))
        for target, result, missing, found, stray in strays:
            self._take(target, result, missing, found, stray & (result.frame[missing] == NOWHERE))
        return results

    def _take(self, target: Target, result: Addresses, missing: Nodes, found: Found, chosen: Mask) -> None:
        """Put into `result` what those of `found` that are `chosen` have in their key frames."""
        for key in _frames(found.frame[chosen]):
            if self._follows(target.frame, key):
                here = chosen & (found.frame == key)
                _put(result, missing[here], self._fetched_at(key, target.frame, found.x[here], found.y[here]))

    def _at_key(self, target: Target) -> Addresses:
        if target.frame in self._keys:
            return self._fetched_at(target.frame, target.frame, target.x, target.y)
        nothing = AddressMap.empty(self._pictures.lattice, channels=len(self._shot.colours))
        return nothing.look_up(target.x, target.y)

    def _to_keys(
        self, targets: Sequence[Target], *, direction: int, reach: int, tick: Callable[[], None]
    ) -> list[Found]:
        """Where the first key frame in a direction of time has them."""
        found = self._finder.walk(
            targets, direction=direction, reach=reach, visible_at=self._visible, gate=np.inf, tick=tick
        )
        path = self._camera
        if path is None:
            return found
        return [settle(path, target=target, found=one) for target, one in zip(targets, found, strict=True)]

    def _on_path(self, target: Target, found: Found) -> Mask:
        """Which may be believed. What the camera's path takes to water that runs is put there.

        Motion that is seen in moving water leads anywhere: what that alone takes there is a stray.
        """
        believed = np.ones(len(found.x), np.bool_)
        for key in _frames(found.frame):
            own = self._map(key)
            model = self._camera.in_plate(first=target.frame, second=key) if self._camera is not None else None
            if model is None or not own.runs.moving.any():
                continue
            here = np.flatnonzero(found.frame == key)
            x, y = carried(model, target.x[here], target.y[here])
            runs = own.runs_at(x, y).moving
            believed[here] = runs | ~own.runs_at(found.x[here], found.y[here]).moving
            found.x[here[runs]], found.y[here[runs]] = x[runs], y[runs]
        return believed

    def _fetched_at(self, key: int, frame: int, x: Array, y: Array) -> Addresses:
        """What key frame `key` has at positions in it, as it is fetched in `frame`."""
        own = self._map(key)
        found = own.look_up(x, y)
        if self._runner is not None and own.runs.moving.any():
            runs = own.runs_at(x, y)
            found.frame, found.x, found.y = self._runner.at(frame, found.frame, found.x, found.y, runs)
        return found

    def _inherit(
        self,
        key: int,
        made: AddressMap,
        rows: Nodes,
        columns: Nodes,
        target: Target,
        unseen: Mask,
        *,
        tick: Callable[[], None],
    ) -> None:
        """Take over what the key frame before has for nodes that nothing else is known of."""
        before = self._keys.index(key) - 1
        if before < 0 or not rows.size or not self._follows(key, self._keys[before]):
            return
        wanted = Target(frame=key, x=target.x[unseen], y=target.y[unseen])
        (found,) = self._to_keys([wanted], direction=-1, reach=key - self._keys[before], tick=tick)
        here = (found.frame == self._keys[before]) & self._on_path(wanted, found)
        if here.any():
            before_map = self._map(self._keys[before])
            taken = before_map.look_up(found.x[here], found.y[here])
            where = (rows[here], columns[here])
            made.frame[where], made.x[where], made.y[where] = taken.frame, taken.x, taken.y
            made.gain[where], made.kind[where] = taken.gain, taken.kind
            made.runs.put(where, before_map.runs_at(found.x[here], found.y[here]))

    def _synthesise(
        self,
        key: int,
        made: AddressMap,
        rows: Nodes,
        columns: Nodes,
        *,
        tick: Callable[[], None],
    ) -> None:
        unknown = np.zeros(made.lattice.shape, np.bool_)
        unknown[rows, columns] = made.frame[rows, columns] == NOWHERE
        if not unknown.any():
            return
        own, others = self._key_pictures.completed(key, made, at=key, tick=tick), self._others(key)
        met = own.known & ~self._finder.kept_out(key, made.lattice)
        # What may not be copied from may still tell what fits beside it.
        given = (made.frame != NOWHERE) | (self._shot.frames[key] in self._shot.sources)
        atlas = [Picture(pixels=own.pixels, usable=met & given & ~self._stopped(made), met=met)]
        atlas += [Picture(pixels=self._pictures.picture(other).pixels, usable=self._usable(other)) for other in others]
        moves = self._dynamics is not None and any(
            self._dynamics.area(frame).mean() > _LEAST_AREA for frame in (key, *others)
        )
        if moves:
            times = [self._key_pictures.in_time(key, made=made, tick=tick)]
            times += [self._key_pictures.in_time(other, made=None, tick=tick) for other in others]
            atlas = [
                replace(picture, pixels=np.concatenate([picture.pixels, time], axis=-1))
                for picture, time in zip(atlas, times, strict=True)
            ]
        tick()
        result = synthesise(pictures=atlas, hole=unknown, seed=self._seed + key, rounds=self._rounds)
        tick()
        hole_rows, hole_columns = np.nonzero(unknown)
        x, y = made.lattice.nodes()
        channels = own.pixels.shape[-1]
        fetched = np.zeros((len(hole_rows), channels), np.float32)
        for index, picture in enumerate(atlas):
            here = result.picture == index
            to, source = (hole_rows[here], hole_columns[here]), (result.y[here], result.x[here])
            fetched[here] = picture.pixels[source][:, :channels]
            # What was itself copied keeps the address that it was copied from.
            is_plate = (made.frame[source] == NOWHERE) if index == 0 else np.ones(len(source[0]), np.bool_)
            made.x[to] = np.where(is_plate, x[source], made.x[source])
            made.y[to] = np.where(is_plate, y[source], made.y[source])
            made.gain[to] = np.where(is_plate[:, np.newaxis], np.float32(0), made.gain[source])
            frame = key if index == 0 else others[index - 1]
            made.frame[to] = np.where(is_plate, frame, made.frame[source])
            made.kind[to] = SourceKind.SYNTHESISED
            made.runs.put(to, Runs.none((len(to[0]),)) if index > 0 else made.runs.at(source))
        painted = made.frame[hole_rows, hole_columns] != NOWHERE
        made.gain[hole_rows, hole_columns] += painted_gain(
            blended=result.blended[..., :channels],
            fetched=fetched,
            picture=own.pixels,
            known=own.known,
            hole=unknown,
            painted=painted,
        )
        if moves:
            self._set_running(key, made, hole_rows, hole_columns)

    def _stopped(self, made: AddressMap) -> Mask:
        """Moving water that was copied: each column, or each row, at another moment. Nothing to imagine more from."""
        stopped = np.zeros(made.lattice.shape, np.bool_)
        if self._dynamics is None:
            return stopped
        rows, columns = np.nonzero((made.frame != NOWHERE) & ~made.runs.moving)
        for where, frame in _by_frame(made, rows, columns):
            stopped[where] = self._dynamics.is_dynamic(frame, made.x[where], made.y[where])
        return stopped

    def _set_running(self, key: int, made: AddressMap, rows: Nodes, columns: Nodes) -> None:
        """Let those of the nodes run that were taken from what moves, and do not run already."""
        assert self._dynamics is not None and self._runner is not None
        still = (made.frame[rows, columns] != NOWHERE) & ~made.runs.moving[rows, columns]
        for place, frame in _by_frame(made, rows[still], columns[still]):
            dynamic = self._dynamics.is_dynamic(frame, made.x[place], made.y[place])
            where = (place[0][dynamic], place[1][dynamic])
            back, ahead = self._runner.room(frame, made.x[where], made.y[where])
            made.runs.put(where, Runs(since=np.full(len(back), key, np.int32), back=back, ahead=ahead))

    def _others(self, key: int) -> list[int]:
        others = {key + far for far in _OTHERS if 0 <= key + far < len(self._shot.frames)}
        if self._shot.frames[key] not in self._shot.sources:
            allowed = [index for index, frame in enumerate(self._shot.frames) if frame in self._shot.sources]
            others.add(min(allowed, key=lambda index: abs(index - key)))
        return sorted(others)

    def _usable(self, frame: int) -> Mask:
        """What may be taken from a frame: a second one of what moves by itself would be seen at once."""
        usable = self._pictures.picture(frame).known & (self._shot.frames[frame] in self._shot.sources)
        return usable & ~self._finder.kept_out(frame, self._pictures.lattice)

    def _showable(self, frame: int) -> Mask:
        """What may be taken from a frame at any position next to a node of the thumbnails'."""
        lattice = self._thumbnails.lattice
        if self._shot.frames[frame] not in self._shot.sources:
            return np.zeros(lattice.shape, np.bool_)
        usable = self._thumbnails.picture(frame).known & ~self._finder.kept_out(frame, lattice)
        inner = cv2.erode(usable.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)
        showable: Mask = inner > 0
        return showable

    def _target(self, key: int) -> Target:
        """The nodes of a key frame that the frame itself does not show."""
        lattice = self._pictures.lattice
        window = self._wide.get(key) or self._shot.coverage(self._shot.frames[key])
        wanted = lattice.inside(window) & ~self._pictures.picture(key).known
        x, y = lattice.nodes()
        return Target(frame=key, x=x[wanted], y=y[wanted])

    def _nodes(self, target: Target) -> tuple[Nodes, Nodes]:
        lattice = self._pictures.lattice
        rows = np.rint((target.y - lattice.y0) / lattice.dy).astype(np.intp)
        columns = np.rint((target.x - lattice.x0) / lattice.dx).astype(np.intp)
        return rows, columns

    def _follows(self, frame: int, key: int) -> bool:
        """Whether motion leads from a key frame to a frame: elsewhere what was imagined would lie anywhere."""
        return bool(self._stretches[frame] == self._stretches[key] >= 0)

    def _visible(self, frame: int) -> Visible:
        lattice = self._pictures.lattice
        if frame not in self._keys:
            return Visible(lattice=lattice, flags=np.zeros(lattice.shape, np.uint8))
        flags = (self._map(frame).frame != NOWHERE).astype(np.uint8)
        grown = np.asarray(cv2.dilate(flags, np.ones((3, 3), np.uint8)), np.uint8)
        return Visible(lattice=lattice, flags=grown)

    def _map(self, key: int) -> AddressMap:
        if key not in self._maps:
            while len(self._maps) >= 4:
                self._maps.pop(next(iter(self._maps)))
            self._maps[key] = load_map(self._path(key), lattice=self._pictures.lattice)
        return self._maps[key]

    def _path(self, key: int) -> Path:
        return self._folder / f"{self._shot.frames[key]}.npz"


def _frames(numbers: Numbers) -> list[int]:
    return sorted({int(number) for number in np.unique(numbers)} - {int(NOWHERE)})


def _by_frame(made: AddressMap, rows: Nodes, columns: Nodes) -> Iterator[tuple[tuple[Nodes, Nodes], int]]:
    """The nodes given, those of one source frame after those of another, and the frame."""
    frames = made.frame[rows, columns]
    for frame in np.unique(frames):
        yield (rows[frames == frame], columns[frames == frame]), int(frame)


def _put(result: Addresses, where: Nodes, found: Addresses) -> None:
    result.frame[where], result.x[where], result.y[where] = found.frame, found.x, found.y
    result.gain[where], result.kind[where] = found.gain, found.kind
