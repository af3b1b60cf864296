"""The clearance ledger: whose the pictures are that jobs read besides their plates, and what was made with them.

Docs: docs/rights.md. The ledger is ``ledger.sqlite`` in Overscan's home folder: entries are added and never changed,
and each holds the digest of the one before, so that a changed or missing entry is found.
"""

from overscan.core.ledger._archive import Archive, read_archive
from overscan.core.ledger._asset import Answer, Asset, AssetFile, AssetKind, Consent, Question, Revocation, Statement
from overscan.core.ledger._standing import asset_ids, objection, standings
from overscan.core.ledger._store import Ledger, LedgerError, ledger_path, read_ledger
from overscan.core.ledger._trace import Made, trace

__all__ = [
    "Answer",
    "Archive",
    "Asset",
    "AssetFile",
    "AssetKind",
    "Consent",
    "Ledger",
    "LedgerError",
    "Made",
    "Question",
    "Revocation",
    "Statement",
    "asset_ids",
    "ledger_path",
    "objection",
    "read_archive",
    "read_ledger",
    "standings",
    "trace",
]
