"""Tracked points of a Tracker node, read frame by frame.

The knob ``tracks`` is a table: its text begins with the names of the columns, and one number of it is asked for as
``row * columns + column``. That is how Nuke's own scripts read it; it has 31 columns from Nuke 8 to 16, but they are
looked up by their names all the same.
"""

from __future__ import annotations

import re
from typing import Any, Generator

from overscan_nuke import _knobs
from overscan_nuke._refusals import refuse


def tracker_node(node: Any) -> Any:
    """The tracker named by the knob; None for none."""
    name = _knobs.text(node, "trackers")
    if not name:
        return None
    found: Any = _knobs.named_node(node, name)
    if found is None or "tracks" not in found.knobs():
        what = f"There is no node called {name}" if found is None else f"{name} is no Tracker"
        raise refuse(
            "INVALID_JOB", f"{what} for the tracked points.", "Correct the name, or clear it.", field="trackers"
        )
    return found


def tracked_points(
    tracker: Any, *, frames: list[int], offset: int, height: int
) -> Generator[None, None, list[dict[str, Any]]]:
    """The job's trajectories, from the keys of each track; yields between frames.

    Nuke counts y up from the lower edge of a format of `height` rows with sample centres at halves; a job counts it
    down with sample centres at whole numbers.
    """
    knob: Any = tracker["tracks"]
    columns, tracks = table_layout(knob.toScript())
    if not {"track_x", "track_y"} <= set(columns) or not tracks:
        raise refuse(
            "INVALID_JOB", f"{tracker.name()} has no tracks that can be read.",
            "Add and track points, or clear the name.", field="trackers",
        )  # fmt: skip
    count = len(columns)
    points: list[list[dict[str, Any]]] = [[] for _ in tracks]
    for frame in frames:
        for row, (_, limits) in enumerate(tracks):
            if limits is None or not limits[0] <= frame <= limits[1]:
                continue
            if "e" in columns and not knob.getValueAt(frame, row * count + columns.index("e")):
                continue
            x = float(knob.getValueAt(frame, row * count + columns.index("track_x")))
            y = float(knob.getValueAt(frame, row * count + columns.index("track_y")))
            points[row].append({"frame": frame - offset, "position": {"x": x - 0.5, "y": height - 0.5 - y}})
        yield
    found = [{"name": name, "points": track} for (name, _), track in zip(tracks, points) if len(track) > 1]
    if not found:
        raise refuse(
            "INVALID_JOB", f"No point of {tracker.name()} is tracked over any two frames of the plate.",
            "Track points over these frames, or clear the name.", field="trackers",
        )  # fmt: skip
    return found


def table_layout(text: str) -> tuple[list[str], list[tuple[str, tuple[int, int] | None]]]:
    """Names of the columns in the text of the knob, and for each track its name and the frames it is keyed between.

    Tracks without keys, which nobody has tracked, have None there.
    """
    head = re.search(r"\{\s*\d+\s+(\d+)\s+\d+\s*\}", text)
    if head is None:
        return [], []
    columns = re.findall(r"\{\s*\d+\s+\d+\s+\d+\s+(?:\"[^\"]*\"|\{[^{}]*\}|\S+)\s+(\S+)\s+\d+\s*\}", text)
    rows = re.findall(r"\{\s*\{curve[^{}]*\}\s+(?:\"([^\"]*)\"|\{([^{}]*)\}|(\w+))\s+(\{[^{}]*\}|\S+)", text)
    tracks = [(quoted or braced or bare, _keyed_range(curve)) for quoted, braced, bare, curve in rows]
    return columns[: int(head[1])], tracks


def _keyed_range(curve: str) -> tuple[int, int] | None:
    """First and last key of a curve's text: ``x1001`` says where the next value stands, the others follow."""
    frames = []
    frame: int | None = None
    for word in curve.strip("{} ").split():
        if re.fullmatch(r"x-?\d+", word):
            frame = int(word[1:])
        elif frame is not None and re.fullmatch(r"[-+.\deE]+", word):
            frames.append(frame)
            frame += 1
    return (frames[0], frames[-1]) if frames else None
