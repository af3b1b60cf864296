"""The buttons of a node, in the window."""

from __future__ import annotations

from typing import Any

import nuke
from overscan_host import BridgeError
from overscan_nuke import _follow, _inside, _knobs, _run, _session
from overscan_nuke._refusals import StoppedError
from overscan_nuke._state import RUNNING, version_named, versions_of
from overscan_nuke._words import error_words, progress_words


def press(action: str, node: Any) -> None:
    """What a button does; it returns at once, and the outcome is shown in the node. Unknown actions say so."""
    handlers = {"plan": _plan, "generate": _generate, "cancel": _cancel, "retry": _retry}
    if action not in handlers:
        nuke.message(f"This node was made with a newer Overscan, which has a button '{action}'. Please update.")
        return
    try:
        handlers[action](node)
    except BridgeError as error:  # no helper is installed
        _knobs.say(node, "progress", error_words(error))


def _plan(node: Any) -> None:
    _knobs.say(node, "plan", "Planning …")

    def planned(result: Any, error: BaseException | None) -> None:
        if isinstance(error, StoppedError):
            _knobs.say(node, "plan", "Stopped.")
            return
        _knobs.say(node, "plan", error_words(error) if error is not None else result.words)

    _session.start(node, _run.plan_steps(node), planned)


def _generate(node: Any) -> None:
    if _session.tasks_of(node):
        _knobs.say(node, "progress", "One moment: what you asked for before is still being prepared.")
        return
    _knobs.say(node, "progress", "Looking at the plate …")

    def created(version: Any, error: BaseException | None) -> None:
        if isinstance(error, StoppedError):
            _knobs.say(node, "progress", "Stopped before anything was sent. Rendered frames are kept.")
        elif error is not None:
            _knobs.say(node, "progress", f"Not started. {error_words(error)}")
        else:
            _knobs.say(node, "progress", progress_words(version))
            _follow.follow(node, version)

    _session.start(node, _run.generate_steps(node), created)


def _cancel(node: Any) -> None:
    for task in _session.tasks_of(node):
        task.cancel()
    # Said before it is asked: the end of the job may be known sooner than the answer, and must not be overwritten.
    if any(version.is_running for version in versions_of(node)):
        _knobs.say(node, "progress", "Cancelling …")

    def asked(_: Any, error: BaseException | None) -> None:
        if error is not None:
            _knobs.say(node, "progress", error_words(error))
        for version in versions_of(node):
            _follow.follow(node, version)  # or nobody would hear of its end

    _session.start(node, _run.cancel_steps(node), asked)


def _retry(node: Any) -> None:
    def retried(version: Any, error: BaseException | None) -> None:
        if error is not None:
            _knobs.say(node, "progress", error_words(error))
            return
        _knobs.say(node, "progress", progress_words(version))
        _follow.follow(node, version)

    _session.start(node, _run.retry_steps(node), retried)


def pick_up(node: Any) -> None:
    """Go on with what a node was doing when its script was closed, or when it was copied."""
    _inside.refresh(node)
    for version in versions_of(node):
        for job in version.jobs:
            if job.state in (*RUNNING, "lost"):
                _knobs.say(node, "progress", f"{version.name}: asking how it stands …")
                try:
                    _follow.settle(node, version.name, job)
                except BridgeError as error:  # no helper is installed
                    _knobs.say(node, "progress", f"{version.name}: {error_words(error)}")


def show_version(node: Any, name: str) -> None:
    """Show a version of the node, by its name."""
    _inside.choose(node, name)
    version = version_named(node, name)
    if version is not None:
        _knobs.say(node, "progress", progress_words(version))
