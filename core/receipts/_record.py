"""What a receipt says of one frame, taken from its file while that is still at hand, and kept until the job ends."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from overscan.core.errors import UnreadableImageError
from overscan.core.jobs import ExtrasMode, Job
from overscan.core.plates import PartHeader, read_frame, read_header, sha256_of
from overscan.core.receipts._document import FrameFacts, InputFile, PartFacts, Shares, content_digest, to_plain
from overscan.core.results import EXTRA_CHANNELS, extras_pattern
from overscan.core.results._digests import UNSURE, digests, facts_in
from overscan.core.results._digests import shares as shares_of
from overscan.core.temporaries import written_beside

RECORDS = "receipt"
"""Folder of a job's work folder that holds the records of its frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFiles:
    """The files of one frame of a result."""

    frame: int
    """Its number in the result."""
    path: Path
    extras: Path | None
    """The sidecar with its extra layers, where it has one."""

    @classmethod
    def of(cls, *, frame: int, path: Path, job: Job) -> FrameFiles:
        """The files of the frame at `path` of `job`; a sidecar that an older job left there is none of them."""
        sidecar = Path(extras_pattern(str(path))) if job.output.extras is ExtrasMode.SIDECAR else None
        return cls(frame=frame, path=path, extras=sidecar if sidecar is not None and sidecar.exists() else None)


def record(files: FrameFiles, *, plate_frame: int | None, leaves_empty: bool) -> FrameFacts:
    """What a receipt says of a frame; reads its bytes once, and its samples only where its header has no digests.

    `leaves_empty` says that what was filled without knowing was left empty instead. Raises the errors of reading.
    """
    headers = read_header(files.path)
    parts, shares = _from_headers(headers)
    if parts is None:
        parts, found = _from_samples(files)
        shares = shares or found
    if shares is None and files.extras is not None:
        _, shares = _from_headers(read_header(files.extras))
    return FrameFacts(
        frame=files.frame,
        plate_frame=plate_frame,
        path=files.path.name,
        bytes=files.path.stat().st_size,
        sha256=sha256_of(files.path),
        pixels_sha256=pixels_digest(parts),
        parts=parts,
        shares=None if shares is None else _resolved(shares, leaves_empty=leaves_empty),
        extras=None
        if files.extras is None
        else InputFile(frame=files.frame, path=files.extras.name, sha256=sha256_of(files.extras)),
    )


def pixels_digest(parts: tuple[PartFacts, ...]) -> str:
    """The digest of what a frame's parts hold."""
    return content_digest(to_plain(parts))


def keep(facts: FrameFacts, files: FrameFiles, *, work_folder: Path) -> None:
    """Keep the record of a frame until the job ends. Where the work folder is gone, the next step says so."""
    if not work_folder.is_dir():
        return
    whole = {"files": _stamps(files), "facts": to_plain(facts)}
    with written_beside(work_folder / RECORDS / f"{files.frame}.json") as temporary:
        temporary.write_text(json.dumps(whole), encoding="utf-8")


def kept(files: FrameFiles, *, work_folder: Path) -> FrameFacts | None:
    """The record of a frame; None where there is none, or where its files have changed since."""
    try:
        whole = json.loads((work_folder / RECORDS / f"{files.frame}.json").read_text(encoding="utf-8"))
        if whole["files"] != _stamps(files):
            return None
        facts = whole["facts"]
        shares, extras = facts["shares"], facts["extras"]
        return FrameFacts(
            **facts
            | {
                "parts": tuple(PartFacts(**part | {"window": tuple(part["window"])}) for part in facts["parts"]),
                "shares": None if shares is None else Shares(**shares),
                "extras": None if extras is None else InputFile(**extras),
            }
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _stamps(files: FrameFiles) -> list[list[str | int]]:
    found: list[list[str | int]] = []
    for path in (files.path, *([files.extras] if files.extras else [])):
        status = path.stat()
        found.append([str(path), status.st_size, status.st_mtime_ns])
    return found


def _from_headers(headers: tuple[PartHeader, ...]) -> tuple[tuple[PartFacts, ...] | None, dict[str, float] | None]:
    """What the writer left in the headers: all parts or none, and the shares."""
    parts, shares, complete = [], None, True
    for header in headers:
        channels, own_shares = facts_in(header)
        shares = shares or own_shares
        names = {channel.name for channel in header.channels} - set(EXTRA_CHANNELS)
        if not names:
            continue
        complete = complete and channels is not None and set(channels) == names
        parts.append(_part(header, channels or {}))
    return (tuple(parts) if complete else None), shares


def _from_samples(files: FrameFiles) -> tuple[tuple[PartFacts, ...], dict[str, float] | None]:
    """The same from the samples, for formats whose headers cannot say it and for engines that do not."""
    try:
        frame = read_frame(files.path, number=files.frame)
    except OSError as error:
        raise UnreadableImageError(
            f"cannot be read: {error.strerror}.", next_step="Check the file.", path=files.path
        ) from error
    parts, shares = [], None
    for part in frame.parts:
        if all(name in part.planes for name in EXTRA_CHANNELS):
            shares = shares_of(part.planes)
        if channels := digests(part.planes):
            parts.append(_part(part.header, channels))
    return tuple(parts), shares


def _part(header: PartHeader, channels: dict[str, str]) -> PartFacts:
    window = header.data_window
    return PartFacts(
        name=header.name,
        window=(window.x, window.y, window.width, window.height),
        channels=dict(sorted(channels.items())),
    )


def _resolved(shares: dict[str, float], *, leaves_empty: bool) -> Shares:
    empty = shares.get(UNSURE, 0.0) if leaves_empty else 0.0
    return Shares(
        plate=shares["plate"],
        copied=shares["copied"],
        synthesised=round(shares["synthesised"] - empty, 6),
        model=shares["model"],
        empty=empty,
    )
