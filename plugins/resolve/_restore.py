"""The one place where the user's Resolve is changed: whatever happens inside, it is put back as it was."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator

from overscan_host import refuse
from overscan_resolve._asking import ask, listed, text, unique_id

KEPT_PRESET = "Overscan keeps your render settings"
"""Beginning of the name of the render preset that holds the user's settings while Overscan renders."""


@dataclass
class Kept:
    """What was found, and how it went with putting it back."""

    resolve: Any
    project: Any
    timeline: Any
    """The current one; None where no timeline is open."""
    problems: list[str] = field(default_factory=list)
    """What could not be put back, in plain words; filled when the context ends."""
    notes: list[str] = field(default_factory=list)
    """What was put right besides."""
    _undo: list[tuple[str, Callable[[], bool]]] = field(default_factory=list)

    def afterwards(self, what: str, undo: Callable[[], bool]) -> None:
        """Have `undo` called at the end, before all that was asked for earlier; it says whether it worked."""
        self._undo.append((what, undo))

    def unlock(self, timeline: Any, track: int) -> None:
        """Unlock a video track until the end."""
        if ask(timeline, "GetIsTrackLocked", "video", track):
            ask(timeline, "SetTrackLock", "video", track, False)
            self.afterwards(f"the lock of video track {track}",
                            lambda: bool(ask(timeline, "SetTrackLock", "video", track, True)))  # fmt: skip

    def show_only(self, timeline: Any, track: int) -> None:
        """Disable all other video tracks until the end."""
        for index in range(1, (ask(timeline, "GetTrackCount", "video") or 0) + 1):
            wanted = index == track
            was = bool(ask(timeline, "GetIsTrackEnabled", "video", index))
            if was != wanted and ask(timeline, "SetTrackEnable", "video", index, wanted):
                self.afterwards(f"whether video track {index} is enabled", _enable(timeline, index, was))

    def put_back(self) -> None:
        """Undo everything, last first; whatever one of them does, the others are tried."""
        while self._undo:
            what, undo = self._undo.pop()
            if not undo():
                self.problems.append(f"Resolve did not put back {what}.")


@contextmanager
def kept(resolve: Any, *, render: bool = False) -> Iterator[Kept]:
    """Whatever happens inside: current page, timeline, bin, playhead and marks are afterwards as before.

    With `render` the render format, mode and settings are, too. Resolve cannot be asked for its settings, so they are
    saved as a preset meanwhile. Raises `RefusalError` where no project is open, or (before anything was changed) where
    the render settings cannot be kept.
    """
    project = current_project(resolve)
    held = Kept(resolve, project, ask(project, "GetCurrentTimeline"))
    project_id = unique_id(project)
    _keep_page(held)
    _keep_bin(held)
    _keep_timeline(held)
    try:
        if render:
            _keep_render_settings(held)
        yield held
    finally:
        if unique_id(ask(ask(resolve, "GetProjectManager"), "GetCurrentProject")) == project_id:
            held.put_back()
        else:  # what was found belongs to a project that is closed; the one that is open now is left alone
            held.problems.append(
                "Another project was opened meanwhile: render settings, tracks and bins of the first were not put back."
            )


def current_project(resolve: Any) -> Any:
    """The open project. Raises `RefusalError`."""
    project = ask(ask(resolve, "GetProjectManager"), "GetCurrentProject")
    if project is None:
        raise refuse("INVALID_JOB", "No project is open in Resolve, or Resolve is closing.",
                     "Open the project with the clip, and try again.")  # fmt: skip
    return project


def _keep_page(held: Kept) -> None:
    page = ask(held.resolve, "GetCurrentPage")

    def undo() -> bool:
        now = ask(held.resolve, "GetCurrentPage")
        return not page or now == page or bool(ask(held.resolve, "OpenPage", page))

    held.afterwards("the page that was open", undo)


def _keep_bin(held: Kept) -> None:
    pool = ask(held.project, "GetMediaPool")
    folder = ask(pool, "GetCurrentFolder")
    folder_id = unique_id(folder)

    def undo() -> bool:
        now = unique_id(ask(pool, "GetCurrentFolder"))
        return not folder_id or now == folder_id or bool(ask(pool, "SetCurrentFolder", folder))

    held.afterwards("the bin that was open", undo)


def _keep_timeline(held: Kept) -> None:
    timeline, timeline_id = held.timeline, unique_id(held.timeline)
    playhead = text(timeline, "GetCurrentTimecode")
    marks = _marks(timeline)

    def undo_current() -> bool:
        now = unique_id(ask(held.project, "GetCurrentTimeline"))
        return not timeline_id or now == timeline_id or bool(ask(held.project, "SetCurrentTimeline", timeline))

    def undo_playhead() -> bool:
        now = text(timeline, "GetCurrentTimecode")
        if not playhead or now == playhead or ask(timeline, "SetCurrentTimecode", playhead):
            return True
        ask(held.resolve, "OpenPage", "edit")  # the Media and the Fusion page move no playhead
        return bool(ask(timeline, "SetCurrentTimecode", playhead))

    def undo_marks() -> bool:
        if _marks(timeline) == marks:
            return True
        ask(timeline, "ClearMarkInOut", "all")
        done = [bool(ask(timeline, "SetMarkInOut", first, last, kind)) for kind, (first, last) in marks.items()]
        return all(done)

    if timeline is not None:  # a timeline can be marked and played only while it is the current one
        held.afterwards("the marks of the timeline", undo_marks)
        held.afterwards("the playhead", undo_playhead)
        held.afterwards("the timeline that was open", undo_current)


def _keep_render_settings(held: Kept) -> None:
    project = held.project
    if ask(project, "IsRenderingInProgress"):
        raise refuse("UNSUPPORTED", "Resolve is rendering, and renders one thing at a time.",
                     "Wait until it has finished, or stop it on the Deliver page.")  # fmt: skip
    _take_up_left_behind(held)
    name = f"{KEPT_PRESET} {uuid.uuid4().hex[:8]}"
    now = ask(project, "GetCurrentRenderFormatAndCodec")
    chosen = dict(now) if isinstance(now, dict) else {}
    mode = ask(project, "GetCurrentRenderMode")
    if not ask(project, "SaveAsNewRenderPreset", name):
        raise refuse(
            "UNSUPPORTED",
            "Resolve does not save your render settings as a preset, so they could not be put back afterwards; "
            "nothing was changed.",
            "Check that nobody else has locked the project. Clips whose files Overscan reads itself need no render.",
        )

    def undo() -> bool:
        loaded = bool(ask(project, "LoadRenderPreset", name))
        if chosen.get("format") and chosen.get("codec"):
            ask(project, "SetCurrentRenderFormatAndCodec", chosen["format"], chosen["codec"])
        if isinstance(mode, int):
            ask(project, "SetCurrentRenderMode", mode)
        return bool(loaded and ask(project, "DeleteRenderPreset", name))

    held.afterwards(f"the render settings; they are in the preset '{name}'", undo)


def _take_up_left_behind(held: Kept) -> None:
    """Bring back the settings that an Overscan which was killed while it rendered has left in a preset."""
    for preset in listed(held.project, "GetRenderPresetList"):
        name = str(preset.get("PresetName", "")) if isinstance(preset, dict) else str(preset)
        if name.startswith(KEPT_PRESET) and ask(held.project, "LoadRenderPreset", name):
            ask(held.project, "DeleteRenderPreset", name)
            held.notes.append("Render settings that an interrupted run had left in a preset were put back.")


def _marks(timeline: Any) -> dict[str, tuple[int, int]]:
    found = ask(timeline, "GetMarkInOut")
    if not isinstance(found, dict):
        return {}
    return {
        kind: (int(marks["in"]), int(marks["out"]))
        for kind, marks in found.items()
        if isinstance(marks, dict) and "in" in marks and "out" in marks
    }


def _enable(timeline: Any, track: int, enabled: bool) -> Callable[[], bool]:
    return lambda: bool(ask(timeline, "SetTrackEnable", "video", track, enabled))
