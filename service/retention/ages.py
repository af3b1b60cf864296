"""What of a home may go, by its age and by the policies: work folders, the oldest of the cache, unfinished files."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from overscan.core.errors import OverscanError
from overscan.core.rights import load_policy, shots, shows
from overscan.core.temporaries import is_temporary

_LOG = logging.getLogger(__name__)
_DAY_SECONDS = 24 * 3600.0
_IN_USE_SECONDS = _DAY_SECONDS
"""What was used so lately may belong to a job that runs. Many file systems note reading only once a day."""
_GONE = ".gone"
_LEFT_SHARE = 0.8
"""How full the cache is afterwards, so that not every new file makes it look for an old one."""


def remove_work_folders(*, jobs: Path, unneeded: Callable[[str], bool]) -> None:
    """Remove the work folders of jobs that are `unneeded`, by their ids: a killed service leaves such behind."""
    with contextlib.suppress(OSError):
        for folder in list(jobs.iterdir()):
            if unneeded(folder.name):
                shutil.rmtree(set_aside(folder), ignore_errors=True)


def set_aside(folder: Path) -> Path:
    """Have the work folder of a job gone at once, for a retry must not find half of it; returns what is to be removed.

    Its name is no job's: where the service is killed now, it is removed another time.
    """
    if folder.name.endswith(_GONE):
        return folder
    gone = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}{_GONE}")
    try:
        return folder.rename(gone)
    except OSError:
        return folder


def kept_days(*, policies: Path, show: str, shot: str, days_max: float | None) -> float | None:
    """For how many days after its end what a job leaves may be kept: `days_max`, or less by its policy; None: any."""
    try:
        days = load_policy(root=policies, show=show, shot=shot).rules.retention_days
    except OverscanError as error:  # what cannot be read removes nothing
        _LOG.warning("the policy of a job cannot be asked how long it may be kept: %s", error)
        return days_max
    return min((limit for limit in (days, days_max) if limit is not None), default=None)


def strictest_days(*, policies: Path, days_max: float | None) -> float | None:
    """For how many days what is of no known job may be kept: by the strictest policy there is, or `days_max`.

    The cache is by content, and does not know whose plate a file came from.
    """
    found = [days_max]
    for show in ("", *shows(root=policies)):
        for shot in ("", *shots(root=policies, show=show)) if show else ("",):
            with contextlib.suppress(OverscanError):
                found.append(load_policy(root=policies, show=show, shot=shot).rules.retention_days)
    return min((days for days in found if days is not None), default=None)


def remove_old_files(paths: Iterable[Path], *, days_max: float) -> None:
    """Remove files that were not written for so many days."""
    oldest = time.time() - days_max * _DAY_SECONDS
    for path in paths:
        with contextlib.suppress(OSError):
            if path.is_file() and path.lstat().st_mtime < oldest:
                path.unlink()


def remove_unfinished_files(folder: Path, *, older_than_seconds: float) -> None:
    """Remove what writers that were killed have left under the names of unfinished files, at any depth."""
    oldest = time.time() - older_than_seconds
    for parent, _, names in os.walk(folder):
        for name in names:
            if is_temporary(name):
                path = Path(parent) / name
                with contextlib.suppress(OSError):
                    if path.lstat().st_mtime <= oldest:
                        path.unlink()


def trim_cache(*, cache: Path, bytes_max: int, days_max: float | None = None) -> None:
    """Remove the files that were not used for longest, until the cache has `bytes_max` at most.

    Files that were not used for more than `days_max` days go in any case. Only folders of the cache are looked into:
    what lies beside them is small, and may be open. Files used within a day stay, whatever the size.
    """
    found: list[tuple[float, int, str]] = []
    for folder, _, names in os.walk(cache):
        for name in names if Path(folder) != cache else ():
            path = os.path.join(folder, name)  # noqa: PTH118 (there may be very many)
            with contextlib.suppress(OSError):
                status = os.stat(path)  # noqa: PTH116
                found.append((max(status.st_atime, status.st_mtime), status.st_size, path))
    size = sum(entry[1] for entry in found)
    if days_max is not None:
        oldest = time.time() - max(days_max * _DAY_SECONDS, _IN_USE_SECONDS)
        for used, length, path in found:
            if used < oldest:
                with contextlib.suppress(OSError):
                    Path(path).unlink()
                    size -= length
        found = [entry for entry in found if entry[0] >= oldest]
    if size <= bytes_max:
        return
    before, latest = size, time.time() - _IN_USE_SECONDS
    for used, length, path in sorted(found):
        if size <= _LEFT_SHARE * bytes_max or used > latest:
            break
        with contextlib.suppress(OSError):
            Path(path).unlink()
            size -= length
    _LOG.info("the cache had %d bytes, it has %d now; its limit is %d", before, size, bytes_max)
