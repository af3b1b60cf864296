"""Graph, ColorGroup, Gallery, GalleryStillAlbum and GalleryStill."""

from __future__ import annotations

from typing import Any

from ._handles import REGISTRY, handle, handles
from ._model import Item, Project, Thing, Timeline
from ._session import current
from ._surface import ApiObject, offered


class NodeGraph(Thing):
    """The nodes of a clip, of a timeline or of a colour group."""

    def __init__(self, of: Any) -> None:
        super().__init__(of if isinstance(of, Thing) else None)
        self.of = of


class Group(Thing):
    """A colour group."""

    def __init__(self, project: Project, name: str) -> None:
        super().__init__(project)
        self.project = project
        self.name = name
        self.nodes = [{"label": "", "enabled": True, "lut": ""}]


class Still(Thing):
    """A still, which knows the frame it is of."""

    def __init__(self, album: Album, item: Item | None, frame: int) -> None:
        super().__init__(album)
        self.item = item
        self.frame = frame
        self.label = ""


class Album(Thing):
    """An album of stills."""

    def __init__(self, project: Project, name: str) -> None:
        super().__init__(project)
        self.project = project
        self.name = name
        self.stills: list[Still] = []


class GalleryOf(Thing):
    """The gallery of a project."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.project = project


def nodes_of(of: Any) -> list[dict[str, Any]]:
    """The nodes of a thing; a timeline has one of its own."""
    if isinstance(of, Timeline):
        if not hasattr(of, "nodes"):
            of.nodes = [{"label": "", "enabled": True, "lut": ""}]  # type: ignore[attr-defined]
        return of.nodes  # type: ignore[attr-defined, no-any-return]
    return of.nodes  # type: ignore[no-any-return]


@offered
class Graph(ApiObject):
    _thing: NodeGraph

    def _node(self, number: int) -> dict[str, Any] | None:
        nodes = nodes_of(self._thing.of)
        return nodes[number - 1] if 1 <= number <= len(nodes) else None

    def GetNumNodes(self) -> int:
        return len(nodes_of(self._thing.of))

    def GetLUT(self, number: int) -> str:
        return (self._node(number) or {}).get("lut", "")

    def GetNodeLabel(self, number: int) -> str:
        return (self._node(number) or {}).get("label", "")

    def GetToolsInNode(self, number: int) -> list[str]:
        return list((self._node(number) or {}).get("tools", []))

    def SetNodeEnabled(self, number: int, enabled: bool) -> bool:
        node = self._node(number)
        if node is None:
            return False
        node["enabled"] = enabled
        return True


@offered
class ColorGroup(ApiObject):
    _thing: Group

    def GetName(self) -> str:
        return self._thing.name

    def SetName(self, name: str) -> bool:
        self._thing.name = name
        return True

    def GetClipsInTimeline(self, timeline: Any = None) -> list[Any]:
        held = timeline._thing if timeline is not None else self._thing.project.timeline
        return handles(item for item in held.items() if item.group is self._thing) if held else []

    def GetPreClipNodeGraph(self) -> Any:
        return handle(NodeGraph(self._thing))

    def GetPostClipNodeGraph(self) -> Any:
        return handle(NodeGraph(self._thing))


@offered
class Gallery(ApiObject):
    _thing: GalleryOf

    def GetAlbumName(self, album: Any) -> str:
        return str(album._thing.name)

    def SetAlbumName(self, album: Any, name: str) -> bool:
        album._thing.name = name
        return True

    def GetCurrentStillAlbum(self) -> Any:
        return handle(self._thing.project.albums[0])

    def GetGalleryStillAlbums(self) -> list[Any]:
        return handles(self._thing.project.albums)

    def CreateGalleryStillAlbum(self) -> Any:
        made = Album(self._thing.project, f"Stills {len(self._thing.project.albums) + 1}")
        self._thing.project.albums.append(made)
        return handle(made)


@offered
class GalleryStillAlbum(ApiObject):
    _thing: Album

    def GetStills(self) -> list[Any]:
        return handles(self._thing.stills)

    def GetLabel(self, still: Any) -> str:
        return str(still._thing.label)

    def SetLabel(self, still: Any, label: str) -> bool:
        still._thing.label = label
        return True

    def ExportStills(self, stills: list[Any], folder: str, prefix: str, form: str) -> bool:
        # False unless the Gallery panel is open on the Color page, which no script can see (api_truth.py).
        return False

    def DeleteStills(self, stills: list[Any]) -> bool:
        for still in stills:
            self._thing.stills.remove(still._thing)
            still._thing.gone = True
        return bool(stills)


@offered
class GalleryStill(ApiObject):
    _thing: Still


def grab(timeline: Timeline, item: Item | None) -> Still | None:
    """A still of the frame under the playhead."""
    if item is None or current().app.page not in {"color", "edit", "deliver"}:
        return None
    album = timeline.project.albums[0]
    still = Still(album, item, timeline.playhead)
    album.stills.append(still)
    return still


REGISTRY.update(
    {NodeGraph: Graph, Group: ColorGroup, GalleryOf: Gallery, Album: GalleryStillAlbum, Still: GalleryStill}
)
