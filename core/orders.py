"""What a service tells its workers about receipts, as plain data that costs nothing to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from overscan.core.rights import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySource:
    """Where the keys come from that receipts are signed with and checked against."""

    folder: Path
    """Of the self-made key, which is made there when it is first needed."""
    certificate: Path | None = None
    """A studio's certificate chain, PEM, the signer's own certificate first."""
    private_key: Path | None = None
    """Its private key, PEM, without a password."""
    anchors: Path | None = None
    """Certificates, PEM, whose signatures count as a studio's when receipts are checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptOrder:
    """What only the service knows of a job, and where its receipt goes."""

    job_id: str
    spec: str
    """The wire's JobSpec as JSON."""
    created: str
    """ISO 8601, UTC."""
    started: str
    decision: Decision | None
    """What the policy said when the job was created."""
    home: Path
    """The service's home folder, with the clearance ledger."""
    archive: Path
    """Folder of its own copies of receipts."""
    keys: KeySource
