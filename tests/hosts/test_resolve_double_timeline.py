"""Timelines: counts of frames, what is placed and what is dropped, takes, speeds as the API tells them, and Export."""

from __future__ import annotations

import json
import unittest
from fractions import Fraction
from typing import Any

from tests.hosts.resolve_double import _retime, _time, double, user
from tests.hosts.resolve_double_case import DoubleCase


class Timecodes(unittest.TestCase):
    def test_there_and_back(self) -> None:
        for text, rate, frame in (
            ("01:00:00:00", "24", 86400),
            ("01:00:00:00", "23.976", 86400),
            ("01:00:00:00", "29.97", 108000),
            ("01:00:00;00", "29.97 DF", 107892),
            ("00:01:00;02", "29.97 DF", 1800),
            ("00:10:00;00", "29.97 DF", 17982),
            ("01:00:00;00", "59.94 DF", 215784),
            ("00:00:59:29", "30", 1799),
        ):
            exact, drop = _time.rate(rate)
            self.assertEqual(_time.frames_of(text, exact, drop), frame, text)
            self.assertEqual(_time.timecode(frame, exact, drop), text)

    def test_drop_frame_leaves_numbers_out(self) -> None:
        exact, drop = _time.rate("29.97 DF")
        with self.assertRaises(ValueError):
            _time.frames_of("00:01:00;00", exact, drop)
        for frame in range(0, 40000, 7):
            self.assertEqual(_time.frames_of(_time.timecode(frame, exact, drop), exact, drop), frame)


class Placing(DoubleCase):
    def setUp(self) -> None:
        super().setUp()
        self.project()
        self.timeline = user.new_timeline()
        self.film = self.clip(100)

    def append(self, **entry: Any) -> list[Any]:
        return self.pool().AppendToTimeline([{"mediaPoolItem": self.film, **entry}])  # type: ignore[no-any-return]

    def spans(self, track: int = 1) -> list[tuple[int, int]]:
        return [(item.GetStart(), item.GetEnd()) for item in self.timeline.GetItemListInTrack("video", track)]

    def test_ends_are_exclusive_and_record_frames_absolute(self) -> None:
        item = self.append(startFrame=10, endFrame=20, recordFrame=86410)[0]
        self.assertEqual((item.GetStart(), item.GetEnd(), item.GetDuration()), (86410, 86420, 10))
        self.assertEqual((item.GetSourceStartFrame(), item.GetSourceEndFrame()), (10, 20))
        self.assertEqual((self.timeline.GetStartFrame(), self.timeline.GetEndFrame()), (86400, 86420))
        self.options.append_end = "inclusive"
        self.assertEqual(self.append(startFrame=10, endFrame=20)[0].GetDuration(), 11)

    def test_the_earlier_item_stays_and_the_later_is_dropped(self) -> None:
        self.append(startFrame=0, endFrame=10, recordFrame=86400)
        ghost = self.append(startFrame=50, endFrame=60, recordFrame=86405)
        self.assertIsNone(ghost[0].GetUniqueId())
        self.options.overlap_returns = "short"
        self.assertEqual(self.append(startFrame=50, endFrame=60, recordFrame=86405), [])
        self.options.overlap_returns = "none"
        self.assertEqual(self.append(startFrame=50, endFrame=60, recordFrame=86405), [None])
        self.assertEqual(self.spans(), [(86400, 86410)])

    def test_locked_and_missing_tracks_take_nothing(self) -> None:
        self.timeline.SetTrackLock("video", 1, True)
        self.append(recordFrame=86400)
        self.append(recordFrame=86400, trackIndex=2)
        self.assertEqual(self.spans(), [])
        self.faults.dropped_appends = 1
        self.timeline.SetTrackLock("video", 1, False)
        self.append(recordFrame=86400)
        self.assertEqual(self.spans(), [])

    def test_other_rates_are_rounded_down(self) -> None:
        self.film = self.clip(6000, rate="24")
        user.new_timeline("thirty", rate="29.97")
        item = self.append(startFrame=4800, endFrame=5235)[0]
        # measured: 435 frames of 24 in 29.97 are 543, and read back 4800 to 5234 (api_truth.py)
        self.assertEqual((item.GetDuration(), item.GetSourceStartFrame(), item.GetSourceEndFrame()), (543, 4800, 5234))

    def test_sound_is_linked(self) -> None:
        movie = user.import_file(str(self.folder / "a.mov"), kind="movie", length=50, sound=True)
        item = self.pool().AppendToTimeline([movie])[0]
        self.assertEqual(item.GetLinkedItems()[0].GetTrackTypeAndIndex(), ["audio", 1])
        self.assertEqual(self.timeline.DeleteClips([item]), True)
        self.assertEqual(len(self.timeline.GetItemListInTrack("audio", 1)), 1)

    def test_clips_are_not_deleted_from_the_fairlight_page(self) -> None:
        item = self.append()[0]
        self.resolve.OpenPage("fairlight")
        self.assertFalse(self.timeline.DeleteClips([item]))

    def test_compounds_have_no_file_and_hold_their_items(self) -> None:
        one, other = self.append(endFrame=10)[0], self.append(startFrame=20, endFrame=30)[0]
        whole = self.timeline.CreateCompoundClip([one, other], {"name": "C"})
        self.assertEqual(self.spans(), [(86400, 86420)])
        self.assertEqual(whole.GetMediaPoolItem().GetClipProperty("File Path"), "")
        self.assertFalse(whole.AddTake(self.film))

    def test_items_without_media(self) -> None:
        for kind in ("generator", "title", "transition", "adjustment"):
            self.assertIsNone(user.put(kind, at=200).GetMediaPoolItem(), kind)
        self.assertEqual(user.put("transition", track=2).GetProperty(), {})

    def test_creating_from_clips_of_another_bin_fails_without_a_word(self) -> None:
        pool = self.pool()
        pool.AddSubFolder(pool.GetRootFolder(), "x")
        self.assertIsNone(pool.CreateTimelineFromClips("new", [self.film]))
        pool.SetCurrentFolder(pool.GetRootFolder())
        self.assertEqual(pool.CreateTimelineFromClips("new", [self.film]).GetEndFrame(), 86500)

    def test_duplicating_moves_the_current_timeline(self) -> None:
        self.append()
        copy = self.timeline.DuplicateTimeline("copy")
        project = self.resolve.GetProjectManager().GetCurrentProject()
        self.assertEqual(project.GetCurrentTimeline().GetName(), "copy")
        self.assertEqual(len(copy.GetItemListInTrack("video", 1)), 1)

    def test_the_playhead_stays_where_a_page_has_none(self) -> None:
        self.append()
        self.assertTrue(self.timeline.SetCurrentTimecode("01:00:02:00"))
        self.resolve.OpenPage("fusion")
        self.assertFalse(self.timeline.SetCurrentTimecode("01:00:03:00"))
        self.assertEqual(self.timeline.GetCurrentTimecode(), "01:00:02:00")


class Takes(DoubleCase):
    def setUp(self) -> None:
        super().setUp()
        self.project()
        user.new_timeline()
        self.item = user.place(self.clip(100), source=(20, 44))
        self.better = self.clip(30, first=1)

    def test_the_first_take_is_the_clip_as_it_was(self) -> None:
        self.assertEqual((self.item.GetTakesCount(), self.item.GetSelectedTakeIndex()), (0, 0))
        self.assertTrue(self.item.AddTake(self.better, 3, 27))
        self.assertEqual((self.item.GetTakesCount(), self.item.GetSelectedTakeIndex()), (2, 2))
        self.assertEqual((self.item.GetSourceStartFrame(), self.item.GetDuration()), (3, 24))
        self.assertEqual(self.item.GetMediaPoolItem().GetUniqueId(), self.better.GetUniqueId())
        take = self.item.GetTakeByIndex(1)
        self.assertEqual((take["startFrame"], take["endFrame"]), (20, 44))
        self.assertTrue(self.item.SelectTakeByIndex(1))
        self.assertEqual(self.item.GetSourceStartFrame(), 20)
        self.assertTrue(self.item.DeleteTakeByIndex(2))
        self.assertEqual(self.item.GetTakesCount(), 0)

    def test_finalizing_keeps_the_selected_one(self) -> None:
        self.item.AddTake(self.better)
        self.assertTrue(self.item.FinalizeTake())
        self.assertEqual((self.item.GetTakesCount(), self.item.GetSourceStartFrame()), (0, 0))

    def test_faults(self) -> None:
        self.faults.refused_takes = self.faults.lying_takes = 1
        self.assertFalse(self.item.AddTake(self.better))
        self.assertTrue(self.item.AddTake(self.better))
        self.assertEqual(self.item.GetTakesCount(), 0)
        self.assertFalse(self.item.AddTake(self.better, 10, 31))


class Speeds(DoubleCase):
    def setUp(self) -> None:
        super().setUp()
        self.project()
        self.timeline = user.new_timeline()
        self.film = self.clip(2000)

    def shown(self, item: Any) -> list[int]:
        return [_retime.source_frame(item._thing, frame) for frame in range(item.GetDuration())]

    def test_as_measured(self) -> None:
        # 1822..1870 at 100 %, 1822..1918 at 200 %, and offsets that say position / 2 (api_truth.py, "Clip speed")
        straight = user.place(self.film, source=(1822, 1870))
        double_speed = user.place(self.film, source=(1822, 1918), speed=200)
        self.assertEqual((straight.GetSourceStartFrame(), straight.GetSourceEndFrame()), (1822, 1870))
        self.assertEqual((double_speed.GetSourceStartFrame(), double_speed.GetSourceEndFrame()), (1822, 1918))
        self.assertEqual((double_speed.GetDuration(), double_speed.GetLeftOffset()), (48, 911))
        self.options.right_offset = "end"
        self.assertEqual(double_speed.GetRightOffset(), 959)
        self.assertIsNone(double_speed.GetProperty("Speed"))

    def test_backwards(self) -> None:
        item = user.place(self.film, source=(24, 72), speed=-100)
        self.assertEqual(self.shown(item), list(range(71, 23, -1)))
        self.assertEqual((item.GetSourceStartFrame(), item.GetSourceEndFrame()), (71, 23))
        self.options.reverse_reads = "exclusive"
        self.assertEqual((item.GetSourceStartFrame(), item.GetSourceEndFrame()), (72, 24))
        self.options.reverse_reads = "ascending"
        self.assertEqual((item.GetSourceStartFrame(), item.GetSourceEndFrame()), (24, 72))

    def test_half_speed_freeze_and_ramp(self) -> None:
        slow = user.place(self.film, source=(10, 14), speed=50)
        self.assertEqual(self.shown(slow), [10, 10, 11, 11, 12, 12, 13, 13])
        still = user.place(self.film, source=(96, 97), speed=0, duration=5)
        self.assertEqual(self.shown(still), [96] * 5)
        self.assertEqual((still.GetSourceStartFrame(), still.GetSourceEndFrame()), (96, 96))
        ramp = user.place(self.film, source=(0, 120), ramp=[(48, 50), (48, 200)])
        self.assertEqual((ramp.GetSourceStartFrame(), ramp.GetSourceEndFrame(), ramp.GetDuration()), (0, 120, 96))
        self.assertEqual(self.shown(ramp)[46:51], [23, 23, 24, 26, 28])

    def test_other_rates(self) -> None:
        film = self.clip(100, rate="30")
        item = user.place(film, source=(10, 20))
        self.assertEqual(item.GetDuration(), 8)
        self.assertEqual(self.shown(item), [10, 11, 12, 14, 15, 16, 17, 19])
        self.options.conform = "floor"
        self.assertEqual(self.shown(item), [10, 11, 12, 13, 15, 16, 17, 18])
        pulled = user.place(self.clip(100, rate="23.976"), source=(0, 50))
        self.assertEqual(pulled.GetDuration(), 50)

    def test_time_has_the_medias_timecode_in_it(self) -> None:
        film = self.clip(1799, rate="29.97", timecode="04:18:37:25")
        item = user.place(film, source=(300, 393))
        self.assertEqual(item.GetSourceStartFrame(), 300)
        start = Fraction(((4 * 60 + 18) * 60 + 37) * 30 + 25 + 300) * Fraction(1001, 30000)
        self.assertAlmostEqual(item.GetSourceStartTime(), float(start), 6)

    def test_an_item_from_xml_says_nothing(self) -> None:
        item = user.place(self.film, source=(10, 20))
        user.as_imported_from_xml(item)
        self.assertEqual((item.GetSourceStartFrame(), item.GetSourceEndFrame()), (0, 0))

    def test_trims(self) -> None:
        item = user.place(self.film, source=(100, 200), speed=200)
        user.move_item(item, by=3, trim_head=10, trim_tail=5)
        self.assertEqual((item.GetStart(), item.GetDuration(), item.GetSourceStartFrame()), (86413, 35, 120))


class Exporting(DoubleCase):
    def test_otio_and_edl_tell_speeds(self) -> None:
        self.project()
        timeline = user.new_timeline()
        film = self.clip(500, timecode="10:00:00:00")
        user.place(film, at=10, source=(24, 72), speed=200)
        user.place(film, source=(0, 10), ramp=[(5, 50), (5, 150)])
        user.place(film, source=(5, 6), speed=0, duration=7)
        out = self.folder / "out.otio"
        path = str(out)
        self.assertTrue(timeline.Export(path, self.resolve.EXPORT_OTIO, self.resolve.EXPORT_NONE))
        children = json.loads(out.read_text(encoding="utf-8"))["tracks"]["children"][0]["children"]
        self.assertEqual([child["OTIO_SCHEMA"] for child in children], ["Gap.1", "Clip.2", "Clip.2", "Clip.2"])
        effects = [child["effects"][0] for child in children[1:]]
        self.assertEqual(
            [effect["OTIO_SCHEMA"] for effect in effects], ["LinearTimeWarp.1", "TimeEffect.1", "FreezeFrame.1"]
        )
        self.assertEqual(effects[0]["time_scalar"], 2.0)
        self.assertEqual(children[1]["source_range"]["start_time"]["value"], 864000 + 24)
        self.assertEqual(children[1]["source_range"]["duration"]["value"], 24)
        self.assertTrue(timeline.Export(path, self.resolve.EXPORT_EDL, self.resolve.EXPORT_NONE))
        self.assertIn("M2   AX       048.0", out.read_text(encoding="utf-8"))
        self.options.export_otio = False
        self.assertFalse(timeline.Export(path, self.resolve.EXPORT_OTIO, self.resolve.EXPORT_NONE))
        self.assertFalse(
            timeline.Export(str(self.folder / "no" / "x"), self.resolve.EXPORT_EDL, self.resolve.EXPORT_NONE)
        )
        self.assertEqual(double.session().violations, [])


if __name__ == "__main__":
    unittest.main()
