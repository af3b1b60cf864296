"""The window for a tool of a composition: what is wanted, the plan, progress, and the macro that came of it."""

from __future__ import annotations

from typing import Any, Mapping

from overscan_host import BridgeError
from overscan_resolve._fusion_flow import masks_of, meant, pictures_of, range_of
from overscan_resolve._fusion_run import FlowWish, generate_flow_steps, plan_flow_steps, show_result
from overscan_resolve._loop import Fields, Loop, menu, row
from overscan_resolve._runner import Runner
from overscan_resolve._session import Session
from overscan_resolve._words import error_words

WINDOW = "OverscanFusion"
_TASKS = (
    ("Remove what the matte covers", "inpaint"),
    ("Extend to a format", "extend"),
    ("Fill the matte by words", "fill"),
)
_ALPHA = "Its own alpha"
_ENGINE = "Overscan's own (plate)"


class FusionWindow:
    """One window, for one composition."""

    def __init__(self, resolve: Any, fusion: Any, comp: Any, ui: Any, dispatcher: Any) -> None:
        del fusion
        self._comp = comp
        self._session = Session(resolve)
        self._engines: list[dict[str, Any]] = []
        self._window = self._build(ui, dispatcher)
        self.fields = Fields(self._window)
        self._loop = Loop(ui, dispatcher, self._session, tick=self._refresh)
        self._runner = Runner(
            self._session, say=self._say, bring_in=lambda record: show_result(self._comp, record), end=self._loop.end
        )
        menu(self.fields, "task", [words for words, _ in _TASKS])
        menu(self.fields, "engine", [_ENGINE])
        self._offer_tools()

    def run(self) -> None:
        """Show it until it is closed."""
        try:
            self._session.bridge.call(
                "engine.list", {}, on_result=self._hear_engines, on_error=lambda error: self._say(error_words(error))
            )
        except BridgeError as error:  # no helper is installed
            self._say(error_words(error))
        self._refresh()
        self._loop.run(self._window)

    def _build(self, ui: Any, dispatcher: Any) -> Any:
        rows = [
            row(ui, "Task", ui.ComboBox({"ID": "task"})),
            row(ui, "Plate", ui.ComboBox({"ID": "tool"}), ui.Button({"ID": "choose", "Text": "Take the active tool"})),
            row(ui, "Matte", ui.ComboBox({"ID": "matte"})),
            row(ui, "Format", ui.LineEdit({"ID": "size", "PlaceholderText": "for extending, e.g. 2880x1080"})),
            row(ui, "To be seen", ui.LineEdit({"ID": "prompt", "PlaceholderText": "for filling by words"})),
            row(ui, "Frames", ui.CheckBox({"ID": "whole", "Text": "Global range, not the render range"})),
            row(ui, "Colour space", ui.LineEdit({"ID": "space", "PlaceholderText": "of the plate, e.g. ACEScg"})),
            row(ui, "Engine", ui.ComboBox({"ID": "engine"})),
            ui.TextEdit({"ID": "words", "ReadOnly": True, "Weight": 1}),
        ]
        texts = {"plan": "Plan", "generate": "Generate", "cancel": "Cancel", "close": "Close"}
        rows.append(ui.HGroup({"Weight": 0}, [ui.Button({"ID": name, "Text": text}) for name, text in texts.items()]))
        properties = {"ID": WINDOW, "WindowTitle": "Overscan - Selected Tool", "Geometry": [200, 120, 540, 480]}
        window = dispatcher.AddWindow(properties, [ui.VGroup(rows)])
        window.On.choose.Clicked = lambda _: self._offer_tools()
        window.On.plan.Clicked = lambda _: self._runner.plan(lambda: plan_flow_steps(self._comp, self.wish()))
        window.On.generate.Clicked = lambda _: self._runner.generate(
            lambda: generate_flow_steps(self._comp, self.wish())
        )
        window.On.cancel.Clicked = lambda _: self._runner.cancel()
        window.On.close.Clicked = lambda _: self._runner.close()
        window.On[WINDOW].Close = lambda _: self._runner.close()
        return window

    def wish(self) -> FlowWish:
        """What the window says."""
        fields = self.fields
        matte = str(fields["matte"].CurrentText or "")
        engine = str(fields["engine"].CurrentText or "")
        return FlowWish(
            task=_TASKS[fields.place("task")][1],
            tool=str(fields["tool"].CurrentText or ""),
            matte="" if matte == _ALPHA else matte,
            whole=bool(fields["whole"].Checked),
            size=fields.text("size"),
            color_space=fields.text("space"),
            engine="" if engine == _ENGINE else engine,
            prompt=fields.text("prompt"),
        )

    def _offer_tools(self) -> None:
        names = pictures_of(self._comp)
        menu(self.fields, "tool", names)
        menu(self.fields, "matte", [_ALPHA, *masks_of(self._comp)])
        name = meant(self._comp)
        if name in names:
            self.fields["tool"].CurrentIndex = names.index(name)
        try:
            first, last = range_of(self._comp, whole=bool(self.fields["whole"].Checked))
        except BridgeError as error:
            self._say(error_words(error))
        else:
            self._say(
                f"{last - first + 1} frames, the times {first} to {last}." if names else "There is no picture yet."
            )

    def _hear_engines(self, answer: Mapping[str, Any]) -> None:
        able = [engine for engine in answer.get("engines", []) if {"inpaint", "extend"} & set(engine.get("tasks", []))]
        names = sorted(str(engine["name"]) for engine in able if engine.get("name") != "plate")
        menu(self.fields, "engine", [_ENGINE, *names])

    def _say(self, words: str) -> None:
        self.fields.say("words", words)

    def _refresh(self) -> None:
        idle = self._runner.is_idle
        task = _TASKS[max(0, self.fields.place("task"))][1]
        self.fields.enable(
            plan=idle, generate=idle, choose=idle, cancel=not idle, matte=task != "extend", size=task == "extend",
            prompt=task == "fill",
        )  # fmt: skip
