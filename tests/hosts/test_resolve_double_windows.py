"""Windows: elements by their IDs, events and timers on the loop's turns, and a user who clicks."""

from __future__ import annotations

import unittest
from typing import Any

from tests.hosts.resolve_double import double, user
from tests.hosts.resolve_double_case import DoubleCase


class Windows(DoubleCase):
    def setUp(self) -> None:
        super().setUp()
        self.ui = self.resolve.Fusion().UIManager
        self.dispatcher = double.bmd().UIDispatcher(self.ui)
        ui = self.ui
        buttons = ui.HGroup({"Weight": 0}, [ui.Button({"ID": "go", "Text": "Go"}), ui.HGap(4)])
        fields = [
            ui.ComboBox({"ID": "task"}),
            ui.LineEdit({"ID": "name"}),
            ui.SpinBox({"ID": "handles", "Maximum": 100}),
        ]
        fields += [ui.CheckBox({"ID": "grade", "Text": "Graded"}), ui.Tree({"ID": "jobs", "ColumnCount": 2})]
        fields.append(ui.TextEdit({"ID": "plan", "ReadOnly": True}))
        group = ui.VGroup([ui.Label({"ID": "state", "Text": "ready"}), buttons, *fields])
        self.window = self.dispatcher.AddWindow({"ID": "main", "WindowTitle": "Overscan"}, group)
        self.items = self.window.GetItems()
        self.items["task"].AddItems(["inpaint", "extend"])
        self.heard: list[Any] = []
        self.window.On.go.Clicked = lambda event: self.heard.append((event["who"], event["what"]))
        self.window.On.main.Close = lambda _event: self.dispatcher.ExitLoop(7)
        self.window.Show()

    def test_what_the_user_does_arrives_on_the_next_turn(self) -> None:
        user.click("main", "go")
        self.assertEqual(self.heard, [])
        double.pump(until=lambda: self.heard, limit_seconds=20)
        self.assertEqual(self.heard, [("go", "Clicked")])
        user.choose("main", "task", "extend")
        user.type_text("main", "name", "shot010")
        user.choose("main", "handles", "8")
        user.click("main", "grade")
        found = [self.items[name] for name in ("task", "name", "handles", "grade")]
        self.assertEqual(
            [found[0].CurrentText, found[1].Text, found[2].Value, found[3].Checked], ["extend", "shot010", 8, True]
        )

    def test_what_cannot_be_clicked_is_not(self) -> None:
        self.items["go"].Enabled = False
        for wrong in (
            lambda: user.click("main", "go"),
            lambda: user.type_text("main", "plan", "x"),
            lambda: user.click("main", "nothing"),
        ):
            with self.assertRaises(AssertionError):
                wrong()
        self.window.Hide()
        with self.assertRaises(AssertionError):
            user.window("main")

    def test_a_loop_runs_until_it_is_left(self) -> None:
        def done(event: Any) -> None:
            self.items["state"].Text = "done"

        self.window.On.go.Clicked = done
        user.click("main", "go")
        user.when(lambda: user.says("main", "state") == "done", lambda: user.close_window("main"))
        self.assertEqual(self.dispatcher.RunLoop(), 7)

    def test_timers(self) -> None:
        ticks: list[str] = []
        timer = self.ui.Timer({"ID": "tick", "Interval": 5})
        once = self.ui.Timer({"ID": "once", "Interval": 5, "SingleShot": True})
        self.dispatcher.On.tick.Timeout = lambda _event: ticks.append("tick")
        self.dispatcher.On.once.Timeout = lambda _event: ticks.append("once")
        timer.Start()
        once.Start()
        double.pump(until=lambda: ticks.count("tick") >= 3, limit_seconds=20)
        timer.Stop()
        count = len(ticks)
        double.pump(limit_seconds=0.05)
        self.assertEqual((len(ticks), ticks.count("once")), (count, 1))

    def test_rows_of_a_tree(self) -> None:
        tree = self.items["jobs"]
        tree.SetHeaderLabels(["Clip", "State"])
        for name in ("a", "b"):
            row = tree.NewItem()
            row.Text[0], row.Text[1] = name, "running"
            tree.AddTopLevelItem(row)
        tree.TopLevelItem(1).Text[1] = "done"
        self.assertEqual(user.says("main", "jobs"), "a | running\nb | done")
        tree.Clear()
        self.assertEqual(tree.TopLevelItemCount(), 0)

    def test_mistakes(self) -> None:
        self.broken(lambda: setattr(self.items["state"], "Txt", "a"), "no attribute 'Txt'")
        self.broken(lambda: setattr(self.items["state"], "Text", 3), "takes text")
        self.broken(lambda: setattr(self.window.On.go, "Click", print), "no event 'Click'")
        self.broken(lambda: self.window.On.gone, "no element 'gone'")
        self.broken(
            lambda: self.dispatcher.AddWindow({}, [self.ui.Label({"ID": "a"}), self.ui.Label({"ID": "a"})]),
            "used twice",
        )
        self.broken(lambda: double.bmd().UIDispatcher(None), "takes fusion.UIManager")
        with self.assertRaises(NotImplementedError):
            self.items["plan"].ZoomIn()

    def test_a_handler_that_fails_fails_the_test(self) -> None:
        self.window.On.go.Clicked = lambda _event: 1 / 0
        user.click("main", "go")
        with self.assertRaises(AssertionError) as caught:
            double.pump(limit_seconds=0.1)
        self.assertIn("ZeroDivisionError", str(caught.exception))
        double.session().failures.clear()

    def test_the_snapshot_has_what_is_open(self) -> None:
        self.assertEqual(double.snapshot()["windows"][0]["title"], "Overscan")
        self.window.Hide()
        self.assertEqual(double.snapshot()["windows"], [])


if __name__ == "__main__":
    unittest.main()
