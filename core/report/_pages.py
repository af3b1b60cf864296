"""A report as web pages: one folder that needs no network, no scripts and nothing installed to be read."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from overscan.core.frames import format_frames
from overscan.core.ledger import Question
from overscan.core.receipts import signature_path
from overscan.core.report._facts import JobEntry, Report, ShotEntry
from overscan.core.report._pictures import COLOURS, NoPicture, Picture, pictures
from overscan.core.report._questions import WORDS
from overscan.core.report._select import ReportError
from overscan.core.report._tables import SCHEMA, csv_text, to_plain
from overscan.core.temporaries import written_beside

START = "index.html"
WHOLE = "print.html"
"""All of it on one page, for printing."""
_DATA = "report.json"
_SAFE = re.compile(r"[^A-Za-z0-9_-]+")

Sign = Callable[[bytes, JobEntry, int], bytes]
"""Puts a signature into a JPEG of a frame of a job."""


@dataclass(slots=True, kw_only=True)
class _Shown:
    """A picture of a frame, as a page shows it."""

    frame: int
    words: str
    look: str = ""
    """File in the report's folder; empty where there is none."""
    overlay: str = ""
    width: int = 0
    height: int = 0


@dataclass(slots=True, kw_only=True)
class _Page:
    """A shot, as pages show it."""

    entry: ShotEntry
    file: str
    """In the report's folder."""
    shown: dict[str, list[_Shown]] = field(default_factory=dict)
    """By job."""
    receipts: dict[str, str] = field(default_factory=dict)
    """Copies of receipts, by job."""

    @property
    def thumbnail(self) -> _Shown | None:
        """The picture that stands for the shot: of the latest job that counts."""
        found = [item for job in self.entry.jobs if job.counts for item in self.shown[job.receipt.run.job_id]]
        usable = [item for item in found if item.look]
        return usable[len(usable) // 2 if len(usable) < 3 else 1] if usable else None


def write_pages(*, report: Report, folder: Path, sign: Sign | None = None) -> Path:
    """Write `report` as web pages into `folder`, in place of an older report there; returns the page to start with.

    With copies of the receipts and their signatures, and the report as CSV and JSON. `sign` puts a signature into
    every picture. Raises `ReportError` where the folder holds anything else, or cannot be written.
    """
    try:
        older = _older_files(folder)
        folder.mkdir(parents=True, exist_ok=True)
        files = _Files(folder)
        pages = [_page(shot, files, sign) for shot in report.shots]
        environment = _environment()
        facts: dict[str, Any] = {"report": report, "pages": pages, "words": WORDS}
        files.text(START, environment.get_template("index.html").render(**facts, up=""))
        files.text(WHOLE, environment.get_template("print.html").render(**facts, up=""))
        for page in pages:
            files.text(page.file, environment.get_template("shot.html").render(**facts, page=page, up="../"))
        files.text("report.csv", csv_text(report))
        # Last, as it says that this is a report, and which files are its own.
        data = {**to_plain(report), "files": sorted({*files.written, _DATA})}
        files.text(_DATA, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        for name in set(older) - set(files.written):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise ReportError(
            f"the report cannot be written: {error.strerror or error}.",
            next_step="Check the folder and its disk, or choose another.",
            path=folder,
            field="html",
        ) from error
    return folder / START


def _older_files(folder: Path) -> list[str]:
    """Files of an older report in `folder`; none where the folder is empty or not there."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return []
    try:
        data = json.loads((folder / _DATA).read_text(encoding="utf-8"))
        if data["schema"] == SCHEMA:
            return [name for name in data["files"] if (folder / name).resolve().is_relative_to(folder.resolve())]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise ReportError(
        "is not empty, and what is in it is no report.", next_step="Name a new folder.", path=folder, field="html"
    )


class _Files:
    """Writes the files of a report, and knows which."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.written: list[str] = []

    def data(self, name: str, data: bytes) -> str:
        with written_beside(self._folder / name) as temporary:
            temporary.write_bytes(data)
        self.written.append(name)
        return name

    def text(self, name: str, text: str) -> str:
        return self.data(name, text.encode("utf-8", "backslashreplace"))

    def copy(self, name: str, source: Path) -> str:
        with written_beside(self._folder / name) as temporary:
            shutil.copyfile(source, temporary)
        self.written.append(name)
        return name


def _page(shot: ShotEntry, files: _Files, sign: Sign | None) -> _Page:
    page = _Page(entry=shot, file=f"shots/{_slug(shot)}.html")
    for job in shot.jobs:
        name = job.receipt.run.job_id
        page.shown[name] = list(_shown(job, files, sign))
        page.receipts[name] = files.copy(f"receipts/{job.archived.name}", job.archived)
        signature = signature_path(job.archived)
        if signature.exists():
            files.copy(f"receipts/{signature.name}", signature)
    return page


def _shown(job: JobEntry, files: _Files, sign: Sign | None) -> Iterator[_Shown]:
    """Pictures of a job, written; none of one whose frames were all replaced."""
    for item in pictures(job) if job.counts else ():
        if isinstance(item, NoPicture):
            yield _Shown(frame=item.frame, words=item.words)
        else:
            yield _written(item, job, files, sign)


def _written(item: Picture, job: JobEntry, files: _Files, sign: Sign | None) -> _Shown:
    def put(data: bytes, suffix: str) -> str:
        name = f"pictures/{job.archived.stem}.{item.frame}{suffix}.jpg"
        return files.data(name, sign(data, job, item.frame) if sign else data)

    return _Shown(
        frame=item.frame,
        words=item.words,
        look=put(item.look, ""),
        overlay=put(item.overlay, ".sources") if item.overlay else "",
        width=item.width,
        height=item.height,
    )


def _slug(shot: ShotEntry) -> str:
    """A file name for the shot: readable, and another one for every other shot, also where case does not count."""
    name = f"{shot.show}/{shot.shot}"
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_SAFE.sub('-', name).strip('-')[:60] or 'shot'}-{digest}"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("overscan.core.report", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = _share
    environment.filters["frames"] = lambda receipt: format_frames(frame.frame for frame in receipt.frames)
    environment.filters["day"] = lambda text: text[:16].replace("T", " ") + (" UTC" if len(text) > 10 else "")
    environment.globals["colours"] = {kind.name.lower(): f"#{bytes(rgb).hex()}" for kind, rgb in COLOURS.items()}
    environment.globals["questions"] = list(Question)
    return environment


def _share(value: float) -> str:
    """A part as per cent; what is not nothing does not read as nothing, nor less than all as all."""
    if 0 < value < 0.0005:
        return "< 0.1 %"
    return "> 99.9 %" if 0.9995 < value < 1 else f"{value:.1%}".replace("%", " %")
