"""What the operating system says of files, in a job's terms: no room, a share that is gone, nothing to write to."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from overscan.core.errors import DiskFullError, OutputNotWritableError, OverscanError, ShareLostError
from overscan.core.temporaries import written_beside


def _numbers(*names: str) -> frozenset[int]:
    """The error numbers of these names that this system has."""
    return frozenset(getattr(errno, name) for name in names if hasattr(errno, name))


NO_ROOM = _numbers("ENOSPC", "EDQUOT", "EFBIG")
"""The disk is full, or a quota or the largest size of a file is reached."""
LOST = _numbers(
    *("ESTALE", "EIO", "ENOTCONN", "ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH"),
    *("ENODEV", "ENXIO", "EREMOTEIO", "ESHUTDOWN", "ECONNABORTED", "ECONNRESET", "ENOMEDIUM"),
)
"""The file system itself has gone or does not answer."""
REFUSED = _numbers("EROFS", "EACCES", "EPERM")
"""It answers, and does not let anybody write, or not this user."""
_PLACES = "places.json"
_COME_BACK = "Bring it back and check that it is mounted; then retry the job: what is finished stays."


def storage_error(error: BaseException, *, writes: str = "") -> OverscanError | None:
    """What `error` says of the storage; None where it is about something else.

    An error of the system counts wherever it stands in the chain of causes, for readers and writers put their own
    words before it. `writes` is the folder that was to be written to, which an error without a file's name is about.
    """
    for cause in causes(error):
        if not isinstance(cause, OSError):
            continue
        path = str(cause.filename2 or cause.filename or writes)
        if cause.errno in NO_ROOM:
            return DiskFullError(
                f"no room left on the disk ({cause.strerror}).",
                next_step="Free some space, or raise the quota, and retry the job; finished frames stay.",
                path=path,
            )
        if cause.errno in LOST:
            return lost(path=path, why=cause.strerror or str(cause))
        if cause.errno == errno.EROFS or (cause.errno in REFUSED and writes and Path(path).is_relative_to(writes)):
            return OutputNotWritableError(
                f"cannot be written ({cause.strerror}).",
                next_step="Check that the disk may be written and that you may write there; then retry the job.",
                path=path,
            )
    return None


def lost(*, path: object, why: str) -> ShareLostError:
    """The error for storage at `path` that does not answer, as the system says it (`why`)."""
    return ShareLostError(f"the share or disk with '{path}' is gone: {why}.", next_step=_COME_BACK, path=path)


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from, the outermost first."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        found = waiting.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        after = (found.__cause__, None if found.__suppress_context__ else found.__context__)
        waiting += [cause for cause in after if cause is not None]


def ask_storage(path: Path) -> None:
    """Read a file to its end; raises what the system says (OSError), for readers that do not tell."""
    with path.open("rb") as file:
        while file.read(1 << 22):
            pass


class Places:
    """Where the folders of a job are mounted, to know later that a share is gone.

    A share that is unmounted leaves an empty folder behind, which looks as if its files had been removed, and takes
    what is written into it without a word.
    """

    def __init__(self, mounts: Iterable[str] = ()) -> None:
        """`mounts` are the places where something was mounted."""
        self._mounts = tuple(mounts)

    @classmethod
    def of(cls, work_folder: Path) -> Places:
        """What `remember` wrote; nothing where it has not."""
        try:
            return cls(json.loads((work_folder / _PLACES).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return cls()

    @classmethod
    def remember(cls, folders: Iterable[str], *, work_folder: Path) -> Places:
        """Write down where `folders` are mounted, the first time; they need not all be there."""
        if not (work_folder / _PLACES).exists():
            mounts = sorted({_mount_of(folder) for folder in folders if folder})
            with written_beside(work_folder / _PLACES) as temporary:
                temporary.write_text(json.dumps(mounts), encoding="utf-8")
        return cls.of(work_folder)

    def check(self) -> None:
        """Raise `ShareLostError` where nothing is mounted any more at one of the places."""
        for mount in self._mounts:
            try:
                Path(mount).stat()  # a mount whose server has gone is still one to `ismount`
                there = os.path.ismount(mount)
            except OSError as error:
                raise lost(path=mount, why=error.strerror or str(error)) from error
            if not there:
                raise lost(path=mount, why="nothing is mounted there")


def _mount_of(folder: str) -> str:
    """The mount that a folder is on, whether or not the folder itself is there yet."""
    place = os.path.realpath(folder)
    while not os.path.ismount(place):
        above = os.path.dirname(place)  # noqa: PTH120
        if above == place:
            break
        place = above
    return place
