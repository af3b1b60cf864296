"""A job's receipt as data: what was asked, what went in, what made it, under which rights, and what came out.

The JSON Schema beside this module, ``receipt.schema.json``, is made from these classes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from overscan.core.access import check_read
from overscan.core.errors import OverscanError
from overscan.core.temporaries import written_beside

SCHEMA: Literal["https://overscan/receipt/1"] = "https://overscan/receipt/1"
"""Names the kind of document, in its field ``schema``."""
VERSION: Literal[1] = 1
"""Grows when a reader of older receipts would misread a newer one."""
_BYTES_MAX = 1 << 30
_STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)
# A receipt may come from anybody, and these become parts of paths.
_FileName = Annotated[str, Field(pattern=r"^[^/\\\x00]*[^/\\\x00.][^/\\\x00]*$")]
_JobId = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]


class ReceiptError(OverscanError):
    """A file is no receipt, is damaged, or is of a version that is not known here."""

    code = "RECEIPT"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """What was asked."""

    __pydantic_config__ = _STRICT

    task: str
    """extend, inpaint, continue, interpolate or generate."""
    labels: Mapping[str, str]
    """Show, sequence, shot and artist, those that were given."""
    use: str
    """temp or final."""
    spec: Mapping[str, Any]
    """All of the job as it was sent: the wire's JobSpec as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """One file that the job read."""

    __pydantic_config__ = _STRICT

    frame: int | None
    """Its number in its sequence; null for a single file."""
    path: str
    """Absolute, as the service saw it."""
    sha256: str
    """Of the file's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A sequence, or a single picture, that the job read."""

    __pydantic_config__ = _STRICT

    role: str
    """plate, matte, movers, never_copy, clean_plate, keyframe, reference, motion_source, pose_source, or the kind of a
    pass with ``_pass`` behind it."""
    pattern: str
    """Path pattern, absolute."""
    frames: tuple[InputFile, ...]
    """All files of it that were there to be read, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What made it."""

    __pydantic_config__ = _STRICT

    name: str
    version: str
    card: Mapping[str, Any]
    """Its rights card at that time, whole."""
    card_sha256: str
    """Of the card's canonical JSON (`overscan.core.rights.card_digest`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """The model that an engine used."""

    __pydantic_config__ = _STRICT

    name: str
    version: str
    weights: Mapping[str, str]
    """SHA-256 of each file of weights that was loaded, by its name in the model's folder."""
    card: Mapping[str, Any]
    """Its rights card at that time, whole."""
    card_sha256: str
    """Of the card's canonical JSON (`overscan.core.rights.card_digest`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFileFacts:
    """One of the files that a policy was read from."""

    __pydantic_config__ = _STRICT

    level: str
    """studio, show, shot or lock."""
    path: str
    """Absolute, as the service saw it."""
    sha256: str
    """Of the file's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFacts:
    """Why it was allowed."""

    __pydantic_config__ = _STRICT

    name: str
    sha256: str
    """Of the policy that decided, studio, show, shot and lock together."""
    decision: str
    """allowed or refused. A job that was refused has no receipt."""
    reason: str
    """In one sentence."""
    approvals: tuple[str, ...]
    """The approvals that the decision rests on, in words: who, when, until when, why."""
    files: tuple[PolicyFileFacts, ...] = ()
    """The files of the policy, the show's lock among them; none for the default policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How much of a frame came from where, as parts of its data window, to six decimals; together 1.

    A pixel of a soft edge counts by its share.
    """

    __pydantic_config__ = _STRICT

    plate: float
    """The plate's own samples, untouched."""
    copied: float
    """From another frame of the plate, or from a clean plate."""
    synthesised: float
    """From the plate, but from no single place in it."""
    model: float
    """Made by a model."""
    empty: float
    """Left empty, for another tool to fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFacts:
    """The samples of one part of a frame, independent of how they are stored."""

    __pydantic_config__ = _STRICT

    name: str
    """Of the part; empty where it has none."""
    window: tuple[int, int, int, int]
    """The data window: x, y, width and height."""
    channels: Mapping[str, str]
    """By channel: the sample type, a colon, and the SHA-256 of its samples, rows from the top, little-endian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFacts:
    """One frame that came out."""

    __pydantic_config__ = _STRICT

    frame: int
    """Its number in the result."""
    plate_frame: int | None
    """The frame of the plate that it is; null where the plate has none."""
    path: _FileName
    """The file's name, in the folder of the receipt."""
    bytes: int
    """Size of the file."""
    sha256: str
    """Of the file's bytes."""
    pixels_sha256: str
    """Of the canonical JSON of `parts`: the same for any file that holds the same samples."""
    parts: tuple[PartFacts, ...]
    """All parts but Overscan's own extra layers."""
    shares: Shares | None
    """Null where the job wrote no extra layers, and nobody knows."""
    extras: InputFile | None = None
    """The sidecar file with the extra layers, by its name in the folder of the receipt; null where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFacts:
    """How the frames relate to the plate: what checking promise 1 needs where a frame's own header is lost."""

    __pydantic_config__ = _STRICT

    pattern: _FileName
    """Name pattern of the frames, in the folder of the receipt."""
    offset: tuple[int, int]
    """How far the plate moved inside the result."""
    part: int
    """Index of the part of the plate that was painted."""
    channels: tuple[str, ...]
    """Channels of it that were painted."""
    matte_part: int = 0
    matte_channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where it was made."""

    __pydantic_config__ = _STRICT

    # "class" is a word of Python's; the document calls it so.
    kind: str
    """Class of machine: operating system, processor architecture, number of cores."""
    cpu: str
    gpu: str
    """Empty where none was used."""
    os: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When, ISO 8601 in UTC."""

    __pydantic_config__ = _STRICT

    created: str
    started: str
    ended: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What differs between two runs of the same job; all else in a receipt is the same."""

    __pydantic_config__ = _STRICT

    job_id: _JobId
    machine: Machine
    times: Times


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReceipt:
    """The receipt of one job that succeeded."""

    __pydantic_config__ = _STRICT

    schema: Literal["https://overscan/receipt/1"] = SCHEMA
    version: Literal[1] = VERSION
    job: JobFacts
    inputs: tuple[Input, ...]
    engine: EngineFacts
    model: ModelFacts | None
    policy: PolicyFacts | None
    """Null where no service decided: the engine was run by hand."""
    seed: int
    parameters: Mapping[str, bool | int | float | str]
    """All parameters of the engine, those that were not set by their defaults."""
    software: Mapping[str, str]
    """Versions of Overscan, Python and the libraries that touch samples."""
    result: ResultFacts
    frames: tuple[FrameFacts, ...] = field(repr=False)
    assets: tuple[str, ...] = ()
    """Ids, in the clearance ledger, of the assets among the inputs."""
    beside: tuple[InputFile, ...] = ()
    """Further files that the job wrote, e.g. sound, by their names in the folder of the receipt."""
    run: Run


@cache
def _adapter() -> TypeAdapter[JobReceipt]:
    return TypeAdapter(JobReceipt)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a receipt; ``receipt.schema.json`` holds it for other tools."""
    own: dict[str, Any] = _adapter().json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA, **own}


def canonical(value: object) -> bytes:
    """`value` as JSON with one spelling only: keys sorted, no spaces, UTF-8; what digests are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
        "utf-8", "surrogatepass"
    )


def content_digest(value: object) -> str:
    """SHA-256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical(value)).hexdigest()


def to_plain(value: object) -> Any:
    """Dataclasses as dicts and tuples as lists, all the way down."""
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: to_plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def receipt_bytes(receipt: JobReceipt) -> bytes:
    """The one spelling that a receipt has as a file: JSON, keys sorted, one space of indent, a line feed at the end."""
    text = json.dumps(to_plain(receipt), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def write_receipt_file(receipt: JobReceipt, path: Path, *, owner: str = "") -> None:
    """Write a receipt, atomically, in place of any that is there; `owner` is `written_beside`'s. Raises OSError."""
    with written_beside(path, owner=owner) as temporary:
        temporary.write_bytes(receipt_bytes(receipt))


def read_receipt_file(path: Path) -> JobReceipt:
    """Read a receipt; raises `ReceiptError` where the file is none, is damaged, or is from a newer version.

    Digests and signatures are not checked: `audit` does.
    """
    check_read(path)
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise ReceiptError(
                "is too large for a receipt.", next_step="Look at what wrote it.", path=path, expected=_BYTES_MAX
            )
        data = path.read_bytes()
    except OSError as error:
        raise ReceiptError(
            f"the receipt cannot be read: {error.strerror}.", next_step="Check the file's permissions.", path=path
        ) from error
    return parse_receipt(data, path=path)


def parse_receipt(data: bytes, *, path: Path) -> JobReceipt:
    """The receipt that is in `data`, read from `path`; raises as `read_receipt_file` does."""
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _no_receipt(path, f"it is not JSON: {error}") from error
    version = plain.get("version") if isinstance(plain, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise ReceiptError(
            f"the receipt is of version {version}, which this Overscan does not know.",
            next_step="Use a newer Overscan.",
            path=path,
            expected=VERSION,
            actual=version,
        )
    try:
        return _adapter().validate_python(plain)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise _no_receipt(path, f"{where or 'the document'}: {first['msg']}") from error


def _no_receipt(path: Path, why: str) -> ReceiptError:
    return ReceiptError(
        f"this is no receipt of Overscan, or it is damaged: {why}.",
        next_step="Take it from a backup, or from the home folder of the service that made it.",
        path=path,
    )
