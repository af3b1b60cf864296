"""A double for the Python module `nuke`, for tests of the plugin without Nuke.

    from tests.hosts.nuke_double import double
    nuke = double.install(version="15.1v3", gui=True)     # `import nuke` works from here on
    …
    double.pump(until=lambda: done, limit_seconds=10)     # Nuke's event loop
    double.uninstall()                                    # AssertionError where the plugin broke a rule

It offers what the package types-nuke knows (data/surface.json) and the stock nodes of data/stock_nodes.txt; every other
name, argument, knob or class is an error at once. Calls from other threads are recorded, raise, and fail `uninstall`.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from types import ModuleType
from typing import Any, Callable, Iterator

from . import (
    _callback_functions,
    _environment,
    _flags,
    _formats,
    _functions,
    _groups,
    _knob,
    _knob_classes,
    _main_thread,
    _nodes,
    _nukescripts,
    _rendering,
    _script_functions,
    _session,
    _surface,
    _triggers,
    _ui,
    _undo,
)

WrongThread = _session.WrongThread
NotModelled = _surface.NotModelled


class NukeModule(ModuleType):
    """The module `nuke`: its names cannot be replaced, which a plugin must not do either."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__ and not name.startswith("__"):
            raise AttributeError(f"nuke.{name} is not yours to replace")
        super().__setattr__(name, value)


def install(*, version: str = "15.1v3", gui: bool = True) -> Any:
    """Put a fresh `nuke` (and `nukescripts`) into sys.modules and return it. The calling thread is the main one."""
    if "nuke" in sys.modules:
        uninstall(check=False)
    session = _session.Session(version=version, gui=gui)
    _session.start(session)
    for text in _formats.STOCK_FORMATS:
        _formats.format_from_text(text)
    session.env = _environment.values(version=version, gui=gui)
    session.root = _groups.new_root()
    module = NukeModule("nuke")
    for name, value in _names(session).items():
        ModuleType.__setattr__(module, name, value)
    sys.modules["nuke"] = module
    sys.modules.update(_nukescripts.modules())
    return module


def _names(session: _session.Session) -> dict[str, Any]:
    functions: dict[str, Callable[..., Any]] = {}
    for source in (_functions, _script_functions, _callback_functions, _ui, _rendering):
        functions.update({name: _surface.checked_function(call) for name, call in source.FUNCTIONS.items()})
    functions["render"] = functions["execute"]
    functions.update(_main_thread.FUNCTIONS)  # these two are for other threads, and check themselves
    classes: dict[str, type] = {
        cls.__name__: cls
        for source in (_formats, _groups, _ui, _undo, _environment)
        for cls in vars(source).values()
        if isinstance(cls, type) and cls.__name__ in _surface.SURFACE["classes"]
    }
    classes.update(_knob_classes.CLASSES)
    classes.update({"Knob": _knob.Knob, "Node": _nodes.Node})
    constants = _flags.constants(version=session.version, gui=session.gui)
    constants["nodes"] = _groups.Nodes()
    constants["env"] = _environment.GlobalsEnvironment()
    names = _surface.names_for_module(functions, classes, constants)
    names["CancelledError"] = type("CancelledError", (Exception,), {})
    return names


def uninstall(*, check: bool = True) -> None:
    """Take the double away, and with `check` raise AssertionError where a rule was broken."""
    for name in [name for name in sys.modules if name.split(".")[0] in {"nuke", "nukescripts"}]:
        del sys.modules[name]
    if not _session._current:
        return
    session = _session.current()
    session.ended = True
    _session.end()
    if check:
        session.check()


def session() -> _session.Session:
    """The state behind the double: messages, answers, errors, undo, blocks, … (see _session.Session)."""
    return _session.current()


def pump(
    *,
    until: Callable[[], Any] | None = None,
    limit_seconds: float = 10.0,
    also: Callable[[], Any] | None = None,
) -> None:
    """Run Nuke's event loop until `until()` is true, or for `limit_seconds` where there is no `until`.

    `also` is called on every turn (Qt's processEvents, say) and measured like any callback. TimeoutError where `until`
    never comes true; AssertionError where a rule was broken meanwhile.
    """
    now = _session.current()
    now.enter("pump")
    if not now.gui:
        raise RuntimeError("nuke -t has no event loop: what is queued for the main thread never runs there")
    end = time.monotonic() + limit_seconds
    update = 0.0
    while True:
        busy = _main_thread.run_one(now)
        if also is not None:
            with now.measured("the event loop"):
                also()
        if time.monotonic() >= update:
            update = time.monotonic() + 0.1
            for call, args, kwargs in _triggers.registered("UpdateUI", now.root):
                now.run_callback("UpdateUI", functools.partial(call, *args, **kwargs))
        if now.violations:
            now.check()
        if until is not None and until():
            return
        if time.monotonic() > end:
            if until is None:
                return
            raise TimeoutError(f"after {limit_seconds} s it has not come true; failures so far: {now.failures}")
        if not busy:
            time.sleep(0.002)


def longest_block() -> _session.Block:
    """The longest that the plugin kept the main thread in one go, Nuke's own work (rendering, dialogs) not counted."""
    return max(
        _session.current().blocks, key=lambda block: block.own_seconds, default=_session.Block("nothing", 0.0, 0.0)
    )


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Measure a call that a test makes itself, as if Nuke had made it."""
    with _session.current().measured(what):
        yield


def press(node: Any, knob: str) -> None:
    """Press a button on a node."""
    node[knob].execute()
