"""TimelineItem."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from . import _grades_api, _placing, _retime
from ._handles import REGISTRY, handle, handles
from ._markers import Flags, Markers
from ._model import Item, Thing
from ._session import current
from ._surface import ApiObject, offered

DEFAULTS: dict[str, Any] = {
    "Pan": 0.0,
    "Tilt": 0.0,
    "ZoomX": 1.0,
    "ZoomY": 1.0,
    "ZoomGang": True,
    "RotationAngle": 0.0,
    "AnchorPointX": 0.0,
    "AnchorPointY": 0.0,
    "Pitch": 0.0,
    "Yaw": 0.0,
    "FlipX": False,
    "FlipY": False,
    "CropLeft": 0.0,
    "CropRight": 0.0,
    "CropTop": 0.0,
    "CropBottom": 0.0,
    "CropSoftness": 0.0,
    "CropRetain": False,
    "DynamicZoomEase": 0,
    "CompositeMode": 0,
    "Opacity": 100.0,
    "Distortion": 0.0,
    "RetimeProcess": 0,
    "MotionEstimation": 0,
    "Scaling": 0,
    "ResizeFilter": 0,
}
# Ranges where they do not depend on the picture's size; "Values beyond the range will be clipped".
_RANGES = {
    "ZoomX": (0, 100),
    "ZoomY": (0, 100),
    "RotationAngle": (-360, 360),
    "Pitch": (-1.5, 1.5),
    "Yaw": (-1.5, 1.5),
    "CropSoftness": (-100, 100),
    "Opacity": (0, 100),
    "Distortion": (-1, 1),
    "DynamicZoomEase": (0, 3),
    "CompositeMode": (0, 29),
    "RetimeProcess": (0, 3),
    "MotionEstimation": (0, 6),
    "Scaling": (0, 4),
    "ResizeFilter": (0, 14),
}


class _Nothing(Thing):
    def __init__(self) -> None:
        super().__init__(None)
        self.gone = True
        self.id = ""


@offered
class TimelineItem(Markers, Flags, ApiObject):
    _thing: Item

    def GetName(self) -> str:
        return self._thing.name

    def SetName(self, name: str) -> bool:
        self._thing.name = name
        return True

    def GetType(self) -> str:
        kind = self._thing.kind
        return kind if kind in {"generator", "transition"} else self._thing.track.kind

    def GetSpeed(self) -> dict[str, Any]:
        return {"Percentage": float(self._thing.speed * 100), "PitchCorrection": False}

    def GetDuration(self, precise: bool = False) -> float:
        return float(self._thing.duration) if precise else self._thing.duration

    def GetStart(self, precise: bool = False) -> float:
        return float(self._thing.start) if precise else self._thing.start

    def GetEnd(self, precise: bool = False) -> float:
        return float(self._thing.end) if precise else self._thing.end

    def GetSourceStartFrame(self) -> int:
        return _retime.reads(self._thing)[0]

    def GetSourceEndFrame(self) -> int:
        return _retime.reads(self._thing)[1]

    def _seconds(self, place: Fraction) -> float:
        media = self._thing.media
        if media is None or self._thing.unknown_source:
            return 0.0
        return float((place + media.start) / media.rate)

    def GetSourceStartTime(self) -> float:
        return self._seconds(self._thing.source_in)

    def GetSourceEndTime(self) -> float:
        item = self._thing
        return self._seconds(_retime.position(item, item.duration) if item.media else Fraction(0))

    def GetLeftOffset(self, precise: bool = False) -> float:
        left = _retime.offsets(self._thing)[0]
        return float(left) if precise else int(left)

    def GetRightOffset(self, precise: bool = False) -> float:
        right = _retime.offsets(self._thing)[1]
        return float(right) if precise else int(right)

    def GetProperty(self, name: str | None = None) -> Any:
        if self._thing.kind in {"transition", "generator", "subtitle"} or self._thing.track.kind == "audio":
            return None if name else {}
        found = {**DEFAULTS, **self._thing.properties}
        return found.get(name) if name else found

    def SetProperty(self, name: Any, value: Any = None) -> bool:
        if self._thing.track.locked or self._thing.track.kind == "audio":
            return False
        wanted = name if isinstance(name, dict) else {name: value}
        for key, given in wanted.items():
            default = DEFAULTS.get(key)
            number = isinstance(given, (int, float))
            if default is None or not number or (isinstance(default, bool) and given not in (0, 1)):
                return False
        for key, given in wanted.items():
            low, high = _RANGES.get(key, (-1e9, 1e9))
            kept = type(DEFAULTS[key])(min(max(given, low), high))
            self._thing.properties[key] = kept
            if key in {"ZoomX", "ZoomY"} and {**DEFAULTS, **self._thing.properties}["ZoomGang"]:
                self._thing.properties["ZoomX"] = self._thing.properties["ZoomY"] = kept
        return True

    def GetMediaPoolItem(self) -> Any:
        media = self._thing.media
        return handle(media) if media is not None and not media.gone else None

    def GetUniqueId(self) -> str:
        return self._thing.id

    def AddTake(self, clip: Any, first: int | None = None, end: int | None = None) -> bool:
        return _placing.add_take(self._thing, clip._thing, first, end)

    def GetSelectedTakeIndex(self) -> int:
        return self._thing.take

    def GetTakesCount(self) -> int:
        return len(self._thing.takes)

    def GetTakeByIndex(self, number: int) -> Any:
        if not 1 <= number <= len(self._thing.takes):
            return None
        take = self._thing.takes[number - 1]
        more = 1 if current().options.take_end == "inclusive" else 0
        return {"startFrame": int(take.first), "endFrame": int(take.end) - more, "mediaPoolItem": handle(take.media)}

    def DeleteTakeByIndex(self, number: int) -> bool:
        item = self._thing
        if not 1 <= number <= len(item.takes) or number == item.take or item.track.locked:
            return False
        del item.takes[number - 1]
        if number < item.take:
            item.take -= 1
        if len(item.takes) == 1:
            item.takes, item.take = [], 0
        return True

    def SelectTakeByIndex(self, number: int) -> bool:
        return _placing.select_take(self._thing, number)

    def FinalizeTake(self) -> bool:
        if not self._thing.takes:
            return False
        self._thing.takes, self._thing.take = [], 0
        return True

    def CopyGrades(self, items: list[Any]) -> bool:
        # It replaces the whole grade of each, and keeps no version of what was there (api_truth.py).
        targets = [item._thing for item in items]
        if not targets or any(item.track.locked or item.track.kind != "video" for item in targets):
            return False
        for item in targets:
            item.gain, item.window = self._thing.gain, self._thing.window
            item.nodes = [dict(node) for node in self._thing.nodes]
        return True

    def SetClipEnabled(self, enabled: bool) -> bool:
        if self._thing.track.locked:
            return False
        self._thing.enabled = enabled
        return True

    def GetClipEnabled(self) -> bool:
        return self._thing.enabled

    def GetLinkedItems(self) -> list[Any]:
        return handles(item for item in self._thing.linked if item.is_there())

    def GetTrackTypeAndIndex(self) -> list[Any]:
        return [self._thing.track.kind, self._thing.track.number]

    def GetSourceAudioChannelMapping(self) -> str:
        return "{}"

    def GetFusionCompCount(self) -> int:
        return len(self._thing.comps)

    def GetFusionCompByIndex(self, number: int) -> Any:
        return handle(self._thing.comps[number - 1]) if 1 <= number <= len(self._thing.comps) else None

    def GetFusionCompNameList(self) -> list[str]:
        return [comp.name for comp in self._thing.comps]

    def GetFusionCompByName(self, name: str) -> Any:
        return handle(next((comp for comp in self._thing.comps if comp.name == name), None))

    def AddFusionComp(self) -> Any:
        if self._thing.track.locked or self._thing.track.kind != "video":
            return None
        return handle(current().fusion.new_clip_comp(self._thing))

    def DeleteFusionCompByName(self, name: str) -> bool:
        found = [comp for comp in self._thing.comps if comp.name == name]
        for comp in found:
            comp.gone = True
            self._thing.comps.remove(comp)
        return bool(found)

    def LoadFusionCompByName(self, name: str) -> Any:
        return self.GetFusionCompByName(name)

    def RenameFusionCompByName(self, old: str, new: str) -> bool:
        found = [comp for comp in self._thing.comps if comp.name == old]
        if not found or any(comp.name == new for comp in self._thing.comps):
            return False
        found[0].name = new
        return True

    def AddVersion(self, name: str, kind: int) -> bool:
        if current().app.page != "color" or name in self._thing.versions[kind]:
            return False
        self._thing.versions[kind].append(name)
        self._thing.version = (name, kind)
        return True

    def GetCurrentVersion(self) -> dict[str, Any]:
        return {"versionName": self._thing.version[0], "versionType": self._thing.version[1]}

    def GetVersionNameList(self, kind: int) -> list[str]:
        return list(self._thing.versions[kind])

    def GetNodeGraph(self, layer: int | None = None) -> Any:
        return handle(_grades_api.NodeGraph(self._thing))

    def GetNumNodes(self) -> int:
        return len(self._thing.nodes)

    def GetColorGroup(self) -> Any:
        return handle(self._thing.group)

    def AssignToColorGroup(self, group: Any) -> bool:
        self._thing.group = group._thing
        return True

    def RemoveFromColorGroup(self) -> bool:
        had = self._thing.group is not None
        self._thing.group = None
        return had


REGISTRY[Item] = TimelineItem


def Ghost() -> Any:
    """What AppendToTimeline may return for an item that it did not place: its methods answer None."""
    return TimelineItem(_Nothing())
