"""Everything that a user could see, as plain values that can be compared and printed."""

from __future__ import annotations

from typing import Any

from . import _media_api, _time
from ._model import Bin, Item, Media, Project, Timeline, Track
from ._session import current


def snapshot() -> dict[str, Any]:
    """The whole state of the application, by paths of names where something has one."""
    session = current()
    app = session.app
    return {
        "page": app.page,
        "project": app.project.name if app.project else None,
        "keyframe mode": app.keyframe_mode,
        "render presets": {name: preset.described() for name, preset in app.presets.items()},
        "projects": {project.name: _project(project) for project in app.projects},
        "comps": session.fusion.described() if session.fusion else {},
        "windows": session.ui.described() if session.ui else [],
    }


def _project(project: Project) -> dict[str, Any]:
    return {
        "settings": dict(project.settings),
        "current bin": _path(project.bin),
        "current timeline": project.timeline.name if project.timeline else None,
        "selected": [media.id for media in project.selected],
        "render": project.render.described(),
        "jobs": [job.id for job in project.jobs],
        "groups": [group.name for group in project.groups],
        "stills": {album.name: len(album.stills) for album in project.albums},
        "bins": {_path(held): [_media(media) for media in held.clips] for held in project.all_bins()},
        "mattes": {_path(held): [media.path for media in held.timeline_mattes] for held in project.all_bins()},
        "timelines": [_timeline(timeline) for timeline in project.timelines],
    }


def _path(held: Bin) -> str:
    return held.name if held.parent is None else f"{_path(held.parent)}/{held.name}"


def _media(media: Media) -> dict[str, Any]:
    properties = _media_api.properties_of(media)
    properties.pop("Usage")
    return {
        "id": media.id,
        "name": media.name,
        "kind": media.kind,
        "properties": properties,
        "metadata": dict(media.metadata),
        "third party": dict(media.third_party),
        "mattes": list(media.mattes),
        **_marked(media),
        "inside": _timeline(media.timeline) if media.timeline and media.kind != "timeline" else None,
    }


def _marked(thing: Any) -> dict[str, Any]:
    return {
        "markers": {frame: dict(held) for frame, held in thing.markers.items()},
        "flags": list(thing.flags),
        "color": thing.color,
        "marks": dict(thing.marks),
    }


def _timeline(timeline: Timeline) -> dict[str, Any]:
    return {
        "id": timeline.id,
        "name": timeline.name,
        "rate": _time.rate_text(timeline.rate),
        "start": timeline.start,
        "playhead": timeline.playhead,
        "settings": dict(timeline.settings),
        "tracks": {kind: [_track(track) for track in tracks] for kind, tracks in timeline.tracks.items()},
        **_marked(timeline),
    }


def _track(track: Track) -> dict[str, Any]:
    return {
        "name": track.name,
        "enabled": track.enabled,
        "locked": track.locked,
        "subtype": track.subtype,
        "items": [_item(item) for item in track.items],
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "kind": item.kind,
        "name": item.name,
        "start": item.start,
        "duration": item.duration,
        "media": item.media.id if item.media else None,
        "source in": str(item.source_in),
        "speed": str(item.speed),
        "ramp": [(frames, str(speed)) for frames, speed in item.ramp or ()],
        "enabled": item.enabled,
        "properties": dict(item.properties),
        "take": item.take,
        "takes": [(take.media.id, str(take.first), str(take.end)) for take in item.takes],
        "linked": [other.id for other in item.linked if not other.gone],
        "comps": [comp.name for comp in item.comps],
        "gain": item.gain,
        "window": item.window,
        "version": item.version,
        "group": item.group.name if item.group else None,
        **_marked(item),
    }


def difference(before: Any, after: Any, where: str = "") -> list[str]:
    """What is not the same in two snapshots, a line each; [] where nothing is."""
    if isinstance(before, dict) and isinstance(after, dict):
        lines = []
        for key in [*before, *(key for key in after if key not in before)]:
            place = f"{where}/{key}"
            if key not in after:
                lines.append(f"{place} is gone (it was {_short(before[key])})")
            elif key not in before:
                lines.append(f"{place} is new: {_short(after[key])}")
            else:
                lines += difference(before[key], after[key], place)
        return lines
    if isinstance(before, list) and isinstance(after, list):
        lines = []
        for place, (one, other) in enumerate(zip(before, after)):
            lines += difference(one, other, f"{where}[{place}]")
        lines += [f"{where}[{place}] is new: {_short(after[place])}" for place in range(len(before), len(after))]
        lines += [
            f"{where}[{place}] is gone (it was {_short(before[place])})" for place in range(len(after), len(before))
        ]
        return lines
    return [] if before == after else [f"{where} was {_short(before)}, is {_short(after)}"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."
