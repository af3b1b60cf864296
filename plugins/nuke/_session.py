"""What one Nuke has once: the queue to its main thread, the bridge, and the work that is under way."""

from __future__ import annotations

import logging
import tempfile
import threading
from pathlib import Path
from typing import Any, Callable

import nuke
from overscan_host import Bridge, CallbackQueue, installation
from overscan_nuke import _knobs
from overscan_nuke._preferences import load_preferences, user_name
from overscan_nuke._steps import Steps, Task

_LOG = logging.getLogger("overscan")


class _Session:
    def __init__(self) -> None:
        self.woken = threading.Event()
        """In terminal mode: something waits in the queue."""
        self.queue = CallbackQueue(self._wake)
        self.bridge: Bridge | None = None
        self.tasks: list[tuple[Any, Task]] = []

    def _wake(self) -> None:
        if nuke.GUI:
            nuke.executeInMainThread(self.queue.drain)
        else:
            self.woken.set()


_current: list[_Session] = []


def session() -> _Session:
    """The one of this process, made when it is first needed."""
    if not _current:
        _current.append(_Session())
    return _current[0]


def queue() -> CallbackQueue:
    """Brings callbacks to Nuke's main thread."""
    return session().queue


def bridge() -> Bridge:
    """The helper that everything of Overscan in this Nuke talks through.

    Raises `BridgeError` where none is installed.
    """
    own = session()
    if own.bridge is None:
        found = installation(preferred=load_preferences().command)
        own.bridge = Bridge(
            command=found.command,
            host="nuke",
            host_version=str(nuke.NUKE_VERSION_STRING),
            plugin_version=found.version,
            queue=own.queue,
            log_path=log_path(),
        )
    return own.bridge


def log_path() -> Path:
    """What the helper says goes here: the temporary folder of this machine's user, not the cache that a show shares."""
    return Path(tempfile.gettempdir()) / f"overscan-nuke-{user_name()}" / "bridge.log"


def close() -> None:
    """End the helper, when Nuke ends or preferences changed; it comes back when it is needed. Jobs go on."""
    stop_tasks()
    for own in _current:
        if own.bridge is not None:
            own.bridge.close()
    _current.clear()


def stop_tasks() -> None:
    """Stop what is being prepared for nodes: their script is being closed. Jobs that were sent go on."""
    for own in _current:
        for _, task in list(own.tasks):
            task.cancel()


def start(node: Any, steps: Steps, finished: Callable[[Any, BaseException | None], None]) -> None:
    """Run steps for a node beside the artist's work."""
    own = session()

    def ended(result: Any, error: BaseException | None) -> None:
        own.tasks[:] = [item for item in own.tasks if item[1] is not task]
        if error is not None:
            _LOG.info("work for a node ended", exc_info=error)
        if _knobs.alive(node):
            finished(result, error)

    task = Task(steps, bridge=bridge(), queue=own.queue, finished=ended)
    own.tasks.append((node, task))
    task.start()


def tasks_of(node: Any) -> list[Task]:
    """What is under way for a node."""
    return [task for owner, task in session().tasks if owner == node]
