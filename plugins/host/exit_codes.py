"""Exit codes of batch runs: those of the `overscan` command (docs/errors.md), the same in every host."""

from __future__ import annotations

DONE = 0
INTERNAL = 1
REQUEST = 2
INPUT = 3
OUTPUT = 4
ENGINE = 5
SERVICE = 6
CANCELLED = 9
INTERRUPTED = 130

_CODES = {
    REQUEST: (
        "USAGE", "JOB_FILE", "REPORT", "INVALID_JOB", "INVALID_PARAMETER", "UNSUPPORTED", "UNSUPPORTED_CONTROL",
        "UNKNOWN_ENGINE", "UNKNOWN_JOB", "UNKNOWN_MODEL", "REQUEST_CONFLICT", "ADDRESS",
    ),
    INPUT: (
        "MISSING_FRAMES", "UNREADABLE_IMAGE", "UNSUPPORTED_IMAGE", "MISMATCH", "FRAME_RANGE", "COLOUR_SPACE", "MODEL",
        "DOWNLOAD",
    ),
    OUTPUT: ("OUTPUT_EXISTS", "OUTPUT_NOT_WRITABLE", "OUTPUT_IN_USE", "DISK_FULL"),
    ENGINE: ("ENGINE_FAULT", "STEP_FAILED", "WORKER_LOST", "OUT_OF_MEMORY", "PLAN_TIMEOUT", "MODELS_NOT_INSTALLED"),
    SERVICE: (
        "SERVICE_UNREACHABLE", "SERVICE_START_FAILED", "SERVICE_TIMEOUT", "SERVICE_REFUSED", "SERVICE_CLOSING",
        "PROTOCOL_MISMATCH", "TOO_MANY_STREAMS", "BRIDGE_NOT_INSTALLED", "BRIDGE_START_FAILED", "BRIDGE_ENDED",
        "BRIDGE_TIMEOUT", "SIGNING_KEY",
    ),
    7: ("PLATE_CHANGED", "RECEIPT", "RESULT_CHANGED"),
    8: ("POLICY", "POLICY_FILE", "LEDGER"),
    CANCELLED: ("CANCELLED",),
}  # fmt: skip

_BY_CODE = {code: number for number, codes in _CODES.items() for code in codes}


def exit_code(code: str) -> int:
    """The exit code for a problem's code; `INTERNAL` for one that the table does not have."""
    return _BY_CODE.get(code, INTERNAL)
