"""What Nuke tells us: scripts and nodes that come and go, knobs that change. A callback never stops Nuke."""

from __future__ import annotations

import functools
import logging
from typing import Any, Callable

import nuke
from overscan_nuke import _buttons, _follow, _inside, _knobs, _session
from overscan_nuke._migration import migrate

_LOG = logging.getLogger("overscan")
_registered: list[bool] = []


def register() -> None:
    """Have Nuke tell us; once per process, however often it is called."""
    if _registered:
        return
    _registered.append(True)
    nuke.addOnScriptLoad(_guarded(_on_script_load))
    nuke.addOnScriptClose(_guarded(_on_script_close))
    nuke.addOnCreate(_guarded(_on_create), nodeClass="Group")
    nuke.addKnobChanged(_guarded(_on_knob_changed), nodeClass="Group")


def _guarded(function: Callable[[], None]) -> Callable[[], None]:
    @functools.wraps(function)
    def call() -> None:
        try:
            function()
        except Exception:
            _LOG.exception("Overscan could not follow what happened in Nuke")

    return call


def _on_script_load() -> None:
    for node in _knobs.our_nodes():
        if migrate(node) and nuke.GUI:
            _buttons.pick_up(node)


def _on_script_close() -> None:
    _session.stop_tasks()
    _follow.forget_all()


def _on_create() -> None:
    """A node was made, loaded or pasted; scripts being loaded are looked at once they are whole."""
    node: Any = nuke.thisNode()
    if nuke.GUI and _knobs.is_overscan(node):
        _session.queue().post(_arrived, node)


def _arrived(node: Any) -> None:
    if _knobs.alive(node) and _knobs.is_overscan(node) and migrate(node):
        _buttons.pick_up(node)


def _on_knob_changed() -> None:
    knob: Any = nuke.thisKnob()
    name = knob.name() if knob is not None else ""
    if not name.startswith(_knobs.PREFIX):
        return
    node: Any = nuke.thisNode()
    if not _knobs.is_overscan(node):
        return
    if name == "overscan_version":
        _inside.refresh(node)
    elif name == "overscan_missing":
        _inside.set_missing(node)
    elif name == "overscan_box":
        _round(knob)


def _round(knob: Any) -> None:
    """A box drawn in the viewer has parts of pixels; it is rounded where the artist sees it."""
    if any(knob.isAnimated(index) or knob.hasExpression(index) for index in range(4)):
        return
    for index, value in enumerate(list(knob.value())):
        if value != round(value):
            knob.setValue(round(value), index)
