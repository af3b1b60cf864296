"""A bridge that behaves as its arguments say, to see what the host's half makes of it. Standard library, Python 3.7.

Usage: fake_bridge.py NOTES [MODE]. It notes in the file NOTES what happens to it, one JSON object a line. Events of
jobs are made up from their number, so that it gives the same ones in every life.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

NOTES = sys.argv[1]
MODE = sys.argv[2] if len(sys.argv) > 2 else ""
LAST_EVENT = 60
_WRITING = threading.Lock()


def note(**facts: object) -> None:
    with open(NOTES, "a", encoding="utf-8") as stream:  # noqa: PTH123
        stream.write(json.dumps({"pid": os.getpid(), **facts}) + "\n")


def earlier(method: str) -> int:
    with open(NOTES, encoding="utf-8") as stream:  # noqa: PTH123
        return sum(json.loads(line).get("method") == method for line in stream)


def send(**message: object) -> None:
    with _WRITING:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def problem(code: str) -> dict:
    facts = {"code": code, "message": "It is broken.", "next_step": "Mend it.", "frame": 7}
    return {"code": -32000, "message": "It is broken.", "data": {"problems": [facts]}}


def event(number: int) -> dict:
    """Every tenth is a frame, every fifteenth a preview, the rest progress; the last is the job's end."""
    facts: dict = {"job_id": "j", "number": number}
    if number == LAST_EVENT:
        facts["state_changed"] = {"state": "succeeded"}
    elif number % 10 == 0:
        facts["frame_finished"] = {"frame": 1000 + number // 10}
    elif number % 15 == 0:
        facts["preview"] = {"frame": number, "media_type": "image/jpeg", "data": "AAAA"}
    else:
        facts["step_progress"] = {"job": number / LAST_EVENT}
    return facts


def watch(number: int, after: int, job_id: str) -> None:
    for step in range(after + 1, LAST_EVENT + 1):
        send(method="job.event", params={"watch": number, "event": event(step)})
        if job_id == "repeats":
            send(method="job.event", params={"watch": number, "event": event(step)})
        if job_id == "dies" and step in (25, 45) and after < step:
            os._exit(9)
        if job_id == "hangs" and step == 20:
            return
    send(method="job.watch_state", params={"watch": number, "state": "ended"})


def answer(message: dict) -> None:
    method, params, identity = message["method"], message.get("params", {}), message.get("id")
    note(method=method, params=params if len(str(params)) < 1000 else "long")
    if method == "hello":
        if MODE == "mismatch":
            send(id=identity, error=problem("PROTOCOL_MISMATCH"))
        else:
            send(id=identity, result={"protocol": 2 if MODE == "newer" else 1})
    elif method == "ping":
        send(id=identity, result={})
    elif method == "echo":
        send(id=identity, result=params)
    elif method == "fail":
        send(id=identity, error=problem("MISSING_FRAMES"))
    elif method == "odd":
        send(id=identity, error={"code": 1})
    elif method == "environment":
        send(id=identity, result=dict(os.environ))
    elif method in ("job.cancel", "engine.list") and earlier(method) == 1:
        sys.stderr.write("this is the end of the log\n")
        sys.stderr.flush()
        os._exit(7)
    elif method == "job.plan":
        os._exit(8)
    elif method == "job.watch" and MODE == "cruel":
        os._exit(9)
    elif method == "job.watch" and params["job_id"] == "unknown":
        send(id=identity, error=problem("UNKNOWN_JOB"))
    elif method == "job.watch":
        send(id=identity, result={"watch": 5})
        threading.Thread(target=watch, args=(5, params["after_number"], params["job_id"])).start()
    elif method == "freeze":
        os.kill(os.getpid(), 19)  # SIGSTOP: it stands still, pings included
    elif method != "silence" and identity is not None:
        send(id=identity, result={"method": method})


def main() -> None:
    note(started=True)
    if MODE == "crash":
        sys.stderr.write("Traceback\nImportError: no module named grpc\n")
        sys.exit(3)
    if MODE == "mute":
        time.sleep(60)
    if MODE == "garbage":
        sys.stdout.write("Welcome to the studio's Python!\n{broken\n[1, 2]\n\n")
        sys.stdout.buffer.write(b"\xff\xfe\n")
        sys.stdout.flush()
    if MODE == "deaf":  # never reads: what is sent to it fills the pipe
        time.sleep(60)
    for line in sys.stdin:
        answer(json.loads(line))
    note(ended=True)


main()
