"""Timeline."""

from __future__ import annotations

from typing import Any

from . import _grades_api, _interchange, _placing, _time
from ._handles import REGISTRY, handle, handles, numbered
from ._markers import Markers, Marks
from ._model import Item, Track
from ._model import Timeline as Held
from ._session import current
from ._surface import ApiObject, offered

_OWN_SETTINGS = {
    "timelineResolutionWidth",
    "timelineResolutionHeight",
    "timelineFrameRate",
    "timelineDropFrameTimecode",
    "timelineInputResMismatchBehavior",
    "useCustomSettings",
    "superScale",
}


def under(timeline: Held, frame: int) -> Item | None:
    """The topmost enabled picture at a record frame."""
    for track in reversed(timeline.tracks["video"]):
        for item in track.items:
            if track.enabled and item.enabled and item.kind != "transition" and item.start <= frame < item.end:
                return item
    return None


@offered
class Timeline(Markers, Marks, ApiObject):
    _thing: Held

    def _track(self, kind: str, number: int) -> Track | None:
        tracks = self._thing.tracks[kind]
        return tracks[number - 1] if 1 <= number <= len(tracks) else None

    def GetName(self) -> str:
        return self._thing.name

    def SetName(self, name: str) -> bool:
        if not name or any(held.name == name for held in self._thing.project.timelines):
            return False
        self._thing.name = name
        if self._thing.media is not None:
            self._thing.media.name = name
        return True

    def GetStartFrame(self) -> int:
        return self._thing.start

    def GetEndFrame(self) -> int:
        return self._thing.end

    def SetStartTimecode(self, timecode: str) -> bool:
        try:
            start = _time.frames_of(timecode, self._thing.rate, self._thing.drop)
        except ValueError:
            return False
        moved = start - self._thing.start
        for kind in self._thing.tracks:
            for item in self._thing.items(kind):
                item.start += moved
        self._thing.start += moved
        self._thing.playhead += moved
        return True

    def GetStartTimecode(self) -> str:
        return _time.timecode(self._thing.start, self._thing.rate, self._thing.drop)

    def GetTrackCount(self, kind: str) -> int:
        return len(self._thing.tracks[kind])

    def AddTrack(self, kind: str, options: Any = None) -> bool:
        place, subtype = None, "mono" if kind == "audio" else ""
        if isinstance(options, dict):
            number = options.get("index", 0)
            place = number - 1 if 1 <= number <= len(self._thing.tracks[kind]) else None
            subtype = options.get("audiotype", subtype)
        elif options and kind == "audio":
            subtype = options
        self._thing.add_track(kind, subtype, place)
        return True

    def DeleteTrack(self, kind: str, number: int) -> bool:
        track = self._track(kind, number)
        if track is None or track.locked or len(self._thing.tracks[kind]) == 1:
            return False
        for item in track.items:
            item.gone = True
        self._thing.tracks[kind].remove(track)
        return True

    def GetTrackSubType(self, kind: str, number: int) -> str:
        track = self._track(kind, number)
        return track.subtype if track else ""

    def SetTrackEnable(self, kind: str, number: int, enabled: bool) -> bool:
        track = self._track(kind, number)
        if track is not None:
            track.enabled = enabled
        return track is not None

    def GetIsTrackEnabled(self, kind: str, number: int) -> bool:
        track = self._track(kind, number)
        return track is not None and track.enabled

    def SetTrackLock(self, kind: str, number: int, locked: bool) -> bool:
        track = self._track(kind, number)
        if track is not None:
            track.locked = locked
        return track is not None

    def GetIsTrackLocked(self, kind: str, number: int) -> bool:
        track = self._track(kind, number)
        return track is not None and track.locked

    def GetTrackName(self, kind: str, number: int) -> str:
        track = self._track(kind, number)
        return track.name if track else ""

    def SetTrackName(self, kind: str, number: int, name: str) -> bool:
        track = self._track(kind, number)
        if track is not None:
            track.name = name
        return track is not None

    def DeleteClips(self, items: list[Any], ripple: bool = False) -> bool:
        # False on the Fairlight page, whatever is asked (api_truth.py); linked sound stays.
        found = [item._thing for item in items]
        if current().app.page == "fairlight" or any(item.track.locked for item in found):
            return False
        for item in found:
            item.track.items.remove(item)
            item.gone = True
            if ripple:
                for later in item.track.items:
                    if later.start >= item.end:
                        later.start -= item.duration
        return bool(found)

    def SetClipsLinked(self, items: list[Any], linked: bool) -> bool:
        found = [item._thing for item in items]
        for item in found:
            item.linked = [other for other in found if other is not item] if linked else []
        return True

    def GetItemListInTrack(self, kind: str, number: int) -> list[Any]:
        track = self._track(kind, number)
        return handles(track.items) if track else []

    def GetItemsInTrack(self, kind: str, number: int) -> dict[float, Any]:
        return numbered(self.GetItemListInTrack(kind, number))

    def GetCurrentTimecode(self) -> str:
        return _time.timecode(self._thing.playhead, self._thing.rate, self._thing.drop)

    def SetCurrentTimecode(self, timecode: str) -> bool:
        if current().app.page in {"media", "fusion"} or self._thing.project.timeline is not self._thing:
            return False
        try:
            frame = _time.frames_of(timecode, self._thing.rate, self._thing.drop)
        except ValueError:
            return False
        self._thing.playhead = min(max(frame, self._thing.start), max(self._thing.start, self._thing.end - 1))
        return True

    def GetCurrentVideoItem(self) -> Any:
        return handle(under(self._thing, self._thing.playhead))

    def GetMediaPoolItem(self) -> Any:
        return handle(self._thing.media)

    def GetUniqueId(self) -> str:
        return self._thing.id

    def GetNodeGraph(self) -> Any:
        return handle(_grades_api.NodeGraph(self._thing))

    def GrabStill(self) -> Any:
        return handle(_grades_api.grab(self._thing, under(self._thing, self._thing.playhead)))

    def GetSetting(self, name: str | None = None) -> Any:
        held = {**self._thing.project.settings, **self._thing.settings}
        held["timelineFrameRate"] = _time.rate_number(self._thing.rate)  # type: ignore[assignment]
        held["timelineDropFrameTimecode"] = "1" if self._thing.drop else "0"
        return held.get(name, "") if name else held

    def SetSetting(self, name: str, value: Any, *more: Any) -> bool:
        if name not in _OWN_SETTINGS:
            return False
        if name == "timelineFrameRate":
            if any(True for _ in self._thing.items()):
                return False
            self._thing.rate, self._thing.drop = _time.rate(value)
        if name != "useCustomSettings" and self._thing.settings.get("useCustomSettings") != "1":
            return False
        self._thing.settings[name] = str(value)
        return True

    def Export(self, path: str, kind: Any, subtype: Any = None) -> bool:
        return _interchange.export(self._thing, path, kind)

    def DuplicateTimeline(self, name: str | None = None) -> Any:
        project, old = self._thing.project, self._thing
        wanted = name or f"{old.name} copy"
        if any(held.name == wanted for held in project.timelines):
            return None
        made = _placing.new_timeline(project, project.bin, wanted, rate=old.rate, drop=old.drop, start=old.start)
        made.settings = dict(old.settings)
        for kind, tracks in old.tracks.items():
            made.tracks[kind] = []
            for track in tracks:
                copied = made.add_track(kind, track.subtype)
                copied.name, copied.enabled, copied.locked = track.name, track.enabled, track.locked
                for item in track.items:
                    other = Item(copied, item.kind, item.name, start=item.start, duration=item.duration)
                    for field in ("media", "source_in", "speed", "ramp", "enabled", "gain", "window", "take", "takes"):
                        setattr(other, field, getattr(item, field))
                    other.properties = dict(item.properties)
                    copied.items.append(other)
        project.timeline = made  # silently (api_truth.py)
        return handle(made)

    def CreateCompoundClip(self, items: list[Any], info: Any = None) -> Any:
        name = (info or {}).get("name") or f"Compound Clip {len(self._thing.project.root.clips) + 1}"
        where = self._thing.project.bin
        return handle(_placing.compound([item._thing for item in items], where, name, "compound"))

    def CreateFusionClip(self, items: list[Any]) -> Any:
        where = self._thing.project.bin
        made = _placing.compound([item._thing for item in items], where, "Fusion Clip 1", "fusion")
        if made is not None:
            current().fusion.new_clip_comp(made)
        return handle(made)

    def _insert(self, kind: str, name: str) -> Any:
        track = self._thing.tracks["video"][0]
        length = round(5 * self._thing.rate)
        start = self._thing.playhead
        if track.locked or not _placing.free(track, start, start + length):
            return None
        return handle(_placing.put(track, Item(track, kind, name, start=start, duration=length)))

    def InsertGeneratorIntoTimeline(self, name: str) -> Any:
        return self._insert("generator", name)

    def InsertTitleIntoTimeline(self, name: str) -> Any:
        return self._insert("title", name)

    def InsertFusionTitleIntoTimeline(self, name: str) -> Any:
        return self._insert("title", name)

    def InsertFusionCompositionIntoTimeline(self) -> Any:
        made = self._insert("fusion", "Fusion Composition")
        if made is not None:
            current().fusion.new_clip_comp(made._thing)
        return made


REGISTRY[Held] = Timeline
