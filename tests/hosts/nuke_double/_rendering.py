"""nuke.execute: Writes rendered frame by frame, with the callbacks around them."""

from __future__ import annotations

from typing import Any, Callable, Iterable

from . import _groups, _triggers
from ._formats import FrameRanges
from ._session import current

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _frames(start: Any, end: Any, incr: Any) -> list[int]:
    if isinstance(start, FrameRanges):
        return start.toFrameList()
    return list(range(int(start), int(end) + 1, int(incr)))


def execute(
    nameOrNode: Any,
    start: Any = None,
    end: Any = None,
    incr: int = 1,
    views: list[str] | None = None,
    continueOnError: bool = False,
    frameRangeSet: Any = None,
) -> None:
    """Render a Write (or all Writes below a group) and return when it is done. RuntimeError where a frame fails."""
    node = _groups.find(nameOrNode, _groups.current_group()) if isinstance(nameOrNode, str) else nameOrNode
    if node is None:
        raise RuntimeError(f"no node is named {nameOrNode!r}")
    if isinstance(start, FrameRanges) and end is not None and views is None:
        views = end
    frames = _frames(frameRangeSet if frameRangeSet is not None else start, end, incr)
    _render([(node, frames)], views or ["main"], continueOnError)


def executeMultiple(
    nodes: Iterable[Any], ranges: Any = ([1, 1, 1],), views: Any = ("main",), continueOnError: bool = False
) -> None:
    """Render several Writes."""
    frames = [frame for one in ranges for frame in _frames(*one)] if not isinstance(ranges, FrameRanges) else None
    _render([(node, frames or ranges.toFrameList()) for node in nodes], list(views), continueOnError)


def _render(tasks: list[tuple[Any, list[int]]], views: list[str], go_on: bool) -> None:
    from . import _picture_client

    session = current()
    session.cancelled = False
    for node, frames in tasks:
        if node._class not in {"Write"}:
            raise RuntimeError(f"{node._full_name()} is a {node._class}, and cannot be executed")
        if not node._knobs["file"]._text:
            raise RuntimeError(f"{node._full_name()}: no file name")
        _triggers.fire("BeforeRender", node)
        for frame in frames:
            session.executing_frame = float(frame)
            try:
                _triggers.fire("BeforeFrameRender", node)
                for view in views:
                    answer = _picture_client.ask(node, "render", frame=frame, view=view)
                    if answer.get("error") and not go_on:
                        raise RuntimeError(answer["error"])
                _triggers.fire("AfterFrameRender", node)
                _triggers.fire("RenderProgress", node)
            finally:
                session.executing_frame = None
            if session.cancelled:
                raise RuntimeError("Cancelled")
        _triggers.fire("AfterRender", node)


def executing(f: float | None = None) -> bool:
    """Whether a render runs."""
    return current().executing_frame is not None


FUNCTIONS.update({"execute": execute, "render": execute, "executeMultiple": executeMultiple, "executing": executing})
