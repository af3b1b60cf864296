"""The files of results: which there are, and their hashes where they are known already."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import FileIO
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from overscan.core.errors import OutsideRootsError, OverscanError
from overscan.core.frame_names import FrameNames
from overscan.core.result_names import extras_pattern, receipt_path, signature_path
from overscan.core.storage import storage_error
from overscan.service._errors import UnknownFileError
from overscan.service._settings import Settings
from overscan.service.store.store import Store
from overscan.service.transfers.places import Places
from overscan.v1.job_pb2 import FrameState, JobSpec
from overscan.v1.output_pb2 import ExtrasMode

_THERE = (FrameState.FRAME_STATE_FINISHED, FrameState.FRAME_STATE_VERIFIED)
_HASHES_KEPT = 10_000
_DAY_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFile:
    """A file of a result."""

    path: Path
    size: int
    """Bytes."""
    frame: int | None = None
    """The frame that it is; None for what belongs to the whole, and for signatures."""
    sidecar: bool = False


class Results:
    """Results of jobs, as files to be fetched. Safe to use from any thread."""

    def __init__(self, *, store: Store, places: Places, settings: Settings) -> None:
        self._store = store
        self._places = places
        self._settings = settings
        self._lock = threading.Lock()
        self._hashes: OrderedDict[tuple[str, int, int, int], bytes] = OrderedDict()

    def files(self, row: Row[Any]) -> Iterator[ResultFile]:
        """What is there of a job's result, frames first."""
        spec = JobSpec.FromString(row.spec)
        pattern = self._places.output(spec, job_id=row.id)
        frames = [frame for frame in self._store.frames(job_id=row.id) if frame.state in _THERE]
        paths = [Path(frame.path) for frame in frames]
        sidecars = spec.output.extras == ExtrasMode.EXTRAS_MODE_SIDECAR
        folder_of = cache(os.path.realpath)

        def size(path: Path) -> int | None:
            """Bytes of a file that is there; None for one that is not, or that leads where nothing may be read."""
            try:
                status = path.lstat()
                is_link = stat.S_ISLNK(status.st_mode)
                status = path.stat() if is_link else status
            except OSError:
                return None
            real = os.path.realpath(path) if is_link else os.path.join(folder_of(path.parent), path.name)  # noqa: PTH118
            may_send = stat.S_ISREG(status.st_mode) and self._places.may_send(Path(real), job_id=row.id)
            return status.st_size if may_send else None

        for frame, path in zip(frames, paths, strict=True):
            if (count := size(path)) is not None:
                yield ResultFile(path=path, size=count, frame=frame.frame)
            if sidecars and (count := size(extras := Path(extras_pattern(str(path))))) is not None:
                yield ResultFile(path=extras, size=count, frame=frame.frame, sidecar=True)
        known = set(paths)
        receipt = receipt_path(pattern)
        beside = [*map(signature_path, paths), receipt, signature_path(receipt), *self._beside(row, Path(pattern))]
        for path in dict.fromkeys(beside):
            if path not in known and (count := size(path)) is not None:
                yield ResultFile(path=path, size=count)

    def frame(self, row: Row[Any], number: int, *, sidecar: bool) -> Path:
        """The file of a frame that is finished, or its sidecar; raises `UnknownFileError`."""
        frame = self._store.frame(job_id=row.id, frame=number)
        if frame is not None and frame.state in _THERE:
            return Path(extras_pattern(frame.path) if sidecar else frame.path)
        raise UnknownFileError(
            f"frame {number} of the job is not finished.",
            next_step="WatchJob says when it is.",
            field="frame",
            frame=number,
        )

    def named(self, row: Row[Any], name: str) -> Path:
        """The file of a result that is called so; raises `UnknownFileError`."""
        for file in self.files(row):
            if file.path.name == name:
                return file.path
        raise UnknownFileError(
            f"the job's result has no file '{name[:200]}'.",
            next_step="ListResultFiles says which there are; the receipt comes last.",
            field="name",
            actual=name[:200],
        )

    def open(self, path: Path, *, job_id: str) -> FileIO:
        """A file of a job's result, for reading.

        Others can write where results lie: a link may have taken a file's place, or a pipe. So it is the file that is
        open which is looked at, wherever its name leads by now. Raises `UnknownFileError` where it is no file, and
        `OutsideRootsError` where it lies outside of what may be read.
        """
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(path, flags)
        except FileNotFoundError:
            raise _gone(path) from None
        except OSError as error:
            raise storage_error(error) or OverscanError(
                f"'{path.name}' cannot be read: {error.strerror}.", next_step="Ask who runs the service.", path=path
            ) from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _gone(path)
            if not self._places.may_send(_place_of(descriptor, path), job_id=job_id):
                raise OutsideRootsError(
                    f"'{path.name}' leads out of the folders that may be read.",
                    next_step="Put the file itself in its place, or run the job again.",
                    path=path,
                    field="name",
                )
            return FileIO(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise

    def hash_of(self, row: Row[Any], path: Path, status: os.stat_result) -> bytes | None:
        """SHA-256 of a file that is as `status` says, where it was taken when the file was written or since."""
        key = _key(path, status)
        with self._lock:
            found = self._hashes.get(key)
        return found or self._recorded(row, path, status)

    def keep_hash(self, path: Path, status: os.stat_result, sha256: bytes) -> None:
        """Remember the SHA-256 of a file that is as `status` says."""
        with self._lock:
            self._hashes[_key(path, status)] = sha256
            while len(self._hashes) > _HASHES_KEPT:
                self._hashes.popitem(last=False)

    def remove(self, *, job_id: str) -> None:
        """Drop the files that the service keeps for a job."""
        shutil.rmtree(self._places.kept(job_id=job_id), ignore_errors=True)

    def tidy(self, *, days_max: float) -> None:
        """Drop results kept for jobs that are gone, or ended longer ago than that."""
        oldest_us = (time.time() - days_max * _DAY_SECONDS) * 1e6
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(self._places.kept(job_id="").parent)):
                state = self._store.state(job_id=entry.name)
                ended_us = None if state is None else self._store.job(job_id=entry.name).ended_us
                if state is None or (ended_us is not None and ended_us < oldest_us):
                    self.remove(job_id=entry.name)

    def _beside(self, row: Row[Any], pattern: Path) -> Iterator[Path]:
        """What the job wrote for all frames together, e.g. sound."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            receipt = json.loads((self._settings.receipts / f"{row.id}.json").read_text(encoding="utf-8"))
            yield from (pattern.with_name(Path(file["path"]).name) for file in receipt["beside"])

    def _recorded(self, row: Row[Any], path: Path, status: os.stat_result) -> bytes | None:
        """The hash that the worker took of a frame for the receipt, if the file has not been written since."""
        number = FrameNames.parse(str(path.with_name(self._pattern(row).name))).number(path.name)
        record = self._settings.jobs / row.id / "receipt" / f"{number}.json"
        try:
            whole = json.loads(record.read_text(encoding="utf-8"))
            if [str(path), status.st_size, status.st_mtime_ns] in whole["files"]:
                return bytes.fromhex(whole["facts"]["sha256"]) if whole["facts"]["path"] == path.name else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return None

    def _pattern(self, row: Row[Any]) -> Path:
        return Path(self._places.output(JobSpec.FromString(row.spec), job_id=row.id))


def _place_of(descriptor: int, path: Path) -> Path:
    """Where a file really lies that was opened as `path`."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/self/fd/{descriptor}").readlink()  # Linux's kernel knows
    real = Path(os.path.realpath(path))
    try:
        if os.path.samestat(os.fstat(descriptor), real.lstat()):
            return real
    except OSError:
        pass
    raise _gone(path)  # swapped meanwhile


def _gone(path: Path) -> UnknownFileError:
    return UnknownFileError(
        f"'{path.name}' is not there any more.",
        next_step="Retry the job, or run it again.",
        field="name",
        actual=path.name,
    )


def _key(path: Path, status: os.stat_result) -> tuple[str, int, int, int]:
    return (str(path), status.st_size, status.st_mtime_ns, status.st_ino)
