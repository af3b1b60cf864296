"""The object `fusion`: compositions of clips, and those of Fusion Studio itself."""

from __future__ import annotations

from typing import Any

from . import _comp_api, _retime, _tool_api
from ._comp_model import Comp
from ._fusion_base import FusionObject, call
from ._fusion_names import FUSION_FIELDS, FUSION_METHODS
from ._handles import handle
from ._model import Item, Thing
from ._session import current

_API = (_comp_api, _tool_api)  # loading them makes their handles known


class FusionState(Thing):
    """What the Fusion side of Resolve holds."""

    def __init__(self) -> None:
        super().__init__(None)
        self.comps: list[Comp] = []  # that belong to no clip
        self.comp: Comp | None = None  # that a user has in front of them, in Fusion Studio
        self.data: dict[str, Any] = {}

    def object(self) -> Any:
        """The object `fusion`."""
        return Fusion(self)

    def current_comp(self) -> Comp | None:
        """The one in front; on the Fusion page that of the clip under the playhead."""
        from ._timeline_api import under

        if self.comp is not None and self.comp.is_there():
            return self.comp
        project = current().app.project
        if current().app.page != "fusion" or project is None or project.timeline is None:
            return None
        item = under(project.timeline, project.timeline.playhead)
        if item is None:
            return None
        return item.comps[0] if item.comps else self.make(item)

    def make(self, item: Item) -> Comp:
        """A composition for a clip: the media in, wired to what goes back to the timeline."""
        timeline = item.track.timeline
        if item.media is not None:
            left, _ = _retime.offsets(item)
            whole = int(item.media.length / _retime.ratio(item) / (abs(item.speed) or 1))
            span, render = (0, max(whole, int(left) + item.duration) - 1), (int(left), int(left) + item.duration - 1)
        else:
            span = render = (0, item.duration - 1)
        comp = Comp(f"Composition {len(item.comps) + 1}", item=item, span=span, render=render)
        media = item.media
        comp.size = media.size if media is not None and media.size != (0, 0) else timeline.size
        comp.rate = float(timeline.rate)
        out = comp.add("MediaOut")
        if media is not None:
            source = comp.add("MediaIn")
            source.inputs["MediaID"].value = media.id
            out.inputs["Input"].source = source
            out.position = (3.0, 0.0)
        item.comps.append(comp)
        return comp

    def new_clip_comp(self, item: Item) -> Comp:
        """AddFusionComp: a new composition, which has nothing but its media in and out."""
        return self.make(item)

    def described(self) -> dict[str, Any]:
        """All compositions, for snapshots."""
        found = {f"fusion/{comp.name}": _comp(comp) for comp in self.comps}
        for project in current().app.projects:
            for timeline in project.timelines:
                for item in timeline.items():
                    for comp in item.comps:
                        found[f"{project.name}/{timeline.name}/{item.id}/{comp.name}"] = _comp(comp)
        return found


def _comp(comp: Comp) -> dict[str, Any]:
    return {
        "span": comp.span,
        "render": comp.render,
        "time": comp.time,
        "locks": comp.locks,
        "undo open": comp.undo_open,
        "active": comp.active.name if comp.active and not comp.active.gone else None,
        "data": dict(comp.data),
        "tools": {
            tool.name: {
                "kind": tool.kind,
                "group": tool.group.name if tool.group else None,
                "passed": tool.passed,
                "selected": tool.selected,
                "position": tool.position,
                "data": {key: value for key, value in tool.data.items() if not key.startswith("__")},
                "inputs": {
                    name: control.source.name if control.source else control.value
                    for name, control in tool.inputs.items()
                },
            }
            for tool in comp.tools
        },
    }


class Fusion(FusionObject):
    _kind, _thing = "Fusion", None
    _methods, _fields = FUSION_METHODS, FUSION_FIELDS

    @property
    def CurrentComp(self) -> Any:
        return handle(self._thing.current_comp())

    @property
    def Version(self) -> float:
        return float(f"{current().version[0]}.{(*current().version, 0)[1]}")

    @property
    def UIManager(self) -> Any:
        return current().ui.manager()

    @call()
    def GetCurrentComp(self) -> Any:
        return handle(self._thing.current_comp())

    @call()
    def GetCompList(self) -> dict[float, Any]:
        return {float(number): handle(comp) for number, comp in enumerate(self._thing.comps, 1)}

    @call()
    def GetResolve(self) -> Any:
        return handle(current().app)

    @call((), (str,))
    def GetData(self, name: str | None = None) -> Any:
        return self._thing.data.get(name) if name else dict(self._thing.data)

    @call((str, object))
    def SetData(self, name: str, value: Any) -> None:
        self._thing.data[name] = value

    @call((str,))
    def MapPath(self, path: str) -> str:
        return path

    @call((), (str,), (str, str), (str, str, dict), (dict,))
    def RequestFile(self, *how: Any) -> Any:
        return self._asked("RequestFile")

    @call((), (str,), (str, str), (dict,))
    def RequestDir(self, *how: Any) -> Any:
        return self._asked("RequestDir")

    def _asked(self, what: str) -> Any:
        session = current()
        if not session.gui:
            raise session.break_rule(f"{what} without a user interface waits for ever")
        session.messages.append(what)
        return session.answers.popleft() if session.answers else None
