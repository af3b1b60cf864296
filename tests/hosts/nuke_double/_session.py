"""The state of one running double: what a Nuke process has once, and what tests look at afterwards."""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections import deque
from typing import Any, Callable, Iterator, NamedTuple


class WrongThread(RuntimeError):
    """A function of Nuke was called from another thread than the main one."""


class Block(NamedTuple):
    """One stay of the plugin's code on the main thread, in seconds; `host_seconds` of it were Nuke's own work."""

    what: str
    seconds: float
    host_seconds: float

    @property
    def own_seconds(self) -> float:
        """The plugin's share, which the bar of 50 ms is about."""
        return self.seconds - self.host_seconds


class Session:
    """Everything global. Fields without an underscore are for the double's other modules and for tests."""

    def __init__(self, *, version: str, gui: bool) -> None:
        self.version = version
        self.gui = gui
        self.main_thread = threading.get_ident()
        self.violations: list[str] = []  # calls from other threads
        self.failures: list[str] = []  # tracebacks of callbacks: Nuke prints these and goes on
        self.blocks: list[Block] = []
        self.queue: deque[Callable[[], None]] = deque()
        self.messages: list[str] = []
        self.questions: list[str] = []
        self.answers: deque[Any] = deque()  # what ask(), getInput() and their like return, in order
        self.progress_tasks: list[Any] = []
        self.cancel_after: int | None = None  # the how-many-th isCancelled() of a task says True
        self.errors: list[str] = []  # what Nuke's error console would show
        self.printed: list[str] = []
        self.menus: dict[str, Any] = {}
        self.toolbars: dict[str, Any] = {}
        self.panels: dict[str, Any] = {}
        self.undo: list[str] = []  # one entry for every change a user could undo
        self.undo_disabled = 0
        self.callbacks: dict[str, list[tuple[Any, ...]]] = {}
        self.context: list[Any] = []  # groups entered with begin()
        self.this: list[tuple[Any, Any]] = []  # (node, knob) of the callbacks that run now
        self.in_handed_over = 0  # calls from executeInMainThread that run now
        self.in_knob_changed: list[Any] = []
        self.loading = 0  # scripts or nodes being read: their knobs are not changes
        self.root: Any = None
        self.formats: list[Any] = []
        self.layers: dict[str, list[str]] = {}  # that the script added
        self.modified = False
        self.clipboard = ""
        self.plugin_path: list[str] = []
        self.env: dict[str, Any] = {}
        self.knob_defaults: dict[str, str] = {}
        self.cancelled = False  # nuke.cancel()
        self.ended = False
        self.quiet = False  # no callbacks: the process that makes pictures only reads scripts
        self.executing_frame: float | None = None
        self.view = "main"
        self._measuring = 0
        self._host_seconds = 0.0

    def enter(self, name: str) -> None:
        """The main-thread rule; called on the way into everything of Nuke."""
        if threading.get_ident() != self.main_thread:
            where = "".join(traceback.format_stack(limit=8)[:-2])
            self.violations.append(f"nuke.{name} was called from thread {threading.current_thread().name!r}:\n{where}")
            raise WrongThread(f"nuke.{name} may be called from the main thread only; use executeInMainThread")

    @contextlib.contextmanager
    def measured(self, what: str) -> Iterator[None]:
        """Record how long the plugin keeps the main thread; only the outermost of nested stays counts."""
        outermost = self._measuring == 0
        self._measuring += 1
        start, host_start = time.perf_counter(), self._host_seconds
        try:
            yield
        finally:
            self._measuring -= 1
            if outermost:
                self.blocks.append(Block(what, time.perf_counter() - start, self._host_seconds - host_start))

    @contextlib.contextmanager
    def host_work(self) -> Iterator[None]:
        """Time that Nuke itself would take (making pictures, showing dialogs): no fault of the plugin."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._host_seconds += time.perf_counter() - start

    def run_callback(self, what: str, call: Callable[[], Any]) -> Any:
        """Run plugin code as Nuke runs callbacks: a failure is printed and swallowed."""
        with self.measured(what):
            try:
                return call()
            except Exception:
                self.failures.append(f"{what}:\n{traceback.format_exc()}")
                return None

    @contextlib.contextmanager
    def as_this(self, node: Any, knob: Any, group: Any) -> Iterator[None]:
        """Make thisNode, thisKnob and the current group what they are inside a callback."""
        self.this.append((node, knob))
        depth = len(self.context)
        self.context.append(group)
        try:
            yield
        finally:
            del self.context[depth:]
            self.this.pop()

    def changed(self, what: str) -> None:
        """A change of the script. One that undo does not see leaves it unmodified, which Nuke may or may not do."""
        if not self.loading and not self.undo_disabled:
            self.modified = True
            self.undo.append(what)

    def root_format(self) -> Any:
        """The format of the project settings."""
        return self.root._knobs["format"]._format

    def check(self) -> None:
        """AssertionError where the plugin called Nuke from another thread, or one of its callbacks failed."""
        problems = [*self.violations, *self.failures]
        if problems:
            raise AssertionError("\n".join(problems))


_current: list[Session] = []


def current() -> Session:
    """The session that is installed."""
    if not _current:
        raise RuntimeError("the double of nuke is not installed: call double.install()")
    return _current[-1]


def start(session: Session) -> None:
    """Make a session the current one."""
    _current[:] = [session]


def end() -> None:
    """Have no session any more."""
    _current.clear()
