"""The nodes: what they are made of, how they are saved, and what they are without the plugin."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from tests.hosts.nuke_double import double
from tests.nuke.nuke_case import NukeCase, forget_plugin

KINDS = ("extend", "inpaint", "continue", "interpolate", "generate")
STOCK = {
    "Root",
    "Group",
    "Input",
    "Output",
    "Read",
    "Switch",
    "Transform",
    "Reformat",
    "Merge2",
    "Dot",
    "Grade",
    "Viewer",
}

COUNT_NODES = """
proc unknown {name args} { puts $name }
proc version {args} {}
proc set_layout {args} {}
rename set tcl_set
proc set {name args} {
    if {[lindex $args 0] eq ""} { return [uplevel [list tcl_set $name]] }
    return [uplevel [list tcl_set $name {*}$args]]
}
proc stack {n} { return "s$n" }
proc push {args} {}
proc end_group {} {}
source [lindex $argv 0]
"""


def node_classes(script: str) -> list[str]:
    return re.findall(r"^\s*([A-Z]\w*) \{$", script, flags=re.MULTILINE)


class NodeTests(NukeCase):
    def test_each_kind_is_a_group_of_stock_nodes_with_knobs_of_our_own(self) -> None:
        for kind in KINDS:
            node = self.make(kind)
            self.assertEqual(node.Class(), "Group")
            self.assertEqual(node["overscan_kind"].value(), kind)
            inner = {one.Class() for one in node.nodes()}
            self.assertLessEqual(inner, STOCK)
            own = set(node.knobs()) - set(self.nuke.nodes.Group().knobs())
            self.assertTrue(own)
            self.assertEqual([name for name in own if not name.startswith("overscan_")], [])

    def test_inputs_are_numbered_as_scripts_remember_them(self) -> None:
        names = {}
        for kind in KINDS:
            inputs = [one for one in self.make(kind).nodes() if one.Class() == "Input"]
            names[kind] = [one.name() for one in sorted(inputs, key=lambda one: one["number"].value())]
        around = ["plate", "movers", "references", "camera"]
        self.assertEqual(names["extend"], around)
        self.assertEqual(names["continue"], around)
        self.assertEqual(names["interpolate"], around)
        self.assertEqual(names["inpaint"], ["plate", "matte", "movers", "references", "camera"])
        self.assertEqual(names["generate"], ["references", "camera"])

    def test_a_new_node_is_connected_to_what_is_selected(self) -> None:
        import overscan_nuke

        read = self.read()
        read.selectOnly()
        self.assertEqual(overscan_nuke.create("extend").input(0), read)

    def test_before_the_first_run_the_plate_passes(self) -> None:
        node = self.make("extend")
        self.assertEqual(node.node("Shown")["which"].value(), 0)
        self.assertEqual(node.node("Shown").input(0).name(), "plate")
        self.assertEqual(node.node("Output1").input(0).name(), "Show")

    def test_a_saved_script_holds_stock_nodes_only_and_reopens_equal(self) -> None:
        before: dict[str, dict[str, str]] = {}
        for kind in KINDS:
            node = self.make(kind)
            node["overscan_prompt"].setValue('a "wall" [with] {braces} $and\nlines')
            before[node.name()] = {
                name: knob.toScript() for name, knob in node.knobs().items() if name.startswith("overscan_")
            }
        path = self.save()
        script = path.read_text()
        self.assertLessEqual(set(node_classes(script)), STOCK)
        forget_plugin()
        with mock.patch.dict(sys.modules, {"overscan_nuke": None}):
            self.nuke.scriptClear()
            self.nuke.scriptOpen(str(path))
            for name, knobs in before.items():
                node = self.nuke.toNode(name)
                self.assertEqual({knob: node[knob].toScript() for knob in knobs}, knobs)
        self.assertEqual(double.session().errors, [])

    @unittest.skipUnless(shutil.which("tclsh"), "tclsh is not installed: apt-get install tcl")
    def test_a_saved_script_is_tcl(self) -> None:
        for kind in KINDS:
            self.make(kind)["overscan_prompt"].setValue(']} odd {[ \\ $x "')
        path = self.save()
        program = self.folder / "count.tcl"
        program.write_text(COUNT_NODES)
        done = subprocess.run(["tclsh", str(program), str(path)], capture_output=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(done.stdout.decode().split().count("Group"), len(KINDS))

    def test_without_the_plugin_a_button_says_so(self) -> None:
        node = self.make("extend")
        with mock.patch.dict(sys.modules, {"overscan_nuke": None}):
            for button in ("plan", "generate", "cancel", "retry"):
                double.press(node, f"overscan_{button}_button")
        self.assertEqual(len(double.session().messages), 4)
        self.assertIn("not installed here", double.session().messages[0])

    def test_where_no_helper_is_installed_the_node_says_what_to_do(self) -> None:
        self.save()
        node = self.make("generate")
        double.press(node, "overscan_generate_button")
        double.pump(until=lambda: "Not started" in node["overscan_progress"].value(), limit_seconds=20)
        self.assertIn("no-such-command", node["overscan_progress"].value())

    def test_making_a_node_is_one_step_back_for_undo(self) -> None:
        before = len(double.session().undo)
        self.make("extend")
        self.assertLessEqual(len(double.session().undo) - before, 2)

    def test_values_of_a_drawn_box_are_rounded_where_the_artist_sees_it(self) -> None:
        import overscan_nuke

        overscan_nuke.register()
        node = self.make("extend")
        node["overscan_box"].setValue(-100.4, 0)
        self.assertEqual(node["overscan_box"].value()[0], -100)


class TerminalTests(NukeCase):
    gui = False

    def test_nodes_are_made_without_a_window(self) -> None:
        for kind in KINDS:
            self.make(kind)
        self.assertEqual(Path(self.save()).is_file(), True)


class MigrationTests(NukeCase):
    def migrate(self, node: Any) -> bool:
        from overscan_nuke._migration import migrate

        return migrate(node)

    def test_a_knob_that_an_older_node_lacks_is_added_and_others_keep_their_values(self) -> None:
        node = self.make("extend")
        node["overscan_seed"].setValue(7)
        node.removeKnob(node["overscan_grain"])
        self.assertTrue(self.migrate(node))
        self.assertEqual(node["overscan_grain"].value(), True)
        self.assertEqual(node["overscan_seed"].value(), 7)

    def test_a_node_of_a_newer_version_is_left_alone_and_says_so(self) -> None:
        node = self.make("extend")
        node["overscan_schema"].setValue(99)
        node.removeKnob(node["overscan_grain"])
        self.assertFalse(self.migrate(node))
        self.assertNotIn("overscan_grain", node.knobs())
        self.assertEqual(node["overscan_schema"].value(), 99)
        self.assertIn("newer Overscan", node["overscan_progress"].value())

    def test_what_a_crash_left_inside_is_removed(self) -> None:
        node = self.make("extend")
        with node:
            self.nuke.nodes.Write(name="OverscanTemporaryWrite")
        self.migrate(node)
        self.assertEqual([one for one in node.nodes() if one.Class() == "Write"], [])

    def test_every_knob_of_schema_1_is_still_there(self) -> None:
        """Scripts hold these names; the list may grow, and nothing is ever taken from it."""
        from overscan_nuke._table import TABLE

        file = Path(__file__).parent / "knobs_of_schema_1.txt"
        known = [line.split() for line in file.read_text().splitlines() if line]
        now = {spec.name: spec.form for spec in TABLE}
        self.assertEqual([name for name, form in known if now.get(name) != form], [])


class RecordTests(NukeCase):
    """What a node remembers of its runs, in the script."""

    def ran(self, state: str = "succeeded") -> Any:
        from overscan_nuke._inside import choose
        from overscan_nuke._state import Version, ViewJob, remember

        node = self.make("extend")
        for name in ("v001", "v002"):
            job = ViewJob(job_id="j" + name, state=state, done=(1001,))
            remember(node, Version(name=name, path=f"/out/{name}/a.%04d.exr", frames="1001-1004", jobs=(job,)))
        choose(node, "v001")
        return node

    def test_nuke_asks_to_save_what_a_run_has_added_and_nothing_else(self) -> None:
        from overscan_nuke._state import remember, version_named

        node = self.ran()
        self.assertTrue(self.nuke.modified())
        self.nuke.modified(False)
        version = version_named(node, "v001")
        assert version is not None
        remember(node, version)
        node_text = node["overscan_versions"].value()
        self.assertFalse(self.nuke.modified(), node_text)

    def test_a_version_menu_that_came_back_without_its_entries_is_filled(self) -> None:
        from overscan_nuke._migration import migrate

        node = self.ran()
        node["overscan_version"].setValues(["none"])
        node["overscan_version"].setValue("none")
        node["overscan_result"].setValue("/out/v001/a.%04d.exr")
        migrate(node)
        self.assertEqual(list(node["overscan_version"].values()), ["v001", "v002"])
        self.assertEqual(node["overscan_version"].value(), "v001")

    def test_a_job_that_cannot_be_asked_about_is_not_left_running(self) -> None:
        from overscan_host import BridgeError, Problem
        from overscan_nuke import _follow, _session
        from overscan_nuke._state import version_named

        class Silent:
            def call(self, *_: Any, on_error: Any, **__: Any) -> None:
                on_error(BridgeError([Problem("BRIDGE_TIMEOUT", "No answer came.", "Try again.")]))

            def close(self) -> None:
                pass

        node = self.ran("running")
        _session.session().bridge = Silent()  # type: ignore[assignment]
        version = version_named(node, "v002")
        assert version is not None
        _follow.settle(node, "v002", version.jobs[0])
        after = version_named(node, "v002")
        assert after is not None
        self.assertEqual((after.state, after.is_running), ("lost", False))
        self.assertIn("No answer came. Try again.", node["overscan_progress"].value())
        self.assertIn("Press Retry", node["overscan_progress"].value())

    def test_the_answer_to_cancel_does_not_hide_that_the_job_has_ended(self) -> None:
        from overscan_nuke import _buttons, _follow, _session

        answers: list[Any] = []
        watched: list[Any] = []

        class Slow:
            def call(self, *_: Any, on_result: Any, **__: Any) -> None:
                answers.append(on_result)

            def watch(self, *_: Any, **what: Any) -> Any:
                watched.append(what)
                return self

            def stop(self) -> None:
                pass

            def close(self) -> None:
                pass

        node = self.ran("running")
        _session.session().bridge = Slow()  # type: ignore[assignment]
        self.addCleanup(_follow.forget_all)
        _buttons.press("cancel", node)
        self.assertEqual(node["overscan_progress"].value(), "Cancelling …")
        double.pump(until=lambda: answers, limit_seconds=10)
        answers[0]({})
        answers[1]({})
        self.assertEqual(len(watched), 2, "who cancels hears of the end")
        for number, what in enumerate(watched, 1):
            what["on_event"]({"number": number, "state_changed": {"state": "cancelled"}})
        self.assertIn("v002: Cancelled", node["overscan_progress"].value())

    def test_what_is_being_prepared_stops_with_its_script(self) -> None:
        import overscan_nuke
        from overscan_nuke import _session
        from overscan_nuke._steps import Steps

        overscan_nuke.register()
        ended: list[str] = []

        def steps() -> Steps:
            try:
                while True:
                    yield
            finally:
                ended.append("stopped")

        node = self.make("extend")
        _session.start(node, steps(), lambda *_: ended.append("told a node that is gone"))
        self.nuke.scriptClear()
        double.pump(until=lambda: ended, limit_seconds=10)
        self.assertEqual(ended, ["stopped"])


if __name__ == "__main__":
    unittest.main()
