"""Timeline.Export: OTIO in the shape that Resolve writes, and EDL with its speeds.

Shape by samuelgursky/davinci-resolve-mcp (api_truth.py: "ImportTimelineFromFile (.otio document shape)", "Clip speed",
"EXPORT_EDL", "EXPORT_OTIO (drops timeline markers)") and by exports in public repositories: Clip.2 with a map of
references, source frames that include the media's timecode, durations in record frames, a LinearTimeWarp or FreezeFrame
for a constant speed, a Stack for a compound, no markers.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from . import _time
from ._model import Item, Timeline
from ._session import current
from ._types import CONSTANTS


def export(timeline: Timeline, path: str, kind: Any) -> bool:
    """Write the file; False for what the double does not write, or cannot."""
    if kind == CONSTANTS["EXPORT_OTIO"] and current().options.export_otio:
        text = json.dumps(_otio(timeline), indent=4)
    elif kind == CONSTANTS["EXPORT_EDL"]:
        text = _edl(timeline)
    else:
        return False
    try:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError:
        return False
    return True


def _time_of(value: Fraction | float, rate: Fraction) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(rate), "value": float(value)}


def _range(start: Fraction | float, duration: Fraction | float, rate: Fraction) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "TimeRange.1", "duration": _time_of(duration, rate), "start_time": _time_of(start, rate)}


def _effects(item: Item) -> list[dict[str, Any]]:
    plain = {"metadata": {"Resolve_OTIO": {}}, "name": "", "effect_name": "Resolve Effect"}
    if item.ramp is not None:
        keys = {"Effect Name": "Time Warp", "Parameters": [{"Parameter ID": "timeWarp", "Key Frames": {}}]}
        return [{**plain, "OTIO_SCHEMA": "TimeEffect.1", "metadata": {"Resolve_OTIO": keys}}]
    if item.speed == 0:
        return [{**plain, "OTIO_SCHEMA": "FreezeFrame.1", "time_scalar": 0.0}]
    if item.speed != 1:
        return [{**plain, "OTIO_SCHEMA": "LinearTimeWarp.1", "time_scalar": float(item.speed)}]
    return []


def _clip(item: Item) -> dict[str, Any]:
    media, rate = item.media, item.track.timeline.rate
    common = {
        "metadata": {"Resolve_OTIO": {}},
        "name": item.name,
        "effects": _effects(item),
        "markers": [],
        "enabled": item.enabled,
    }
    if media is not None and media.timeline is not None and media.kind != "timeline":
        inner = _stack(media.timeline)
        return {**inner, **common, "source_range": _range(item.source_in, item.duration, rate)}
    reference: dict[str, Any] | None = None
    start: Fraction | float = Fraction(0)
    if media is not None:
        start = item.source_in + media.start
        reference = {
            "OTIO_SCHEMA": "ExternalReference.1",
            "metadata": {},
            "name": media.name,
            "available_image_bounds": None,
            "available_range": _range(media.start, media.length, media.rate),
            "target_url": media.path,
        }
        span = _range(start, item.duration * media.rate / rate, media.rate)
    else:
        span = _range(0, item.duration, rate)
    return {
        "OTIO_SCHEMA": "Clip.2",
        **common,
        "source_range": span,
        "media_references": {"DEFAULT_MEDIA": reference},
        "active_media_reference_key": "DEFAULT_MEDIA",
    }


def _stack(timeline: Timeline) -> dict[str, Any]:
    tracks = []
    for kind, word in (("video", "Video"), ("audio", "Audio")):
        for track in timeline.tracks[kind]:
            children: list[dict[str, Any]] = []
            at = timeline.start
            for item in (held for held in track.items if held.kind != "transition"):
                if item.start > at:
                    gap = {
                        "OTIO_SCHEMA": "Gap.1",
                        "metadata": {},
                        "name": "",
                        "effects": [],
                        "markers": [],
                        "enabled": True,
                    }
                    children.append({**gap, "source_range": _range(0, item.start - at, timeline.rate)})
                children.append(_clip(item))
                at = item.end
            tracks.append(
                {
                    "OTIO_SCHEMA": "Track.1",
                    "metadata": {"Resolve_OTIO": {"Locked": track.locked}},
                    "name": track.name,
                    "source_range": None,
                    "effects": [],
                    "markers": [],
                    "enabled": track.enabled,
                    "children": children,
                    "kind": word,
                }
            )
    return {
        "OTIO_SCHEMA": "Stack.1",
        "metadata": {},
        "name": "",
        "source_range": None,
        "effects": [],
        "markers": [],
        "enabled": True,
        "children": tracks,
    }


def _otio(timeline: Timeline) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": "Timeline.1",
        "metadata": {"Resolve_OTIO": {"Resolve OTIO Meta Version": "1.0"}},
        "name": timeline.name,
        "global_start_time": _time_of(timeline.start, timeline.rate),
        "tracks": _stack(timeline),
    }


def _edl(timeline: Timeline) -> str:
    lines = [f"TITLE: {timeline.name}", "FCM: " + ("DROP FRAME" if timeline.drop else "NON-DROP FRAME"), ""]
    number = 0
    for item in timeline.items():
        if item.media is None or item.kind == "transition":
            continue
        number += 1
        media = item.media
        source = int(item.source_in) + media.start
        times = [(source, media.rate, media.drop), (source + item.duration, media.rate, media.drop)]
        times += [(item.start, timeline.rate, timeline.drop), (item.end, timeline.rate, timeline.drop)]
        written = " ".join(_time.timecode(*each) for each in times)
        lines.append(f"{number:03d}  AX       V     C        {written}")
        if item.speed != 1 or item.ramp is not None:
            speed = item.ramp[0][1] if item.ramp else item.speed
            lines.append(
                f"M2   AX       {float(_time.nominal(media.rate) * speed):05.1f}                {written.split()[0]}"
            )
        lines += [f"* FROM CLIP NAME: {item.name}", ""]
    return "\n".join(lines) + "\n"
