"""Resolve, ProjectManager and Project."""

from __future__ import annotations

from typing import Any

from . import _grades_api, _pool_api, _render_jobs, _time, _types
from ._handles import REGISTRY, handle, handles, numbered
from ._model import App, Thing
from ._model import Project as Held
from ._render_api import Rendering
from ._session import current
from ._surface import MISSING_CONSTANTS, ApiObject, offered


class Manager(Thing):
    """The project manager."""


def _three() -> list[int]:
    return [*current().version, 0, 0, 0][:3]


@offered
class Resolve(ApiObject):
    _thing: App

    def __getattr__(self, name: str) -> Any:
        if name in _types.CONSTANTS and not name.startswith(MISSING_CONSTANTS):
            return _types.CONSTANTS[name]
        return super().__getattr__(name)

    def Fusion(self) -> Any:
        return current().fusion.object()

    def GetMediaStorage(self) -> Any:
        return handle(_pool_api.Storage(None))

    def GetProjectManager(self) -> Any:
        return handle(Manager(None))

    def OpenPage(self, page: str) -> bool:
        self._thing.page = page
        return True

    def GetCurrentPage(self) -> str:
        return self._thing.page

    def GetProductName(self) -> str:
        return "DaVinci Resolve Studio" if current().edition == "studio" else "DaVinci Resolve"

    def GetVersion(self) -> list[Any]:
        return [*_three(), 5, ""]

    def GetVersionString(self) -> str:
        return ".".join(map(str, [*_three(), 5]))

    def GetKeyframeMode(self) -> int:
        return self._thing.keyframe_mode

    def SetKeyframeMode(self, mode: int) -> bool:
        self._thing.keyframe_mode = mode
        return True

    def Quit(self) -> None:
        self._thing.open_project(None)

    def SaveLayoutPreset(self, name: str) -> bool:
        self._thing.layouts.append(name)
        return True


@offered
class ProjectManager(ApiObject):
    _thing: Manager

    def _named(self, name: str) -> Held | None:
        return next((project for project in current().app.projects if project.name == name), None)

    def CreateProject(self, name: str, where: str | None = None) -> Any:
        app = current().app
        if not name or self._named(name):
            return None
        project = new_project(name)
        app.open_project(project)
        return handle(project)

    def DeleteProject(self, name: str) -> bool:
        project = self._named(name)
        if project is None or project.open:
            return False
        current().app.projects.remove(project)
        return True

    def LoadProject(self, name: str) -> Any:
        project = self._named(name)
        if project is None:
            return None
        if project is not current().app.project:
            current().app.open_project(project)
        return handle(project)

    def GetCurrentProject(self) -> Any:
        return handle(current().app.project)

    def SaveProject(self) -> bool:
        project = current().app.project
        if project is None or project.name == "Untitled Project" or project.locked:
            return False
        project.saved += 1
        return True

    def CloseProject(self, project: Any) -> bool:
        if project._thing is not current().app.project:
            return False
        current().app.open_project(None)
        return True

    def GetProjectListInCurrentFolder(self) -> list[str]:
        return [project.name for project in current().app.projects]

    def GetProjectsInCurrentFolder(self) -> dict[float, str]:
        return numbered(self.GetProjectListInCurrentFolder())

    def GetFolderListInCurrentFolder(self) -> list[str]:
        return []

    def GetCurrentFolder(self) -> str:
        return ""

    def GotoRootFolder(self) -> bool:
        return True

    def GetCurrentDatabase(self) -> dict[str, str]:
        return {"DbType": "Disk", "DbName": "Local Database"}

    def GetDatabaseList(self) -> list[dict[str, str]]:
        return [self.GetCurrentDatabase()]


def new_project(name: str) -> Held:
    """A project as Resolve makes it, not opened."""
    project = Held(name)
    project.albums.append(_grades_api.Album(project, "Stills 1"))
    current().app.projects.append(project)
    return project


@offered
class Project(Rendering, ApiObject):
    _thing: Held

    def GetMediaPool(self) -> Any:
        return handle(_pool_api.Pool(self._thing))

    def GetTimelineCount(self) -> int:
        return len(self._thing.timelines)

    def GetTimelineByIndex(self, number: int) -> Any:
        timelines = self._thing.timelines
        return handle(timelines[number - 1]) if 1 <= number <= len(timelines) else None

    def GetCurrentTimeline(self) -> Any:
        return handle(self._thing.timeline)

    def SetCurrentTimeline(self, timeline: Any) -> bool:
        if timeline._thing.project is not self._thing:
            return False
        self._thing.timeline = timeline._thing
        return True

    def GetGallery(self) -> Any:
        return handle(_grades_api.GalleryOf(self._thing))

    def GetName(self) -> str:
        return self._thing.name

    def SetName(self, name: str) -> bool:
        if not name or any(project.name == name for project in current().app.projects):
            return False
        self._thing.name = name
        return True

    def GetPresetList(self) -> list[Any]:
        return []

    def GetSetting(self, name: str | None = None) -> Any:
        held: dict[str, Any] = dict(self._thing.settings)
        held["timelineFrameRate"] = _time.rate_number(_time.rate(held["timelineFrameRate"])[0])
        return held.get(name, "") if name else held

    def SetSetting(self, name: str, value: Any, *more: Any) -> bool:
        project = self._thing
        if name not in project.settings or project.locked:
            return False
        if name == "timelineFrameRate":
            if project.timelines:
                return False  # it is fixed once there is a timeline
            try:
                drop = _time.rate(value)[1]
            except (ValueError, ZeroDivisionError):
                return False
            project.settings["timelineDropFrameTimecode"] = "1" if drop else "0"
        project.settings[name] = str(value)
        return True

    def RefreshLUTList(self) -> bool:
        return True

    def GetUniqueId(self) -> str:
        return self._thing.id

    def GetColorGroupsList(self) -> list[Any]:
        return handles(self._thing.groups)

    def AddColorGroup(self, name: str) -> Any:
        if not name or any(group.name == name for group in self._thing.groups):
            return None
        made = _grades_api.Group(self._thing, name)
        self._thing.groups.append(made)
        return handle(made)

    def ExportCurrentFrameAsStill(self, path: str) -> bool:
        timeline = self._thing.timeline
        if timeline is None or not path.lower().endswith((".dpx", ".tif", ".jpg", ".png", ".bmp", ".exr")):
            return False
        return _render_jobs.still(timeline, path)


REGISTRY.update({App: Resolve, Manager: ProjectManager, Held: Project})
