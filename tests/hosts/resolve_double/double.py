"""A double for DaVinci Resolve and Fusion, for tests of the plugin without them.

    from tests.hosts.resolve_double import double, user
    resolve = double.start(edition="studio", version=(21, 0, 0), gui=True)
    user.new_project(rate="24")
    clip = user.import_sequence("/plates/a.%04d.exr", 1001, 1100)
    timeline = user.new_timeline("Edit")
    item = user.place(clip, source=(10, 58))
    before = double.snapshot()
    …
    assert double.difference(before, double.snapshot()) == []
    double.pump(until=lambda: done, limit_seconds=10)     # time passes: renders, timers, events of windows
    double.stop()                                         # AssertionError where the plugin broke a rule

It offers what the package fusionscript-stubs knows (data/surface.json): every other name, argument, type or dictionary
key is an error, as are keyword arguments, comparing objects, and calls from another thread. What Resolve does beyond
that is in README.md, with its sources; where sources disagree, `session().options` has both, and `session().faults`
makes things go wrong.
"""

from __future__ import annotations

import sys
import time
from types import ModuleType
from typing import Any, Callable

from . import _fusion_app, _project_api, _render_api, _render_jobs, _session, _snapshot, _surface, _timeline_api, _ui
from ._handles import handle
from ._model import App

Forbidden = _session.Forbidden
NotModelled = _surface.NotModelled
snapshot = _snapshot.snapshot
difference = _snapshot.difference

# By users' reports the free edition runs no Python from here on (shared/notes/hosts.md).
FREE_WITHOUT_PYTHON = (21, 1)
_API = (_project_api, _timeline_api)  # loading them makes their handles known


def start(
    *, edition: str = "studio", version: tuple[int, ...] = (21, 0, 0), gui: bool = True, language: str = "en"
) -> Any:
    """A fresh Resolve with an open "Untitled Project"; returns `resolve`, or None where scripting is refused.

    `edition` is "studio" or "free"; `gui` False is `-nogui`. The calling thread is the one that scripts run on.
    """
    if edition not in {"studio", "free"}:
        raise ValueError(f"{edition!r} is no edition of Resolve")
    if _session._current:
        stop(check=False)
    session = _session.Session(edition=edition, version=tuple(version), gui=gui, language=language)
    _session.start(session)
    session.app = App()
    session.app.presets = _render_api.stock_presets()
    session.fusion = _fusion_app.FusionState()
    session.ui = _ui.UiState()
    session.app.open_project(_project_api.new_project("Untitled Project"))
    module = ModuleType("DaVinciResolveScript")
    module.scriptapp = scriptapp  # type: ignore[attr-defined]
    sys.modules["DaVinciResolveScript"] = module
    return scriptapp("Resolve")


def scriptapp(name: str) -> Any:
    """What `DaVinciResolveScript.scriptapp` and `bmd.scriptapp` return; None where the edition has no Python."""
    session = _session.current()
    if session.edition == "free" and session.version >= FREE_WITHOUT_PYTHON:
        return None
    if name == "Resolve":
        return handle(session.app)
    return session.fusion.object() if name == "Fusion" else None


def bmd() -> Any:
    """The module `bmd` that scripts inside Resolve have: `bmd.UIDispatcher(ui)`, `bmd.scriptapp(name)`."""
    return _ui.Bmd(scriptapp)


def session() -> _session.Session:
    """The state behind the double: options, faults, calls, violations, … (see _session.Session)."""
    return _session.current()


def stop(*, check: bool = True) -> None:
    """End this Resolve, its renders with it, and with `check` raise AssertionError where a rule was broken."""
    sys.modules.pop("DaVinciResolveScript", None)
    if not _session._current:
        return
    now = _session.current()
    for project in now.app.projects:
        for job in project.jobs:
            _render_jobs.stop(job)
    _session.end()
    if check:
        now.check()


def pump(
    *, until: Callable[[], Any] | None = None, limit_seconds: float = 10.0, also: Callable[[], Any] | None = None
) -> None:
    """Let time pass until `until()` is true, or for `limit_seconds` where there is no `until`: timers and events of
    windows are delivered, renders go on. TimeoutError where `until` never comes true; AssertionError where a rule was
    broken meanwhile. `also` is called on every turn.
    """
    now = _session.current()
    end = time.monotonic() + limit_seconds
    while True:
        busy = now.ui.turn()
        if also is not None:
            also()
        if now.violations or now.failures:
            now.check()
        if until is not None and until():
            return
        if time.monotonic() > end:
            if until is None:
                return
            raise TimeoutError(f"after {limit_seconds} s it has not come true; failures so far: {now.failures}")
        if not busy:
            time.sleep(0.005)
