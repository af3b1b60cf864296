"""The media pool: sequences and what their files say, bins, properties as words, locked and stale things."""

from __future__ import annotations

import unittest
from typing import Any

from tests.hosts.resolve_double import double, user
from tests.hosts.resolve_double_case import DoubleCase


class Importing(DoubleCase):
    def setUp(self) -> None:
        super().setUp()
        self.project(rate="25")

    def imported(self, *what: Any) -> list[str]:
        return [
            clip.GetClipProperty("File Path")[len(str(self.folder)) + 1 :]
            for clip in self.pool().ImportMedia(list(what))
        ]

    def test_a_pattern_with_numbers_is_one_clip(self) -> None:
        pattern = self.plate(range(1001, 1011))
        found = self.imported({"FilePath": pattern, "StartIndex": 1002, "EndIndex": 1005})
        self.assertEqual(found, ["plate.[1002-1005].exr"])
        clip = self.pool().GetRootFolder().GetClipList()[0]
        self.assertEqual(clip.GetClipProperty("Frames"), "4")
        self.assertEqual(clip.GetClipProperty("Resolution"), "64x36")
        self.assertEqual(clip.GetClipProperty("FPS"), 25.0)
        self.assertEqual(clip.GetClipProperty("Start TC"), "00:00:40:02")

    def test_numbers_keep_their_zeros(self) -> None:
        self.assertEqual(self.imported({"FilePath": self.plate(range(990, 1003), name="a")}), ["a.[0990-1002].exr"])

    def test_a_file_is_a_still_and_a_folder_its_sequences(self) -> None:
        self.plate([1001, 1002, 1003, 1010, 1011])
        (self.folder / "take.wav").write_bytes(b"RIFF")
        self.assertEqual(self.imported(str(self.folder / "plate.1002.exr")), ["plate.1002.exr"])
        self.assertEqual(
            sorted(self.imported(str(self.folder))), ["plate.[1001-1003].exr", "plate.[1010-1011].exr", "take.wav"]
        )

    def test_a_sequence_ends_at_its_first_gap_in_silence(self) -> None:
        pattern = self.plate([1001, 1002, 1003, 1010])
        self.assertEqual(
            self.imported({"FilePath": pattern, "StartIndex": 1001, "EndIndex": 1010}), ["plate.[1001-1003].exr"]
        )
        self.options.sequence_gaps = "span"
        self.assertEqual(
            self.imported({"FilePath": pattern, "StartIndex": 1001, "EndIndex": 1010}), ["plate.[1001-1010].exr"]
        )

    def test_what_is_not_there_is_not_imported(self) -> None:
        self.assertEqual(self.imported(str(self.folder / "no.exr")), [])
        self.assertEqual(
            self.imported({"FilePath": str(self.folder / "no.%04d.exr"), "StartIndex": 1, "EndIndex": 2}), []
        )
        self.faults.refused_imports = 1
        self.assertEqual(self.imported({"FilePath": self.plate([1])}), [])

    def test_rate_and_timecode_come_from_the_file(self) -> None:
        self.plate([1], rate=(24000, 1001), timecode=0x01020304)
        clip = self.pool().ImportMedia([{"FilePath": str(self.folder / "plate.%04d.exr")}])[0]
        self.assertEqual((clip.GetClipProperty("FPS"), clip.GetClipProperty("Start TC")), (23.976, "01:02:03:04"))

    def test_imports_land_in_the_current_bin(self) -> None:
        pool = self.pool()
        made = pool.AddSubFolder(pool.GetRootFolder(), "Overscan")
        self.assertEqual(pool.GetCurrentFolder().GetName(), "Overscan")
        self.imported({"FilePath": self.plate([1])})
        self.assertEqual(len(made.GetClipList()), 1)
        self.assertEqual(pool.GetRootFolder().GetClipList(), [])


class Properties(DoubleCase):
    def test_nearly_all_are_words(self) -> None:
        self.project()
        found = self.clip().GetClipProperty()
        self.assertEqual({name for name, value in found.items() if not isinstance(value, str)}, {"FPS", "Super Scale"})

    def test_they_are_in_the_users_language(self) -> None:
        double.start(language="ja")
        self.addCleanup(double.start)
        user.new_project()
        clip = user.import_sequence("/a.%04d.exr", 1, 2)
        self.assertEqual(clip.GetClipProperty("Type"), "ビデオ")
        self.assertNotEqual(clip.GetClipProperty("Online Status"), "Online")

    def test_colour_space_needs_a_managed_project(self) -> None:
        project = self.project()
        clip = self.clip()
        self.assertTrue(clip.SetClipProperty("Input Color Space", "ACEScg"))
        self.assertEqual(clip.GetClipProperty("Input Color Space"), "ACEScg")
        project.SetSetting("colorScienceMode", "davinciYRGB")
        self.assertFalse(clip.SetClipProperty("Input Color Space", "Linear"))
        self.assertFalse(clip.SetClipProperty("File Path", "/x"))
        self.assertFalse(clip.SetClipProperty("Start TC", "25:61"))

    def test_a_rate_is_fixed_once_the_clip_is_in_use(self) -> None:
        self.project()
        clip = self.clip()
        self.assertTrue(clip.SetClipProperty("FPS", "23.976"))
        user.place(clip, timeline=user.new_timeline())
        self.assertFalse(clip.SetClipProperty("FPS", "25"))
        self.assertEqual(clip.GetClipProperty("Usage"), "1")

    def test_markers_are_floats_from_the_clips_head(self) -> None:
        self.project()
        clip = self.clip()
        self.assertTrue(clip.AddMarker(10, "Blue", "name", "note", 2, "ours"))
        self.assertFalse(clip.AddMarker(10, "Red", "", "", 1))
        self.assertEqual(list(clip.GetMarkers()), [10.0])
        self.assertEqual(clip.GetMarkerByCustomData("ours")["color"], "Blue")
        self.assertTrue(clip.DeleteMarkersByColor("All"))


class Staleness(DoubleCase):
    def test_what_is_gone_answers_none(self) -> None:
        self.project(name="One")
        clip, timeline = self.clip(), user.new_timeline()
        item = user.place(clip)
        self.project(name="Two")
        self.assertIsNone(clip.GetName())
        self.assertIsNone(item.GetStart())
        self.assertIsNone(timeline.GetTrackCount("video"))
        user.open_project("One")
        self.assertEqual(clip.GetName(), "clip.[1001-1100].exr")
        user.delete_item(item)
        self.assertIsNone(item.GetDuration())
        self.assertEqual(len(double.session().stale), 4)

    def test_an_argument_that_is_gone_is_refused(self) -> None:
        self.project()
        clip = self.clip()
        item = user.place(self.clip(), timeline=user.new_timeline())
        self.pool().DeleteClips([clip])
        self.assertFalse(item.AddTake(clip))
        self.assertEqual(item.GetTakesCount(), 0)

    def test_a_locked_project_changes_nothing(self) -> None:
        project = self.project()
        clip, timeline = self.clip(), user.new_timeline()
        item = user.place(clip)
        pool = project.GetMediaPool()
        before = double.snapshot()
        user.lock_project()
        self.assertIsNone(pool.AddSubFolder(pool.GetRootFolder(), "x"))
        self.assertEqual(pool.ImportMedia(["/x"]), [])
        self.assertEqual(pool.AppendToTimeline([clip]), [])
        answers = [item.AddTake(clip), timeline.AddTrack("video"), project.SetRenderSettings({"MarkIn": 1})]
        answers += [clip.AddFlag("Blue"), item.SetProperty("Pan", 1.0), project.SetSetting("superScale", "2")]
        for refused in answers:
            self.assertFalse(refused)
        self.assertEqual(project.AddRenderJob(), "")
        self.assertEqual(double.difference(before, double.snapshot()), [])
        user.lock_project(False)
        self.assertTrue(item.AddTake(clip))

    def test_another_thread_is_refused(self) -> None:
        import threading

        self.project()
        clip = self.clip()
        caught: list[str] = []

        def wrong() -> None:
            try:
                clip.GetName()
            except double.Forbidden as problem:
                caught.append(str(problem))

        thread = threading.Thread(target=wrong)
        thread.start()
        thread.join()
        self.assertIn("another thread", caught[0])
        double.session().violations.clear()

    def test_a_project_that_closes_between_two_calls(self) -> None:
        project = self.project(name="One")
        user.new_timeline()
        self.faults.before_call["Project.AddRenderJob"] = lambda: user.open_project(None)
        self.assertIsNone(project.AddRenderJob())
        self.assertIsNone(self.resolve.GetProjectManager().GetCurrentProject())


class Snapshots(DoubleCase):
    def test_a_difference_says_where(self) -> None:
        self.project()
        timeline = user.new_timeline()
        item = user.place(self.clip(), source=(0, 10))
        before = double.snapshot()
        self.assertEqual(double.difference(before, double.snapshot()), [])
        item.SetClipEnabled(False)
        timeline.SetTrackLock("video", 1, True)
        self.resolve.OpenPage("color")
        lines = double.difference(before, double.snapshot())
        self.assertEqual(len(lines), 3, lines)
        self.assertIn("/page was 'edit', is 'color'", lines)


if __name__ == "__main__":
    unittest.main()
