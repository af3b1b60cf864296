"""Markers, flags, clip colours and in/out marks, which media, items and timelines share."""

from __future__ import annotations

from typing import Any

from ._handles import numbered


class Markers:
    """Frames of markers count from the beginning of the thing that they are on, and come back as floats."""

    _thing: Any

    def AddMarker(self, frame: float, color: str, name: str, note: str, duration: float, custom: str = "") -> bool:
        if float(frame) in self._thing.markers or duration < 1 or frame < 0:
            return False
        self._thing.markers[float(frame)] = {
            "color": color, "duration": float(duration), "note": note, "name": name, "customData": custom or "",
        }  # fmt: skip
        return True

    def GetMarkers(self) -> dict[float, dict[str, Any]]:
        return {frame: dict(held) for frame, held in sorted(self._thing.markers.items())}

    def _with_custom(self, custom: str) -> float | None:
        return next(
            (frame for frame, held in sorted(self._thing.markers.items()) if held["customData"] == custom), None
        )

    def GetMarkerByCustomData(self, custom: str) -> dict[str, Any]:
        frame = self._with_custom(custom)
        return {} if frame is None else dict(self._thing.markers[frame])

    def UpdateMarkerCustomData(self, frame: float, custom: str) -> bool:
        if float(frame) not in self._thing.markers:
            return False
        self._thing.markers[float(frame)]["customData"] = custom
        return True

    def GetMarkerCustomData(self, frame: float) -> str:
        return str(self._thing.markers.get(float(frame), {}).get("customData", ""))

    def DeleteMarkersByColor(self, color: str) -> bool:
        found = [frame for frame, held in self._thing.markers.items() if color in {"All", held["color"]}]
        for frame in found:
            del self._thing.markers[frame]
        return bool(found)

    def DeleteMarkerAtFrame(self, frame: float) -> bool:
        return self._thing.markers.pop(float(frame), None) is not None

    def DeleteMarkerByCustomData(self, custom: str) -> bool:
        frame = self._with_custom(custom)
        return frame is not None and self._thing.markers.pop(frame, None) is not None


class Flags:
    """Flags and the clip colour."""

    _thing: Any

    def AddFlag(self, color: str) -> bool:
        if color not in self._thing.flags:
            self._thing.flags.append(color)
        return True

    def GetFlagList(self) -> list[str]:
        return list(self._thing.flags)

    def GetFlags(self) -> dict[float, str]:
        return numbered(self._thing.flags)

    def ClearFlags(self, color: str) -> bool:
        kept = [flag for flag in self._thing.flags if color not in {"All", flag}]
        changed = len(kept) != len(self._thing.flags)
        self._thing.flags[:] = kept
        return changed

    def GetClipColor(self) -> str:
        return str(self._thing.color)

    def SetClipColor(self, color: str) -> bool:
        # On generators and titles the answer is True and nothing is kept (api_truth.py, "SetClipColor on generator").
        if getattr(self._thing, "kind", "clip") not in {"generator", "title"}:
            self._thing.color = color
        return True

    def ClearClipColor(self) -> bool:
        self._thing.color = ""
        return True


class Marks:
    """In and out marks: stored as given, relative to the timeline's start when the user sets them."""

    _thing: Any

    def GetMarkInOut(self) -> dict[str, dict[str, int]]:
        return {kind: {"in": first, "out": last} for kind, (first, last) in self._thing.marks.items()}

    def SetMarkInOut(self, first: int, last: int, kind: str = "all") -> bool:
        if last < first:
            return False
        for each in ("video", "audio") if kind == "all" else (kind,):
            self._thing.marks[each] = (int(first), int(last))
        return True

    def ClearMarkInOut(self, kind: str = "all") -> bool:
        for each in ("video", "audio") if kind == "all" else (kind,):
            self._thing.marks.pop(each, None)
        return True
