"""What a worker may read, write and allocate: set by the service, and taken on by the worker before all else."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overscan.service.security.roots import Roots
from overscan.service.workers.kernels import kernels_folder
from overscan.service.workers.landlock import landlock_version, restrict

if TYPE_CHECKING:
    from overscan.service._settings import Settings

_LOG = logging.getLogger(__name__)
_BOUNDS = "OVERSCAN_BOUNDS"
_SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc", "/opt"),
    *("/proc", "/sys", "/run/nvidia-persistenced"),
)
"""Where programs, libraries and drivers are."""
_PACKAGES = ("overscan.core", "overscan.service", "overscan.v1")
_ours = Roots()
"""What this process may read and write."""


def bounds_environment(
    settings: Settings, *, plans: bool, verifies: bool, also_reads: Path | None = None
) -> dict[str, str]:
    """The variables that tell a worker its bounds.

    One that `plans` or `verifies` has less memory, and writes no results. One that verifies reads plates that are named
    by any header, and so none of what the service keeps of its users but what it `also_reads`.
    """
    bounds: dict[str, Any] = {}
    variables = {"OVERSCAN_PIXELS_MAX": str(settings.pixels_max)}
    if plans or verifies:
        # Those that plan share half of the machine's memory, and one that verifies has a third of it.
        bounds["memory"] = settings.inspector_memory_max or _share_of_memory(2 * settings.planners if plans else 3)
    if settings.roots_read or settings.roots_write:
        home, cache = settings.home, settings.cache
        writable = [cache, kernels_folder(cache), settings.run]  # homes may share kernels by a link
        if not plans:
            writable += [settings.receipts, home / "keys", settings.logs]
        if not (plans or verifies):
            writable += [settings.jobs, settings.results]
        temporary = settings.run / "tmp"
        for folder in (*writable, temporary):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (plans or verifies):
            writable += settings.roots_write
        files = (settings.policies, settings.signing_certificate, settings.signing_key, settings.trust_anchors)
        both = [str(root) for root in (*settings.roots_read, *settings.roots_write)]
        bounds |= {
            "roots_read": both,
            "roots_write": [str(folder) for folder in writable],
            "results": [str(root) for root in settings.roots_write],
            "private": [str(folder) for folder in (settings.uploads, settings.results, settings.jobs)],
            "mine": [str(also_reads)] if also_reads is not None else [],
            "also_read": [
                str(path)
                for path in (home / "models" if verifies else home, *filter(None, (*files, also_reads)), *_ocio())
            ],
        }
        variables |= {"TMPDIR": str(temporary), "TRITON_CACHE_DIR": str(cache / "triton")}
    variables[_BOUNDS] = json.dumps(bounds)
    return variables


def enter_bounds() -> None:
    """Take the bounds on, for good. Call it first of all in a worker: threads that are there already are not held."""
    bounds = json.loads(os.environ.get(_BOUNDS) or "{}")
    if bounds.get("memory"):
        _limit_memory(int(bounds["memory"]))
    if "roots_read" in bounds:
        _enter_roots(bounds)


@cache
def given_roots() -> Roots:
    """The roots that the service was given, for the paths of requests. Asks no disk where the roots themselves lie."""
    bounds = json.loads(os.environ.get(_BOUNDS) or "{}")
    read, write = (
        [Path(root) for root in bounds.get("roots_read", ())],
        [Path(root) for root in bounds.get("results", ())],
    )
    return Roots(read=read, write=write, shown=read, private=bounds.get("private", ()))


def let_use(folders: Iterable[str]) -> None:
    """Of what the service keeps of its users, let these folders be used from now on and no others."""
    _ours.let_use(folders)


def _enter_roots(bounds: dict[str, list[str]]) -> None:
    global _ours
    if landlock_version():
        own = f"/proc/{os.getpid()}"
        restrict(
            read=(*_SYSTEM, *_python(), *bounds["roots_read"], *bounds["also_read"]),
            write=(*bounds["roots_write"], "/dev", own),
        )
    elif sys.platform == "linux":
        _LOG.warning("this system has no Landlock: paths are checked before files are opened, and not by the kernel")
    from overscan.core.access import set_rules

    _ours = Roots(
        read=map(Path, (*bounds["roots_read"], *bounds["also_read"], *_python())),
        write=map(Path, bounds["roots_write"]),
        shown=map(Path, bounds["roots_read"]),
        private=bounds["private"],
    )
    _ours.let_use(bounds["mine"])
    set_rules(read=_ours.check_read, write=_ours.check_write)


def _limit_memory(most: int) -> None:
    """Let this process have so many bytes: a file that asks for more ends it, and not the machine's other work."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        # RLIMIT_AS would count what CUDA reserves and never uses.
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))


def _share_of_memory(parts: int) -> int:
    """Bytes of one of so many parts of the machine's memory, 2 GiB at least; 0 where that is not known."""
    try:
        return max(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // parts, 2 << 30)
    except (AttributeError, ValueError, OSError):
        return 0


def _ocio() -> Iterator[Path]:
    """The folder of ``$OCIO``, where its look-up tables are."""
    named = os.environ.get("OCIO", "")
    if named and "://" not in named:
        yield Path(named).resolve().parent


def _python() -> list[str]:
    """Where this Python and its packages are."""
    found = [sys.prefix, sys.base_prefix, sys.exec_prefix, *filter(os.path.isabs, sys.path)]
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        found += spec.submodule_search_locations or () if spec is not None else ()
    return sorted({os.path.realpath(path) for path in found})
