"""Frames that clients without shared storage bring: what was announced, what has arrived, where it lies.

An upload is a folder: ``upload.json`` says what was announced, ``parts/`` has what has arrived of frames, ``files/``
the frames that are whole, under the names they had at the client. What has arrived is told by the bytes there, so that
a client goes on after a cut connection, and after the end of the service. A job waits until what it reads is on the
disk itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from overscan.core.errors import InvalidJobError
from overscan.core.frame_names import FrameNames
from overscan.core.frames import format_frames
from overscan.core.storage import storage_error
from overscan.core.temporaries import flush, written_beside
from overscan.service._errors import QuotaError, UnknownUploadError, UploadIncompleteError
from overscan.service.transfers.arrivals import Arrival, Arrivals, owner
from overscan.service.transfers.keeper import Keeper

_ID = re.compile(r"[0-9a-f]{32}")
_NAME_LENGTH_MAX = 4096
_FILE_NAME_BYTES_MAX = 200
_DAY_SECONDS = 24 * 3600.0
_RECORD = "upload.json"
_EMPTY_BYTES = 4096
"""What an upload takes on the disk before anything has arrived, at least: their number must not be free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A set of frames that a client brings."""

    id: str
    user: str
    name: str
    """Path pattern the frames had at the client."""
    frames: frozenset[int]
    folder: Path

    @property
    def pattern(self) -> Path:
        """Path pattern of the frames here."""
        return self.folder / "files" / file_name(self.name)

    def file(self, frame: int) -> Path:
        """Where a whole frame lies."""
        return self.pattern.with_name(FrameNames.parse(self.pattern.name).name(frame))

    def part(self, frame: int) -> Path:
        """Where a frame lies while it arrives."""
        return self.folder / "parts" / str(frame)


def file_name(name: str) -> str:
    """The file name at the end of a path of any system."""
    return re.split(r"[/\\]", name)[-1]


def check_name(name: str, *, frames: Iterable[int], field: str) -> None:
    """Raise `InvalidJobError` where a path pattern's file name could not be one here."""
    numbers, plain = list(frames), file_name(name)
    names = FrameNames.parse(plain) if plain else None
    longest = max((names.name(number) for number in (min(numbers), max(numbers))), key=len) if names and numbers else ""
    if (
        len(name) > _NAME_LENGTH_MAX
        or any(ord(letter) < 32 or ord(letter) == 127 for letter in name)
        or plain.startswith(".")
        or not plain
        or len(os.fsencode(longest)) > _FILE_NAME_BYTES_MAX
    ):
        raise InvalidJobError(
            "the name is no path pattern that frames could have.",
            next_step="Give the path pattern that they have on your side, e.g. /shots/sh010/plate.%04d.exr.",
            field=field,
            actual=name[:200],
        )
    if names is not None and names.padding is None and len(numbers) > 1:
        raise InvalidJobError(
            f"'{plain}' has no place for the frame number, and there are {len(numbers)} frames.",
            next_step="Write it like plate.%04d.exr or plate.####.exr.",
            field=field,
            actual=name[:200],
        )


class Uploads:
    """The uploads of one home. Safe to use from any thread."""

    def __init__(self, *, folder: Path, bytes_max: int) -> None:
        """Keep uploads in `folder`, at most `bytes_max` bytes of each user's; 0 for any number.

        Whoever runs the service may fill their own disk.
        """
        self._folder = folder
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._used: dict[str, int] | None = None
        self._pool = folder / "pool"
        self._keeper = Keeper()
        self._arrivals = Arrivals(pool=self._pool, keeper=self._keeper)
        self._begun: set[str] = set()
        """Uploads that this service knows of: what an earlier one has left of them has been looked at."""

    def create(self, *, user: str, name: str, frames: tuple[int, ...]) -> Upload:
        """Open an upload; raises `InvalidJobError` for a name that no file here could have, `QuotaError`, and
        `DiskFullError`."""
        check_name(name, frames=frames, field="name")
        upload_id = uuid.uuid4().hex
        upload = Upload(id=upload_id, user=user, name=name, frames=frozenset(frames), folder=self._folder / upload_id)
        record = json.dumps({"user": user, "name": name, "frames": sorted(upload.frames)})
        self.charge(upload, _EMPTY_BYTES + len(record))
        self._begun.add(upload_id)
        try:
            for part in ("files", "parts"):
                (upload.folder / part).mkdir(mode=0o700, parents=True)
            with written_beside(upload.folder / _RECORD) as temporary:
                temporary.write_text(record, encoding="utf-8")
        except OSError as error:
            shutil.rmtree(upload.folder, ignore_errors=True)
            self.recount()
            found = storage_error(error)
            if found is None:
                raise
            raise found from error
        return upload

    def find(self, *, upload_id: str, user: str | None, field: str = "upload_id") -> Upload:
        """The upload of `user`, or anybody's for None; raises `UnknownUploadError`, for others' too."""
        upload = self._read(upload_id)
        if upload is None or (user is not None and upload.user != user):
            raise UnknownUploadError(
                f"there is no upload '{upload_id[:64]}'.",
                next_step="Upload the frames (again): what nobody used for long is removed.",
                field=field,
                actual=upload_id[:64],
            )
        with self._lock:
            if upload.id not in self._begun:
                self._keeper.resume(
                    parts=upload.folder / "parts", file_of=upload.file, pool=self._pool / owner(upload.user)
                )
                self._begun.add(upload.id)
        return upload

    def made_since(self, moment: float) -> Iterator[tuple[Upload, float]]:
        """Uploads that were made since then, and when; in seconds since 1970."""
        with contextlib.suppress(FileNotFoundError):
            for entry in list(os.scandir(self._folder)):
                made = entry.stat(follow_symlinks=False).st_mtime  # only its files and folders change later
                upload = self._read(entry.name) if made >= moment else None
                if upload is not None:
                    yield upload, made

    def arrived(self, upload: Upload) -> Iterator[tuple[int, int, bool]]:
        """Frame, bytes here and whether it is whole, of each frame that has begun to arrive."""
        _touch(upload)
        for frame in sorted(upload.frames):
            for path, whole in ((upload.file(frame), True), (upload.part(frame), False)):
                with contextlib.suppress(FileNotFoundError):
                    yield frame, path.stat().st_size, whole
                    break

    @contextlib.contextmanager
    def arrival(self, upload: Upload, frame: int) -> Iterator[Arrival]:
        """What takes the bytes of one frame; all streams that bring it share one.

        Raises `InvalidJobError` for a frame that was not announced.
        """
        if frame not in upload.frames:
            raise InvalidJobError(
                f"frame {frame} is none of the upload's.",
                next_step="Announce all frames with CreateUpload.",
                field="frame",
                frame=frame,
                expected=format_frames(upload.frames),
            )
        with self._arrivals.open(
            part=upload.part(frame), file=upload.file(frame), user=upload.user, frame=frame
        ) as arrival:
            yield arrival

    def charge(self, upload: Upload, count: int) -> None:
        """Count bytes that are about to be kept; raises `QuotaError` where they are more than the user may have."""
        with self._lock:
            if self._used is None:
                self._used = self._measured()
            used = self._used.get(upload.user, 0) + count
            if used > self._bytes_max > 0 and upload.user:
                raise QuotaError(
                    f"your uploads would take more than {self._bytes_max} bytes.",
                    next_step="Delete uploads that you need no longer, or ask who runs the service for more.",
                    expected=f"at most {self._bytes_max} bytes",
                    actual=used,
                )
            self._used[upload.user] = used

    def recount(self) -> None:
        """Count anew what uploads take, since files have gone."""
        with self._lock:
            self._used = None

    def whole(self, *, upload_id: str, frames: tuple[int, ...] | None, user: str | None, field: str) -> Upload:
        """The upload, all of whose `frames` (None: all announced) are on the disk, for a job to read.

        Raises `UnknownUploadError` or `UploadIncompleteError`.
        """
        upload = self.find(upload_id=upload_id, user=user, field=field)
        wanted = upload.frames if frames is None else frames
        files = upload.folder / "files"
        there = _names(files)  # one that comes later has not been waited for
        self._keeper.wait(*map(upload.file, wanted))
        flush(files)
        there &= _names(files)  # without what was lost
        missing = [frame for frame in wanted if upload.file(frame).name not in there]
        if missing:
            raise UploadIncompleteError(
                f"frames {format_frames(missing)} of the upload have not arrived.",
                next_step="Send them with UploadFrames, then ask again.",
                field=field,
                frame=missing[0],
                expected=format_frames(wanted),
            )
        _touch(upload)
        return upload

    def remove(self, *, upload_id: str) -> None:
        """Drop an upload and its files, in the pool as well; nothing happens where there is none."""
        if _ID.fullmatch(upload_id):
            upload = self._read(upload_id)
            with contextlib.suppress(OSError):  # first of all, so that nobody finds half of it
                (self._folder / upload_id / _RECORD).unlink()
            shutil.rmtree(self._folder / upload_id, ignore_errors=True)
            self._arrivals.tidy(user=None if upload is None else upload.user)
            self._begun.discard(upload_id)
            self.recount()

    def close(self) -> None:
        """Take no more; what is not on the disk yet is looked at by the next service."""
        self._keeper.close()

    def tidy(self, *, days_max: float, needed: frozenset[str]) -> None:
        """Remove uploads that nobody touched for so long, but for those `needed`, and what no upload has any more."""
        oldest = time.time() - days_max * _DAY_SECONDS
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(self._folder)):
                if not _ID.fullmatch(entry.name) or entry.name in needed:
                    continue
                upload = self._read(entry.name)
                touched = (entry.stat() if upload is None else (upload.folder / _RECORD).stat()).st_mtime
                if touched < oldest:
                    self.remove(upload_id=entry.name)
        self._arrivals.tidy()

    def _read(self, upload_id: str) -> Upload | None:
        if not _ID.fullmatch(upload_id):
            return None
        folder = self._folder / upload_id
        try:
            record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return Upload(
            id=upload_id,
            user=record["user"],
            name=record["name"],
            frames=frozenset(record["frames"]),
            folder=folder,
        )

    def _measured(self) -> dict[str, int]:
        """Bytes that each user's uploads have."""
        found: dict[str, int] = {}
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            with contextlib.suppress(OSError):  # one that goes meanwhile
                upload = self._read(folder.name)
                if upload is not None:
                    size = sum(path.stat().st_size for path in folder.glob("*/*"))
                    size += _EMPTY_BYTES + (folder / _RECORD).stat().st_size
                    found[upload.user] = found.get(upload.user, 0) + size
        return found


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in os.scandir(folder)}


def _touch(upload: Upload) -> None:
    """Somebody needs it still."""
    with contextlib.suppress(OSError):
        os.utime(upload.folder / _RECORD)
