"""What a user sees: dialogs (recorded, and answered from a script), progress bars, menus, toolbars, the console."""

from __future__ import annotations

import sys
from typing import Any, Callable

from ._session import current
from ._surface import offered

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _public(implementation: Callable[..., Any]) -> Callable[..., Any]:
    FUNCTIONS[implementation.__name__] = implementation
    return implementation


def _not_handed_over(prompt: str) -> None:
    """A dialog in a call from executeInMainThread has its own event loop inside Nuke's, which hangs or crashes Nuke."""
    session = current()
    if session.in_handed_over:
        session.violations.append(f"a dialog was opened by a call from executeInMainThread: {prompt}")
        raise RuntimeError(session.violations[-1])


def _answer(question: str) -> Any:
    session = current()
    _not_handed_over(question)
    if not session.gui:
        raise RuntimeError(f"a dialog was asked for without a GUI: {question}")
    session.questions.append(question)
    if not session.answers:
        raise AssertionError(f"the plugin asks, and the test gave no answer: {question}")
    return session.answers.popleft()


@_public
def message(prompt: str) -> None:
    _not_handed_over(prompt)
    current().messages.append(prompt)


@_public
def alert(prompt: str) -> None:
    _not_handed_over(prompt)
    current().messages.append(prompt)


@_public
def ask(prompt: str) -> bool:
    return bool(_answer(prompt))


@_public
def askWithCancel(prompt: str) -> bool:
    return bool(_answer(prompt))


@_public
def getInput(prompt: str, default: str = "") -> str:
    return str(_answer(prompt))


@_public
def choice(title: str, prompt: str, options: list[str], default: int = 0) -> Any:
    return _answer(f"{title}: {prompt} {options}")


@_public
def getFilename(message: str, *args: Any, **kwargs: Any) -> Any:
    return _answer(message)


@_public
def getClipname(prompt: str, *args: Any, **kwargs: Any) -> Any:
    return _answer(prompt)


@_public
def getPaneFor(panelName: str) -> Any:
    """The pane that a panel is in; None where it is not shown."""
    return f"the pane of {panelName}" if panelName in {"Properties.1", "DAG.1", "Viewer.1"} else None


@_public
def tprint(*args: Any, sep: str = " ", end: str = "\n", file: Any = None) -> None:
    current().printed.append(sep.join(map(str, args)) + end)


@_public
def warning(message: str) -> None:
    current().errors.append(message)


@_public
def error(message: str) -> None:
    current().errors.append(message)


@_public
def critical(message: str) -> None:
    current().errors.append(message)


@_public
def debug(message: str) -> None:
    current().errors.append(message)


@_public
def cancel() -> None:
    current().cancelled = True


@offered
class ProgressTask:
    """A progress bar. `session.cancel_after = n` presses its Cancel before the n-th question whether it was."""

    def __init__(self, name: str = "") -> None:
        session = current()
        session.enter("ProgressTask")
        self._name = name
        self._messages: list[str] = []
        self._progress: list[int] = []
        self._asked = 0
        session.progress_tasks.append(self)

    def isCancelled(self) -> bool:
        self._asked += 1
        limit = current().cancel_after
        return limit is not None and self._asked >= limit

    def setMessage(self, message: str) -> None:
        if not isinstance(message, str):
            raise TypeError(f"setMessage takes text, not {message!r}")
        self._messages.append(message)

    def setProgress(self, progress: int) -> None:
        if isinstance(progress, float):  # Python 3 no longer makes whole numbers of these for C++
            raise TypeError("integer argument expected, got float")
        self._progress.append(int(progress))


class _Items:
    """Menus and toolbars alike: items by name, `/` between levels."""

    def __init__(self, name: str) -> None:
        self._label = name
        self._items: dict[str, Any] = {}

    def _level(self, path: str) -> Any:
        head, _, rest = path.partition("/")
        if not rest:
            return self, head
        inner = self._items.get(head)
        if not isinstance(inner, _Items):
            inner = self._items[head] = Menu(head)
        return inner._level(rest)

    def _add_command(self, path: str, command: Any, shortcut: str) -> Any:
        level, name = self._level(path)
        level._items[name] = MenuItem(name, command, shortcut)
        return level._items[name]

    def _add_menu(self, path: str) -> Any:
        level, name = self._level(path)
        if not isinstance(level._items.get(name), _Items):
            level._items[name] = Menu(name)
        return level._items[name]

    def _find_item(self, path: str) -> Any:
        head, _, rest = path.partition("/")
        found = self._items.get(head)
        if rest:
            return found._find_item(rest) if isinstance(found, _Items) else None
        return found

    def _remove(self, name: str) -> None:
        level, leaf = self._level(name)
        level._items.pop(leaf, None)

    def _separator(self) -> None:
        self._items[f"-{len(self._items)}"] = None


@offered
class MenuItem:
    """A command in a menu; `invoke` picks it."""

    def __init__(self, name: str, command: Any, shortcut: str = "") -> None:
        self._label, self._command, self._keys, self._enabled = name, command, shortcut, True

    def name(self) -> str:
        return self._label

    def script(self) -> Any:
        return self._command

    def shortcut(self) -> str:
        return self._keys

    def setShortcut(self, keySequence: str) -> None:
        self._keys = keySequence

    def setEnabled(self, enabled: bool, recursive: bool = False) -> None:
        self._enabled = bool(enabled)

    def setVisible(self, visible: bool) -> None:
        pass

    def setScript(self, script: Any) -> None:
        self._command = script

    def setIcon(self, icon: str) -> None:
        pass

    def invoke(self) -> None:
        session = current()
        with session.measured(f"menu {self._label}"):
            if callable(self._command):
                self._command()
            else:
                exec(self._command, {"__name__": "__main__", "nuke": sys.modules.get("nuke")})


def _menu_methods(cls: Any) -> Any:
    def addCommand(
        self: Any,
        name: str,
        command: Any = "",
        shortcut: str = "",
        icon: str = "",
        tooltip: str = "",
        index: int = -1,
        readonly: bool = False,
        node: Any = None,
        shortcutContext: Any = None,
    ) -> Any:
        if not isinstance(command, str) and not callable(command):
            raise TypeError(f"addCommand takes Python text or something to call, not {command!r}")
        return self._add_command(name, command, shortcut)

    def addMenu(self: Any, name: str, icon: str = "", tooltip: str = "", index: int = -1) -> Any:
        return self._add_menu(name)

    def addSeparator(self: Any, index: int = -1) -> None:
        self._separator()

    def menu(self: Any, name: str) -> Any:
        return self._find_item(name)

    def findItem(self: Any, name: str) -> Any:
        return self._find_item(name)

    def items(self: Any) -> Any:
        return [item for item in self._items.values() if item is not None]

    def removeItem(self: Any, name: str) -> None:
        self._remove(name)

    def clearMenu(self: Any) -> None:
        self._items.clear()

    def name(self: Any) -> str:
        return str(self._label)

    for method in (addCommand, addMenu, addSeparator, menu, findItem, items, removeItem, clearMenu, name):
        setattr(cls, method.__name__, method)
    return offered(cls)


@_menu_methods
class Menu(_Items):
    """A menu."""


@_menu_methods
class ToolBar(_Items):
    """A toolbar."""


@_menu_methods
class MenuBar(_Items):
    """A bar of menus."""


@_public
def menu(name: str) -> Any:
    session = current()
    if not session.gui:
        raise RuntimeError("there are no menus without a GUI")
    if name not in {"Nuke", "Pane", "Nodes", "Properties", "Animation", "Viewer", "Node Graph", "Axis"}:
        return None
    return session.menus.setdefault(name, MenuBar(name) if name == "Nuke" else Menu(name))


@_public
def toolbar(name: str, create: bool = True) -> Any | None:
    session = current()
    if not session.gui:
        raise RuntimeError("there are no toolbars without a GUI")
    if name not in session.toolbars and create:
        session.toolbars[name] = ToolBar(name)
    return session.toolbars.get(name)
