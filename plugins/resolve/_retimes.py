"""How clips are retimed, which Resolve's API does not say: read from the timeline exported as OpenTimelineIO."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Mapping

from overscan_resolve._asking import ask, number, text
from overscan_resolve._timecode import rate_from


@dataclass(frozen=True)
class Retime:
    """What the export says of one clip."""

    kind: str
    """``none``, ``linear``, ``freeze`` or ``variable``."""
    speed: Fraction = Fraction(1)
    """For ``linear``; negative runs backwards."""


def retimes_of(resolve: Any, timeline: Any) -> dict[tuple[int, int], Retime]:
    """Retimes by video track (from 1) and first record frame of the clip; empty where Resolve exports nothing.

    A clip that the export does not have where Resolve says it stands is left out: nothing is known of it then.
    """
    plain = _exported(resolve, timeline)
    start, rate = number(timeline, "GetStartFrame"), text(timeline, "GetSetting", "timelineFrameRate")
    tracks = [track for track in _children(plain.get("tracks")) if track.get("kind") == "Video"]
    found: dict[tuple[int, int], Retime] = {}
    if start is None or not tracks:
        return found
    for index, track in enumerate(tracks, start=1):
        seconds = Fraction(0)
        for child in _children(track):
            schema = _schema(child)
            if schema == "Transition":
                continue
            if schema != "Gap":
                found[index, start + _frames(seconds, rate)] = _retime(child)
            seconds += _seconds(child)
    return found


def _frames(seconds: Fraction, rate: str) -> int:
    return int(seconds * rate_from(rate).exact + Fraction(1, 2))


def _seconds(child: Mapping[str, Any]) -> Fraction:
    span = child.get("source_range")
    duration = span.get("duration") if isinstance(span, dict) else None
    if not isinstance(duration, dict) or not duration.get("rate"):
        return Fraction(0)
    return Fraction(duration.get("value", 0)) / rate_from(duration["rate"]).exact


def _exported(resolve: Any, timeline: Any) -> dict[str, Any]:
    kind, subtype = getattr(resolve, "EXPORT_OTIO", None), getattr(resolve, "EXPORT_NONE", None)
    if kind is None:
        return {}
    with tempfile.TemporaryDirectory(prefix="overscan-resolve-") as folder:
        path = Path(folder) / "timeline.otio"
        if not ask(timeline, "Export", str(path), kind, subtype):
            return {}
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
    return plain if isinstance(plain, dict) else {}


def _retime(clip: Mapping[str, Any]) -> Retime:
    effects = clip.get("effects")
    warps = [effect for effect in effects if isinstance(effect, dict)] if isinstance(effects, list) else []
    speed, kind = Fraction(1), "none"
    for warp in warps:
        schema = _schema(warp)
        if schema == "FreezeFrame":
            return Retime("freeze", Fraction(0))
        if schema == "LinearTimeWarp":
            scalar = warp.get("time_scalar")
            if not isinstance(scalar, (int, float)):
                return Retime("variable")
            speed *= _speed(scalar)
            kind = "freeze" if speed == 0 else "linear"
        elif schema == "TimeEffect":
            return Retime("variable")
    return Retime("none") if speed == 1 and kind == "linear" else Retime(kind, speed)


def _speed(scalar: float) -> Fraction:
    """The fraction that is meant: 33.33 % is written as 0.3333, a third as 0.333333333."""
    short = Fraction(scalar).limit_denominator(10000)
    return short if abs(short - Fraction(scalar)) < Fraction(1, 10**7) else Fraction(scalar)


def _schema(plain: Mapping[str, Any]) -> str:
    return str(plain.get("OTIO_SCHEMA", "")).split(".")[0]


def _children(plain: Any) -> list[dict[str, Any]]:
    children = plain.get("children") if isinstance(plain, dict) else None
    return [child for child in children if isinstance(child, dict)] if isinstance(children, list) else []
