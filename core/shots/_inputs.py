"""Notices when a file that a job reads is changed while the job runs: a result is made from one state of its inputs."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from overscan.core.errors import InputChangedError, MissingFramesError, OverscanError
from overscan.core.frame_names import FrameNames
from overscan.core.jobs import Job
from overscan.core.plates import HashMemo, Sequence, sha256_of
from overscan.core.storage import Places, storage_error

INPUTS = "inputs.sqlite"
"""In the work folder: what every input was when the job first looked at it, and what it held when it was read."""
_HASHES = "sha256.sqlite"
"""In the cache: the hashes that receipts use too, so that none is taken twice."""
_BUSY_SECONDS_MAX = 30
_YOUNG_NS = 2_000_000_000
"""File systems keep time in steps (2 s at worst): a file that was younger when it was seen may have been written to
again without a trace."""
_CHECKERS = 8

_State = tuple[int, int, int, str]
"""Size, time of modification and of change in ns, inode."""


class InputWatch:
    """Looks at the inputs of one job whenever they are read, in any process that works on the job.

    The first look at a file is written down. From then on its size and its time of modification must stay, unless its
    content is found to be the same; a file whose time of change or inode alone is another (a backup, a share that was
    mounted anew) is compared by its content where that is known.
    """

    def __init__(self, *, job: Job, work_folder: Path, cache_folder: Path) -> None:
        """Both folders must be there. Raises the errors of storage where nothing can be written down."""
        self._job = job
        self._patterns = [FrameNames.parse(source.path) for source in job.sources()]
        self._literal = {source.path for source in job.sources()}
        self._output = FrameNames.parse(job.output.path)
        self._memo = HashMemo(database=cache_folder / _HASHES, digest=sha256_of)
        self._lock = threading.Lock()
        self._seen: dict[str, _State] = {}
        self._read: set[str] = set()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="inputs")
        self._pending: list[Future[None]] = []
        self._database = sqlite3.connect(
            work_folder / INPUTS, timeout=_BUSY_SECONDS_MAX, check_same_thread=False, isolation_level=None
        )
        self._folder, self._inode = work_folder, (work_folder / INPUTS).stat().st_ino
        # What a power cut takes away is looked at again by the next step.
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,"
            " inode TEXT, seen_ns INTEGER, sha256 TEXT) WITHOUT ROWID"
        )

    def begin(self) -> None:
        """Write down what all inputs are, the first time: an engine may read them by means of its own."""
        if self._all("SELECT * FROM files LIMIT 1"):
            return
        rows = []
        for source in self._job.sources():
            with contextlib.suppress(MissingFramesError, OSError):  # the engine says what is missing
                found = Sequence.find(pattern=source.path, frames=source.frames)
                paths = [found.path(frame) for frame in found.frames]
                rows += [(str(path), *_state(path), time.time_ns()) for path in paths]
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?, ?, ?, NULL)", rows)
            self._database.execute("COMMIT")

    @contextlib.contextmanager
    def reading(self, path: Path, *, pixels: bool) -> Iterator[None]:
        """See `ReadWatch`. Raises `InputChangedError`, naming file and frame."""
        if not self._is_input(path):
            yield
            return
        try:
            before = _state(path)
        except OSError:  # reading says why
            yield
            return
        self._compare(path, before)
        try:
            yield
        except OverscanError as error:
            if self._differs(path, before):
                raise self._changed(path, "it was written to while it was read") from error
            raise
        if self._differs(path, before):
            raise self._changed(path, "it was written to while it was read")
        if pixels:
            self._keep_hash(path)

    def check(self, *, tick: Callable[[], None] = lambda: None) -> None:
        """Look at every file that the job has read so far; raises `InputChangedError`, or what reading raises.

        `tick` is called between files, and may raise to stop.
        """
        rows = self._all(
            "SELECT path, size, mtime_ns, ctime_ns, inode, seen_ns, sha256 FROM files ORDER BY path",
        )
        with ThreadPoolExecutor(_CHECKERS) as pool:  # a share takes its time for each
            for row, now in zip(rows, pool.map(lambda row: _state_or_none(Path(row[0])), rows), strict=True):
                tick()
                path = Path(row[0])
                if now is None:
                    raise self._changed(path, "it is gone")
                self._seen[row[0]] = (row[1], row[2], row[3], row[4])
                self._compare(path, now)
                if row[6] and row[5] - max(row[2], row[3]) < _YOUNG_NS and sha256_of(path) != row[6]:
                    raise self._changed(path, "its content is another")

    def finish(self) -> None:
        """Wait until the content of what was read is known."""
        for future in self._pending:
            future.result()
        self._pending = []

    @property
    def is_there(self) -> bool:
        """Whether what it has written down is still there: a job that is begun anew begins anew here, too."""
        try:
            return (self._folder / INPUTS).stat().st_ino == self._inode
        except OSError:
            return False

    def _is_input(self, path: Path) -> bool:
        if str(path) not in self._literal and not any(_fits(path, names) for names in self._patterns):
            return False
        # New frames may go beside the plate's, under its name: what was not there at first is no input.
        return not _fits(path, self._output) or self._is_known(str(path))

    def _is_known(self, name: str) -> bool:
        return name in self._seen or self._one("SELECT path FROM files WHERE path = ?", name) is not None

    def _compare(self, path: Path, now: _State) -> None:
        """Compare a file with what it was."""
        name = str(path)
        first = self._seen.get(name)
        if first is None:
            first = self._first(name, now)
        if first == now:
            return
        first = self._first(name, now)  # another worker may have found that it holds the same
        if first == now:
            return
        known = self._one("SELECT sha256 FROM files WHERE path = ?", name)
        same_time = first[:2] == now[:2]
        if known is None and not same_time:
            raise self._changed(path, "size or time of modification are others")
        if known is not None and (sha256_of(path) != known or self._differs(path, now)):
            raise self._changed(path, "its content is another")
        self._write(
            "UPDATE files SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, seen_ns = ? WHERE path = ?",
            (*now, time.time_ns(), name),
        )
        self._seen[name] = now

    def _first(self, name: str, now: _State) -> _State:
        """What a file was when the job first looked at it: now, where it has not yet."""
        values = (name, *now, time.time_ns())
        self._write("INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?, ?, ?, NULL)", values)
        with self._lock:
            row = self._database.execute(
                "SELECT size, mtime_ns, ctime_ns, inode FROM files WHERE path = ?", (name,)
            ).fetchone()
        found: _State = tuple(row)
        self._seen[name] = found
        return found

    def _keep_hash(self, path: Path) -> None:
        """Find out beside the work what a file holds that was just read, and is still in the system's cache."""
        name = str(path)
        with self._lock:
            if name in self._read:
                return
            self._read.add(name)
        self._pending = [future for future in self._pending if not future.done()]
        self._pending.append(self._pool.submit(self._hash, path))

    def _hash(self, path: Path) -> None:
        name = str(path)
        with contextlib.suppress(OSError, OverscanError, sqlite3.Error):  # the next look says what is wrong
            if self._one("SELECT sha256 FROM files WHERE path = ?", name) is not None:
                return
            digest = self._memo.hash(path)
            if _state(path) == self._seen.get(name):
                self._write("UPDATE files SET sha256 = ? WHERE path = ? AND sha256 IS NULL", (digest, name))

    def _differs(self, path: Path, before: _State) -> bool:
        now = _state_or_none(path)
        return now is None or now[:2] != before[:2]

    def _changed(self, path: Path, why: str) -> InputChangedError:
        """The error that says it; raises `ShareLostError` where the share is gone, and the file with it."""
        Places.of(self._folder).check()
        frame = next(
            (
                number
                for names in self._patterns
                if path.parent == names.folder and (number := names.number(path.name)) is not None
            ),
            None,
        )
        about = "" if frame is None else f"frame {frame}, "
        return InputChangedError(
            f"{about}'{path.name}' was changed while the job ran: {why}.",
            next_step="Do not use what the job has made so far. Wait until nobody writes the plate, its mattes and its "
            "other inputs; then retry the job, which begins anew with what is there.",
            path=path,
            frame=frame,
        )

    def _one(self, query: str, *values: object) -> str | None:
        with self._lock:
            row = self._database.execute(query, values).fetchone()
        return None if row is None else row[0]

    def _all(self, query: str) -> list[tuple[str, int, int, int, str, int, str | None]]:
        with self._lock:
            return self._database.execute(query).fetchall()

    def _write(self, query: str, values: Iterable[object]) -> None:
        with self._lock:
            self._database.execute(query, tuple(values))


def _fits(path: Path, names: FrameNames) -> bool:
    """Whether a file is one of those that a pattern stands for."""
    if path.parent != names.folder:
        return False
    return path.name == names.before if names.padding is None else names.number(path.name) is not None


def _state(path: Path) -> _State:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, str(found.st_ino)


def _state_or_none(path: Path) -> _State | None:
    """What a file is; None where it is gone. Raises `ShareLostError` where its storage is."""
    try:
        return _state(path)
    except OSError as error:
        found = storage_error(error)
        if found is not None:
            raise found from error
        return None
