"""The window for one task on the clip under the playhead: what is wanted, the plan, progress, and what came of it."""

from __future__ import annotations

from typing import Any, Mapping

from overscan_host import BridgeError, Steps, refuse
from overscan_resolve._asking import number, text
from overscan_resolve._choose import Choice, chosen, timeline_named
from overscan_resolve._clip import Clip, read_clip
from overscan_resolve._loop import Fields, Loop, menu, row
from overscan_resolve._restore import current_project
from overscan_resolve._retimes import retimes_of
from overscan_resolve._return import bring_back
from overscan_resolve._run import generate_steps, plan_steps
from overscan_resolve._runner import Runner
from overscan_resolve._session import Session
from overscan_resolve._wish import Wish
from overscan_resolve._words import error_words

TITLES = {
    "inpaint": "Inpaint Clip",
    "extend": "Extend Clip to Timeline Format",
    "continue": "Extend Clip Head and Tail",
    "fill": "Generate Fill",
}
_PIXELS = (("Source, ungraded", "source"), ("Graded, as the timeline shows it", "graded"))
_PLACES = (
    ("As fits", "auto"),
    ("A take of the clip", "take"),
    ("On the track above", "track"),
    ("A clip matte", "matte"),
)
_MATTES = (
    ("What there is", "auto"),
    ("Alpha output of the Color page", "alpha"),
    ("Clip matte", "clip"),
    ("A file", ""),
)
_ENGINE = "Overscan's own (plate)"
WINDOW = "OverscanTask"


class TaskWindow:
    """One window, for one task."""

    def __init__(self, resolve: Any, fusion: Any, ui: Any, dispatcher: Any, *, task: str) -> None:
        self._resolve, self._fusion, self._task_name = resolve, fusion, task
        self._session = Session(resolve)
        self._timeline: Any = None
        self._item: Any = None
        self._track = 0
        self._engines: list[str] = []
        self._window = self._build(ui, dispatcher)
        self.fields = Fields(self._window)
        for name, entries in (("pixels", _PIXELS), ("place", _PLACES), ("matte", _MATTES)):
            if name in self.fields:
                menu(self.fields, name, [words for words, _ in entries])
        menu(self.fields, "engine", [_ENGINE])
        self._loop = Loop(ui, dispatcher, self._session, tick=self._refresh)
        self._runner = Runner(
            self._session, say=self._say, bring_in=lambda record: bring_back(resolve, record), end=self._loop.end
        )

    def run(self) -> None:
        """Show it until it is closed."""
        self._choose_clip()
        self._ask_engines()
        self._refresh()
        self._loop.run(self._window)

    def _build(self, ui: Any, dispatcher: Any) -> Any:
        rows = [
            row(ui, "Clip", ui.Label({"ID": "clip", "Text": "", "WordWrap": True}),
                ui.Button({"ID": "choose", "Text": "Take the clip under the playhead", "Weight": 0})),
        ]  # fmt: skip
        rows += self._own_rows(ui)
        if self._task_name != "continue":
            rows.append(row(ui, "Pixels", ui.ComboBox({"ID": "pixels"})))
        rows += [
            row(ui, "Result", ui.ComboBox({"ID": "place"})),
            row(ui, "Handles", ui.SpinBox({"ID": "handles", "Value": 8, "Minimum": 0, "Maximum": 1000})),
            row(ui, "Colour space", ui.LineEdit({"ID": "space", "PlaceholderText": "as Resolve says"})),
            row(ui, "Engine", ui.ComboBox({"ID": "engine"})),
            ui.TextEdit({"ID": "words", "ReadOnly": True, "Weight": 1}),
            ui.HGroup({"Weight": 0}, [
                ui.Button({"ID": "plan", "Text": "Plan"}), ui.Button({"ID": "generate", "Text": "Generate"}),
                ui.Button({"ID": "cancel", "Text": "Cancel"}), ui.Button({"ID": "close", "Text": "Close"}),
            ]),
        ]  # fmt: skip
        title = f"Overscan - {TITLES[self._task_name]}"
        geometry = [200, 120, 560, 520]
        window = dispatcher.AddWindow({"ID": WINDOW, "WindowTitle": title, "Geometry": geometry}, [ui.VGroup(rows)])
        on = window.On
        on.choose.Clicked = lambda _: self._again()
        on.plan.Clicked = lambda _: self._runner.plan(self._plan_steps)
        on.generate.Clicked = lambda _: self._runner.generate(self._generate_steps)
        on.cancel.Clicked = lambda _: self._runner.cancel()
        on.close.Clicked = lambda _: self._runner.close()
        on[WINDOW].Close = lambda _: self._runner.close()
        if self._task_name in ("inpaint", "fill"):
            on.browse.Clicked = lambda _: self._browse()
        return window

    def _own_rows(self, ui: Any) -> list[Any]:
        if self._task_name == "extend":
            return [
                row(ui, "Format", ui.LineEdit({"ID": "size", "PlaceholderText": "the timeline's shape, or 2880x1080"}))
            ]
        if self._task_name == "continue":
            spin = {"Minimum": 0, "Maximum": 10000}
            before = ui.SpinBox({"ID": "head", "Value": 0, **spin})
            after = ui.SpinBox({"ID": "tail", "Value": 24, **spin})
            words = [ui.Label({"Text": text, "Weight": 0}) for text in ("before", "after")]
            return [row(ui, "New frames", words[0], before, words[1], after)]
        rows = [
            row(ui, "Replace", ui.ComboBox({"ID": "matte"}),
                ui.LineEdit({"ID": "path", "PlaceholderText": "file of the matte; 1 is replaced"}),
                ui.Button({"ID": "browse", "Text": "...", "Weight": 0})),
        ]  # fmt: skip
        if self._task_name == "fill":
            rows.append(row(ui, "To be seen", ui.LineEdit({"ID": "prompt", "PlaceholderText": "in your words"})))
        return rows

    def wish(self) -> Wish:
        """What the window says."""
        fields = self.fields
        matte = "auto"
        if "matte" in fields:
            matte = _MATTES[fields.place("matte")][1] or fields.text("path")
        place = fields.place("engine")
        return Wish(
            task=self._task_name,
            pixels=_PIXELS[fields.place("pixels")][1] if "pixels" in fields else "source",
            place=_PLACES[fields.place("place")][1],
            handles=fields.number("handles"),
            matte=matte or "auto",
            head=fields.number("head"),
            tail=fields.number("tail"),
            size=fields.text("size") if "size" in fields else "",
            color_space=fields.text("space"),
            engine=self._engines[place - 1] if place > 0 else "",
            prompt=fields.text("prompt") if "prompt" in fields else "",
        )

    def _again(self) -> None:
        if self._runner.is_idle:
            self._choose_clip()

    def _plan_steps(self) -> Steps:
        return plan_steps(self._resolve, self._timeline, self._clip(), self.wish())

    def _generate_steps(self) -> Steps:
        return generate_steps(self._resolve, self._timeline, self._clip(), self.wish())

    def _choose_clip(self) -> None:
        try:
            project = current_project(self._resolve)
            self._timeline = timeline_named(project, "")
            self._track, self._item = chosen(self._timeline, Choice())[0]
            self._say(self._describe(self._clip()))
        except BridgeError as error:
            self._item = None
            self.fields.say("clip", "none")
            self._say(error_words(error))

    def _clip(self) -> Clip:
        if self._item is None:
            raise refuse("INVALID_JOB", "No clip is chosen.", "Put the playhead on the clip, and take it.")
        retimes = retimes_of(self._resolve, self._timeline)
        start = number(self._item, "GetStart") or 0
        return read_clip(self._timeline, self._item, track=self._track, retime=retimes.get((self._track, start)))

    def _describe(self, clip: Clip) -> str:
        timing = clip.timing
        self.fields.say("clip", f"{clip.name}, on V{clip.track} of {text(self._timeline, 'GetName')}")
        speed = "" if timing.speed == 1 else f" at {float(100 * timing.speed):g} %"
        takes = "" if clip.takes < 2 else f" It shows take {clip.take} of {clip.takes}."
        return (
            f"{timing.duration} frames{speed}, frames {timing.source_start} to {timing.source_last} of its media "
            f"({clip.media.width}x{clip.media.height}, {clip.media.rate} frames/s).{takes}"
        )

    def _ask_engines(self) -> None:
        try:
            self._session.bridge.call("engine.list", {}, on_result=self._hear_engines, on_error=self._not_heard)
        except BridgeError as error:  # no helper is installed
            self._not_heard(error)

    def _hear_engines(self, answer: Mapping[str, Any]) -> None:
        task = Wish(self._task_name).job_task
        able = [engine for engine in answer.get("engines", []) if task in engine.get("tasks", [])]
        if self._task_name == "fill":
            able = [engine for engine in able if "prompt" in engine.get("controls", [])]
        self._engines = sorted(str(engine["name"]) for engine in able if engine.get("name") != "plate")
        menu(self.fields, "engine", [_ENGINE, *self._engines])
        if self._task_name == "fill" and self._engines:
            self.fields["engine"].CurrentIndex = 1

    def _not_heard(self, error: BridgeError) -> None:
        self._say(error_words(error))

    def _browse(self) -> None:
        path = self._fusion.RequestFile()
        if path:
            self.fields["path"].Text = str(path)
            self.fields["matte"].CurrentIndex = len(_MATTES) - 1

    def _say(self, words: str) -> None:
        self.fields.say("words", words)

    def _refresh(self) -> None:
        idle = self._runner.is_idle
        self.fields.enable(plan=idle, generate=idle, choose=idle, cancel=not idle)
