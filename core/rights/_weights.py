"""Hashes the files of a model, and notices when one changes afterwards."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from overscan.core.errors import PolicyError

_Signature = tuple[int, int, int, int, int]

_known: dict[tuple[int, ...], str] = {}
"""Hashes of this process, by what tells one state of a file from another. The time of change is the system's own:
nobody sets it back without changing the clock."""
_READERS = min(4, os.cpu_count() or 1)
"""Files that are hashed at once: more would only make a disk seek."""
_SETTLED_NS = 2_000_000_000
"""File systems keep time in steps (2 s at worst): two writes in one step leave the same signature, so that a file
that was changed a moment ago is known by its content only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """The model that an engine will load for a job."""

    name: str
    """Of the rights card that the model goes by. What it is, its hashes say."""
    files: Mapping[str, Path]
    """All files that loading reads and that decide what the model makes, by their names in the model folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFiles:
    """Files as they were when they were hashed."""

    files: Mapping[str, Path]
    hashes: Mapping[str, str]
    """SHA-256 by name."""
    signatures: Mapping[str, _Signature]

    def check(self) -> None:
        """Raise `PolicyError` where a file is no longer what was hashed: gone, replaced or written to since."""
        for name, path in self.files.items():
            if not self._is_same(name, path):
                raise PolicyError(
                    f"the file '{name}' of the model was changed while it was in use.",
                    next_step="Do not use what was made with it; put the model's own files back and retry the job.",
                    path=path,
                )

    def _is_same(self, name: str, path: Path) -> bool:
        signature = self.signatures[name]
        try:
            if _signature(path.stat()) != signature:
                return False
        except OSError:
            return False
        return signature in _known or _hashed(name, path)[0] == self.hashes[name]


def seal(model: ModelFiles) -> SealedFiles:
    """Hash all files of `model`; those that have not changed since this process hashed them are not read again.

    Raises `PolicyError` for a file that is missing or no ordinary file.
    """
    hashes, signatures = {}, {}
    files = sorted(model.files.items())
    with ThreadPoolExecutor(max_workers=_READERS) as readers:  # hashing leaves the interpreter free
        found = readers.map(lambda item: _hashed(item[0], Path(item[1])), files)
        for (name, _), (sha256, signature) in zip(files, found, strict=True):
            hashes[name], signatures[name] = sha256, signature
    return SealedFiles(files=dict(model.files), hashes=hashes, signatures=signatures)


def known_hashes() -> dict[tuple[int, ...], str]:
    """What this process knows of files that it has hashed, for another of the same service; see `know_hashes`."""
    return dict(_known)


def know_hashes(hashes: Mapping[tuple[int, ...], str]) -> None:
    """Know of files what another process of the same service has hashed. For memory only: nothing on a disk may say
    what a file holds, for that could be changed without changing the file."""
    for signature, sha256 in hashes.items():
        device, inode, size, modified, changed = signature
        _known[device, inode, size, modified, changed] = sha256


def files_in(folder: Path, *, endings: Iterable[str] = (".safetensors",)) -> dict[str, Path]:
    """The files of a model folder by name, those with one of `endings`; links out of the folder are followed."""
    wanted = tuple(endings)
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.name.endswith(wanted) and path.is_file()
    }


def _hashed(name: str, path: Path) -> tuple[str, _Signature]:
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise OSError("it is no ordinary file")
            signature = _signature(before)
            found = _known.get(signature)
            if found is None:
                found = _sha256(file)
                if _signature(os.fstat(file.fileno())) != signature:
                    raise OSError("it was written to while it was read")
                if time.time_ns() - before.st_ctime_ns > _SETTLED_NS:
                    _known[signature] = found
            return found, signature
    except OSError as error:
        raise PolicyError(
            f"the file '{name}' of the model cannot be read: {error.strerror or error}.",
            next_step="Check the model's folder.",
            path=path,
        ) from None


def _sha256(file: object) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 22):  # type: ignore[attr-defined]
        digest.update(block)
    return digest.hexdigest()


def _signature(found: os.stat_result) -> _Signature:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
