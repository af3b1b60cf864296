"""The parts without pictures: cache, output paths, version records, colour names, steps, words."""

from __future__ import annotations

import os
import threading
import unittest
from pathlib import Path
from typing import Any

from tests.hosts.nuke_double import double
from tests.nuke.nuke_case import NukeCase


class CacheTests(NukeCase):
    def entry(self, key: str = "abc") -> Any:
        from overscan_nuke._cache import open_entry

        return open_entry(cache=self.folder / "cache", key=key, about={"node": "Extend1"})

    def test_a_frame_counts_once_it_is_whole(self) -> None:
        from overscan_nuke._cache import accept, close_incoming, incoming, missing_frames

        entry = self.entry()
        self.assertEqual(missing_frames(entry, [-1, 7, 1001]), [-1, 7, 1001])
        pattern = incoming(entry)
        for frame in (-1, 1001):
            Path(pattern % frame).write_bytes(b"x")
        self.assertEqual(missing_frames(entry, [-1, 7, 1001]), [-1, 7, 1001])
        accept(entry, pattern, -1, -1)
        self.assertEqual(missing_frames(entry, [-1, 7, 1001]), [7, 1001])
        close_incoming(pattern)
        self.assertEqual(
            sorted(one.name for one in Path(entry.folder).iterdir()), ["frame.-001.exr", "overscan_cache.json"]
        )

    def test_a_frame_that_did_not_arrive_is_an_error_that_names_it(self) -> None:
        from overscan_nuke._cache import accept, incoming
        from overscan_nuke._refusals import RefusalError

        entry = self.entry()
        with self.assertRaises(RefusalError) as caught:
            accept(entry, incoming(entry), 1001, 1001)
        self.assertIn("Frame 1001", caught.exception.message)

    def test_two_may_open_the_same_entry(self) -> None:
        self.assertEqual(self.entry(), self.entry())

    def test_a_file_written_over_has_another_stamp(self) -> None:
        from overscan_nuke._cache import stamps

        for frame in (1001, 1002):
            (self.folder / f"a.{frame}.exr").write_bytes(b"1")
        (self.folder / "other.1001.exr").write_bytes(b"1")
        patterns = [str(self.folder / "a.%04d.exr"), str(self.folder / "gone" / "b.####.exr")]
        before = stamps(patterns)
        self.assertEqual(len(before), 3)
        os.utime(str(self.folder / "a.1002.exr"), (1, 1))
        self.assertNotEqual(stamps(patterns), before)
        self.assertEqual(len(stamps([str(self.folder / "a.####.exr")])), 2)
        self.assertEqual(len(stamps([str(self.folder / "%V.1001.exr")])), 2)


class OutputTests(NukeCase):
    def template(self, node: Any, views: int = 1) -> str:
        from overscan_nuke._outputs import output_template
        from overscan_nuke._preferences import load_preferences

        return output_template(node, load_preferences(), views=views)

    def test_results_go_beside_the_script_under_the_nodes_name(self) -> None:
        self.save()
        node = self.make("extend")
        expected = f"{self.folder}/overscan/Extend1/{{version}}/Extend1.%04d.exr"
        self.assertEqual(self.template(node), expected)
        self.assertEqual(self.template(node, views=2), expected.replace(".%04d", ".%V.%04d"))

    def test_a_nodes_own_output_comes_first_and_must_not_overwrite(self) -> None:
        from overscan_nuke._refusals import RefusalError

        node = self.make("extend")
        node["overscan_output"].setValue("/out/{node}_{version}.####.exr")
        self.assertEqual(self.template(node), "/out/Extend1_{version}.####.exr")
        self.assertEqual(self.template(node, views=2), "/out/Extend1_{version}.%V.####.exr")
        node["overscan_output"].setValue("/out/{node}.####.exr")
        self.assertRaises(RefusalError, self.template, node)


class RecordTests(NukeCase):
    def test_records_come_back_as_they_were(self) -> None:
        from overscan_nuke._state import Version, ViewJob, remember, versions_of

        node = self.make("extend")
        version = Version(
            name="v002", path="/x/[a]/{b} c.%04d.exr", frames="1001-1010", offset=-5, size=(10, 20), shift=(1, 2),
            jobs=(ViewJob(job_id="j", view="left", state="failed", number=9, done=(1001, 1002, 1005)),),
            colour={"raw": True, "colorspace": "ACES - ACEScg"}, error="a\nb", warnings=("w",),
        )  # fmt: skip
        remember(node, version)
        remember(node, Version(name="v001", path="/x"))
        self.assertEqual(versions_of(node), [Version(name="v001", path="/x"), version])
        path = self.save()
        self.nuke.scriptClear()
        self.nuke.scriptOpen(str(path))
        self.assertEqual(versions_of(self.nuke.toNode("Extend1"))[1], version)

    def test_what_cannot_be_read_is_left_out_alone(self) -> None:
        from overscan_nuke._state import versions_of

        node = self.make("extend")
        node["overscan_versions"].setValue('[{"name":"v001","path":"/x","new":1},7,{"name":3},{"name":"v009"}]')
        self.assertEqual([version.name for version in versions_of(node)], ["v001"])
        node["overscan_versions"].setValue("[{")
        self.assertEqual(versions_of(node), [])

    def test_of_several_jobs_the_worst_counts(self) -> None:
        from overscan_nuke._state import Version, ViewJob

        def state(*states: str) -> str:
            return Version(name="v001", path="/x", jobs=tuple(ViewJob(job_id=one, state=one) for one in states)).state

        self.assertEqual(state("succeeded", "failed", "running"), "failed")
        self.assertEqual(state("succeeded", "running"), "running")
        self.assertEqual(state("succeeded", "succeeded"), "succeeded")
        self.assertEqual(state("succeeded", "unknown"), "unknown")


class ColourTests(NukeCase):
    def test_names_of_nuke_in_the_words_of_the_service(self) -> None:
        from overscan_nuke._colour import colour_name

        for value, name in (
            ("default (linear)", ""),
            ("linear", ""),
            ("scene_linear (ACES - ACEScg)", "ACEScg"),
            ("ACES/ACES - ACES2065-1", "ACES2065-1"),
            ("Input - ARRI/LogC3 (EI800)", "LogC3 (EI800)"),
            ("sRGB", "sRGB"),
        ):
            self.assertEqual(colour_name(value), name, value)

    def test_with_a_shows_own_configuration_names_stay(self) -> None:
        from overscan_nuke._colour import colour_name

        os.environ["OCIO"] = "/show/config.ocio"
        self.addCleanup(os.environ.pop, "OCIO", None)
        self.assertEqual(colour_name("default (ACES - ACEScg)"), "ACES - ACEScg")


class FakeBridge:
    """Answers at once; a method that begins with ``no`` is an error."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue
        self.asked: list[str] = []

    def call(self, method: str, *_: Any, on_result: Any, on_error: Any, **__: Any) -> Any:
        from overscan_host import BridgeError, Problem

        self.asked.append(method)
        if method.startswith("no"):
            self.queue.post(on_error, BridgeError([Problem("X", "no")]))
        else:
            self.queue.post(on_result, {"said": method})


class StepTests(NukeCase):
    def run_task(self, steps: Any, *, stop_after: int = -1) -> Any:
        from overscan_nuke import _session
        from overscan_nuke._steps import Task

        ends: list[Any] = []
        queue = _session.queue()
        task = Task(steps, bridge=FakeBridge(queue), queue=queue, finished=lambda *end: ends.append(end))  # type: ignore[arg-type]
        task.start()
        if stop_after >= 0:
            queue.post(task.cancel)
        double.pump(until=lambda: ends, limit_seconds=10)
        return ends[0]

    def test_answers_work_and_turns(self) -> None:
        from overscan_nuke._steps import Ask, Work

        def steps() -> Any:
            answer = yield Ask("hello")
            thread = yield Work(threading.current_thread)
            for _ in range(3):
                yield
            return answer["said"], thread is not threading.main_thread()

        self.assertEqual(self.run_task(steps()), (("hello", True), None))

    def test_cancelling_lets_the_steps_clean_up(self) -> None:
        from overscan_nuke._refusals import StoppedError

        cleaned = []

        def steps() -> Any:
            try:
                while True:
                    yield
            finally:
                cleaned.append(True)

        result, error = self.run_task(steps(), stop_after=0)
        self.assertIsInstance(error, StoppedError)
        self.assertEqual((result, cleaned), (None, [True]))

    def test_long_work_is_cut_into_slices(self) -> None:
        import time

        def steps() -> Any:
            for _ in range(20):
                time.sleep(0.004)
                yield

        self.run_task(steps())
        turns = [block for block in double.session().blocks if block.seconds > 0.003]
        self.assertGreater(len(turns), 2)


class WordTests(NukeCase):
    def test_times_and_sizes(self) -> None:
        from overscan_nuke._words import duration, size

        self.assertEqual([duration(x) for x in (0.2, 45, 120, 3600 * 3 + 300)], ["1 s", "45 s", "2 min", "3 h 05 min"])
        self.assertEqual([size(x) for x in (12, 1500, 2.5e9)], ["12 B", "1.5 KB", "2.5 GB"])

    def test_words_are_shown_as_they_are(self) -> None:
        from overscan_nuke import _knobs

        node = self.make("extend")
        _knobs.say(node, "progress", "a <b> & c")
        self.assertEqual(node["overscan_progress"].value(), "a &lt;b&gt; &amp; c")


if __name__ == "__main__":
    unittest.main()
