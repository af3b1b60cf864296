"""`overscan doctor`: tries everything a job needs, and says in plain words what is wrong and what to do."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from overscan.cli._exit import ExitCode
from overscan.cli._report import Outcome, Report
from overscan.cli._words import duration, size
from overscan.client import (
    PROTOCOL,
    ServiceError,
    announced_endpoint,
    connect,
    describe,
    given_endpoint,
    home_folder,
    refusal,
)

_OLDEST_PYTHON = (3, 10)
_LEAST_FREE_BYTES = 2_000_000_000
_LEAST_MEMORY_BYTES = 4_000_000_000
_PROBE_SECONDS = 60.0

_MODULES = {
    "numpy": "numpy",
    "OpenImageIO": "OpenImageIO",
    "PyOpenColorIO": "opencolorio",
    "cv2": "opencv-python-headless",
    "numba": "numba",
    "grpc": "grpcio",
    "google.protobuf": "protobuf",
    "fileseq": "Fileseq",
    "sqlalchemy": "SQLAlchemy",
    "pydantic_settings": "pydantic-settings",
    "av": "av",
}
"""What jobs need, and the packages that bring it."""


class Verdict(str, Enum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check found."""

    name: str
    verdict: Verdict
    message: str
    next_step: str = ""
    """What to do; empty where nothing."""


def examine(*, report: Report) -> Outcome:
    """Whether jobs can run here."""
    return examined(_checks(), what="Overscan can work here", report=report)


def examine_nuke(*, report: Report) -> Outcome:
    """Whether the plugin for Nuke can work here."""
    from overscan.cli import _doctor_nuke

    return examined(_doctor_nuke.checks(), what="Overscan can work in Nuke here", report=report)


def examine_resolve(*, report: Report) -> Outcome:
    """Whether the plugin for DaVinci Resolve can work here."""
    from overscan.cli import _doctor_resolve

    return examined(_doctor_resolve.checks(), what="Overscan can work in DaVinci Resolve here", report=report)


def examined(checks: Iterator[Check], *, what: str, report: Report) -> Outcome:
    """Run all checks, and say `what` is true where none failed; the exit code is 1 where one did."""
    counts = dict.fromkeys(Verdict, 0)
    for check in checks:
        counts[check.verdict] += 1
        report.record(
            "check",
            {
                "name": check.name,
                "verdict": check.verdict.value,
                "message": check.message,
                "next_step": check.next_step,
            },
        )
        report.say(f"{check.verdict.value:>4}  {check.name}: {check.message}")
        if check.next_step:
            report.say(f"      -> {check.next_step}")
    failed, warned = counts[Verdict.FAIL], counts[Verdict.WARN]
    if failed:
        report.say(f"\n{failed} of {sum(counts.values())} checks failed; start with the first.")
    else:
        report.say(f"\n{what}." if not warned else f"\n{what}; see the warnings.")
    return Outcome(
        exit_code=ExitCode.INTERNAL if failed else ExitCode.OK,
        facts={verdict.value: count for verdict, count in counts.items()},
    )


def _checks() -> Iterator[Check]:
    home = home_folder()
    yield _python()
    for module, package in _MODULES.items():
        yield _module(module, package)
    yield _probe("OpenEXR files", "exr", "", "Reinstall OpenImageIO: pip install --force-reinstall OpenImageIO.")
    yield _probe("compiled kernels", "numba", "", "Reinstall numba: pip install --force-reinstall numba llvmlite.")
    yield _colour()
    yield _home(home)
    yield _room(home)
    yield _machine()
    yield _stale_announcement(home)
    yield from _service(home)


def _python() -> Check:
    found = f"Python {platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] >= _OLDEST_PYTHON:
        return Check(name="Python", verdict=Verdict.OK, message=found)
    wanted = ".".join(map(str, _OLDEST_PYTHON))
    return Check(
        name="Python", verdict=Verdict.FAIL, message=f"{found} is too old.", next_step=f"Use {wanted} or later."
    )


def _module(module: str, package: str) -> Check:
    try:
        installed = version(package)
    except PackageNotFoundError:
        installed = ""
    fault = _run_probe("module", module)[1]
    if not fault:
        return Check(name=package, verdict=Verdict.OK, message=f"{installed or 'version unknown'} loads")
    what = f"{installed} is installed but does not load: {fault}" if installed else f"it is not installed ({fault})"
    again = f"{sys.executable} -m pip install --force-reinstall '{package}'"
    return Check(name=package, verdict=Verdict.FAIL, message=what, next_step=f"Run: {again}")


def _probe(name: str, probe: str, argument: str, next_step: str) -> Check:
    said, fault = _run_probe(probe, argument)
    if fault:
        return Check(name=name, verdict=Verdict.FAIL, message=fault, next_step=next_step)
    return Check(name=name, verdict=Verdict.OK, message=said)


def _run_probe(probe: str, argument: str) -> tuple[str, str]:
    """What the probe said, and what went wrong; one of them is empty."""
    return _run([sys.executable, "-m", "overscan.cli._probes", probe, argument])


def _run(command: list[str]) -> tuple[str, str]:
    # In a process of its own: a library that crashes or hangs must not take the doctor with it.
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_SECONDS,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"it did not end within {_PROBE_SECONDS:g} seconds"
    if done.returncode == 0:
        return done.stdout.strip(), ""
    if done.returncode < 0:
        return "", f"it crashed (signal {-done.returncode})"
    lines = done.stderr.strip().splitlines()
    return "", lines[-1] if lines else f"it ended with exit code {done.returncode}"


def _colour() -> Check:
    config = os.environ.get("OCIO", "")
    named = f"$OCIO, {config}" if config else "$OCIO is not set; the built-in ACES studio configuration"
    said, fault = _run([sys.executable, "-m", "overscan.core.colour"])
    if fault:
        return Check(
            name="colour configuration",
            verdict=Verdict.FAIL,
            message=f"{named}: {fault}",
            next_step="Point OCIO to a valid configuration, or unset it.",
        )
    return Check(name="colour configuration", verdict=Verdict.OK, message=f"{named}: {len(said.splitlines())} spaces")


def _home(home: Path) -> Check:
    name = "home folder"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=home) as stream:
            stream.write(b"overscan")
    except OSError as error:
        return Check(
            name=name,
            verdict=Verdict.FAIL,
            message=f"{home} cannot be written: {error.strerror or error}.",
            next_step="Make it writable, or set OVERSCAN_HOME to a folder that is.",
        )
    return Check(name=name, verdict=Verdict.OK, message=f"{home} can be written")


def _room(home: Path) -> Check:
    there = next((folder for folder in (home, *home.parents) if folder.exists()), Path(home.anchor))
    free = shutil.disk_usage(there).free
    if free < _LEAST_FREE_BYTES:
        return Check(
            name="room for work files",
            verdict=Verdict.WARN,
            message=f"only {size(free)} free at {there}.",
            next_step="Make room, or set OVERSCAN_HOME to a larger disk.",
        )
    return Check(name="room for work files", verdict=Verdict.OK, message=f"{size(free)} free at {there}")


def _machine() -> Check:
    cores = os.cpu_count() or 1
    memory = _memory_bytes()
    found = f"{cores} cores, {size(memory)} of memory" if memory else f"{cores} cores"
    if memory and memory < _LEAST_MEMORY_BYTES:
        return Check(
            name="machine",
            verdict=Verdict.WARN,
            message=f"{found}: little for frames larger than 2K.",
            next_step="Close other programs, or use a machine with more memory.",
        )
    return Check(name="machine", verdict=Verdict.OK, message=found)


def _memory_bytes() -> int:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return 0
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def _stale_announcement(home: Path) -> Check:
    name = "service.json"
    path = home / "service.json"
    endpoint = announced_endpoint(home=home)
    if endpoint is None:
        if not path.exists():
            return Check(name=name, verdict=Verdict.OK, message="no service has announced itself")
        return Check(
            name=name,
            verdict=Verdict.WARN,
            message=f"{path} cannot be understood.",
            next_step="Remove it; the next service writes it again.",
        )
    reason = refusal(endpoint)
    if reason:
        return Check(
            name=name,
            verdict=Verdict.WARN,
            message=f"{path} is left over from a service that has gone (process {endpoint.pid}): {reason}.",
            next_step="Nothing: the next command starts a new service. It goes on with the jobs that were cut off.",
        )
    return Check(name=name, verdict=Verdict.OK, message=f"names {endpoint.address}, process {endpoint.pid}")


def _service(home: Path) -> Iterator[Check]:
    running = given_endpoint() or announced_endpoint(home=home)
    was_running = running is not None and not refusal(running)
    began = time.monotonic()
    try:
        with connect() as client:
            endpoint = client.open()
            engines = client.engines()
            ready = client.admin.ready()
    except ServiceError as error:
        yield Check(
            name="service",
            verdict=Verdict.FAIL,
            message=describe(error.problems[0]),
            next_step="Mend what failed above; this often follows from it.",
        )
        yield _probe("engines", "engines", "", "Reinstall Overscan, or remove the engine that does not load.")
        return
    took = duration(time.monotonic() - began)
    yield Check(
        name="service",
        verdict=Verdict.OK,
        message=f"answers at {endpoint.address}" if was_running else f"a private one starts and answers in {took}",
    )
    yield _readiness(ready)
    yield _version(endpoint.version, endpoint.protocol)
    missing: dict[str, list[str]] = {}
    for engine in engines:
        if engine.available:
            yield Check(name=f"engine {engine.name}", verdict=Verdict.OK, message=f"{engine.version}: {engine.title}")
        else:
            missing.setdefault(engine.unavailable_reason, []).append(engine.name)
    for reason, names in missing.items():
        yield Check(
            name=f"engine {', '.join(names)}",
            verdict=Verdict.WARN,
            message=f"cannot run here: {reason}",
            next_step="Other engines are not affected.",
        )
    if not any(engine.available for engine in engines):
        yield Check(
            name="engines", verdict=Verdict.FAIL, message="none can run here.", next_step="Install Overscan again."
        )


def _readiness(ready: dict[str, bool]) -> Check:
    lacking = [name.removeprefix("overscan.v1.") for name, good in ready.items() if not good]
    if not lacking:
        return Check(name="readiness", verdict=Verdict.OK, message=f"{', '.join(ready)} serve")
    return Check(
        name="readiness",
        verdict=Verdict.WARN,
        message=f"{', '.join(lacking)} cannot work now: a full or read-only disk, no worker that starts, or a drain.",
        next_step="The service's log has a line that begins with 'not ready'; `overscan status` shows a drain.",
    )


def _version(running: str, protocol: int) -> Check:
    ours = _our_version()
    if running and running != ours:
        return Check(
            name="version of the service",
            verdict=Verdict.WARN,
            message=f"it is {running}, this command is {ours}.",
            next_step="Stop the running service when its jobs are done; the next command starts one that fits.",
        )
    return Check(name="version of the service", verdict=Verdict.OK, message=f"{ours}, protocol {protocol or PROTOCOL}")


def _our_version() -> str:
    try:
        return version("overscan")
    except PackageNotFoundError:
        return "unknown"
