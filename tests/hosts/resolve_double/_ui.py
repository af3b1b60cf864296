"""UIManager, UIDispatcher and `bmd`: windows whose events are delivered by `double.pump` or by RunLoop."""

from __future__ import annotations

import time
import traceback
from typing import Any, Callable

from . import _lua_tables, _ui_names
from ._session import current
from ._ui_elements import Element, window_of

LOOP_SECONDS = 60.0
"""How long RunLoop waits for an ExitLoop: a test that needs more has lost its way."""


class Events:
    """`win.On.ID.Clicked = handler`, `win.On["ID"].Clicked = handler`."""

    def __init__(self, owner: Element | None, name: str | None = None) -> None:
        object.__setattr__(self, "_owner", owner)
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_handlers", {})
        object.__setattr__(self, "_by_name", {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        if self._name is not None:
            raise current().break_rule(f"On.{self._name}.{name} has no handler")
        if self._owner is not None and all(held._values.get("ID") != name for held in self._owner._below()):
            raise current().break_rule(f"the window has no element {name!r}: its handler would never be called")
        return self._by_name.setdefault(name, Events(self._owner, name))

    def __setattr__(self, event: str, handler: Callable[..., Any]) -> None:
        current().enter(f"On.{self._name}.{event}=")
        if self._name is not None and self._owner is not None:
            kinds = [held._kind for held in self._owner._below() if held._values.get("ID") == self._name]
            if event not in _ui_names.EVENTS.get(kinds[0], ()):
                raise current().break_rule(f"ui.{kinds[0]} has no event {event!r}")
        self._handlers[event] = handler

    __setitem__ = __setattr__


class Window(Element):
    """A window or dialog."""

    def __init__(self, kind: str, given: dict[str, Any], children: list[Any]) -> None:
        super().__init__(kind, given, children)
        object.__setattr__(self, "On", Events(self))
        self._values["Visible"] = False
        names = [held._values["ID"] for held in self._below() if held._values.get("ID")]
        double = {name for name in names if names.count(name) > 1}
        if double:
            raise current().break_rule(f"IDs are used twice: {sorted(double)}")


class Manager:
    """`fusion.UIManager`, which may also be called: elements by their kind."""

    def __init__(self, state: UiState) -> None:
        self._state = state

    def __call__(self) -> Manager:
        return self

    def __getattr__(self, kind: str) -> Any:
        if kind.startswith("__"):
            raise AttributeError(kind)
        if kind not in _ui_names.ATTRIBUTES:
            raise current().break_rule(f"UIManager has no element {kind!r}")

        def make(*parts: Any) -> Element:
            current().enter(f"ui.{kind}", parts)
            return Element(kind, *_parts(kind, parts))

        return make

    def FindWindow(self, name: str) -> Any:
        """The window of that ID that is there already."""
        current().enter("ui.FindWindow", (name,))
        return next((window for window in self._state.windows if window._values.get("ID") == name), None)

    def FindWindows(self, name: str) -> dict[float, Any]:
        """All of them."""
        current().enter("ui.FindWindows", (name,))
        found = [window for window in self._state.windows if window._values.get("ID") == name]
        return {float(number): window for number, window in enumerate(found, 1)}

    def QueueEvent(self, element: Any, event: str, info: dict[str, Any]) -> None:
        """Have a handler called."""
        current().enter("ui.QueueEvent", (event,))
        self._state.send(element, event, **info)


def _parts(kind: str, parts: tuple[Any, ...]) -> tuple[dict[str, Any], list[Any]]:
    given: dict[str, Any] = {}
    children: list[Any] = []
    for part in parts:
        if isinstance(part, dict):
            for key, value in part.items():
                if isinstance(key, str):
                    given[key] = value
                else:
                    children.append(value)
        elif isinstance(part, list):
            children += part
        elif isinstance(part, Element):
            children.append(part)
        elif kind in {"VGap", "HGap"} and isinstance(part, (int, float)):
            continue
        else:
            raise current().break_rule(f"ui.{kind} takes a dictionary and children, not {part!r}")
    if children and kind not in {"Window", "Dialog", "VGroup", "HGroup", "Stack"}:
        raise current().break_rule(f"ui.{kind} holds no children")
    if any(not isinstance(child, Element) for child in children):
        raise current().break_rule(f"a child of ui.{kind} is no element: {children}")
    return given, children


class Dispatcher:
    """`bmd.UIDispatcher(ui)`."""

    def __init__(self, state: UiState) -> None:
        self._state = state
        self.On = Events(None)
        state.dispatchers.append(self)
        self._running = False
        self._code: Any = None

    def _window(self, kind: str, parts: tuple[Any, ...]) -> Window:
        current().enter(f"UIDispatcher.Add{kind}", parts)
        window = Window(kind, *_parts(kind, parts))
        self._state.windows.append(window)
        return window

    def AddWindow(self, *parts: Any) -> Window:
        """A window."""
        return self._window("Window", parts)

    def AddDialog(self, *parts: Any) -> Window:
        """A dialog."""
        return self._window("Dialog", parts)

    def RunLoop(self) -> Any:
        """Deliver events until ExitLoop."""
        current().enter("UIDispatcher.RunLoop")
        self._running = True
        end = time.monotonic() + LOOP_SECONDS
        while self._running:
            if not self._state.turn():
                time.sleep(0.005)
            current().check()
            if time.monotonic() > end:
                raise TimeoutError(f"RunLoop did not end in {LOOP_SECONDS} s: {self._state.described()}")
        return self._code

    def StepLoop(self) -> None:
        """Deliver what is there."""
        current().enter("UIDispatcher.StepLoop")
        self._state.turn()

    def ExitLoop(self, code: Any = None) -> None:
        """Have RunLoop return."""
        current().enter("UIDispatcher.ExitLoop")
        self._running = False
        self._code = code


class UiState:
    """All windows and timers."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.dispatchers: list[Dispatcher] = []
        self.queue: list[tuple[Element, str, dict[str, Any]]] = []
        self.timers: dict[int, tuple[Element, float]] = {}
        self.expected: list[tuple[Callable[[], Any], Callable[[], Any]]] = []  # what the user does once something is so

    def manager(self) -> Any:
        """UIManager, or None where the edition or -nogui has none."""
        session = current()
        if not session.gui or (session.edition == "free" and session.version >= (19, 1)):
            return None
        return Manager(self)

    def send(self, element: Element, event: str, **info: Any) -> None:
        """Put an event into the queue."""
        self.queue.append((element, event, info))

    def timer(self, element: Element, on: bool) -> None:
        """Start or stop a timer."""
        if on:
            self.timers[id(element)] = (element, time.monotonic() + element._values.get("Interval", 0) / 1000)
        else:
            self.timers.pop(id(element), None)
        element._values["IsActive"] = on

    def turn(self) -> bool:
        """One turn of the event loop; True where something happened."""
        busy = False
        for key, (element, due) in list(self.timers.items()):
            if time.monotonic() >= due and key in self.timers:
                busy = True
                if element._values.get("SingleShot"):
                    self.timer(element, False)
                else:
                    self.timers[key] = (
                        element,
                        time.monotonic() + max(0.001, element._values.get("Interval", 0) / 1000),
                    )
                self._deliver(element, "Timeout", {})
        for place, (condition, action) in enumerate(list(self.expected)):
            if condition():
                self.expected.pop(place)
                action()
                busy = True
                break
        while self.queue:
            self._deliver(*self.queue.pop(0))
            busy = True
        return busy

    def _deliver(self, element: Element, event: str, info: dict[str, Any]) -> None:
        name = element._values.get("ID", "")
        window = window_of(element)
        handlers: list[Callable[..., Any]] = []
        if isinstance(window, Window):
            if not window._values["Visible"] and event != "Close":
                return
            on = window.On._by_name.get(name)
            if on is not None and event in on._handlers:
                handlers.append(on._handlers[event])
        else:  # a timer is in no window
            for dispatcher in self.dispatchers:
                on = dispatcher.On._by_name.get(name)
                if on is not None and event in on._handlers:
                    handlers.append(on._handlers[event])
                elif event in dispatcher.On._handlers:
                    handlers.append(dispatcher.On._handlers[event])
        for handler in handlers:
            try:
                handler({"who": name, "what": event, "sender": element, "When": time.time(), **info})
            except Exception:
                current().failures.append(traceback.format_exc())

    def described(self) -> list[Any]:
        """Visible windows and what they say, for snapshots."""
        found = []
        for window in self.windows:
            if window._values.get("Visible"):
                texts = {held._values["ID"]: held._read("Text") for held in window._below() if held._values.get("ID")}
                found.append({"title": window._values.get("WindowTitle", ""), "texts": texts})
        return found


class Bmd:
    """The module `bmd`."""

    def __init__(self, scriptapp: Any) -> None:
        self.scriptapp = scriptapp

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise current().break_rule(f"bmd has no {name!r} here")

    def UIDispatcher(self, manager: Any) -> Dispatcher:
        """What delivers the events of a UIManager's windows."""
        current().enter("bmd.UIDispatcher")
        if not isinstance(manager, Manager):
            raise current().break_rule(
                f"UIDispatcher takes fusion.UIManager, not {manager!r} (there is none without a window)"
            )
        return Dispatcher(current().ui)

    def readfile(self, path: str) -> Any:
        """A .setting file as dictionaries; those of `ordered()` keep their order."""
        current().enter("bmd.readfile", (path,))
        with open(path, encoding="utf-8") as stream:
            return _lua_tables.parse(stream.read())

    def readstring(self, text: str) -> Any:
        """The same for text."""
        current().enter("bmd.readstring")
        return _lua_tables.parse(text)

    def wait(self, seconds: float) -> None:
        """Sleep."""
        current().enter("bmd.wait", (seconds,))
        time.sleep(seconds)
