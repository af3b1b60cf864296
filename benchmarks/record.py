"""The record of a run: one schema for all suites, as JSON and as Markdown."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from evaluate import Figures, mean_figures

SCHEMA = 1
OVERSCAN = "overscan"
"""The method's name in rows."""
MEAN = "mean"
"""The case's name in rows that are means over the cases of a suite."""
_PACKAGES = (
    "overscan", "numpy", "numba", "opencv-python-headless", "OpenImageIO", "opencolorio",
    "flip-evaluator", "cvvdp", "torch", "pypatchmatch",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one method did with one case, in one region."""

    suite: str
    case: str
    method: str
    region: str
    frames: int
    figures: Figures = field(default_factory=Figures)
    note: str = ""
    """Why there are no figures, or what the engine warned of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Something a release has to show."""

    suite: str
    what: str
    value: float | None
    """None where this run did not measure it."""
    limit: str

    met: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A whole run."""

    schema: int = SCHEMA
    command: Sequence[str]
    quick: bool
    """Whether sizes and lengths were cut down, so that the figures prove nothing but that the benchmark runs."""
    started: str
    """UTC."""
    commit: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str | None]
    """Installed packages; None for an optional one that is missing."""
    rows: Sequence[Row] = field(repr=False)
    gates: Sequence[Gate] = ()


def new_record(*, command: Sequence[str], quick: bool) -> Record:
    """A record without rows, that says where and with what the run takes place."""
    return Record(
        command=tuple(command),
        quick=quick,
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        commit=_commit(),
        machine={
            "system": platform.platform(),
            "python": platform.python_version(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": _memory_gib(),
        },
        versions={name: _version(name) for name in _PACKAGES},
        rows=(),
    )


def write_json(record: Record, path: Path) -> None:
    """Store a record; NaN has no place in JSON and becomes null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_plain(asdict(record)), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def means(rows: Iterable[Row]) -> list[Row]:
    """Rows with the means over the cases, by suite, method and region, in the order in which they first appear."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row.figures != Figures():
            groups.setdefault((row.suite, row.method, row.region), []).append(row)
    return [
        Row(
            suite=suite,
            case=MEAN,
            method=method,
            region=region,
            frames=sum(row.frames for row in group),
            figures=mean_figures([row.figures for row in group]),
        )
        for (suite, method, region), group in groups.items()
    ]


_COLUMNS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("psnr_db", "PSNR", "{:.2f}".format),
    ("log_psnr_db", "log-PSNR", "{:.2f}".format),
    ("ssim", "SSIM", "{:.3f}".format),
    ("high_frequency_ratio", "detail", "{:.2f}".format),
    ("warp_error_ratio", "flicker", "{:.2f}".format),
    ("flip", "FLIP", "{:.3f}".format),
    ("jod", "JOD", "{:.2f}".format),
    ("seam_stops", "seam, stops", "{:.3f}".format),
    ("grain_ratio", "grain R G B", lambda ratios: " ".join(f"{ratio:.2f}" for ratio in ratios)),
    ("drift_px", "drift, px", "{:.3f}".format),
    ("samples_changed", "changed", "{}".format),
    ("seconds_per_frame", "s/frame", "{:.2f}".format),
    ("peak_mib", "MiB", "{:.0f}".format),
)


def table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table with the columns that any of them has."""
    columns = [column for column in _COLUMNS if any(getattr(row.figures, column[0]) is not None for row in rows)]
    regions = len({row.region for row in rows}) > 1
    heads = ["case", "method", *(["region"] if regions else []), "frames", *(head for _, head, _ in columns)]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [row.case, row.method, *([row.region] if regions else []), str(row.frames)]
        for name, _, text in columns:
            value = getattr(row.figures, name)
            cells.append("" if value is None else text(value))
        lines.append("| " + " | ".join(cells) + " |")
    notes = dict.fromkeys(f"* {row.case}, {row.method}: {row.note}" for row in rows if row.note)
    return "\n".join([*lines, *(["", *notes] if notes else [])])


def gate_table(gates: Sequence[Gate]) -> str:
    """Gates as a Markdown table."""
    words = {True: "yes", False: "**no**", None: "not measured"}
    lines = ["| suite | what | measured | limit | met |", "|---|---|---|---|---|"]
    for gate in gates:
        value = "" if gate.value is None else f"{gate.value:.4g}"
        lines.append(f"| {gate.suite} | {gate.what} | {value} | {gate.limit} | {words[gate.met]} |")
    return "\n".join(lines)


def with_rows(record: Record, rows: Sequence[Row], gates: Sequence[Gate]) -> Record:
    """The record with what was measured."""
    return replace(record, rows=tuple(rows), gates=tuple(gates))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))) else value


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    if sys.platform != "linux":
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
