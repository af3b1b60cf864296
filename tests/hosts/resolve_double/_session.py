"""The state of one running double: what a process has once, what a test may set, what it looks at afterwards."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from typing import Any, Callable


class Forbidden(Exception):
    """Something that Resolve would swallow and a plugin must not do. Not an AttributeError, which `hasattr` hides."""


class Options:
    """Where sources disagree about Resolve, or say nothing; code that is right works with every value."""

    def __init__(self) -> None:
        self.conform = "nearest"  # or "floor": the source frame that a record frame between two shows
        self.reverse_reads = "descending"  # GetSourceStart/EndFrame of 24..71 backwards: 71, 23; "exclusive": 72, 24;
        # "ascending": 24, 72
        self.source_end = "exclusive"  # rounded down, as measured; "inclusive": one less; "ceiling": rounded up
        self.source_start_off_by_one = False  # GetSourceStartFrame of a trimmed clip is one more
        self.right_offset = "extension"  # or "end": GetLeftOffset + duration, as measured on 19.1
        self.append_end = "exclusive"  # or "inclusive", as in Resolve 18
        self.take_end = "exclusive"  # or "inclusive"
        self.overlap_returns = "ghost"  # an item without id; "none": None in the list; "short": nothing
        self.sequence_gaps = "stop"  # a sequence is imported up to its first gap; "span": over it
        self.loader_starts: int | None = (
            0  # where a Loader's clip begins that was set by a script; None: the global start
        )
        self.export_otio = True  # False: Timeline.Export of OTIO fails


class Faults:
    """What is to go wrong, once each unless it says otherwise."""

    def __init__(self) -> None:
        self.dropped_appends = 0  # this many appends are dropped without a word
        self.refused_imports = 0
        self.refused_takes = 0
        self.lying_takes = 0  # AddTake says True and adds nothing
        self.refused_settings: set[str] = set()  # SetRenderSettings with one of these keys fails, always
        self.refused_jobs = 0
        self.refused_starts = 0
        self.render = ""  # of the next render: "fail", "hang", "cancel", "short" (one file less), "slow"
        self.render_after = 1  # … after this many frames
        self.comp_render = ""  # of the next render of a composition: "fail", "short" (one file less)
        self.refused_pastes = 0
        self.lost_preset = False  # a preset cannot be saved
        self.before_call: dict[str, Callable[[], None]] = {}  # run before the named call ("Project.AddRenderJob")


class Session:
    """Everything global. Fields without an underscore are for the double's other modules and for tests."""

    def __init__(self, *, edition: str, version: tuple[int, ...], gui: bool, language: str) -> None:
        self.edition = edition
        self.version = version
        self.gui = gui
        self.language = language
        self.main_thread = threading.get_ident()
        self.options = Options()
        self.faults = Faults()
        self.violations: list[str] = []
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.stale: list[str] = []  # calls of objects whose project, timeline, item or tool is gone
        self.failures: list[str] = []  # tracebacks of event handlers: Fusion prints these and goes on
        self.messages: list[str] = []  # what dialogs of the host would have said
        self.answers: deque[Any] = deque()  # what AskUser, RequestFile and their like return, in order
        self.ended = False
        self.app: Any = None
        self.fusion: Any = None
        self.ui: Any = None
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        """An identifier as Resolve makes them, in a fixed order."""
        return f"{next(self._numbers):08x}-0d0b-4e1e-9000-5e501e000000"

    def break_rule(self, message: str) -> Forbidden:
        """Note a broken rule, which fails the test at its end, and make the exception to raise."""
        self.violations.append(message)
        return Forbidden(message)

    def enter(self, name: str, args: tuple[Any, ...] = ()) -> None:
        """Called on every call of the API."""
        if self.ended:
            raise Forbidden(f"{name}: this Resolve has ended")
        if threading.get_ident() != self.main_thread:
            raise self.break_rule(f"{name} was called from another thread than the one Resolve runs the script on")
        self.calls.append((name, args))
        interruption = self.faults.before_call.pop(name, None)
        if interruption is not None:
            interruption()

    def check(self) -> None:
        """AssertionError where a rule was broken, or an event handler failed."""
        if self.violations:
            raise AssertionError("rules of Resolve's were broken:\n" + "\n".join(self.violations))
        if self.failures:
            raise AssertionError("event handlers failed:\n" + "\n".join(self.failures))


_current: list[Session] = []


def current() -> Session:
    """The session that runs."""
    if not _current:
        raise Forbidden("no double runs: call double.start() first")
    return _current[-1]


def start(session: Session) -> None:
    """Make `session` the one that runs."""
    _current.append(session)


def end() -> None:
    """End the session that runs."""
    _current.pop().ended = True
