"""MediaPool and MediaStorage."""

from __future__ import annotations

import os
from typing import Any

from . import _importing, _placing, _time
from ._handles import REGISTRY, handle, handles
from ._item_api import Ghost
from ._model import Bin, Media, Project, Thing, Timeline
from ._session import current
from ._surface import ApiObject, offered


class Pool(Thing):
    """The media pool of a project."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.project = project


class Storage(Thing):
    """The media storage."""


def _listed(args: tuple[Any, ...]) -> list[Any]:
    return list(args[0]) if len(args) == 1 and isinstance(args[0], list) else list(args)


def fresh_name(project: Project, name: str) -> bool:
    """Whether no timeline has the name."""
    return bool(name) and all(timeline.name != name for timeline in project.timelines)


@offered
class MediaPool(ApiObject):
    _thing: Pool

    def GetRootFolder(self) -> Any:
        return handle(self._thing.project.root)

    def AddSubFolder(self, folder: Any, name: str) -> Any:
        parent = folder._thing
        if not name:
            return None
        made = Bin(self._thing.project, name, parent)  # a second one of the same name is allowed
        parent.bins.append(made)
        self._thing.project.bin = made  # Resolve moves into the new bin
        return handle(made)

    def RefreshFolders(self) -> bool:
        return True

    def CreateEmptyTimeline(self, name: str) -> Any:
        project = self._thing.project
        if not fresh_name(project, name):
            return None
        rate, drop = _time.rate(project.settings["timelineFrameRate"])
        start = _time.frames_of("01:00:00:00", rate, drop)
        made = _placing.new_timeline(project, project.bin, name, rate=rate, drop=drop, start=start)
        project.timeline = made
        return handle(made)

    def AppendToTimeline(self, *args: Any) -> list[Any]:
        found = _placing.append(self._thing.project, _listed(args))
        return [Ghost() if item == "ghost" else handle(item) for item in found]

    def CreateTimelineFromClips(self, name: str, *args: Any) -> Any:
        project = self._thing.project
        entries = _listed(args)
        clips = [entry["mediaPoolItem"]._thing if isinstance(entry, dict) else entry._thing for entry in entries]
        if not fresh_name(project, name) or any(clip.bin is not project.bin for clip in clips):
            return None  # with no reason: the clips must lie in the current folder (api_truth.py)
        made = self.CreateEmptyTimeline(name)
        for entry in entries:
            if isinstance(entry, dict):
                entry.pop("trackIndex", None)
        _placing.append(project, entries)
        return made

    def DeleteTimelines(self, timelines: list[Any]) -> bool:
        project = self._thing.project
        for held in timelines:
            remove_timeline(project, held._thing)
        return bool(timelines)

    def GetCurrentFolder(self) -> Any:
        return handle(self._thing.project.bin)

    def SetCurrentFolder(self, folder: Any) -> bool:
        self._thing.project.bin = folder._thing
        return True

    def DeleteClips(self, clips: list[Any]) -> bool:
        for held in clips:
            remove_media(self._thing.project, held._thing)
        return bool(clips)

    def DeleteFolders(self, folders: list[Any]) -> bool:
        project = self._thing.project
        for held in folders:
            gone = held._thing
            if gone is project.root:
                return False
            for media in list(gone.all_clips()):
                remove_media(project, media)
            gone.parent.bins.remove(gone)
            gone.gone = True
            if not any(held is project.bin for held in project.all_bins()):
                project.bin = gone.parent
        return bool(folders)

    def MoveClips(self, clips: list[Any], target: Any) -> bool:
        for held in clips:
            media = held._thing
            media.bin.clips.remove(media)
            media.bin = target._thing
            target._thing.clips.append(media)
        return bool(clips)

    def MoveFolders(self, folders: list[Any], target: Any) -> bool:
        for held in folders:
            moved = held._thing
            moved.parent.bins.remove(moved)
            moved.parent = target._thing
            target._thing.bins.append(moved)
        return bool(folders)

    def GetClipMatteList(self, clip: Any) -> list[str]:
        return list(clip._thing.mattes)

    def GetTimelineMatteList(self, folder: Any) -> list[Any]:
        return handles(folder._thing.timeline_mattes)

    def DeleteClipMattes(self, clip: Any, paths: list[str]) -> bool:
        before = len(clip._thing.mattes)
        clip._thing.mattes[:] = [path for path in clip._thing.mattes if path not in paths]
        return len(clip._thing.mattes) < before

    def ImportMedia(self, items: list[Any]) -> list[Any]:
        faults = current().faults
        found: list[Media] = []
        for entry in items:
            if faults.refused_imports:
                faults.refused_imports -= 1
                continue
            if isinstance(entry, dict):
                made = _importing.from_description(self._thing.project.bin, entry)
                found += [made] if made else []
            else:
                found += _importing.files(self._thing.project.bin, entry)
        return handles(found)

    def GetUniqueId(self) -> str:
        return self._thing.id

    def GetSelectedClips(self) -> list[Any]:
        return handles(self._thing.project.selected)

    def SetSelectedClip(self, clip: Any) -> bool:
        self._thing.project.selected = [clip._thing]
        return True


def remove_media(project: Project, media: Media) -> None:
    """Delete a clip; items of it stay on their timelines, offline."""
    if media.kind == "timeline" and media.timeline is not None:
        remove_timeline(project, media.timeline)
        return
    if media.bin is not None:
        media.bin.clips.remove(media)
    media.bin = None
    media.gone = True


def remove_timeline(project: Project, timeline: Timeline) -> None:
    """Delete a timeline and its clip; another one becomes the current one."""
    project.timelines.remove(timeline)
    timeline.gone = True
    if timeline.media is not None and timeline.media.bin is not None:
        timeline.media.bin.clips.remove(timeline.media)
        timeline.media.gone = True
    if project.timeline is timeline:
        project.timeline = project.timelines[0] if project.timelines else None


@offered
class MediaStorage(ApiObject):
    _thing: Storage

    def GetMountedVolumeList(self) -> list[str]:
        return ["/"]

    def GetSubFolderList(self, path: str) -> list[str]:
        if not os.path.isdir(path):
            return []
        full = [os.path.join(path, name) for name in sorted(os.listdir(path))]
        return [name for name in full if os.path.isdir(name)]

    def GetFileList(self, path: str) -> list[str]:
        if not os.path.isdir(path):
            return []
        full = [os.path.join(path, name) for name in sorted(os.listdir(path))]
        return [name for name in full if os.path.isfile(name)]

    def RevealInStorage(self, path: str) -> bool:
        return os.path.exists(path)

    def AddItemListToMediaPool(self, *args: Any) -> list[Any]:
        project = current().app.project
        if project is None:
            return []
        found: list[Media] = []
        for entry in _listed(args):
            if isinstance(entry, dict):
                found += _importing.files(project.bin, entry["media"])
            else:
                found += _importing.files(project.bin, entry)
        return handles(found)

    def AddClipMattesToMediaPool(self, clip: Any, paths: list[str], eye: str | None = None) -> bool:
        there = [path for path in paths if os.path.exists(path) or "%" in path]
        clip._thing.mattes += there
        return bool(there)

    def AddTimelineMattesToMediaPool(self, paths: list[str]) -> list[Any]:
        project = current().app.project
        found: list[Media] = []
        for path in paths:
            for media in _importing.files(project.bin, path):
                project.bin.clips.remove(media)
                project.bin.timeline_mattes.append(media)
                found.append(media)
        return handles(found)


REGISTRY[Pool] = MediaPool
REGISTRY[Storage] = MediaStorage
