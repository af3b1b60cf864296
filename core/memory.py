"""How much memory there is: the machine's, within the limit of a container and of this process."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

_UNIFIED = Path("/sys/fs/cgroup")
_OLD = Path("/sys/fs/cgroup/memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes of memory."""

    total: int
    free: int
    """What can be had of it now, caches of files included."""


def memory() -> Memory:
    """The machine's memory, both numbers within the limit of a container and of this process."""
    total, free = _machine()
    for limit, used in (*_container(), *_process()):
        total = min(total, limit)
        free = min(free, max(0, limit - used))
    return Memory(total=total, free=free)


def kills_for_memory() -> int:
    """How many processes the system has ended for want of memory, ever; it only says something beside an earlier one.

    Linux only (0 elsewhere): the control groups of this process count, and where they are not in sight, the machine.
    """
    counts = [_count(Path("/proc/vmstat"))]
    counts += [_count(folder / "memory.events") for folder in _groups(_UNIFIED, "")]
    counts += [_count(folder / "memory.oom_control") for folder in _groups(_OLD, "memory")]
    return sum(counts)


def _count(path: Path) -> int:
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    except (OSError, ValueError):
        pass
    return 0


def _machine() -> tuple[int, int]:
    told = Path("/proc/meminfo")
    if told.is_file():
        facts = {}
        for line in told.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            facts[name] = int(value.split()[0]) * 1024
        return facts["MemTotal"], facts.get("MemAvailable", facts["MemFree"])
    if sys.platform == "win32":
        return _windows_memory()
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return total, total * 3 // 4  # macOS tells what is free to privileged calls only


def _groups(root: Path, controller: str) -> list[Path]:
    """The control group of this process under `root` and all above it, as far as they are in sight."""
    inside = "/"
    try:
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                inside = path
    except (OSError, ValueError):
        pass
    place = root / inside.lstrip("/")
    return [root, *(folder for folder in (place, *place.parents) if root in folder.parents)]


def _container() -> list[tuple[int, int]]:
    """Limit and use of the control groups that this process is in, where they have any."""
    found = []
    pairs = [(folder / "memory.max", folder / "memory.current") for folder in _groups(_UNIFIED, "")]
    pairs += [
        (folder / "memory.limit_in_bytes", folder / "memory.usage_in_bytes") for folder in _groups(_OLD, "memory")
    ]
    for limit, used in pairs:
        try:
            found.append((int(limit.read_text(encoding="ascii")), int(used.read_text(encoding="ascii"))))
        except (OSError, ValueError):  # none, or "max"
            continue
    return found


def _process() -> list[tuple[int, int]]:
    """The limit of this process's own address space and what it has taken of it, where it has one."""
    if sys.platform == "win32":
        return []
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return []
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return [(limit, 0)]
    return [(limit, pages * os.sysconf("SC_PAGE_SIZE"))]


def _windows_memory() -> tuple[int, int]:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "a", "b", "c", "d", "e")),
        )

    status = Status()
    status.length = ctypes.sizeof(Status)
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined,unused-ignore]
    return int(status.total), int(status.free)
