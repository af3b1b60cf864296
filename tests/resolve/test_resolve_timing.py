"""Frame accuracy: what each frame of a clip shows, worked out by hand for 40 clips; timecode and rates."""

from __future__ import annotations

import unittest
from fractions import Fraction

from overscan_resolve._timecode import Rate, frames_of, rate_from, timecode_of
from overscan_resolve._timing import Timing, speed_from_span

# timeline rate | clip rate | timecode of the first frame | frames | source start | frames of the media
#   | number of its first file | speed in % | handles
# -> first record frame | timecode of the last frame | numbers shown first, second and last | numbers handed over
TABLE = """
24      |24    |01:00:00:00|24 |0  |100|1001 |100  |0  -> 86400 |01:00:00:23|1001 1002 1024   |1001-1024
24      |24    |01:00:00:00|24 |10 |100|1001 |100  |0  -> 86400 |01:00:00:23|1011 1012 1034   |1011-1034
24      |24    |01:00:00:00|24 |10 |100|1001 |100  |8  -> 86400 |01:00:00:23|1011 1012 1034   |1003-1042
24      |24    |01:00:00:00|24 |3  |100|1001 |100  |8  -> 86400 |01:00:00:23|1004 1005 1027   |1001-1035
24      |24    |01:00:00:00|24 |70 |100|1001 |100  |8  -> 86400 |01:00:00:23|1071 1072 1094   |1063-1100
24      |24    |00:00:00:00|10 |0  |10 |-5   |100  |4  -> 0     |00:00:00:09|-5 -4 4          |-5-4
23.976  |23.976|01:00:10:00|48 |5  |60 |1    |100  |0  -> 86640 |01:00:11:23|6 7 53           |6-53
25      |25    |10:00:00:00|50 |0  |50 |0    |100  |0  -> 900000|10:00:01:24|0 1 49           |0-49
29.97 DF|29.97 |01:00:59;28|4  |100|900|86400|100  |0  -> 109690|01:01:00;03|86500 86501 86503|86500-86503
29.97   |29.97 |01:00:59:28|4  |100|900|86400|100  |0  -> 109798|01:01:00:01|86500 86501 86503|86500-86503
30      |30    |00:00:00:00|1  |42 |100|1001 |100  |0  -> 0     |00:00:00:00|1043 - 1043      |1043-1043
48      |48    |01:00:00:00|96 |0  |96 |1001 |100  |0  -> 172800|01:00:01:47|1001 1002 1096   |1001-1096
50      |50    |01:00:00:00|100|25 |200|1    |100  |25 -> 180000|01:00:01:49|26 27 125        |1-150
59.94 DF|59.94 |01:09:59;58|4  |0  |100|1001 |100  |0  -> 251746|01:10:00;01|1001 1002 1004   |1001-1004
59.94   |59.94 |01:00:00:00|60 |7  |100|1001 |100  |0  -> 216000|01:00:00:59|1008 1009 1067   |1008-1067
60      |60    |01:00:00:00|120|0  |120|1    |100  |0  -> 216000|01:00:01:59|1 2 120          |1-120
24      |24    |01:00:00:00|48 |10 |100|1001 |50   |0  -> 86400 |01:00:01:23|1011 1011 1034   |1011-1034
24      |24    |01:00:00:00|24 |0  |100|1001 |200  |0  -> 86400 |01:00:00:23|1001 1003 1047   |1001-1048
24      |24    |01:00:00:00|24 |10 |100|1001 |-100 |0  -> 86400 |01:00:00:23|1034 1033 1011   |1011-1034
24      |24    |01:00:00:00|24 |10 |100|1001 |-100 |12 -> 86400 |01:00:00:23|1034 1033 1011   |1001-1046
24      |24    |01:00:00:00|10 |0  |100|1001 |-200 |0  -> 86400 |01:00:00:09|1020 1018 1002   |1001-1020
24      |24    |01:00:00:00|10 |4  |100|1001 |-50  |0  -> 86400 |01:00:00:09|1009 1009 1005   |1005-1009
24      |24    |01:00:00:00|24 |12 |100|1001 |0    |0  -> 86400 |01:00:00:23|1013 1013 1013   |1013-1013
24      |24    |01:00:00:00|24 |12 |100|1001 |0    |8  -> 86400 |01:00:00:23|1013 1013 1013   |1005-1021
24      |24    |01:00:00:00|8  |0  |100|1001 |25   |0  -> 86400 |01:00:00:07|1001 1001 1002   |1001-1002
24      |24    |01:00:00:00|9  |0  |100|1001 |33.33|0  -> 86400 |01:00:00:08|1001 1001 1003   |1001-1003
25      |25    |01:00:00:00|10 |0  |100|1001 |150  |0  -> 90000 |01:00:00:09|1001 1002 1014   |1001-1015
30      |30    |01:00:00:00|5  |2  |100|1001 |400  |0  -> 108000|01:00:00:04|1003 1007 1019   |1003-1022
24      |25    |01:00:00:00|48 |0  |100|1001 |100  |0  -> 86400 |01:00:01:23|1001 1002 1050   |1001-1050
25      |24    |01:00:00:00|50 |0  |100|1001 |100  |0  -> 90000 |01:00:01:24|1001 1002 1048   |1001-1048
24      |23.976|01:00:00:00|24 |0  |100|1001 |100  |0  -> 86400 |01:00:00:23|1001 1002 1024   |1001-1024
24      |23.976|01:00:00:00|600|0  |700|1001 |100  |0  -> 86400 |01:00:24:23|1001 1002 1599   |1001-1600
23.976  |24    |01:00:00:00|600|0  |700|1001 |100  |0  -> 86400 |01:00:24:23|1001 1002 1601   |1001-1601
23.976  |29.97 |01:00:00:00|24 |0  |100|1001 |100  |0  -> 86400 |01:00:00:23|1001 1002 1030   |1001-1030
25      |50    |01:00:00:00|25 |0  |100|1001 |100  |0  -> 90000 |01:00:00:24|1001 1003 1049   |1001-1050
29.97 DF|59.94 |01:00:00;00|30 |0  |100|1001 |100  |0  -> 107892|01:00:00;29|1001 1003 1059   |1001-1060
50      |25    |01:00:00:00|50 |0  |100|1001 |100  |0  -> 180000|01:00:00:49|1001 1001 1025   |1001-1025
24      |48    |01:00:00:00|24 |0  |100|1001 |50   |0  -> 86400 |01:00:00:23|1001 1002 1024   |1001-1024
24      |60    |01:00:00:00|4  |0  |100|1001 |-100 |0  -> 86400 |01:00:00:03|1010 1008 1003   |1001-1010
24      |30    |01:00:00:00|10 |0  |100|1001 |80   |0  -> 86400 |01:00:00:09|1001 1002 1010   |1001-1010
60      |24    |01:00:00:00|10 |0  |100|1001 |100  |3  -> 216000|01:00:00:09|1001 1001 1004   |1001-1007
"""


def rows() -> list[tuple[list[str], list[str]]]:
    found = []
    for line in TABLE.strip().splitlines():
        given, wanted = line.split("->")
        found.append(([part.strip() for part in given.split("|")], [part.strip() for part in wanted.split("|")]))
    return found


class FrameAccuracy(unittest.TestCase):
    def test_the_table_covers_what_it_must(self) -> None:
        given = [row for row, _ in rows()]
        self.assertGreaterEqual(len(given), 40)
        for rate in ("23.976", "24", "25", "29.97", "29.97 DF", "30", "48", "50", "59.94", "59.94 DF", "60"):
            self.assertIn(rate, {row[0] for row in given})
        for speed in ("50", "100", "200", "-100", "0"):
            self.assertIn(speed, {row[7] for row in given})

    def test_each_row(self) -> None:
        for given, wanted in rows():
            with self.subTest(row=" | ".join(given)):
                rate, clip_rate, timecode, count, start, media, number, speed, handles = given
                timeline = rate_from(rate)
                record = frames_of(timecode, timeline)
                timing = Timing(
                    record_start=record,
                    record_end=record + int(count),
                    timeline_rate=timeline,
                    clip_rate=rate_from(clip_rate),
                    source_start=int(start),
                    media_frames=int(media),
                    speed=Fraction(speed) / 100,
                )
                self.assertEqual(record, int(wanted[0]))
                self.assertEqual(timecode_of(record + int(count) - 1, timeline), wanted[1])
                frames = [timing.source_frame(record + step) + int(number) for step in range(int(count))]
                shown = [frames[0], frames[1] if len(frames) > 1 else "-", frames[-1]]
                self.assertEqual(" ".join(map(str, shown)), wanted[2])
                first, last = timing.with_handles(int(handles))
                self.assertEqual(f"{first + int(number)}-{last + int(number)}", wanted[3])
                self.assertTrue(timing.is_inside)
                self.assertLessEqual(first, min(timing.shown()))
                self.assertGreaterEqual(last, max(timing.shown()))

    def test_every_second_frame_at_double_speed_and_each_twice_at_half(self) -> None:
        def frames(speed: str, count: int) -> list[int]:
            rate = rate_from(24)
            timing = Timing(0, count, rate, rate, 0, 100, Fraction(speed))
            return [timing.source_frame(record) for record in range(count)]

        self.assertEqual(frames("2", 5), [0, 2, 4, 6, 8])
        self.assertEqual(frames("1/2", 6), [0, 0, 1, 1, 2, 2])
        self.assertEqual(frames("-1/2", 6), [2, 2, 1, 1, 0, 0])
        self.assertEqual(frames("3/2", 6), [0, 1, 3, 4, 6, 7])

    def test_a_rounded_speed_uses_no_frame_beyond_the_media(self) -> None:
        rate = rate_from(24)
        timing = Timing(0, 24, rate, rate, 0, 10, Fraction("0.4167"))
        self.assertEqual(timing.source_last, 9)
        self.assertTrue(timing.is_inside)

    def test_outside_the_clip_nothing_is_shown(self) -> None:
        rate = rate_from(25)
        timing = Timing(100, 110, rate, rate, 5, 12)
        for record in (99, 110):
            self.assertRaises(ValueError, timing.source_frame, record)
        self.assertFalse(timing.is_inside)
        self.assertEqual(timing.with_handles(3), (2, 14))


class Speeds(unittest.TestCase):
    def speed(
        self, duration: int, start: int, end: int, timeline: str = "24", clip: str = "24"
    ) -> tuple[Fraction, bool]:
        return speed_from_span(
            duration=duration,
            source_start=start,
            source_end=end,
            timeline_rate=rate_from(timeline),
            clip_rate=rate_from(clip),
        )

    def test_whether_the_end_is_the_last_frame_or_the_one_after_it(self) -> None:
        self.assertEqual(self.speed(24, 10, 34), (1, True))
        self.assertEqual(self.speed(24, 10, 33), (1, True))

    def test_other_speeds(self) -> None:
        self.assertEqual(self.speed(24, 0, 48), (2, True))
        self.assertEqual(self.speed(24, 0, 47), (2, True))
        self.assertEqual(self.speed(48, 10, 34), (Fraction(1, 2), True))
        self.assertEqual(self.speed(24, 12, 13), (0, True))
        self.assertEqual(self.speed(24, 12, 12), (0, True))
        self.assertFalse(self.speed(700, 0, 233)[1])

    def test_rates_that_differ_are_no_retime(self) -> None:
        self.assertEqual(self.speed(48, 0, 50, "24", "25"), (1, True))
        self.assertEqual(self.speed(600, 0, 601, "23.976", "24"), (1, True))
        self.assertEqual(self.speed(25, 0, 50, "25", "50"), (1, True))


class Rates(unittest.TestCase):
    def test_as_resolve_writes_them(self) -> None:
        for written, exact, drop in (
            ("23.976", "24000/1001", False),
            ("23.98", "24000/1001", False),
            (23.976023976023978, "24000/1001", False),
            ("24", "24", False),
            (24.0, "24", False),
            ("29.97 DF", "30000/1001", True),
            ("29.97", "30000/1001", False),
            ("47.952", "48000/1001", False),
            ("59.94DF", "60000/1001", True),
            ("119.88", "120000/1001", False),
            ("12.5", "25/2", False),
        ):
            with self.subTest(written=written):
                self.assertEqual(rate_from(written), Rate(Fraction(exact), drop))

    def test_what_is_no_rate(self) -> None:
        for written in ("", "None", "0", "-24", "24 DF", "25 fps DF", "abc", None):
            with self.subTest(written=written):
                self.assertRaises(ValueError, rate_from, written)

    def test_timecodes_come_back(self) -> None:
        for rate in ("23.976", "25", "29.97", "29.97 DF", "30", "48", "59.94 DF", "60"):
            known = rate_from(rate)
            for frame in (0, 1, 1799, 1800, 17981, 17982, 17983, 107892, 215784, 251746, 1295999):
                with self.subTest(rate=rate, frame=frame):
                    self.assertEqual(frames_of(timecode_of(frame, known), known), frame)

    def test_drop_frame_numbers_that_do_not_exist(self) -> None:
        rate = rate_from("29.97 DF")
        self.assertRaises(ValueError, frames_of, "01:01:00;00", rate)
        self.assertEqual(frames_of("01:10:00;00", rate), 107892 + 17982)
        self.assertEqual(frames_of("00:01:00;02", rate_from("29.97")), 1800)  # the semicolon says so

    def test_what_is_no_timecode(self) -> None:
        for text in ("", "1001", "01:00:00", "01:60:00:00", "01:00:00:24"):
            with self.subTest(text=text):
                self.assertRaises(ValueError, frames_of, text, rate_from(24))


if __name__ == "__main__":
    unittest.main()
