"""What an input shows: files as they are on disk, or a picture that has to be rendered; and what decides about it."""

from __future__ import annotations

import unittest
from typing import Any

from tests.nuke.nuke_case import NukeCase


class SourceTests(NukeCase):
    def source(self, top: Any, frames: Any = (1001, 1002)) -> Any:
        from overscan_nuke import _reads, _upstream

        # What the file says of its pixels needs the file; see test_nuke_plates.
        _reads._other_aspect = lambda _: 0.0  # type: ignore[assignment]
        node = self.make("extend", top)
        return _upstream.source_of(node, 0, frames=list(frames))

    def test_nothing_is_connected(self) -> None:
        self.assertIsNone(self.source(None))

    def test_a_read_is_handed_over_by_path_with_its_colour(self) -> None:
        found = self.source(self.read(colorspace="sRGB", premultiplied=True))
        self.assertEqual(found.pattern, "/plates/a.%04d.exr")
        self.assertEqual((found.first, found.last, found.offset, found.is_whole), (1001, 1010, 0, True))
        self.assertEqual(found.colour, {"colorspace": "sRGB", "premultiplied": True, "raw": False, "auto_alpha": False})
        self.assertEqual(found.color_space, "sRGB")

    def test_raw_says_nothing_about_colour(self) -> None:
        self.assertEqual(self.source(self.read(colorspace="sRGB", raw=True)).color_space, "")

    def test_what_changes_nothing_is_looked_through(self) -> None:
        top = self.read()
        for name in ("Dot", "NoOp", "Grade", "Switch"):
            node = getattr(self.nuke.nodes, name)()
            node.setInput(0, top)
            if name == "Grade":
                node["white"].setValue(2.0)
                node["disable"].setValue(True)
            top = node
        self.assertEqual(self.source(top).pattern, "/plates/a.%04d.exr")

    def test_what_changes_the_picture_is_named(self) -> None:
        from overscan_nuke._upstream import Rendered

        for name in ("Grade", "Roto", "Reformat", "Retime", "FrameHold", "Crop", "Copy"):
            node = getattr(self.nuke.nodes, name)(name=f"My{name}")
            node.setInput(0, self.read())
            self.assertEqual(self.source(node), Rendered(f"My{name} changes the picture"))

    def test_a_switch_that_changes_over_the_frames_is_rendered(self) -> None:
        switch = self.nuke.nodes.Switch(name="Cut")
        switch.setInput(0, self.read("/plates/a.%04d.exr"))
        switch.setInput(1, self.read("/plates/b.%04d.exr"))
        switch["which"].setExpression("frame > 1001")
        self.assertEqual(self.source(switch).reason, "Cut switches between inputs")
        self.assertEqual(self.source(switch, [1002, 1003]).pattern, "/plates/b.%04d.exr")

    def test_a_node_that_an_expression_disables_is_not_looked_through(self) -> None:
        grade = self.nuke.nodes.Grade(name="OnFarm")
        grade.setInput(0, self.read())
        grade["disable"].setExpression("frame > 1001")
        self.assertIn("OnFarm", self.source(grade).reason)

    def test_groups_are_entered_and_left(self) -> None:
        group = self.nuke.nodes.Group()
        with group:
            inside = self.nuke.nodes.Input()
            dot = self.nuke.nodes.Dot()
            dot.setInput(0, inside)
            out = self.nuke.nodes.Output()
            out.setInput(0, dot)
        group.setInput(0, self.read())
        self.assertEqual(self.source(group).pattern, "/plates/a.%04d.exr")

    def test_shifts_in_time_add_up(self) -> None:
        for mode, frame, expected in (
            ("start at", "2001", 1000),
            ("expression", "frame-1000", 1000),
            ("expression", "frame + 5", -5),
            ("expression", "", 0),
        ):
            offset = self.nuke.nodes.TimeOffset()
            offset["time_offset"].setValue(3)
            offset.setInput(0, self.read(frame_mode=mode, frame=frame))
            self.assertEqual(self.source(offset).offset, expected + 3, (mode, frame))

    def test_retimes_by_expression_are_rendered(self) -> None:
        found = self.source(self.read(frame_mode="expression", frame="frame*2"))
        self.assertIn("retimed", found.reason)

    def test_the_sign_of_an_offset_is_left_to_nuke(self) -> None:
        self.assertIn("shifted by 'offset'", self.source(self.read(frame_mode="offset", frame="1000")).reason)

    def test_files_that_are_no_exr_are_rendered(self) -> None:
        self.assertIn(".dpx", self.source(self.read("/plates/a.%04d.dpx")).reason)

    def test_relative_paths_start_from_the_projects_folder(self) -> None:
        self.nuke.root()["project_directory"].setValue("/shows/x")
        self.assertEqual(self.source(self.read("plates/a.####.exr")).pattern, "/shows/x/plates/a.####.exr")

    def test_a_trimmed_read_is_no_whole_one(self) -> None:
        read = self.read(first=1001, last=1010)
        read["first"].setValue(1004)
        self.assertFalse(self.source(read).is_whole)

    def test_proxy_mode_hands_over_the_plate_and_never_its_proxy(self) -> None:
        read = self.read("/plates/full.%04d.exr")
        read["proxy"].setValue("/proxies/small.%04d.exr")
        root = self.nuke.root()
        root["proxy"].setValue(True)
        self.assertEqual(self.nuke.filename(read), "/proxies/small.%04d.exr", "as Nuke says it")
        self.assertEqual(self.source(read).pattern, "/plates/full.%04d.exr")
        self.assertIs(bool(root["proxy"].value()), True)

    def test_views_have_files_of_their_own(self) -> None:
        found = self.source(self.read("/plates/a.%V.%v.%04d.exr"))
        self.assertTrue(found.has_views)
        self.assertEqual(found.of_view("left"), "/plates/a.left.l.%04d.exr")


class TreeTests(NukeCase):
    def text(self, node: Any) -> Any:
        from overscan_nuke._upstream import describe_tree

        steps = describe_tree(node)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                return stop.value

    def graph(self) -> Any:
        self.plate = self.read()
        self.grade = self.nuke.nodes.Grade()
        self.grade.setInput(0, self.plate)
        self.blur = self.nuke.nodes.Blur()
        self.blur.setInput(0, self.grade)
        return self.blur

    def test_the_same_graph_has_the_same_text_after_saving_and_opening(self) -> None:
        before = self.text(self.graph())
        path = self.save()
        self.nuke.scriptClear()
        self.nuke.scriptOpen(str(path))
        self.assertEqual(self.text(self.nuke.toNode("Blur1")).text, before.text)

    def test_moving_labelling_and_the_playhead_change_nothing(self) -> None:
        top = self.graph()
        before = self.text(top)
        self.grade.setXYpos(5, 6)
        self.grade["label"].setValue("new")
        self.grade["tile_color"].setValue(255)
        self.nuke.frame(1005)
        self.assertEqual(self.text(top), before)

    def test_any_knob_that_decides_changes_it(self) -> None:
        top = self.graph()
        seen = [self.text(top)]
        changes = (
            lambda: self.blur["size"].setValue(4),
            lambda: self.grade["white"].setValueAt(2.0, 1050),
            lambda: self.grade["white"].setValueAt(3.0, 1090),
            lambda: self.plate["last"].setValue(1011),
            lambda: self.blur.setInput(0, self.plate),
            lambda: self.nuke.root()["format"].setValue("HD_1080"),
        )
        for change in changes:
            change()
            seen.append(self.text(top))
        self.assertEqual(len({one.text for one in seen}), len(changes) + 1)

    def test_a_linked_node_counts(self) -> None:
        top = self.graph()
        other = self.nuke.nodes.Blur(name="Elsewhere")
        self.blur["size"].setExpression("Elsewhere.size")
        before = self.text(top)
        other["size"].setValue(9)
        self.assertNotEqual(self.text(top), before)

    def test_nodes_inside_groups_count(self) -> None:
        group = self.nuke.nodes.Group()
        with group:
            inside = self.nuke.nodes.Input()
            grade = self.nuke.nodes.Grade()
            grade.setInput(0, inside)
            out = self.nuke.nodes.Output()
            out.setInput(0, grade)
        group.setInput(0, self.graph())
        before = self.text(group)
        grade["white"].setValue(3)
        self.assertNotEqual(self.text(group), before)

    def test_what_an_overscan_node_says_about_itself_does_not_count(self) -> None:
        node = self.make("extend", self.read())
        before = self.text(node)
        node["overscan_progress"].setValue("v001: 12 %")
        self.assertEqual(self.text(node), before)

    def test_files_that_are_read_are_named_and_those_written_are_not(self) -> None:
        top = self.graph()
        write = self.nuke.nodes.Write()
        write["file"].setValue("/out/x.%04d.exr")
        write.setInput(0, top)
        self.assertEqual(self.text(write).files, ("/plates/a.%04d.exr",))


if __name__ == "__main__":
    unittest.main()
