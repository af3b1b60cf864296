"""Overscan in DaVinci Resolve: clean-ups and extensions of clips, back as takes. Nothing but the standard library.

    project = resolve.GetProjectManager().GetCurrentProject()
    timeline = project.GetCurrentTimeline()
    session = Session(resolve)
    track, item = chosen(timeline, Choice())[0]                            # the clip under the playhead
    clip = read_clip(timeline, item, track=track, retime=retimes_of(resolve, timeline).get((track, item.GetStart())))
    record = run_through(generate_steps(resolve, timeline, clip, Wish("inpaint")), bridge=session.bridge)
    …                                                                      # Follower(session.bridge, record, …)
    bring_back(resolve, record)

Resolve's API is called from one thread: where a window lives, steps run in an `overscan_host.Task`. Whatever happens,
render settings, page, timeline, bin, playhead and tracks are afterwards as before (`kept`). Python 3.7 to 3.14.
"""

from __future__ import annotations

from overscan_resolve._choose import Choice, chosen, timeline_named
from overscan_resolve._clip import Clip, Media, read_clip
from overscan_resolve._connect import connect
from overscan_resolve._record import NAME as RECORD_NAME
from overscan_resolve._record import Record, load
from overscan_resolve._restore import Kept, current_project, kept
from overscan_resolve._retimes import Retime, retimes_of
from overscan_resolve._return import bring_back
from overscan_resolve._run import Follower, Planned, cancel_steps, generate_steps, plan_steps, retry_steps
from overscan_resolve._session import Session
from overscan_resolve._timecode import Rate, frames_of, rate_from, timecode_of
from overscan_resolve._wish import Wish
from overscan_resolve._words import error_words, record_words

__all__ = [
    "RECORD_NAME",
    "Choice",
    "Clip",
    "Follower",
    "Kept",
    "Media",
    "Planned",
    "Rate",
    "Record",
    "Retime",
    "Session",
    "Wish",
    "bring_back",
    "cancel_steps",
    "chosen",
    "connect",
    "current_project",
    "error_words",
    "frames_of",
    "generate_steps",
    "kept",
    "load",
    "plan_steps",
    "rate_from",
    "read_clip",
    "record_words",
    "retimes_of",
    "retry_steps",
    "timecode_of",
    "timeline_named",
]
