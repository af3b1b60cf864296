"""What the queue says about jobs, how it follows lists and events, and the cache's purge. Standard library only."""

from __future__ import annotations

import os
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

from overscan_nuke.panel import _cache as cache
from overscan_nuke.panel import _words as words
from overscan_nuke.panel._job import JobEntry


def job(state: str = "running", **more: Any) -> dict[str, Any]:
    spec = {
        "plate": {"path": "/show/sh010/plate/sh010_plate.%04d.exr"}, "extend": {"format": {"size": "2880x1080"}},
        "output": {"path": "/show/sh010/overscan/Extend1/v003/Extend1.%04d.exr"}, "labels": {"artist": "anna"},
    }  # fmt: skip
    return {"id": "j1", "state": state, "spec": spec, "plan": {"frames": "1001-1010"}, **more}


class Words(unittest.TestCase):
    def test_titles(self) -> None:
        for path, title in (
            ("/o/Extend1/v003/Extend1.%04d.exr", "Extend1 v003"),
            ("/o/Extend1_v003.####.exr", "Extend1_v003"),
            (r"C:\o\v012\Sky.$F4.exr", "Sky v012"),
            ("/o/wide.exr", "wide"),
            ("/v001/o/v002/a.@@@@.exr", "a v002"),
            ("", "job"),
        ):
            self.assertEqual(words.title_of({"output": {"path": path}}), title)

    def test_frames_are_counted_as_ranges_are_written(self) -> None:
        for text, count in (
            ("1001-1100", 100), ("1001-1100x2,1200", 51), ("-5--1", 5), ("-5", 1), ("7", 1), ("", 0), ("x", 0),
        ):  # fmt: skip
            self.assertEqual(words.count_frames(text), count, text)

    def test_times_are_coarse(self) -> None:
        for seconds, text in (
            (None, ""), (0, "a moment left"), (12, "10 s left"), (58, "1 min left"), (190, "3 min left"),
            (3599, "60 min left"), (3700, "1 h 02 min left"),
        ):  # fmt: skip
            self.assertEqual(words.time_left(seconds), text)
        for seconds, text in ((5, "just now"), (600, "10 min ago"), (7300, "2 h ago"), (90000, "yesterday")):
            self.assertEqual(words.ago(seconds), text)

    def test_problems_say_where(self) -> None:
        missing = {"message": "there is no such file.", "path": "/show/plate.1007.exr", "frame": 1007}
        self.assertEqual(words.problem_text(missing), "/show/plate.1007.exr: there is no such file.")
        self.assertEqual(words.problem_text(missing, short=True), "plate.1007.exr: there is no such file.")
        named = {
            "message": "Frame 1007 of /show/plate.1007.exr is damaged.",
            "path": "/show/plate.1007.exr",
            "frame": 1007,
        }
        self.assertEqual(words.problem_text(named), named["message"])
        framed = {"message": "the engine gave up.", "frame": -5, "path": ""}
        self.assertEqual(words.problem_text(framed), "Frame -5: the engine gave up.")
        self.assertEqual(words.problem_text({"message": "two\nlines", "frame": None}, short=True), "Two")
        self.assertEqual(words.problem_text({}), "")

    def test_unknown_states_are_shown_as_they_are(self) -> None:
        self.assertEqual(words.state_word("paused"), "Paused")


class Following(unittest.TestCase):
    def test_events_move_a_job_on(self) -> None:
        entry = JobEntry(job("queued"))
        self.assertTrue(entry.event({"number": 1, "state_changed": {"state": "running"}}))
        progress = {"job": 0.3, "message": "fill frame 1002", "seconds_left": 61.0}
        self.assertTrue(entry.event({"number": 2, "step_progress": progress}))
        self.assertEqual(entry.status(), "1 min left")
        for frame in (1001, 1002, 1002):
            entry.event({"number": frame, "frame_finished": {"frame": frame, "path": "/x"}})
        self.assertEqual(entry.doing(), "fill frame 1002, 2 of 10 frames")
        entry.event({"number": 3, "step_progress": {**progress, "job": 0.1}})
        self.assertEqual(entry.progress, 0.3, "it never goes back")
        done = {"state": "succeeded", "verification": {"samples": 10, "differing": 0}}
        entry.event({"number": 9, "state_changed": done})
        self.assertEqual((entry.progress, entry.frames_done, entry.active, entry.number), (1.0, 10, False, 1002))

    def test_history_of_a_job_that_has_ended_does_not_wake_it(self) -> None:
        entry = JobEntry(job("failed", error={"code": "X", "message": "No.", "next_step": "Do."}, progress=0.1))
        for event in ({"state_changed": {"state": "running"}}, {"frame_finished": {"frame": 1001}},
                      {"warning": {"message": "Look."}}, {"state_changed": {"state": "failed"}}):  # fmt: skip
            entry.event({"number": entry.number + 1, **event})
        self.assertEqual((entry.state, entry.frames_done, entry.problem["message"]), ("failed", 1, "No."))
        self.assertEqual(len(entry.warnings), 1)

    def test_a_retry_begins_anew_and_keeps_frames(self) -> None:
        entry = JobEntry(job("failed", error={"message": "No."}, progress=0.6))
        entry.event({"number": 4, "frame_finished": {"frame": 1001}})
        self.assertTrue(entry.can_retry)
        entry.take(job("queued"))
        self.assertEqual((entry.problem, entry.frames_done, entry.active), ({}, 1, True))
        self.assertEqual(entry.progress, 0.0)

    def test_a_picture_that_is_none_is_left_out(self) -> None:
        entry = JobEntry(job())
        self.assertFalse(entry.event({"number": 1, "preview": {"frame": 1001, "data": "no base64!"}}))
        self.assertTrue(entry.event({"number": 2, "preview": {"frame": 1001, "data": "aGVsbG8="}}))
        self.assertEqual(entry.preview, b"hello")

    def test_messages_of_a_newer_service_do_no_harm(self) -> None:
        entry = JobEntry({"id": "j2", "state": "paused", "spec": {"retime": {}}})
        self.assertFalse(entry.event({"number": 5, "something_new": {"x": 1}}))
        self.assertEqual((entry.status(), entry.task, entry.title), ("Paused", "", "job"))


class Cache(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = Path(folder.name)
        for name, mark in (("old", True), ("new", True), ("theirs", False)):
            entry = self.cache / "plates" / name
            entry.mkdir(parents=True)
            (entry / "frame.1001.exr").write_bytes(b"x" * 1000)
            if mark:
                (entry / cache.MARK).write_bytes(b"{}")
        (self.cache / "precious.exr").write_bytes(b"p")
        hour_ago = time.time() - 3600
        for file in (self.cache / "plates" / "old").iterdir():
            os.utime(str(file), (hour_ago, hour_ago))

    def test_only_our_entries_count_and_go(self) -> None:
        found = cache.measure(self.cache)
        self.assertEqual((found.entries, found.files, found.size), (2, 4, 2004))
        gone = cache.purge(self.cache, older_than_seconds=1800)
        self.assertEqual((gone.entries, gone.size), (1, 1002))
        self.assertTrue((self.cache / "plates" / "new").exists())
        cache.purge(self.cache)
        left = sorted(path.relative_to(self.cache).as_posix() for path in self.cache.rglob("*") if path.is_file())
        self.assertEqual(left, ["plates/theirs/frame.1001.exr", "precious.exr"])

    def test_what_is_being_rendered_stays(self) -> None:
        (self.cache / "plates" / "new" / "incoming-1").mkdir()
        gone = cache.purge(self.cache)
        self.assertEqual(gone.entries, 1)
        self.assertTrue((self.cache / "plates" / "new" / "frame.1001.exr").exists())

    @unittest.skipUnless(hasattr(os, "symlink"), "needs links")
    def test_links_are_not_followed(self) -> None:
        away = self.cache / "away"
        away.mkdir()
        (away / cache.MARK).write_bytes(b"{}")
        (self.cache / "plates" / "link").symlink_to(away)
        cache.purge(self.cache)
        self.assertTrue((away / cache.MARK).exists())

    def test_a_cache_that_is_not_there_is_empty(self) -> None:
        self.assertEqual(cache.measure(self.cache / "none").entries, 0)
        self.assertEqual(cache.purge(self.cache / "none").entries, 0)


if __name__ == "__main__":
    unittest.main()
