"""What is known of a run, kept beside its frames: so a result can be brought in whatever has happened meanwhile."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Mapping

from overscan_host import refuse

NAME = "overscan_resolve.json"
_SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """One run on one clip."""

    job_id: str
    version: str
    """``v001``."""
    path: str
    """Pattern of the result's files."""
    shot: str
    task: str
    pixels: str
    place: str
    """``take``, ``track`` or ``matte``: where it is to go."""
    project_id: str
    project_name: str
    timeline_id: str
    timeline_name: str
    item_id: str
    item_name: str
    track: int
    record_start: int
    record_end: int
    timeline_rate: str
    """As `overscan_resolve._timecode.rate_from` reads it, like all rates here."""
    clip_rate: str
    speed: str
    """A fraction; negative runs backwards."""
    plate_path: str
    plate_first: int
    plate_last: int
    begins: int
    """Number of the file that one end of the clip (the lower source frame) is in."""
    source_start: int
    """The lower source frame."""
    count: int
    """Files from there to the other end."""
    media_id: str = ""
    media_name: str = ""
    media_first: int = 0
    media_start_timecode: str = ""
    carried: Mapping[str, str] = field(default_factory=dict)
    """Clip properties that decide how the media looks."""
    frames: str = ""
    """Numbers of the result's files, e.g. ``1001-1100``."""
    state: str = "queued"
    """The job's; ``placed`` once the result is where it belongs, ``imported`` in the bin alone."""
    placed: Mapping[str, Any] = field(default_factory=dict)
    """What came to be where: `as`, `item_id`, `track`, `notes`."""

    @property
    def folder(self) -> Path:
        """The version's own."""
        return Path(self.path).parent

    @property
    def straight(self) -> bool:
        """Whether a record frame is a source frame, played forwards."""
        return self.pixels == "graded" or (self.speed == "1" and self.clip_rate == self.timeline_rate)


def save(record: Record) -> None:
    """Write it beside the frames, whole or not at all. Raises OSError."""
    path = record.folder / NAME
    beside = path.with_name(f".{NAME}.{os.getpid()}")
    plain = {"schema": _SCHEMA, **asdict(record)}
    beside.write_text(json.dumps(plain, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(str(beside), str(path))  # noqa: PTH105


def load(path: str | os.PathLike[str]) -> Record:
    """Read it from a version's folder, or its own path. Raises `RefusalError`."""
    place = Path(path)
    place = place / NAME if place.is_dir() else place
    try:
        plain = json.loads(place.read_text(encoding="utf-8"))
        if not isinstance(plain, dict) or plain.pop("schema", None) != _SCHEMA:
            raise ValueError("it is of another version of Overscan")
        known = {key: plain[key] for key in Record.__dataclass_fields__ if key in plain}
        return replace(Record(**known), path=str(known["path"]))
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise refuse("USAGE", f"{place} is no record of a run in Resolve: {problem}.",
                     "Name the folder of a version, which holds its frames.", path=str(place)) from problem  # fmt: skip
