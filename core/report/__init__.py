"""Reports for production and legal: what was used where, under which rights, from the receipts and the ledger.

Docs: docs/rights.md. Nothing is computed that a record does not say; what no record says is unknown.
"""

from overscan.core.report._build import build
from overscan.core.report._facts import Answered, JobEntry, Known, Material, Report, ShotEntry
from overscan.core.report._pages import write_pages
from overscan.core.report._pdf import write_pdf
from overscan.core.report._select import ReportError, select
from overscan.core.report._tables import csv_text, to_plain

__all__ = [
    "Answered",
    "JobEntry",
    "Known",
    "Material",
    "Report",
    "ReportError",
    "ShotEntry",
    "build",
    "csv_text",
    "select",
    "to_plain",
    "write_pages",
    "write_pdf",
]
