"""The half of Overscan that runs inside a host: it starts the bridge and talks to it. Standard library only.

    queue = CallbackQueue(wake=lambda: nuke.executeInMainThread(queue.drain))
    found = installation()
    bridge = Bridge(
        command=found.command, host="nuke", host_version="15.1v3", plugin_version=found.version, queue=queue
    )
    bridge.call("job.plan", {"job": job}, on_result=show, on_error=lambda error: say(error.message, error.next_step))

Nothing here blocks the host's main thread, but `Bridge.request`, which is for batch and for threads of your own, and
`Bridge.close`. Every callback runs on the main thread, through the `CallbackQueue`. Python 3.7 to 3.14.
"""

from __future__ import annotations

from overscan_host._bridge import Bridge
from overscan_host._calls import Call, Watch
from overscan_host._digest import digest, stable_text
from overscan_host._environment import clean_environment
from overscan_host._errors import BridgeError, Problem
from overscan_host._exchange import PROTOCOL
from overscan_host._frames import frames_from_text, frames_to_text
from overscan_host._installation import Installation, installation
from overscan_host._jobs import build_job
from overscan_host._queue import CallbackQueue
from overscan_host._refusals import RefusalError, StoppedError, refuse
from overscan_host._steps import Ask, Steps, Task, Work, run_through
from overscan_host._versions import (
    Place,
    at_version,
    give_back_version,
    reserve_version,
    version_number,
    version_text,
)

__all__ = [
    "PROTOCOL",
    "Ask",
    "Bridge",
    "BridgeError",
    "Call",
    "CallbackQueue",
    "Installation",
    "Place",
    "Problem",
    "RefusalError",
    "Steps",
    "StoppedError",
    "Task",
    "Watch",
    "Work",
    "at_version",
    "build_job",
    "clean_environment",
    "digest",
    "frames_from_text",
    "frames_to_text",
    "give_back_version",
    "installation",
    "refuse",
    "reserve_version",
    "run_through",
    "stable_text",
    "version_number",
    "version_text",
]
