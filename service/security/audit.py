"""The audit log: who changed what, from where, and who was refused. Lines of JSON that are only ever added to.

Each line has the SHA-256 of the one before it and of itself (``chain``), over all files, so that a line that was
changed or taken out is seen. Whoever can write the files could compute all of it anew, and cut the end off: whatever
must hold against them needs the lines copied elsewhere, as the service's own log does under a collector.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from overscan.service._errors import AuditError
from overscan.v1.job_pb2 import JobSpec

_LOG = logging.getLogger("overscan.audit")
_START = "0" * 64
_LINE_BYTES_MAX = 64 << 10
_LAST_BYTES = 2 * _LINE_BYTES_MAX
"""At the end of a file, these have some whole lines in them."""
_TEXT_MAX = 500
_REPEAT_SECONDS = 1.0
_REPEATS_REMEMBERED_MAX = 1000


@dataclass(slots=True, eq=False)
class _Wanted:
    """A line that somebody waits for."""

    entry: dict[str, object]
    written: bool = False
    error: AuditError | None = None


class AuditLog:
    """Writes the log of one home. Safe to use from any thread."""

    def __init__(self, *, path: Path, bytes_max: int) -> None:
        """Raises `AuditError` where the log cannot be written."""
        self._path = path
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._wanted: deque[_Wanted] = deque()
        self._owed: list[dict[str, object]] = []
        """Lines about what was done, which could not be written."""
        self._repeats: dict[tuple[str, ...], tuple[float, int]] = {}
        self._number, self._chain = 0, _START
        self._broken = False
        self._go_on()

    def check(self) -> None:
        """Raise `AuditError` where the last line could not be written, and still none can."""
        if self._broken or self._owed:
            with self._lock:
                self._write([])

    def write(self, *, done: bool = False, **entry: object) -> None:
        """Add a line, and have it on the disk; raises `AuditError` where that fails. Empty values are left out.

        A line about what is `done` already is written later where it cannot be now.
        """
        wanted = _Wanted(entry)
        self._wanted.append(wanted)
        with self._lock:
            if not wanted.written and wanted.error is None:
                self._write_for_all()
        if wanted.error is not None:
            if done:
                self._owed.append({**entry, "happened": _now()})
            raise wanted.error

    def catch_up(self, entries: Sequence[dict[str, object]]) -> None:
        """Add lines about what was done before; where they cannot be written now, they come before the next one."""
        with self._lock:
            self._owed += entries
            try:
                self._write([])
            except AuditError as error:
                _LOG.critical("%s", error)

    def refused(self, *, user: str, peer: str, call: str, outcome: str, **entry: object) -> None:
        """Add a line about a refusal; of many alike within a second, the first and then their number."""
        key = (user, host_of(peer), call if user else "", outcome)  # who is nobody may try each call there is
        now = time.monotonic()
        with self._lock:
            since, unsaid = self._repeats.get(key, (float("-inf"), 0))
            if now - since < _REPEAT_SECONDS:
                self._repeats[key] = (since, unsaid + 1)
                return
            if len(self._repeats) >= _REPEATS_REMEMBERED_MAX:
                self._repeats.clear()
            self._repeats[key] = (now, 0)
            self._write([{"user": user, "from": peer, "call": call, "outcome": outcome, "more": unsaid, **entry}])

    def tail(self, bytes_max: int) -> bytes:
        """The last lines, whole, in about so many bytes at most; raises `AuditError`."""
        data = b""
        try:
            for path in reversed((*put_aside(self._path), self._path)):
                data = _tail(path, bytes_max - len(data)) + data
                if len(data) >= bytes_max:
                    return data[data.find(b"\n") + 1 :]
        except OSError as error:
            raise self._error("read", error) from error
        return data

    def _write_for_all(self) -> None:
        """Write the lines of all who wait by now: the disk takes as long for many as for one."""
        waiting = [self._wanted.popleft() for _ in range(len(self._wanted))]
        error = None
        try:
            self._write([one.entry for one in waiting])
        except Exception as failure:  # whatever it was, none of the lines is there
            error = failure if isinstance(failure, AuditError) else self._error("written", failure)
        for one in waiting:
            one.written, one.error = error is None, error

    def _write(self, entries: Sequence[dict[str, object]]) -> None:
        owed = list(self._owed)  # to which others may add meanwhile
        entries = [*owed, *entries]
        if self._broken:
            entries = [{"event": "resumed", "detail": "for a while the log could not be written"}, *entries]
        number, chain, lines = self._number, self._chain, []
        for entry in entries:
            number += 1
            record: dict[str, object] = {"number": number, "time": _now()}
            record.update((key, _short(value)) for key, value in entry.items() if value not in ("", None, 0))
            chain = _link(chain, record)
            lines.append(json.dumps({**record, "chain": chain}, ensure_ascii=True))
        try:
            if self._path.stat().st_size >= self._bytes_max:
                self._put_aside()
            _append(self._path, "".join(f"{line}\n" for line in lines).encode())
        except OSError as error:
            self._broken = True
            raise self._error("written", error) from error
        del self._owed[: len(owed)]
        self._number, self._chain, self._broken = number, chain, False
        for line in lines:
            _LOG.info("%s", line)

    def _error(self, what: str, error: Exception) -> AuditError:
        return AuditError(
            f"the audit log cannot be {what}: {getattr(error, 'strerror', '') or error}.",
            next_step="Nothing can be changed until it can; free some space on the home's disk.",
            path=self._path,
        )

    def _go_on(self) -> None:
        """Find the end of the chain, and give a line that a power cut tore its end."""
        try:
            file = _open(self._path)
            os.close(file)
            data = _tail(self._path, _LAST_BYTES)
            torn = bool(data) and not data.endswith(b"\n")
            if torn:
                file = _open(self._path)
                os.write(file, b"\n")
                os.close(file)
        except OSError as error:
            raise AuditError(
                f"the audit log cannot be opened: {error.strerror}.",
                next_step="Make it the service's user's, mode 0600.",
                path=self._path,
            ) from error
        for path in reversed((*put_aside(self._path), self._path)):
            for line in reversed(_tail(path, _LAST_BYTES).splitlines()):
                try:
                    record = json.loads(line)
                    self._number, self._chain = int(record["number"]), str(record["chain"])
                except (ValueError, KeyError, TypeError):
                    continue
                if torn:
                    self.write(event="torn", detail="the line before was cut off when the service ended")
                return

    def _put_aside(self) -> None:
        self._path.replace(self._path.with_name(f"{self._path.stem}-{self._number:012d}{self._path.suffix}"))
        os.close(_open(self._path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check of the log found."""

    lines: int
    head: str
    """The last line's chain, to be noted elsewhere: a log that was cut or written anew has another."""
    problems: tuple[str, ...]


def check_audit(path: Path) -> Checked:
    """Follow the chain from the first line to the last, and say where it breaks."""
    number, chain, lines = 0, _START, 0
    problems: list[str] = []
    torn = ""
    for file in (*put_aside(path), path):
        for at, line in enumerate(_lines(file), start=1):
            where = f"{file.name}, line {at}"
            try:
                record = json.loads(line)
                said = str(record.pop("chain"))
                count = int(record["number"])
            except (ValueError, KeyError, TypeError, AttributeError):
                torn = where
                continue
            lines += 1
            if torn and record.get("event") != "torn":
                problems.append(f"{torn}: is no line of the log")
            torn = ""
            if count != number + 1:
                problems.append(f"{where}: has number {count} where {number + 1} should come")
            elif said != _link(chain, record):
                problems.append(f"{where}: was changed, or the line before it")
            number, chain = count, said
    if torn:
        problems.append(f"{torn}: is no line of the log")
    return Checked(lines=lines, head=chain, problems=tuple(problems))


def about(spec: JobSpec) -> str:
    """What a line says of a job: task, engine, model and labels; no path and no prompt."""
    labels = (spec.labels.show, spec.labels.sequence, spec.labels.shot)
    return " ".join(filter(None, (spec.WhichOneof("task") or "", spec.engine, spec.model, *labels)))


def host_of(peer: str) -> str:
    """The host in gRPC's word for where a call comes from, e.g. of ``ipv4:10.0.0.7:40000``."""
    return peer.rpartition(":")[0] if peer.startswith("ipv") else peer


def put_aside(path: Path) -> tuple[Path, ...]:
    """The older files of a log, oldest first."""
    return tuple(sorted(path.parent.glob(f"{path.stem}-{'[0-9]' * 12}{path.suffix}")))


def _lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            while line := file.readline(_LINE_BYTES_MAX):
                yield line


def _tail(path: Path, count: int) -> bytes:
    """The last bytes of a file."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - count, 0))
        return file.read()


def _append(path: Path, data: bytes) -> None:
    """Add to a file and have it on the disk, all of it or nothing."""
    file = _open(path)
    try:
        before = os.fstat(file).st_size
        try:
            if os.write(file, data) != len(data):
                raise OSError("the disk is full")
            os.fsync(file)
        except OSError:  # or the next line would have this one's number
            os.ftruncate(file, before)
            raise
    finally:
        os.close(file)


def _link(before: str, record: dict[str, object]) -> str:
    body = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{before}\n{body}".encode()).hexdigest()


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()


def _short(value: object) -> object:
    return value if isinstance(value, (int, float, bool)) else str(value)[:_TEXT_MAX]
