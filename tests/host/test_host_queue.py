"""The way to the main thread."""

from __future__ import annotations

import logging
import threading
import time
import unittest

from overscan_host import CallbackQueue


class TheQueue(unittest.TestCase):
    def setUp(self) -> None:
        self.wakes: list[int] = []
        self.queue = CallbackQueue(wake=lambda: self.wakes.append(len(self.queue)))
        logging.getLogger("overscan").disabled = True
        self.addCleanup(setattr, logging.getLogger("overscan"), "disabled", False)

    def test_runs_in_order_and_wakes_once(self) -> None:
        seen: list[int] = []
        for number in range(5):
            self.queue.post(seen.append, number)
        self.assertEqual(self.wakes, [1])
        self.assertEqual(self.queue.drain(), 5)
        self.assertEqual(seen, [0, 1, 2, 3, 4])
        self.assertEqual(self.queue.drain(), 0)
        self.queue.post(seen.append, 5)
        self.assertEqual(len(self.wakes), 2)

    def test_keeps_the_newest_of_a_key_in_its_own_place(self) -> None:
        seen: list[str] = []
        self.queue.post(seen.append, "old", key="progress")
        self.queue.post(seen.append, "frame")
        self.queue.post(seen.append, "new", key="progress")
        self.queue.post(seen.append, "other", key="preview")
        self.assertEqual(self.queue.drain(), 3)
        self.assertEqual(seen, ["frame", "new", "other"])

    def test_a_failing_callback_stops_nothing(self) -> None:
        seen: list[int] = []
        self.queue.post(seen.append, 1)
        self.queue.post(lambda: 1 / 0)
        self.queue.post(seen.append, 2)
        self.assertEqual(self.queue.drain(), 3)
        self.assertEqual(seen, [1, 2])

    def test_keeps_to_its_time_and_wakes_for_the_rest(self) -> None:
        for _ in range(10):
            self.queue.post(time.sleep, 0.01)
        begun = time.monotonic()
        done = self.queue.drain(limit_seconds=0.015)
        self.assertLess(time.monotonic() - begun, 0.05)
        self.assertLess(done, 10)
        self.assertEqual(len(self.wakes), 2)
        while len(self.queue):
            done += self.queue.drain()
        self.assertEqual(done, 10)

    def test_a_callback_that_runs_an_event_loop_of_its_own_keeps_the_order(self) -> None:
        seen: list[str] = []

        def dialogue() -> None:
            seen.append("open")
            self.assertEqual(self.queue.drain(), 0)
            seen.append("closed")

        self.queue.post(dialogue)
        self.queue.post(seen.append, "next")
        self.queue.drain()
        self.assertEqual(seen, ["open", "closed", "next"])

    def test_a_wake_that_failed_or_was_lost_comes_again(self) -> None:
        failing = True
        calls: list[bool] = []

        def wake() -> None:
            calls.append(failing)
            if failing:
                raise RuntimeError("the host is not there yet")

        queue = CallbackQueue(wake=wake)
        queue.post(int)
        queue.post(int)
        self.assertEqual(len(calls), 2)
        failing = False
        queue.post(int)
        queue.post(int)
        self.assertEqual(len(calls), 3)
        time.sleep(1.05)  # the host never drained
        queue.post(int)
        self.assertEqual(len(calls), 4)

    def test_many_threads_lose_nothing(self) -> None:
        seen: list[tuple[int, int]] = []
        woken = threading.Event()
        queue = CallbackQueue(wake=woken.set)

        def post(thread: int) -> None:
            for number in range(500):
                queue.post(seen.append, (thread, number))

        threads = [threading.Thread(target=post, args=(index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 20
        while len(seen) < 2000 and time.monotonic() < end:
            if woken.wait(0.1):
                woken.clear()
                queue.drain()
        for thread in threads:
            thread.join()
        self.assertEqual(len(seen), 2000)
        for index in range(4):
            self.assertEqual([number for thread, number in seen if thread == index], list(range(500)))


if __name__ == "__main__":
    unittest.main()
