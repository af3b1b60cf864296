"""Keeps an engine's code in a worker off the network, and to the model files that were judged.

Python tells an audit hook of every file it opens and every connection it makes. What compiled code does by itself it
does not tell: this catches libraries that phone home and engines that load what they did not name, not malice.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from overscan.core.errors import PolicyError

_WEIGHTS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".onnx", ".gguf", ".h5", ".tflite", ".engine")
_PARTS = (".json", ".jinja", ".model", ".py")
"""What else of a model's folder decides what it makes, or would run."""
_CALLS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


class _Watch:
    """What this process may do now. Python's hooks stay for the life of the process, so there is one."""

    def __init__(self) -> None:
        self.on = False
        self.files: frozenset[str] = frozenset()
        self.folders: tuple[str, ...] = ()
        self.refused: list[PolicyError] = []
        self._hooked = False

    def start(self, files: frozenset[str], folders: tuple[str, ...]) -> None:
        if not self._hooked:
            sys.addaudithook(self._heard)
            self._hooked = True
        self.files, self.folders, self.refused, self.on = files, folders, [], True

    def _heard(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            self._opened(arguments[0])
        elif event in _CALLS:
            self._called(arguments[1])
        elif event == "socket.getaddrinfo":
            self._called((arguments[0],))

    def _opened(self, path: object) -> None:
        if isinstance(path, (str, bytes, os.PathLike)):
            name = os.fsdecode(path)
            if name.lower().endswith(_WEIGHTS) and os.path.realpath(name) not in self.files:
                self._refuse(
                    f"the engine opened the weights '{name}', which it had not named and no policy has judged.",
                    "Use an engine that names what it loads; this one is at fault.",
                )
            elif self.folders and name.lower().endswith(_PARTS) and self._is_unjudged_part(name):
                self._refuse(
                    f"the engine opened '{name}' in the model's folder, which no policy has judged.",
                    "Add the model to the library again (`overscan models`), where nobody writes to its folder.",
                )

    def _is_unjudged_part(self, name: str) -> bool:
        """Whether a file is there, in the model's folder, and not one of those that were judged."""
        real = os.path.realpath(name)
        return real not in self.files and real.startswith(self.folders) and Path(real).exists()

    def _called(self, address: object) -> None:
        host = address[0] if isinstance(address, tuple) and address else None  # a Unix socket's is a text
        if isinstance(host, bytes):
            host = host.decode(errors="replace")
        if isinstance(host, str) and not _is_here(host):
            self._refuse(
                f"the engine called '{host}', and no policy lets an engine use the network.",
                "Use an engine that works offline; get what it needs beforehand.",
            )

    def _refuse(self, message: str, next_step: str) -> None:
        error = PolicyError(message, next_step=next_step, field="engine")
        self.refused.append(error)
        raise error


_watch = _Watch()


@contextmanager
def confined(files: Mapping[str, Path]) -> Iterator[None]:
    """Run an engine's code inside, with the model `files` that were judged and without the network.

    Raises `PolicyError` at what it may not do, and again at the end where the engine caught that and went on.
    """
    _watch.start(frozenset(os.path.realpath(path) for path in files.values()), _folders(files))
    try:
        yield
    except Exception as error:  # whatever the engine made of the refusal, the refusal is what went wrong
        if _watch.refused and error is not _watch.refused[0]:
            raise _watch.refused[0] from error
        raise
    finally:
        _watch.on = False
    if _watch.refused:
        raise _watch.refused[0]


def _folders(files: Mapping[str, Path]) -> tuple[str, ...]:
    """The folders that a model's `files` lie in by their names, each with a separator at its end."""
    found = set()
    for name, path in files.items():
        place = Path(path).as_posix()
        if place.endswith(f"/{name}"):
            found.add(os.path.realpath(place[: -len(name)]) + os.sep)
    return tuple(sorted(found))


def _is_here(host: str) -> bool:
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
