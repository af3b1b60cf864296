"""The user's Resolve is afterwards as before, whatever happens in between."""

from __future__ import annotations

import unittest
from typing import Any

from resolve_case import ResolveCase, double, user

from overscan_resolve import kept
from overscan_resolve._restore import KEPT_PRESET


class Restoring(ResolveCase):
    def setUp(self) -> None:
        super().setUp()
        media = self.sequence()
        self.item = user.place(media, source=(0, 48))
        user.place(media, source=(0, 24), track=2, at=10)
        self.other = user.new_timeline("Other")
        self.project.SetCurrentTimeline(self.timeline)
        user.bin("Footage")
        self.project.SetRenderSettings(
            {"TargetDir": "/renders", "CustomName": "mine", "MarkIn": 86410, "MarkOut": 86420}
        )
        self.resolve.OpenPage("color")
        user.move_playhead(7, timeline=self.timeline)
        self.timeline.SetMarkInOut(86405, 86407, "video")
        self.before = double.snapshot()

    def change_everything(self, held: Any, *, render: bool) -> None:
        pool = self.project.GetMediaPool()
        held.show_only(self.timeline, 2)
        self.timeline.SetTrackLock("video", 1, False)
        self.timeline.SetMarkInOut(86401, 86402, "video")
        self.timeline.SetCurrentTimecode("01:00:00:20")
        self.project.SetCurrentTimeline(self.other)
        pool.SetCurrentFolder(user.bin("Footage"))
        self.resolve.OpenPage("fusion")
        if render:
            self.project.LoadRenderPreset("Audio Only")
            self.project.SetCurrentRenderFormatAndCodec("exr", "RGBHalf")
            self.project.SetRenderSettings({"TargetDir": "/elsewhere", "CustomName": "ours", "MarkIn": 1})
            self.project.SetCurrentRenderMode(0)

    def check(self) -> None:
        self.assertEqual(double.difference(self.before, double.snapshot()), [])

    def test_with_render_settings(self) -> None:
        with kept(self.resolve, render=True) as held:
            self.change_everything(held, render=True)
        self.assertEqual(held.problems, [])
        self.check()

    def test_without(self) -> None:
        with kept(self.resolve) as held:
            self.change_everything(held, render=False)
        self.assertEqual(held.problems, [])
        self.check()

    def test_after_an_error(self) -> None:
        with self.assertRaises(ZeroDivisionError), kept(self.resolve, render=True) as held:
            self.change_everything(held, render=True)
            raise ZeroDivisionError
        self.check()

    def test_a_locked_track_is_locked_again(self) -> None:
        self.timeline.SetTrackLock("video", 1, True)
        before = double.snapshot()
        with kept(self.resolve) as held:
            held.unlock(self.timeline, 1)
            self.assertFalse(self.timeline.GetIsTrackLocked("video", 1))
        self.assertEqual(double.difference(before, double.snapshot()), [])

    def test_settings_that_cannot_be_kept_are_not_touched(self) -> None:
        double.session().faults.lost_preset = True
        with self.refused("UNSUPPORTED", "render settings", "nothing was changed"), kept(self.resolve, render=True):
            self.fail("it went on")
        self.check()

    def test_what_a_killed_run_left_is_put_back(self) -> None:
        self.project.SaveAsNewRenderPreset(KEPT_PRESET + " 0123")
        self.project.SetRenderSettings({"TargetDir": "/elsewhere", "CustomName": "ours"})
        with kept(self.resolve, render=True) as held:
            pass
        self.assertEqual(held.problems, [])
        self.assertIn("interrupted run", held.notes[0])
        self.resolve.OpenPage("color")
        self.check()

    def test_another_project_that_is_opened_meanwhile_is_left_alone(self) -> None:
        with kept(self.resolve, render=True) as held:
            self.change_everything(held, render=True)
            user.new_project("Second")
            second = double.snapshot()["projects"]["Second"]
        self.assertIn("Another project was opened", held.problems[0])
        self.assertEqual(double.difference(second, double.snapshot()["projects"]["Second"]), [])

    def test_resolve_that_closes_meanwhile(self) -> None:
        with kept(self.resolve, render=True) as held:
            user.open_project(None)
        self.assertTrue(held.problems)

    def test_a_timeline_that_is_deleted_meanwhile(self) -> None:
        with kept(self.resolve) as held:
            user.delete_timeline(self.timeline)
        self.assertTrue(any("timeline" in problem for problem in held.problems))

    def test_without_a_project(self) -> None:
        user.open_project(None)
        with self.refused("INVALID_JOB", "No project is open"), kept(self.resolve):
            self.fail("it went on")

    def test_without_a_timeline(self) -> None:
        for timeline in (self.timeline, self.other):
            user.delete_timeline(timeline)
        before = double.snapshot()
        with kept(self.resolve, render=True) as held:
            self.resolve.OpenPage("deliver")
        self.assertEqual(held.problems, [])
        self.assertEqual(double.difference(before, double.snapshot()), [])


if __name__ == "__main__":
    unittest.main()
