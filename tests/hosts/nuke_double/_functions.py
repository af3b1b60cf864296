"""Functions of the module `nuke` about nodes, values, formats and views."""

from __future__ import annotations

from typing import Any, Callable

from . import _file_names, _groups, _script_reading, _tcl, _triggers
from ._formats import Format, format_from_text
from ._session import current

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _public(implementation: Callable[..., Any]) -> Callable[..., Any]:
    FUNCTIONS[implementation.__name__] = implementation
    return implementation


# Nodes


@_public
def createNode(typ: str, knobs: str = "", inpanel: bool = True) -> Any:
    session = current()
    group = _groups.current_group()
    chosen = group.selectedNodes()
    node = _groups.make(typ, group)
    if knobs:
        _script_reading.read_knobs(node, knobs)
    for place, source in enumerate(chosen[: 1 if node._most_inputs() else 0]):
        node.setInput(place, source)
    for other in group._children:
        other.setSelected(other is node)
    if chosen:
        node.autoplace()
    node._panel_shown = inpanel and session.gui
    _triggers.fire("OnUserCreate", node)
    _triggers.fire("OnCreate", node)
    return node


@_public
def delete(n: Any) -> None:
    if n is not None:
        _groups.delete(n)


@_public
def nodeDelete(s: bool = True) -> bool:
    chosen = _groups.current_group().selectedNodes()
    for node in chosen:
        _groups.delete(node)
    return bool(chosen)


@_public
def toNode(s: str) -> Any:
    return _groups.find(s, _groups.current_group())


@_public
def exists(s: str) -> bool:
    from . import _knob_expressions

    node = this_node()
    try:
        _, rest = _knob_expressions.resolve(s.split("."), node)
    except LookupError:
        return False
    return not rest


@_public
def allNodes(filter: str | None = None, group: Any = None, recurseGroups: bool = False) -> list[Any]:
    start = group if group is not None else _groups.current_group()
    found = list(_triggers.all_nodes(start)) if recurseGroups else list(start._children)
    return [node for node in found if filter is None or node._class == filter]


@_public
def selectedNodes(filter: str | None = None) -> list[Any]:
    chosen = _groups.current_group().selectedNodes()
    return [node for node in chosen if filter is None or node._class == filter]


@_public
def selectedNode() -> Any:
    chosen = _groups.current_group().selectedNodes()
    if not chosen:
        raise ValueError("no node selected")
    return chosen[-1]


@_public
def nodesSelected() -> bool:
    return bool(_groups.current_group().selectedNodes())


@_public
def selectAll() -> None:
    for node in _groups.current_group()._children:
        node.setSelected(True)


@_public
def root() -> Any:
    return current().root


def this_node() -> Any:
    """The node that a callback is about, else the current group."""
    session = current()
    return session.this[-1][0] if session.this else _groups.current_group()


@_public
def thisNode() -> Any:
    return this_node()


@_public
def thisKnob() -> Any:
    session = current()
    return session.this[-1][1] if session.this else None


@_public
def thisGroup() -> Any:
    return _groups.current_group()


@_public
def thisParent() -> Any:
    return this_node()._parent


@_public
def thisClass() -> str:
    return str(this_node()._class)


@_public
def thisRoot() -> Any:
    return current().root


@_public
def thisView() -> str:
    return current().view


@_public
def endGroup() -> None:
    if current().context:
        current().context.pop()


@_public
def show(n: Any, forceFloat: bool = False) -> None:
    n.showControlPanel()


@_public
def inputs(n: Any, i: int = -1) -> int:
    return int(n.inputs())


@_public
def nodeTypes(force_plugin_load: bool = False) -> list[str]:
    from ._stock_nodes import PARTS, STOCK

    return sorted(set(STOCK) - PARTS)


# Values


@_public
def frame(f: int | None = None) -> int:
    if f is not None:
        current().root._knobs["frame"].setValue(int(f))
    return int(current().root._knobs["frame"].value())


@_public
def filename(node: Any, i: int = 0) -> str | None:
    from ._flags import OTHERS

    knob = node._knobs.get("proxy" if node.proxy() and node._knobs["proxy"]._text else "file")
    if knob is None or not knob._text:
        return None
    text = _file_names.without_tcl(knob._text, node)
    return _file_names.evaluated(text, node) if i == OTHERS["REPLACE"] else text


@_public
def value(knob: str, default: str | None = None) -> str:
    from . import _knob_expressions

    try:
        return _knob_expressions.text_of(knob, this_node())
    except LookupError:
        if default is None:
            raise RuntimeError(f"no knob is named {knob!r}") from None
        return default


@_public
def expression(s: str) -> float:
    from . import _knob_expressions

    class _Nowhere:
        _node = this_node()

    return _knob_expressions.evaluate(_Nowhere(), s, _knob_expressions.current_frame(), 0.0)


@_public
def tcl(cmd: str, *args: str) -> str:
    return _file_names.command(" ".join([cmd, *map(_tcl.quote, args)]), this_node())


@_public
def knobDefault(classknob: str, value: str | None = None) -> str | None:
    if value is not None:
        current().knob_defaults[classknob] = value
    return current().knob_defaults.get(classknob)


@_public
def formats() -> list[Format]:
    return list(current().formats)


@_public
def addFormat(s: str) -> Format:
    made = format_from_text(s)
    if made.name() is None:
        raise RuntimeError(f"a format needs a name: {s!r}")
    return made


@_public
def views() -> list[str]:
    return _groups.view_names()


@_public
def addView(s: str) -> None:
    current().root.addView(s)


@_public
def deleteView(s: str) -> None:
    current().root.deleteView(s)


@_public
def channels(node: Any = None) -> list[str]:
    if node is None:
        return ["rgba.red", "rgba.green", "rgba.blue", "rgba.alpha", "depth.Z", "forward.u", "forward.v"]
    return list(node.channels())


@_public
def layers(node: Any = None) -> list[str]:
    return list(dict.fromkeys(name.split(".")[0] for name in channels(node)))


@_public
def sample(node: Any, channel: str, x: int, y: int, dx: int = 1, dy: int = 1) -> float:
    return float(node.sample(channel, x, y))


@_public
def dependencies(nodes: Any, what: Any = None) -> list[Any]:
    from . import _hashes
    from ._flags import DEPENDENCIES

    mask = DEPENDENCIES["INPUTS"] | DEPENDENCIES["EXPRESSIONS"] if what is None else what
    found: list[Any] = []
    for node in nodes if isinstance(nodes, (list, tuple)) else [nodes]:
        found += [source for source in _hashes.dependencies(node, mask) if source not in found]
    return found


# Plug-ins


@_public
def pluginPath() -> list[str]:
    return list(current().plugin_path)


@_public
def pluginAddPath(args: Any, addToSysPath: bool = True) -> None:
    _plugin_folders(args, addToSysPath, first=True)


@_public
def pluginAppendPath(args: Any, addToSysPath: bool = True) -> None:
    _plugin_folders(args, addToSysPath, first=False)


def _plugin_folders(folders: Any, to_python: bool, *, first: bool) -> None:
    import sys

    for folder in folders if isinstance(folders, (list, tuple)) else [folders]:
        for paths in [current().plugin_path, *([sys.path] if to_python else [])]:
            if folder not in paths:
                paths.insert(0 if first else len(paths), folder)
