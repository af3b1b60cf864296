"""`nukescripts`, as far as plugins need it to hang a panel into Nuke. types-nuke has no stubs of it: the names here
are documented in the Python developer's guide ("Custom Panels", "Extending Nuke with PySide")."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ._session import current


class PythonPanel:
    """A panel of knobs, shown in a pane or as a dialog."""

    def __init__(self, title: str = "", id: str = "", scrollable: bool = True) -> None:
        current().enter("nukescripts.PythonPanel")
        self._title, self._id = title, id
        self._knobs: dict[str, Any] = {}

    def addKnob(self, knob: Any) -> None:
        self._knobs[knob.name()] = knob

    def knobs(self) -> dict[str, Any]:
        return self._knobs


class RegisteredPanel:
    """What a test finds in `session().panels`: `widget` is the text that makes the widget."""

    def __init__(self, widget: str, name: str, id: str) -> None:
        self.widget, self.name, self.id = widget, name, id
        self.pane: Any = None

    def addToPane(self, pane: Any = None) -> RegisteredPanel:
        current().enter("addToPane")
        self.pane = pane if pane is not None else "the current pane"
        return self


def registerWidgetAsPanel(widget: str, name: str, id: str, create: bool = False) -> Any:
    """Make a widget available as a panel: `widget` is the name of its class as Python text."""
    session = current()
    session.enter("nukescripts.panels.registerWidgetAsPanel")
    if not session.gui:
        raise RuntimeError("there are no panels without a GUI")
    if not isinstance(widget, str):
        raise TypeError(f"registerWidgetAsPanel takes the widget's name as text, not {widget!r}")
    panel = session.panels[id] = RegisteredPanel(widget, name, id)
    return panel if create else None


def restorePanel(id: str) -> RegisteredPanel:
    """The registered panel of an id, made anew."""
    session = current()
    session.enter("nukescripts.panels.restorePanel")
    if id not in session.panels:
        raise KeyError(id)
    return session.panels[id]  # type: ignore[no-any-return]


def modules() -> dict[str, ModuleType]:
    """The modules to put into sys.modules."""
    whole, panels = ModuleType("nukescripts"), ModuleType("nukescripts.panels")
    panels.registerWidgetAsPanel = registerWidgetAsPanel  # type: ignore[attr-defined]
    panels.PythonPanel = PythonPanel  # type: ignore[attr-defined]
    panels.restorePanel = restorePanel  # type: ignore[attr-defined]
    for name in ("registerWidgetAsPanel", "PythonPanel", "restorePanel"):
        setattr(whole, name, getattr(panels, name))
    whole.panels = panels  # type: ignore[attr-defined]
    return {"nukescripts": whole, "nukescripts.panels": panels}
