"""Receipts, at the service's end: what it knows of a job for one, and what was found of one for the wire."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from google.protobuf.json_format import MessageToDict
from sqlalchemy import Row

from overscan.core.engines import Plan
from overscan.core.orders import ReceiptOrder
from overscan.service._settings import Settings
from overscan.service.workers import messages
from overscan.v1 import receipt_pb2
from overscan.v1.job_pb2 import JobSpec


def receipt_order(*, row: Row[Any], plan: Plan, settings: Settings) -> ReceiptOrder:
    """The order for the receipt of a stored job."""
    spec = MessageToDict(JobSpec.FromString(row.spec), preserving_proto_field_name=True)
    return ReceiptOrder(
        job_id=row.id,
        spec=json.dumps(spec),
        created=_time(row.created_us),
        started=_time(row.started_us),
        decision=plan.decision,
        home=settings.home,
        archive=settings.receipts,
        keys=settings.key_source,
    )


def finding_to_wire(found: messages.Found) -> receipt_pb2.Finding:
    """A finding for the wire."""
    return receipt_pb2.Finding(
        subject=receipt_pb2.FindingSubject.Value(f"FINDING_SUBJECT_{found.subject.upper()}"),
        state=receipt_pb2.FindingState.Value(f"FINDING_STATE_{found.state.replace('-', '').upper()}"),
        detail=found.detail,
        path=found.path,
        frame=found.frame,
        count=found.count,
    )


def _time(microseconds: int | None) -> str:
    if microseconds is None:
        return ""
    return datetime.fromtimestamp(microseconds / 1e6, timezone.utc).isoformat(timespec="milliseconds")
