"""One job as JSON from the input; a JSON line for every file written, and one at the end."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from .canvas import picture
from .files import write
from .graph import flow


def say(**words: Any) -> None:
    """A line."""
    print(json.dumps(words), flush=True)


def main() -> None:
    """Write the files."""
    order = json.load(sys.stdin)
    stop = order.get("stop") or {}
    rate = order.get("rate", [24, 1])
    for number, frame in enumerate(order["frames"]):
        if stop and number >= stop["after"]:
            if stop["kind"] == "hang":
                time.sleep(600)
            say(
                status="Cancelled" if stop["kind"] == "cancel" else "Failed",
                error="Render Job failed: the GPU ran out of memory",
            )
            return
        if "node" in frame:
            if frame["make"]:
                os.makedirs(os.path.dirname(frame["file"]), exist_ok=True)
            write(frame["file"], flow(frame["node"]), {**order, **frame, "straight": True}, timecode=None, rate=rate)
        elif frame["file"].endswith((".mov", ".mp4")) or not order.get("video", True):
            with open(frame["file"], "wb") as stream:
                stream.write(b"no pictures: sound or a movie of the double's")
        else:
            pixels = picture(frame["canvas"], tuple(order["size"]))
            timecode = (order.get("timecode") or [None] * (number + 1))[number]
            write(frame["file"], pixels, order, timecode=timecode, rate=rate)
        say(file=frame["file"])
        time.sleep(order.get("pause", 0.0))
    say(status="Complete")


if __name__ == "__main__":
    try:
        main()
    except Exception as problem:
        say(status="Failed", error=f"the double's picture process: {type(problem).__name__}: {problem}")
        raise
