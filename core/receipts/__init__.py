"""Receipts: one document a job that says where every frame came from, signed, and checked against files years later."""

from overscan.core.receipts._audit import audit, header_receipts
from overscan.core.receipts._document import (
    SCHEMA,
    VERSION,
    EngineFacts,
    FrameFacts,
    Input,
    InputFile,
    JobFacts,
    JobReceipt,
    Machine,
    ModelFacts,
    PartFacts,
    PolicyFacts,
    PolicyFileFacts,
    ReceiptError,
    ResultFacts,
    Run,
    Shares,
    Times,
    json_schema,
    read_receipt_file,
    write_receipt_file,
)
from overscan.core.receipts._finding import Finding, State, Subject
from overscan.core.receipts._keys import SigningKeyError
from overscan.core.receipts._make import Witness, deliver_receipt
from overscan.core.receipts._places import archived, receipt_paths
from overscan.core.receipts._sign import Notary, Signature, SignatureReader, Signer
from overscan.core.result_names import receipt_path, signature_path

__all__ = [
    "SCHEMA",
    "VERSION",
    "EngineFacts",
    "Finding",
    "FrameFacts",
    "Input",
    "InputFile",
    "JobFacts",
    "JobReceipt",
    "Machine",
    "ModelFacts",
    "Notary",
    "PartFacts",
    "PolicyFacts",
    "PolicyFileFacts",
    "ReceiptError",
    "ResultFacts",
    "Run",
    "Shares",
    "Signature",
    "SignatureReader",
    "Signer",
    "SigningKeyError",
    "State",
    "Subject",
    "Times",
    "Witness",
    "archived",
    "audit",
    "deliver_receipt",
    "header_receipts",
    "json_schema",
    "read_receipt_file",
    "receipt_path",
    "receipt_paths",
    "signature_path",
    "write_receipt_file",
]
