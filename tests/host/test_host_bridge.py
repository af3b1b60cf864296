"""The host's half against bridges that behave, die, hang, lie and flood."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from overscan_host import Bridge, BridgeError, CallbackQueue, Problem, Watch, _exchange

FAKE = Path(__file__).with_name("fake_bridge.py")
SECONDS_MAX = 20.0


class Case(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.notes_file = self.folder / "notes"
        self.woken = threading.Event()
        self.queue = CallbackQueue(wake=self.woken.set)
        logging.getLogger("overscan").disabled = True
        self.addCleanup(setattr, logging.getLogger("overscan"), "disabled", False)

    def bridge(self, mode: str = "", *, command: tuple[str, ...] = (), **options: Any) -> Bridge:
        bridge = Bridge(
            command=command or (sys.executable, str(FAKE), str(self.notes_file), mode),
            host="test",
            host_version="1.0",
            plugin_version="0.1.0",
            queue=self.queue,
            log_path=self.folder / "logs" / "bridge.log",
            **options,
        )
        self.addCleanup(bridge.close)
        return bridge

    def notes(self, method: str = "") -> list[dict[str, Any]]:
        if not self.notes_file.exists():
            return []
        lines = [json.loads(line) for line in self.notes_file.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if not method or line.get("method") == method]

    def pump(self, until: Callable[[], object], *, seconds: float = SECONDS_MAX) -> None:
        """Be the host's event loop."""
        end = time.monotonic() + seconds
        while not until():
            self.assertLess(time.monotonic(), end, "it did not come to pass")
            if self.woken.wait(0.02):
                self.woken.clear()
                self.queue.drain()

    def error_of(self, call: Callable[[], object]) -> BridgeError:
        with self.assertRaises(BridgeError) as caught:
            call()
        return caught.exception

    def assert_gone(self, pid: int, *, seconds: float = 5.0) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            self.assertLess(time.monotonic(), end, f"process {pid} is still there")
            time.sleep(0.02)


class Calls(Case):
    def test_answers_come_on_the_main_thread_and_nothing_blocks(self) -> None:
        bridge = self.bridge()
        answers: list[tuple[Any, threading.Thread]] = []
        calls = [
            bridge.call("echo", {"n": n}, on_result=lambda result: answers.append((result, threading.current_thread())))
            for n in range(20)
        ]
        self.assertFalse(any(call.done for call in calls), "they are on their way before there is a bridge")
        self.pump(lambda: len(answers) == 20)
        self.assertEqual(sorted(result["n"] for result, _ in answers), list(range(20)))
        self.assertEqual({thread for _, thread in answers}, {threading.main_thread()})
        self.assertTrue(all(call.done for call in calls))
        self.assertEqual(len(self.notes("hello")), 1)
        hello = self.notes("hello")[0]["params"]
        self.assertEqual((hello["protocol"], hello["host"], hello["host_pid"]), (1, "test", os.getpid()))

    def test_errors_carry_their_problems(self) -> None:
        bridge = self.bridge()
        error = self.error_of(lambda: bridge.request("fail"))
        self.assertEqual(error.problems, (Problem("MISSING_FRAMES", "It is broken.", "Mend it.", frame=7),))
        self.assertEqual(self.error_of(lambda: bridge.request("odd")).code, "INTERNAL")
        errors: list[BridgeError] = []
        bridge.call("fail", on_result=self.fail, on_error=errors.append)
        self.pump(lambda: errors)
        self.assertEqual(errors[0].next_step, "Mend it.")

    def test_odd_parameters(self) -> None:
        bridge = self.bridge()
        given = {"path": Path("a"), "text": "ü \ud800 \U0001f600\n", "nothing": None, "long": "x" * 300_000}
        self.assertEqual(bridge.request("echo", given), {**given, "path": "a"})
        for wrong in (float("nan"), float("inf"), object(), {"x": "y" * (16 << 20)}):
            error = self.error_of(lambda wrong=wrong: bridge.request("echo", {"value": wrong}))
            self.assertEqual(error.code, "INVALID_REQUEST")
            self.assertIn("echo", error.message)
        self.assertEqual(bridge.request("echo", {}), {})

    def test_what_is_printed_by_others_does_not_disturb(self) -> None:
        self.assertEqual(self.bridge("garbage").request("echo", {"n": 1}), {"n": 1})

    def test_the_bridge_gets_a_clean_environment(self) -> None:
        with mock.patch.dict(
            os.environ, {"NUKE_PATH": "/x", "LD_LIBRARY_PATH": "/lib", "OVERSCAN_X": "1", "OCIO": "c"}
        ):
            environment = self.bridge().request("environment")
        self.assertFalse({"NUKE_PATH", "PYTHONPATH", "LD_LIBRARY_PATH"} & set(environment))
        self.assertEqual((environment["OVERSCAN_X"], environment["OCIO"]), ("1", "c"))
        given = self.bridge(environment={"ONLY": "this"}).request("environment")
        self.assertEqual(given["ONLY"], "this")
        self.assertNotIn("HOME", given)

    def test_create_can_be_repeated(self) -> None:
        bridge = self.bridge()
        bridge.request("job.create", {"job": {}})
        bridge.request("job.create", {"job": {}})
        bridge.request("job.create", {"job": {}, "request_id": "mine"})
        made = [note["params"]["request_id"] for note in self.notes("job.create")]
        self.assertEqual(len(set(made)), 3)
        self.assertEqual(made[2], "mine")


class TimeLimits(Case):
    def test_a_time_limit_says_what_and_how_long(self) -> None:
        bridge = self.bridge()
        bridge.request("ping")
        begun = time.monotonic()
        error = self.error_of(lambda: bridge.request("silence", timeout_seconds=0.3))
        self.assertLess(time.monotonic() - begun, 5.0)
        self.assertEqual(error.code, "BRIDGE_TIMEOUT")
        self.assertIn("silence", error.message)
        self.assertIn("0.3 seconds", error.message)
        self.pump(lambda: self.notes("$/cancel"))
        self.assertEqual(bridge.request("echo", {"n": 1}), {"n": 1})
        self.assertEqual(len(self.notes("hello")), 1, "a bridge that answers pings is left alone")

    def test_a_bridge_that_stands_still_is_replaced(self) -> None:
        bridge = self.bridge()
        first = bridge.request("ping") == {} and bridge.process_id
        with mock.patch.object(_exchange, "PING_SECONDS", 0.3):
            self.assertEqual(
                self.error_of(lambda: bridge.request("freeze", timeout_seconds=0.3)).code, "BRIDGE_TIMEOUT"
            )
            self.assert_gone(first)
        self.assertEqual(bridge.request("echo", {"n": 1}), {"n": 1})
        self.assertNotEqual(bridge.process_id, first)

    def test_a_bridge_that_does_not_read_blocks_nobody(self) -> None:
        bridge = self.bridge("deaf")
        with mock.patch.object(_exchange, "START_SECONDS", 1.0):
            begun = time.monotonic()
            calls = [bridge.call("echo", {"x": "y" * 100_000}, on_error=lambda _: None) for _ in range(20)]
            self.assertLess(time.monotonic() - begun, 0.5)
            self.pump(lambda: all(call.done for call in calls))
        self.assertEqual({call.error and call.error.code for call in calls}, {"BRIDGE_START_FAILED"})

    def test_cancelled_calls_are_given_up(self) -> None:
        bridge = self.bridge()
        bridge.request("ping")
        errors: list[BridgeError] = []
        call = bridge.call("silence", on_error=errors.append)
        self.pump(lambda: self.notes("silence"))
        call.cancel()
        call.cancel()
        self.pump(lambda: errors and self.notes("$/cancel"))
        self.assertEqual([error.code for error in errors], ["CANCELLED"])
        self.assertEqual(self.notes("$/cancel")[0]["params"]["id"], call.number)


class Starting(Case):
    def test_a_command_that_is_not_there(self) -> None:
        error = self.error_of(lambda: self.bridge(command=("/nowhere/python", "-m", "overscan.cli")).request("ping"))
        self.assertEqual(error.code, "BRIDGE_START_FAILED")
        self.assertIn("/nowhere/python -m overscan.cli", error.message)
        self.assertIn("overscan install", error.next_step)

    def test_one_that_ends_at_once_is_quoted(self) -> None:
        bridge = self.bridge("crash")
        errors: list[BridgeError] = []
        bridge.call("echo", on_error=errors.append)
        self.pump(lambda: errors)
        self.assertEqual(errors[0].code, "BRIDGE_START_FAILED")
        self.assertIn("exit code 3", errors[0].message)
        self.assertIn("ImportError: no module named grpc", errors[0].message)
        self.assertIn(str(FAKE), errors[0].message)

    def test_one_that_says_nothing(self) -> None:
        with mock.patch.object(_exchange, "START_SECONDS", 0.5):
            error = self.error_of(lambda: self.bridge("mute").request("ping"))
        self.assertEqual(error.code, "BRIDGE_START_FAILED")
        self.assertIn("0.5 seconds", error.message)
        self.assert_gone(self.notes()[0]["pid"])

    def test_another_protocol(self) -> None:
        for mode in ("mismatch", "newer"):
            error = self.error_of(lambda mode=mode: self.bridge(mode).request("ping"))
            self.assertEqual(error.code, "PROTOCOL_MISMATCH")
            self.assertTrue(error.next_step)
        for line in self.notes("hello"):
            self.assert_gone(line["pid"])

    def test_it_is_tried_again_with_the_next_call(self) -> None:
        bridge = self.bridge(command=(sys.executable, str(self.folder / "later.py"), str(self.notes_file)))
        self.error_of(lambda: bridge.request("ping"))
        (self.folder / "later.py").write_text(FAKE.read_text(encoding="utf-8"), encoding="utf-8")
        self.assertEqual(bridge.request("echo", {"n": 1}), {"n": 1})


class Deaths(Case):
    def test_what_can_be_asked_twice_is_asked_again(self) -> None:
        self.assertEqual(self.bridge().request("engine.list"), {"method": "engine.list"})
        self.assertEqual(len(self.notes("hello")), 2)

    def test_what_cannot_be_asked_twice_says_so(self) -> None:
        bridge = self.bridge()
        error = self.error_of(lambda: bridge.request("job.cancel", {"job_id": "j"}))
        self.assertEqual(error.code, "BRIDGE_ENDED")
        self.assertIn("exit code 7", error.message)
        self.assertIn("this is the end of the log", error.message)
        self.assertEqual(len(self.notes("job.cancel")), 1)
        self.assertEqual(bridge.request("echo", {"n": 1}), {"n": 1})

    def test_a_call_that_kills_it_is_not_repeated_for_ever(self) -> None:
        error = self.error_of(lambda: self.bridge().request("job.plan", {"job": {}}))
        self.assertEqual(error.code, "BRIDGE_ENDED")
        self.assertEqual(len(self.notes("job.plan")), 2)

    def test_what_reached_nobody_is_asked_again_whatever_it_is(self) -> None:
        ended = _exchange.Exchange._ended

        def late(exchange: _exchange.Exchange, process: Any) -> None:
            time.sleep(0.5)
            ended(exchange, process)

        with mock.patch.object(_exchange.Exchange, "_ended", late):
            bridge = self.bridge()
            bridge.request("ping")
            first = bridge.process_id
            assert first is not None
            os.kill(first, signal.SIGKILL)
            self.assert_gone(first)
            self.assertEqual(bridge.request("echo", {"n": 1}), {"n": 1})
        self.assertEqual(len(self.notes("echo")), 1)

    def test_kill_9(self) -> None:
        bridge = self.bridge()
        bridge.request("ping")
        first = bridge.process_id
        assert first is not None
        answers: list[Any] = []
        errors: list[BridgeError] = []
        bridge.call("silence", on_result=answers.append, on_error=errors.append)
        self.pump(lambda: self.notes("silence"))
        os.kill(first, signal.SIGKILL)
        self.pump(lambda: errors)
        self.assertIn("SIGKILL", errors[0].message)
        self.assertEqual(answers, [])


class Watching(Case):
    def setUp(self) -> None:
        super().setUp()
        self.events: list[dict[str, Any]] = []
        self.states: list[str] = []
        self.problems: list[Problem] = []

    def watch(self, bridge: Bridge, job_id: str, *, after_number: int = 0) -> Watch:
        def on_state(state: str, problems: tuple[Problem, ...]) -> None:
            self.states.append(state)
            self.problems += problems

        return bridge.watch(job_id, on_event=self.events.append, on_state=on_state, after_number=after_number)

    def ended(self) -> bool:
        return bool(self.states) and self.states[-1] in ("ended", "failed")

    def assert_whole(self, *, after: int = 0) -> None:
        """Every frame and state came once and in order; of the rest some may have been left out."""
        numbers = [event["number"] for event in self.events]
        self.assertEqual(numbers, sorted(set(numbers)))
        kept = [number for number in numbers if number % 10 == 0]
        self.assertEqual(kept, [number for number in range(10, 61, 10) if number > after])

    def test_events_come_in_order_and_once(self) -> None:
        for job_id in ("plain", "repeats"):
            self.events, self.states = [], []
            watch = self.watch(self.bridge(), job_id)
            self.pump(self.ended)
            self.assert_whole()
            self.assertEqual(self.states, ["ended"])
            self.assertEqual(watch.number, 60)
            self.assertFalse(watch.active)

    def test_a_later_watch_goes_on_after_a_number(self) -> None:
        self.watch(self.bridge(), "plain", after_number=33)
        self.pump(self.ended)
        self.assert_whole(after=33)
        self.assertGreater(self.events[0]["number"], 33)

    def test_a_busy_host_gets_only_the_newest_progress(self) -> None:
        bridge = self.bridge()
        self.watch(bridge, "plain")
        time.sleep(0.2)
        end = time.monotonic() + SECONDS_MAX
        while bridge._watches.wanted and time.monotonic() < end:
            time.sleep(0.05)
        self.pump(self.ended)
        kinds = [next(name for name in event if name not in ("job_id", "number")) for event in self.events]
        self.assertEqual(kinds.count("frame_finished"), 5)
        self.assertEqual(kinds.count("state_changed"), 1)
        self.assertLessEqual(kinds.count("step_progress"), 2)
        self.assertLessEqual(kinds.count("preview"), 2)
        self.assert_whole()

    def test_it_goes_on_when_the_bridge_dies(self) -> None:
        self.watch(self.bridge(), "dies")
        self.pump(self.ended)
        self.assert_whole()
        self.assertEqual(self.states, ["lost", "restored", "lost", "restored", "ended"])
        self.assertEqual({problem.code for problem in self.problems}, {"BRIDGE_ENDED"})
        afters = [note["params"]["after_number"] for note in self.notes("job.watch")]
        self.assertEqual(afters, [0, 25, 45])

    def test_a_bridge_that_always_dies_is_given_up(self) -> None:
        self.watch(self.bridge("cruel"), "plain")
        self.pump(self.ended)
        self.assertEqual(self.states[-1], "failed")
        self.assertEqual(len(self.notes("job.watch")), 5)
        self.assertEqual(self.problems[-1].code, "BRIDGE_ENDED")

    def test_a_bridge_that_cannot_be_started_fails_the_watch(self) -> None:
        with mock.patch.object(_exchange, "_START_PAUSES_SECONDS", (0.05, 0.05)):
            self.watch(self.bridge("crash"), "plain")
            self.pump(self.ended)
        self.assertEqual(self.states, ["failed"])
        self.assertIn("ImportError", self.problems[0].message)
        self.assertEqual(len(self.notes()), 3)

    def test_a_bridge_that_has_ended_before_it_is_greeted_is_noticed_at_once(self) -> None:
        new_call = _exchange.Exchange._new_call

        def late(exchange: Any, method: str, *arguments: Any, **options: Any) -> Any:
            if method == "hello":
                time.sleep(0.5)  # it has crashed by then
            return new_call(exchange, method, *arguments, **options)

        greeted_late = mock.patch.object(_exchange.Exchange, "_new_call", late)
        with greeted_late, mock.patch.object(_exchange, "_START_PAUSES_SECONDS", ()):
            self.watch(self.bridge("crash"), "plain")
            self.pump(self.ended)
        self.assertEqual(self.states, ["failed"])
        self.assertIn("ImportError", self.problems[0].message)

    def test_a_job_that_is_not_there(self) -> None:
        watch = self.watch(self.bridge(), "unknown")
        self.pump(self.ended)
        self.assertEqual(self.states, ["failed"])
        self.assertEqual(self.problems[0].code, "UNKNOWN_JOB")
        self.assertFalse(watch.active)

    def test_a_stopped_watch_is_silent(self) -> None:
        bridge = self.bridge()
        watch = self.watch(bridge, "hangs")
        self.pump(lambda: len(self.events) > 1)
        watch.stop()
        before = len(self.events)
        self.queue.drain()
        self.assertEqual(len(self.events), before)
        self.pump(lambda: self.notes("job.unwatch"))
        bridge.request("ping")
        pid = bridge.process_id
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(bridge.request("service.status"), {"method": "service.status"})
        self.assertEqual(len(self.notes("hello")), 2)
        self.assertEqual(len(self.notes("job.watch")), 1)

    def test_watches_may_be_made_before_the_bridge_is_there(self) -> None:
        bridge = self.bridge()
        for _ in range(3):
            self.watch(bridge, "plain")
        self.pump(lambda: len(self.notes("job.watch")) == 3)
        self.assertEqual(len(self.notes("hello")), 1)


class Closing(Case):
    def test_nothing_is_left(self) -> None:
        bridge = self.bridge()
        bridge.request("ping")
        pid = bridge.process_id
        assert pid is not None
        before = threading.active_count()
        errors: list[BridgeError] = []
        call = bridge.call("silence", on_error=errors.append)
        watch = bridge.watch("hangs", on_event=lambda _: None, on_state=lambda *_: None)
        self.pump(lambda: self.notes("job.watch"))
        begun = time.monotonic()
        bridge.close(timeout_seconds=5.0)
        self.assertLess(time.monotonic() - begun, 3.0)
        self.assert_gone(pid, seconds=0.5)
        self.assertTrue(self.notes()[-1].get("ended"), "it was asked, not killed")
        self.assertEqual(call.error and call.error.code, "CANCELLED")
        self.assertFalse(watch.active)
        self.assertLess(threading.active_count(), before)
        self.assertEqual(self.error_of(lambda: bridge.request("ping")).code, "CANCELLED")
        bridge.close()

    def test_one_that_stands_still_is_killed(self) -> None:
        bridge = self.bridge()
        bridge.request("ping")
        pid = bridge.process_id
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        bridge.close(timeout_seconds=0.3)
        self.assert_gone(pid, seconds=2.0)

    def test_closing_before_anything_was_asked(self) -> None:
        self.bridge().close()
        self.assertEqual(self.notes(), [])

    def test_closing_while_it_starts(self) -> None:
        bridge = self.bridge("mute")
        call = bridge.call("echo", on_error=lambda _: None)
        self.pump(lambda: self.notes())
        bridge.close(timeout_seconds=2.0)
        self.assertTrue(call.done)
        self.assert_gone(self.notes()[0]["pid"])


if __name__ == "__main__":
    unittest.main()
