"""The main-thread rule, and the event loop."""

from __future__ import annotations

import threading
import time
import unittest
from collections.abc import Callable
from typing import Any

from tests.hosts.nuke_double import double
from tests.hosts.nuke_double_case import DoubleCase


def elsewhere(call: Callable[[], Any]) -> threading.Thread:
    """Run something on a thread of its own."""
    thread = threading.Thread(target=call)
    thread.start()
    return thread


class Threads(DoubleCase):
    def test_a_call_from_another_thread_raises_and_fails_the_test(self) -> None:
        nuke, caught = self.nuke, []  # type: Any, List[BaseException]
        node = nuke.nodes.Read()

        def work() -> None:
            for call in (
                nuke.root,
                node.name,
                lambda: node["file"],
                lambda: nuke.env["gui"],
                lambda: nuke.Int_Knob("a"),
            ):
                try:
                    call()
                except double.WrongThread as problem:
                    caught.append(problem)

        elsewhere(work).join()
        self.assertEqual(len(caught), 5)
        self.assertEqual(len(double.session().violations), 5)
        with self.assertRaisesRegex(AssertionError, "nuke.root was called from thread"):
            double.uninstall()
        double.install()

    def test_calls_are_handed_over_in_order(self) -> None:
        done: list[Any] = []

        def work() -> None:
            for number in range(3):
                self.nuke.executeInMainThread(done.append, number)
            done.append(("result", self.nuke.executeInMainThreadWithResult(len, ([1, 2],))))

        thread = elsewhere(work)
        double.pump(until=lambda: not thread.is_alive())
        self.assertEqual(done, [0, 1, 2, ("result", 2)])

    def test_what_fails_on_the_main_thread_comes_back_as_none(self) -> None:
        results: list[Any] = []
        thread = elsewhere(lambda: results.append(self.nuke.executeInMainThreadWithResult(lambda: 1 // 0)))
        double.pump(until=lambda: not thread.is_alive())
        self.assertEqual(results, [None])
        self.assertIn("ZeroDivisionError", double.session().failures.pop())

    def test_waiting_for_the_main_thread_on_the_main_thread_is_an_error(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "hang"):
            self.nuke.executeInMainThreadWithResult(len, ([],))
        double.session().violations.clear()

    def test_a_dialog_in_a_call_handed_over_is_an_error(self) -> None:
        self.nuke.executeInMainThread(self.nuke.message, "Done")
        with self.assertRaisesRegex(AssertionError, "dialog was opened by a call from executeInMainThread: Done"):
            double.pump(limit_seconds=0.1)
        double.session().violations.clear()
        double.session().failures.clear()

    def test_pump_gives_up_in_time(self) -> None:
        start = time.monotonic()
        with self.assertRaises(TimeoutError):
            double.pump(until=lambda: False, limit_seconds=0.1)
        self.assertLess(time.monotonic() - start, 5)

    def test_the_longest_stay_on_the_main_thread_is_measured(self) -> None:
        self.nuke.executeInMainThread(time.sleep, 0.08)
        self.nuke.executeInMainThread(time.sleep, 0.01)
        double.pump(until=lambda: len(double.session().blocks) == 2)
        self.assertGreaterEqual(double.longest_block().own_seconds, 0.08)
        self.assertEqual(double.longest_block().what, "sleep")

    def test_nukes_own_work_does_not_count(self) -> None:
        with double.timed("a press"), double.session().host_work():
            time.sleep(0.05)
        self.assertLess(double.longest_block().own_seconds, 0.05)
        self.assertGreaterEqual(double.longest_block().seconds, 0.05)


if __name__ == "__main__":
    unittest.main()
