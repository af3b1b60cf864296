"""Knobs as parts of a job: placement, animation, parameters, camera and trackers."""

from __future__ import annotations

import unittest
from typing import Any

from tests.nuke.nuke_case import NukeCase

FRAMES = [1001, 1002, 1003]


class SettingsCase(NukeCase):
    def shape(self, width: int = 1280, height: int = 720, aspect: float = 1.0) -> Any:
        from overscan_nuke._settings import Shape

        return Shape(width, height, aspect)

    def settings(self, node: Any, plate: Any = None, offset: int = 0) -> Any:
        from overscan_nuke._settings import task_settings

        return task_settings(node, plate=plate or self.shape(), matte={"sequence": 1}, frames=FRAMES, offset=offset)

    def controls(self, node: Any, offset: int = 0) -> Any:
        from overscan_nuke._settings import controls

        return controls(node, frames=FRAMES, offset=offset)

    def refused(self, code: str, call: Any, *arguments: Any) -> Any:
        from overscan_nuke._refusals import RefusalError

        with self.assertRaises(RefusalError) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.code, code)
        self.assertTrue(caught.exception.next_step)
        return caught.exception


class PlacementTests(SettingsCase):
    def extend(self, target: str, **numbers: Any) -> Any:
        node = self.make("extend")
        node["overscan_target"].setValue(target)
        for name, value in numbers.items():
            node[f"overscan_{name}"].setValue(value)
        return node

    def test_margins_and_overscan_are_left_right_top_bottom(self) -> None:
        numbers = {"left": 1, "right": 2, "top": 3, "bottom": 4}
        self.assertEqual(self.settings(self.extend("margins", **numbers)), {"margins": "1,2,3,4"})
        self.assertEqual(self.settings(self.extend("overscan", **numbers)), {"overscan": "1,2,3,4"})

    def test_no_margins_at_all_are_refused(self) -> None:
        self.refused("INVALID_JOB", self.settings, self.extend("margins"))

    def test_a_box_counts_from_the_plates_lower_left_corner(self) -> None:
        node = self.extend("box")
        for index, value in enumerate((-100, -20, 1300, 750)):
            node["overscan_box"].setValue(value, index)
        self.assertEqual(self.settings(node), {"margins": "100,20,30,20"})

    def test_a_box_with_parts_of_samples_is_refused(self) -> None:
        node = self.extend("box")
        for index, value in enumerate((-100.5, 0, 1300, 750)):
            node["overscan_box"].setValue(value, index)
        self.refused("INVALID_JOB", self.settings, node)

    def wide(self, aspect: float = 1) -> Any:
        node = self.extend("format")
        self.nuke.addFormat(f"1728 800 0 0 1728 800 {aspect} wide{aspect}")
        node["overscan_format"].setValue(f"wide{aspect}")
        return node

    def test_a_format_has_the_plate_in_the_middle(self) -> None:
        self.assertEqual(self.settings(self.wide()), {"format": {"size": "1728x800"}})

    def test_a_place_counts_up_in_nuke_and_down_in_the_job(self) -> None:
        node = self.wide()
        node["overscan_centred"].setValue(False)
        for index, value in enumerate((48, 10)):
            node["overscan_place"].setValue(value, index)
        self.assertEqual(self.settings(node), {"format": {"size": "1728x800", "place": "48,70"}})

    def test_an_anamorphic_plate_needs_an_anamorphic_format(self) -> None:
        self.refused("MISMATCH", self.settings, self.wide(), self.shape(aspect=2.0))
        self.assertEqual(self.settings(self.wide(2), self.shape(aspect=2.0)), {"format": {"size": "1728x800"}})


class AnimationTests(SettingsCase):
    def margins(self) -> Any:
        node = self.make("extend")
        node["overscan_target"].setValue("margins")
        node["overscan_left"].setValue(8)
        return node

    def test_a_value_that_changes_is_refused_with_both_values(self) -> None:
        node = self.margins()
        node["overscan_left"].setAnimated()
        node["overscan_left"].setValueAt(8, 1001)
        node["overscan_left"].setValueAt(12, 1003)
        words = self.refused("INVALID_JOB", self.settings, node).message
        self.assertIn("'left' of Extend1 is animated: 8 at frame 1001", words)

    def test_an_expression_counts_with_its_value(self) -> None:
        node = self.margins()
        node["overscan_right"].setExpression("overscan_left * 2")
        self.assertEqual(self.settings(node), {"margins": "8,16,0,0"})

    def test_an_expression_that_changes_is_refused(self) -> None:
        node = self.margins()
        node["overscan_seed"].setExpression("frame")
        self.refused("INVALID_JOB", self.controls, node)

    def test_keys_with_one_value_are_no_change(self) -> None:
        node = self.margins()
        node["overscan_left"].setAnimated()
        for frame in FRAMES:
            node["overscan_left"].setValueAt(8, frame)
        self.assertEqual(self.settings(node), {"margins": "8,0,0,0"})


class ControlTests(SettingsCase):
    def test_what_is_left_alone_is_left_to_the_engine(self) -> None:
        self.assertEqual(self.controls(self.make("extend")), {})

    def test_each_knob_has_its_place(self) -> None:
        node = self.make("extend")
        for name, value in (("quality", "preview"), ("fill", "none"), ("copy", "never"), ("search_range", 9),
                            ("grain", False), ("seed", 5), ("prompt", " a wall "), ("source_frames", "1001-1002"),
                            ("parameters", "strength=0.5, tiles=true, name=x y, steps=4")):  # fmt: skip
            node[f"overscan_{name}"].setValue(value)
        expected = {
            "prompt": "a wall",
            "seed": 5,
            "source_frames": "1-2",
            "parameters": {"quality": "preview", "fill": "none", "copy": "never", "search_range": 9, "grain": False,
                           "strength": 0.5, "tiles": True, "name": "x y", "steps": 4},
        }  # fmt: skip
        self.assertEqual(self.controls(node, offset=1000), expected)

    def test_parameters_and_ranges_that_cannot_be_read_are_refused(self) -> None:
        node = self.make("extend")
        node["overscan_parameters"].setValue("strength")
        self.refused("INVALID_PARAMETER", self.controls, node)
        node["overscan_parameters"].setValue("")
        node["overscan_source_frames"].setValue("from here")
        self.refused("FRAME_RANGE", self.controls, node)

    def test_the_other_tasks(self) -> None:
        node = self.make("continue")
        self.refused("INVALID_JOB", self.settings, node)
        node["overscan_tail"].setValue(3)
        self.assertEqual(self.settings(node), {"head": 0, "tail": 3})
        node = self.make("interpolate")
        self.assertEqual(self.settings(node), {"between": 1})
        node["overscan_times"].setValue("1001, 1001.5 1002.25")
        self.assertEqual(self.settings(node, offset=1000), {"times": "1,1.5,2.25"})
        self.assertEqual(self.settings(self.make("inpaint")), {"matte": {"sequence": 1}})


class RangeTests(SettingsCase):
    def wanted(self, node: Any, shot: Any) -> Any:
        from overscan_nuke._ranges import wanted_frames

        return wanted_frames(node, list(shot))

    def project(self, first: int, last: int) -> None:
        self.nuke.root()["first_frame"].setValue(first)
        self.nuke.root()["last_frame"].setValue(last)

    def test_the_projects_range_with_handles(self) -> None:
        self.project(1009, 1892)
        node = self.make("extend")
        node["overscan_handles"].setValue(8)
        self.assertEqual(self.wanted(node, range(1001, 1901)), list(range(1001, 1901)))

    def test_what_the_plate_has_not_is_refused_and_never_repeated(self) -> None:
        self.project(1, 100)
        error = self.refused("FRAME_RANGE", self.wanted, self.make("extend"), range(1001, 1011))
        self.assertIn("1-100", error.message)
        self.assertIn("1001-1010", error.message)

    def test_custom_and_input(self) -> None:
        node = self.make("extend")
        node["overscan_range"].setValue("custom")
        self.refused("FRAME_RANGE", self.wanted, node, range(-5, 5))
        node["overscan_frames"].setValue("-3--1,2")
        self.assertEqual(self.wanted(node, range(-5, 5)), [-3, -2, -1, 2])
        node["overscan_range"].setValue("input")
        self.assertEqual(self.wanted(node, range(-5, 5)), [])


class CameraTests(SettingsCase):
    def samples(self, camera: Any, frames: Any = FRAMES, offset: int = 0, **more: Any) -> Any:
        from overscan_nuke._camera import camera_samples

        arguments = {"format_size": (2048, 858), "pixel_aspect": 2.0, **more}
        return run(camera_samples(camera, frames=list(frames), offset=offset, **arguments))["samples"]

    def camera(self) -> Any:
        camera = self.nuke.nodes.Camera3(name="ShotCam")
        camera["translate"].setAnimated(0)
        camera["translate"].setValueAt(0, 1001, 0)
        camera["translate"].setValueAt(2, 1003, 0)
        camera["focal"].setValue(35)
        camera["haperture"].setValue(24)
        return camera

    def test_it_is_read_frame_by_frame(self) -> None:
        found = self.samples(self.camera(), offset=1000)
        self.assertEqual([one["frame"] for one in found], [1, 2, 3])
        self.assertEqual([round(one["matrix"][3], 6) for one in found], [0, 1, 2])
        self.assertEqual(found[0]["matrix"][12:], [0, 0, 0, 1])
        self.assertEqual(found[0]["focal_length_mm"], 35)
        self.assertEqual(found[0]["horizontal_aperture_mm"], 24)

    def test_the_height_of_the_film_back_follows_the_format(self) -> None:
        found = self.samples(self.camera())
        self.assertAlmostEqual(found[0]["vertical_aperture_mm"], 24 * 858 / (2048 * 2.0))

    def test_what_a_job_cannot_say_is_refused(self) -> None:
        camera = self.camera()
        camera["win_translate"].setValue(0.1, 0)
        self.refused("UNSUPPORTED", self.samples, camera)
        camera = self.camera()
        camera["projection_mode"].setValue("orthographic")
        self.refused("UNSUPPORTED", self.samples, camera)

    def test_it_is_found_by_input_or_name(self) -> None:
        from overscan_nuke._camera import camera_node

        camera = self.camera()
        node = self.make("extend")
        dot = self.nuke.nodes.Dot()
        dot.setInput(0, camera)
        node.setInput(3, dot)
        self.assertEqual(camera_node(node, 3), camera)
        node.setInput(3, None)
        self.assertIsNone(camera_node(node, 3))
        node["overscan_camera"].setValue("ShotCam")
        self.assertEqual(camera_node(node, 3), camera)
        with node:  # as when a button of the node is pressed
            self.assertEqual(camera_node(node, 3), camera)
        node["overscan_camera"].setValue("Nobody")
        self.refused("INVALID_JOB", camera_node, node, 3)
        node["overscan_camera"].setValue("Dot1")
        self.refused("INVALID_JOB", camera_node, node, 3)


class TrackerTests(SettingsCase):
    TEXT = """ { 1 5 3 }
{ { 5 1 20 enable e 1 }
{ 3 1 75 name name 1 }
{ 2 1 58 track_x track_x 1 }
{ 2 1 58 track_y track_y 1 }
{ 2 1 63 offset_x offset_x 1 } }
{
 { {curve K x1001 1 x1003 0} "track 1" {curve x1001 812.5 813.5 814.5} {curve x1001 440 441 442} 0 }
 { {curve K x1001 1} corner {curve x1002 1 2} {curve x1002 3 4} 0 }
 { {curve K x1001 1} {never tracked} 5 6 0 }
}
"""

    def tracker(self) -> Any:
        tracker = self.nuke.nodes.Tracker4(name="Points")
        tracker["tracks"].fromScript(self.TEXT)
        return tracker

    def points(self, tracker: Any, offset: int = 0) -> Any:
        from overscan_nuke._trackers import tracked_points

        return run(tracked_points(tracker, frames=FRAMES, offset=offset, height=720))

    def test_points_are_read_where_they_are_tracked_and_count_down(self) -> None:
        found = self.points(self.tracker(), offset=1000)
        self.assertEqual([track["name"] for track in found], ["track 1", "corner"])
        self.assertEqual(found[0]["points"], [
            {"frame": 1, "position": {"x": 812.0, "y": 279.5}},
            {"frame": 2, "position": {"x": 813.0, "y": 278.5}},
        ])  # fmt: skip
        self.assertEqual([point["frame"] for point in found[1]["points"]], [2, 3])

    def test_what_is_no_tracker_or_has_no_tracks_is_refused(self) -> None:
        from overscan_nuke._trackers import tracker_node

        node = self.make("extend")
        self.assertIsNone(tracker_node(node))
        node["overscan_trackers"].setValue("Nobody")
        self.refused("INVALID_JOB", tracker_node, node)
        empty = self.nuke.nodes.Tracker4(name="Empty")
        node["overscan_trackers"].setValue("Empty")
        self.assertEqual(tracker_node(node), empty)
        self.refused("INVALID_JOB", self.points, empty)


def run(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


if __name__ == "__main__":
    unittest.main()
