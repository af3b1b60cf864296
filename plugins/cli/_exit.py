"""Exit codes: why a command ended, for scripts and farms."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of `overscan`; docs/errors.md has the same table."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    INPUT = 3
    OUTPUT = 4
    ENGINE = 5
    SERVICE = 6
    PLATE_CHANGED = 7
    POLICY = 8
    CANCELLED = 9
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.INTERNAL: "an error inside Overscan, or a check of doctor failed",
    ExitCode.USAGE: "the command line, the job file or the job is wrong",
    ExitCode.INPUT: "the plate or another input is wrong: missing frames, sizes, range, colour space",
    ExitCode.OUTPUT: "the output is there already, cannot be written, or the disk is full",
    ExitCode.ENGINE: "the engine failed, or its worker died",
    ExitCode.SERVICE: "the service cannot be reached or started, is not ready, or does not let the caller do it",
    ExitCode.PLATE_CHANGED: "verification failed: the plate was changed, or a result is not what its receipt says",
    ExitCode.POLICY: "the show's policy forbids it",
    ExitCode.CANCELLED: "the job was cancelled by someone else",
    ExitCode.INTERRUPTED: "stopped by Ctrl-C",
    ExitCode.TERMINATED: "stopped by SIGTERM",
}

_PROBLEMS: dict[ExitCode, tuple[str, ...]] = {
    ExitCode.USAGE: (
        "USAGE",
        "JOB_FILE",
        "INVALID_JOB",
        "INVALID_PARAMETER",
        "UNSUPPORTED",
        "UNSUPPORTED_CONTROL",
        "UNKNOWN_ENGINE",
        "UNKNOWN_JOB",
        "JOB_NOT_ENDED",
        "UNKNOWN_MODEL",
        "REQUEST_CONFLICT",
        "ADDRESS",
        "SETTINGS",
        "OUTSIDE_ROOTS",
        "MALFORMED_REQUEST",
        "UNMAPPED_PATH",
        "UNKNOWN_UPLOAD",
        "UPLOAD_INCOMPLETE",
        "UPLOAD_IN_USE",
        "UNKNOWN_FILE",
        "RESULT_NOT_KEPT",
        "USERS_FILE",
        "REPORT",
        "JOB_ENDED",
    ),
    ExitCode.INPUT: (
        "MISSING_FRAMES",
        "UNREADABLE_IMAGE",
        "UNSUPPORTED_IMAGE",
        "MISMATCH",
        "FRAME_RANGE",
        "COLOUR_SPACE",
        "MODEL",
        "DOWNLOAD",
        "INPUT_CHANGED",
        "DEPENDENCY_FAILED",
    ),
    ExitCode.OUTPUT: ("OUTPUT_EXISTS", "OUTPUT_NOT_WRITABLE", "OUTPUT_IN_USE", "DISK_FULL", "SHARE_LOST"),
    ExitCode.ENGINE: (
        "ENGINE_FAULT",
        "STEP_FAILED",
        "WORKER_LOST",
        "WORKER_STUCK",
        "OUT_OF_MEMORY",
        "PLAN_TIMEOUT",
        "MODELS_NOT_INSTALLED",
    ),
    ExitCode.SERVICE: (
        "SERVICE_UNREACHABLE",
        "SERVICE_START_FAILED",
        "SERVICE_TIMEOUT",
        "SERVICE_REFUSED",
        "SERVICE_CLOSING",
        "SIGNING_KEY",
        "PROTOCOL_MISMATCH",
        "BRIDGE_NOT_INSTALLED",
        "BRIDGE_START_FAILED",
        "BRIDGE_ENDED",
        "BRIDGE_TIMEOUT",
        "TOO_MANY_STREAMS",
        "STORE_UNAVAILABLE",
        "STORE_UNUSABLE",
        "UNAUTHENTICATED",
        "NOT_ALLOWED",
        "QUOTA",
        "UPLOAD_OFFSET",
        "UPLOAD_DAMAGED",
        "TRANSFER_DAMAGED",
        "UNKNOWN_METHOD",
        "AUDIT_LOG",
        "TLS",
    ),
    ExitCode.PLATE_CHANGED: ("PLATE_CHANGED", "RESULT_CHANGED", "RECEIPT"),
    ExitCode.POLICY: ("POLICY", "POLICY_FILE", "LEDGER"),
    ExitCode.CANCELLED: ("CANCELLED",),
}

CODES: dict[str, ExitCode] = {problem: code for code, problems in _PROBLEMS.items() for problem in problems}
"""Exit code by the code of the problem; any other problem is internal."""


def exit_code_of(problem_code: str) -> ExitCode:
    """The exit code for a problem with this code."""
    return CODES.get(problem_code, ExitCode.INTERNAL)


def exit_code_help() -> str:
    """The table for the end of ``overscan --help``."""
    return "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())
