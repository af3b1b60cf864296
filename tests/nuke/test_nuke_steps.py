"""Work in slices: what Cancel and Ctrl-C stop, what they let finish, and that cleaning up is not cut off."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any

from overscan_host import BridgeError, CallbackQueue, Problem
from overscan_nuke._refusals import StoppedError
from overscan_nuke._steps import Ask, Steps, Task, Work, run_through


class Calls:
    """A bridge whose answers come when the test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        self.waiting: list[tuple[Callable[[Any], None], Callable[[BridgeError], None]]] = []

    def call(self, method: str, _params: Any, *, on_result: Any, on_error: Any, **_: Any) -> Any:
        self.asked.append(method)
        self.waiting.append((on_result, on_error))
        calls = self

        class Call:
            def cancel(self) -> None:
                calls.cancelled.append(method)

        return Call()

    def request(self, method: str, _params: Any, **_: Any) -> Any:
        self.asked.append(method)
        if method == "job.plan":
            raise KeyboardInterrupt
        return {"id": method}


class Stopping(unittest.TestCase):
    def setUp(self) -> None:
        self.queue = CallbackQueue(lambda: None)
        self.bridge = Calls()
        self.outcome: list[tuple[Any, Any]] = []
        self.seen: list[Any] = []

    def task(self, steps: Steps) -> Task:
        task = Task(steps, bridge=self.bridge, queue=self.queue, finished=lambda *what: self.outcome.append(what))  # type: ignore[arg-type]
        task.start()
        self.queue.drain()
        return task

    def creating(self) -> Steps:
        created = []
        try:
            for view in ("left", "right"):
                created.append((yield Ask("job.create", {"view": view}))["id"])
            yield
        except StoppedError:
            self.seen.append(list(created))
            for job_id in created:
                yield Ask("job.cancel", {"job_id": job_id})
            self.seen.append("cleaned up")
            raise
        return created

    def test_an_answer_that_is_there_already_is_not_lost(self) -> None:
        task = self.task(self.creating())
        task.cancel()
        self.assertEqual(self.bridge.cancelled, ["job.create"])
        self.bridge.waiting[0][0]({"id": "j1"})  # the job was made before the bridge heard of it
        self.assertEqual(self.seen, [["j1"]])
        self.assertEqual(self.bridge.asked, ["job.create", "job.cancel"], "the second view is not begun")
        self.bridge.waiting[1][0]({})
        self.assertEqual(self.seen[-1], "cleaned up")
        self.assertIsInstance(self.outcome[0][1], StoppedError)

    def test_with_the_last_answer_as_well(self) -> None:
        task = self.task(self.creating())
        self.bridge.waiting[0][0]({"id": "j1"})
        task.cancel()
        self.bridge.waiting[1][0]({"id": "j2"})
        for place in (2, 3):
            self.bridge.waiting[place][0]({})
        self.assertEqual(self.seen, [["j1", "j2"], "cleaned up"])
        self.assertEqual(len(self.outcome), 1)

    def test_a_call_that_was_given_up_stops_the_steps(self) -> None:
        task = self.task(self.creating())
        task.cancel()
        self.bridge.waiting[0][1](BridgeError([Problem("CANCELLED", "job.create was cancelled.")]))
        self.assertEqual(self.seen, [[], "cleaned up"])
        self.assertIsInstance(self.outcome[0][1], StoppedError)

    def test_ctrl_c_in_batch_cleans_up_too(self) -> None:
        def steps() -> Steps:
            created = (yield Ask("job.create"))["id"]
            try:
                yield Ask("job.plan")
            except StoppedError:
                yield Ask("job.cancel", {"job_id": created})
                raise

        self.assertRaises(KeyboardInterrupt, run_through, steps(), bridge=self.bridge)
        self.assertEqual(self.bridge.asked, ["job.create", "job.plan", "job.cancel"])

    def test_errors_arrive_where_they_were_caused(self) -> None:
        def steps() -> Steps:
            self.seen.append((yield Work(lambda: 7)))
            for effect in (Ask("job.get"), Work(lambda: 1 // 0)):
                try:
                    yield effect
                except (BridgeError, ZeroDivisionError) as error:
                    self.seen.append(type(error).__name__)

        self.task(steps())
        answered = False
        while not self.outcome:
            self.queue.drain()
            if self.bridge.waiting and not answered:
                answered = True
                self.bridge.waiting[0][1](BridgeError([Problem("X", "no")]))
        self.assertEqual(self.seen, [7, "BridgeError", "ZeroDivisionError"])
