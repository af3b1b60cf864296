"""Nodes, groups, knobs, expressions, hashes and callbacks of the double."""

from __future__ import annotations

import sys
import unittest
from typing import Any

from tests.hosts.nuke_double import double
from tests.hosts.nuke_double_case import DoubleCase


class Nodes(DoubleCase):
    def test_names_are_made_and_kept_apart(self) -> None:
        first, second = self.nuke.createNode("Merge2"), self.nuke.createNode("Merge2")
        self.assertEqual([first.name(), second.name()], ["Merge1", "Merge2"])
        second.setName("Merge1")
        self.assertEqual(second.name(), "Merge2")
        with self.assertRaises(ValueError):
            second.setName("Merge1", uncollide=False)

    def test_a_created_node_is_connected_to_the_selected_one_and_one_of_nodes_is_not(self) -> None:
        plate = self.nuke.createNode("Read")
        grade = self.nuke.createNode("Grade")
        alone = self.nuke.nodes.Grade()
        self.assertEqual((grade.input(0), alone.input(0)), (plate, None))
        self.assertEqual(self.nuke.selectedNodes(), [grade])

    def test_inputs(self) -> None:
        nuke = self.nuke
        plate, merge = nuke.nodes.Read(), nuke.nodes.Merge2()
        self.assertTrue(merge.setInput(1, plate))
        self.assertEqual((merge.inputs(), merge.input(0), merge.input(1), merge.optionalInput()), (2, None, plate, 2))
        self.assertFalse(plate.setInput(0, merge))
        self.assertFalse(merge.setInput(0, merge))
        dot = nuke.nodes.Dot(inputs=[merge])
        self.assertFalse(merge.canSetInput(0, dot))
        self.assertEqual(merge.dependent(nuke.INPUTS), [dot])
        self.assertEqual(dot.dependencies(nuke.INPUTS), [merge])
        merge.setInput(1, None)
        self.assertEqual(merge.inputs(), 0)

    def test_deleting_joins_what_was_around_and_leaves_a_dead_object(self) -> None:
        nuke = self.nuke
        plate = nuke.nodes.Read()
        grade = nuke.nodes.Grade(inputs=[plate])
        dot = nuke.nodes.Dot(inputs=[grade])
        nuke.delete(grade)
        self.assertIs(dot.input(0), plate)
        with self.assertRaisesRegex(ValueError, "not attached"):
            grade.name()
        self.assertIsNone(nuke.toNode("Grade1"))

    def test_groups(self) -> None:
        nuke = self.nuke
        group = nuke.createNode("Group")
        with group:
            second = nuke.nodes.Input(name="matte", number=1)
            first = nuke.nodes.Input(name="plate", number=0)
            nuke.nodes.Output(inputs=[first])
            self.assertIs(nuke.thisGroup(), group)
            self.assertIs(nuke.toNode("plate"), first)
        self.assertEqual(group.maxInputs(), 2)
        self.assertEqual(second.fullName(), "Group1.matte")
        self.assertIs(nuke.toNode("Group1.matte"), second)
        self.assertIsNone(nuke.toNode("matte"))
        outside = nuke.nodes.Read()
        self.assertFalse(first.setInput(0, outside))
        self.assertEqual([node.name() for node in nuke.allNodes(recurseGroups=True)].count("plate"), 1)
        self.assertEqual([node.name() for node in nuke.allNodes()], ["Group1", "Read1"])

    def test_frame_ranges_follow_the_graph(self) -> None:
        nuke = self.nuke
        plate = nuke.nodes.Read(first=1001, last=1010)
        late = nuke.nodes.TimeOffset(inputs=[plate], time_offset=-1000)
        self.assertEqual((late.firstFrame(), late.lastFrame()), (1, 10))
        nuke.root()["last_frame"].setValue(33)
        self.assertEqual(nuke.nodes.NoOp().frameRange().last(), 33)
        self.assertEqual(list(nuke.FrameRange("1-7x3")), [1, 4, 7])
        self.assertEqual(nuke.FrameRanges("1-3 9").toFrameList(), [1, 2, 3, 9])


class Knobs(DoubleCase):
    def node(self, *knobs: Any) -> Any:
        node = self.nuke.nodes.NoOp()
        for knob in knobs:
            node.addKnob(knob)
        return node

    def test_kinds(self) -> None:
        nuke = self.nuke
        node = self.node(
            nuke.Int_Knob("count"), nuke.Double_Knob("size"), nuke.Boolean_Knob("on"), nuke.String_Knob("text"),
            nuke.Enumeration_Knob("pick", "Pick", ["a", "b c"]), nuke.XY_Knob("place"), nuke.BBox_Knob("box"),
            nuke.Color_Knob("colour"), nuke.Channel_Knob("channel", "channel", 1), nuke.Format_Knob("size_of"),
        )  # fmt: skip
        self.assertIn("User", node.knobs())
        for name, value in (
            ("count", 3),
            ("size", 0.5),
            ("on", True),
            ("text", "x"),
            ("pick", "b c"),
            ("place", [1.0, 2.0]),
        ):
            node[name].setValue(value)
            self.assertEqual(node[name].value(), value)
        self.assertEqual((node["pick"].getValue(), node["pick"].values()), (1.0, ["a", "b c"]))
        node["box"].setValue([1, 2, 3, 4])
        node["box"].setR(9)
        self.assertEqual((node["box"].r(), node["box"].toDict()["t"]), (9.0, 4.0))
        node["channel"].setValue("rgba.alpha")
        self.assertEqual(node["channel"].value(), "rgba.alpha")
        node["size_of"].setValue("HD_1080")
        self.assertEqual(node["size_of"].value().width(), 1920)
        node["pick"].setValues(["b c", "d"])
        self.assertEqual(node["pick"].value(), "b c")
        with self.assertRaises(ValueError):
            node.addKnob(nuke.Int_Knob("count"))

    def test_animation(self) -> None:
        node = self.node(self.nuke.Double_Knob("size"), self.nuke.Int_Knob("plain"))
        size = node["size"]
        size.setAnimated()
        size.setValueAt(10, 1001)
        size.setValueAt(20, 1011)
        self.assertTrue(size.isAnimated())
        self.assertEqual(size.getValueAt(1001), 10.0)
        self.assertTrue(10 < size.getValueAt(1005) < 20)
        self.assertEqual(size.getKeyList(), [1.0, 1001.0, 1011.0])
        self.nuke.frame(1011)
        self.assertEqual(size.value(), 20.0)
        size.setValue(30)
        self.assertEqual(size.getValueAt(1011), 30.0)
        size.clearAnimated()
        self.assertEqual((size.isAnimated(), size.value()), (False, 30.0))
        node["plain"].setFlag(self.nuke.NO_ANIMATION)
        with self.assertRaises(RuntimeError):
            node["plain"].setValueAt(1, 1)

    def test_expressions(self) -> None:
        nuke = self.nuke
        group = nuke.nodes.Group()
        group.addKnob(nuke.Double_Knob("margin"))
        group["margin"].setValue(7)
        with group:
            inner = nuke.nodes.Transform()
        inner["translate"].setExpression("parent.margin * 2 + (frame > 5 ? 1 : 0)", 0)
        self.assertEqual(inner["translate"].getValueAt(1), [14.0, 0.0])
        self.assertEqual(inner["translate"].getValueAt(6), [15.0, 0.0])
        self.assertIn(group, inner.dependencies(nuke.EXPRESSIONS))
        self.assertEqual(nuke.expression("Group1.margin + 1"), 8.0)
        inner["translate"].setExpression("parent.nothing", 1)
        with self.assertRaisesRegex(ValueError, "nothing"):
            inner["translate"].value()
        with self.assertRaises(ValueError):
            inner["translate"].setExpression("1 +")
        one, two = nuke.nodes.Switch(name="One"), nuke.nodes.Switch(name="Two")
        one["which"].setExpression("Two.which")
        two["which"].setExpression("One.which")
        with self.assertRaisesRegex(ValueError, "circles"):
            one["which"].value()

    def test_links_and_names_in_files(self) -> None:
        nuke = self.nuke
        group = nuke.nodes.Group()
        with group:
            read = nuke.nodes.Read(file="[value root.project_directory]/a.%04d.%V.exr")
        link = nuke.Link_Knob("file", "File")
        group.addKnob(link)
        link.makeLink("Read1", "file")
        nuke.root()["project_directory"].setValue("/shot")
        self.assertEqual(link.getLinkedKnob(), read["file"])
        self.assertEqual(read["file"].evaluate(7), "/shot/a.0007.main.exr")
        self.assertEqual(nuke.filename(read), "/shot/a.%04d.%V.exr")
        read.setName("Plate", updateExpressions=True)
        self.assertEqual(link.value(), read["file"].value())
        read["file"].fromUserText("/p/b.####.exr 1001-1020")
        self.assertEqual((read["first"].value(), read["last"].value()), (1001, 1020))
        self.assertEqual(read["file"].evaluate(-3), "/p/b.-003.exr")

    def test_write_gains_the_knobs_of_its_format(self) -> None:
        write = self.nuke.nodes.Write()
        self.assertNotIn("datatype", write.knobs())
        write["file"].setValue("/tmp/a.%04d.exr")
        write["datatype"].setValue("32 bit float")
        self.assertEqual(write["datatype"].getValue(), 1.0)


class Happenings(DoubleCase):
    def test_callbacks_know_where_they_are(self) -> None:
        nuke = self.nuke
        seen: list[Any] = []
        nuke.addOnCreate(lambda: seen.append(("create", nuke.thisNode().name())), nodeClass="Group")
        nuke.addKnobChanged(lambda: seen.append((nuke.thisNode().name(), nuke.thisKnob().name())), nodeClass="Group")
        group = nuke.createNode("Group")
        knob = nuke.Int_Knob("n")
        group.addKnob(knob)
        knob.setValue(1)
        knob.setValue(1)
        nuke.createNode("Read")["first"].setValue(5)
        self.assertEqual(seen, [("create", "Group1"), ("Group1", "n")])

    def test_a_change_made_inside_knob_changed_calls_nothing(self) -> None:
        nuke = self.nuke
        node = nuke.nodes.NoOp()
        for name in ("a", "b"):
            node.addKnob(nuke.Int_Knob(name))
        seen: list[str] = []

        def changed() -> None:
            seen.append(nuke.thisKnob().name())
            nuke.thisNode()["b"].setValue(nuke.thisNode()["b"].value() + 1)

        nuke.addKnobChanged(changed, nodeClass="NoOp")
        node["a"].setValue(3)
        self.assertEqual((seen, node["b"].value()), (["a"], 1))

    def test_a_failing_callback_is_kept_and_fails_the_test(self) -> None:
        self.nuke.addOnCreate(lambda: 1 // 0, nodeClass="Read")
        self.nuke.createNode("Read")
        self.assertIn("ZeroDivisionError", double.session().failures[0])
        with self.assertRaisesRegex(AssertionError, "ZeroDivisionError"):
            double.session().check()
        double.session().failures.clear()

    def test_buttons(self) -> None:
        nuke = self.nuke
        group = nuke.createNode("Group")
        group.addKnob(nuke.PyScript_Knob("go", "Go", "nuke.message(nuke.thisNode().name() + nuke.thisKnob().name())"))
        double.press(group, "go")
        self.assertEqual(double.session().messages, ["Group1go"])
        self.assertEqual(double.session().blocks[-1].what, "button go")
        group["go"].setValue("nuke.thisNode().nonsense()")
        with self.assertRaises(AttributeError):
            double.press(group, "go")

    def test_dialogs_are_answered_from_the_test(self) -> None:
        double.session().answers.extend([True, "name"])
        self.assertEqual((self.nuke.ask("Sure?"), self.nuke.getInput("Name")), (True, "name"))
        with self.assertRaisesRegex(AssertionError, "no answer"):
            self.nuke.ask("Again?")

    def test_progress_can_be_cancelled(self) -> None:
        double.session().cancel_after = 2
        task = self.nuke.ProgressTask("rendering")
        self.assertEqual([task.isCancelled(), task.isCancelled()], [False, True])

    def test_undo_records_what_a_user_could_take_back(self) -> None:
        nuke = self.nuke
        node = nuke.nodes.NoOp()
        node.addKnob(nuke.String_Knob("status"))
        before = len(double.session().undo)
        with nuke.Undo():
            node["status"].setValue("a")
            node.setXpos(10)
        self.assertEqual(len(double.session().undo), before + 1)
        nuke.Undo.disable()
        node["status"].setValue("b")
        nuke.Undo.enable()
        self.assertEqual(len(double.session().undo), before + 1)
        self.assertTrue(nuke.modified())

    def test_menus(self) -> None:
        called: list[int] = []
        bar = self.nuke.menu("Nuke")
        bar.addMenu("Overscan").addCommand("Queue", lambda: called.append(1), "ctrl+q")
        bar.findItem("Overscan/Queue").invoke()
        self.assertEqual(called, [1])
        self.assertIsNone(self.nuke.menu("Nonsense"))


class Hashes(DoubleCase):
    def test_only_what_changes_the_picture_changes_the_hash(self) -> None:
        nuke = self.nuke
        plate = nuke.nodes.Read(file="/a/b.%04d.exr", first=1, last=10)
        grade = nuke.nodes.Grade(inputs=[plate])
        group = nuke.nodes.Group(inputs=[])
        with group:
            inside = nuke.nodes.Input()
            multiply = nuke.nodes.Grade(inputs=[inside])
            nuke.nodes.Output(inputs=[multiply])
        group.setInput(0, grade)
        dot = nuke.nodes.Dot(inputs=[group])

        def now() -> Any:
            return dot.opHashes()

        first = now()
        grade.setName("Other")
        grade.setXYpos(10, 20)
        grade["label"].setValue("hello")
        plate["localizationPolicy"].setValue("off")
        self.assertEqual(now(), first)
        nuke.nodes.Read(file="/elsewhere.exr")
        self.assertEqual(now(), first)
        for node, knob, value, back in (
            (grade, "add", 0.1, 0), (plate, "raw", True, False), (plate, "file", "/c.%04d.exr", "/a/b.%04d.exr"),
            (multiply, "multiply", 2, 1), (nuke.root(), "proxy", True, False),
        ):  # fmt: skip
            node[knob].setValue(value)
            self.assertNotEqual(now(), first, knob)
            node[knob].setValue(back)
            self.assertEqual(now(), first, knob)
        nuke.frame(5)
        self.assertNotEqual(now(), first)
        nuke.frame(1)
        group["disable"].setValue(True)
        self.assertEqual(now(), grade.opHashes())

    def test_animation_upstream_counts_at_the_frame(self) -> None:
        nuke = self.nuke
        constant = nuke.nodes.Constant()
        held = nuke.nodes.FrameHold(inputs=[constant], firstFrame=3)
        still = constant.opHashes()
        nuke.frame(9)
        self.assertEqual(constant.opHashes(), still)
        constant["color"].setAnimated(0)
        constant["color"].setValueAt(1, 9, 0)
        constant["color"].setValueAt(0, 3, 0)
        moving, hold = constant.opHashes(), held.opHashes()
        nuke.frame(3)
        self.assertNotEqual(constant.opHashes(), moving)
        self.assertEqual(held.opHashes(), hold)


class Terminal(DoubleCase):
    GUI = False

    def test_without_a_gui_there_are_no_dialogs_menus_or_event_loop(self) -> None:
        for call in (
            lambda: self.nuke.ask("?"),
            lambda: self.nuke.menu("Nuke"),
            lambda: double.pump(limit_seconds=0.1),
        ):
            with self.assertRaises(RuntimeError):
                call()
        self.assertFalse(self.nuke.GUI or self.nuke.env["gui"])


class Installing(unittest.TestCase):
    def test_each_version_says_which_it_is_and_goes_without_trace(self) -> None:
        for version, major in (("13.2v8", 13), ("16.0v1", 16)):
            nuke = double.install(version=version, gui=False)
            self.assertEqual((nuke.NUKE_VERSION_MAJOR, nuke.NUKE_VERSION_STRING), (major, version))
            double.uninstall()
            self.assertNotIn("nuke", sys.modules)
            self.assertNotIn("nukescripts.panels", sys.modules)


if __name__ == "__main__":
    unittest.main()
