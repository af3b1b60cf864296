"""Functions of the module `nuke` about scripts: copying, saving, opening, closing."""

from __future__ import annotations

import os
from typing import Any, Callable

from . import _groups, _script_reading, _script_writing, _triggers
from ._session import current

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _public(implementation: Callable[..., Any]) -> Callable[..., Any]:
    FUNCTIONS[implementation.__name__] = implementation
    return implementation


@_public
def nodeCopy(s: str) -> None:
    text = _script_writing.nodes_text(_groups.current_group().selectedNodes())
    if s in {"%clipboard%", "clipboard"}:
        current().clipboard = text
        return
    with open(s, "w", encoding="utf-8") as file:
        file.write(text)


@_public
def nodePaste(s: str) -> Any:
    if s in {"%clipboard%", "clipboard"}:
        text = current().clipboard
    else:
        with open(s, encoding="utf-8") as file:
            text = file.read()
    made = _script_reading.read(text, _groups.current_group(), paste=True)
    for node in _groups.current_group()._children:
        node.setSelected(node in made)
    return made[-1] if made else None


@_public
def scriptReadText(s: str) -> None:
    _script_reading.read(s, _groups.current_group(), paste=False)


@_public
def scriptReadFile(s: str) -> None:
    with open(s, encoding="utf-8") as file:
        _script_reading.read(file.read(), _groups.current_group(), paste=False)


@_public
def scriptName() -> str:
    return script_name()


def script_name() -> str:
    """The path of the script. RuntimeError, as in Nuke, where it was never saved."""
    name = current().root._knobs["name"]._text
    if not name:
        raise RuntimeError("no script name available")
    return str(name)


@_public
def scriptSave(filename: str | None = None) -> bool:
    session = current()
    _triggers.fire("OnScriptSave", session.root)
    path = filename or script_name()
    session.root._knobs["name"]._text = os.path.abspath(path).replace(os.sep, "/")
    with open(path, "w", encoding="utf-8") as file:
        file.write(_script_writing.script_text())
    session.modified = False
    return True


@_public
def scriptSaveAs(filename: str | None = None, overwrite: Any = -1) -> None:
    if filename is None:
        raise RuntimeError("the double shows no file dialog: name the file")
    if os.path.exists(filename) and overwrite in {-1, 0}:
        raise RuntimeError(f"{filename} exists already")
    scriptSave(filename)


@_public
def scriptOpen(filename: str | None = None) -> None:
    if filename is None:
        raise RuntimeError("the double shows no file dialog: name the file")
    with open(filename, encoding="utf-8") as file:
        text = file.read()
    scriptClear()
    session = current()
    _script_reading.read(text, session.root, paste=False)
    session.root._knobs["name"]._text = os.path.abspath(filename).replace(os.sep, "/")
    session.modified = False
    _triggers.fire("OnScriptLoad", session.root)


@_public
def scriptClear(*args: Any, **kwargs: Any) -> None:
    session = current()
    if session.root is not None:
        _triggers.fire("OnScriptClose", session.root)
        for node in list(session.root._children):
            _triggers.fire("OnDestroy", node)
            node._deleted = True
            for child in _triggers.all_nodes(node) if hasattr(node, "_children") else ():
                child._deleted = True
    session.context.clear()
    session.root = _groups.new_root()
    session.modified = False
    session.undo.clear()
    session.view = "main"


@_public
def scriptClose(*args: Any, **kwargs: Any) -> bool:
    scriptClear()
    return True


@_public
def scriptNew(*args: Any, **kwargs: Any) -> None:
    scriptClear()


@_public
def modified(state: bool | None = None) -> bool:
    if state is not None:
        current().modified = bool(state)
    return current().modified


@_public
def script_directory() -> str:
    return os.path.dirname(current().root._knobs["name"]._text)
