"""Questions on their way to the bridge and answers on their way back, over any number of lives of the process."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from overscan_host._calls import Call
from overscan_host._environment import clean_environment
from overscan_host._errors import BridgeError, failure
from overscan_host._process import Process
from overscan_host._watches import Watches
from overscan_host._wire import encode, error_of

PROTOCOL = 1
"""Version of the messages between host and bridge."""

START_SECONDS = 30.0
"""How long a bridge may take to say hello: Python on a slow network drive."""
PING_SECONDS = 5.0
"""How long a bridge may stand still once it is suspected to."""
_SENDS_MAX = 2
_DEATHS_MAX = 5
_DEATHS_WITHIN_SECONDS = 60.0
_START_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)
_RESTARTED = "Try again: the helper is started anew by itself. If it stays like this, run `overscan doctor`."

_REPEATABLE = frozenset(
    {
        "service.open",
        "service.status",
        "engine.list",
        "job.plan",
        "job.create",
        "job.get",
        "job.list",
        "output.verify",
    }
)
"""What may be asked twice without doing anything twice (`job.create` by its request_id)."""


class Exchange:
    """Starts the process when there is something to do, writes on one thread, keeps time on another.

    Answers come on the process's reader thread. `lock` guards all state; nothing that may block is done under it.
    """

    def __init__(
        self,
        *,
        command: Sequence[str],
        environment: Mapping[str, str] | None,
        log_path: Path | None,
        hello: dict[str, Any],
        watches: Watches,
    ) -> None:
        self.lock = threading.Condition()
        self.process: Process | None = None
        """The one that has said hello; None while there is none."""
        self.closed = False
        self._command = tuple(command)
        self._environment = environment
        self._log_path = log_path
        self._hello = hello
        self._watches = watches
        self._numbers = itertools.count(1)
        self._calls: dict[int, Call] = {}
        self._outbox: deque[Call | bytes] = deque()
        self._writing_to: Process | None = None
        self._deaths: deque[float] = deque(maxlen=_DEATHS_MAX)
        self._threads: list[threading.Thread] = []
        watches.bind(self)

    def ask(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        timeout_seconds: float,
        settled: Callable[[Call], None] | None = None,
        start: bool = True,
    ) -> Call:
        """Queue a question. Without `start` it is cancelled where no process runs. `settled` comes on any thread."""
        call = self._new_call(method, params, timeout_seconds=timeout_seconds, settled=settled)
        if call.done:
            return call
        with self.lock:
            refused = self.closed or (not start and self.process is None)
            if not refused:
                self._calls[call.number] = call
                self._outbox.append(call)
        if refused:
            call.settle(error=_cancelled(call))
        else:
            self.wake()
        return call

    def give_up(self, call: Call) -> None:
        """Settle a call as cancelled, and have the bridge stop working on it."""
        self._drop(call)
        call.settle(error=_cancelled(call))

    def wake(self) -> None:
        """Have the threads look up, which are started with the first thing to do."""
        with self.lock:
            if not self._threads and not self.closed:
                for name, work in (("writer", self._write_all), ("clock", self._keep_time)):
                    thread = threading.Thread(target=work, name=f"overscan-bridge-{name}", daemon=True)
                    self._threads.append(thread)
                    thread.start()
            self.lock.notify_all()

    def close(self, *, timeout_seconds: float) -> None:
        """End the process, cancel what is in flight, and start nothing again."""
        with self.lock:
            self.closed = True
            process, calls = self.process, list(self._calls.values())
            self._calls.clear()
            self._outbox.clear()
            self._watches.close()
            self.lock.notify_all()
        for call in calls:
            call.settle(error=_cancelled(call))
        if process is not None:
            process.end(timeout_seconds=timeout_seconds)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout_seconds)

    def _new_call(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        timeout_seconds: float,
        settled: Callable[[Call], None] | None = None,
    ) -> Call:
        call = Call(self, number=next(self._numbers), method=method, timeout_seconds=timeout_seconds, settled=settled)
        try:
            call.line = encode({"jsonrpc": "2.0", "id": call.number, "method": method, "params": params})
        except BridgeError as error:
            call.settle(error=error)
        call.deadline = time.monotonic() + timeout_seconds
        return call

    # The writer thread.

    def _write_all(self) -> None:
        while True:
            with self.lock:
                while not (self.closed or self._outbox or (self._watches.wanted and self.process is None)):
                    self.lock.wait()
                if self.closed:
                    return
                process = self.process
            if process is None:
                self._start()
                continue
            with self.lock:
                if self.process is not process or not self._outbox:
                    continue
                item = self._outbox.popleft()
                if isinstance(item, Call):
                    if item.done:
                        continue
                    _mark_sent(item, process)
                self._writing_to = process
            delivered = _write(process, item.line if isinstance(item, Call) else item)
            with self.lock:
                self._writing_to = None
                if isinstance(item, Call):
                    item.delivered = delivered
                self.lock.notify_all()

    def _start(self) -> None:
        """Start the process; where that fails, calls fail at once, and watches after some more tries."""
        for pause in (*_START_PAUSES_SECONDS, None):
            try:
                process = self._start_once()
                break
            except BridgeError as error:
                with self.lock:
                    calls = list(self._calls.values())
                    self._calls.clear()
                    self._outbox.clear()
                for call in calls:
                    call.settle(error=error)
                if pause is None or error.code == "PROTOCOL_MISMATCH":
                    self._watches.fail(error.problems)
                    return
                with self.lock:
                    if not self._watches.wanted:
                        return
                    self.lock.wait_for(lambda: self.closed or bool(self._outbox), timeout=pause)
                    if self.closed:
                        return
        with self.lock:
            if not self.closed:
                self.process = process
        if self.closed:
            process.end(timeout_seconds=PING_SECONDS)
            return
        self._watches.attach_all()

    def _start_once(self) -> Process:
        process = Process(
            command=self._command,
            environment=clean_environment(os.environ) if self._environment is None else self._environment,
            log_path=self._log_path,
            on_message=self._receive,
            on_end=self._ended,
        )
        error = self._say_hello(process)
        if error is None:
            return process
        if error.code == "BRIDGE_TIMEOUT":
            error = process.failure(
                "BRIDGE_START_FAILED",
                f"Overscan's helper did not say hello within {START_SECONDS:g} seconds. "
                f"The command is `{' '.join(self._command)}`.",
                "Run this command in a terminal; it should wait for input without printing anything.",
            )
        process.kill()
        raise error

    def _say_hello(self, process: Process) -> BridgeError | None:
        hello = self._new_call("hello", self._hello, timeout_seconds=START_SECONDS)
        with self.lock:
            self._calls[hello.number] = hello
            _mark_sent(hello, process)
            closed = self.closed
            self.lock.notify_all()
        process.listen()  # only now: where it ends at once, this is the question whose answer will not come
        if closed:
            self.give_up(hello)
        else:
            _write(process, hello.line)
        hello.wait()
        spoken = hello.result.get("protocol") if isinstance(hello.result, dict) else None
        if hello.error is not None or spoken == PROTOCOL:
            return hello.error
        return failure(
            "PROTOCOL_MISMATCH",
            f"The plugin speaks protocol {PROTOCOL}, the helper {spoken}: they are of different versions.",
            "Restart the host; if it stays like this, lay the plugin down again with `overscan install`.",
        )

    # The process's reader thread.

    def _receive(self, process: Process, message: dict[str, Any]) -> None:
        if "method" in message:
            params = message.get("params")
            if isinstance(params, dict) and self.process is process:
                self._watches.notified(str(message["method"]), params)
            return
        number = message.get("id")
        with self.lock:
            call = self._calls.get(number) if isinstance(number, int) else None
            if call is None or call.process is not process:
                return
            del self._calls[call.number]
        if "error" in message:
            call.settle(error=error_of(message["error"]))
        else:
            call.settle(message.get("result"))

    def _ended(self, process: Process) -> None:
        """The process is gone: ask again what can be asked again, and tell the rest."""
        with self.lock:
            # The writer may be about to learn that its line reached nobody.
            self.lock.wait_for(lambda: self._writing_to is not process, timeout=PING_SECONDS)
            was_up = self.process is process
            if was_up:
                self.process = None
            hopeless = self._count_death()
            lost, again = [], []
            for call in [call for call in self._calls.values() if call.process is process]:
                call.process = None
                repeatable = call.method in _REPEATABLE or not call.delivered
                if was_up and not hopeless and repeatable and call.sent_times < _SENDS_MAX:
                    again.append(call)
                else:
                    lost.append(call)
                    del self._calls[call.number]
            self._outbox.extendleft(reversed(again))
            watches = self._watches.detach_all() if was_up else []
            if self.closed:
                return
        error = self._obituary(process, was_up=was_up)
        for call in lost:
            call.settle(error=error)
        if hopeless and was_up:
            self._watches.fail(error.problems)
        else:
            self._watches.tell_lost(watches, error.problems)
        self.wake()

    def _count_death(self) -> bool:
        """Note a death; whether there were too many of late, after which the count begins anew."""
        now = time.monotonic()
        self._deaths.append(now)
        hopeless = len(self._deaths) == _DEATHS_MAX and now - self._deaths[0] < _DEATHS_WITHIN_SECONDS
        if hopeless:
            self._deaths.clear()
        return hopeless

    def _obituary(self, process: Process, *, was_up: bool) -> BridgeError:
        how = process.exit_in_words()
        if was_up:
            return process.failure("BRIDGE_ENDED", f"Overscan's helper ended unexpectedly ({how}).", _RESTARTED)
        return process.failure(
            "BRIDGE_START_FAILED",
            f"Overscan's helper ended before it said hello ({how}). The command is `{' '.join(self._command)}`.",
            "Run this command in a terminal to see why; lay the plugin down again with `overscan install`.",
        )

    # The clock's thread.

    def _keep_time(self) -> None:
        while True:
            with self.lock:
                if self.closed:
                    return
                now = time.monotonic()
                late = [call for call in self._calls.values() if call.deadline <= now]
                if not late:
                    nearest = min((call.deadline for call in self._calls.values()), default=None)
                    self.lock.wait(None if nearest is None else nearest - now)
            for call in late:
                self._too_late(call)

    def _too_late(self, call: Call) -> None:
        process, sent_at = call.process, call.sent_at
        self._drop(call)
        call.settle(error=_timeout(call))
        if call.method == "ping" and process is not None:
            process.kill()
        elif process is not None and process.heard_at < sent_at and call.method != "hello":
            # It has said nothing since: is it at work, or does it stand still?
            self.ask("ping", {}, timeout_seconds=PING_SECONDS, start=False)

    def _drop(self, call: Call) -> None:
        """Forget a call, and have the bridge stop working on it."""
        with self.lock:
            known = self._calls.pop(call.number, None)
            if known is not None and call.process is not None and call.process is self.process:
                self._outbox.append(encode({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": call.number}}))
            self.lock.notify_all()


def _mark_sent(call: Call, process: Process) -> None:
    call.process = process
    call.sent_times += 1
    call.sent_at = time.monotonic()
    call.delivered = True


def _write(process: Process, line: bytes) -> bool:
    """Whether the process may have read the line: one that listens no longer has not."""
    try:
        process.send(line)
    except (OSError, ValueError):
        process.kill()  # its end, which the reader sees, settles what was sent to it
        return False
    return True


def _cancelled(call: Call) -> BridgeError:
    return failure("CANCELLED", f"{call.method} was cancelled.")


def _timeout(call: Call) -> BridgeError:
    return failure(
        "BRIDGE_TIMEOUT",
        f"Overscan did not answer {call.method} within {call.timeout_seconds:g} seconds.",
        "Try again; slow network drives may need longer. If it stays like this, run `overscan doctor`.",
    )
