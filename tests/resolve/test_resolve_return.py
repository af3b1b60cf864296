"""Results on their way back: take, track above, matte; and everything that Resolve may do to them."""

from __future__ import annotations

import unittest
from fractions import Fraction
from typing import Any
from unittest import mock

from resolve_case import ResolveCase, double, user, write_sequence
from test_resolve_timing import rows

from overscan_resolve import Record, bring_back, load
from overscan_resolve._colour import carried
from overscan_resolve._record import save
from overscan_resolve._timecode import rate_from
from overscan_resolve._timing import Timing
from tests.hosts.resolve_double import _media_api, _retime


class Returning(ResolveCase):
    def record(self, item: Any, *, handles: int = 4, head: int = 0, tail: int = 0, **more: Any) -> Record:
        """A run on a clip whose frames are all there."""
        clip = self.clip(item)
        timing, media = clip.timing, clip.media
        graded = more.get("pixels") == "graded"
        if more.pop("exact", False):
            self.assertEqual(timing.speed, clip.timing.speed)
        first, last = timing.with_handles(handles)
        offset = media.first_number if media.is_sequence else 1001 - first
        first, last, begins = first + offset, last + offset, timing.source_start + offset
        count = timing.source_last - timing.source_start + 1
        if graded:
            first, last, begins, count = 1001, 1000 + timing.duration, 1001, timing.duration
        folder = self.folder / "results" / "plate" / more.get("version", "v001")
        path = write_sequence(str(folder / "plate_v001.%04d.exr"), first - head, last + tail, value=0.25)
        facts = {
            "job_id": "job", "version": "v001", "path": path, "shot": "plate", "task": "inpaint", "pixels": "source",
            "place": "take", "project_id": self.project.GetUniqueId(), "project_name": self.project.GetName(),
            "timeline_id": self.timeline.GetUniqueId(), "timeline_name": "Edit", "item_id": clip.unique_id,
            "item_name": clip.name, "track": 1, "record_start": timing.record_start, "record_end": timing.record_end,
            "timeline_rate": str(timing.timeline_rate), "clip_rate": str(timing.clip_rate),
            "speed": "1" if graded else str(timing.speed), "plate_path": media.path, "plate_first": first,
            "plate_last": last, "begins": begins, "source_start": timing.source_start, "count": count,
            "media_id": media.unique_id, "media_name": media.name, "media_first": offset,
            "media_start_timecode": media.start_timecode,
            "carried": carried(media.properties), "frames": f"{first - head}-{last + tail}", "state": "succeeded",
        }  # fmt: skip
        record = Record(**{**facts, **more})
        save(record)
        return record

    def changed(self, before: Any) -> list[str]:
        return double.difference(before, double.snapshot())

    def only_added(self, before: Any, *, item: str = "") -> None:
        """What is different is the result in its bin, and at most what `item` names."""
        for line in self.changed(before):
            self.assertTrue("/Overscan" in line or (item and item in line), line)


class Takes(Returning):
    def test_a_take_of_a_trimmed_clip(self) -> None:
        item = user.place(self.sequence(), source=(10, 58), sound=True)
        user.move_playhead(3)
        self.resolve.OpenPage("color")
        before = double.snapshot()
        done = bring_back(self.resolve, self.record(item))
        self.assertEqual(done.placed["as"], "take")
        self.assertEqual(done.placed["notes"], [])
        self.assertEqual((item.GetTakesCount(), item.GetSelectedTakeIndex()), (2, 2))
        self.assertEqual(item.GetMediaPoolItem().GetName(), "plate_v001")
        self.assertEqual((item.GetStart(), item.GetEnd()), (86400, 86448))
        self.assertEqual(item.GetSourceStartFrame(), 4)  # its file 1007 is the first of the handles, 1011 of the clip
        self.only_added(before, item="timelines[0]/tracks/video[0]/items[0]/")
        self.assertEqual(load(done.folder).state, "placed")

    def test_the_bin_and_what_is_carried(self) -> None:
        item = user.place(self.sequence(**{"Input Color Space": "ARRI LogC4"}), source=(10, 58))
        bring_back(self.resolve, self.record(item))
        bins = double.snapshot()["projects"]["Show"]["bins"]
        (result,) = bins["Master/Overscan/plate"]
        self.assertEqual(result["name"], "plate_v001")
        properties = result["properties"]
        self.assertEqual(properties["Input Color Space"], "ARRI LogC4")
        self.assertEqual(properties["Start TC"], "00:00:10:06")  # file 1007 is six frames into the media
        self.assertEqual(properties["FPS"], 24.0)
        self.assertEqual(properties["File Path"].rpartition("/")[2], "plate_v001.[1007-1062].exr")

    def test_rates_that_differ(self) -> None:
        item = user.place(self.sequence(rate="25"), source=(0, 50))
        done = bring_back(self.resolve, self.record(item))
        self.assertEqual((done.placed["as"], done.placed["notes"]), ("take", []))
        self.assertEqual(item.GetMediaPoolItem().GetClipProperty("FPS"), 25.0)
        self.assertEqual(item.GetDuration(), 48)

    def test_a_rate_that_resolve_does_not_take_is_no_take(self) -> None:
        item = user.place(self.sequence(rate="25"), source=(0, 50))
        record = self.record(item)
        ends = item.GetStart(), item.GetEnd()
        with mock.patch.object(_media_api, "may_set", lambda _, name, __: name != "FPS"):
            done = bring_back(self.resolve, record)
        self.assertEqual(done.placed["as"], "bin", done.placed)
        self.assertTrue(any("25 frames per second" in note for note in done.placed["notes"]))
        self.assertTrue(
            any("would show frames 0 to 47 of the result, not 0 to 49" in note for note in done.placed["notes"])
        )
        self.assertEqual((item.GetTakesCount(), item.GetStart(), item.GetEnd()), (0, *ends))
        self.assertEqual(item.GetMediaPoolItem().GetName(), "plate.[1001-1100].exr")

    def test_speeds_stay(self) -> None:
        for speed in (200.0, 50.0, -100.0, -200.0):
            with self.subTest(speed=speed):
                item = user.place(self.sequence(), source=(10, 58), speed=speed)
                ends = item.GetStart(), item.GetEnd()
                done = bring_back(self.resolve, self.record(item, version=f"v{int(speed) + 500}"))
                self.assertEqual((done.placed["as"], done.placed["notes"]), ("take", []))
                self.assertEqual((item.GetStart(), item.GetEnd()), ends)
                timing = self.clip(item).timing
                self.assertEqual((timing.source_start, timing.source_last), (4, 51))

    def test_new_frames_before_the_first(self) -> None:
        item = user.place(self.sequence(first=1001, last=1024), source=(0, 24))
        done = bring_back(self.resolve, self.record(item, head=8, tail=8, task="continue"))
        self.assertEqual((done.placed["as"], done.placed["notes"]), ("take", []))
        self.assertEqual(item.GetSourceStartFrame(), 8)
        self.assertEqual(item.GetLeftOffset(), 8)
        self.assertEqual(item.GetMediaPoolItem().GetClipProperty("Start TC"), "00:00:09:16")

    def test_the_end_that_counts_and_the_one_that_does_not(self) -> None:
        for end in ("exclusive", "inclusive"):
            for handles in (0, 4):
                with self.subTest(end=end, handles=handles):
                    item = user.place(self.sequence(), source=(10, 58))
                    double.session().options.take_end = end
                    done = bring_back(self.resolve, self.record(item, handles=handles, version=f"{end}{handles}"))
                    self.assertEqual((done.placed["as"], done.placed["notes"]), ("take", []))

    def test_a_third_take(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        bring_back(self.resolve, self.record(item))
        done = bring_back(self.resolve, self.record(item, version="v002"))
        self.assertEqual((done.placed["as"], done.placed["take"]), ("take", 3))

    def test_a_locked_track_is_locked_again(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        self.timeline.SetTrackLock("video", 1, True)
        done = bring_back(self.resolve, self.record(item))
        self.assertEqual(done.placed["as"], "take")
        self.assertTrue(self.timeline.GetIsTrackLocked("video", 1))

    def test_another_timeline_is_open(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        record = self.record(item)
        user.new_timeline("Other")
        done = bring_back(self.resolve, record)
        self.assertEqual(done.placed["as"], "take")
        self.assertEqual(self.project.GetCurrentTimeline().GetName(), "Other")

    def test_what_was_placed_is_not_placed_again(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        done = bring_back(self.resolve, self.record(item))
        before = double.snapshot()
        self.assertEqual(bring_back(self.resolve, load(done.folder)), done)
        self.assertEqual(self.changed(before), [])


class FrameByFrame(Returning):
    """After the take each record frame shows the file of the number that it showed before."""

    def shown(self, item: Any) -> list[int]:
        held = item._thing
        assert held.media is not None
        return [held.media.first + _retime.source_frame(held, frame) for frame in range(held.duration)]

    def test_in_every_row_of_the_table(self) -> None:
        ran = 0
        for index, (given, _) in enumerate(rows()):
            rate, clip_rate, timecode, count, start, media, number, speed, handles = given
            if int(number) < 0:
                continue
            for conform in ("nearest", "floor"):
                with self.subTest(row=" | ".join(given), conform=conform):
                    double.session().options.conform = conform
                    user.new_project(f"{index}{conform}")
                    self.timeline = user.new_timeline("Edit", rate=rate, start=timecode)
                    clip = self.sequence(f"m{index}", int(number), int(number) + int(media) - 1, rate=clip_rate)
                    timing = Timing(
                        0,
                        int(count),
                        rate_from(rate),
                        rate_from(clip_rate),
                        int(start),
                        int(media),
                        Fraction(speed) / 100,
                    )
                    length = int(count) * timing.advance
                    item = user.place(
                        clip, source=(int(start), int(start) + length), duration=int(count), speed=float(speed)
                    )
                    before = self.shown(item)
                    done = bring_back(
                        self.resolve, self.record(item, handles=int(handles), version=f"{index}{conform}", exact=True)
                    )
                    self.assertEqual((done.placed["as"], done.placed["notes"]), ("take", []))
                    self.assertEqual(self.shown(item), before)
                    ran += 1
        self.assertGreaterEqual(ran, 80)


class Tracks(Returning):
    def test_a_compound_clip_gets_no_take_but_the_track_above(self) -> None:
        clip = user.place(self.sequence(), source=(10, 58))
        item = self.timeline.CreateCompoundClip([clip], {"name": "Both"})
        done = bring_back(self.resolve, self.record(item, handles=0))
        self.assertEqual((done.placed["as"], done.placed["track"]), ("track", 2))
        self.assertIn("compound", done.placed["notes"][0])
        (above,) = self.timeline.GetItemListInTrack("video", 2)
        self.assertEqual((above.GetStart(), above.GetEnd()), (item.GetStart(), item.GetEnd()))
        self.assertEqual(item.GetTakesCount(), 0)

    def test_a_take_that_resolve_only_claims_to_have_added(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        double.session().faults.lying_takes = 2
        before = double.snapshot()
        done = bring_back(self.resolve, self.record(item))
        self.assertEqual(done.placed["as"], "track")
        self.only_added(before, item="tracks/video[1]")

    def test_a_track_above_that_is_taken(self) -> None:
        media = self.sequence()
        item = user.place(media, source=(10, 58))
        title = user.put("title", track=2, duration=100)
        done = bring_back(self.resolve, self.record(item, place="track"))
        self.assertEqual((done.placed["as"], done.placed["track"]), ("track", 2))
        self.assertEqual(title.GetTrackTypeAndIndex(), ["video", 3])  # above the result, as it was above the clip

    def test_the_end_that_counts_and_the_one_that_does_not(self) -> None:
        for number, end in enumerate(("exclusive", "inclusive")):
            with self.subTest(end=end):
                item = user.place(self.sequence(), source=(10, 58), at=100 * number)
                double.session().options.append_end = end
                done = bring_back(self.resolve, self.record(item, place="track", version=end))
                self.assertEqual((done.placed["as"], done.placed["notes"]), ("track", []))
                above = self.timeline.GetItemListInTrack("video", 2)[-1]
                self.assertEqual((above.GetStart(), above.GetEnd()), (item.GetStart(), item.GetEnd()))
                self.assertEqual(self.clip(above, track=2).timing.source_start, 4)

    def test_what_resolve_drops_without_a_word_is_found(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        double.session().faults.dropped_appends = 5
        before = double.snapshot()
        done = bring_back(self.resolve, self.record(item, place="track"))
        self.assertEqual(done.placed["as"], "bin")
        self.assertIn("did not put all of its 48 frames on video track 2", done.placed["notes"][0])
        self.only_added(before)
        double.session().faults.dropped_appends = 0
        again = bring_back(self.resolve, load(done.folder))
        self.assertEqual((again.state, again.placed["as"], again.placed["notes"]), ("placed", "track", []))
        self.assertEqual(len(double.snapshot()["projects"]["Show"]["bins"]["Master/Overscan/plate"]), 1)

    def test_a_clip_that_is_blended_says_so(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        item.SetProperty("Opacity", 50.0)
        done = bring_back(self.resolve, self.record(item, place="track"))
        self.assertIn("blended", done.placed["notes"][0])

    def test_a_disabled_track_above_says_so(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        self.timeline.AddTrack("video")
        self.timeline.SetTrackEnable("video", 2, False)
        done = bring_back(self.resolve, self.record(item, place="track"))
        self.assertIn("is disabled", done.placed["notes"][0])

    def test_a_retimed_clip_has_no_track_above(self) -> None:
        item = user.place(self.sequence(), source=(10, 58), speed=200)
        done = bring_back(self.resolve, self.record(item, place="track"))
        self.assertEqual(done.placed["as"], "bin")
        self.assertIn("retimed", done.placed["notes"][0])

    def test_rates_that_differ(self) -> None:
        item = user.place(self.sequence(rate="25"), source=(0, 50))
        done = bring_back(self.resolve, self.record(item, place="track"))
        self.assertEqual(done.placed["as"], "track", done.placed)
        (above,) = self.timeline.GetItemListInTrack("video", 2)
        self.assertEqual((above.GetStart(), above.GetEnd()), (item.GetStart(), item.GetEnd()))

    def test_sizing_and_grade_come_along(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        item.SetProperty("ZoomX", 1.5)
        user.grade(item, gain=2.0)
        bring_back(self.resolve, self.record(item, place="track"))
        (above,) = self.timeline.GetItemListInTrack("video", 2)
        self.assertEqual(above.GetProperty("ZoomX"), 1.5)
        self.assertEqual(
            double.snapshot()["projects"]["Show"]["timelines"][0]["tracks"]["video"][1]["items"][0]["gain"], 2.0
        )

    def test_graded_frames(self) -> None:
        item = user.place(self.sequence(), source=(10, 58), speed=200)
        done = bring_back(self.resolve, self.record(item, pixels="graded", place="track"))
        self.assertEqual((done.placed["as"], done.placed["notes"]), ("track", []))
        (above,) = self.timeline.GetItemListInTrack("video", 2)
        self.assertEqual((above.GetStart(), above.GetEnd(), above.GetSourceStartFrame()), (86400, 86424, 0))
        self.assertEqual(above.GetMediaPoolItem().GetClipProperty("Start TC"), "01:00:00:00")


class Elsewhere(Returning):
    def test_a_matte(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        done = bring_back(self.resolve, self.record(item, place="matte"))
        self.assertEqual(done.placed["as"], "matte", done.placed)
        pool = self.project.GetMediaPool()
        self.assertEqual(len(pool.GetClipMatteList(item.GetMediaPoolItem())), 1)

    def test_another_project_is_open(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        record = self.record(item)
        user.new_project("Second")
        before = double.snapshot()
        with self.refused("INVALID_JOB", "belongs to the project 'Show'", str(record.folder)):
            bring_back(self.resolve, record)
        self.assertEqual(self.changed(before), [])
        user.open_project("Show")
        self.assertEqual(bring_back(self.resolve, load(record.folder)).placed["as"], "take")

    def test_the_timeline_or_the_clip_is_gone(self) -> None:
        for gone in ("timeline", "clip"):
            with self.subTest(gone=gone):
                self.timeline = user.new_timeline(f"Edit {gone}")
                item = user.place(self.sequence(), source=(10, 58))
                record = self.record(item, version=gone)
                user.delete_item(item) if gone == "clip" else user.delete_timeline(self.timeline)
                done = bring_back(self.resolve, record)
                self.assertEqual(done.placed["as"], "bin")
                self.assertIn("not there any more", done.placed["notes"][0])

    def test_a_clip_that_was_moved_is_found_again(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        record = self.record(item)
        user.move_item(item, by=100)
        done = bring_back(self.resolve, record)
        self.assertEqual(done.placed["as"], "take", done.placed)
        self.assertEqual(item.GetStart(), 86500)

    def test_a_clip_that_was_trimmed_meanwhile_gets_its_take_where_it_now_begins(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        record = self.record(item)
        user.move_item(item, trim_head=8)
        done = bring_back(self.resolve, record)
        self.assertEqual((done.placed["as"], done.placed["notes"]), ("take", []))
        self.assertEqual(self.clip(item).timing.source_start, 12)  # file 1019 of files from 1007 on
        self.assertEqual((item.GetStart(), item.GetEnd()), (86408, 86448))

    def test_a_clip_that_was_trimmed_out_beyond_the_result(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        record = self.record(item)
        user.move_item(item, trim_head=-5)
        done = bring_back(self.resolve, record)
        self.assertEqual(done.placed["as"], "bin")
        self.assertIn("shows frames 1006 to 1058, and the result has 1007 to 1062", done.placed["notes"][0])
        self.assertEqual(item.GetTakesCount(), 0)

    def test_missing_frames(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        record = self.record(item)
        (record.folder / "plate_v001.1020.exr").unlink()
        before = double.snapshot()
        with self.refused("MISSING_FRAMES", "1 of the 56 frames"):
            bring_back(self.resolve, record)
        self.assertEqual(self.changed(before), [])

    def test_an_import_that_fails(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        record = self.record(item)
        double.session().faults.refused_imports = 1
        with self.refused("UNSUPPORTED", "finished and safe", "imported nothing"):
            bring_back(self.resolve, record)
        self.assertEqual(bring_back(self.resolve, record).placed["as"], "take")

    def test_a_locked_project(self) -> None:
        item = user.place(self.sequence(), source=(10, 58))
        record = self.record(item)
        user.lock_project()
        before = double.snapshot()
        with self.refused("UNSUPPORTED"):
            bring_back(self.resolve, record)
        self.assertEqual(self.changed(before), [])


if __name__ == "__main__":
    unittest.main()
