"""What a clip is, as the plugin reads it from Resolve's contradicting answers."""

from __future__ import annotations

import unittest
from fractions import Fraction
from typing import Any

from resolve_case import ResolveCase, double, user

from overscan_resolve._clip import sequence_path


class Clips(ResolveCase):
    def place(self, *, speed: float = 100, source: tuple[float, float] = (10, 58), **more: Any) -> Any:
        return user.place(self.sequence(), source=source, speed=speed, **more)

    def test_a_trimmed_clip(self) -> None:
        clip = self.clip(self.place(at=100))
        self.assertEqual((clip.timing.record_start, clip.timing.record_end), (86500, 86548))
        self.assertEqual((clip.timing.source_start, clip.timing.source_last), (10, 57))
        self.assertEqual((clip.media.first_number, clip.media.frames), (1001, 100))
        self.assertEqual(clip.media.path, str(self.folder / "plate" / "plate.%04d.exr"))
        self.assertEqual((clip.media.width, clip.media.height), (16, 9))
        self.assertEqual(clip.retime, "none")

    def test_every_way_that_resolve_may_say_the_frames(self) -> None:
        speeds = (100.0, 50.0, 200.0, -100.0, -200.0, -50.0)
        for speed in speeds:
            for options in (
                {},
                {"source_end": "inclusive"},
                {"reverse_reads": "ascending"},
                {"reverse_reads": "exclusive"},
                {"source_start_off_by_one": True},
                {"right_offset": "end"},
            ):
                with self.subTest(speed=speed, options=options):
                    item = self.place(speed=speed, source=(10, 58))
                    for name, value in options.items():
                        setattr(double.session().options, name, value)
                    timing = self.clip(item).timing
                    self.assertEqual((timing.source_start, timing.source_last), (10, 57))
                    self.assertEqual(timing.speed, Fraction(speed) / 100)
                    for name in options:
                        setattr(double.session().options, name, getattr(type(double.session().options)(), name))

    def test_without_an_export_the_speed_is_derived(self) -> None:
        double.session().options.export_otio = False
        for speed in (100.0, 50.0, 200.0, -100.0):
            with self.subTest(speed=speed):
                clip = self.clip(self.place(speed=speed))
                self.assertEqual((clip.retime, clip.timing.speed), ("derived", Fraction(speed) / 100))
                self.assertEqual((clip.timing.source_start, clip.timing.source_last), (10, 57))

    def test_an_imported_timeline_says_nothing_of_source_frames(self) -> None:
        item = self.place()
        user.as_imported_from_xml(item)
        timing = self.clip(item).timing
        self.assertEqual((timing.source_start, timing.source_last), (10, 57))

    def test_mixed_rates(self) -> None:
        item = user.place(self.sequence(rate="25"), source=(0, 50))
        clip = self.clip(item)
        self.assertEqual(clip.timing.clip_rate.exact, 25)
        self.assertEqual(clip.timing.duration, 48)
        self.assertEqual((clip.timing.source_start, clip.timing.source_last, clip.timing.speed), (0, 49, 1))

    def test_a_freeze(self) -> None:
        clip = self.clip(self.place(speed=0, source=(12, 13), duration=24))
        self.assertEqual((clip.retime, clip.timing.source_start, clip.timing.source_last), ("freeze", 12, 12))

    def test_a_still(self) -> None:
        from resolve_case import write_exr

        write_exr(self.folder / "wall.exr")
        clip = self.clip(user.place(user.import_file(str(self.folder / "wall.exr")), duration=24))
        self.assertTrue(clip.media.is_still)
        self.assertEqual((clip.timing.source_start, clip.timing.source_last), (0, 0))

    def test_a_variable_speed_is_refused(self) -> None:
        item = user.place(self.sequence(), ramp=[(24, 50), (24, 150)])
        with self.refused("UNSUPPORTED", "changes its speed", "compound"):
            self.clip(item)

    def test_what_has_no_media_is_refused(self) -> None:
        for place, kind in enumerate(("generator", "title", "fusion", "adjustment")):
            with self.subTest(kind=kind), self.refused("UNSUPPORTED", "has no media"):
                self.clip(user.put(kind, at=1000 + 100 * place))

    def test_a_compound_clip_has_no_path(self) -> None:
        item = self.timeline.CreateCompoundClip([self.place()], {"name": "Both"})
        clip = self.clip(item)
        self.assertEqual(clip.media.path, "")
        self.assertEqual(clip.timing.duration, 48)

    def test_a_clip_that_is_gone(self) -> None:
        item = self.place()
        user.delete_item(item)
        with self.refused("INVALID_JOB", "gone"):
            self.clip(item)

    def test_words_of_another_language(self) -> None:
        double.stop()
        self.resolve = double.start(language="ja")
        user.new_project(rate="24")
        self.timeline = user.new_timeline("Edit")
        clip = self.clip(self.place())
        self.assertEqual(clip.timing.source_start, 10)

    def test_retimes_beside_gaps_and_transitions(self) -> None:
        media = self.sequence()
        first = user.place(media, at=10, source=(0, 24))
        user.put("transition", at=30, duration=8)
        second = user.place(media, at=34, source=(0, 24), speed=200)
        third = user.place(media, at=100, source=(24, 48), speed=-100)
        self.assertEqual([self.clip(item).timing.speed for item in (first, second, third)], [1, 2, -1])

    def test_a_run_of_one_thing_changes_nothing(self) -> None:
        item = self.place()
        before = double.snapshot()
        self.clip(item)
        self.assertEqual(double.difference(before, double.snapshot()), [])


class Paths(unittest.TestCase):
    def test_as_resolve_writes_them(self) -> None:
        for written, wanted in (
            ("/a/plate.[1001-1100].exr", ("/a/plate.%04d.exr", 1001, 1100)),
            ("/a/plate_[0000001-0000100].dpx", ("/a/plate_%07d.dpx", 1, 100)),
            ("/a/[86400-86500].exr", ("/a/%05d.exr", 86400, 86500)),
            ("/a.b/plate.1001.exr", ("/a.b/plate.%04d.exr", 1001, 1001)),
            ("/a/wall.exr", ("/a/wall.exr", 0, -1)),
            ("/a/A001_C002.mov", ("/a/A001_C002.mov", 0, -1)),
            ("S:\\shots\\plate.[1001-1100].exr", ("S:/shots/plate.%04d.exr", 1001, 1100)),
            ("", ("", 0, -1)),
        ):
            with self.subTest(written=written):
                self.assertEqual(sequence_path(written), wanted)


if __name__ == "__main__":
    unittest.main()
