"""MediaPoolItem and Folder."""

from __future__ import annotations

from typing import Any

from . import _files, _time
from ._handles import REGISTRY, handle, handles, numbered
from ._markers import Flags, Markers, Marks
from ._model import Bin, Media, Project
from ._session import current
from ._surface import ApiObject, offered

# Values of clip properties follow the language of the user interface, as other display strings do (issue 191 of
# samuelgursky/davinci-resolve-mcp has it for JobStatus); the words here are examples.
_WORDS = {
    "de": {
        "Video": "Video",
        "Still": "Standbild",
        "Timeline": "Timeline",
        "Compound": "Compound-Clip",
        "Online": "Online",
        "Offline": "Offline",
        "None": "Keine",
        "Square": "Quadratisch",
        "Off": "Aus",
        "Audio": "Audio",
        "Video + Audio": "Video + Audio",
        "Multicam": "Multicam",
        "Fusion": "Fusion",
        "Auto": "Automatisch",
    },
    "ja": {
        "Video": "ビデオ",
        "Still": "スチル",
        "Timeline": "タイムライン",
        "Compound": "複合クリップ",
        "Online": "オンライン",
        "Offline": "オフライン",
        "None": "なし",
        "Square": "スクエア",
        "Off": "オフ",
        "Audio": "オーディオ",
        "Video + Audio": "ビデオ + オーディオ",
        "Multicam": "マルチカム",
        "Fusion": "Fusion",
        "Auto": "自動",
    },
}
_TYPES = {
    "sequence": "Video",
    "still": "Still",
    "movie": "Video",
    "audio": "Audio",
    "timeline": "Timeline",
    "compound": "Compound",
    "multicam": "Multicam",
    "fusion": "Fusion",
}
_SETTABLE = {
    "FPS",
    "Start TC",
    "Input Color Space",
    "Input Gamma",
    "Alpha mode",
    "PAR",
    "Data Level",
    "Clip Color",
    "Comments",
    "Clip Name",
    "Reel Name",
    "Description",
    "Keyword",
    "Scene",
    "Shot",
    "Take",
    "Super Scale",
    "Input LUT",
    "Input Sizing Preset",
    "IDT",
    "Good Take",
    "Angle",
    "Camera #",
    "Roll/Card",
    "Field Dominance",
}
_COLOUR_MANAGED = {"davinciYRGBColorManaged", "davinciYRGBColorManagedv2"}


def word(text: str) -> str:
    """A display string in the language of the session."""
    return _WORDS.get(current().language, {}).get(text, text)


def properties_of(media: Media) -> dict[str, Any]:
    """All clip properties; nearly all of them are text."""
    suffix = "." + media.path.rsplit(".", 1)[-1].lower() if "." in media.path else ""
    shown = ""
    if media.is_file:
        shown = (
            _files.shown(media.path, media.first, media.first + media.length - 1)
            if media.kind == "sequence"
            else media.path
        )
    length = max(1, media.length)
    kind = "Video + Audio" if media.sound and media.kind == "movie" else _TYPES[media.kind]
    used = 0
    project = media.owner
    if isinstance(project, Project):
        used = sum(item.media is media for timeline in project.timelines for item in timeline.items())
    found: dict[str, Any] = {
        "Alpha mode": word("None"),
        "Angle": "",
        "Audio Bit Depth": "",
        "Audio Ch": "2" if media.sound else "0",
        "Audio Codec": "",
        "Audio Offset": "",
        "Bit Depth": "16" if suffix == ".exr" else "10",
        "Camera #": "",
        "Clip Color": media.color,
        "Clip Name": media.name,
        "Comments": "",
        "Data Level": word("Auto"),
        "Date Added": "Mon Nov 23 2026 10:00:00",
        "Date Created": "Mon Nov 23 2026 09:00:00",
        "Date Modified": "Mon Nov 23 09:00:00 2026",
        "Description": "",
        "Drop frame": "1" if media.drop else "0",
        "Duration": _time.timecode(media.length, media.rate, media.drop),
        "Enable Deinterlacing": "0",
        "End": str(media.first + length - 1 if media.kind == "sequence" else length - 1),
        "End TC": _time.timecode(media.start + media.length, media.rate, media.drop),
        "FPS": _time.rate_number(media.rate),
        "Field Dominance": word("Auto"),
        "File Name": shown.replace("\\", "/").rsplit("/", 1)[-1],
        "File Path": shown,
        "Flags": ",".join(media.flags),
        "Format": _files.FORMATS.get(suffix, ""),
        "Frames": str(media.length),
        "Good Take": "",
        "H-FLIP": word("Off"),
        "IDT": "",
        "In": "",
        "Input Color Space": "Project",
        "Input Gamma": "",
        "Input LUT": "",
        "Input Sizing Preset": word("None"),
        "Keyword": "",
        "Noise Reduction": "",
        "Offline Reference": "",
        "Online Status": word("Offline" if media.missing else "Online"),
        "Out": "",
        "PAR": word("Square"),
        "Proxy": word("None"),
        "Proxy Media Path": "",
        "Reel Name": "",
        "Resolution": f"{media.size[0]}x{media.size[1]}",
        "Roll/Card": "",
        "S3D Sync": "",
        "Sample Rate": "",
        "Scene": "",
        "Sharpness": "",
        "Shot": "",
        "Slate TC": _time.timecode(media.start, media.rate, media.drop),
        "Start": str(media.first if media.kind == "sequence" else 0),
        "Start KeyKode": "",
        "Start TC": _time.timecode(media.start, media.rate, media.drop),
        "Synced Audio": "",
        "Take": "",
        "Type": word(kind),
        "Usage": str(used),
        "V-FLIP": word("Off"),
        "Video Codec": {"OpenEXR": "OpenEXR"}.get(_files.FORMATS.get(suffix, ""), ""),
        "Super Scale": 1,
    }
    found.update(media.properties)
    return found


def may_set(media: Media, name: str, value: Any) -> bool:
    """Whether a property can be given this value, and the changes that are more than a word."""
    if name not in _SETTABLE:
        return False
    project = media.owner
    assert isinstance(project, Project)
    if name in {"Input Color Space", "Input Gamma"}:
        return project.settings["colorScienceMode"] in _COLOUR_MANAGED
    if name == "IDT":
        return project.settings["colorScienceMode"] in {"acescc", "acescct"}
    if name == "FPS":
        try:
            rate, drop = _time.rate(value)
        except (ValueError, ZeroDivisionError):
            return False
        in_use = any(item.media is media for timeline in project.timelines for item in timeline.items())
        if in_use:
            return False  # Resolve asks to remove a clip from its timelines first
        media.start = round(media.start * _time.nominal(rate) / _time.nominal(media.rate))
        media.rate, media.drop = rate, drop
    if name == "Start TC":
        try:
            media.start = _time.frames_of(str(value), media.rate, media.drop)
        except ValueError:
            return False
    return True


@offered
class MediaPoolItem(Markers, Flags, Marks, ApiObject):
    _thing: Media

    def GetName(self) -> str:
        return self._thing.name

    def SetName(self, name: str) -> bool:
        self._thing.name = name
        return bool(name)

    def GetMetadata(self, key: str | None = None) -> Any:
        return self._thing.metadata.get(key, "") if key else dict(self._thing.metadata)

    def SetMetadata(self, key: Any, value: str = "") -> bool:
        self._thing.metadata.update(key if isinstance(key, dict) else {key: value})
        return True

    def GetThirdPartyMetadata(self, key: str | None = None) -> Any:
        return self._thing.third_party.get(key, "") if key else dict(self._thing.third_party)

    def SetThirdPartyMetadata(self, key: Any, value: str = "") -> bool:
        self._thing.third_party.update(key if isinstance(key, dict) else {key: value})
        return True

    def GetMediaId(self) -> str:
        return "m" + self._thing.id

    def GetUniqueId(self) -> str:
        return self._thing.id

    def GetClipProperty(self, name: str | None = None) -> Any:
        found = properties_of(self._thing)
        return found.get(name, "") if name else found

    def SetClipProperty(self, name: str, value: Any, *more: Any) -> bool:
        if not may_set(self._thing, name, value):
            return False
        if name == "Clip Name":
            self._thing.name = str(value)
        elif name == "Clip Color":
            self._thing.color = str(value)
        elif name not in {"FPS", "Start TC"}:
            self._thing.properties[name] = value if name == "Super Scale" else str(value)
        return True

    def GetAudioMapping(self) -> str:
        tracks = '{"1": {"channel_idx": [1, 2], "mute": false, "type": "Stereo"}}' if self._thing.sound else "{}"
        return (
            f'{{"embedded_audio_channels": {2 * self._thing.sound}, "linked_audio": {{}}, "track_mapping": {tracks}}}'
        )

    def GetTimeline(self) -> Any:
        return handle(self._thing.timeline) if self._thing.kind == "timeline" else None


@offered
class Folder(ApiObject):
    _thing: Bin

    def GetClipList(self) -> list[Any]:
        return handles(self._thing.clips)

    def GetClips(self) -> dict[float, Any]:
        return numbered(handles(self._thing.clips))

    def GetName(self) -> str:
        return self._thing.name

    def GetSubFolderList(self) -> list[Any]:
        return handles(self._thing.bins)

    def GetSubFolders(self) -> dict[float, Any]:
        return numbered(handles(self._thing.bins))

    def GetIsFolderStale(self) -> bool:
        return False

    def GetUniqueId(self) -> str:
        return self._thing.id


REGISTRY[Media] = MediaPoolItem
REGISTRY[Bin] = Folder
