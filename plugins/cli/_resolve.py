"""`overscan resolve …`: drives a running Resolve Studio, from a process that has nothing of Overscan's libraries.

Resolve's scripting library and ours do not get on in one process (both bring a protobuf), and loading it in the wrong
Python ends the process. So it is tried first, and the work is done, in processes that run plain standard library.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import overscan_host
import overscan_resolve
from overscan.client import ServiceError, make_problem

PYTHON = "OVERSCAN_RESOLVE_PYTHON"
"""Environment variable: another Python (3.7 or later) to load Resolve's library with."""

_PROBE_SECONDS = 60.0
_STOP_SECONDS = 120.0
_CRASHES = {
    "SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "0xC0000005", "0xC0000409", "0xC0000374",
    "0xC06D007E",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The Resolve that answered."""

    product: str
    version: str


def probe_resolve(*, timeout_seconds: float = _PROBE_SECONDS) -> Found:
    """Whether a Resolve answers, found out in a process of its own.

    Raises `ServiceError`: ``UNSUPPORTED`` where its library is not there or crashes, ``SERVICE_UNREACHABLE`` where no
    Resolve answers, with what is known about why.
    """
    with _prepared() as (python, environment):
        command = [python, "-m", "overscan_resolve._probe"]
        done = _probed(command, environment, timeout_seconds)
    said = _last_json(done.stdout)
    if "product" in said:
        return Found(product=str(said["product"]), version=str(said.get("version", "")))
    if "code" in said:
        raise _problem(str(said["code"]), str(said["message"]), str(said["next_step"]), path=str(said.get("path", "")))
    raise _crash(_ending(done.returncode), done.stderr)


def _probed(
    command: Sequence[str], environment: Mapping[str, str], timeout_seconds: float
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=timeout_seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise _problem(
            "SERVICE_UNREACHABLE",
            f"Resolve did not answer within {timeout_seconds:g} s.",
            "It may be starting, or wait for an answer in a window: look at it, and try again.",
        ) from None
    except OSError as error:
        raise _problem(
            "UNSUPPORTED", f"The Python {command[0]} cannot be started: {error}.", f"Correct {PYTHON}."
        ) from error


def run_in_resolve(arguments: Sequence[str]) -> int:
    """Probe, then run ``python -m overscan_resolve`` with these arguments; returns its exit code.

    Raises `ServiceError`. Ctrl-C and SIGTERM end it as they would end this process, and it may first cancel its jobs.
    """
    if not {"--help", "-h"} & set(arguments):
        probe_resolve()
    with _prepared() as (python, environment):
        return _waited(subprocess.Popen([python, "-m", "overscan_resolve", *arguments], env=environment))


def _waited(child: subprocess.Popen[bytes]) -> int:
    def hand_on(*_: object) -> None:
        child.terminate()

    # Ctrl-C at a terminal reaches the child by itself; a SIGTERM has to be handed on.
    before = [(signal.SIGINT, signal.signal(signal.SIGINT, _ignore))]
    before.append((signal.SIGTERM, signal.signal(signal.SIGTERM, hand_on)))
    try:
        return child.wait()
    finally:
        for name, handler in before:
            signal.signal(name, handler)
        if child.poll() is None:
            child.terminate()
            child.wait(_STOP_SECONDS)


def _ignore(*_: object) -> None:
    """A handler rather than SIG_IGN, which the child would have inherited."""


@contextlib.contextmanager
def _prepared() -> Iterator[tuple[str, dict[str, str]]]:
    """The Python to load Resolve's library with, and its environment.

    Another Python than ours gets the two packages that it needs, and nothing else of ours.
    """
    other = os.environ.get(PYTHON, "")
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}  # the current folder may hold anything
    environment.setdefault("OVERSCAN_COMMAND", json.dumps([sys.executable, "-m", "overscan.cli", "bridge"]))
    # On Windows Resolve's library looks for a Python of its own choice unless it is told.
    environment.setdefault("FUSION_PYTHON3_HOME", _home_of(other) if other else sys.base_prefix)
    if not other:
        yield sys.executable, environment
        return
    with tempfile.TemporaryDirectory(prefix="overscan-resolve-") as folder:
        for package in (overscan_host, overscan_resolve):
            source = Path(str(package.__file__)).parent
            shutil.copytree(source, Path(folder) / source.name, ignore=shutil.ignore_patterns("__pycache__"))
            if source.name != package.__name__:  # a folder of the sources
                (Path(folder) / source.name).rename(Path(folder) / package.__name__)
        environment.pop("PYTHONHOME", None)
        environment["PYTHONPATH"] = folder
        yield other, environment


def _home_of(python: str) -> str:
    folder = Path(python).resolve().parent
    return str(folder if sys.platform == "win32" else folder.parent)


def _last_json(text: str) -> Mapping[str, object]:
    """The library itself may print before us."""
    for line in reversed(text.splitlines()):
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict):
                return said
    return {}


def _ending(code: int) -> str:
    """``SIGSEGV`` for -11, ``0xC0000005`` for what Windows has, else ``exit code 3``."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    if code > 0xFF:
        return f"0x{code & 0xFFFFFFFF:08X}"
    return f"exit code {code}"


def _crash(ending: str, log: str) -> ServiceError:
    version = ".".join(map(str, sys.version_info[:3]))
    python = os.environ.get(PYTHON) or f"Python {version} ({sys.executable})"
    words = f"Loading Resolve's scripting library ended the process ({ending})"
    last = (log.strip().splitlines() or [""])[-1]
    if ending not in _CRASHES:
        return _problem("UNSUPPORTED", f"{words}: {last or 'it said nothing'}.", "`overscan doctor` looks closer.")
    return _problem(
        "UNSUPPORTED",
        f"{words}, with {python}.",
        "The known causes: (1) the library picked another Python that is installed, above all on Windows: set "
        "FUSION_PYTHON3_HOME to the folder of one. (2) Resolve is older than this Python: name a Python that it knows "
        f"in {PYTHON}; 18 and 19 go up to 3.11, 20 to 3.12 or 3.13. (3) Python and Resolve are built for "
        "different processors, such as an Intel Python on Apple silicon. (4) RESOLVE_SCRIPT_LIB names the library of "
        "another Resolve than the one that runs.",
    )


def _problem(code: str, message: str, next_step: str, *, path: str = "") -> ServiceError:
    return ServiceError([make_problem(code=code, message=message, next_step=next_step, path=path)])
