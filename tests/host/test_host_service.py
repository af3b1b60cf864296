"""The host's half with a real bridge and a real service, all of which get killed. Run by test_real_processes.py."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from overscan_host import Bridge, BridgeError, CallbackQueue, Problem, _exchange, build_job

FACTS = json.loads(os.environ.get("OVERSCAN_TEST_FACTS", "{}"))
FRAMES = [1001, 1002, 1003, 1004]
SECONDS_MAX = 60.0


def is_there(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for yet does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def eventually(condition: Callable[[], object], *, seconds: float = SECONDS_MAX) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


class Follower:
    """What a node is told about its job."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.states: list[str] = []
        self.problems: list[Problem] = []

    def on_event(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    def on_state(self, state: str, problems: tuple[Problem, ...]) -> None:
        self.states.append(state)
        self.problems += problems

    @property
    def ended(self) -> bool:
        return bool(self.states) and self.states[-1] in ("ended", "failed")

    @property
    def frames(self) -> list[int]:
        return [event["frame_finished"]["frame"] for event in self.events if "frame_finished" in event]

    @property
    def job_states(self) -> list[str]:
        return [event["state_changed"]["state"] for event in self.events if "state_changed" in event]


@unittest.skipUnless(FACTS, "needs a bridge and a service: run by test_real_processes.py")
class RealProcesses(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.environment = {**os.environ, **FACTS["environment"]}
        self.woken = threading.Event()
        self.queue = CallbackQueue(wake=self.woken.set)
        self.bridge = self.new_bridge()

    def new_bridge(self) -> Bridge:
        bridge = Bridge(
            command=FACTS["command"],
            host="test",
            host_version="1.0",
            plugin_version="0.1.0",
            queue=self.queue,
            log_path=self.folder / "bridge.log",
            environment=self.environment,
        )
        self.addCleanup(bridge.close)
        return bridge

    def pump(self, until: Callable[[], object]) -> None:
        end = time.monotonic() + SECONDS_MAX
        while not until():
            self.assertLess(time.monotonic(), end, self.log())
            if self.woken.wait(0.02):
                self.woken.clear()
                self.queue.drain()

    def log(self) -> str:
        return f"it did not come to pass; the bridge's log:\n{(self.folder / 'bridge.log').read_text()}"

    def job(self, **parameters: Any) -> dict[str, Any]:
        return build_job(
            task="extend",
            settings={"format": {"size": "48x24"}},
            plate={"path": FACTS["plate"]},
            engine="grey",
            controls={"parameters": parameters},
            output={"path": self.folder / "o.%04d.exr", "extras": "none"},
        )

    def start(self, **parameters: Any) -> tuple[str, Follower]:
        job = self.bridge.request("job.create", {"job": self.job(**parameters)})
        follower = Follower()
        self.bridge.watch(job["id"], on_event=follower.on_event, on_state=follower.on_state)
        return job["id"], follower

    def assert_whole(self, follower: Follower) -> None:
        self.assertEqual(follower.frames, FRAMES)
        numbers = [event["number"] for event in follower.events]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(follower.job_states[-1], "succeeded")
        self.assertEqual(follower.states[-1], "ended")

    @contextlib.contextmanager
    def standing_service(self) -> Iterator[None]:
        """The service stands still: what is asked of it takes as long as this."""
        pid = self.bridge.request("service.open")["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def test_the_whole_way(self) -> None:
        opened = self.bridge.request("service.open")
        self.assertTrue(is_there(opened["pid"]))
        self.assertEqual(self.bridge.request("service.status")["pid"], opened["pid"])
        self.assertFalse(self.bridge.request("service.open")["started"])
        names = [engine["name"] for engine in self.bridge.request("engine.list")["engines"]]
        self.assertIn("plate", names)
        plan = self.bridge.request("job.plan", {"job": self.job()})
        self.assertEqual((plan["feasible"], plan["frames"]), (True, "1001-1004"))
        job_id, follower = self.start()
        self.pump(lambda: follower.ended)
        self.assert_whole(follower)
        job = self.bridge.request("job.get", {"job_id": job_id})
        self.assertEqual([frame["state"] for frame in job["frames"]], ["verified"] * 4)
        self.assertEqual(job["spec"]["engine"], "grey")
        brief = self.bridge.request("job.get", {"job_id": job_id, "brief": True})
        self.assertFalse({"frames", "steps"} & {name for name, value in brief.items() if value})
        self.assertEqual(brief["state"], "succeeded")
        found = self.bridge.request("job.list", {"states": ["succeeded"], "limit": 1})["jobs"]
        self.assertEqual([job["id"] for job in found], [job_id])
        checked = self.bridge.request("output.verify", {"path": self.folder / "o.%04d.exr"})
        self.assertEqual((checked["verification"]["frames"], checked["verification"]["differing"]), (4, 0))
        with self.assertRaises(BridgeError) as caught:
            self.bridge.request("job.create", {"job": job["spec"]})
        self.assertEqual(caught.exception.code, "OUTPUT_EXISTS")

    def test_previews_come_and_stay(self) -> None:
        job_id, follower = self.start(pause=0.4)
        self.pump(lambda: follower.ended)
        previews = [event["preview"] for event in follower.events if "preview" in event]
        self.assertTrue(previews)
        job = self.bridge.request("job.get", {"job_id": job_id})
        later = Follower()
        self.bridge.watch(job_id, on_event=later.on_event, on_state=later.on_state)
        self.pump(lambda: later.ended)
        again = [event["preview"] for event in later.events if "preview" in event]
        for preview in (*previews, job["preview"], *again):
            self.assertEqual(preview["media_type"], "image/jpeg")
            self.assertIn(preview["frame"], FRAMES)
            picture = base64.b64decode(preview["data"])
            self.assertTrue(picture.startswith(b"\xff\xd8\xff"))
            self.assertLessEqual(len(picture), 65536)
        self.assertEqual(again, [previews[-1]])
        self.assertEqual(job["preview"], previews[-1])

    def test_kill_9_of_the_bridge(self) -> None:
        _, follower = self.start(pause=0.4)
        self.pump(lambda: follower.frames)
        first = self.bridge.process_id
        assert first is not None
        os.kill(first, signal.SIGKILL)
        self.pump(lambda: follower.ended)
        self.assert_whole(follower)
        self.assertEqual(follower.states, ["lost", "restored", "ended"])
        self.assertEqual([problem.code for problem in follower.problems], ["BRIDGE_ENDED"])
        self.assertNotEqual(self.bridge.process_id, first)

    def test_kill_9_of_the_service(self) -> None:
        job_id, follower = self.start(pause=0.4)
        service = self.bridge.request("service.status")["pid"]
        self.pump(lambda: follower.frames)
        os.kill(service, signal.SIGKILL)
        self.pump(lambda: follower.ended)
        self.assertEqual(sorted(set(follower.frames)), FRAMES)
        self.assertEqual(follower.job_states[-1], "succeeded")
        self.assertEqual(follower.states, ["lost", "restored", "ended"])
        self.assertTrue(follower.problems[0].message)
        self.assertEqual(self.bridge.request("job.get", {"job_id": job_id})["state"], "succeeded")
        self.assertNotEqual(self.bridge.request("service.status")["pid"], service)

    def test_kill_9_of_the_host(self) -> None:
        job_id, _ = self.start(pause=0.4)
        host = subprocess.Popen(
            [sys.executable, "-c", _HOST, json.dumps([FACTS["command"], job_id])],
            env=self.environment_of_a_host(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert host.stdout is not None
        self.addCleanup(host.stdout.close)
        self.addCleanup(host.wait)
        bridge = int(host.stdout.readline())
        self.assertTrue(is_there(bridge))
        host.kill()
        eventually(lambda: not is_there(bridge), seconds=10.0)
        eventually(lambda: self.bridge.request("job.get", {"job_id": job_id})["state"] == "succeeded")

    def environment_of_a_host(self) -> dict[str, str]:
        path = os.pathsep.join([str(Path(_exchange.__file__).parents[1]), self.environment.get("PYTHONPATH", "")])
        return {**self.environment, "PYTHONPATH": path, "OF_THE_BRIDGE": self.environment.get("PYTHONPATH", "")}

    def test_another_protocol(self) -> None:
        with mock.patch.dict(self.bridge._exchange._hello, protocol=99), self.assertRaises(BridgeError) as caught:
            self.bridge.request("ping")
        self.assertEqual(caught.exception.code, "PROTOCOL_MISMATCH")
        self.assertIn("99", caught.exception.message)
        self.assertIn("overscan install", caught.exception.next_step)
        self.assertEqual(self.bridge.request("ping"), {})

    def test_a_plan_that_takes_long_can_be_cancelled(self) -> None:
        errors: list[BridgeError] = []
        with self.standing_service():
            call = self.bridge.call("job.plan", {"job": self.job()}, on_error=errors.append)
            late = self.bridge.call("job.plan", {"job": self.job()}, on_error=errors.append, timeout_seconds=0.5)
            time.sleep(0.3)
            call.cancel()
            self.pump(lambda: len(errors) == 2)
        self.assertEqual([error.code for error in errors], ["CANCELLED", "BRIDGE_TIMEOUT"])
        self.assertIn("0.5 seconds", errors[1].message)
        self.assertTrue(late.done)
        self.assertTrue(self.bridge.request("job.plan", {"job": self.job()})["feasible"])

    def test_a_creation_that_was_cancelled_leaves_no_job_running(self) -> None:
        labels = {"shot": f"cancelled-{os.getpid()}"}
        with self.standing_service():
            call = self.bridge.call("job.create", {"job": {**self.job(pause=5.0), "labels": labels}})
            time.sleep(0.5)
            call.cancel()
        running = {"labels": labels, "states": ["queued", "running", "verifying"]}
        eventually(lambda: self.bridge.request("job.list", {"labels": labels})["jobs"])
        eventually(lambda: not self.bridge.request("job.list", running)["jobs"], seconds=4.0)

    def test_problems_come_with_all_their_facts(self) -> None:
        nowhere = str(self.folder / "none.%04d.exr")
        with self.assertRaises(BridgeError) as caught:
            self.bridge.request("job.create", {"job": {**self.job(), "plate": {"path": nowhere}}})
        problem = caught.exception.problems[0]
        self.assertEqual((problem.code, problem.path), ("MISSING_FRAMES", nowhere))
        self.assertTrue(problem.next_step)

    def test_a_job_that_failed_is_retried(self) -> None:
        job_id, follower = self.start(fail_at=1003)
        self.pump(lambda: follower.ended)
        self.assertEqual(follower.job_states[-1], "failed")
        last = follower.events[-1]
        self.assertEqual(last["state_changed"]["error"]["next_step"], "Mend it.")
        mended = Path(FACTS["environment"]["GREY_MENDED"])
        mended.touch()
        self.addCleanup(mended.unlink)
        self.bridge.request("job.retry", {"job_id": job_id})
        after = Follower()
        self.bridge.watch(job_id, on_event=after.on_event, on_state=after.on_state, after_number=last["number"])
        self.pump(lambda: after.ended)
        self.assertEqual(after.frames, [1003, 1004])
        self.assertEqual(after.job_states[-1], "succeeded")


_HOST = """
import json, os, sys, time
from overscan_host import Bridge, CallbackQueue
command, job_id = json.loads(sys.argv[1])
environment = {**os.environ, "PYTHONPATH": os.environ["OF_THE_BRIDGE"]}
bridge = Bridge(command=command, host="test", host_version="1", plugin_version="1",
                queue=CallbackQueue(wake=int), environment=environment)
bridge.request("service.open")
bridge.watch(job_id, on_event=print, on_state=print)
print(bridge.process_id, flush=True)
time.sleep(600)
"""


if __name__ == "__main__":
    unittest.main()
