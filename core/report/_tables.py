"""A report as JSON for pipelines and as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from overscan.core.frames import format_frames
from overscan.core.receipts import Shares
from overscan.core.report._facts import Answered, JobEntry, Report

SCHEMA = "https://overscan/report/1"
"""Names the kind of document, in its field ``schema``."""
_COLUMNS = (
    "show", "shot", "job", "task", "use", "artist", "ended", "frames", "frame_count", "frames_replaced",
    "plate", "copied", "synthesised", "model_made", "empty", "frames_without_shares",
    "engine", "engine_version", "engine_licence", "model", "model_version", "model_licence", "training_data",
    "policy", "decision", "approvals", "assets", "pictures_in_no_ledger", "signature", "output", "receipt",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the beginning of a formula."""


def to_plain(report: Report) -> dict[str, Any]:
    """All of a report as JSON-ready data, without what receipts say of each frame's samples."""
    return {
        "schema": SCHEMA,
        "title": report.title,
        "kind": report.kind,
        "made_at": report.made_at,
        "version": report.version,
        "warnings": list(report.warnings),
        "answers": [_answer(item) for item in report.answers],
        "shots": [
            {
                "show": shot.show,
                "shot": shot.shot,
                "answers": [_answer(item) for item in shot.answers],
                "jobs": [_job(job) for job in shot.jobs],
            }
            for shot in report.shots
        ],
        "materials": [
            {
                "kind": item.kind,
                "name": item.name,
                "version": item.version,
                "card": dict(item.card),
                "card_sha256": item.card_sha256,
                "weights": dict(item.weights),
                "shots": list(item.shots),
            }
            for item in report.materials
        ],
        "approvals": list(report.approvals),
        "assets": [
            {**_plain(asdict(item.asset)), "objection": item.objection, "used_in": list(item.shots)}
            for item in report.assets
        ],
        "statements": [_plain(asdict(statement)) for statement in report.statements],
    }


def csv_text(report: Report) -> str:
    """A table with a line for each job; UTF-8, comma-separated, with a head line (RFC 4180)."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _COLUMNS)
    writer.writeheader()
    for job in report.jobs:
        writer.writerow({name: _cell(value) for name, value in _row(job).items()})
    return text.getvalue()


def _row(job: JobEntry) -> dict[str, object]:
    receipt = job.receipt
    model, policy, shares = receipt.model, receipt.policy, job.shares
    learned = receipt.engine if model is None else model
    return {
        "show": job.show,
        "shot": job.shot,
        "job": receipt.run.job_id,
        "task": receipt.job.task,
        "use": receipt.job.use,
        "artist": receipt.job.labels.get("artist", ""),
        "ended": receipt.run.times.ended,
        "frames": format_frames(frame.frame for frame in receipt.frames),
        "frame_count": len(receipt.frames),
        "frames_replaced": job.replaced,
        **_shares(shares),
        "frames_without_shares": job.unknown_frames,
        "engine": receipt.engine.name,
        "engine_version": receipt.engine.version,
        "engine_licence": receipt.engine.card.get("licence", ""),
        "model": model.name if model else "",
        "model_version": model.version if model else "",
        "model_licence": model.card.get("licence", "unknown") if model else "",
        "training_data": learned.card.get("training_data", "unknown"),
        "policy": policy.name if policy else "",
        "decision": policy.decision if policy else "unknown",
        "approvals": "; ".join(policy.approvals) if policy else "",
        "assets": ", ".join(job.assets),
        "pictures_in_no_ledger": ", ".join(job.unregistered),
        "signature": job.seal.words,
        "output": str(job.folder / receipt.result.pattern),
        "receipt": str(job.archived),
    }


def _shares(shares: Shares | None) -> dict[str, object]:
    if shares is None:
        return dict.fromkeys(("plate", "copied", "synthesised", "model_made", "empty"), "unknown")
    return {
        "plate": shares.plate,
        "copied": shares.copied,
        "synthesised": shares.synthesised,
        "model_made": shares.model,
        "empty": shares.empty,
    }


def _cell(value: object) -> object:
    """`value`, with an apostrophe before what a spreadsheet would carry out."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _answer(item: Answered) -> dict[str, str]:
    return {"question": item.question.value, "answer": item.known.value, "short": item.short, "why": item.why}


def _job(job: JobEntry) -> dict[str, object]:
    policy = job.receipt.policy
    return {
        **_row(job),
        "approvals": list(policy.approvals) if policy else [],
        "assets": list(job.assets),
        "pictures_in_no_ledger": list(job.unregistered),
        "reason": policy.reason if policy else "",
        "counts": job.counts,
        "on_disk": job.on_disk,
        "inputs": [
            {"role": item.role, "pattern": item.pattern, "files": len(item.frames)} for item in job.receipt.inputs
        ],
    }


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in facts.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _plain(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_value(item) for item in value]
    return getattr(value, "value", value)
