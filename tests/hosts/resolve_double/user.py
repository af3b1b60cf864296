"""What the user of Resolve does, and the API cannot: retime, trim, make multicams, switch projects under a script.

Functions take and return the API's objects, so that a test holds what a script would.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Iterable

from . import _importing, _placing, _project_api, _time
from ._handles import handle
from ._model import Bin, Item, Media, Project, Timeline
from ._session import current


def _project() -> Project:
    project = current().app.project
    assert isinstance(project, Project), "no project is open"
    return project


def new_project(
    name: str = "Show", *, rate: str | float = "24", size: tuple[int, int] = (1920, 1080), **settings: str
) -> Any:
    """Make a project and open it; `settings` are project settings by their names."""
    project = _project_api.new_project(name)
    project.settings.update(
        timelineFrameRate=str(rate),
        timelineResolutionWidth=str(size[0]),
        timelineResolutionHeight=str(size[1]),
        **settings,
    )
    current().app.open_project(project)
    return handle(project)


def open_project(name: str | None) -> Any:
    """Switch to another project, or close the one that is open: objects of its things go stale."""
    found = next((project for project in current().app.projects if project.name == name), None)
    current().app.open_project(found)
    return handle(found)


def lock_project(locked: bool = True) -> None:
    """Have the project be somebody else's: nothing in it can be changed."""
    _project().locked = locked


def bin(path: str = "") -> Any:
    """A bin by its path below the root ("Footage/Day 1"), made where it is not there, and not made the current one."""
    where = _project().root
    for name in filter(None, path.split("/")):
        found = next((inner for inner in where.bins if inner.name == name), None)
        if found is None:
            found = Bin(_project(), name, where)
            where.bins.append(found)
        where = found
    return handle(where)


def import_sequence(
    pattern: str,
    first: int,
    last: int,
    *,
    bin: str = "",
    rate: str | float | None = None,
    timecode: str | None = None,
    **properties: Any,
) -> Any:
    """A sequence (`/a/b.%04d.exr`) in a bin; the files between the numbers may be missing."""
    where = globals()["bin"](bin)._thing
    there = set(_importing._files.numbers_of(pattern))
    missing = set(range(first, last + 1)) - there
    media = _importing.new_media(where, "sequence", pattern, first=first, length=last - first + 1, missing=missing)
    return _finish(media, rate, timecode, properties)


def import_file(
    path: str,
    *,
    kind: str = "still",
    length: int = 1,
    bin: str = "",
    rate: str | float | None = None,
    timecode: str | None = None,
    sound: bool = False,
    size: tuple[int, int] | None = None,
    **properties: Any,
) -> Any:
    """A still, a movie or a sound. The double has no pictures of movies: a render with one fails."""
    media = _importing.new_media(globals()["bin"](bin)._thing, kind, path, length=length)
    media.sound = sound or kind == "audio"
    if size is not None:
        media.size = size
    return _finish(media, rate, timecode, properties)


def _finish(media: Media, rate: str | float | None, timecode: str | None, properties: dict[str, Any]) -> Any:
    if rate is not None:
        media.rate, media.drop = _time.rate(rate)
    if timecode is not None:
        media.start = _time.frames_of(timecode, media.rate, media.drop)
    media.properties.update(properties)
    return handle(media)


def new_timeline(
    name: str = "Edit",
    *,
    rate: str | float | None = None,
    start: str = "01:00:00:00",
    size: tuple[int, int] | None = None,
    bin: str = "",
) -> Any:
    """A timeline, which becomes the current one. A rate that ends in " DF" counts in drop-frame timecode."""
    project = _project()
    exact, drop = _time.rate(project.settings["timelineFrameRate"] if rate is None else rate)
    first = _time.frames_of(start, exact, drop)
    made = _placing.new_timeline(project, globals()["bin"](bin)._thing, name, rate=exact, drop=drop, start=first)
    if size is not None:
        made.settings.update(
            useCustomSettings="1", timelineResolutionWidth=str(size[0]), timelineResolutionHeight=str(size[1])
        )
    project.timeline = made
    return handle(made)


def place(
    clip: Any,
    *,
    timeline: Any = None,
    track: int = 1,
    at: int | None = None,
    source: tuple[float, float] | None = None,
    duration: int | None = None,
    speed: float = 100,
    ramp: Iterable[tuple[int, float]] | None = None,
    name: str | None = None,
    sound: bool = False,
) -> Any:
    """Put a clip on a video track: `at` in frames after the timeline's start, `source` in frames of the media (from its
    head, the second exclusive), `speed` in percent (negative backwards, 0 a freeze of the first frame of `source`), or
    `ramp` as (record frames, percent) parts. `duration` in record frames, else what the source gives.
    """
    held: Timeline = timeline._thing if timeline is not None else _project().timeline
    media: Media = clip._thing
    _placing.refresh(media)
    while len(held.tracks["video"]) < track:
        held.add_track("video")
    first, end = (Fraction(value) for value in (source or (0, media.length)))
    scale = media.rate / held.rate
    parts = [(frames, Fraction(percent) / 100) for frames, percent in ramp] if ramp else None
    quick = Fraction(speed) / 100
    if parts is not None:
        duration = sum(frames for frames, _ in parts)
    elif duration is None:
        assert quick, "a freeze needs a duration"
        duration = int((end - first) / scale / abs(quick))
    on = held.tracks["video"][track - 1]
    start = held.end if at is None else held.start + at
    assert _placing.free(on, start, start + duration), "something is there already"
    item = Item(on, "clip", name or media.name, start=start, duration=duration)
    item.media, item.speed, item.ramp = media, quick, parts
    item.source_in = end if quick < 0 else first
    _placing.put(on, item)
    if sound:
        while len(held.tracks["audio"]) < track:
            held.add_track("audio", "stereo")
        other = Item(held.tracks["audio"][track - 1], "clip", item.name, start=start, duration=duration)
        other.media, other.speed, other.source_in = media, quick, item.source_in
        _placing.put(other.track, other)
        item.linked, other.linked = [other], [item]
    return handle(item)


def put(kind: str, *, timeline: Any = None, track: int = 1, at: int = 0, duration: int = 24, name: str = "") -> Any:
    """A "generator", "title", "fusion" composition, "adjustment" clip, "transition" or "subtitle" on a track."""
    held: Timeline = timeline._thing if timeline is not None else _project().timeline
    tracks = held.tracks["subtitle" if kind == "subtitle" else "video"]
    while len(tracks) < track:
        held.add_track("subtitle" if kind == "subtitle" else "video")
    words = {
        "generator": "Solid Color",
        "title": "Text+",
        "transition": "Cross Dissolve",
        "adjustment": "Adjustment Clip",
    }
    item = Item(tracks[track - 1], kind, name or words.get(kind, kind), start=held.start + at, duration=duration)
    return handle(_placing.put(tracks[track - 1], item))


def multicam(clips: list[Any], name: str = "Multicam 1") -> Any:
    """A multicam clip of some clips."""
    first: Media = clips[0]._thing
    media = Media(_project().root, "multicam", name)
    media.rate, media.drop, media.start, media.length, media.size = (
        first.rate,
        first.drop,
        first.start,
        first.length,
        first.size,
    )
    _project().root.clips.append(media)
    return handle(media)


def grade(item: Any, *, gain: float = 1.0, window: tuple[float, float, float, float] | None = None) -> None:
    """Grade a clip: a gain, and a window (left, bottom, right, top in 0..1) that is the Color page's alpha output."""
    item._thing.gain = gain
    item._thing.window = window


def as_imported_from_xml(item: Any) -> None:
    """Have GetSourceStartFrame and GetSourceEndFrame of the item say 0."""
    item._thing.unknown_source = True


def delete_timeline(timeline: Any) -> None:
    """Delete a timeline in the media pool."""
    from ._pool_api import remove_timeline

    remove_timeline(_project(), timeline._thing)


def delete_item(item: Any) -> None:
    """Delete an item from its timeline."""
    held: Item = item._thing
    held.track.items.remove(held)
    held.gone = True


def move_item(item: Any, *, by: int = 0, trim_head: int = 0, trim_tail: int = 0) -> None:
    """Move an item in time, or trim frames (of the record) off its head and tail."""
    held: Item = item._thing
    if trim_head:
        from . import _retime

        held.source_in = _retime.position(held, trim_head)
        held.start += trim_head
        held.duration -= trim_head
    held.start += by
    held.duration -= trim_tail


def move_playhead(frame: int, *, timeline: Any = None) -> None:
    """Put the playhead so many frames after the timeline's start."""
    held: Timeline = timeline._thing if timeline is not None else _project().timeline
    held.playhead = held.start + frame


def select(*clips: Any) -> None:
    """Select clips in the media pool."""
    _project().selected = [clip._thing for clip in clips]


def answer(*values: Any) -> None:
    """What the user answers to the next questions of the host's own dialogs."""
    current().answers.extend(values)


def window(name: str) -> Any:
    """The visible window with this ID."""
    found = [held for held in current().ui.windows if held._values.get("ID") == name and held._values["Visible"]]
    assert found, f"no window {name!r} is open: {current().ui.described()}"
    return found[-1]


def element(window_name: str, name: str) -> Any:
    """An element of an open window."""
    found = [held for held in window(window_name)._below() if held._values.get("ID") == name]
    assert found, f"the window has no element {name!r}"
    return found[0]


def says(window_name: str, name: str) -> str:
    """The text of an element; of a tree its rows, columns apart by " | "."""
    held = element(window_name, name)
    if held._kind == "Tree":
        return "\n".join(
            " | ".join(str(item.Text[column]) for column in sorted(item.Text.values)) for item in held._items
        )
    return str(
        held._read("PlainText" if held._kind == "TextEdit" else "CurrentText" if held._kind == "ComboBox" else "Text")
        or ""
    )


def click(window_name: str, name: str) -> None:
    """Press a button, or a check box, which must be visible and enabled; its handler runs on the next turn."""
    held = element(window_name, name)
    walk = held
    while walk is not None:
        assert walk._values.get("Visible", True) and not walk._values.get("Hidden", False), f"{name} is hidden"
        assert walk._values.get("Enabled", True), f"{name} is greyed out"
        walk = walk._parent
    if held._kind == "CheckBox" or held._values.get("Checkable"):
        held._values["Checked"] = not held._values.get("Checked", False)
        current().ui.send(held, "Toggled")
    current().ui.send(held, "Clicked")


def type_text(window_name: str, name: str, text: str) -> None:
    """Type into a field, in place of what is there."""
    held = element(window_name, name)
    assert held._values.get("Enabled", True) and not held._values.get("ReadOnly", False), f"{name} takes no text"
    held._values["Text"] = text
    held._values.pop("PlainText", None)
    current().ui.send(held, "TextChanged", Text=text)
    current().ui.send(held, "EditingFinished")


def choose(window_name: str, name: str, text: str) -> None:
    """Choose an entry of a menu, or set a number."""
    held = element(window_name, name)
    assert held._values.get("Enabled", True), f"{name} is greyed out"
    if held._kind in {"SpinBox", "DoubleSpinBox", "Slider"}:
        held._values["Value"] = float(text) if held._kind == "DoubleSpinBox" else int(text)
        current().ui.send(held, "ValueChanged", Value=held._values["Value"])
        return
    assert text in held._items, f"{name} has {held._items}"
    held._values["CurrentIndex"] = held._items.index(text)
    current().ui.send(held, "CurrentIndexChanged", Index=held._values["CurrentIndex"])


def close_window(name: str) -> None:
    """Click the window's close button: its Close handler decides."""
    current().ui.send(window(name), "Close")


def when(condition: Any, action: Any) -> None:
    """Have the user do something once a condition is so, while a script is in RunLoop."""
    current().ui.expected.append((condition, action))


def new_comp(
    name: str = "Composition1",
    *,
    span: tuple[int, int] = (0, 99),
    render: tuple[int, int] | None = None,
    size: tuple[int, int] = (1920, 1080),
) -> Any:
    """A composition of Fusion Studio's own, which is the one in front."""
    from ._comp_model import Comp

    comp = Comp(name, span=span, render=render)
    comp.size = size
    current().fusion.comps.append(comp)
    current().fusion.comp = comp
    return handle(comp)


def add_tool(comp: Any, kind: str, name: str | None = None, **values: Any) -> Any:
    """Add a tool by hand; values are inputs, a tool's object connects."""
    from ._tool_api import connect, fitting

    tool = comp._thing.add(kind, name)
    for key, value in values.items():
        control = tool.inputs[key]
        if hasattr(value, "_thing"):
            assert connect(control, value), f"{key} cannot be connected"
        else:
            comp._thing.write(control, fitting(control, value))
            control.rendered = control.value
    return handle(tool)
