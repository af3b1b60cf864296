"""Errors that say what is wrong, where, and what to do.

Every error Overscan raises for a user's input derives from `OverscanError`. It carries its facts as data, so that
a front end can show them its own way, and crosses process boundaries with `to_record` / `from_record`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRecord:
    """An `OverscanError` as plain data, for the wire and the job store."""

    code: str
    """Stable name of the error class, e.g. ``MISSING_FRAMES``; the table is in docs/errors.md."""
    message: str
    """What is wrong, in one sentence, with the actual and expected values."""
    next_step: str = ""
    """What the user can do about it."""
    path: str = ""
    """File or pattern the error is about, empty where none."""
    frame: int | None = None
    """Frame number the error is about."""
    field: str = ""
    """Field of the job the error is about, dotted, e.g. ``inpaint.matte``."""
    expected: str = ""
    """What was expected."""
    actual: str = ""
    """What was found."""

    def to_dict(self) -> dict[str, str | int | None]:
        """Return the record as a JSON-ready dict."""
        return asdict(self)


class OverscanError(Exception):
    """Base of every error Overscan raises about input, files, jobs or engines."""

    code = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        next_step: str = "",
        path: object = "",
        frame: int | None = None,
        field: str = "",
        expected: object = "",
        actual: object = "",
    ) -> None:
        super().__init__(message)
        self.record = ErrorRecord(
            code=type(self).code,
            message=message,
            next_step=next_step,
            path=str(path),
            frame=frame,
            field=field,
            expected=str(expected),
            actual=str(actual),
        )

    def __str__(self) -> str:
        record = self.record
        where = f"{record.path}: " if record.path and record.path not in record.message else ""
        then = f" {record.next_step}" if record.next_step else ""
        return f"{where}{record.message}{then}"

    def __reduce__(self) -> tuple[object, ...]:
        return (from_record, (self.record,))


class MissingFramesError(OverscanError):
    """Frames that the job needs are not on disk."""

    code = "MISSING_FRAMES"


class UnreadableImageError(OverscanError):
    """A file is not an image, is damaged, or claims more than the limits allow."""

    code = "UNREADABLE_IMAGE"


class UnsupportedImageError(OverscanError):
    """A sound file of a kind that Overscan does not process (deep, mip-mapped, subsampled …)."""

    code = "UNSUPPORTED_IMAGE"


class MismatchError(OverscanError):
    """Two inputs that must agree do not: sizes, ranges, windows within a sequence, matte against plate."""

    code = "MISMATCH"


class FrameRangeError(OverscanError):
    """A frame range is empty, malformed, or outside the plate."""

    code = "FRAME_RANGE"


class ColourSpaceError(OverscanError):
    """A colour space is unknown to the configuration, or cannot be known from the file."""

    code = "COLOUR_SPACE"


class OutputExistsError(OverscanError):
    """The output is already there and the job does not say ``overwrite``."""

    code = "OUTPUT_EXISTS"


class OutputNotWritableError(OverscanError):
    """The output folder cannot be written."""

    code = "OUTPUT_NOT_WRITABLE"


class DiskFullError(OverscanError):
    """The file system has no room left (or the quota is used up)."""

    code = "DISK_FULL"


class ShareLostError(OverscanError):
    """A network share or another mounted file system is gone, or does not answer."""

    code = "SHARE_LOST"


class InputChangedError(OverscanError):
    """A file that a job reads is no longer what it was when the job began."""

    code = "INPUT_CHANGED"


class OutOfMemoryError(OverscanError):
    """There is not the memory that something needs."""

    code = "OUT_OF_MEMORY"


class InvalidJobError(OverscanError):
    """The job contradicts itself or asks for what no engine does."""

    code = "INVALID_JOB"


class UnknownEngineError(OverscanError):
    """No installed engine has the name, or it failed to load."""

    code = "UNKNOWN_ENGINE"


class UnknownModelError(OverscanError):
    """The library has no model of that name, none that fits the engine, or several and the job names none."""

    code = "UNKNOWN_MODEL"


class ModelError(OverscanError):
    """A model's folder holds what no model should, lacks what it needs, or is not what was added to the library."""

    code = "MODEL"


class ModelsNotInstalledError(OverscanError):
    """The libraries that run models are not installed."""

    code = "MODELS_NOT_INSTALLED"


class PlateChangedError(OverscanError):
    """A promise-1 check failed: samples outside the generated region differ from the plate."""

    code = "PLATE_CHANGED"


class PolicyError(OverscanError):
    """The show's policy does not allow the engine, the model or an input."""

    code = "POLICY"


class PolicyFileError(OverscanError):
    """A policy, a lock or a rights card cannot be read, contradicts itself, or widens what is above it."""

    code = "POLICY_FILE"


class OutsideRootsError(OverscanError):
    """A path leads out of the folders that may be read or written."""

    code = "OUTSIDE_ROOTS"


class CancelledError(OverscanError):
    """The step was asked to stop."""

    code = "CANCELLED"


_BY_CODE: dict[str, type[OverscanError]] = {
    kind.code: kind
    for kind in (
        MissingFramesError,
        UnreadableImageError,
        UnsupportedImageError,
        MismatchError,
        FrameRangeError,
        ColourSpaceError,
        OutputExistsError,
        OutputNotWritableError,
        DiskFullError,
        ShareLostError,
        InputChangedError,
        OutOfMemoryError,
        InvalidJobError,
        UnknownEngineError,
        UnknownModelError,
        ModelError,
        ModelsNotInstalledError,
        PlateChangedError,
        PolicyError,
        PolicyFileError,
        OutsideRootsError,
        CancelledError,
    )
}


def from_record(record: ErrorRecord) -> OverscanError:
    """Rebuild the error that `record` came from; an unknown code gives a plain `OverscanError`."""
    kind = _BY_CODE.get(record.code, OverscanError)
    error = kind(record.message)
    error.record = record
    return error
