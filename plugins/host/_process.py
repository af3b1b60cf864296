"""The bridge's process: start it, write to it, read from it, end it, and say how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO, Any, Callable, Mapping, Sequence

from overscan_host._errors import BridgeError, failure
from overscan_host._wire import LINE_BYTES_MAX, decode

_LOG_BYTES_MAX = 1 << 20
_LOG_LINES_SHOWN = 12
_LOG_BYTES_SHOWN = 4096
_STRAY_LINES_KEPT = 5
_EXIT_SECONDS = 2.0


class Process:
    """A running bridge. `on_message` and `on_end` are called on its reader thread, `on_end` once, as the last.

    Neither is called before `listen`.
    """

    def __init__(
        self,
        *,
        command: Sequence[str],
        environment: Mapping[str, str],
        log_path: Path | None,
        on_message: Callable[[Process, dict[str, Any]], None],
        on_end: Callable[[Process], None],
    ) -> None:
        """Raises `BridgeError` where the command cannot be started."""
        self.command = tuple(command)
        self.heard_at = time.monotonic()
        """When it last said anything (monotonic seconds)."""
        self._on_message = on_message
        self._on_end = on_end
        self._writing = threading.Lock()
        self._stray: deque[str] = deque(maxlen=_STRAY_LINES_KEPT)
        self._log = _open_log(log_path)
        self._log_begin = self._log.seek(0, os.SEEK_END)
        try:
            self._process = _start(self.command, environment, self._log)
        except (OSError, ValueError) as error:
            self._log.close()
            why = getattr(error, "strerror", None) or str(error)
            raise failure(
                "BRIDGE_START_FAILED",
                f"Overscan's helper could not be started: {why}. The command is `{' '.join(self.command)}`.",
                "Check that Overscan is still installed there; lay the plugin down again with `overscan install`, or "
                "set OVERSCAN_COMMAND.",
                path=self.command[0] if self.command else "",
            ) from error
        self._reader = threading.Thread(target=self._read, name="overscan-bridge-reader", daemon=True)

    def listen(self) -> None:
        """Have it heard, and its end noticed, from now on. Call it once."""
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, line: bytes) -> None:
        """Write a line. Raises OSError or ValueError where the process no longer listens."""
        assert self._process.stdin is not None
        with self._writing:
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def kill(self) -> None:
        """End it at once; `on_end` follows."""
        with contextlib.suppress(OSError):
            if sys.platform != "win32" and self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)  # a wrapper script's child as well
            else:
                self._process.kill()

    def end(self, *, timeout_seconds: float) -> None:
        """Have it end by closing its input; kill it where it has not within `timeout_seconds`."""
        if self._writing.acquire(timeout=timeout_seconds):
            try:
                self._close_input()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=timeout_seconds)
            finally:
                self._writing.release()
        self.kill()
        self._reader.join(_EXIT_SECONDS)

    def exit_in_words(self) -> str:
        """How it ended, e.g. ``exit code 1`` or ``SIGKILL``."""
        code = self._process.poll()
        if code is None:
            return "it closed its output"
        if code >= 0:
            return f"exit code {code}"
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"

    def last_words(self) -> str:
        """The end of its log, and what it printed that was no message, indented; empty where it said nothing."""
        lines: list[str] = []
        with contextlib.suppress(OSError, ValueError), Path(self._log.name).open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(self._log_begin, end - _LOG_BYTES_SHOWN))
            lines = stream.read().decode("utf-8", "replace").strip().splitlines()[-_LOG_LINES_SHOWN:]
        return "\n".join(f"    {line}" for line in (*self._stray, *lines))

    @property
    def log_path(self) -> str:
        """Where its log is."""
        return str(self._log.name)

    def failure(self, code: str, what: str, next_step: str) -> BridgeError:
        """An error about it, with its last words."""
        said = self.last_words()
        ending = f" The end of its log:\n{said}" if said else " It said nothing."
        return failure(code, f"{what}{ending}", next_step, path=self.log_path)

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while True:
                line = self._process.stdout.readline(LINE_BYTES_MAX + 1)
                if not line:
                    break
                self.heard_at = time.monotonic()
                message = decode(line)
                if message is not None:
                    self._on_message(self, message)
                elif line.strip():
                    self._stray.append(line[:200].decode("utf-8", "replace").strip())
        except (OSError, ValueError):
            pass
        self._reap()
        self._on_end(self)
        self._log.close()

    def _reap(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_EXIT_SECONDS)
        if self._process.poll() is None:  # it closed its output and stays: nothing can come of it
            self.kill()
            self._process.wait()
        with self._writing:
            self._close_input()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # what it did not read any more
            self._process.stdin.close()


def _start(command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    if not command:
        raise ValueError("there is no command")
    # Not the current folder: `python -m` would import from it, and the bridge would keep it busy.
    folder = os.path.dirname(command[0]) if os.path.isabs(command[0]) else ""  # noqa: PTH117, PTH120
    kept: dict[str, Any] = {"start_new_session": True}  # Ctrl-C in the host's terminal is the host's to handle
    if sys.platform == "win32":
        kept = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return subprocess.Popen(
        list(command),
        cwd=folder if os.path.isdir(folder) else None,  # noqa: PTH112
        env={**environment, "PYTHONSAFEPATH": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        **kept,
    )


def _open_log(path: Path | None) -> Any:
    if path is not None:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):  # no log yet, or Windows, where another bridge still writes to it
                if path.stat().st_size > _LOG_BYTES_MAX:
                    path.replace(path.with_name(path.name + ".1"))
            return path.open("ab")
    return tempfile.NamedTemporaryFile(prefix="overscan-bridge-", suffix=".log")
